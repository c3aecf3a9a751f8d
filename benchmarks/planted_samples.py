"""Trainings whose fault is one of their samples: inputs, labels, leaks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from corpus import MEMORY, RAW, SGD, TABLES, Array, Samples, Table, Training, dense, flat, told
from sklearn import datasets


def moons(samples: int = 600, noise: float = 0.1, seed: int = 3) -> tuple[Array, Array]:
    x, y = datasets.make_moons(samples, noise=noise, random_state=seed)
    return np.asarray(x), np.asarray(y)


def digit_images() -> tuple[Array, Array]:
    """scikit-learn's digits, from 0 to 16, and their classes."""
    x, y = datasets.load_digits(return_X_y=True)
    return np.asarray(x).reshape(-1, 1, 8, 8), np.asarray(y)


def table(x: Array, y: Array, **columns: Array) -> Table:
    """Columns a, b, ... and those that are named."""
    frame = pd.DataFrame(x, columns=[chr(ord("a") + i) if i < 26 else f"x{i}" for i in range(x.shape[1])])
    return lambda: (frame.assign(**columns), y)


def relabelled(samples: Samples, share: float, seed: int = 1) -> Table:
    """Another class at random, of so many."""
    x, y = samples
    rng, names = np.random.default_rng(seed), np.unique(y)
    place = np.searchsorted(names, y)
    other = (place + rng.integers(1, len(names), len(y))) % len(names)
    return lambda: (x, names[np.where(rng.random(len(y)) < share, other, place)])


def inputs() -> Iterator[Training]:
    x, y = moons()
    rng = np.random.default_rng(2)
    unscaled = told("unscaled")
    wide = np.column_stack([x, 10_000 * rng.normal(size=len(x))])
    yield Training(
        "a feature 10,000 times larger", dense(16, 2), RAW, table(wide, y), "unscaled feature", unscaled, SGD
    )
    frame, wines = TABLES["wine"]()
    assert isinstance(frame, pd.DataFrame)
    salary = frame.assign(salary=rng.normal(50_000, 20_000, len(frame)))
    yield Training("wine with a salary", dense(16, 3), RAW, lambda: (salary, wines), "unscaled feature", unscaled)
    outlier = told("outlier")
    far = x.copy()
    far[5, 0] = 1e6
    yield Training("an outlier of 1e6", dense(16, 2), MEMORY, table(far, y), "outlier", outlier)
    off = frame.copy()
    off.iloc[[3, 90], 2] = -999_999.0
    yield Training("-999,999 for a missing value", dense(16, 3), MEMORY, lambda: (off, wines), "outlier", outlier)


def sizes() -> Iterator[Training]:
    x, y = moons()
    alike = told("inputs_alike")
    black = np.zeros((200, 1, 8, 8))
    sixty = np.arange(200) % 4
    yield Training("all black", flat(16, 4), RAW, lambda: (black, sixty), "inputs alike", alike)
    same = np.full((300, 3), 7.5)
    yield Training("every row alike", dense(16, 2), MEMORY, table(same, y[:300]), "inputs alike", alike)
    large = told("inputs_large")
    raw = 50_000 * (1 + x)
    yield Training(
        "raw inputs of 50,000", dense(16, 2), RAW, table(raw, y), "inputs too large", large, {"kind": "sgd", "lr": 0.01}
    )
    images, digits = digit_images()
    bytes_ = images * 16.0
    yield Training(
        "digits up to 256, not scaled",
        flat(32, 32, 10),
        RAW,
        lambda: (bytes_, digits),
        "inputs too large",
        large,
        SGD,
    )
    small = told("inputs_small")
    yield Training(
        "inputs of 1e-5", dense(16, 2), RAW, table(1e-5 * x, y), "inputs too small", small, {"kind": "sgd", "lr": 0.05}
    )
    yield Training(
        "digits over 1e5",
        flat(32, 10),
        RAW,
        lambda: (images / 1e5, digits),
        "inputs too small",
        small,
        {"kind": "sgd", "lr": 0.05},
    )


