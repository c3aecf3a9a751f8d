"""Points in the plane: scikit-learn's moons, circles and blobs, number for number, without importing scikit-learn; XOR.

Its import takes longer than a training on such points. Equality with `sklearn.datasets` is a test. Source: Pedregosa et
al., Scikit-learn: machine learning in Python (2011).
"""

from __future__ import annotations

import numpy as np

from twofold.arrays import Array

BOX = (-10.0, 10.0)
"""The square in which the centres of blobs lie."""


def moons(samples: int, noise: float, seed: int) -> tuple[Array, Array]:
    """Two half circles that reach into each other: `sklearn.datasets.make_moons`. Points (samples, 2) and classes."""
    outer, inner = np.linspace(0, np.pi, samples // 2), np.linspace(0, np.pi, samples - samples // 2)
    x = np.append(np.cos(outer), 1 - np.cos(inner))
    y = np.append(np.sin(outer), 1 - np.sin(inner) - 0.5)
    return _shuffled(np.vstack([x, y]).T, _halves(samples), noise, np.random.RandomState(seed))


def circles(samples: int, noise: float, factor: float, seed: int) -> tuple[Array, Array]:
    """A circle within a circle, `factor` times its size: `sklearn.datasets.make_circles`."""
    outer = np.linspace(0, 2 * np.pi, samples // 2, endpoint=False)
    inner = np.linspace(0, 2 * np.pi, samples - samples // 2, endpoint=False)
    x = np.append(np.cos(outer), np.cos(inner) * factor)
    y = np.append(np.sin(outer), np.sin(inner) * factor)
    return _shuffled(np.vstack([x, y]).T, _halves(samples), noise, np.random.RandomState(seed))


def blobs(samples: int, centers: int, std: float, seed: int) -> tuple[Array, Array]:
    """Normal clouds around centres drawn evenly from a square: `sklearn.datasets.make_blobs`."""
    generator = np.random.RandomState(seed)
    places = generator.uniform(*BOX, size=(centers, 2))
    counts = [samples // centers + (index < samples % centers) for index in range(centers)]
    points = [
        generator.normal(loc=place, scale=std, size=(count, 2)) for place, count in zip(places, counts, strict=True)
    ]
    return _shuffled(np.concatenate(points), np.repeat(np.arange(centers), counts), None, generator)


def xor(samples: int, noise: float, seed: int) -> tuple[Array, Array]:
    """Clouds of points around (±1, ±1), whose sizes differ by at most one; class 1 where the signs differ."""
    corner = np.arange(samples) % 4
    x = np.stack([1.0 - 2 * (corner // 2), 1.0 - 2 * (corner % 2)], axis=1)
    return _shuffled(x, (x[:, 0] * x[:, 1] < 0).astype(int), noise, np.random.RandomState(seed))


def _halves(samples: int) -> Array:
    return np.repeat([0, 1], [samples // 2, samples - samples // 2])


def _shuffled(x: Array, y: Array, noise: float | None, generator: np.random.RandomState) -> tuple[Array, Array]:
    """The points in random order, each number moved by normal noise unless `noise` is `None`."""
    order = np.arange(len(y))
    generator.shuffle(order)
    x, y = x[order], y[order]
    return (x if noise is None else x + generator.normal(scale=noise, size=x.shape)), y
