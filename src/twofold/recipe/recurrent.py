"""The layers with a hidden state, which read sequences (N, steps, features): a vanilla network, LSTM and GRU."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field, PositiveFloat, PositiveInt

from twofold.recipe.base import Fields, Shape
from twofold.recipe.layer import Asleep, Kept, LayerSpec, Refusal
from twofold.recipe.operation import Operation, Operations, Size, dimensions, product, times
from twofold.recipe.parameters import GateBias, GateWeight, Parameter, Parameters

HIDDEN = "weight_hh"
"""The name of W_hh, the matrix from one step's hidden state to the next; gradients pass it once a step."""

READ = {"last": "y = h(T)", "mean": "y = (h(1) + ... + h(T)) / T", "every": "y = h(1), ..., h(T)"}
"""What the next layer reads, by `output`."""
ARRIVING = {"last": "dh(T) = dy", "mean": "dh(t) begins as dy / T", "every": "dh(t) begins as dy(t)"}
"""Where the gradient enters the backward pass through time, by `output`."""

Line: TypeAlias = tuple[str, str]
"""An equation of one step of time, and the sizes that it maps: `s` is the size of a state, `g` that of all gates."""


class Recurrent(LayerSpec, abc.ABC):
    """A layer with a hidden state h that every step updates, h(0) = 0. The classes below have the equations."""

    gates: ClassVar[tuple[str, ...]]
    """The blocks of `units` rows that each weight consists of, in PyTorch's order."""

    stacks: ClassVar[bool] = True
    units: PositiveInt
    """Size of the hidden state."""
    output: Literal["last", "mean", "every"] = "last"
    """h after the last step, (N, units), the mean of h over the steps, (N, units), or h after every step, (N, steps,
    units): what a layer stacked on it reads."""
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
        return (shape[0], self.units) if self.output == "every" else (self.units,)

    def working_shape(self, shape: Shape) -> Shape:
        return (shape[0], len(self.gates) * self.units)

    def parameters(self, shape: Shape) -> Parameters:
        rows = len(self.gates) * self.units
        plain = GateWeight(self.units)
        hidden = GateWeight(self.units, self.initial_hh, self.gain_hh)
        weights = {
            "weight_ih": Parameter((rows, shape[1]), plain, decays=True),
            HIDDEN: Parameter((rows, self.units), hidden, decays=True),
        }
        if not self.bias:
            return weights
        nothing = (0.0,) * len(self.gates)
        biases = {
            "bias_ih": GateBias(self.units, nothing),
            "bias_hh": GateBias(self.units, self.added_to_bias(), *self.time_scales()),
        }
        return weights | {name: Parameter((rows,), start, decays=False) for name, start in biases.items()}

    @abc.abstractmethod
    def added_to_bias(self) -> tuple[float, ...]:
        """What is added to each gate's block of the initial b_hh."""

    @abc.abstractmethod
    def time_scales(self) -> tuple[int | None, tuple[int, ...]]:
        """T of the chrono initialisation, or `None`, and its sign in each gate's block of b_hh; see `GateBias`."""

    @abc.abstractmethod
    def cell_lines(self) -> tuple[list[Line], list[Line]]:
        """The element-wise equations of one step of time, forward and backward."""

    @property
    @abc.abstractmethod
    def past_hidden(self) -> str:
        """The term of dh(t−1) that does not pass through W_hh; empty if there is none."""

    def buffer_shapes(self, shape: Shape) -> dict[str, Shape]:
        return {}

    def mask_shape(self, shape: Shape) -> Shape | None:
        return None

    def kept(self, shape: Shape) -> Kept:
        """Kept at every step of time are the cell's values, and the products that lead to it."""
        states, gates = (shape[0] or 1) * self.units, len(self.gates)
        return Kept(states * (3 * gates + 1), states * (4 * gates + 6))

    def only_first(self) -> str:
        return ""

    def equations(self, shape: Shape, n: Size) -> tuple[Operations, Operations]:
        """The equations: products of all steps at once, and of a single step, with h(0) = 0 and dh(T+1) = 0."""
        return self._forward(shape, n), self._backward(shape, n)

    def _forward(self, shape: Shape, n: Size) -> Operations:
        steps, inputs = ("?" if size is None else size for size in shape)
        rows = len(self.gates) * self.units
        b_ih, b_hh = (" + b_ih", " + b_hh") if self.bias else ("", "")
        state, y = f"({n}, {self.units})", dimensions(n, self.output_shape(shape))
        a, c = f"a = x W_ihᵀ{b_ih}, t = 1 ... {steps}", f"c(t) = h(t−1) W_hhᵀ{b_hh}"
        return [
            product(a, times(n, steps), inputs, rows, bias=self.bias),
            product(c, n, self.units, rows, bias=self.bias).each_step(),
            *self._timed(self.cell_lines()[0], n),
            Operation(READ[self.output], f"{state} → {y}", "y"),
        ]

    def _backward(self, shape: Shape, n: Size) -> Operations:
        steps, inputs = ("?" if size is None else size for size in shape)
        rows, every = len(self.gates) * self.units, times(n, steps)
        state, y = f"({n}, {self.units})", dimensions(n, self.output_shape(shape))
        total = f"({every}, {rows}) → ({rows},)"
        sums = [
            Operation("db_ih = Σₜ Σₙ da(t)", total, "bias_ih"),
            Operation("db_hh = Σₜ Σₙ dc(t)", total, "bias_hh"),
        ]
        return [
            Operation(ARRIVING[self.output], f"{y} → {state}"),
            *self._timed(self.cell_lines()[1], n),
            product(f"dh(t−1) = dc(t) W_hh{self.past_hidden}", n, rows, self.units).each_step(),
            product("dW_ih = Σₜ da(t)ᵀ x(t)", rows, every, inputs, "weight_ih"),
            product("dW_hh = Σₜ dc(t)ᵀ h(t−1)", rows, every, self.units, "weight_hh"),
            *(sums if self.bias else []),
            product("dx = da W_ih", every, rows, inputs, "dx"),
        ]

    def _timed(self, lines: list[Line], n: Size) -> Operations:
        sizes = {"s": f"({n}, {self.units})", "g": f"({n}, {len(self.gates) * self.units})"}
        return [Operation(line, f"{sizes[before]} → {sizes[after]}", timed=True) for line, (before, after) in lines]


