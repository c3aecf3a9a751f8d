"""Test doubles: each is a real NumPy engine, or a wrapper around an engine, with one thing broken."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, final

import numpy as np

from cases import FLATTEN, RELU, SIGMOID, SOFTMAX, TANH, THIRD, dense, recipe
from engines import numpy_engine
from twofold.arrays import Array, Arrays
from twofold.data import Batches, random_data
from twofold.engine import Batch, Engine, State
from twofold.numpy_engine import NumpyEngine
from twofold.numpy_engine.cells import Cell, Gated, LongShort, Slopes, Way
from twofold.numpy_engine.layer import Layer, Mode
from twofold.numpy_engine.layers import LAYERS
from twofold.numpy_engine.losses import Loss, loss_function
from twofold.numpy_engine.optimizers import Moments, Rule, clip, optimizer
from twofold.numpy_engine.recurrent import Recurrent
from twofold.recipe import Recipe
from twofold.recipe.optimizers import Sgd

Change = Callable[[Any], Any]


def _same(a: Any) -> Any:
    return a


# Parts that are wrapped: a layer, a loss, a rule, an engine.


@final
class Changed:
    """A layer whose results pass through a function each."""

    def __init__(self, layer: Layer, y: Change = _same, dx: Change = _same, grads: Change = _same) -> None:
        self.layer, self.y, self.dx, self.grads = layer, y, dx, grads

    def forward(self, params: Arrays, x: Array, mode: Mode) -> tuple[Array, Any]:
        y, cache = self.layer.forward(params, x, mode)
        return self.y(y), cache

    def backward(
        self, params: Arrays, cache: Any, dy: Array, wants_dx: bool = True
    ) -> tuple[Array | None, dict[str, Array]]:
        dx, grads = self.layer.backward(params, cache, dy, wants_dx)
        return self.dx(dx), self.grads(grads)


@final
class Backward:
    """A layer with another way back."""

    def __init__(self, layer: Layer, backward: Callable[[Arrays, Any, Array], Array]) -> None:
        self.layer, self.change = layer, backward

    def forward(self, params: Arrays, x: Array, mode: Mode) -> tuple[Array, Any]:
        return self.layer.forward(params, x, mode)

    def backward(
        self, params: Arrays, cache: Any, dy: Array, wants_dx: bool = True
    ) -> tuple[Array | None, dict[str, Array]]:
        _, grads = self.layer.backward(params, cache, dy, wants_dx)
        return self.change(params, cache, dy), grads


@final
class Forward:
    """A layer whose inputs pass through a function."""

    def __init__(self, layer: Layer, change: Callable[[Arrays, Array, Mode], tuple[Arrays, Array, Mode]]) -> None:
        self.layer, self.change = layer, change

    def forward(self, params: Arrays, x: Array, mode: Mode) -> tuple[Array, Any]:
        return self.layer.forward(*self.change(params, x, mode))

    def backward(
        self, params: Arrays, cache: Any, dy: Array, wants_dx: bool = True
    ) -> tuple[Array | None, dict[str, Array]]:
        return self.layer.backward(params, cache, dy, wants_dx)


@final
class Reporting:
    """An engine that computes rightly and reports something else of each step."""

    def __init__(self, engine: Engine, **change: Change) -> None:
        self.engine, self.change = engine, change

    @property
    def name(self) -> str:
        return self.engine.name

    def load(self, state: State) -> None:
        self.engine.load(state)

    def state(self) -> State:
        return self.engine.state()

    def predict(self, x: Array) -> Array:
        return self.engine.predict(x)

    def outputs(self, x: Array) -> list[Array]:
        return self.engine.outputs(x)

    def step(self, batch: Batch) -> Any:
        step = self.engine.step(batch)
        fields = {name: getattr(step, name) for name in ("outputs", "logits", "loss", "gradients", "state")}
        return SimpleNamespace(**{name: self.change.get(name, _same)(value) for name, value in fields.items()})


# Ways to plant: from a recipe to an engine.

Plant = Callable[[Recipe], Engine]


def in_layer(name: str, wrap: Callable[[Layer], Layer]) -> Plant:
    def plant(recipe: Recipe) -> Engine:
        spec = recipe.layers[int(name)]
        return numpy_engine(recipe, layers={name: wrap(LAYERS[type(spec)](spec))})

    return plant


def in_loss(wrap: Callable[[Loss], Loss]) -> Plant:
    return lambda recipe: numpy_engine(recipe, loss=wrap(loss_function(recipe.loss)))


def in_rule(wrap: Callable[[Rule, Recipe], Rule]) -> Plant:
    return lambda recipe: numpy_engine(recipe, rule=wrap(optimizer(recipe.optimizer), recipe))


def with_settings(**settings: Any) -> Plant:
    """An optimizer that was built with other settings than the recipe's."""
    return in_rule(lambda rule, recipe: optimizer(recipe.optimizer.model_copy(update=settings)))


def part_of(recipe: Recipe, name: str) -> slice:
    """Where a parameter lies in the flat vector."""
    return numpy_engine(recipe).layout.slices[name]


# The faults.


def loss_gradient_not_divided(loss: Loss) -> Loss:
    def summed(z: Array, target: Array) -> tuple[float, Array]:
        value, gradient = loss(z, target)
        return value, gradient * len(z)

    return summed


