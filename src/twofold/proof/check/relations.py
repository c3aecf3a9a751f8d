"""Algebraic relations between a student's tensor and the right one, exact in every scene.

A relation is named only where it holds at the tolerance in all scenes, which have different sizes: a factor of 7 in a
batch of 7 and of 4 in a batch of 4 is N, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from twofold.arrays import Array
from twofold.proof.check.compared import Run, same
from twofold.proof.check.factors import FACTORS
from twofold.proof.check.orders import Holds, Rows, laid_otherwise, ordered_otherwise
from twofold.proof.check.other_shapes import shaped_otherwise
from twofold.proof.check.relation import Holding, Relation
from twofold.proof.mistakes import Scene


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

    yield from (holding.of(name) for holding in laid_otherwise(rows, holds))
    for identity, factor, text, sentence in FACTORS:
        if holds(lambda s, t, factor=factor: factor(s, t) * t):
            yield Holding(identity, f"{text} · {{t}}", sentence).of(name)
    constant = _constant(rows, tolerance)
    if constant is not None:
        yield Holding(
            "constant", f"{constant:.6g} · {{t}}", f"is {constant:.6g} times what is right, in every batch"
        ).of(name)
    yield from (holding.of(name) for holding in _whole(rows, holds, tolerance))
    yield from (holding.of(name) for holding in _terms_of(name, rows, right, scenes, holds))
    yield from (holding.of(name) for holding in shaped_otherwise(rows, tolerance))
    yield from (holding.of(name) for holding in _of_other_scenes(name, yours, right, scenes, tolerance))
    yield from (holding.of(name) for holding in ordered_otherwise(rows, holds, tolerance))


def _equal(mine: Array, change: Callable[[Scene, Array], Array], scene: Scene, theirs: Array, tolerance: float) -> bool:
    with np.errstate(all="ignore"):
        try:
            return same(mine, change(scene, theirs), tolerance)
        except (ValueError, IndexError):
            return False


def _constant(rows: Rows, tolerance: float) -> float | None:
    """The factor between the tensors if it is the same in every scene, else `None`."""
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


def _whole(rows: Rows, holds: Holds, tolerance: float) -> Iterator[Holding]:
    """Relations of the whole tensor: zeros, NaN, powers, sums and means along an axis."""
    if all(m.shape == t.shape and not np.isfinite(m).any() for _, m, t in rows):
        yield Holding("nan", "NaN", "is NaN or infinite everywhere")
        return
    if holds(lambda s, t: 0 * t):
        yield Holding("zero", "0", "is zero everywhere")
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
            yield Holding(identity, text, f"is {text.format(t='the right one')}, element by element")
    for axis in range(rows[0][2].ndim):
        for identity, reduce in (("summed", np.sum), ("averaged", np.mean)):
            for keep in (True, False):
                if holds(lambda s, t, a=axis, r=reduce, k=keep: _spread(r(t, axis=a, keepdims=k), t, k)):
                    yield Holding(
                        f"{identity}-over-{axis}",
                        f"{{t}} {identity} over axis {axis}",
                        f"is {identity} over axis {axis} once too often",
                    )
                    return


def _spread(reduced: Array, t: Array, keep: bool) -> Array:
    return np.broadcast_to(reduced, t.shape) if keep else reduced


def _terms_of(name: str, rows: Rows, right: Run, scenes: Sequence[Scene], holds: Holds) -> Iterator[Holding]:
    """Relations of a missing, doubled or foreign term: an input or another tensor, times a simple number."""
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
                    yield Holding(
                        "term",
                        f"{{t}} {text} {key}",
                        f"differs from the right one by {text} {key}: a term too many, missing or doubled",
                    )
            except KeyError:
                continue


def _fitted(term: Array, t: Array) -> Array:
    """A term shaped to broadcast against t: a vector belongs to the channels, axis 1. Raises `ValueError`."""
    if term.ndim == 1 and t.ndim > 2 and len(term) == t.shape[1]:
        return term.reshape(-1, *(1,) * (t.ndim - 2))
    if np.broadcast_shapes(term.shape, t.shape) != t.shape:
        raise ValueError(term.shape)
    return term


def _of_other_scenes(name: str, yours: Run, right: Run, scenes: Sequence[Scene], tolerance: float) -> Iterator[Holding]:
    """Relations to other scenes: stale, the tensor of the scene before, or accumulated, the sum of all so far."""
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
        yield Holding("stale", "{t} of the batch before", "is that of the batch before: a stale value")
    if all(_shapes_alike(chain) for chain in longest) and all(
        same(chain[i][0], sum((t for _, t in chain[1 : i + 1]), chain[0][1]), tolerance)
        for chain in longest
        for i in range(len(chain))
    ):
        yield Holding(
            "accumulated",
            "Σ {t} over the batches so far",
            "is the sum over all batches so far: it is not reset between batches",
        )


def _shapes_alike(chain: list[tuple[Array, Array]]) -> bool:
    return len({t.shape for _, t in chain} | {m.shape for m, _ in chain}) == 1
