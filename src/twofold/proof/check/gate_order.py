"""Gates that a user's matrices stack in another order than PyTorch's, as an adapter says: `Adapter(gates="ifog")`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from twofold.arrays import Array
from twofold.errors import UserError
from twofold.proof.check.crossing import Answer
from twofold.proof.check.subject import Subject
from twofold.proof.mistakes import Scene

OURS = {"lstm": "ifgo", "gru": "rzn"}
ALSO = {"lstm": {"c": "g"}, "gru": {"u": "z", "h": "n", "c": "n"}}
STACKED = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def order_of(kind: str, gates: str | None) -> tuple[int, ...] | None:
    """The place in our order of each of the user's gates; `None` if none was named. Raises `UserError` for others."""
    if gates is None:
        return None
    if kind not in OURS:
        raise UserError(f"`gates` is for an lstm or a gru; `{kind}` has none")
    named = "".join(ALSO[kind].get(letter, letter) for letter in gates.lower())
    if sorted(named) != sorted(OURS[kind]):
        raise UserError(f"`gates` must name each gate of `{kind}` once, in PyTorch's order {OURS[kind]}; got {gates!r}")
    return tuple(OURS[kind].index(letter) for letter in named)


def _blocks(array: Array, order: tuple[int, ...]) -> Array:
    blocks = np.split(array, len(order))
    return np.concatenate([blocks[place] for place in order])


def stacked_as_theirs(scene: Scene, order: tuple[int, ...]) -> Scene:
    """A scene with its parameters' gates in the user's order."""
    arrays = {name: _blocks(array, order) if name in STACKED else array for name, array in scene.arrays.items()}
    return replace(scene, arrays=arrays)


def stacked_as_ours(answer: Answer, subject: Subject, order: tuple[int, ...]) -> Answer:
    """An answer with the gates of its gradients in our order."""
    back = tuple(order.index(place) for place in range(len(order)))
    names = {subject.gradients[name] for name in STACKED if name in subject.gradients}
    tensors = [
        [
            {n: _blocks(t, back) if n in names and t.ndim and len(t) % len(back) == 0 else t for n, t in scene.items()}
            for scene in run
        ]
        for run in answer.tensors
    ]
    return replace(answer, tensors=tensors)
