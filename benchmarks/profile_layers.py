"""Where a step of the NumPy engine goes: each layer's way forward and back, beside the machine's own matrix products.

    python benchmarks/profile_layers.py

One thread, random samples, float32: each layer is timed alone, on what it is given in a step, the fastest of `ROUNDS`
calls, in the processor time of its thread: what else the machine does waits outside, but for the caches that it shares.
The machine's rate is that of a product of 1024 x 1024 matrices, measured between the networks. What a layer's products
alone would take at that rate, over what it takes, is its share.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits
from timing import publish, table

from twofold.arrays import Array
from twofold.data.batches import Masks
from twofold.engine import Batch
from twofold.engine.threads import multiply_adds
from twofold.numpy_engine import NumpyEngine
from twofold.recipe import Node, Recipe, load_recipe
from twofold.recipe.base import elements
from twofold.recipe.recurrent import Recurrent
from twofold.setup.building import initial_state

ROUNDS = 5
SIDE = 1024
NETWORKS = {
    "mnist-mlp": 64, "mnist-lenet": 64, "cifar10-vgg": 128, "palindrome-20": 128, "palindrome-lstm": 128,
    "palindrome-gru": 128,
}  # fmt: skip


def fastest(call: Callable[[], object]) -> float:
    """Seconds of the fastest of some calls, after one that warms up."""
    call()
    return min(_seconds(call) for _ in range(ROUNDS))


def _seconds(call: Callable[[], object]) -> float:
    started = time.thread_time()
    call()
    return time.thread_time() - started


def product_rate() -> float:
    """Multiply-adds a second of one large product."""
    a = np.random.default_rng(0).random((SIDE, SIDE), dtype=np.float32)
    return SIDE**3 / fastest(lambda: a @ a)


def products(node: Node, x: Array) -> int:
    """Multiply-adds of a layer's way forward for a batch."""
    if isinstance(node.spec, Recurrent):
        weights = [shape for name, shape in node.parameters.items() if "weight" in name]
        return x.shape[0] * x.shape[1] * sum(elements(shape) or 0 for shape in weights)
    return len(x) * multiply_adds(node) if node.parameters else 0


def batch_of(recipe: Recipe, size: int) -> Batch:
    """Random samples of the shape that the network takes."""
    rng = np.random.default_rng(0)
    shape = (size, *(length or 1 for length in recipe.network.input_shape))
    x, target = rng.random(shape, dtype=np.float32), rng.integers(0, recipe.network.classes, size)
    return Batch(x, target, float(recipe.optimizer.lr), Masks(recipe.network, 0)(0, size), 0)


def profile(name: str, size: int, rate: float) -> list[list[str]]:
    """A row for each layer, one for the loss and the update, one for the whole step."""
    recipe = load_recipe(name, {"training.batch_size": size, "training.device": "cpu"})
    engine = NumpyEngine(recipe.model, recipe.optimizer, recipe.training)
    engine.load(initial_state(recipe.model))
    batch = batch_of(recipe, size)
    outputs, caches = engine._forward(batch.x, batch.masks)
    _, dy = engine._judged(outputs[-1], batch)
    rows, inputs = list[list[str]](), [batch.x, *outputs]
    total = 0
    for index in range(len(engine._layers) - 1, -1, -1):
        layer, params, node = engine._layers[index], engine._params[index], recipe.network.nodes[index]
        mode, wants = engine._training._replace(mask=batch.masks.get(node.name)), index > engine._first
        forward = fastest(lambda: layer.forward(params, inputs[index], mode))  # noqa: B023
        backward = 0.0
        if index >= engine._first:
            backward = fastest(lambda: layer.backward(params, caches[index], dy, wants))  # noqa: B023
            dx, _ = layer.backward(params, caches[index], dy, wants)
            dy = dy if dx is None else dx
        count = products(node, inputs[index]) * (3 if wants else 2)
        total += count
        rows.insert(0, _row(f"{node.name} {node.kind}", inputs[index], (forward, backward), count / rate))
    vector = engine._pass(batch).way.vector
    loss, update = (
        fastest(lambda: engine._judged(outputs[-1], batch)),
        fastest(lambda: engine._update(vector, {}, 0.0, 0.0)),
    )
    rows.append(["loss, update", "", f"{1e3 * loss:.3f}", f"{1e3 * update:.3f}", ""])
    whole = fastest(lambda: engine.step(batch))
    rows.append(["a step, with one thread", "", f"{1e3 * whole:.3f}", "", f"{total / rate / whole:.2f}"])
    return rows


def _row(name: str, x: Array, seconds: tuple[float, float], least: float) -> list[str]:
    shape = " x ".join(map(str, x.shape))
    return [name, shape, *(f"{1e3 * each:.3f}" for each in seconds), f"{least / sum(seconds):.2f}" if least else ""]


def main() -> None:
    parts = list[str]()
    with threadpool_limits(1), np.errstate(all="ignore"):
        for name, size in NETWORKS.items():
            rate = product_rate()
            rows = profile(name, size, rate)
            print(name, rows[-1], flush=True)
            header = [f"`{name}`, batch {size}", "input", "forward, ms", "backward, ms", "share of the products' rate"]
            parts += [f"Products: {2e-9 * rate:.0f} GFLOP/s.\n", table(header, rows), ""]
    publish("profile_layers", "Where a step of the NumPy engine goes", "\n".join(parts).rstrip())


if __name__ == "__main__":
    main()
