"""Splitting samples into train, validation and test, with each class in all of them, or into folds.

The splits are those of scikit-learn's `train_test_split`, stratified or not, index for index, without importing it:
that takes longer than many a training. Equality with scikit-learn is a test over sizes, classes and seeds.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from twofold.arrays import Array
from twofold.data.dataset import Dataset, Split, images
from twofold.errors import DataError
from twofold.recipe.data import DataSpec


def held_count(name: str, wanted: float, samples: int) -> int:
    """The samples that a share below 1, or a whole number, holds out. Raises `DataError` if a share rounds to 0."""
    held = round(wanted * samples) if isinstance(wanted, float) else wanted
    if wanted and not held:
        raise DataError(
            f"`{name} = {wanted}` of {samples} samples is no sample at all; raise the share or set it to 0."
        )
    return held


def hold_out_numbers(
    x: Array, y: Array, targets: tuple[str, ...], spec: DataSpec, test: float, weight: Array | None = None
) -> Dataset:
    """A random split of samples with numbers or labels into train, validation and test, the same for the same seed."""
    rest, parts = np.arange(len(y)), dict[str, Array]()
    wanted = {"test": test, "validation": spec.validation}
    if folds := getattr(spec, "folds", None):
        rest, parts["test"] = _one_fold(y, spec, folds, None)
        del wanted["test"]
    for name, share in wanted.items():
        size = held_count(name, share, len(y))
        if size >= len(rest):
            fold, beside = len(parts.get("test", ())), "folds" if folds else "test"
            raise DataError(
                f"of {len(y)} samples none would be left to train on; change `{beside}` or `validation`, which hold "
                f"out {fold if folds else held_count('test', test, len(y))} and "
                f"{held_count('validation', spec.validation, len(y))}."
            )
        left, part = shuffled(len(rest), size, spec.seed) if size else (np.arange(len(rest)), np.arange(0))
        rest, parts[name] = rest[left], rest[part]
    whole = replace(images(x, y) if x.dtype == np.uint8 else Split(x, y), weight=weight)
    return Dataset(whole[rest], whole[parts["validation"]], whole[parts["test"]], (), targets=targets)


def hold_out(
    x: Array, y: Array, classes: tuple[str, ...], spec: DataSpec, test: float, weight: Array | None = None
) -> Dataset:
    """A stratified split into train, validation and test, the same for the same seed."""
    wanted = {"test": test, "validation": spec.validation}
    rest, parts = np.arange(len(y)), dict[str, Array]()
    if folds := getattr(spec, "folds", None):
        rest, parts["test"] = _one_fold(y, spec, folds, y)
        del wanted["test"]
    held = {name: held_count(name, share, len(y)) for name, share in wanted.items()}
    _check_sizes(y, classes, {name: size for name, size in held.items() if size}, len(y) - len(rest))
    for name, size in held.items():
        rest, parts[name] = _part(rest, y, size, spec.seed)
    whole = replace(images(x, y) if x.dtype == np.uint8 else Split(x, y), weight=weight)
    return Dataset(whole[rest], whole[parts["validation"]], whole[parts["test"]], classes)


def _one_fold(y: Array, spec: DataSpec, folds: int, classes: Array | None) -> tuple[Array, Array]:
    """Places of samples that stay, and of the fold that is the test; with `classes`, each has its share in both."""
    fold: int = getattr(spec, "fold", 0)
    if folds > len(y):
        raise DataError(f"of {len(y)} samples no {folds} folds can be made; set data.folds to at most {len(y)}.")
    if fold >= folds:
        raise DataError(f"`fold` counts the {folds} folds from 0 to {folds - 1}; got {fold}.")
    return fold_of(len(y), folds, fold, spec.seed, classes)


def _part(indices: Array, y: Array, size: int, seed: int) -> tuple[Array, Array]:
    if not size:
        return indices, indices[:0]
    rest, part = stratified(y[indices], size, seed)
    return indices[rest], indices[part]


def _check_sizes(y: Array, classes: tuple[str, ...], held: dict[str, int], fold: int) -> None:
    """Raises `DataError` where some class cannot be in every part; `fold` samples are a fold, which may lack some."""
    counts = np.bincount(y, minlength=len(classes))
    parts = ["train", *(["test"] if fold else []), *held]
    rarest = int(counts.argmin())
    if (count := int(counts[rarest])) < len(parts):
        raise DataError(
            f"class `{classes[rarest]}` has {count} sample{'s' * (count != 1)}; a stratified split into "
            f"{', '.join(parts)} needs at least {len(parts)} of each class. "
            "Add samples, drop the class, or hold out less."
        )
    left = len(y) - fold - sum(held.values())
    for name, size in {**held, "train": left}.items():
        if size < len(classes):
            raise DataError(
                f"the {name} set would hold {max(size, 0)} of {len(y)} samples, fewer than the {len(classes)} classes; "
                f"change `{'folds' if fold else 'test'}` or `validation`."
                f" They hold out {fold or held.get('test', 0)} and {held.get('validation', 0)}."
            )


def stratified(y: Array, size: int, seed: int) -> tuple[Array, Array]:
    """Places in `y` of samples that stay, and of `size` that are held out; each class has its share in both."""
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
    """Places of samples that stay, and of fold number `fold` out of `folds`, in an order drawn from the seed.

    With classes `y`, folds differ by at most one sample of each class: the samples, class after class in the drawn
    order, are dealt out to the folds in turn.
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
    """Places of samples that stay, and of `size` that are held out: `train_test_split` without `stratify`."""
    order = np.random.RandomState(seed).permutation(count)
    return order[size:], order[:size]
