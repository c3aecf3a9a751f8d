"""The standard that code is compared with: a kind with its settings, its scenes, and the right tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from twofold.arrays import Array, gap
from twofold.errors import UserError, did_you_mean
from twofold.plain import sizes
from twofold.proof.check import inputs
from twofold.proof.check.compared import TOLERANCE
from twofold.proof.mistakes import Making, Mistake, Scene, Tensors, computation, gradient_name, mistakes_of
from twofold.proof.mistakes.base import Settings, number
from twofold.recipe.base import Part
from twofold.recipe.faults import members
from twofold.recipe.layer import LayerSpec
from twofold.streams import stream

CLIPPING = ("max_norm", "clip", "clipping", "gradient_clipping", "clip_grad_norm", "clip_grad_norm_", "clip_grad")
SECTIONS = ("layers", "loss", "optimizer", "schedule")
DRAWS = 4
"""Perturbations by one unit in the last place, of which the envelope in float32 is the largest."""
MARGIN = 32.0
"""The envelope's factor: a sum taken in another order has a rounding error for each of its terms."""


@dataclass(frozen=True)
class Subject:
    """A kind with its settings, and the scenes on which it is run."""

    kind: str
    section: str
    settings: Settings
    scenes: tuple[Scene, ...]
    dtype: str = "float64"

    @property
    def making(self) -> Making:
        """The right computation."""
        return Making(self.kind, self.settings)

    @property
    def names(self) -> list[str]:
        """The scenes' names."""
        return [scene.name for scene in self.scenes]

    @property
    def gradients(self) -> dict[str, str]:
        """The name of each parameter's gradient, such as `dW` for `weight`, by parameter; of a layer only."""
        if self.section != "layers":
            return {}
        known = ("x", "dy", "mask", "running_mean", "running_var")
        return {name: gradient_name(name, self.kind) for name in self.scenes[0].arrays if name not in known}

    def run(self, making: Making | None = None, scenes: Sequence[Scene] | None = None) -> list[Tensors]:
        """Every scene's tensors; a computation begins anew where a scene says so. A pass that fails gives none."""
        results, current = list[Tensors](), None
        with np.errstate(all="ignore"):
            for scene in scenes or self.scenes:
                if current is None or scene.facts.get("fresh"):
                    current = computation(making or self.making)
                try:
                    results.append(current.run(scene))
                except (ValueError, IndexError, ZeroDivisionError, OverflowError):
                    results.append({})
        return results

    def mistakes(self) -> list[Mistake]:
        """The known mistakes of this kind."""
        return mistakes_of(self.kind)

    def tolerances(self, right: Sequence[Tensors], single: bool) -> dict[str, float]:
        """The largest relative gap at which each tensor still counts as right, by name."""
        names = dict.fromkeys(name for tensors in right for name in tensors)
        return self._envelope(right) if single else dict.fromkeys(names, TOLERANCE)

    def _envelope(self, right: Sequence[Tensors]) -> dict[str, float]:
        """How far each tensor moves when the inputs move by one unit in the last place of float32."""
        envelope = {name: 1e-5 for tensors in right for name in tensors}
        for draw in range(DRAWS):
            moved = self.run(scenes=[_moved(scene, draw) for scene in self.scenes])
            for still, shifted in zip(right, moved, strict=True):
                for name in still:
                    size = gap(still[name], shifted[name]) if name in shifted else 0.0
                    if np.isfinite(size) and size < 0.1:  # beyond: a kink was passed
                        envelope[name] = max(envelope[name], MARGIN * size)
        return envelope


def _moved(scene: Scene, draw: int) -> Scene:
    """A scene with every number moved by one unit in the last place of float32, up, down or not at all."""
    rng = stream(0, f"check ulp {scene.name}", draw)
    arrays: dict[str, Array] = {}
    for name, array in scene.arrays.items():
        if array.dtype.kind != "f" or name == "mask" or (scene.facts.get("whole_numbers") and name == "x"):
            arrays[name] = array
            continue
        step = np.spacing(np.abs(array).astype(np.float32)).astype(float)
        arrays[name] = array + step * rng.integers(-1, 2, array.shape)
    return replace(scene, arrays=arrays)


