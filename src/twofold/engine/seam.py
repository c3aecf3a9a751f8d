"""The seam: what a loop, a study or a page may ask of an engine, and what passes through.

An engine holds parameters. It takes a batch forward and back, which changes nothing, and moves the parameters along
gradients, its own or those that it is handed. It draws no random number: order, masks, initial weights and the
learning rate come in with the batch and the state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol, final, runtime_checkable

from twofold.arrays import Array, Arrays
from twofold.engine.batch import Batch
from twofold.errors import UserError


class ThroughTime(NamedTuple):
    """What one batch shows of a recurrent layer, time first: (steps, batch, units)."""

    h: Array
    """h(1), ..., h(T)."""
    gradient: Array
    """∂loss/∂h(t) on all paths: through later steps, and to whatever reads h(t)."""


Keep = Literal["gradients", "everything"]
"""What a pass keeps: `gradients` beside the outputs and the loss, or `everything`, which is a `Trace`."""


@runtime_checkable
class Pass(Protocol):
    """One batch on its way through the network and back. Its values stay what they were, whatever the engine does next.

    It costs nothing until a field is read: no copy, no synchronisation with a device.
    """

    @property
    def outputs(self) -> Arrays:
        """The output of each layer by the layer's name, in forward order; the last one holds the logits."""
        ...

    @property
    def logits(self) -> Array:
        """The output of the last layer, (batch, classes)."""
        ...

    @property
    def loss(self) -> float:
        """The loss of the batch, before any update."""
        ...

    @property
    def gradients(self) -> Arrays:
        """∂loss/∂parameter by the parameter's name, before any clipping or decay."""
        ...

    @property
    def buffers(self) -> Arrays:
        """The running statistics after this batch by name; an update takes them over."""
        ...


@final
@dataclass(frozen=True)
class Trace:
    """A pass kept whole; all of it by the layer's or parameter's name."""

    x: Array
    """The samples as the first layer took them: as numbers, and moved where the batch has a `radius`."""
    outputs: Arrays
    """y of each layer, in forward order."""
    loss: float
    signals: Arrays
    """∂loss/∂y of each layer, in forward order; layers before the first with parameters need none and are left out.
    ∂loss/∂x of a layer is that of the layer before it."""
    gradients: Arrays
    """∂loss/∂parameter."""
    held: Mapping[str, int]
    """Bytes that each layer keeps for the backward pass, without parameters and without what a layer before it
    keeps."""
    through_time: Mapping[str, ThroughTime]
    """h(t) and ∂loss/∂h(t) of each recurrent layer."""
    buffers: Arrays = field(default_factory=dict)
    """The running statistics after this batch."""

    @property
    def logits(self) -> Array:
        """The output of the last layer, (batch, classes)."""
        return list(self.outputs.values())[-1]


@dataclass(frozen=True)
class State:
    """Everything an engine remembers from one step to the next, as arrays by their PyTorch names."""

    parameters: Arrays
    optimizer: Mapping[str, Arrays] = field(default_factory=dict)
    """The moments by PyTorch's name for them, then by parameter: `optimizer["exp_avg"]["0.weight"]`."""
    updates: int = 0
    """How many updates the optimizer has made: Adam's bias correction needs it."""
    buffers: Arrays = field(default_factory=dict)
    """Running statistics."""
    average: Arrays = field(default_factory=dict)
    """The moving average of parameters and running statistics, where the recipe asks for one."""

    def weights(self) -> dict[str, Array]:
        """What predictions are made with: parameters and running statistics, their averages where there are any."""
        return {**self.parameters, **self.buffers, **self.average}

    def arrays(self) -> dict[str, Array]:
        """All arrays by unique names: `0.weight`, `1.running_mean`, `0.weight (exp_avg)`, `0.weight (average)`."""
        moments = {
            f"{name} ({moment})": array for moment, arrays in self.optimizer.items() for name, array in arrays.items()
        }
        averages = {f"{name} (average)": array for name, array in self.average.items()}
        return {**self.parameters, **self.buffers, **moments, **averages}


class Step(Protocol):
    """One training step: its pass, and the state after its update. As cheap as a `Pass`."""

    @property
    def outputs(self) -> Arrays:
        """The output of each layer by the layer's name, in forward order; the last one holds the logits."""
        ...

    @property
    def logits(self) -> Array:
        """The output of the last layer, (batch, classes)."""
        ...

    @property
    def loss(self) -> float:
        """The loss of the batch before the update."""
        ...

    @property
    def gradients(self) -> Arrays:
        """∂loss/∂parameter by the parameter's name, before any clipping or decay."""
        ...

    @property
    def state(self) -> State:
        """The engine's state at the time it is read: after the update, until the next."""
        ...