def labels() -> Iterator[Training]:
    wrong = told("wrong_labels")
    long = {"epochs": 200, "batch_size": 16, "evaluate_every": 25}
    images, digits = digit_images()
    image: Samples = (images / 16, digits)
    yield Training(
        "30 % of the digits wrong",
        flat(128, 10),
        RAW,
        relabelled(image, 0.3),
        "wrong labels",
        wrong,
        optimizer={"kind": "adam", "lr": 0.003},
        training=long,
    )
    x, y = moons(1000)
    yield Training(
        "30 % of the moons wrong",
        dense(128, 64, 2),
        MEMORY,
        relabelled((x, y), 0.3),
        "wrong labels",
        wrong,
        optimizer={"kind": "adam", "lr": 0.003},
        training=long,
    )
    blobs = [np.asarray(part) for part in datasets.make_blobs(600, centers=3, random_state=4)]
    yield Training(
        "30 % of the blobs wrong",
        dense(128, 64, 3),
        MEMORY,
        relabelled((blobs[0], blobs[1]), 0.3),
        "wrong labels",
        wrong,
        optimizer={"kind": "adam", "lr": 0.003},
        training=long,
    )


def random_labels() -> Iterator[Training]:
    long = {"epochs": 200, "batch_size": 16, "evaluate_every": 25}
    images, digits = digit_images()
    nothing = told("over_fits", "learned_nothing", "turned", "ended_high")
    rng = np.random.default_rng(6)
    yield Training(
        "labels at random",
        dense(64, 2),
        MEMORY,
        table(rng.normal(size=(500, 6)), rng.integers(2, size=500)),
        "random labels",
        nothing,
        optimizer={"kind": "adam", "lr": 0.003},
        training=long,
    )
    yield Training(
        "digits with labels at random",
        flat(64, 10),
        RAW,
        lambda: (images / 16, rng.permutation(digits)),
        "random labels",
        nothing,
        optimizer={"kind": "adam", "lr": 0.003},
        training=long,
    )


def contradictions() -> Iterator[Training]:
    x, y = moons(1000)
    twice = told("contradicting_samples")
    half = np.r_[np.arange(len(x)), np.arange(300)]
    flipped = np.r_[y, 1 - y[:300]]
    yield Training(
        "300 rows again, with the other class",
        dense(32, 2),
        MEMORY,
        table(x[half], flipped),
        "contradicting rows",
        twice,
    )
    frame, wines = TABLES["wine"]()
    assert isinstance(frame, pd.DataFrame)
    again = pd.concat([frame, frame.iloc[:60]], ignore_index=True)
    turned = np.r_[wines, np.roll(wines, 70)[:60]]
    yield Training(
        "60 wines again, with another class", dense(32, 3), MEMORY, lambda: (again, turned), "contradicting rows", twice
    )


def leaks() -> Iterator[Training]:
    rows, copies, shared = told("leak_of_the_order"), told("leak_of_the_class"), told("leak_of_samples")
    for name in ("iris", "diabetes above the median", "votes"):
        frame, y = TABLES[name]()
        assert isinstance(frame, pd.DataFrame)
        order = np.argsort(y, kind="stable")
        numbered = frame.iloc[order].reset_index(drop=True).reset_index(names="row")
        classes = len(np.unique(y))
        yield _leak(f"{name} in order, with row numbers", numbered, y[order], "row numbers", rows, classes)
        codes = np.unique(y, return_inverse=True)[1]
        copied = frame.assign(code=codes * 3.0 + 1)
        yield _leak(f"{name} with a code of the class", copied, y, "copy of the label", copies, classes)
        if name != "iris":
            again = pd.concat([frame, frame], ignore_index=True)
            yield _leak(f"{name}, every row twice", again, np.r_[y, y], "rows in both splits", shared, classes)


def _leak(name: str, frame: pd.DataFrame, y: Array, cause: str, found: frozenset[str], classes: int) -> Training:
    return Training(name, dense(24, classes), MEMORY, lambda: (frame, y), cause, found)