def _chrono_conflicts(values: Fields) -> list[str]:
    if values.get("chrono") and values.get("bias") is False:
        return [f"`chrono` sets a bias; got {values['chrono']} and `bias = false`"]
    return []


class Rnn(Recurrent):
    """h(t) = tanh(W_ih x(t) + b_ih + W_hh h(t−1) + b_hh). `torch.nn.RNN`, by PyTorch's cell's names."""

    kind: Literal["rnn"] = "rnn"
    nonlinearity: Literal["tanh", "relu"] = "tanh"
    """The function applied: tanh, or ReLU in its place."""
    gates: ClassVar[tuple[str, ...]] = ("h",)

    def added_to_bias(self) -> tuple[float, ...]:
        return (0.0,)

    def time_scales(self) -> tuple[int | None, tuple[int, ...]]:
        return None, ()

    @property
    def past_hidden(self) -> str:
        return ""

    def watched(self) -> Mapping[str, Asleep]:
        return {"h": Asleep.TANH if self.nonlinearity == "tanh" else Asleep.OFF}

    def cell_lines(self) -> tuple[list[Line], list[Line]]:
        """The equations of a step; the only gate, so to speak, is the state."""
        if self.nonlinearity == "tanh":
            return [("h(t) = tanh(a(t) + c(t))", "gs")], [("da(t) = dc(t) = dh(t) ⊙ (1 − h(t)²)", "sg")]
        return [("h(t) = max(a(t) + c(t), 0)", "gs")], [("da(t) = dc(t) = dh(t) ⊙ [h(t) > 0]", "sg")]


