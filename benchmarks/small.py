"""µs a step of a 2-20-2 network on the moons: Twofold's engines, NumPy by hand, scikit-learn, a plain PyTorch loop.

    python benchmarks/small.py

Every contestant shuffles each epoch, takes the same number of steps on the same points with the same rate, and is
timed whole: batches, forward, backward, update. Twofold's figure is that of its training loop, not of the bare step.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits
from timing import publish, ratio, seconds, spread, table, take_turns
from torch import nn

from twofold.data import Batches, load_data
from twofold.engine.threads import few_threads
from twofold.recipe import load_recipe
from twofold.setup.building import build_engine, initial_state
from twofold.train.loop import Plan, Score, train

ROUNDS = 7
STEPS = 4000
LR = 0.01


def twofold(engine: str, batch: int | str) -> Callable[[], float]:
    recipe = load_recipe("moons", {"training.batch_size": batch})
    dataset = load_data(recipe.data).astype("float32")

    def measure() -> float:
        built = build_engine(engine, recipe)
        built.load(initial_state(recipe.model))
        batches = Batches(recipe, dataset.train, STEPS)
        batches.evaluate_every = STEPS
        with few_threads(recipe, len(dataset.train)):
            outcome = train(built, batches, Plan(lambda e: {"train": Score(0.0, 0.0)}))
        return outcome.seconds / outcome.steps * 1e6

    return measure


def by_hand(batch: int | str) -> Callable[[], float]:
    """The loop of a student who knows NumPy: an epoch's samples shuffled once, batches as slices of them in order."""
    x_all, y_all = _points()
    size = len(x_all) if batch == "full" else int(batch)

    def measure() -> float:
        rng = np.random.default_rng(0)
        W1, b1 = rng.normal(size=(20, 2)).astype(np.float32), np.zeros(20, np.float32)
        W2, b2 = (rng.normal(size=(2, 20)) * 0.2).astype(np.float32), np.zeros(2, np.float32)

        def epoch(steps: int) -> int:
            order = rng.permutation(len(x_all))
            xs, ys = x_all[order], y_all[order]
            starts = range(0, len(x_all), size)[:steps]
            for start in starts:
                x, y = xs[start : start + size], ys[start : start + size]
                rows = np.arange(len(y))
                h = np.maximum(x @ W1.T + b1, 0)
                z = h @ W2.T + b2
                p = np.exp(z - z.max(axis=1, keepdims=True))
                p /= p.sum(axis=1, keepdims=True)
                loss = -np.log(p[rows, y]).mean()
                assert np.isfinite(loss)
                p[rows, y] -= 1
                p /= len(y)
                dh = (p @ W2) * (h > 0)
                W2[:] -= LR * (p.T @ h)
                b2[:] -= LR * p.sum(axis=0)
                W1[:] -= LR * (dh.T @ x)
                b1[:] -= LR * dh.sum(axis=0)
            return len(starts)

        def loop() -> None:
            taken = 0
            while taken < STEPS:
                taken += epoch(STEPS - taken)

        return seconds(loop) / STEPS * 1e6

    return measure


def scikit_learn(batch: int) -> Callable[[], float]:
    x, y = _points()
    epochs = max(1, STEPS * batch // len(x))

    def measure() -> float:
        settings: dict[str, Any] = {"batch_size": batch}  # its annotations know only "auto"
        model = MLPClassifier(
            (20,),
            solver="sgd",
            momentum=0,
            alpha=0,
            learning_rate_init=LR,
            **settings,
            max_iter=epochs,
            tol=0,
            n_iter_no_change=epochs + 1,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it has not converged: it was not meant to
            taken = seconds(lambda: model.fit(x, y))
        return taken / (epochs * -(-len(x) // batch)) * 1e6

    return measure


def plain_pytorch(batch: int) -> Callable[[], float]:
    x, y = (torch.from_numpy(a) for a in _points())

    def measure() -> float:
        model = nn.Sequential(nn.Linear(2, 20), nn.ReLU(), nn.Linear(20, 2))
        optimizer = torch.optim.SGD(model.parameters(), lr=LR)
        criterion = nn.CrossEntropyLoss()

        def loop() -> None:
            step = 0
            while step < STEPS:
                order = torch.randperm(len(x))
                for start in range(0, len(x), batch):
                    chosen = order[start : start + batch]
                    optimizer.zero_grad()
                    loss = criterion(model(x[chosen]), y[chosen])
                    loss.backward()
                    optimizer.step()
                    step += 1
                    if step == STEPS:
                        break

        return seconds(loop) / STEPS * 1e6

    return measure


def _points() -> tuple[np.ndarray, np.ndarray]:
    train = load_data(load_recipe("moons").data).astype("float32").train
    return train.x, train.y


def main() -> None:
    rows = []
    for batch in (1, 32, "full"):
        print(f"batch {batch}, µs a step")
        contestants = {"NumPy engine": twofold("numpy", batch), "NumPy by hand": by_hand(batch)}
        if isinstance(batch, int):
            contestants |= {
                "torch engine": twofold("torch", batch),
                "scikit-learn": scikit_learn(batch),
                "plain PyTorch": plain_pytorch(batch),
            }
        with threadpool_limits(
            1, "blas"
        ):  # products so small gain nothing by a second thread, and lose on a busy machine
            figures = take_turns(contestants, ROUNDS)
        for name, values in figures.items():
            bases = ("NumPy by hand", "scikit-learn", "plain PyTorch")
            over = [f"{ratio(figures, name, base):.2f}" if base in figures else "" for base in bases]
            rows.append([name, "800, all" if batch == "full" else str(batch), *spread(values, ".0f"), *over])
    header = ["2-20-2, SGD", "batch", "µs a step (median)", "range", "over NumPy by hand"]
    header += ["over scikit-learn", "over plain PyTorch"]
    publish("small", "Small networks: the cost of a step", table(header, rows))


if __name__ == "__main__":
    main()
