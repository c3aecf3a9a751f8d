"""Embedded columns in a graph: the row of a table for the code in each of the first columns, joined with the others.

The one place at which a graph may branch: every branch takes a part of the sample, and all of them meet again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from twofold.arrays import Array

if TYPE_CHECKING:
    from onnx import NodeProto

PASSING = ("Cast", "Identity")
ENDLESS = (1 << 31) - 1
"""The end of a slice that goes to the end, as exporters write it, or larger."""


class Columns(NamedTuple):
    """The tables in the order of their columns, and the node that joins what they give."""

    tables: list[Array]
    join: NodeProto


class Wires(NamedTuple):
    """What is known of a graph before it is evaluated."""

    readers: Mapping[str, Sequence[NodeProto]]
    constants: Mapping[str, Array]
    axes: int
    """Axes of the sample, with the batch."""

    def follow(self, name: str) -> NodeProto | None:
        """The one node that reads a tensor, behind casts and identities; `None` where none does, or several do."""
        while len(nodes := self.readers.get(name, ())) == 1:
            if nodes[0].op_type not in PASSING:
                return nodes[0]
            name = nodes[0].output[0]
        return None

    def numbers(self, node: NodeProto) -> list[int] | None:
        """The inputs of a node after its first, where each is one whole number; `None` where one is anything else."""
        held = [self.constants.get(name) for name in node.input[1:]]
        plain = [array for array in held if array is not None and array.size == 1 and array.dtype.kind == "i"]
        return [int(array.reshape(())) for array in plain] if len(plain) == len(held) else None


class Branch(NamedTuple):
    """A part of the sample: the column at which it begins, the table that is asked for its code, and what it gives."""

    column: int
    table: Array | None
    """`None` for numbers that pass unchanged."""
    output: str


def columns_of(wires: Wires, name: str) -> Columns | None:
    """The embedded columns that read a tensor; `None` where anything else does, or they meet in another order."""
    readings = [_branch(wires, node) for node in wires.readers.get(name, ())]
    branches = sorted((branch for branch in readings if branch is not None), key=lambda branch: branch.column)
    tables = [branch.table for branch in branches if branch.table is not None and branch.table.ndim == 2]
    whole = [branch.column for branch in branches] == list(range(len(readings)))
    if not tables or not whole:
        return None
    join = wires.follow(branches[0].output)
    if join is None or join.op_type != "Concat" or not _is_last(wires, join):
        return None
    in_order = list(join.input) == [branch.output for branch in branches]
    ends = len(tables) == len(branches) or (len(tables) == len(branches) - 1 and branches[-1].table is None)
    return Columns(tables, join) if in_order and ends else None


def _branch(wires: Wires, node: NodeProto) -> Branch | None:
    """What a node takes of the sample; `None` where it is neither a column's code nor all the columns from one on."""
    numbers = wires.numbers(node) or []
    if node.op_type == "Slice" and _is_rest(wires, numbers):
        return Branch(numbers[0], None, node.output[0])
    if node.op_type != "Gather" or len(numbers) != 1 or not _is_last(wires, node):
        return None
    looked = wires.follow(node.output[0])
    if looked is None or looked.op_type != "Gather" or looked.input[0] not in wires.constants:
        return None
    return Branch(numbers[0], wires.constants[looked.input[0]], looked.output[0])


def _is_last(wires: Wires, node: NodeProto) -> bool:
    """Whether a node works along the last axis."""
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)
    return axis in (-1, wires.axes - 1)


def _is_rest(wires: Wires, numbers: list[int]) -> bool:
    """Whether a slice takes all columns from one on: starts, ends, axes, steps."""
    if len(numbers) not in (3, 4):
        return False
    _, end, axis, *step = numbers
    return end >= ENDLESS and axis in (-1, wires.axes - 1) and step in ([], [1])
