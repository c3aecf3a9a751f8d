"""Signals of a training beside its loss: the sizes of gradients and updates, and which units are asleep.

A unit is asleep for a sample where it passes hardly any gradient. Norms are Euclidean, over all elements of a tensor.
The update is what the last step changed: with momentum or Adam it is not η times the gradient. Its size over that of
the weight says whether the rate fits: about 1e-3. Karpathy, CS231n, Convolutional Neural Networks for Visual
Recognition, Neural Networks Part 3 (Stanford, 2015).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, final

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.data import Batches, Split
from twofold.engine import Engine, lengths_of
from twofold.numpy_engine.layer import EVALUATION
from twofold.numpy_engine.layers import build_layer
from twofold.numpy_engine.recurrent import Recurrent as Loop
from twofold.recipe import Network, Node
from twofold.recipe.base import elements
from twofold.recipe.layer import OUTPUT, Asleep
from twofold.recipe.network import recurrent_nodes
from twofold.recipe.recurrent import HIDDEN, Recurrent
from twofold.runs.history import DIGITS, MOST_MOMENTS, PROBE, SATURATED, Signal
from twofold.train.loop import Moment

AT_ONCE = 1 << 22
"""Numbers that one pass through the network holds at most: 16 MiB."""


@final
class Signals:
    """Makes the lines of `signals.csv` about an engine in training, at moments that the step alone decides."""

    def __init__(self, engine: Engine, network: Network, batches: Batches, train: Split) -> None:
        self.engine = engine
        self.network = network
        self.steps = batches.steps
        evaluations = -(-batches.steps // batches.evaluate_every)
        self.every = batches.evaluate_every * -(-evaluations // MOST_MOMENTS)
        self.probe = train[:PROBE]
        self.batch = max(1, AT_ONCE // held_numbers(network))

    def of(self, moment: Moment) -> list[Signal]:
        """A line for each parameter, activation and gate; none at a moment that is left out."""
        if moment.taken not in (0, 1, self.steps) and moment.taken % self.every:
            return []
        with np.errstate(all="ignore"):
            return [*self._parameters(moment), *self._units(moment.taken)]

    def _parameters(self, moment: Moment) -> Iterator[Signal]:
        gradients = moment.step.gradients if moment.step else {}
        for name, after in moment.after.items():
            layer, part = name.split(".", 1)
            gradient = norm(gradients[name]) if name in gradients else None
            update = norm(after.astype(np.float64) - moment.before[name]) if moment.step else None
            yield Signal(moment.taken, layer, part, norm(after), gradient, update)

    def _units(self, taken: int) -> Iterator[Signal]:
        """Signals of units, from sending the probe through the network in small batches, in evaluation mode."""
        by_place = dict[tuple[str, str], Units]()
        if not any(node.spec.watched() for node in self.network.nodes):
            return
        weights = self.engine.state().weights() if recurrent_nodes(self.network) else {}
        for start in range(0, len(self.probe), self.batch):
            x = self.probe[start : start + self.batch].floats()
            lengths = lengths_of(x) if self.network.sequences else None
            through = [x if lengths is None else np.nan_to_num(x), *self.engine.outputs(x)]
            for place, asleep in _asleep(self.network.nodes, through, weights, lengths):
                units = by_place.get(place)
                by_place[place] = asleep if units is None else units.joined(asleep)
        for (layer, part), units in by_place.items():
            yield Signal(taken, layer, part, dead=units.dead, saturated=units.saturated)


class Units(NamedTuple):
    """Which units of a layer were off for every sample seen so far, and the share of all outputs that were off."""

    throughout: Array
    """Which units slept for every sample, (units,)."""
    asleep: int
    total: int
    relu: bool

    @property
    def dead(self) -> float:
        """The share of units that slept for every sample."""
        return float(self.throughout.mean())

    @property
    def saturated(self) -> float | None:
        """The share of outputs that slept; `None` for ReLU, which is off by design and not saturated."""
        return None if self.relu else self.asleep / self.total

    def joined(self, other: Units) -> Units:
        """The units over the samples of both."""
        throughout = np.logical_and(self.throughout, other.throughout)
        return Units(throughout, self.asleep + other.asleep, self.total + other.total, self.relu)


def _asleep(
    nodes: Sequence[Node], through: Sequence[Array], weights: Arrays, lengths: Array | None = None
) -> Iterator[tuple[tuple[str, str], Units]]:
    """The sleeping units, layer by layer; `through` has the input of each layer, then the network's output.

    Of sequences with `lengths`, padded steps are left out.
    """
    for node, x, y in zip(nodes, through, through[1:], strict=False):
        if lengths is not None and len(node.output_shape) == 2:
            y = y[np.arange(y.shape[1]) < lengths[:, None]]
        parts = {OUTPUT: y} if OUTPUT in node.spec.watched() else gates(node, weights, x, lengths)
        for part, when in node.spec.watched().items():
            yield (node.name, part), _units(_by_unit(parts[part]), when)


def _units(y: Array, when: Asleep) -> Units:
    match when:
        case Asleep.OFF:
            asleep = y <= 0
        case Asleep.SIGMOID:
            asleep = np.abs(2 * y - 1) > SATURATED
        case Asleep.TANH:
            asleep = np.abs(y) > SATURATED
    return Units(np.logical_and.reduce(asleep, axis=0), int(asleep.sum()), asleep.size, when is Asleep.OFF)


def _by_unit(y: Array) -> Array:
    """Outputs as (rows, units): a unit is a channel of images, else an element of the last axis."""
    if y.ndim == 4:
        y = np.moveaxis(y, 1, -1)
    return y.reshape(-1, y.shape[-1])


def gates(node: Node, weights: Arrays, x: Array, lengths: Array | None = None) -> dict[str, Array]:
    """The values of each gate of a recurrent layer at every step, (T, n, units), by the NumPy engine's own loop.

    Of sequences with `lengths`, (steps, units) without padded steps. Empty for any other layer.
    """
    if not isinstance(node.spec, Recurrent):
        return {}
    params = {name: weights[f"{node.name}.{name}"] for name in node.parameters}
    layer = build_layer(node.spec)
    assert isinstance(layer, Loop)
    mode = EVALUATION._replace(lengths=lengths)
    _, unrolled = layer.forward(params, x.astype(params[HIDDEN].dtype, copy=False), mode)
    values = layer.gates(unrolled)
    if unrolled.there is None:
        return values
    return {name: value[unrolled.there[..., 0]] for name, value in values.items()}


def norm(a: Array) -> float:
    """The Euclidean norm √Σ a², in float64."""
    return float(np.sqrt(np.square(a, dtype=np.float64).sum()))


def held_numbers(network: Network) -> int:
    """The number of values that all layers together hold of one sample."""
    shapes = [
        shape for node in network.nodes for shape in (node.output_shape, node.spec.working_shape(node.input_shape))
    ]
    return sum(elements(shape) or 0 for shape in shapes) or 1


def as_row(signal: Signal) -> Mapping[str, object]:
    """A signal by column, its numbers with `DIGITS` digits."""
    values = signal._asdict()
    return {key: f"{value:.{DIGITS}g}" if isinstance(value, float) else value for key, value in values.items()}
