"""Algebraic relations between a student's tensor and the right one, exact in every scene.

A relation is named only where it holds at the tolerance in all scenes, which have different sizes: a factor of 7 in a
batch of 7 and of 4 in a batch of 4 is N, and nothing else.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from twofold.arrays import Array
from twofold.proof.check.compared import Run, same
from twofold.proof.mistakes import Scene

Factor = Callable[[Scene, Array], float]


class Relation(NamedTuple):
    """What holds between a tensor and the right one."""

    tensor: str
    id: str
    formula: str
    """As an equation: `dW = right dW / N`."""
    sentence: str
    layout: bool = False
    """Whether it only says how the numbers lie: transposed, an axis too many. What they are may be wrong beside it."""


def _batch(scene: Scene, right: Array) -> float:
    first = scene.arrays.get("x", scene.arrays.get("outputs"))
    return float(len(first)) if first is not None else np.nan


def _classes(scene: Scene, right: Array) -> float:
    return float(scene.arrays["outputs"].shape[1]) if "outputs" in scene.arrays else np.nan


def _all(scene: Scene, right: Array) -> float:
    return float(scene.arrays["outputs"].size) if "outputs" in scene.arrays else np.nan


def _inputs(scene: Scene, right: Array) -> float:
    return float(scene.arrays["x"].shape[-1]) if "x" in scene.arrays else np.nan


def _plane(scene: Scene, right: Array) -> float:
    dy = scene.arrays.get("dy")
    return float(np.prod(dy.shape[2:])) if dy is not None and dy.ndim == 4 else np.nan


def _steps(scene: Scene, right: Array) -> float:
    x = scene.arrays.get("x")
    return float(x.shape[1]) if x is not None and x.ndim == 3 else np.nan


def _terms(scene: Scene, right: Array) -> float:
    dy = scene.arrays.get("dy")
    return float(dy.size / dy.shape[1]) if dy is not None and dy.ndim in (2, 4) else np.nan


def _units(scene: Scene, right: Array) -> float:
    dy = scene.arrays.get("dy")
    return float(dy.shape[1]) if dy is not None else np.nan


def _rate(scene: Scene, right: Array) -> float:
    return float(scene.facts.get("lr", np.nan))


FACTORS: tuple[tuple[str, Factor, str, str], ...] = (
    ("minus", lambda s, r: -1.0, "−1", "has the wrong sign"),
    ("two", lambda s, r: 2.0, "2", "is twice too large: a factor 2 too many"),
    ("half", lambda s, r: 0.5, "1/2", "is half of what is right: a factor 2 is missing, or a 1/2 too many"),
    ("n", _batch, "N", "is multiplied by the batch size N: the division by N is missing, a sum where a mean belongs"),
    ("over-n", lambda s, r: 1 / _batch(s, r), "1/N", "is divided by the batch size N: averaged over the batch where "
                                                     "the right one is summed"),
    ("over-n-squared", lambda s, r: 1 / _batch(s, r) ** 2, "1/N²", "is divided by the batch size N twice"),
    ("minus-n", lambda s, r: -_batch(s, r), "−N", "has the wrong sign and is N times too large"),
    ("minus-over-n", lambda s, r: -1 / _batch(s, r), "−1/N", "has the wrong sign and is divided by the batch size N"),
    ("classes", _classes, "C", "is multiplied by the number of classes C: a mean over the classes is missing"),
    ("over-classes", lambda s, r: 1 / _classes(s, r), "1/C", "is divided by the number of classes C"),
    ("all", _all, "N C", "is a sum where the mean over batch and outputs belongs: N C times too large"),
    ("over-all", lambda s, r: 1 / _all(s, r), "1/(N C)", "is divided by the number of all outputs N C once more"),
    ("n-over-two", lambda s, r: _batch(s, r) / 2, "N/2", "is N/2 times too large: not divided by N, and a factor 2 "
                                                         "missing"),
    ("two-n", lambda s, r: 2 * _batch(s, r), "2N", "is 2N times too large: not divided by N, and a factor 2 too many"),
    ("half-classes", lambda s, r: _classes(s, r) / 2, "C/2", "is C/2 times too large: divided by N alone and without "
                                                             "the factor 2"),
    ("over-two-n", lambda s, r: 0.5 / _batch(s, r), "1/(2N)", "is divided by 2N"),
    ("plane", _plane, "H W", "is multiplied by the number of positions H W: a sum where a mean belongs"),
    ("over-plane", lambda s, r: 1 / _plane(s, r), "1/(H W)", "is divided by the number of positions H W: averaged "
                                                             "where it is summed"),
    ("over-terms", lambda s, r: 1 / _terms(s, r), "1/(N H W)", "is averaged over batch and positions where it is "
                                                               "summed"),
    ("terms", _terms, "N H W", "is summed over batch and positions where it is averaged"),
    ("steps", _steps, "T", "is multiplied by the number of time steps T"),
    ("over-steps", lambda s, r: 1 / _steps(s, r), "1/T", "is divided by the number of time steps T: averaged over "
                                                         "time where all add up"),
    ("over-n-steps", lambda s, r: 1 / (_steps(s, r) * _batch(s, r)), "1/(N T)",
     "is averaged over batch and time where all add up"),
    ("over-inputs", lambda s, r: 1 / _inputs(s, r), "1/inputs", "is divided by the number of inputs"),
    ("inputs", _inputs, "inputs", "is multiplied by the number of inputs"),
    ("units", _units, "units", "is multiplied by the number of units"),
    ("over-units", lambda s, r: 1 / _units(s, r), "1/units", "is divided by the number of units"),
    ("root-n", lambda s, r: _batch(s, r) ** 0.5, "√N", "is √N times too large"),
    ("over-root-n", lambda s, r: _batch(s, r) ** -0.5, "1/√N", "is divided by √N"),
    ("rate", _rate, "η", "is multiplied by the learning rate"),
)  # fmt: skip


def relations(name: str, yours: Run, right: Run, scenes: Sequence[Scene], tolerance: float) -> Iterator[Relation]:
    """The relations that hold in every scene in which the tensor is, the most telling first."""
    rows = [
        (scene, np.asarray(a[name], float), np.asarray(b[name], float))
        for scene, a, b in zip(scenes, yours, right, strict=False)
        if name in a and name in b
    ]
    if not rows:
        return

    def holds(change: Callable[[Scene, Array], Array]) -> bool:
        return all(_equal(mine, change, scene, theirs, tolerance) for scene, mine, theirs in rows)

    def told(identity: str, formula: str, sentence: str, layout: bool = False) -> Relation:
        return Relation(name, identity, f"{name} = {formula.format(t=f'right {name}')}", f"{name} {sentence}.", layout)

    yield from (told(*found) for found in _laid(rows, holds))
    for identity, factor, text, sentence in FACTORS:
        if holds(lambda s, t, factor=factor: factor(s, t) * t):
            yield told(identity, f"{text} · {{t}}", sentence)
    constant = _constant(rows, tolerance)
    if constant is not None:
        yield told("constant", f"{constant:.6g} · {{t}}", f"is {constant:.6g} times what is right, in every batch")
    yield from (told(*found) for found in _whole(rows, holds, tolerance))
    yield from (told(*found) for found in _terms_of(name, rows, right, scenes, holds))
    yield from (told(*found) for found in _of_other_scenes(name, yours, right, scenes, tolerance))
    yield from (told(*found) for found in _ordered(rows, holds, tolerance))


Found = tuple[Any, ...]
"""Identity, formula, sentence, and whether it is one of layout."""
Rows = list[tuple[Scene, Array, Array]]
Holds = Callable[[Callable[[Scene, Array], Array]], bool]


def _equal(mine: Array, change: Callable[[Scene, Array], Array], scene: Scene, theirs: Array, tolerance: float) -> bool:
    with np.errstate(all="ignore"):
        try:
            return same(mine, change(scene, theirs), tolerance)
        except (ValueError, IndexError):
            return False


def _laid(rows: Rows, holds: Holds) -> Iterator[Found]:
    """How the numbers lie: transposed, an axis too many or too few."""
    for axes in itertools.permutations(range(rows[0][2].ndim)):
        if axes != tuple(range(len(axes))) and holds(lambda s, t, axes=axes: t.transpose(axes)):
            two = len(axes) == 2
            text = "is transposed" if two else f"has its axes in the order {axes}"
            yield "transposed", "{t}ᵀ" if two else f"{{t}}.transpose{axes}", text, True
    for axis in range(rows[0][2].ndim + 1):
        if holds(lambda s, t, axis=axis: np.expand_dims(t, axis)):
            where = f"axis {axis}"
            yield (
                "extra-axis",
                f"{{t}} with {where} of length 1",
                f"has an axis too many ({where}, keepdims): the right one has shape {rows[0][2].shape}",
                True,
            )
            break
    if holds(lambda s, t: t.reshape(-1)) and rows[0][2].ndim > 1:
        yield "flattened", "{t} as one row", f"is flattened: the right one has shape {rows[0][2].shape}", True
    for _, mine, theirs in rows[:1]:
        for axis in range(mine.ndim):
            if (
                mine.ndim == theirs.ndim + 1
                and mine.shape[axis] > 1
                and all(m.ndim == t.ndim + 1 and same(m.sum(axis=axis), t) for _, m, t in rows)
            ):
                yield (
                    "not-summed",
                    f"{{t}} before the sum over axis {axis}",
                    (" (the batch, where that is 0): the right one has shape "),
                    True,
                )
                return
    if all(m.ndim == t.ndim + 1 and any(m.shape[a] > 1 for a in range(m.ndim)) for _, m, t in rows):
        return


def _constant(rows: Rows, tolerance: float) -> float | None:
    """A factor that is the same in every scene."""
    _, mine, theirs = max(rows, key=lambda row: np.abs(row[2]).max() if row[2].size else 0)
    if mine.shape != theirs.shape or not theirs.size:
        return None
    place = np.abs(theirs).argmax()
    if not theirs.flat[place] or not np.isfinite(mine.flat[place]):
        return None
    factor = float(mine.flat[place] / theirs.flat[place])
    if factor in (0.0, 1.0) or not all(same(m, factor * t, tolerance) for _, m, t in rows):
        return None
    return factor if sum(t.size for _, _, t in rows) > 2 else None


def _whole(rows: Rows, holds: Holds, tolerance: float) -> Iterator[Found]:
    """Relations of the whole tensor: zeros, NaN, powers, sums and means along an axis."""
    if all(m.shape == t.shape and not np.isfinite(m).any() for _, m, t in rows):
        yield "nan", "NaN", "is NaN or infinite everywhere"
        return
    if holds(lambda s, t: 0 * t):
        yield "zero", "0", "is zero everywhere"
    for identity, text, change in (
        ("square", "{t}²", lambda s, t: t * t),
        ("root", "√{t}", lambda s, t: np.sqrt(t)),
        ("absolute", "|{t}|", lambda s, t: np.abs(t)),
        ("positive", "max({t}, 0)", lambda s, t: np.maximum(t, 0)),
        ("exponential", "exp {t}", lambda s, t: np.exp(t)),
        ("logarithm", "log {t}", lambda s, t: np.log(t)),
        ("inverse", "1 / {t}", lambda s, t: 1 / t),
        ("sign", "sign {t}", lambda s, t: np.sign(t)),
        ("tanh", "tanh {t}", lambda s, t: np.tanh(t)),
        ("sigmoid", "σ({t})", lambda s, t: 0.5 + 0.5 * np.tanh(0.5 * t)),
        ("cut-at-one", "clip({t}, −1, 1)", lambda s, t: np.clip(t, -1, 1)),
        ("cut-at-five", "clip({t}, −5, 5)", lambda s, t: np.clip(t, -5, 5)),
        ("rounded", "round {t}", lambda s, t: np.round(t)),
        ("whole", "int {t}", lambda s, t: np.trunc(t)),
        ("centred", "{t} − mean over the batch", lambda s, t: t - t.mean(axis=0)),
    ):
        if holds(change):
            yield identity, text, f"is {text.format(t='the right one')}, element by element"
    for axis in range(rows[0][2].ndim):
        for identity, reduce in (("summed", np.sum), ("averaged", np.mean)):
            for keep in (True, False):
                if holds(lambda s, t, a=axis, r=reduce, k=keep: _spread(r(t, axis=a, keepdims=k), t, k)):
                    yield (
                        f"{identity}-over-{axis}",
                        f"{{t}} {identity} over axis {axis}",
                        f"is {identity} over axis {axis} once too often",
                    )
                    return


def _spread(reduced: Array, t: Array, keep: bool) -> Array:
    return np.broadcast_to(reduced, t.shape) if keep else reduced


def _terms_of(name: str, rows: Rows, right: Run, scenes: Sequence[Scene], holds: Holds) -> Iterator[Found]:
    """A term that is missing, doubled or foreign: an input or another tensor, times a simple number."""
    candidates = [key for key in rows[0][0].arrays if key not in ("target", "mask")]
    others = [key for key in (right[0] if right else {}) if key != name]
    by_scene = {id(scene): tensors for scene, tensors in zip(scenes, right, strict=False)}
    for key in (*candidates, *others):
        for factor, text in (
            (1.0, "+"),
            (-1.0, "−"),
            (-2.0, "− 2"),
            (2.0, "+ 2"),
            (0.5, "+ ½"),
            (-0.5, "− ½"),
            (0.01, "+ 0.01"),
            (1e-4, "+ 1e-4"),
        ):

            def changed(scene: Scene, t: Array, key: str = key, factor: float = factor) -> Array:
                term = scene.arrays[key] if key in scene.arrays else by_scene[id(scene)][key]
                return t + factor * _fitted(term, t)

            try:
                if holds(changed):
                    yield (
                        "term",
                        f"{{t}} {text} {key}",
                        f"differs from the right one by {text} {key}: a term too many, missing or doubled",
                    )
            except KeyError:
                continue


def _fitted(term: Array, t: Array) -> Array:
    """A vector beside its axis: channels stand at axis 1."""
    if term.ndim == 1 and t.ndim > 2 and len(term) == t.shape[1]:
        return term.reshape(-1, *(1,) * (t.ndim - 2))
    if np.broadcast_shapes(term.shape, t.shape) != t.shape:
        raise ValueError(term.shape)
    return term


def _of_other_scenes(name: str, yours: Run, right: Run, scenes: Sequence[Scene], tolerance: float) -> Iterator[Found]:
    """Stale: the tensor of the scene before; accumulated: the sum of all so far."""
    pairs = [(s, a.get(name), b.get(name)) for s, a, b in zip(scenes, yours, right, strict=False)]
    chains: list[list[tuple[Array, Array]]] = []
    for scene, mine, theirs in pairs:
        if scene.facts.get("fresh") or not chains:
            chains.append([])
        if mine is not None and theirs is not None:
            chains[-1].append((np.asarray(mine, float), np.asarray(theirs, float)))
    longest = [chain for chain in chains if len(chain) > 1]
    if not longest:
        return
    if all(same(chain[i][0], chain[i - 1][1], tolerance) for chain in longest for i in range(1, len(chain))):
        yield "stale", "{t} of the batch before", "is that of the batch before: a stale value"
    if all(_shapes_alike(chain) for chain in longest) and all(
        same(chain[i][0], sum((t for _, t in chain[1 : i + 1]), chain[0][1]), tolerance)
        for chain in longest
        for i in range(len(chain))
    ):
        yield (
            "accumulated",
            "Σ {t} over the batches so far",
            "is the sum over all batches so far: it is not reset between batches",
        )


def _shapes_alike(chain: list[tuple[Array, Array]]) -> bool:
    return len({t.shape for _, t in chain} | {m.shape for m, _ in chain}) == 1


def _ordered(rows: Rows, holds: Holds, tolerance: float) -> Iterator[Found]:
    """The right numbers at other places."""
    ndim = rows[0][2].ndim
    for axis in range(ndim):
        if holds(lambda s, t, a=axis: np.flip(t, a)):
            yield f"flipped-{axis}", f"{{t}} reversed along axis {axis}", f"is reversed along axis {axis}"
        for shift in (1, -1):
            if holds(lambda s, t, a=axis, k=shift: np.roll(t, k, a)):
                yield (
                    "offset",
                    f"{{t}} moved by {shift} along axis {axis}",
                    f"is offset by one position along axis {axis}",
                )
            if holds(lambda s, t, a=axis, k=shift: _moved(t, k, a)):
                yield (
                    "offset",
                    f"{{t}} moved by {shift} along axis {axis}",
                    f"is offset by one position along axis {axis}, zeros at its end",
                )
    if ndim >= 2 and holds(lambda s, t: np.flip(t, (-1, -2))):
        yield "turned", "{t} turned by 180°", "is turned by 180° (flipped in both axes)"
    for blocks in (3, 4):
        yield from _blocks(rows, holds, blocks)
    for axis in range(ndim):
        order = _permutation(rows, axis, tolerance)
        if order is not None:
            yield (
                "permuted",
                f"{{t}} with axis {axis} in the order {order}",
                f"has the entries of axis {axis} in the order {order}: permuted",
            )
            return
    if holds(lambda s, t: t.T.reshape(t.shape)) and ndim >= 2:
        yield (
            "column-order",
            "{t} read in column order",
            "holds the right numbers in column order (order='F', or a reshape for a transpose)",
        )
        return
    if all(m.size == t.size and t.size > 2 and same(np.sort(m, None), np.sort(t, None), tolerance) for _, m, t in rows):
        yield (
            "reordered",
            "{t} in another order",
            "holds the right numbers at other places: a reshape without a transpose, or another order",
        )


def _moved(t: Array, by: int, axis: int) -> Array:
    moved = np.roll(t, by, axis)
    edge = [slice(None)] * t.ndim
    edge[axis] = slice(0, 1) if by > 0 else slice(-1, None)
    moved[tuple(edge)] = 0
    return moved


def _blocks(rows: Rows, holds: Holds, count: int) -> Iterator[Found]:
    """Blocks of gates in another order along the first axis."""
    if rows[0][2].ndim == 0 or rows[0][2].shape[0] % count or rows[0][2].shape[0] == count:
        return
    names = {3: ("r", "z", "n"), 4: ("i", "f", "g", "o")}[count]
    for order in itertools.permutations(range(count)):
        if order == tuple(range(count)):
            continue
        if holds(lambda s, t, o=order: np.concatenate([np.split(t, count)[k] for k in o])):
            listed = ", ".join(names[k] for k in order)
            yield (
                "gates",
                f"{{t}} with the gates {listed}",
                f"has its gates in the order {listed}, where PyTorch's is {', '.join(names)}",
            )


def _permutation(rows: Rows, axis: int, tolerance: float) -> tuple[int, ...] | None:
    """The order of an axis in which the student's tensor is the right one, the same in all scenes."""
    _, mine, theirs = rows[0]
    if mine.shape != theirs.shape or mine.shape[axis] < 2:
        return None
    a, b = np.moveaxis(mine, axis, 0), np.moveaxis(theirs, axis, 0)
    order = []
    for row in a:
        near = [k for k in range(len(b)) if same(row, b[k], tolerance)]
        if not near:
            return None
        order.append(near[0])
    if sorted(order) != list(range(len(b))) or order == sorted(order):
        return None
    for _, m, t in rows[1:]:
        if m.shape[axis] != len(order) or not same(m, np.take(t, order, axis), tolerance):
            return None
    return tuple(order)


def undone(relation: Relation, yours: Run, right: Run) -> list[Mapping[str, Array]]:
    """The student's tensors with a relation of layout undone, to look for what else is wrong."""
    repaired = []
    for mine, theirs in zip(yours, right, strict=False):
        tensor = mine.get(relation.tensor)
        wanted = theirs.get(relation.tensor)
        if tensor is None or wanted is None or tensor.size != wanted.size:
            repaired.append(mine)
            continue
        back = tensor.reshape(wanted.shape) if tensor.shape != wanted.shape[::-1] else tensor.T
        repaired.append({**mine, relation.tensor: back})
    return repaired