def loss_not_divided(loss: Loss) -> Loss:
    def summed(z: Array, target: Array) -> tuple[float, Array]:
        value, gradient = loss(z, target)
        return value * len(z), gradient

    return summed


def loss_gradient_32_times(loss: Loss) -> Loss:
    def enlarged(z: Array, target: Array) -> tuple[float, Array]:
        value, gradient = loss(z, target)
        return value, gradient * 32

    return enlarged


def bias_averaged(layer: Layer) -> Layer:
    """db is Σ dy / n."""
    sizes: list[int] = []

    def note(params: Arrays, x: Array, mode: Mode) -> tuple[Arrays, Array, Mode]:
        sizes.append(len(x))
        return params, x, mode

    return Changed(Forward(layer, note), grads=lambda grads: {**grads, "bias": grads["bias"] / sizes[-1]})


def nan_at(call: int) -> Callable[[Layer], Layer]:
    """One element of dW is NaN at the `call`-th way back."""

    def plant(layer: Layer) -> Layer:
        calls = iter(range(1, 10**6))

        def spoil(grads: dict[str, Array]) -> dict[str, Array]:
            weight = grads["weight"].copy()
            weight[0, 1] = np.nan if next(calls) == call else weight[0, 1]
            return {**grads, "weight": weight}

        return Changed(layer, grads=spoil)

    return plant


def accumulates(layer: Layer) -> Layer:
    """The gradient of the step before is never set to 0."""
    held: dict[str, Array] = {}

    def add(grads: dict[str, Array]) -> dict[str, Array]:
        held.update({name: gradient + held.get(name, 0) for name, gradient in grads.items()})
        return dict(held)

    return Changed(layer, grads=add)


def stale_copy(layer: Layer) -> Layer:
    """The parameters of the first step, copied where a view was meant."""
    kept: dict[str, Array] = {}

    def first(params: Arrays, x: Array, mode: Mode) -> tuple[Arrays, Array, Mode]:
        for name, array in params.items():
            kept.setdefault(name, array.copy())
        return kept, x, mode

    return Forward(layer, first)


def previous_mask(layer: Layer) -> Layer:
    masks: list[Array | None] = []

    def change(params: Arrays, x: Array, mode: Mode) -> tuple[Arrays, Array, Mode]:
        masks.append(mode.mask)
        return params, x, mode._replace(mask=masks[max(len(masks) - 2, 0)])

    return Forward(layer, change)


def softmax_over_the_batch(layer: Layer) -> Layer:
    @final
    class Wrong:
        def forward(self, params: Arrays, x: Array, mode: Mode) -> tuple[Array, Any]:
            y, cache = layer.forward(params, np.ascontiguousarray(x.T), mode)
            return y.T, cache

        def backward(
            self, params: Arrays, cache: Any, dy: Array, wants_dx: bool = True
        ) -> tuple[Array | None, dict[str, Array]]:
            dx, grads = layer.backward(params, cache, np.ascontiguousarray(dy.T), wants_dx)
            assert dx is not None
            return dx.T, grads

    return Wrong()


def relu_slope_1_at_0(layer: Layer) -> Layer:
    @final
    class Wrong:
        def forward(self, params: Arrays, x: Array, mode: Mode) -> tuple[Array, Any]:
            return layer.forward(params, x, mode)[0], x

        def backward(
            self, params: Arrays, cache: Any, dy: Array, wants_dx: bool = True
        ) -> tuple[Array | None, dict[str, Array]]:
            return dy * (cache >= 0), {}

    return Wrong()


def update_with(change: Callable[[Array, Array, Moments, float, int], tuple[Array, float, int]]) -> Plant:
    """The rule is called with another gradient, rate or count."""

    def wrap(rule: Rule, recipe: Recipe) -> Rule:
        def update(p: Array, g: Array, moments: Moments, lr: float, k: int) -> None:
            g, lr, k = change(p, g, moments, lr, k)
            rule.update(p, g, moments, lr, k)

        return Rule(rule.init, update)

    return in_rule(wrap)


def held_back(name: str, step: int, moment: str | None) -> Plant:
    """At one step, a parameter (or its moment) is as it was before the step."""

    def wrap(rule: Rule, recipe: Recipe) -> Rule:
        where = part_of(recipe, name)

        def update(p: Array, g: Array, moments: Moments, lr: float, k: int) -> None:
            vector = moments[moment] if moment else p
            before = vector[where].copy()
            rule.update(p, g, moments, lr, k)
            if k == step:
                vector[where] = before

        return Rule(rule.init, update)

    return in_rule(wrap)


def momentum_not_updated(name: str, step: int) -> Plant:
    """At one step, a parameter moves along the momentum of the step before, which stays as it was."""

    def wrap(rule: Rule, recipe: Recipe) -> Rule:
        where, mu = part_of(recipe, name), recipe.optimizer.momentum  # pyright: ignore[reportAttributeAccessIssue]

        def update(p: Array, g: Array, moments: Moments, lr: float, k: int) -> None:
            if k == step:
                g = g.copy()
                g[where] = (1 - mu) * moments["momentum_buffer"][where]
            rule.update(p, g, moments, lr, k)

        return Rule(rule.init, update)

    return in_rule(wrap)


