"""The fully connected layer, tables of vectors, and the layers that drop or rearrange numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt

from twofold.recipe.base import Fields, Shape, elements
from twofold.recipe.layer import Asleep, Kept, LayerSpec, Plain, Refusal, numbers, one_line
from twofold.recipe.operation import Operation, Operations, Size, dimensions, product, times
from twofold.recipe.parameters import Parameter, Parameters, StandardNormal, Vectors, Weight, with_bias


class Dense(Plain):
    """y = x Wᵀ + b, over the last axis. `torch.nn.Linear`."""

    stacks: ClassVar[bool] = True
    kind: Literal["dense"] = "dense"
    units: PositiveInt
    """Outputs."""
    bias: bool = True
    """Whether b is added."""

    def refuses(self, shape: Shape) -> Refusal | None:
        return None if shape else Refusal("takes at least one axis of features")

    def output_shape(self, shape: Shape) -> Shape:
        return (*shape[:-1], self.units)

    def parameters(self, shape: Shape) -> Parameters:
        weight = Parameter((self.units, shape[-1]), Weight(), decays=True)
        return with_bias({"weight": weight}, self.units, self.bias)

    def kept(self, shape: Shape) -> Kept:
        made = numbers(self.output_shape(shape))
        return Kept(made, 2 * made)

    def only_first(self) -> str:
        return ""

    def equations(self, shape: Shape, n: Size) -> tuple[Operations, Operations]:
        """The equations, in which axes between the batch and the features count as samples."""
        inputs, outputs = "?" if shape[-1] is None else shape[-1], self.units
        if middle := shape[:-1]:
            n = "N′" if n == "N" else times(n, *middle)
        y = product("y = x Wᵀ + b" if self.bias else "y = x Wᵀ", n, inputs, outputs, "y", bias=self.bias)
        dW = product("dW = dyᵀ x", outputs, n, inputs, "weight")
        db = Operation("db = Σₙ dy", f"({n}, {outputs}) → ({outputs},)", "bias")
        dx = product("dx = dy W", n, outputs, inputs, "dx")
        return [y], [dW, *([db] if self.bias else []), dx]


class Embedding(Plain):
    """y = W[x]: a vector for each whole number from 0, learned like any weight. `torch.nn.Embedding`."""

    stacks: ClassVar[bool] = True
    kind: Literal["embedding"] = "embedding"
    num_embeddings: PositiveInt
    """How many vectors there are: x must be a whole number from 0 to one less."""
    units: PositiveInt
    """Size of a vector."""

    def refuses(self, shape: Shape) -> Refusal | None:
        return None

    def output_shape(self, shape: Shape) -> Shape:
        return (*shape, self.units)

    def parameters(self, shape: Shape) -> Parameters:
        return {"weight": Parameter((self.num_embeddings, self.units), StandardNormal(), decays=True)}

    def kept(self, shape: Shape) -> Kept:
        made = numbers(self.output_shape(shape))
        return Kept(made, 2 * made)

    def only_first(self) -> str:
        return "`embedding` takes whole numbers"

    def equations(self, shape: Shape, n: Size) -> tuple[Operations, Operations]:
        x, y = dimensions(n, shape), dimensions(n, self.output_shape(shape))
        dW = f"{y} → ({self.num_embeddings}, {self.units})"
        forward = Operation("y = W[x], a row of W for each number", f"{x} → {y}", "y")
        return [forward], [Operation("dW[k] = Σ dy where x = k", dW, "weight")]


MOST_TABLES = 1000
"""Columns that are embedded, at most."""
Sizes = Annotated[tuple[PositiveInt, ...], Field(strict=False, min_length=1, max_length=MOST_TABLES)]
"""A size for each column."""


class EmbedColumns(Plain):
    """y = [W₀[x₀], ..., Wₖ₋₁[xₖ₋₁], xₖ, ...]: vectors for the codes in the first k columns, the others as they are.

    Entity embeddings (Guo & Berkhahn 2016): `torch.nn.Embedding` a column, and `torch.cat`. Row 0 is for levels that
    the training samples do not hold, and begins as 0, which says nothing. The others begin as N(0, 0.1²).
    """

    stacks: ClassVar[bool] = True
    kind: Literal["embed_columns"] = "embed_columns"
    num_embeddings: Sizes
    """How many codes each column has: they are whole numbers from 0 to one less."""
    units: Sizes
    """Size of the vectors of each column."""

    @classmethod
    def conflicts(cls, values: Fields) -> list[str]:
        rows, units = values.get("num_embeddings"), values.get("units")
        if not (isinstance(rows, tuple) and isinstance(units, tuple)) or len(rows) == len(units):
            return []
        return [f"`num_embeddings` and `units` say a number a column each; got {len(rows)} and {len(units)}"]

    def refuses(self, shape: Shape) -> Refusal | None:
        columns = len(self.num_embeddings)
        if not shape:
            return Refusal("takes at least one axis of columns")
        if shape[-1] is not None and shape[-1] < columns:
            return Refusal(f"takes {columns} columns of codes at least")
        return None

    def output_shape(self, shape: Shape) -> Shape:
        width = shape[-1]
        return (*shape[:-1], None if width is None else width - len(self.units) + sum(self.units))

    def parameters(self, shape: Shape) -> Parameters:
        sizes = enumerate(zip(self.num_embeddings, self.units, strict=True))
        return {f"weight_{place}": Parameter(size, Vectors(), decays=True) for place, size in sizes}

    def kept(self, shape: Shape) -> Kept:
        """Kept are the output, and the codes as whole numbers."""
        made, codes = numbers(self.output_shape(shape)), 2 * numbers(shape)
        return Kept(made + codes, 2 * made + codes)

    def only_first(self) -> str:
        return "`embed_columns` takes whole numbers"

    def equations(self, shape: Shape, n: Size) -> tuple[Operations, Operations]:
        x, y = dimensions(n, shape), dimensions(n, self.output_shape(shape))
        count = len(self.units)
        rows = [f"W{place}[x{place}]" for place in ((0, 1) if count == 2 else (0,))]
        rows += ["...", f"W{count - 1}[x{count - 1}]"] if count > 2 else []
        forward = Operation(f"y = [{', '.join(rows)}, x{count}, ...]", f"{x} → {y}", "y")
        backward = Operations()
        for place, size in enumerate(zip(self.num_embeddings, self.units, strict=True)):
            shapes = f"{dimensions(n, (*shape[:-1], size[1]))} → {size}"
            backward.append(Operation(f"dW{place}[c] = Σ dy{place} where x{place} = c", shapes, f"weight_{place}"))
        return [forward], backward


class Dropout(LayerSpec):
    """In training y = x · m / (1 − p), m drawn from {0, 1} with P(m = 0) = p; else y = x. `torch.nn.Dropout`."""

    stacks: ClassVar[bool] = True
    kind: Literal["dropout"] = "dropout"
    p: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """The share of elements that are zeroed."""

    def refuses(self, shape: Shape) -> Refusal | None:
        return None

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def working_shape(self, shape: Shape) -> Shape:
        return shape

    def parameters(self, shape: Shape) -> Parameters:
        return {}

    def buffer_shapes(self, shape: Shape) -> dict[str, Shape]:
        return {}

    def mask_shape(self, shape: Shape) -> Shape | None:
        return shape if self.p else None

    def kept(self, shape: Shape) -> Kept:
        """Kept are the output, the mask, and the random numbers that it was drawn from."""
        return Kept(3 * numbers(shape), 3 * numbers(shape))

    def watched(self) -> Mapping[str, Asleep]:
        return {}

    def only_first(self) -> str:
        return ""

    def equations(self, shape: Shape, n: Size) -> tuple[Operations, Operations]:
        share = f"{1 - self.p:g}"
        return one_line(self, shape, n, (f"y = x ⊙ m / {share}", f"dx = dy ⊙ m / {share}"))


class Flatten(Plain):
    """All axes but the batch become one. `torch.nn.Flatten`."""

    stacks: ClassVar[bool] = True
    kind: Literal["flatten"] = "flatten"

    def refuses(self, shape: Shape) -> Refusal | None:
        return None

    def output_shape(self, shape: Shape) -> Shape:
        return (elements(shape),)

    def parameters(self, shape: Shape) -> Parameters:
        return {}

    def kept(self, shape: Shape) -> Kept:
        return Kept(numbers(shape), 2 * numbers(shape))

    def only_first(self) -> str:
        return ""

    def equations(self, shape: Shape, n: Size) -> tuple[Operations, Operations]:
        return one_line(self, shape, n, ("y = x, all axes but the batch in one", "dx = dy, in the shape of x"))