def subjects(
    like: object, settings: Settings, dtype: str = "float64", shape: Sequence[int] | None = None
) -> list[Subject]:
    """The subject that `like` names, once for each shape of sample that such an object may need, the usual one first.

    Raises `UserError` for an unknown kind, a setting that it does not take, or a shape without a sense.
    """
    kind, asked = _read(like)
    asked = {**asked, **settings}
    sizes = None if shape is None else _sizes(shape)
    if kind in CLIPPING:
        c = _largest_norm(kind, asked)
        return [Subject("max_norm", "clipping", {"max_norm": c}, tuple(inputs.clipping_scenes({"max_norm": c})), dtype)]
    section = _section(kind)
    of = asked.pop("of", None) if kind == "cross_entropy" else None
    if of not in (None, "logits", "probabilities"):
        raise UserError(f"`of` must be `logits` or `probabilities`: what the loss takes; got {of!r}")
    if asked.get("class_weight") is not None:
        raise UserError("`class_weight` cannot be checked: leave it out, and check the loss of every sample alike")
    spec = _spec(section, kind, asked)
    values = {**spec.model_dump(), "kind": kind} | ({"of": of} if of else {})
    if section == "layers":
        assert isinstance(spec, LayerSpec)
        shapes = [sizes] if sizes is not None else inputs.shapes_of(kind, spec)
        return [_layer(kind, spec, values, s, dtype) for s in shapes]
    if section == "loss":
        scenes = inputs.loss_scenes(kind, of == "probabilities")
    elif section == "optimizer":
        scenes = inputs.optimizer_scenes(values, constant_rate=False)
    else:
        _positive(kind, asked, "lr")
        scenes = inputs.schedule_scenes(asked)
    return [Subject(kind, section, values, tuple(_cast(scene, dtype) for scene in scenes), dtype)]


def _sizes(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of one sample. Raises `UserError` for anything but whole numbers from 1."""
    plain = sizes(shape)
    if min(plain, default=1) < 1:
        rule = "`shape` must hold whole numbers from 1, the sizes of one sample: (5,), or (3, 8, 8)"
        raise UserError(f"{rule}; got {shape!r}")
    return plain


def _largest_norm(kind: str, asked: Settings) -> float:
    """The norm to which a clipping clips: `max_norm`, or `c`."""
    names = ("max_norm", "c")
    unknown = next((name for name in asked if name not in names), None)
    if unknown is not None:
        raise UserError(f"`{kind}`: unknown setting `{unknown}`; {did_you_mean(unknown, names)}")
    for name in names:
        _positive(kind, asked, name)
    return number(asked, "max_norm", number(asked, "c", 0.5))


def _positive(kind: str, asked: Settings, name: str) -> None:
    """Raises `UserError` for a setting that is there and no finite number above 0."""
    value = asked.get(name)
    if value is not None and not (isinstance(value, int | float | np.number) and 0 < value < math.inf):
        raise UserError(f"`{kind}`: `{name}` must be a number greater than 0; got {value!r}")


def _layer(kind: str, spec: LayerSpec, values: Settings, shape: tuple[int, ...], dtype: str) -> Subject:
    refusal = spec.refuses(shape)
    if refusal:
        raise UserError(f"`{kind}` {refusal.rule}; `shape` is {shape}. {refusal.remedy}".rstrip())
    scenes = tuple(_cast(scene, dtype) for scene in inputs.layer_scenes(spec, shape))
    return Subject(kind, "layers", values, scenes, dtype)


def _cast(scene: Scene, dtype: str) -> Scene:
    """Inputs that float32 can hold, so that both precisions start from the same numbers."""
    if dtype == "float64":
        return scene
    arrays = {n: a.astype(dtype).astype(float) if a.dtype.kind == "f" else a for n, a in scene.arrays.items()}
    return replace(scene, arrays=arrays)


def _read(like: object) -> tuple[str, dict[str, object]]:
    """The kind that `like` names, and the settings it holds."""
    if isinstance(like, str):
        return like.strip(), {}
    if isinstance(like, Part):
        return type(like).model_fields["kind"].default, like.model_dump(exclude={"kind"})
    if isinstance(like, Mapping) and isinstance(like.get("kind"), str):
        return like["kind"], {name: value for name, value in like.items() if name != "kind"}
    raise UserError(f'`like` must name a kind: "dense", or {{"kind": "dense", "units": 3}}; got {type(like).__name__}')


def kinds() -> list[str]:
    """The names of all kinds that code can be compared with."""
    return [*(kind for section in SECTIONS for kind in members(section)), "max_norm"]


def _section(kind: str) -> str:
    for section in SECTIONS:
        if kind in members(section):
            return section
    raise UserError(f"unknown kind `{kind}`; {did_you_mean(kind, kinds())}")


def _spec(section: str, kind: str, asked: Settings) -> BaseModel:
    model = members(section)[kind]
    values = {"kind": kind, **inputs.REQUIRED.get(kind, {}), **asked}
    if section == "schedule":
        values.pop("lr", None)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = [_fault_text(details, kind, model) for details in error.errors(include_url=False)]
        raise UserError(f"`{kind}`: {'; '.join(faults)}") from error


def _fault_text(details: ErrorDetails, kind: str, model: type[BaseModel]) -> str:
    name = ".".join(str(part) for part in details["loc"]) or kind
    if details["type"] == "extra_forbidden":
        return f"unknown setting `{name}`; {did_you_mean(name, [f for f in model.model_fields if f != 'kind'])}"
    message = details["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"`{name}` must be {message}; got {details['input']!r}" if details["loc"] else message


def right(subject: Subject) -> list[Tensors]:
    """The right tensors of every scene."""
    return subject.run()