def decay_without_biases(rule: Rule, recipe: Recipe) -> Rule:
    biases = [where for name, where in numpy_engine(recipe).layout.slices.items() if name.endswith("bias")]
    plain = optimizer(recipe.optimizer.model_copy(update={"weight_decay": 0.0}))

    def update(p: Array, g: Array, moments: Moments, lr: float, k: int) -> None:
        g = g + recipe.optimizer.weight_decay * p
        for where in biases:
            g[where] -= recipe.optimizer.weight_decay * p[where]
        plain.update(p, g, moments, lr, k)

    return Rule(rule.init, update)


def clipped_apart(rule: Rule, recipe: Recipe) -> Rule:
    """Each parameter by a norm of its own."""
    slices = numpy_engine(recipe).layout.slices.values()
    c = recipe.optimizer.max_norm
    assert c

    def update(p: Array, g: Array, moments: Moments, lr: float, k: int) -> None:
        rule.update(p, np.concatenate([clip(g[where], c) for where in slices]), moments, lr, k)

    return Rule(rule.init, update)


def adam_eps_before_the_correction(rule: Rule, recipe: Recipe) -> Rule:
    """As scikit-learn writes it: p ← p − η √(1 − β₂ᵏ) / (1 − β₁ᵏ) · m / (√v + ε)."""
    spec: Any = recipe.optimizer
    (beta1, beta2), eps = spec.betas, spec.eps

    def update(p: Array, g: Array, moments: Moments, lr: float, k: int) -> None:
        m, v = moments["exp_avg"], moments["exp_avg_sq"]
        m[:] = beta1 * m + (1 - beta1) * g
        v[:] = beta2 * v + (1 - beta2) * g * g
        p -= lr * math.sqrt(1 - beta2**k) / (1 - beta1**k) * m / (np.sqrt(v) + eps)

    return Rule(rule.init, update)


def rmsprop_eps_inside_the_root(rule: Rule, recipe: Recipe) -> Rule:
    spec: Any = recipe.optimizer

    def update(p: Array, g: Array, moments: Moments, lr: float, k: int) -> None:
        v = moments["square_avg"]
        v[:] = spec.alpha * v + (1 - spec.alpha) * g * g
        p -= lr * g / np.sqrt(v + spec.eps)

    return Rule(rule.init, update)


def rate_of_the_step_before() -> Plant:
    rates: list[float] = []

    def change(p: Array, g: Array, moments: Moments, lr: float, k: int) -> tuple[Array, float, int]:
        rates.append(lr)
        return g, rates[max(len(rates) - 2, 0)], k

    return update_with(change)


# The recipes in which they are planted, and the batches on which they can be seen.

Prepare = Callable[[list[Batch]], list[Batch]]
HE = {"kind": "he"}
SQUARE = recipe([dense(5), TANH, dense(5), TANH, dense(2)])
RELUS = recipe([dense(5), RELU, dense(4), RELU, dense(2)], initial=HE)
SIGMOIDS = recipe([dense(5), SIGMOID, dense(2)], loss={"kind": "mean_squared"})
DROPS = recipe([dense(9), RELU, THIRD, dense(2)])
SOFT = recipe([dense(4), TANH, dense(3), SOFTMAX], loss={"kind": "mean_squared"})
IMAGES = recipe([FLATTEN, dense(6), TANH, dense(10)], data={"source": "digits"})

PICTURES = recipe(
    [
        {"kind": "conv2d", "channels": 3, "kernel": 3, "padding": 1},
        {"kind": "batch_norm"},
        RELU,
        {"kind": "max_pool2d", "kernel": 3, "stride": 2, "padding": 1},
        {"kind": "avg_pool2d", "kernel": 3, "stride": 1, "padding": 1},
        FLATTEN,
        dense(10),
    ],
    data={"source": "digits"},
    loss={"kind": "cross_entropy", "label_smoothing": 0.1},
    training={"ema": 0.9},
)


def trained_by(base: Recipe, **settings: Any) -> Recipe:
    """The recipe with another optimizer, or schedule."""
    return Recipe.model_validate({**dict(base), **settings})


def sgd(**options: Any) -> dict[str, Any]:
    return {"kind": "sgd", "lr": 0.1, **options}


def one_sample_first(batches: list[Batch]) -> list[Batch]:
    """Over a batch of one, sum and mean are the same."""
    first = batches[0]
    masks = {name: mask[:1] for name, mask in first.masks.items()}
    return [first._replace(x=first.x[:1], target=first.target[:1], masks=masks), *batches[1:]]


def zero_sample_second(batches: list[Batch]) -> list[Batch]:
    """Under biases of 0, which a rate of 0 leaves as they are, a sample of zeros gives each relu a 0."""
    first, second, *rest = batches
    x = second.x.copy()
    x[3] = 0
    return [first._replace(lr=0.0), second._replace(x=x), *rest]


def batches_of(recipe: Recipe, prepare: Prepare = _same) -> list[Batch]:
    return prepare(list(Batches(recipe, random_data(recipe.model, 24, recipe.data.seed).train)))


