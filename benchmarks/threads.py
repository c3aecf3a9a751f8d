"""What a second thread gains a step of the NumPy engine: the library's within each product, or one of its own.

    python benchmarks/threads.py

Random samples, float32, a step of training, two processors: with one thread; with two in every matrix product, as the
library shares it out; and with the batch in two parts, each in a thread of its own. They take turns. The last column
is what the engine does by itself (`engine/threads.py`, `numpy_engine/threads.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

import numpy as np
from profile_layers import batch_of
from threadpoolctl import threadpool_limits
from timing import publish, seconds, table, take_turns

from twofold.engine.threads import blas_threads, few_threads
from twofold.numpy_engine import NumpyEngine
from twofold.numpy_engine.threads import worthwhile_parts
from twofold.recipe import Recipe, load_recipe
from twofold.setup.building import initial_state

ROUNDS = 7
THREADS = 2
NETWORKS = {
    "moons": (32, 2000), "mnist-mlp": (64, 1000), "mnist-lenet": (64, 40), "cifar10-vgg": (128, 2),
    "palindrome-20": (128, 60), "palindrome-lstm": (128, 30), "palindrome-gru": (128, 30),
}  # fmt: skip
"""Samples of a batch, and steps that are timed together."""
WAYS = {"one": (1, 1), "library's": (THREADS, 1), "own": (THREADS, THREADS)}
"""Threads that the library may use, and parts of a batch."""


def contestant(recipe: Recipe, size: int, steps: int, threads: int, parts: int) -> Callable[[], float]:
    """Milliseconds a step."""
    engine = NumpyEngine(recipe.model, recipe.optimizer, recipe.training, parts=parts)
    batch = batch_of(recipe, size)

    def measure() -> float:
        engine.load(initial_state(recipe.model))
        with threadpool_limits(threads), np.errstate(all="ignore"):
            engine.step(batch)
            return seconds(lambda: [engine.step(batch) for _ in range(steps)]) / steps * 1e3

    return measure


def chosen(recipe: Recipe) -> str:
    """How the engine shares the recipe's batches out by itself."""
    if worthwhile_parts(recipe.model, recipe.training) > 1:
        return "own"
    with few_threads(recipe, 0):
        return "library's" if blas_threads() > 1 else "one"


def main() -> None:
    rows = list[list[str]]()
    for name, (size, steps) in NETWORKS.items():
        recipe = load_recipe(name, {"training.batch_size": size})
        print(name, flush=True)
        ways = {way: contestant(recipe, size, steps, *counts) for way, counts in WAYS.items()}
        figures = take_turns(ways, ROUNDS)
        rows.append([f"`{name}`, batch {size}", *(f"{median(figures[way]):.2f}" for way in WAYS), chosen(recipe)])
    header = ["a step of the NumPy engine, ms (median)", "one thread", "library's threads", "own threads", "chosen"]
    publish("threads", "What a second thread gains", table(header, rows))


if __name__ == "__main__":
    main()
