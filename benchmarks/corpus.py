"""Small trainings of which it is known what is wrong with them, or that nothing is.

`analysis.py` tries the rules on them. A training is a recipe and, where the recipe names no source, samples in memory.
Nothing here knows a threshold of the analysis: a fault is planted as somebody would commit it, of a size that does
harm, with a seed of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn import datasets

Array = NDArray[Any]
Samples = tuple[pd.DataFrame | Array, Array]
Table = Callable[[], Samples]


@dataclass(frozen=True)
class Training:
    """A training, and what the analysis must say of it."""

    name: str
    layers: list[dict[str, Any]]
    data: dict[str, Any]
    samples: Table | None = None
    cause: str = ""
    """The kind of fault that was planted; empty where there is none."""
    told: frozenset[str] = frozenset()
    """Findings each of which names the cause."""
    optimizer: dict[str, Any] = field(default_factory=lambda: {"kind": "adam", "lr": 0.01})
    training: dict[str, Any] = field(default_factory=lambda: {"epochs": 30, "batch_size": 32})
    more: dict[str, Any] = field(default_factory=dict)
    """Other tables of the recipe."""

    def recipe(self) -> dict[str, Any]:
        """As TOML has it."""
        data = self.data
        if self.samples is not None:
            x, y = self.samples()
            data = data | {"shape": list(x.shape[1:]), "classes": len(np.unique(y))}
        tables = {"layers": self.layers, "data": data, "optimizer": self.optimizer, "training": self.training}
        return tables | self.more


def told(*kinds: str) -> frozenset[str]:
    """Findings by their kinds."""
    return frozenset(kinds)


def dense(*units: int, act: str = "relu") -> list[dict[str, Any]]:
    """Dense layers with an activation between them."""
    hidden = [layer for size in units[:-1] for layer in ({"kind": "dense", "units": size}, {"kind": act})]
    return [*hidden, {"kind": "dense", "units": units[-1]}]


def flat(*units: int, act: str = "relu") -> list[dict[str, Any]]:
    """The same after images."""
    return [{"kind": "flatten"}, *dense(*units, act=act)]


SGD = {"kind": "sgd", "lr": 0.1, "momentum": 0.9}
MEMORY: dict[str, Any] = {"source": "arrays", "standardize": "feature"}
"""Samples that are handed over; shape and classes are theirs."""
RAW = MEMORY | {"standardize": "none"}


# Real tables, most of them noisy: nothing predicts them well.


def _frame(frame: pd.DataFrame, target: object) -> Samples:
    return frame.astype(float), np.asarray(target).astype(str)


def _bunch(load: Callable[..., Any]) -> Samples:
    x, y = load(return_X_y=True, as_frame=True)
    return _frame(x, y)


def _statsmodels(name: str, target: Callable[[Any], object], without: str, most: int = 1500) -> Samples:
    from statsmodels import datasets as tables

    frame = getattr(tables, name).load_pandas().data
    if len(frame) > most:
        frame = frame.sample(most, random_state=3)
    return _frame(frame.drop(columns=without.split()), target(frame))


def _diabetes() -> Samples:
    bunch: Any = datasets.load_diabetes(as_frame=True)
    return _frame(bunch.data, bunch.target > bunch.target.median())


TABLES: dict[str, Table] = {
    "iris": lambda: _bunch(datasets.load_iris),
    "wine": lambda: _bunch(datasets.load_wine),
    "breast cancer": lambda: _bunch(datasets.load_breast_cancer),
    "diabetes above the median": _diabetes,
    "affairs": lambda: _statsmodels("fair", lambda t: t.affairs > 0, "affairs"),
    "happy marriages": lambda: _statsmodels("fair", lambda t: t.rate_marriage >= 4, "rate_marriage"),
    "children": lambda: _statsmodels("fair", lambda t: t.children >= 1, "children"),
    "votes": lambda: _statsmodels("anes96", lambda t: t.vote, "vote"),
    "parties": lambda: _statsmodels("anes96", lambda t: t.PID >= 3, "PID vote"),
    "incomes": lambda: _statsmodels("anes96", lambda t: t.income >= 17, "income"),
    "visits to a doctor": lambda: _statsmodels("randhie", lambda t: t.mdvis > 2, "mdvis"),
    "good health": lambda: _statsmodels("randhie", lambda t: t.disea > 10, "disea"),
    "ways to travel": lambda: _statsmodels("modechoice", lambda t: t["mode"], "mode choice individual"),
    "schools": lambda: _statsmodels("star98", lambda t: t.NABOVE > t.NBELOW, "NABOVE NBELOW"),
    "owners": lambda: _statsmodels("ccard", lambda t: t.OWNRENT, "OWNRENT"),
}


def healthy() -> Iterator[Training]:
    """Trainings with nothing wrong: as many on real tables as on others."""
    small = {"epochs": 20, "batch_size": 32}
    for name, table in TABLES.items():
        classes = len(np.unique(table()[1]))
        yield Training(f"{name}, Adam", dense(8, classes), MEMORY | {"test": 0.3}, table, training=small | {"seed": 11})
        yield Training(
            f"{name}, SGD",
            dense(6, classes, act="tanh"),
            MEMORY | {"test": 0.4, "seed": 5},
            table,
            optimizer={"kind": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 1e-3},
            training=small | {"seed": 12},
        )
    for number, (layers, optimizer) in enumerate(_ways()):
        more = {"training": {"epochs": 40, "batch_size": 32, "seed": 20 + number}, "optimizer": optimizer}
        yield Training(f"moons {number}", [*layers, *dense(2)], {"source": "moons", "seed": number}, **more)
        yield Training(f"blobs {number}", [*layers, *dense(3)], {"source": "blobs", "seed": number}, **more)
        points = {"source": "classification", "seed": number, "class_sep": 1.5}
        yield Training(f"classification {number}", [*layers, *dense(2)], points, **more)
        circles = {"source": "circles", "seed": number, "factor": 0.4}
        long = more | {"training": more["training"] | {"epochs": 80}}
        yield Training(f"circles {number}", [*layers, *dense(2)], circles, **long)
        images = {"source": "digits", "seed": number}
        yield Training(f"digits {number}", [*flat(48, 10)], images, **more)
    yield Training("overlapping moons", dense(8, 2), {"source": "moons", "noise": 0.35, "seed": 9})
    yield Training(
        "palindromes of 4",
        [{"kind": "rnn", "units": 32}, {"kind": "dense", "units": 10}],
        {"source": "palindromes", "length": 4, "encoding": "one_hot"},
        training={"steps": 600, "batch_size": 64},
    )


def _ways() -> list[tuple[list[dict[str, Any]], dict[str, Any]]]:
    """Hidden layers, and an optimizer that suits them."""
    return [
        ([{"kind": "dense", "units": 16}, {"kind": "relu"}], {"kind": "adam", "lr": 0.01}),
        ([{"kind": "dense", "units": 32}, {"kind": "tanh"}], SGD),
        (dense(24, 24, 24)[:-1], {"kind": "adam", "lr": 0.003}),
        ([{"kind": "dense", "units": 32}, {"kind": "batch_norm"}, {"kind": "relu"}], SGD | {"lr": 0.05}),
        ([{"kind": "dense", "units": 32}, {"kind": "leaky_relu"}], {"kind": "rmsprop", "lr": 0.003}),
        (
            [{"kind": "dense", "units": 64}, {"kind": "relu"}, {"kind": "dropout", "p": 0.2}],
            {"kind": "adamw", "lr": 0.01, "weight_decay": 0.01},
        ),
    ]
