"""The layers that read sequences (N, steps, features): a vanilla network, LSTM, GRU, and a table of vectors."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import PositiveFloat, PositiveInt

from twofold.recipe.base import Shape
from twofold.recipe.layer import LayerSpec, Refusal

HIDDEN = "weight_hh"
"""The matrix from one step's hidden state to the next: gradients pass it once a step."""


class Recurrent(LayerSpec, abc.ABC):
    """A hidden state h that every step carries on, h(0) = 0. The equations stand in the classes below."""

    gates: ClassVar[tuple[str, ...]]
    """The blocks of `units` rows that each weight consists of, in PyTorch's order."""

    units: PositiveInt
    """Size of the hidden state."""
    output: Literal["last", "every"] = "last"
    """h after the last step, (N, units), or after every step, (N, steps, units): what a layer stacked on it reads."""
    bias: bool = True
    """Whether b_ih and b_hh are added: two vectors, as PyTorch has them."""
    initial_hh: Literal["recipe", "orthogonal", "identity"] = "recipe"
    """How W_hh begins: as the recipe's `initial` says, or gate by gate as a random orthogonal matrix, which leaves the
    length of a gradient as it is, or as the identity (Le et al., 2015)."""
    gain_hh: PositiveFloat = 1.0
    """Factor on the initial W_hh."""

    def refuses(self, shape: Shape) -> Refusal | None:
        if len(shape) == 2:
            return None
        remedy = 'It reads the data, an `embedding` of whole numbers, or a recurrent layer with `output = "every"`.'
        return Refusal("takes sequences (N, steps, features)", remedy if len(shape) == 1 else "")

    def output_shape(self, shape: Shape) -> Shape:
        return (self.units,) if self.output == "last" else (shape[0], self.units)

    def working_shape(self, shape: Shape) -> Shape:
        return (shape[0], len(self.gates) * self.units)

    def parameter_shapes(self, shape: Shape) -> dict[str, Shape]:
        rows = len(self.gates) * self.units
        weights: dict[str, Shape] = {"weight_ih": (rows, shape[1]), HIDDEN: (rows, self.units)}
        return weights | ({"bias_ih": (rows,), "bias_hh": (rows,)} if self.bias else {})


class Rnn(Recurrent):
    """h(t) = tanh(W_ih x(t) + b_ih + W_hh h(t−1) + b_hh). `torch.nn.RNN`, by PyTorch's cell's names."""

    kind: Literal["rnn"] = "rnn"
    nonlinearity: Literal["tanh", "relu"] = "tanh"
    """What stands in the place of tanh."""
    gates: ClassVar[tuple[str, ...]] = ("h",)


class Lstm(Recurrent):
    """i, f, o = σ(...), g = tanh(...); m(t) = f ⊙ m(t−1) + i ⊙ g; h(t) = o ⊙ tanh m(t). `torch.nn.LSTM`.

    Each gate is of W_ih x(t) + b_ih + W_hh h(t−1) + b_hh; in the weights they follow each other as i, f, g, o.
    """

    kind: Literal["lstm"] = "lstm"
    forget_bias: float = 0.0
    """Added to the initial b_hh of f: at 1 the memory is kept from the start (Jozefowicz et al., 2015)."""
    gates: ClassVar[tuple[str, ...]] = ("i", "f", "g", "o")

    @classmethod
    def conflicts(cls, values: Mapping[str, Any]) -> list[str]:
        if values.get("forget_bias") and values.get("bias") is False:
            return [f"`forget_bias` is added to a bias; got {values['forget_bias']} and `bias = false`"]
        return []


class Gru(Recurrent):
    """r, z = σ(...), n = tanh(W_in x(t) + b_in + r ⊙ (W_hn h(t−1) + b_hn)); h(t) = (1 − z) ⊙ n + z ⊙ h(t−1).

    `torch.nn.GRU`: the reset gate stands after the product, and in the weights the gates are r, z, n.
    """

    kind: Literal["gru"] = "gru"
    gates: ClassVar[tuple[str, ...]] = ("r", "z", "n")


class Embedding(LayerSpec):
    """y = W[x]: a vector for each whole number from 0, learned like any weight. `torch.nn.Embedding`."""

    kind: Literal["embedding"] = "embedding"
    num_embeddings: PositiveInt
    """How many numbers there are: x lies from 0 to one less."""
    units: PositiveInt
    """Size of a vector."""

    def output_shape(self, shape: Shape) -> Shape:
        return (*shape, self.units)

    def parameter_shapes(self, shape: Shape) -> dict[str, Shape]:
        return {"weight": (self.num_embeddings, self.units)}
