"""An operation of a layer: its equation, the shapes of its inputs and output, and how much work it is."""

from __future__ import annotations

import math
from typing import NamedTuple

from twofold.recipe.base import Shape

Size = int | str
"""A size, or the letter that stands for it."""


class Operation(NamedTuple):
    """One line of a layer's forward or backward pass."""

    equation: str
    shapes: str
    gives: str = ""
    """Its result: `y`, `dx`, or the parameter whose gradient it is; empty for an intermediate result."""
    multiply_adds: int = 0
    """Multiply-adds of its matrix product, one for each row and weight; 0 for element-wise work, or if the batch is
    N."""
    timed: bool = False
    """Whether it is repeated at every step of time."""

    def each_step(self) -> Operation:
        """The operation, repeated at every step of time."""
        return self._replace(timed=True)

    def copied(self, copies: int) -> Operation:
        """The operation with the work of `copies` of it side by side, as in the groups of a convolution."""
        return self._replace(multiply_adds=copies * self.multiply_adds)


Operations = list[Operation]


def dimensions(n: Size | None, sizes: Shape) -> str:
    """The text of a shape, `(N, 1, 28, 28)`, or with the batch as a number; `?` is a size known only from the data."""
    texts = ([] if n is None else [str(n)]) + ["?" if size is None else str(size) for size in sizes]
    return f"({', '.join(texts)}{',' if len(texts) == 1 else ''})"


def times(n: Size, *sizes: Size | None) -> Size:
    """The product of sizes: a number if all are numbers, else a text as `N·28·28`."""
    if isinstance(n, int) and all(isinstance(size, int) for size in sizes):
        return math.prod((n, *(size for size in sizes if isinstance(size, int))))
    return "·".join("?" if size is None else str(size) for size in (n, *sizes))


def product(equation: str, rows: Size, inner: Size, columns: Size, gives: str = "", *, bias: bool = False) -> Operation:
    """A matrix product, `(rows, inner) · (inner, columns) + (columns,) → (rows, columns)`."""
    plus = f" + ({columns},)" if bias else ""
    sizes = [size for size in (rows, inner, columns) if isinstance(size, int)]
    work = math.prod(sizes) if len(sizes) == 3 else 0
    shapes = f"({rows}, {inner}) · ({inner}, {columns}){plus} → ({rows}, {columns})"
    return Operation(equation, shapes, gives, work)
