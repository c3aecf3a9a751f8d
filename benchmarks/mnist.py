"""784-64-10 on MNIST, batch 64: seconds of training for the documents' 70 epochs, and memory.

    TWOFOLD_DATA=... python benchmarks/mnist.py

Twofold's engines take turns, a few epochs each, with what a user would write by hand in NumPy, with a plain PyTorch
loop, the same with a DataLoader, and with scikit-learn. Each runs in a process of its own, so that memory is its own.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
from timing import apart, publish, ratio, spread, table, tell

ROUNDS = 5
EPOCHS = 3
LR, DECAY, BATCH = 0.01, 1e-4, 64
DOCUMENTED = 70


def twofold(engine: str) -> Callable[[], float]:
    from twofold.data import Batches, load_data
    from twofold.engine.threads import few_threads
    from twofold.recipe import load_recipe
    from twofold.setup.building import build_engine, initial_state
    from twofold.train.loop import Plan, Score, train

    recipe = load_recipe("mnist-mlp", {"training.epochs": EPOCHS})
    dataset = load_data(recipe.data)

    def epoch() -> float:
        built = build_engine(engine, recipe)
        built.load(initial_state(recipe.model))
        batches = Batches(recipe, dataset.train)
        batches.evaluate_every = batches.steps
        with few_threads(recipe, len(dataset.train)):
            outcome = train(built, batches, Plan(lambda e: {"train": Score(0.0, 0.0)}))
        return outcome.seconds / EPOCHS

    return epoch


def _images() -> tuple[np.ndarray, np.ndarray]:
    from twofold.data import load_data
    from twofold.recipe import load_recipe

    train = load_data(load_recipe("mnist-mlp").data).train
    return train.floats().astype(np.float32).reshape(len(train), -1), train.y


def _timed(epoch: Callable[[], None]) -> Callable[[], float]:
    def measure() -> float:
        started = time.perf_counter()
        for _ in range(EPOCHS):
            epoch()
        return (time.perf_counter() - started) / EPOCHS

    return measure


def by_hand(shuffled: bool) -> Callable[[], float]:
    """The loop of a student who knows NumPy: in a new order each epoch, or in the order of the file."""
    x_all, y_all = _images()
    rng = np.random.default_rng(0)
    W1, b1 = (rng.normal(size=(64, 784)) * 0.1 / 28).astype(np.float32), np.zeros(64, np.float32)
    W2, b2 = (rng.normal(size=(10, 64)) * 0.1 / 8).astype(np.float32), np.zeros(10, np.float32)

    def epoch() -> None:
        order = rng.permutation(len(x_all))
        for start in range(0, len(x_all), BATCH):
            chosen = order[start : start + BATCH] if shuffled else slice(start, start + BATCH)
            x, y = x_all[chosen], y_all[chosen]
            h = 1 / (1 + np.exp(-(x @ W1.T + b1)))
            z = h @ W2.T + b2
            p = np.exp(z - z.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            p[np.arange(len(y)), y] -= 1
            dh = p @ W2
            da = dh * h * (1 - h)
            W2[:] -= LR * (p.T @ h + DECAY * W2)
            b2[:] -= LR * (p.sum(0) + DECAY * b2)
            W1[:] -= LR * (da.T @ x + DECAY * W1)
            b1[:] -= LR * (da.sum(0) + DECAY * b1)

    return _timed(epoch)


def products() -> Callable[[], float]:
    """The five products of each step, written into arrays that are there: no step of this network can take less."""
    x_all, _ = _images()
    rng = np.random.default_rng(0)
    W1, W2 = rng.normal(size=(64, 784)).astype(np.float32), rng.normal(size=(10, 64)).astype(np.float32)
    (h, dh), (z, dz) = np.ones((2, 64, BATCH), np.float32), np.ones((2, 10, BATCH), np.float32)
    dW1, dW2 = np.empty_like(W1), np.empty_like(W2)

    def epoch() -> None:
        for start in range(0, len(x_all) - BATCH + 1, BATCH):
            x = x_all[start : start + BATCH]
            np.matmul(W1, x.T, out=h)
            np.matmul(W2, h, out=z)
            np.matmul(dz, h.T, out=dW2)
            np.matmul(W2.T, dz, out=dh)
            np.matmul(dh, x, out=dW1)

    return _timed(epoch)


def limited(measure: Callable[[], float], threads: int) -> Callable[[], float]:
    """The same measurement with so many threads for the products."""
    from threadpoolctl import threadpool_limits

    def limited_measure() -> float:
        with threadpool_limits(threads):
            return measure()

    return limited_measure


def plain_pytorch(loader: bool) -> Callable[[], float]:
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    x_all, y_all = (torch.from_numpy(a) for a in _images())
    model = nn.Sequential(nn.Linear(784, 64), nn.Sigmoid(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, weight_decay=DECAY)
    criterion = nn.CrossEntropyLoss(reduction="sum")
    loaded = DataLoader(TensorDataset(x_all, y_all), batch_size=BATCH, shuffle=True)

    def slices():
        for chosen in torch.randperm(len(x_all)).split(BATCH):
            yield x_all[chosen], y_all[chosen]

    def epoch() -> None:
        for x, y in loaded if loader else slices():
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()

    return _timed(epoch)


def scikit_learn() -> Callable[[], float]:
    from sklearn.neural_network import MLPClassifier

    x, y = _images()

    settings: dict[str, Any] = {"batch_size": BATCH}  # its annotations know only "auto"

    def measure() -> float:
        model = MLPClassifier(
            (64,),
            activation="logistic",
            solver="sgd",
            momentum=0,
            alpha=DECAY,
            **settings,
            learning_rate_init=LR,
            max_iter=EPOCHS,
            tol=0,
            n_iter_no_change=EPOCHS + 1,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it has not converged: it was not meant to
            started = time.perf_counter()
            model.fit(x, y)
        return (time.perf_counter() - started) / EPOCHS

    return measure


IN_ORDER = "NumPy by hand, in the file's order"
CONTESTANTS: dict[str, Callable[[], Callable[[], float]]] = {
    "NumPy engine": lambda: twofold("numpy"),
    "NumPy by hand": lambda: by_hand(shuffled=True),
    IN_ORDER: lambda: by_hand(shuffled=False),
    "NumPy by hand, one thread": lambda: limited(by_hand(shuffled=True), 1),
    "its products alone, one thread": lambda: limited(products(), 1),
    "its products alone, two threads": lambda: limited(products(), 2),
    "torch engine": lambda: twofold("torch"),
    "plain PyTorch": lambda: plain_pytorch(loader=False),
    "plain PyTorch, DataLoader": lambda: plain_pytorch(loader=True),
    "scikit-learn": scikit_learn,
}


def measure_here(name: str) -> None:
    """In a process of its own: one figure, and the most memory that was resident."""
    measure = CONTESTANTS[name]()
    measure()
    tell(measure())


def main() -> None:
    figures, memory = apart(__file__, {name: [name] for name in CONTESTANTS}, ROUNDS)
    rows = [
        [
            name, *spread(values, ".3f"), f"{DOCUMENTED * median(values):.1f}",
            f"{ratio(figures, name, 'NumPy by hand'):.2f}",
            f"{ratio(figures, name, IN_ORDER):.2f}", f"{ratio(figures, name, 'plain PyTorch'):.2f}",
            f"{memory[name]:.0f}",
        ]
        for name, values in figures.items()
    ]  # fmt: skip
    header = [
        "784-64-10, batch 64", "s an epoch (median)", "range", f"s for {DOCUMENTED} epochs", "over NumPy by hand",
        "over the same in order", "over plain PyTorch", "resident memory, MiB",
    ]  # fmt: skip
    publish("mnist", "MNIST with 64 units: 50,000 images an epoch", table(header, rows))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure_here(sys.argv[1])
    else:
        main()
