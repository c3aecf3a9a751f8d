"""How long a fit takes beside scikit-learn's network: the same layers, batches, epochs and optimizer, in turns.

python benchmarks/estimators.py        writes docs/benchmarks/estimators.md

Each pair is fitted in turns, so that whatever else the machine does meets both. Both get one thread for their matrix
products in one table, and what they find in the other: scikit-learn's network sets no threads.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from twofold import TwofoldClassifier
from twofold.engines import TITLES

OUT = Path(__file__).parents[1] / "docs" / "benchmarks" / "estimators.md"
HIDDEN, BATCH, TURNS = (100,), 200, 3
HEAD = (
    "# Fit time of the estimators\n\n"
    "`python benchmarks/estimators.py`, which wrote this page, fits `MLPClassifier` and `TwofoldClassifier` in turns, "
    f"{TURNS} times each: {HIDDEN[0]} hidden units, ReLU, Adam at\n0.001, batches of {BATCH} (all samples where there "
    "are fewer), as many epochs, float64 samples. Median seconds; the ratio is the median over the turns of ours over\n"
    "scikit-learn's. `accuracy` is that of the samples fitted, a sign that both did the work.\n\n"
)


class Task(NamedTuple):
    """Samples, and how many epochs they are trained on."""

    name: str
    load: Callable[[], Any]
    epochs: int


TASKS = (
    Task("digits", lambda: load_digits(return_X_y=True), 60),
    Task("iris", lambda: load_iris(return_X_y=True), 200),
    Task("breast cancer", lambda: load_breast_cancer(return_X_y=True), 100),
    Task(
        "20,000 x 50",
        lambda: make_classification(20_000, 50, n_informative=20, n_classes=3, random_state=0),
        10,
    ),
)


def networks(epochs: int, samples: int) -> dict[str, Any]:
    """The three of them, before they are fitted."""
    theirs = MLPClassifier(
        HIDDEN,
        max_iter=epochs,
        n_iter_no_change=epochs + 1,
        tol=0,
        alpha=0,
        batch_size=min(BATCH, samples),  # pyright: ignore[reportArgumentType]  # its stub knows only `auto`
        random_state=0,
    )
    ours = {
        engine: TwofoldClassifier(HIDDEN, epochs=epochs, batch_size=BATCH, engine=engine, random_state=0)
        for engine in TITLES
    }
    return {"scikit-learn": theirs, **ours}


def seconds_of(network: Any, x: np.ndarray, y: np.ndarray) -> float:
    """The time of a fit."""
    begun = time.perf_counter()
    network.fit(x, y)
    return time.perf_counter() - begun


def rows(threads: int | None) -> list[str]:
    """A line a task."""
    lines = []
    for task in TASKS:
        x, y = task.load()
        x = StandardScaler().fit_transform(x)
        taken: dict[str, list[float]] = {}
        for turn in range(TURNS + 1):  # the first warms up
            for name, network in networks(task.epochs, len(x)).items():
                with threadpool_limits(threads) if threads else nullcontext():
                    seconds = seconds_of(network, x, y)
                if turn:
                    taken.setdefault(name, []).append(seconds)
                accuracy = network.score(x, y)
                taken.setdefault(f"{name} accuracy", []).append(accuracy)
        first, *others = ("scikit-learn", *TITLES)
        cells = [f"{task.name} | {task.epochs} | {statistics.median(taken[first]):.3f}"]
        for name in others:
            ratio = statistics.median(a / b for a, b in zip(taken[name], taken[first], strict=True))
            cells.append(f"{statistics.median(taken[name]):.3f} | **{ratio:.2f}**")
        right = [f"{taken[f'{name} accuracy'][-1]:.3f}" for name in (first, *others)]
        lines.append(f"| {' | '.join([*cells, *right])} |")
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Measure, and write the page."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    engines = " | ".join(f"{title} | ratio" for title in TITLES.values())
    accuracies = " | ".join(["accuracy: scikit-learn", *TITLES.values()])
    head = f"| samples | epochs | scikit-learn | {engines} | {accuracies} |"
    rule = "|" + " --- |" * (head.count("|") - 1)
    text = HEAD
    for title, threads in {"One thread for both": 1, "As many threads as each takes": None}.items():
        text += f"## {title}\n\n" + "\n".join([head, rule, *rows(threads)]) + "\n\n"
    OUT.write_text(text.rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
