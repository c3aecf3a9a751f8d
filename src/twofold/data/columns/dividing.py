"""Which rows are trained on, which are validated on and which are tested on."""

from __future__ import annotations

import numpy as np

from twofold.arrays import Array
from twofold.data.columns.faults import Refused, refuse
from twofold.data.columns.frame import Frame, Words, missing, words_of
from twofold.data.columns.kinds import inferred
from twofold.data.columns.values import moments, quantities
from twofold.data.splits import fold_of, held_count, stratified
from twofold.errors import DataError
from twofold.recipe.columns import Date, Number, Table

Parts = dict[str, Array]
"""The rows of each part by its name: train, validation, test."""
NAMES = {
    "train": "train",
    "training": "train",
    "fit": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "holdout": "test",
}


def divided(spec: Table, frame: Frame, y: Array | None, own_test: bool) -> Parts:
    """The rows of each part, the same for the same seed; y are classes, by which a part holds its share of each.

    `own_test`: the test is a file of its own. Raises `DataError` where a part would be empty.
    """
    if spec.split is not None:
        return _by_column(spec, frame, spec.split)
    if spec.folds is not None:
        return _by_fold(spec, frame, y, spec.folds)
    wanted = {"test": 0.0 if own_test else spec.test, "validation": spec.validation}
    if spec.group is not None:
        return _by_group(spec, frame, spec.group, wanted)
    held = {name: held_count(name, share, frame.rows) for name, share in wanted.items()}
    if sum(held.values()) >= frame.rows:
        raise DataError(
            f"{frame.source}: {frame.rows} rows are too few to hold out {sum(held.values())}; hold out less."
        )
    if spec.order is not None:
        return _by_order(frame, spec.order, held)
    rest, parts = np.arange(frame.rows), Parts()
    for name, size in held.items():
        rest, parts[name] = _drawn(rest, y, size, spec.seed)
    return {"train": rest, **parts}


def _drawn(rows: Array, y: Array | None, size: int, seed: int) -> tuple[Array, Array]:
    """The rows that stay and `size` rows that are held out: stratified if every class has two rows or more."""
    if not size:
        return rows, rows[:0]
    if y is not None:
        kinds, counts = np.unique(y[rows], return_counts=True)
        if counts.min() >= 2 and len(kinds) <= min(size, len(rows) - size):
            stay, leave = stratified(y[rows], size, seed)
            return rows[stay], rows[leave]
    order = np.random.RandomState(seed).permutation(len(rows))
    return rows[np.sort(order[size:])], rows[np.sort(order[:size])]


def _by_fold(spec: Table, frame: Frame, y: Array | None, folds: int) -> Parts:
    """The parts with one fold as the test, stratified or of whole groups; validation is drawn from the rest."""
    if spec.fold >= folds:
        raise DataError(f"`fold` counts the {folds} folds from 0 to {folds - 1}; got {spec.fold}.")
    if folds > frame.rows:
        raise DataError(f"{frame.source}: of {frame.rows} rows no {folds} folds can be made; set data.folds lower.")
    if spec.group is None:
        rest, test = fold_of(frame.rows, folds, spec.fold, spec.seed, y)
    else:
        held = _fold_of_groups(spec, frame, spec.group, folds)
        rest, test = np.flatnonzero(~held), np.flatnonzero(held)
    size = held_count("validation", spec.validation, frame.rows)
    if size >= len(rest):
        raise DataError(
            f"{frame.source}: {len(rest)} rows are too few to hold out {size} beside a fold; hold out less."
        )
    if spec.group is None:
        rest, validation = _drawn(rest, y, size, spec.seed)
    else:
        part = _by_group(spec, frame.at(rest), spec.group, {"validation": spec.validation})
        rest, validation = rest[part["train"]], rest[part["validation"]]
    return {"train": rest, "test": test, "validation": validation}


