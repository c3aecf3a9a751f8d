"""Points, digits and splits are scikit-learn's to the last bit, though it is not imported for them."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from sklearn import datasets
from sklearn.model_selection import train_test_split

from twofold.data.points import blobs, circles, moons, xor
from twofold.data.sources import _digits, load_data
from twofold.data.splits import stratified
from twofold.recipe import load_recipe

POINTS: dict[str, tuple[Any, Any]] = {
    "moons": (lambda n, s: moons(n, 0.2, s), lambda n, s: datasets.make_moons(n, noise=0.2, random_state=s)),
    "moons without noise": (
        lambda n, s: moons(n, 0.0, s),
        lambda n, s: datasets.make_moons(n, noise=0.0, random_state=s),
    ),
    "circles": (
        lambda n, s: circles(n, 0.1, 0.5, s),
        lambda n, s: datasets.make_circles(n, noise=0.1, factor=0.5, random_state=s),
    ),
    "blobs": (
        lambda n, s: blobs(n, 3, 1.5, s),
        lambda n, s: datasets.make_blobs(n, centers=3, cluster_std=1.5, random_state=s),
    ),
}


@pytest.mark.parametrize(("ours", "theirs"), POINTS.values(), ids=POINTS)
@pytest.mark.parametrize("samples", [10, 101, 1000])
@pytest.mark.parametrize("seed", [0, 42])
def test_points_are_those_of_scikit_learn(ours: Any, theirs: Any, samples: int, seed: int) -> None:
    for mine, its in zip(ours(samples, seed), theirs(samples, seed), strict=True):
        assert mine.tobytes() == its.tobytes()  # the fingerprint of the data is one of bytes


def test_digits_are_those_of_scikit_learn() -> None:
    for mine, its in zip(_digits(), datasets.load_digits(return_X_y=True), strict=True):
        np.testing.assert_array_equal(mine, its)


def test_a_split_is_that_of_scikit_learn() -> None:
    """Classes of the same size have remainders that tie, which chance breaks."""
    rng = np.random.default_rng(0)
    cases = [rng.integers(0, 7, 211), np.repeat(np.arange(10), 20), np.arange(100) % 3, (rng.random(500) < 0.1) * 1]
    for y, share, seed in itertools.product(cases, (0.1, 0.25, 0.37), range(4)):
        size = round(share * len(y))
        rest, part = train_test_split(np.arange(len(y)), test_size=size, random_state=seed, stratify=y)
        mine = stratified(y, size, seed)
        np.testing.assert_array_equal(mine[0], rest)
        np.testing.assert_array_equal(mine[1], part)


def test_the_corners_of_xor_are_of_two_classes_and_as_many_each() -> None:
    x, y = xor(400, 0.0, 7)
    assert sorted(map(tuple, np.unique(x, axis=0))) == [(-1, -1), (-1, 1), (1, -1), (1, 1)]
    assert np.array_equal(y, (x[:, 0] * x[:, 1] < 0).astype(int))
    assert np.bincount(y).tolist() == [200, 200]
    dataset = load_data(load_recipe("moons", {"data.source": "xor", "data.noise": 0.2}).data)
    assert np.abs(dataset.train.x).mean(axis=0) == pytest.approx([1, 1], abs=0.05)