def turned_round(layer: Layer) -> Layer:
    """A convolution in the mathematicians' sense: the kernel upside down."""

    def turn(params: Arrays, x: Array, mode: Mode) -> tuple[Arrays, Array, Mode]:
        return {**params, "weight": params["weight"][:, :, ::-1, ::-1]}, x, mode

    return Forward(layer, turn)


def built_as(**settings: Any) -> Callable[[Recipe, str], Layer]:
    """A layer that was built with other settings than the recipe's."""

    def build(recipe: Recipe, name: str) -> Layer:
        spec = recipe.layers[int(name)].model_copy(update=settings)
        return LAYERS[type(spec)](spec)

    return build


def layer_built_as(name: str, **settings: Any) -> Plant:
    return lambda recipe: numpy_engine(recipe, layers={name: built_as(**settings)(recipe, name)})


@final
class Statistics:
    """A batch normalization whose running statistics pass through a function of old and new."""

    def __init__(self, layer: Layer, change: Callable[[str, Array, Array, int], Array]) -> None:
        self.layer, self.change = layer, change

    def forward(self, params: Arrays, x: Array, mode: Mode) -> tuple[Array, Any]:
        y, cache = self.layer.forward(params, x, mode)
        return y, (cache, x.size // x.shape[1])

    def backward(
        self, params: Arrays, cache: Any, dy: Array, wants_dx: bool = True
    ) -> tuple[Array | None, dict[str, Array]]:
        return self.layer.backward(params, cache[0], dy, wants_dx)

    def running(self, params: Arrays, cache: Any) -> dict[str, Array]:
        new = self.layer.running(params, cache[0])  # pyright: ignore[reportAttributeAccessIssue]
        return {name: self.change(name, params[name], value, cache[1]) for name, value in new.items()}


def biased_running_variance(name: str, old: Array, new: Array, n: int) -> Array:
    return 0.9 * old + (new - 0.9 * old) * (n - 1) / n if name == "running_var" else new


def keras_momentum(name: str, old: Array, new: Array, n: int) -> Array:
    """0.1 as the weight of the past."""
    return 0.1 * old + 0.9 * (new - 0.9 * old) / 0.1


@final
class ConstantStatistics:
    """A batch normalization that goes back as if mean and variance did not depend on x."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer

    def forward(self, params: Arrays, x: Array, mode: Mode) -> tuple[Array, Any]:
        return self.layer.forward(params, x, mode)

    def backward(
        self, params: Arrays, cache: Any, dy: Array, wants_dx: bool = True
    ) -> tuple[Array | None, dict[str, Array]]:
        _, grads = self.layer.backward(params, cache, dy, wants_dx)
        scale = (cache.rstd * params["weight"]).reshape(-1, *(1,) * (dy.ndim - 2))
        return dy * scale, grads

    def running(self, params: Arrays, cache: Any) -> dict[str, Array]:
        return self.layer.running(params, cache)  # pyright: ignore[reportAttributeAccessIssue]


def averaged_faster(recipe: Recipe) -> Engine:
    """The moving average keeps a tenth less of the past."""

    @final
    class Wrong:
        name = "numpy"

        def __init__(self) -> None:
            self.engine = numpy_engine(recipe)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.engine, name)

        def step(self, batch: Batch) -> Any:
            return self.engine.step(batch._replace(ema=batch.ema * 0.9))

    return Wrong()  # pyright: ignore[reportReturnType]


# Through time: cells and layers with a state


@final
class OtherCell:
    """A cell with another step forward or back."""

    def __init__(
        self, cell: Cell, forward: Callable[..., Any] | None = None, backward: Any = None, slopes: Any = None
    ) -> None:
        self.cell, self.gates, self.apart = cell, cell.gates, cell.apart
        self.ahead, self.back = forward or cell.forward, backward or cell.backward
        self.steep = slopes or cell.slopes

    def begin(self, a: Array, h: Array) -> object:
        return self.cell.begin(a, h)

    def carried(self, record: object) -> tuple[Array, ...]:
        return self.cell.carried(record)

    def forward(self, record: object, t: int, a: Array, c: Array) -> None:
        self.ahead(record, t, a, c)

    def values(self, record: object) -> dict[str, Array]:
        return self.cell.values(record)

    def slopes(self, record: object) -> Slopes:
        return self.steep(record)

    def backward(self, record: object, slopes: Slopes, t: int, dh: Array, dmemory: Array | None) -> Way:
        return self.back(record, slopes, t, dh, dmemory)


@final
class OtherPass:
    """A layer with a state whose output, or whose way back, is another function of the parameters and the cache."""

    def __init__(self, layer: Recurrent, y: Callable[..., Array] | None = None, back: Any = None) -> None:
        self.layer, self.y, self.back = layer, y, back

    def forward(self, params: Arrays, x: Array, mode: Mode) -> tuple[Array, Any]:
        y, cache = self.layer.forward(params, x, mode)
        return (self.y(params, cache) if self.y else y), cache

    def backward(
        self, params: Arrays, cache: Any, dy: Array, wants_dx: bool = True
    ) -> tuple[Array | None, dict[str, Array]]:
        return (self.back or self._plain)(self.layer, params, cache, dy)

    @staticmethod
    def _plain(layer: Recurrent, params: Arrays, cache: Any, dy: Array) -> tuple[Array | None, dict[str, Array]]:
        return layer.backward(params, cache, dy)


def in_cell(wrap: Callable[[Any], Cell]) -> Plant:
    """In the first layer, which gives its last state."""

    def wrapped(layer: Layer) -> Layer:
        assert isinstance(layer, Recurrent)
        return Recurrent(wrap(layer.cell), layer.output)

    return in_layer("0", wrapped)


def in_time(**change: Any) -> Plant:
    return in_layer("0", lambda layer: OtherPass(layer, **change))  # pyright: ignore[reportArgumentType]


def with_params(change: Callable[[Arrays], Arrays]) -> Plant:
    """In the first layer, on the way forward."""
    return in_layer("0", lambda layer: Forward(layer, lambda params, x, mode: (change(params), x, mode)))


def back_with(change: Callable[[Arrays, Any, Array], tuple[Arrays, Any, Array]]) -> Plant:
    """In the first layer, on the way back."""
    return in_time(back=lambda layer, params, cache, dy: layer.backward(*change(params, cache, dy)))


def written(gates: Array, order: str, wanted: str) -> None:
    """Put the gates in another order, in place."""
    gates[...] = gates[[order.index(gate) for gate in wanted]]


def gates_as_i_f_o_g(cell: Cell) -> Cell:
    """As some books write them."""

    def forward(record: LongShort, t: int, a: Array, c: Array) -> None:
        written(a, "ifog", "ifgo")
        written(c, "ifog", "ifgo")
        cell.forward(record, t, a, c)

    return OtherCell(cell, forward)


def gates_as_z_r_n(cell: Cell) -> Cell:
    """As Cho's paper and Keras write them."""

    def forward(record: Gated, t: int, a: Array, c: Array) -> None:
        written(a, "zrn", "rzn")
        written(c, "zrn", "rzn")
        cell.forward(record, t, a, c)

    return OtherCell(cell, forward)


def update_gate_turned(cell: Cell) -> Cell:
    """h = z ⊙ n + (1 − z) ⊙ h(t−1), as in Cho's paper; 1 − σ(s) is σ(−s)."""

    def forward(record: Gated, t: int, a: Array, c: Array) -> None:
        a[1] *= -1
        c[1] *= -1
        cell.forward(record, t, a, c)

    return OtherCell(cell, forward)


def reset_before_the_product(params: Arrays, cache: Any) -> Array:
    """n = tanh(W_in x + b_in + W_hn (r ⊙ h) + b_hn): Cho's first version, and Keras' with `reset_after=False`."""
    h = np.zeros_like(cache.h[0])
    (W_r, W_z, W_n), (b_r, b_z, b_n) = (np.split(params[f"{name}_hh"], 3) for name in ("weight", "bias"))
    for x in np.moveaxis(cache.x, -2, 0):
        a_r, a_z, a_n = np.split(x @ params["weight_ih"].T + params["bias_ih"], 3, axis=-1)
        r, z = (1 / (1 + np.exp(-a - h @ W.T - b)) for a, W, b in ((a_r, W_r, b_r), (a_z, W_z, b_z)))
        h = (1 - z) * np.tanh(a_n + (r * h) @ W_n.T + b_n) + z * h
    return h


def begun_at_one(params: Arrays, cache: Any) -> Array:
    """h(0) = 1."""
    h = np.ones_like(cache.h[0])
    for x in np.moveaxis(cache.x, -2, 0):
        h = np.tanh(x @ params["weight_ih"].T + params["bias_ih"] + h @ params["weight_hh"].T + params["bias_hh"])
    return h


def memory_of_the_batch_before(cell: Cell) -> Cell:
    """Nobody clears it."""
    last = [np.zeros(1)]

    def forward(record: LongShort, t: int, a: Array, c: Array) -> None:
        if t == 0:
            record.memory[0] = last[0]
        cell.forward(record, t, a, c)
        last[0] = record.memory[t + 1]

    return OtherCell(cell, forward)


def output_without_tanh(cell: Cell) -> Cell:
    """h = o ⊙ m."""

    def forward(record: LongShort, t: int, a: Array, c: Array) -> None:
        cell.forward(record, t, a, c)
        np.multiply(record.gates[3, t], record.memory[t + 1], out=record.h[t + 1])

    return OtherCell(cell, forward)


def slope_of_the_sum(cell: Cell) -> Cell:
    """1 − s² in place of 1 − tanh² s."""
    return OtherCell(cell, slopes=lambda h: cell.slopes(np.arctanh(h)))


def without_the_way(**left_out: None) -> Callable[[Cell], Cell]:
    """One of the ways past W_hh is forgotten."""

    def wrap(cell: Cell) -> Cell:
        return OtherCell(cell, backward=lambda *given: cell.backward(*given)._replace(**left_out))

    return wrap


def hidden_gradient_as_the_inputs(cell: Cell) -> Cell:
    """∂L/∂c is taken for ∂L/∂a, as it is in the other cells."""

    def backward(record: Gated, slopes: Slopes, t: int, dh: Array, dmemory: Array | None) -> Way:
        way = cell.backward(record, slopes, t, dh, dmemory)
        slopes.dc[:, t] = slopes.da[:, t]
        return way

    return OtherCell(cell, backward=backward)


def last_gradient_at_every_step(layer: Recurrent, params: Arrays, cache: Any, dy: Array) -> Any:
    """As if the loss read every state."""
    every = np.repeat(dy[:, None], len(cache.h) - 1, axis=1)
    return Recurrent(layer.cell, "every").backward(params, cache, every)


def counted_once(layer: Layer) -> Layer:
    """dW[x] = dy: of a number that stands twice, the last place alone counts."""

    @final
    class Wrong:
        def forward(self, params: Arrays, x: Array, mode: Mode) -> tuple[Array, Any]:
            return layer.forward(params, x, mode)

        def backward(
            self, params: Arrays, cache: Any, dy: Array, wants_dx: bool = True
        ) -> tuple[Array | None, dict[str, Array]]:
            dW = np.zeros_like(params["weight"])
            dW[cache.astype(int)] = dy
            return None, {"weight": dW}

    return Wrong()


def of_its_own_state(layer: Recurrent, params: Arrays, cache: Any, dy: Array) -> Any:
    """dW_hh of h(t) in place of h(t−1)."""
    dx, grads = layer.backward(params, cache, dy)
    _, _, dc = layer._back(params, cache, dy)
    return dx, {**grads, "weight_hh": np.einsum("gtnk,tnh->gkh", dc, cache.h[1:]).reshape(-1, cache.h.shape[-1])}


def without_bias_of_f(params: Arrays) -> Arrays:
    kept = np.repeat([1.0, 0.0, 1.0, 1.0], params["weight_hh"].shape[-1])
    return {**params, "bias_ih": params["bias_ih"] * kept, "bias_hh": params["bias_hh"] * kept}


def through_time(kind: str, **options: Any) -> Recipe:
    """A layer with a state, read after the last of five steps."""
    return recipe([{"kind": kind, "units": 4, **options}, dense(10)], data={"source": "palindromes", "length": 6})


RNN, LSTM, GRU = (through_time(kind) for kind in ("rnn", "lstm", "gru"))
LOOKED = recipe(
    [{"kind": "embedding", "num_embeddings": 10, "units": 3}, {"kind": "rnn", "units": 4}, dense(10)],
    data={"source": "palindromes", "length": 6, "encoding": "index"},
)


@dataclass(frozen=True)
class Fault:
    """What is broken, where, and where it is first seen: step from 1, stage, tensor."""

    recipe: Recipe
    plant: Plant
    seen: tuple[int, str, str]
    prepare: Prepare = _same


FAULTS = {
    "loss gradient not divided by the batch": Fault(
        SQUARE, in_loss(loss_gradient_not_divided), (2, "gradient", "4.bias"), one_sample_first
    ),
    "squared error's gradient not divided by the batch": Fault(
        SIGMOIDS, in_loss(loss_gradient_not_divided), (2, "gradient", "2.bias"), one_sample_first
    ),
    "loss not divided by the batch": Fault(SQUARE, in_loss(loss_not_divided), (2, "loss", "loss"), one_sample_first),
    "loss gradient 32 times too large under Adam": Fault(
        trained_by(SQUARE, optimizer={"kind": "adam"}),
        in_loss(loss_gradient_32_times),
        (1, "gradient", "4.bias"),
    ),
    "bias gradient averaged in the first layer": Fault(
        SQUARE, in_layer("0", bias_averaged), (2, "gradient", "0.bias"), one_sample_first
    ),
    "bias gradient averaged in the last layer": Fault(
        SQUARE, in_layer("4", bias_averaged), (2, "gradient", "4.bias"), one_sample_first
    ),
    "weight gradient transposed": Fault(
        SQUARE,
        in_layer("2", lambda layer: Changed(layer, grads=lambda g: {**g, "weight": g["weight"].T})),
        (1, "gradient", "2.weight"),
    ),
    "gradient not set to 0 between steps": Fault(SQUARE, in_layer("2", accumulates), (2, "gradient", "2.bias")),
    "one NaN in one gradient": Fault(SQUARE, in_layer("2", nan_at(3)), (3, "gradient", "2.weight")),
    "input gradient transposed": Fault(
        SQUARE,
        in_layer("2", lambda layer: Backward(layer, lambda params, cache, dy: dy @ params["weight"].T)),
        (1, "gradient", "0.bias"),
    ),
    "tanh' as 1 - y": Fault(
        SQUARE,
        in_layer("3", lambda layer: Backward(layer, lambda params, y, dy: dy * (1 - y))),
        (1, "gradient", "2.bias"),
    ),
    "sigmoid' as 1 - y": Fault(
        SIGMOIDS,
        in_layer("1", lambda layer: Backward(layer, lambda params, y, dy: dy * (1 - y))),
        (1, "gradient", "0.bias"),
    ),
    "softmax' without its sum": Fault(
        SOFT,
        in_layer("3", lambda layer: Backward(layer, lambda params, y, dy: dy * y * (1 - y))),
        (1, "gradient", "2.bias"),
    ),
    "relu lets every gradient pass": Fault(
        RELUS,
        in_layer("1", lambda layer: Backward(layer, lambda params, y, dy: dy)),
        (1, "gradient", "0.bias"),
    ),
    "relu' of 1 at 0": Fault(RELUS, in_layer("3", relu_slope_1_at_0), (2, "gradient", "2.bias"), zero_sample_second),
    "dropout not scaled": Fault(
        DROPS, in_layer("2", lambda layer: Changed(layer, y=lambda y: y * 0.7)), (1, "forward", "2.output")
    ),
    "dropout lets every gradient pass": Fault(
        DROPS,
        in_layer("2", lambda layer: Backward(layer, lambda params, scale, dy: dy)),
        (1, "gradient", "0.bias"),
    ),
    "dropout with the mask of the step before": Fault(DROPS, in_layer("2", previous_mask), (2, "forward", "2.output")),
    "softmax over the batch": Fault(SOFT, in_layer("3", softmax_over_the_batch), (1, "forward", "3.output")),
    "flatten in another order": Fault(
        IMAGES,
        in_layer("0", lambda layer: Forward(layer, lambda params, x, mode: (params, x.swapaxes(-1, -2), mode))),
        (1, "forward", "0.output"),
    ),
    "float32 inside float64": Fault(
        SQUARE,
        in_layer("2", lambda layer: Changed(layer, y=lambda y: y.astype(np.float32).astype(np.float64))),
        (1, "forward", "2.output"),
    ),
    "a copy in place of a view": Fault(SQUARE, in_layer("2", stale_copy), (2, "forward", "2.output")),
    "a parameter left out of the update": Fault(
        SQUARE, held_back("2.weight", step=4, moment=None), (4, "state", "2.weight")
    ),
    "one stale momentum": Fault(
        trained_by(SQUARE, optimizer=sgd(momentum=0.9)),
        momentum_not_updated("2.bias", step=3),
        (3, "state", "2.bias"),
    ),
    "one momentum not written back": Fault(
        trained_by(SQUARE, optimizer=sgd(momentum=0.9)),
        held_back("2.bias", step=3, moment="momentum_buffer"),
        (3, "state", "2.bias (momentum_buffer)"),
    ),
    "nesterov as plain momentum": Fault(
        trained_by(SQUARE, optimizer=sgd(momentum=0.9, nesterov=True)),
        with_settings(nesterov=False),
        (1, "state", "0.weight"),
    ),
    "momentum as nesterov": Fault(
        trained_by(SQUARE, optimizer=sgd(momentum=0.9)),
        with_settings(nesterov=True),
        (1, "state", "0.weight"),
    ),
    "another momentum, seen once there is one": Fault(
        trained_by(SQUARE, optimizer=sgd(momentum=0.9)), with_settings(momentum=0.8), (2, "state", "0.weight")
    ),
    "weight decay left out": Fault(
        trained_by(SQUARE, optimizer=sgd(weight_decay=0.01)),
        with_settings(weight_decay=0.0),
        (1, "state", "0.weight"),
    ),
    "weight decay left out of the biases, which start at 0": Fault(
        trained_by(RELUS, optimizer=sgd(weight_decay=0.01)),
        in_rule(decay_without_biases),
        (2, "state", "0.bias"),
    ),
    "AdamW's decay added to the gradient": Fault(
        trained_by(SQUARE, optimizer={"kind": "adamw"}),
        in_rule(
            lambda rule, recipe: optimizer(
                trained_by(recipe, optimizer={"kind": "adam", "weight_decay": 0.01}).optimizer
            )
        ),
        (1, "state", "0.weight"),
    ),
    "Adam's eps before the bias correction": Fault(
        trained_by(SQUARE, optimizer={"kind": "adam"}),
        in_rule(adam_eps_before_the_correction),
        (1, "state", "0.weight"),
    ),
    "Adam's bias correction one step late": Fault(
        trained_by(SQUARE, optimizer={"kind": "adam"}),
        update_with(lambda p, g, moments, lr, k: (g, lr, k + 1)),
        (1, "state", "0.weight"),
    ),
    "Adam's beta2, seen in the moment first": Fault(
        trained_by(SQUARE, optimizer={"kind": "adam", "eps": 1e-30}),
        with_settings(betas=(0.9, 0.99)),
        (1, "state", "0.weight (exp_avg_sq)"),
    ),
    "RMSprop's eps inside the root": Fault(
        trained_by(SQUARE, optimizer={"kind": "rmsprop"}),
        in_rule(rmsprop_eps_inside_the_root),
        (1, "state", "0.weight"),
    ),
    "clipping by each parameter's own norm": Fault(
        trained_by(SQUARE, optimizer=sgd(max_norm=0.1)),
        lambda recipe: NumpyEngine(
            recipe.model, Sgd(), recipe.training, rule=clipped_apart(optimizer(recipe.optimizer), recipe)
        ),
        (1, "state", "0.weight"),
    ),
    "clipping left out": Fault(
        trained_by(SQUARE, optimizer=sgd(max_norm=0.1)),
        lambda recipe: NumpyEngine(recipe.model, Sgd(), recipe.training),
        (1, "state", "0.weight"),
    ),
    "learning rate of the step before": Fault(
        trained_by(SQUARE, schedule={"kind": "step", "step_size": 3, "unit": "step"}),
        lambda recipe: rate_of_the_step_before()(recipe),
        (4, "state", "0.weight"),
    ),
    "learning rate of the step after": Fault(
        trained_by(SQUARE, schedule={"kind": "step", "step_size": 3, "unit": "step"}),
        update_with(lambda p, g, moments, lr, k: (g, 0.001 if k == 3 else lr, k)),
        (3, "state", "0.weight"),
    ),
    "a convolution in the mathematicians' sense": Fault(
        PICTURES, in_layer("0", turned_round), (1, "forward", "0.output")
    ),
    "a dilated kernel": Fault(PICTURES, layer_built_as("0", dilation=2, padding=2), (1, "forward", "0.output")),
    "windows side by side where they overlap": Fault(
        PICTURES, layer_built_as("3", kernel=2, padding=0), (1, "forward", "3.output")
    ),
    "batch norm, its statistics taken for constants": Fault(
        PICTURES, in_layer("1", ConstantStatistics), (1, "gradient", "0.bias")
    ),
    "batch norm, another eps": Fault(PICTURES, layer_built_as("1", eps=1e-3), (1, "forward", "1.output")),
    "batch norm, the biased variance kept": Fault(
        PICTURES, in_layer("1", lambda layer: Statistics(layer, biased_running_variance)), (1, "state", "1.running_var")
    ),
    "batch norm, momentum the other way round": Fault(
        PICTURES, in_layer("1", lambda layer: Statistics(layer, keras_momentum)), (1, "state", "1.running_mean")
    ),
    "average pooling without its padding": Fault(
        PICTURES, layer_built_as("4", count_include_pad=False), (1, "forward", "4.output")
    ),
    "a moving average that forgets faster": Fault(PICTURES, averaged_faster, (1, "state", "0.weight (average)")),
    "label smoothing left out": Fault(
        PICTURES,
        lambda recipe: numpy_engine(
            recipe,
            loss=loss_function(recipe.loss.model_copy(update={"label_smoothing": 0.0})),
        ),
        (1, "loss", "loss"),
    ),
    "h(0) of ones": Fault(RNN, in_time(y=begun_at_one), (1, "forward", "0.output")),
    "W_hh transposed": Fault(
        RNN,
        with_params(lambda params: {**params, "weight_hh": params["weight_hh"].T}),
        (1, "forward", "0.output"),
    ),
    "the first state read in place of the last": Fault(
        RNN, in_time(y=lambda params, cache: cache.h[1]), (1, "forward", "0.output")
    ),
    "b_hh left out": Fault(
        RNN,
        with_params(lambda params: {**params, "bias_hh": params["bias_hh"] * 0}),
        (1, "forward", "0.output"),
    ),
    "relu in place of tanh through time": Fault(
        RNN, layer_built_as("0", nonlinearity="relu"), (1, "forward", "0.output")
    ),
    "dh not passed through time": Fault(
        RNN,
        back_with(lambda params, cache, dy: ({**params, "weight_hh": params["weight_hh"] * 0}, cache, dy)),
        (1, "gradient", "0.bias_hh"),
    ),
    "W_hh transposed on the way back": Fault(
        RNN,
        back_with(lambda params, cache, dy: ({**params, "weight_hh": params["weight_hh"].T}, cache, dy)),
        (1, "gradient", "0.bias_hh"),
    ),
    "the last step's gradient at every step": Fault(
        RNN, in_time(back=last_gradient_at_every_step), (1, "gradient", "0.bias_hh")
    ),
    "tanh' of the sum in place of the state": Fault(RNN, in_cell(slope_of_the_sum), (1, "gradient", "0.bias_hh")),
    "dW_hh of the step's own state": Fault(RNN, in_time(back=of_its_own_state), (1, "gradient", "0.weight_hh")),
    "lstm, gates in the order i, f, o, g": Fault(LSTM, in_cell(gates_as_i_f_o_g), (1, "forward", "0.output")),
    "lstm, the forget gate without its bias": Fault(LSTM, with_params(without_bias_of_f), (1, "forward", "0.output")),
    "lstm, h without the tanh of the memory": Fault(LSTM, in_cell(output_without_tanh), (1, "forward", "0.output")),
    "lstm, the memory of the batch before": Fault(
        LSTM, in_cell(memory_of_the_batch_before), (2, "forward", "0.output")
    ),
    "lstm, the memory's gradient forgotten": Fault(
        LSTM, in_cell(without_the_way(memory=None)), (1, "gradient", "0.bias_hh")
    ),
    "gru, reset before the product": Fault(GRU, in_time(y=reset_before_the_product), (1, "forward", "0.output")),
    "gru, gates in the order z, r, n": Fault(GRU, in_cell(gates_as_z_r_n), (1, "forward", "0.output")),
    "gru, the update gate turned round": Fault(GRU, in_cell(update_gate_turned), (1, "forward", "0.output")),
    "gru, the gradient past W_hh forgotten": Fault(
        GRU, in_cell(without_the_way(direct=None)), (1, "gradient", "0.bias_hh")
    ),
    "gru, one gradient for both products": Fault(
        GRU, in_cell(hidden_gradient_as_the_inputs), (1, "gradient", "0.bias_hh")
    ),
    "embedding, a number that stands twice counted once": Fault(
        LOOKED, in_layer("0", counted_once), (1, "gradient", "0.weight")
    ),
}