class Lstm(Recurrent):
    """i, f, o = σ(...), g = tanh(...); m(t) = f ⊙ m(t−1) + i ⊙ g; h(t) = o ⊙ tanh m(t). `torch.nn.LSTM`.

    Each gate is of W_ih x(t) + b_ih + W_hh h(t−1) + b_hh; in the weights they follow each other as i, f, g, o.
    """

    kind: Literal["lstm"] = "lstm"
    forget_bias: float = 0.0
    """Added to the initial b_hh of f: at 1 the memory is kept from the start (Jozefowicz et al., 2015)."""
    chrono: Annotated[int, Field(ge=3)] | None = None
    """T, the steps that memory must last: b_hh of f begins as log u, u from U(1, T − 1) unit by unit, and that of i as
    −log u (Tallec and Ollivier, 2018). In place of `forget_bias`."""
    gates: ClassVar[tuple[str, ...]] = ("i", "f", "g", "o")

    @classmethod
    def conflicts(cls, values: Fields) -> list[str]:
        if values.get("forget_bias") and values.get("bias") is False:
            return [f"`forget_bias` is added to a bias; got {values['forget_bias']} and `bias = false`"]
        if values.get("forget_bias") and values.get("chrono"):
            return [f"`chrono` sets what `forget_bias` adds to; got {values['chrono']} and {values['forget_bias']}"]
        return _chrono_conflicts(values)

    def added_to_bias(self) -> tuple[float, ...]:
        return (0.0, self.forget_bias, 0.0, 0.0)

    def time_scales(self) -> tuple[int | None, tuple[int, ...]]:
        return self.chrono, (-1, 1, 0, 0)

    @property
    def past_hidden(self) -> str:
        return ""

    def watched(self) -> Mapping[str, Asleep]:
        return {"i": Asleep.SIGMOID, "f": Asleep.SIGMOID, "g": Asleep.TANH, "o": Asleep.SIGMOID}

    def cell_lines(self) -> tuple[list[Line], list[Line]]:
        forward = [
            ("i, f, o = σ(a + c), g = tanh(a + c), a block of rows each", "gg"),
            ("m(t) = f ⊙ m(t−1) + i ⊙ g, h(t) = o ⊙ tanh m(t)", "gs"),
        ]
        backward = [
            ("dm(t) = dh(t) ⊙ o ⊙ (1 − tanh² m(t)) + dm(t+1) ⊙ f(t+1)", "ss"),
            ("da = dc = dm ⊙ (g, m(t−1), i), dh ⊙ tanh m, ⊙ slope", "sg"),
        ]
        return forward, backward


class Gru(Recurrent):
    """r, z = σ(...), n = tanh(W_in x(t) + b_in + r ⊙ (W_hn h(t−1) + b_hn)); h(t) = (1 − z) ⊙ n + z ⊙ h(t−1).

    `torch.nn.GRU`: the reset gate stands after the product, and in the weights the gates are r, z, n.
    """

    kind: Literal["gru"] = "gru"
    chrono: Annotated[int, Field(ge=3)] | None = None
    """T, the steps that memory must last: b_hh of z, the share of h that stays, begins as log u, u from U(1, T − 1)
    unit by unit (Tallec and Ollivier, 2018)."""
    gates: ClassVar[tuple[str, ...]] = ("r", "z", "n")

    @classmethod
    def conflicts(cls, values: Fields) -> list[str]:
        return _chrono_conflicts(values)

    def added_to_bias(self) -> tuple[float, ...]:
        return (0.0, 0.0, 0.0)

    def time_scales(self) -> tuple[int | None, tuple[int, ...]]:
        return self.chrono, (0, 1, 0)

    @property
    def past_hidden(self) -> str:
        return " + dh(t) ⊙ z"

    def watched(self) -> Mapping[str, Asleep]:
        return {"r": Asleep.SIGMOID, "z": Asleep.SIGMOID, "n": Asleep.TANH}

    def cell_lines(self) -> tuple[list[Line], list[Line]]:
        forward = [
            ("r, z = σ(a + c), n = tanh(a + r ⊙ c), a block of rows each", "gg"),
            ("h(t) = (1 − z) ⊙ n + z ⊙ h(t−1)", "gs"),
        ]
        backward = [
            ("ds = dh(t) ⊙ (1 − z) ⊙ (1 − n²), dz = dh(t) ⊙ (h(t−1) − n), dr = ds ⊙ c", "ss"),
            ("da = dr ⊙ r (1 − r), dz ⊙ z (1 − z), ds; dc = da, but of n ds ⊙ r", "sg"),
        ]
        return forward, backward


Recurrence: TypeAlias = Rnn | Lstm | Gru
