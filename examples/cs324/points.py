"""Part 1: points in the plane, drawn as scikit-learn draws them for `random_state`, with NumPy alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

SAMPLES = 1000
TEST = 200


def make_moons(random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """Two half circles that reach into each other, with noise of 0.1: `sklearn.datasets.make_moons`."""
    half = SAMPLES // 2
    angle = np.linspace(0, np.pi, half)
    outer = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    inner = np.stack([1 - np.cos(angle), 1 - np.sin(angle) - 0.5], axis=1)
    x, y = shuffled(random, np.concatenate([outer, inner]), np.repeat([0, 1], half))
    return x + random.normal(scale=0.1, size=x.shape), y


def make_circles(random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """A circle within a circle, 0.8 of its radius, with noise of 0.1: `sklearn.datasets.make_circles`."""
    half = SAMPLES // 2
    angle = np.linspace(0, 2 * np.pi, half, endpoint=False)
    outer = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    x, y = shuffled(random, np.concatenate([outer, 0.8 * outer]), np.repeat([0, 1], half))
    return x + random.normal(scale=0.1, size=x.shape), y


def make_blobs(random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """Three normal clouds around centres in [−10, 10]²: `sklearn.datasets.make_blobs`."""
    centres = random.uniform(-10, 10, size=(3, 2))
    sizes = [SAMPLES // 3 + (index < SAMPLES % 3) for index in range(3)]
    clouds = [random.normal(loc=centre, scale=1.0, size=(size, 2)) for centre, size in zip(centres, sizes, strict=True)]
    return shuffled(random, np.concatenate(clouds), np.repeat([0, 1, 2], sizes))


def make_classification(random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """A stretched normal cloud for each of two corners of a square, one label in a hundred drawn anew.

    `sklearn.datasets.make_classification` with `n_features=2, n_informative=2, n_redundant=0, n_clusters_per_class=1`.
    """
    half = SAMPLES // 2
    corners = random.permutation(4)[:2]
    x = np.empty((SAMPLES, 2))
    x[:] = random.standard_normal(size=x.shape)
    y = np.repeat([0, 1], half)
    for label, corner in enumerate(corners):
        stretch = 2 * random.uniform(size=(2, 2)) - 1
        centre = [2 * (corner >> 1 & 1) - 1, 2 * (corner & 1) - 1]
        x[label * half : (label + 1) * half] = x[label * half : (label + 1) * half] @ stretch + centre
    flipped = random.uniform(size=SAMPLES) < 0.01
    y[flipped] = random.randint(2, size=flipped.sum())
    x, y = shuffled(random, x, y)
    columns = np.arange(2)
    random.shuffle(columns)
    return x[:, columns], y


def shuffled(random: np.random.RandomState, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both in one random order."""
    order = np.arange(len(x))
    random.shuffle(order)
    return x[order], y[order]


SOURCES: dict[str, Callable[[np.random.RandomState], tuple[np.ndarray, np.ndarray]]] = {
    "moons": make_moons,
    "circles": make_circles,
    "blobs": make_blobs,
    "classification": make_classification,
}


def load(name: str, seed: int = 42) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x_train (800, 2), y_train (800,), x_test (200, 2), y_test (200,); the test samples are drawn at random."""
    x, y = SOURCES[name](np.random.RandomState(seed))
    order = np.random.RandomState(seed).permutation(len(x))
    train, test = order[TEST:], order[:TEST]
    return x[train], y[train], x[test], y[test]
