"""The engine: layers in a row, one flat vector of parameters, one step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import cast, final

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.engine import (
    Batch,
    Keep,
    Pass,
    State,
    ThroughTime,
    Trace,
    UpdatedPass,
    check_gradients,
    floats,
    lengths_of,
)
from twofold.engine.threads import blas_threads
from twofold.numpy_engine.adversarial import input_gradient, moved
from twofold.numpy_engine.given import with_given
from twofold.numpy_engine.held import held_bytes
from twofold.numpy_engine.layer import AnyLayer, Mode, Timed, Tracking
from twofold.numpy_engine.layers import build_layer
from twofold.numpy_engine.losses import Loss, Value, each_step, loss_function
from twofold.numpy_engine.optimizers import Moments, Rule, clip, in_blocks
from twofold.numpy_engine.passes import Layout, Names, NumpyPass, Spare, Way, fill
from twofold.numpy_engine.plan import Chain, Stage, WholeWay
from twofold.numpy_engine.shards import NumpyShards
from twofold.numpy_engine.threads import NEAR, WayInParts, in_threads, parts_to_predict, sizes, worthwhile_parts
from twofold.recipe import Model, Network
from twofold.recipe.optimizers import Optimizer, Sgd
from twofold.recipe.training import Training


@final
class NumpyEngine:
    """The readable engine. `layers`, by name, `loss` and `rule` take the place of the model's and the optimizer's: a
    user's own, or a test's planted fault. Of `training` only `dtype` and `ema` are read.

    With `replicas` the engine holds that many networks and each step updates all of them: states, batches, losses and
    logits then have one more axis in front, (replicas, ...): see `twofold.train.replicas`. With `parts` each batch is
    split among that many threads, unless there are replicas or a batch norm. Samples to predict are split among
    `predicting_parts`, by default as many.
    """

    name = "numpy"
    device = "cpu"

    def __init__(
        self,
        model: Model,
        optimizer: Optimizer = Sgd(),
        training: Training = Training(),
        *,
        layers: Mapping[str, AnyLayer] | None = None,
        loss: Loss | None = None,
        rule: Rule | None = None,
        replicas: int | None = None,
        parts: int = 1,
        predicting_parts: int | None = None,
    ) -> None:
        network = model.network
        own = {node.name: build_layer(node.spec) for node in network.nodes}
        built = with_given(own, network, layers or {})
        self.names = [node.name for node in network.nodes]
        self.layout = Layout(network.parameters)
        self._statistics = Layout(network.buffers)
        self._loss = loss or loss_function(model.loss)
        if network.each_step:
            self._loss = each_step(self._loss)
        self._sequences = network.sequences
        self._loss_facts = model.loss, network.classes
        self._rule = rule or in_blocks(optimizer, self._decayed(network, optimizer, training.dtype), self.layout.size)
        self._max_norm = optimizer.max_norm
        # One array: the parameters, which the optimizer updates, then the running statistics.
        lead = () if replicas is None else (replicas,)
        self._weights = np.zeros((*lead, self.layout.size + self._statistics.size), training.dtype)
        self._vector = self._weights[..., : self.layout.size]
        self._training, self._evaluation = (Mode(trains, lead=len(lead)) for trains in (True, False))
        self._average = self._weights.copy() if training.ema else None
        self._moments: Moments = self._rule.init(self._vector)
        self._updates = 0
        self.arithmetic = str(training.dtype)
        self._layers = [built[name] for name in self.names]
        self._tracking = [(i, layer) for i, layer in enumerate(self._layers) if isinstance(layer, Tracking)]
        self._params = self._by_layer(network, self._weights)
        self._running_statistics = self._statistics.views(self._weights[..., self.layout.size :])
        self._averaged = self._params if self._average is None else self._by_layer(network, self._average)
        # Nothing before the first layer with parameters wants a gradient.
        self._first = next((i for i, node in enumerate(network.nodes) if node.parameters), len(self._layers))
        self._named, self._spare = Names(self.names, self.layout), Spare()
        stages = list(map(Stage, self.names, self._layers, self._params))
        self._largest = network.largest
        self._parts = 1 if replicas is not None or self._tracking else parts
        self._predicting_parts = 1 if replicas is not None else predicting_parts or self._parts
        self._chain = Chain(stages, self._first, self.layout)

    def _decayed(self, network: Network, optimizer: Optimizer, dtype: str) -> Array | float:
        """1 for each number of the flat vector that weight decay applies to, else 0; a single 1.0 if all decay."""
        if optimizer.decayed == "all":
            return 1.0
        decayed = np.zeros(self.layout.size, dtype)
        for name in network.weights:
            decayed[self.layout.slices[name]] = 1
        return decayed

    def load(self, state: State) -> None:
        """Take over a state, copied. Raises `UserError` where names or shapes are not this network's."""
        fill(self._views(self._weights), {**state.parameters, **state.buffers})
        if self._average is not None:
            fill(self._views(self._average), state.weights())
        self._moments = self._rule.init(self._vector)
        for name, vector in self._moments.items():
            if name in state.optimizer:
                fill(self.layout.views(vector), state.optimizer[name])
        self._updates = state.updates

    def state(self) -> State:
        """A copy of the state."""
        weights = self._weights.copy()
        moments = {name: self.layout.views(vector.copy()) for name, vector in self._moments.items()}
        average = {} if self._average is None else self._views(self._average.copy())
        buffers = self._statistics.views(weights[..., self.layout.size :])
        return State(self.layout.views(weights), moments, self._updates, buffers, average)

    @property
    def threads(self) -> int:
        """The threads that NumPy's matrix products may use now."""
        return blas_threads()

    def gradients(self, batch: Batch, keep: Keep = "gradients") -> Pass:
        """Forward through the layers, and back through them."""
        return self.trace(batch) if keep == "everything" else self._pass(batch)

    def update(self, gradients: Pass | Arrays, lr: float | Array, ema: float = 0.0) -> None:
        """Clip the gradients, then update the flat vector; from a pass take over the running statistics, too."""
        if isinstance(gradients, NumpyPass):
            self._update(gradients.way.vector, gradients.way.buffers, lr, ema)
        elif isinstance(gradients, Mapping):
            self._update(self._as_vector(gradients), {}, lr, ema)
        else:
            self._update(self._as_vector(gradients.gradients), gradients.buffers, lr, ema)

    def step(self, batch: Batch) -> UpdatedPass:
        """Forward through the layers, back through them, one update of the flat vector."""
        passed = self._pass(batch)
        self._update(passed.way.vector, passed.way.buffers, batch.lr, batch.ema)
        return UpdatedPass(self, passed)

    def _pass(self, batch: Batch) -> NumpyPass:
        x, mode = self._entered(self._trained_on(batch), self._training)
        way = self._spare.take(x.shape) or self._way(x.shape)
        loss, dy = self._judged(way.forward(x, batch.masks, mode), batch)
        way.backward(dy)
        return NumpyPass(self._named, way, loss, self._spare)

    def _trained_on(self, batch: Batch) -> Array:
        """The samples of a batch in the engine's type; if the batch has a `radius`, moved towards a higher loss."""
        x = floats(batch, self._vector.dtype)
        if batch.radius is None:
            return x
        outputs, caches = self._forward(x, batch.masks)
        _, dy = self._judged(outputs[-1], batch)
        return moved(x, input_gradient(self._chain.stages, caches, dy), batch.radius)

    def _way(self, shape: tuple[int, ...]) -> Way:
        """A new way forward and back for batches of the shape."""
        if self._parts == 1:
            return WholeWay(self._chain, shape, self._vector)
        return WayInParts(
            [WholeWay(self._chain, (size, *shape[1:]), self._vector) for size in sizes(shape[0], self._parts)], shape
        )

    def _judged(self, outputs: Array, batch: Batch) -> tuple[Value, Array]:
        """The loss of the outputs and its gradient."""
        if batch.weight is None:
            return self._loss(outputs, batch.target)
        return self._loss(outputs, batch.target, batch.weight.astype(outputs.dtype, copy=False))

    @cached_property
    def shards(self) -> NumpyShards:
        """The same network for batches that are taken shard by shard."""
        predicting = self._weights if self._average is None else self._average
        return NumpyShards(self._chain.stages, self._first, self._named, self._loss_facts, (self._vector, predicting))

    def _update(self, gradient: Array, buffers: Arrays, lr: float | Array, ema: float) -> None:
        clipped = clip(gradient, self._max_norm) if self._max_norm else gradient
        self._updates += 1
        rate = lr if isinstance(lr, float) else np.asarray(lr, self._vector.dtype)
        self._rule.update(self._vector, clipped, self._moments, rate, self._updates)
        for name, value in buffers.items():
            self._running_statistics[name][...] = value
        if self._average is not None:
            self._average += (1 - ema) * (self._weights - self._average)

    def _as_vector(self, gradients: Arrays) -> Array:
        """Gradients by name as one vector in the order of the layout."""
        vector = np.empty_like(self._vector)
        views = self.layout.views(vector)
        check_gradients({name: view.shape for name, view in views.items()}, gradients)
        for name, view in views.items():
            view[...] = gradients[name]
        return vector

    def trace(self, batch: Batch) -> Trace:
        """Take a batch forward and back and keep everything."""
        x = self._trained_on(batch)
        outputs, caches = self._forward(x, batch.masks)
        loss, dy = self._judged(outputs[-1], batch)
        signals, gradients, through_time = dict[str, Array](), dict[str, Array](), dict[str, ThroughTime]()
        for index in range(len(self._layers) - 1, self._first - 1, -1):
            name, layer, params = self.names[index], self._layers[index], self._params[index]
            signals[name] = dy
            if isinstance(layer, Timed):
                through_time[name] = layer.through_time(params, caches[index], dy)
            dx, grads = layer.backward(params, caches[index], dy, index > self._first)
            gradients |= {f"{name}.{parameter}": gradient for parameter, gradient in grads.items()}
            dy = dy if dx is None else dx
        ordered = {name: gradients[name] for name in self.layout.shapes}
        signals = dict(reversed(signals.items()))
        held = dict(zip(self.names, held_bytes(caches, beside=self._weights), strict=True))
        named = dict(zip(self.names, outputs, strict=True))
        through = dict(reversed(through_time.items()))
        return Trace(x, named, cast(float, loss), signals, ordered, held, through, self._running(caches))

    def predict(self, x: Array) -> Array:
        """The logits in evaluation mode, from the averaged weights where the recipe asks for them."""
        if self._predicting_parts == 1 or len(x) < self._predicting_parts:
            return self._predicted(x)
        return np.concatenate(in_threads(self._predicted_near, np.array_split(x, self._predicting_parts)))

    def _predicted_near(self, x: Array) -> Array:
        """The logits, computed in pieces whose largest layer output holds about `NEAR` numbers."""
        pieces = -(-len(x) * self._largest // NEAR)
        return np.concatenate([self._predicted(piece) for piece in np.array_split(x, max(1, min(pieces, len(x))))])

    def _predicted(self, x: Array) -> Array:
        for y in self._evaluated(x):
            x = y
        return x

    def outputs(self, x: Array) -> list[Array]:
        """The output of each layer in evaluation mode."""
        return list(self._evaluated(x))

    def _evaluated(self, x: Array) -> Iterator[Array]:
        x, mode = self._entered(x.astype(self._vector.dtype, copy=False), self._evaluation)
        for layer, params in zip(self._layers, self._averaged, strict=True):
            x, _ = layer.forward(params, x, mode)
            yield x

    def _entered(self, x: Array, mode: Mode) -> tuple[Array, Mode]:
        """The batch with 0 for the missing steps of short sequences, and the mode with the sequences' lengths."""
        lengths = lengths_of(x, mode.lead) if self._sequences else None
        return (x, mode) if lengths is None else (np.nan_to_num(x, nan=0.0), mode._replace(lengths=lengths))

    def _views(self, weights: Array) -> dict[str, Array]:
        """Parameters and running statistics by name, sharing the memory of `weights`."""
        return {**self.layout.views(weights), **self._statistics.views(weights[..., self.layout.size :])}

    def _by_layer(self, network: Network, weights: Array) -> list[dict[str, Array]]:
        views = self._views(weights)
        return [
            {name: views[f"{node.name}.{name}"] for name in node.parameters | node.buffers} for node in network.nodes
        ]

    def _forward(self, x: Array, masks: Mapping[str, Array]) -> tuple[list[Array], list[object]]:
        outputs, caches = list[Array](), list[object]()
        x, mode = self._entered(x, self._training)
        for name, layer, params in zip(self.names, self._layers, self._params, strict=True):
            x, cache = layer.forward(params, x, mode._replace(mask=masks[name]) if name in masks else mode)
            outputs.append(x)
            caches.append(cache)
        return outputs, caches

    def _running(self, caches: list[object]) -> dict[str, Array]:
        """The running statistics after the batch."""
        return {
            f"{self.names[index]}.{name}": value
            for index, layer in self._tracking
            for name, value in layer.running(self._params[index], caches[index]).items()
        }


def threaded_engine(model: Model, optimizer: Optimizer, training: Training) -> NumpyEngine:
    """The engine that `twofold.engines` builds: batches are split among threads where that is worth it."""
    parts, predicting = worthwhile_parts(model, training), parts_to_predict(model, training)
    return NumpyEngine(model, optimizer, training, parts=parts, predicting_parts=predicting)