def _fold_of_groups(spec: Table, frame: Frame, name: str, folds: int) -> Array:
    """Which rows are in the fold: groups, the largest first, go to the fold that has fewest rows so far."""
    codes = words_of(frame.columns[name]).codes
    present, place, sizes = np.unique(codes, return_inverse=True, return_counts=True)
    if len(present) < folds:
        raise DataError(
            f"{frame.source}: column `{name}` holds {len(present)} groups, too few for {folds} folds; set data.folds "
            f"to at most {len(present)}."
        )
    drawn = np.random.RandomState(spec.seed).permutation(len(present))
    rows, fold = np.zeros(folds, int), np.zeros(len(present), int)
    for group in drawn[np.argsort(-sizes[drawn], kind="stable")]:
        fold[group] = int(rows.argmin())
        rows[fold[group]] += sizes[group]
    return fold[place] == spec.fold


def _by_column(spec: Table, frame: Frame, name: str) -> Parts:
    words = words_of(frame.columns[name])
    part_of = [NAMES.get(level.lower()) for level in words.levels]
    wrong = np.array([part is None for part in part_of] or [True])
    rows = np.flatnonzero((words.codes < 0) | wrong[words.codes])
    known = ", ".join(f"`{part}`" for part in ("train", "validation", "test"))
    refuse(
        frame, [Refused(name, rows, f"must say where the row belongs, {known}; got {{cell}}", "")] if len(rows) else []
    )
    parts = Parts()
    for part in ("train", "validation", "test"):
        parts[part] = np.flatnonzero(np.array([name == part for name in part_of])[words.codes])
    if not len(parts["train"]):
        raise DataError(f"{frame.source}: column `{name}` says `train` of no row.")
    return parts


def _by_group(spec: Table, frame: Frame, name: str, wanted: dict[str, float | int]) -> Parts:
    """Whole groups are held out until a part has its share of the rows; rows without a group form one."""
    words = words_of(frame.columns[name])
    groups = int(words.codes.max()) + 2
    codes = np.where(words.codes < 0, groups - 1, words.codes)
    present = np.unique(codes)
    parts_needed = 1 + sum(bool(share) for share in wanted.values())
    if len(present) < parts_needed:
        raise DataError(
            f"{frame.source}: column `{name}` holds {len(present)} group{'s' * (len(present) != 1)}; {parts_needed} "
            "parts need a group each. Set test and validation to 0, or leave `group` out."
        )
    order = np.random.RandomState(spec.seed).permutation(present)
    sizes = np.bincount(codes, minlength=groups)
    at, parts = 0, Parts()
    for part, share in wanted.items():
        size, target, first = 0, held_count(part, share, frame.rows), at
        others = sum(bool(wanted[other]) for other in wanted if other not in parts and other != part)
        while share and at < len(order) - 1 - others and (at == first or size + sizes[order[at]] / 2 <= target):
            size += sizes[order[at]]
            at += 1
        parts[part] = np.flatnonzero(np.isin(codes, order[first:at]))
    return {"train": np.flatnonzero(np.isin(codes, order[at:])), **parts}


def _by_order(frame: Frame, name: str, held: dict[str, int]) -> Parts:
    """The last rows in order are the test, those before them the validation."""
    order = np.argsort(keys_of(frame, name), kind="stable")
    end = len(order) - held["test"]
    middle = end - held["validation"]
    return {"train": order[:middle], "validation": order[middle:end], "test": order[end:]}


def keys_of(frame: Frame, name: str) -> Array:
    """The numbers or dates of a column by which rows are put in order. Raises `DataError` for a cell that is none."""
    cells = frame.columns[name]
    rows = np.flatnonzero(missing(cells))
    _refuse(frame, name, rows, "is empty, and orders the rows")
    if not isinstance(cells, Words):
        return cells
    spec = inferred(name, cells).spec
    if isinstance(spec, Number):  # handed over as texts
        numbers, wrong = quantities(cells, spec)
        _refuse(frame, name, wrong, "must be a number or a date, as 2024-01-31, to order the rows; got {cell}")
        return numbers
    keys, wrong = moments(cells, spec.format if isinstance(spec, Date) else None)
    _refuse(frame, name, wrong, "must be a number or a date, as 2024-01-31, to order the rows; got {cell}")
    return keys


def _refuse(frame: Frame, name: str, rows: Array, rule: str) -> None:
    """Raises `DataError` where there are rows that break the rule."""
    if len(rows):
        refuse(frame, [Refused(name, rows, rule, "")])