@final
class UpdatedPass:
    """A pass with which an engine has updated itself. See `Step`."""

    __slots__ = ("_engine", "_passed")

    def __init__(self, engine: Engine, passed: Pass) -> None:
        self._engine = engine
        self._passed = passed

    @property
    def outputs(self) -> Arrays:
        """The output of each layer by the layer's name."""
        return self._passed.outputs

    @property
    def logits(self) -> Array:
        """The output of the last layer."""
        return self._passed.logits

    @property
    def loss(self) -> float:
        """The loss before the update."""
        return self._passed.loss

    @property
    def gradients(self) -> Arrays:
        """∂loss/∂parameter by name, before the update."""
        return self._passed.gradients

    @property
    def state(self) -> State:
        """The engine's state now."""
        return self._engine.state()


class Engine(Protocol):
    """An engine trains and predicts. `twofold.engines` lists them; a test double wraps one and breaks one thing."""

    @property
    def name(self) -> str:
        """Its name in the table of engines."""
        ...

    @property
    def device(self) -> str:
        """Where it computes, as PyTorch writes it: `cpu`, `cuda`. Elsewhere than on `cpu` images travel as bytes."""
        ...

    @property
    def threads(self) -> int:
        """The threads that its products may use now."""
        ...

    @property
    def arithmetic(self) -> str:
        """The type in which it multiplies: the recipe's `dtype`, or `bfloat16`."""
        ...

    def load(self, state: State) -> None:
        """Take over a state, copied; moments that it lacks start as in a new optimizer."""
        ...

    def state(self) -> State:
        """A copy of the state."""
        ...

    def gradients(self, batch: Batch, keep: Keep = "gradients") -> Pass:
        """Take a batch forward and back, as in training. Changes nothing, not even running statistics."""
        ...

    def update(self, gradients: Pass | Arrays, lr: float | Array, ema: float = 0.0) -> None:
        """Clip, then move the parameters one update of the optimizer along the gradients; then average the weights.

        A pass also brings the running statistics. Gradients by name may come from anywhere: summed over the shards of a
        batch, or computed by somebody else; they leave the running statistics as they are. `ema` is the weight of the
        past in the moving average.

        Raises `UserError` where names or shapes are not this network's.
        """
        ...

    def step(self, batch: Batch) -> Step:
        """`gradients` and `update`, with the batch's learning rate: the same numbers, at no more than their cost."""
        ...

    def trace(self, batch: Batch) -> Trace:
        """`gradients`, kept whole."""
        ...

    def predict(self, x: Array) -> Array:
        """The logits in evaluation mode, (batch, classes), of the averaged weights where the recipe has them."""
        ...

    def outputs(self, x: Array) -> list[Array]:
        """What each layer gives in evaluation mode, in forward order; the last one is `predict`'s."""
        ...


def check_shapes(shapes: Mapping[str, tuple[int, ...]], arrays: Arrays) -> None:
    """Raises `UserError` where weights are not of a network's names and shapes; names the first tensor that is not."""
    if wrong := _first_mismatch(shapes, arrays):
        name, shape, wanted = wrong
        raise UserError(f"these weights are of another network: `{name}` is {shape}, the recipe's is {wanted}")


def check_gradients(shapes: Mapping[str, tuple[int, ...]], gradients: Arrays) -> None:
    """Raises `UserError` where gradients are not of a network's names and shapes; names the first that is not."""
    if wrong := _first_mismatch(shapes, gradients):
        name, shape, wanted = wrong
        raise UserError(
            f"these gradients are of another network: that of `{name}` is {shape}, the recipe's is {wanted}. "
            "An update wants one for each parameter, of its shape"
        )


def _first_mismatch(shapes: Mapping[str, tuple[int, ...]], arrays: Arrays) -> tuple[str, object, object] | None:
    """The first tensor by name whose shape differs, with the shape it has and the one it should have."""
    for name in sorted(shapes.keys() | arrays.keys()):
        shape = arrays[name].shape if name in arrays else "missing"
        wanted = shapes.get(name, "missing")
        if shape != wanted:
            return name, shape, wanted
    return None
