"""A relation between a student's tensor and the right one, and how it is undone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from twofold.arrays import Array
from twofold.proof.check.compared import Run


class Relation(NamedTuple):
    """A relation between a student's tensor and the right one."""

    tensor: str
    id: str
    formula: str
    """As an equation: `dW = right dW / N`."""
    sentence: str
    layout: bool = False
    """Whether it concerns only the layout: transposed, an axis too many. The numbers may be wrong, too."""
    axes: tuple[int, ...] = ()
    """The order of the right tensor's axes in the student's, where these are only permuted."""


class Holding(NamedTuple):
    """A relation of a tensor whose name is still to be filled in; `{t}` in the formula is the right tensor."""

    id: str
    formula: str
    sentence: str
    layout: bool = False
    axes: tuple[int, ...] = ()

    def of(self, tensor: str) -> Relation:
        """The relation for the tensor of this name."""
        formula = f"{tensor} = {self.formula.format(t=f'right {tensor}')}"
        return Relation(tensor, self.id, formula, f"{tensor} {self.sentence}.", self.layout, self.axes)


def undone(relation: Relation, yours: Run, right: Run) -> list[Mapping[str, Array]]:
    """The student's tensors with a wrong layout undone, so that other faults can be found."""
    repaired = []
    for mine, theirs in zip(yours, right, strict=False):
        tensor = mine.get(relation.tensor)
        wanted = theirs.get(relation.tensor)
        if tensor is None or wanted is None or tensor.size != wanted.size:
            repaired.append(mine)
            continue
        back = tensor.transpose(np.argsort(relation.axes)) if relation.axes else tensor.reshape(wanted.shape)
        repaired.append({**mine, relation.tensor: back})
    return repaired
