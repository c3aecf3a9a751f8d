"""Extra results of a user's functions: running statistics, the gradient of the first state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twofold.proof.check.inside.arrays import arrays_in, shape_of
from twofold.proof.check.inside.job import BUFFERS
from twofold.proof.check.inside.names import RECURRENT
from twofold.proof.check.inside.scene import InsideScene
from twofold.proof.check.inside.theirs import Theirs


def beside(name: str, result: object, scene: InsideScene, arguments: Sequence[str]) -> Theirs:
    """A running statistic that a function returns as `y, running_mean, running_var`; `None` if it does not."""
    members = arrays_in(result)
    shapes = [shape_of(member) for member in members[1:]]
    whole = shapes == [scene.arrays[b].shape for b in BUFFERS] and all(b in arguments for b in BUFFERS)
    return members[1 + BUFFERS.index(name)] if whole else None


def without_state(result: object, kind: str, scene: InsideScene, one_bias: bool) -> object:
    """The result of a backward through time without ∂L/∂h(0), which is not compared."""
    if kind not in RECURRENT or not isinstance(result, tuple | list):
        return result
    units = scene.arrays["weight_hh"].shape[-1]
    flat = [value for value in result if not isinstance(value, Mapping)]
    if len(flat) != len(scene.parameters) - one_bias + 2 and not (len(flat) == 2 and len(flat) < len(result)):
        return result
    place = next((i for i, v in enumerate(flat) if i and shape_of(v) == (len(scene.arrays["x"]), units)), None)
    return [value for value in result if place is None or value is not flat[place]]
