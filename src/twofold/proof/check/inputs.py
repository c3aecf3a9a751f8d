"""The inputs of a check, chosen so that no mistake stays hidden.

Sizes are small and pairwise different, so that a transposed matrix has the wrong shape; dy is not uniform, since with
dy = 1 a softmax or a batch norm has gradient 0 and a backward pass of zeros would pass; windows overlap; several
batches follow each other on one object, with different sizes and parameters, so that stale values show; one batch has a
single sample; one lies on kinks, after others that do not; and where ε or overflow matter, one has small and one large
numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from twofold.arrays import Array
from twofold.proof.mistakes import Scene
from twofold.proof.mistakes.base import Settings, number
from twofold.recipe.dense import EmbedColumns
from twofold.recipe.layer import LayerSpec
from twofold.recipe.network import kind_of
from twofold.streams import stream

REQUIRED: dict[str, dict[str, int | float | list[int]]] = {
    "dense": {"units": 3},
    "conv2d": {"channels": 5, "kernel": 3},
    "max_pool2d": {"kernel": 2},
    "avg_pool2d": {"kernel": 2},
    "group_norm": {"num_groups": 2},
    "rnn": {"units": 4},
    "lstm": {"units": 4},
    "gru": {"units": 4},
    "embedding": {"num_embeddings": 7, "units": 3},
    "embed_columns": {"num_embeddings": [7, 4], "units": [3, 2]},
    "step": {"step_size": 3},
    "exponential": {"gamma": 0.9},
}
"""Values of required settings that are left out of a check."""
IMAGES = ("conv2d", "max_pool2d", "avg_pool2d", "global_avg_pool2d")
RECURRENT = ("rnn", "lstm", "gru")
NORMS = ("batch_norm", "layer_norm", "group_norm")


def normal(name: str, shape: tuple[int, ...]) -> Array:
    """Standard normal numbers, the same ones for the same name and shape."""
    return stream(0, f"check {name}").normal(size=shape)


def sample_shape(spec: LayerSpec) -> tuple[int, ...]:
    """The shape of one sample, with different sizes for all axes."""
    kind = kind_of(spec)
    if kind in IMAGES:
        window = getattr(spec, "window", ((1, 1), (1, 1), (0, 0), (1, 1)))
        kernel, stride, _, dilation = window
        reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
        groups = int(getattr(spec, "groups", 1))
        height = max(7, reach[0] + 2 * stride[0])
        return (3 * groups, height, max(height + 2, reach[1] + 2 * stride[1]))
    if kind in RECURRENT:
        return (6, 3)
    if kind == "embedding":
        return (5,)
    if isinstance(spec, EmbedColumns):
        return (len(spec.units) + 3,)
    if kind == "flatten":
        return (2, 3, 5)
    if kind == "group_norm":
        return (3 * int(getattr(spec, "num_groups", 2)), 5, 4)
    if kind == "prelu":
        slopes = int(getattr(spec, "num_parameters", 1))
        return (slopes if slopes > 1 else 3, 5, 4)
    return (int(getattr(spec, "axes", None) or 1) > 1 and (4, 5, 3)) or (5,)


def layer_scenes(spec: LayerSpec, shape: tuple[int, ...]) -> list[Scene]:
    """The scenes of a layer on samples of this shape."""
    kind = kind_of(spec)
    used = {*shape, *(size for size in spec.output_shape(shape) if size)}
    used |= {size for sizes in spec.parameter_shapes(shape).values() for size in sizes if size}
    candidates = [n for n in ((4, 6, 5, 8, 2) if len(shape) == 3 else (7, 4, 6, 9, 11, 8)) if n not in used]
    sizes = (*candidates, 13, 10)[:2]
    scenes = [
        _scene(spec, shape, "a batch", sizes[0], fresh=True),
        _scene(spec, shape, "the next batch", sizes[0]),
        _scene(spec, shape, "a smaller batch", sizes[1]),
    ]
    if not (kind == "batch_norm" and len(shape) == 1):
        scenes.append(_scene(spec, shape, "a batch of one sample", 1))
    scenes += [_scene(spec, shape, name, sizes[0], change) for name, change in _special(kind).items()]
    if kind in ("batch_norm", "dropout"):
        scenes.append(_evaluation(_scene(spec, shape, "evaluation", sizes[1])))
    return scenes


def _special(kind: str) -> dict[str, Callable[[Array], Array]]:
    """Special scenes of a kind, kinks, extremes and small numbers, each as a change of the inputs."""
    if kind in ("relu", "leaky_relu", "elu", "prelu"):
        return {"exact zeros": lambda x: np.where(x > 0, x, 0.0), "large numbers": lambda x: 9 * x}
    if kind == "max_pool2d":
        return {"ties": lambda x: np.clip(np.rint(x), -1, 1), "negative numbers": lambda x: -np.abs(x) - 1}
    if kind in NORMS:
        return {"small numbers": lambda x: 0.01 * x}
    if kind == "softmax":
        return {"large logits": _large}
    if kind in ("sigmoid", "tanh", "silu", "gelu"):
        return {"large numbers": lambda x: 30 * x}
    return {}


def _scene(
    spec: LayerSpec,
    shape: tuple[int, ...],
    name: str,
    n: int,
    change: Callable[[Array], Array] = lambda x: x,
    fresh: bool = False,
) -> Scene:
    kind = kind_of(spec)
    x = normal(f"{kind} {name} x", (n, *shape))
    x = 0.4 + 1.7 * x if kind in NORMS else x
    facts: dict[str, bool] = {"training": True, "fresh": fresh}
    if kind == "embedding":
        x = np.clip(np.floor(np.abs(x) * 3), 0, getattr(spec, "num_embeddings", 7) - 1)
        x.flat[0] = x.flat[-1] = min(2, getattr(spec, "num_embeddings", 7) - 1)
        facts["whole_numbers"] = True
    if isinstance(spec, EmbedColumns):
        for place, rows in enumerate(spec.num_embeddings):
            x[:, place] = np.clip(np.floor(np.abs(x[:, place]) * 3), 0, rows - 1)
        x[-1, : len(spec.units)] = x[0, : len(spec.units)]
        facts["whole_numbers"] = True
    output = tuple(size or 0 for size in spec.output_shape(shape))
    arrays = {"x": change(x), "dy": normal(f"{kind} {name} dy", (n, *output))}
    scale = 0.5 if kind in RECURRENT else 1.0
    for parameter, size in spec.parameter_shapes(shape).items():
        arrays[parameter] = scale * normal(f"{kind} {name} {parameter}", tuple(s or 0 for s in size))
    for buffer, size in spec.buffer_shapes(shape).items():
        drawn = normal(f"{kind} {buffer}", tuple(s or 0 for s in size))
        arrays[buffer] = np.exp(drawn) if buffer == "running_var" else drawn
    mask = spec.mask_shape(shape)
    if mask is not None:
        arrays["mask"] = (normal(f"{kind} {name} mask", (n, *shape)) > 0.3).astype(float)
    return Scene(name, arrays, facts)


def _evaluation(scene: Scene) -> Scene:
    arrays = {name: array for name, array in scene.arrays.items() if name != "dy"}
    return replace(scene, arrays=arrays, facts={**scene.facts, "training": False})


def loss_scenes(kind: str, of_probabilities: bool = False) -> list[Scene]:
    """The scenes of a loss: outputs and targets, with large logits for the cross-entropies."""
    sizes = [("a batch", (7, 4), 1.0), ("the next batch", (5, 3), 2.0), ("a batch of one sample", (1, 3), 1.0)]
    if kind in ("cross_entropy", "binary_cross_entropy") and not of_probabilities:
        sizes.append(("large logits", (5, 3), 1e3))
    return [
        Scene(
            name,
            {
                "outputs": _probabilities(_sized(normal(f"loss {name}", shape), scale), of_probabilities),
                "target": _targets(kind, name, shape),
            },
            {"fresh": number == 0},
        )
        for number, (name, shape, scale) in enumerate(sizes)
    ]


def _targets(kind: str, name: str, shape: tuple[int, int]) -> Array:
    """The targets of a scene: classes, or numbers, or labels of which a sample may have several or none."""
    rng = stream(0, f"check target {name}")
    if kind in ("mean_absolute", "huber"):
        target = 2.0 * rng.normal(size=shape)
        scale = 2.0 if name == "the next batch" else 1.0
        target[0, 0] = _sized(normal(f"loss {name}", shape), scale)[0, 0]  # met exactly
        return target
    if kind == "binary_cross_entropy":
        return (rng.random(shape) < 0.5).astype(float)
    return rng.integers(shape[1], size=shape[0])


def _large(x: Array) -> Array:
    """Logits whose exp overflows; all rows have one maximum, so that it does not matter which one is subtracted."""
    x = 1e3 * x
    return x - x.max(axis=-1, keepdims=True) + 2e3


def _sized(x: Array, scale: float) -> Array:
    """x in another size; 1e3 stands for large logits."""
    return _large(x) if scale == 1e3 else scale * x


def _probabilities(z: Array, wanted: bool) -> Array:
    e = np.exp(z) if wanted else z
    return e / e.sum(axis=-1, keepdims=True) if wanted else z


def _gradients(name: str, size: float) -> dict[str, Array]:
    return {f"g.{p}": size * normal(f"{name} g {p}", shape) for p, shape in PARAMETERS.items()}


PARAMETERS = {"weight": (3, 5), "bias": (3,)}


def optimizer_scenes(settings: Settings, constant_rate: bool) -> list[Scene]:
    """The scenes of an optimizer: steps with a falling rate; then, begun anew, gradients that are tiny beside ε."""
    start = {f"p.{name}": normal(f"optimizer {name}", shape) for name, shape in PARAMETERS.items()}
    lr, norm = number(settings, "lr", 0.1) or 0.1, settings.get("max_norm")
    scenes = []
    for taken in range(7):
        size = 1.0 if norm is None else number(settings, "max_norm") * (0.1 if taken in (0, 3) else 1.0)
        rate = lr if constant_rate or taken < 3 else lr * (0.5 if taken < 5 else 0.2)
        arrays = {**_gradients(f"step {taken}", size), **(start if taken == 0 else {})}
        scenes.append(Scene(f"step {taken + 1}", arrays, {"lr": rate, "k": taken + 1, "fresh": taken == 0}))
    for taken in range(4):
        arrays = {**_gradients(f"tiny step {taken}", 1e-7), **(start if taken == 0 else {})}
        facts = {"lr": lr, "k": taken + 1, "fresh": taken == 0}
        scenes.append(Scene(f"step {taken + 1} of tiny gradients", arrays, facts))
    return scenes


def clipping_scenes(settings: Settings) -> list[Scene]:
    """The scenes of a clipping: gradients above the norm, below it, far above it, and exact zeros."""
    c = number(settings, "max_norm", 0.5) or 0.5
    sizes = [("gradients above the norm", 1.0), ("gradients below the norm", 0.05), ("gradients far above", 40.0),
             ("gradients of zero", 0.0)]  # fmt: skip
    return [Scene(name, _gradients(name, c * size), {"max_norm": c, "fresh": True}) for name, size in sizes]


def schedule_scenes(settings: Settings) -> list[Scene]:
    """The scenes of a schedule: two trainings of different length; k counts in the schedule's own unit."""
    lr = number(settings, "lr", 0.7) or 0.7
    return [
        Scene(f"a training of {total} steps", {"k": np.arange(total)}, {"lr": lr, "steps": total, "fresh": True})
        for total in (40, 23)
    ]


def shapes_of(kind: str, spec: LayerSpec) -> list[tuple[int, ...]]:
    """The sample shapes to try: an object may take only images, or only vectors."""
    if kind == "batch_norm":
        return [(4, 5, 3), (4,)]
    if kind == "layer_norm" and getattr(spec, "axes", None) is None:
        return [(5,), (4, 5, 3)]
    return [sample_shape(spec)]
