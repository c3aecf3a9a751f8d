"""Splits as scikit-learn's `train_test_split` makes them, stratified or not, index for index, without importing it.

Its import takes longer than many a training. Equality with scikit-learn is a test over sizes, classes and seeds.
"""

from __future__ import annotations

import numpy as np

from twofold.arrays import Array


def stratified(y: Array, size: int, seed: int) -> tuple[Array, Array]:
    """Places in `y` of those that stay, and of the `size` that are held out; each class has its share in both."""
    generator = np.random.RandomState(seed)
    counts = np.unique(y, return_counts=True)[1]
    by_class = np.split(np.argsort(y, kind="stable"), np.cumsum(counts)[:-1])
    staying = _shares(counts, len(y) - size, generator)
    leaving = _shares(counts - staying, size, generator)
    rest, part = list[Array](), list[Array]()
    for places, stay, leave in zip(by_class, staying, leaving, strict=True):
        order = places[generator.permutation(len(places))]
        rest.append(order[:stay])
        part.append(order[stay : stay + leave])
    return generator.permutation(np.concatenate(rest)), generator.permutation(np.concatenate(part))


def _shares(counts: Array, draws: int, generator: np.random.RandomState) -> Array:
    """How many of `draws` samples each class gives, in proportion to its count.

    What is left over after rounding down goes to the classes with the largest remainders, ties broken by chance: the
    mode of the multivariate hypergeometric distribution, up to one.
    """
    exact = counts / counts.sum() * draws
    shares = np.floor(exact)
    remainder = exact - shares
    missing = int(draws - shares.sum())
    for value in np.unique(remainder)[::-1]:
        if missing <= 0:
            break
        (tied,) = np.where(remainder == value)
        chosen = generator.choice(tied, size=min(len(tied), missing), replace=False)
        shares[chosen] += 1
        missing -= len(chosen)
    return shares.astype(int)


def fold_of(count: int, folds: int, fold: int, seed: int, y: Array | None = None) -> tuple[Array, Array]:
    """Places of those that stay, and of one fold of so many, in an order drawn from the seed.

    With classes `y` the fold has as many samples of each as the others, or one more: the samples, in the drawn order
    and class after class, are dealt out to the folds one after another.
    """
    generator = np.random.RandomState(seed)
    order = generator.permutation(count)
    if y is not None:
        order = order[np.argsort(y[order], kind="stable")]
    held = np.zeros(count, bool)
    held[order[fold::folds]] = True
    mixed = generator.permutation(count)
    return mixed[~held[mixed]], mixed[held[mixed]]


def shuffled(count: int, size: int, seed: int) -> tuple[Array, Array]:
    """Places of those that stay and of the `size` that are held out: `train_test_split` without `stratify`."""
    order = np.random.RandomState(seed).permutation(count)
    return order[size:], order[:size]
