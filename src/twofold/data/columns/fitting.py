"""Columns fitted to the training rows, by scikit-learn's transformers: medians, scales, levels."""

from __future__ import annotations

import re

import numpy as np

from twofold.arrays import Array
from twofold.data.columns.dates import TURN, FittedDate, part_of
from twofold.data.columns.faults import in_recipe
from twofold.data.columns.fitted import (
    Fitted,
    FittedBoolean,
    FittedCategory,
    FittedNumber,
    FittedOrdinal,
    FittedText,
    placed,
    truths,
)
from twofold.data.columns.frame import Cells, Words, words_of
from twofold.data.columns.values import date_format, date_levels, moments, quantities
from twofold.data.names import class_order, number_of
from twofold.errors import DataError
from twofold.recipe.columns import Boolean, Category, ColumnSpec, Date, DatePart, Number, Ordinal, Text

QUANTILES = 1000
"""Quantiles of a column that are kept, at most."""


def fitted(name: str, spec: ColumnSpec, cells: Cells) -> Fitted:
    """A column fitted to its cells in the training rows. Raises `DataError` where these cannot be fitted to."""
    match spec:
        case Number():
            return _number(name, spec, cells)
        case Category():
            return _category(name, spec, cells)
        case Ordinal():
            return _ordinal(name, spec, cells)
        case Boolean():
            return _boolean(name, spec, cells)
        case Date():
            return _date(name, spec, cells)
        case Text():
            return FittedText(name=name, width=spec.width)
    raise TypeError(f"no way to fit {spec!r}")


def _number(name: str, spec: Number, cells: Cells) -> FittedNumber:
    values, wrong = quantities(cells, spec)
    held = values[~np.isnan(values) & np.isfinite(values)]
    if isinstance(spec.missing, float | int) and not isinstance(spec.missing, bool):
        fill = float(spec.missing)
    else:
        _check_held(name, held, wrong, in_recipe(name, "drop"))
        fill = imputed(held, "mean" if spec.missing == "mean" else "median")
    whole = np.where(np.isnan(values), fill, values)
    shift, divisor = _scale(whole, spec.scale)
    quantiles = _quantiles(whole) if spec.scale == "quantile" else ()
    return FittedNumber(name=name, spec=spec, fill=fill, shift=shift, divisor=divisor, quantiles=quantiles)


def _check_held(name: str, held: Array, wrong: Array, remedy: str) -> None:
    """Raises `DataError` for a column without a value; cells of another kind are told by line when they are encoded."""
    if not len(held) and not len(wrong):
        raise DataError(f"column `{name}` holds no value in any training row; leave it out: {remedy} under [data].")


def imputed(held: Array, strategy: str) -> float:
    """The mean or median, as scikit-learn's `SimpleImputer` puts in place of a missing value; 0 without values."""
    if not len(held):
        return 0.0
    return float(np.mean(held) if strategy == "mean" else np.median(held))


def _scale(values: Array, how: str) -> tuple[float, float]:
    """Shift and divisor of scikit-learn's `StandardScaler` or `RobustScaler`; a constant stays 0."""
    if how in ("none", "quantile"):
        return 0.0, 1.0
    from sklearn.preprocessing import RobustScaler, StandardScaler

    column = values[:, None]
    with np.errstate(over="ignore", invalid="ignore"):
        if how == "robust":
            robust = RobustScaler().fit(column)
            shift, divisor = _only(robust.center_), _only(robust.scale_)
            if divisor == 1 and values.min() < values.max() and np.ptp(np.percentile(values, [25, 75])) == 0:
                divisor = float(values.std())  # most rows are alike: the quartiles say nothing of the others
        else:
            standard = StandardScaler().fit(column)
            shift, divisor = _only(standard.mean_), _only(standard.scale_)
    if not (np.isfinite(shift) and np.isfinite(divisor)):
        raise DataError("a column's squares are beyond float64; scale it down")
    return shift, divisor


def _only(values: object) -> float:
    """The number of the one column that a transformer was fitted to."""
    return float(np.asarray(values)[0])


def _quantiles(values: Array) -> tuple[float, ...]:
    from sklearn.preprocessing import QuantileTransformer

    count = min(QUANTILES, len(values))
    transformer = QuantileTransformer(n_quantiles=count, output_distribution="normal", subsample=len(values))
    return tuple(map(float, np.asarray(transformer.fit(values[:, None]).quantiles_)[:, 0]))


def _category(name: str, spec: Category, cells: Cells) -> FittedCategory:
    words = words_of(cells)
    counts = words.counts()
    held = [(level, int(count)) for level, count in zip(words.levels, counts, strict=True) if count]
    often = [(level, count) for level, count in held if count >= spec.least]
    often.sort(key=lambda level: (-level[1], class_order(level[0])))
    limit = spec.embed_above
    embedded = limit is not None and (limit == 0 or len(often) > limit)
    levels = tuple(sorted((level for level, _ in (often if embedded else often[: spec.most])), key=class_order))
    return FittedCategory(
        name=name,
        levels=levels,
        absent=bool((words.codes < 0).any()),
        other=len(levels) < len(held),
        refuses=spec.unseen == "refuse",
        words=isinstance(cells, Words),
        embedded=embedded,
    )


def _ordinal(name: str, spec: Ordinal, cells: Cells) -> FittedOrdinal:
    words = words_of(cells)
    levels = spec.levels
    if levels is None:
        held = [level for level, count in zip(words.levels, words.counts(), strict=True) if count]
        if any(number_of(level) is None for level in held):
            shown = in_recipe(name, "ordinal", levels=sorted(held)[:10])
            raise DataError(f"column `{name}`: words have no order by themselves; name it from low to high: {shown}")
        levels = tuple(sorted(held, key=class_order))
    places, unseen = placed(cells, levels)
    held = places[~np.isnan(places)]
    _check_held(name, held, np.flatnonzero(unseen), in_recipe(name, "drop"))
    fill = imputed(held, "median")
    shift, divisor = _scale(np.where(np.isnan(places), fill, places), "standard")
    return FittedOrdinal(
        name=name,
        levels=levels,
        fill=fill,
        shift=shift,
        divisor=divisor,
        refuses_missing=spec.missing == "refuse",
        refuses_unseen=spec.unseen == "refuse",
        words=isinstance(cells, Words),
    )


def _boolean(name: str, spec: Boolean, cells: Cells) -> FittedBoolean:
    values, wrong = truths(cells, spec.true, spec.false)
    held = values[~np.isnan(values)]
    _check_held(name, held, wrong, in_recipe(name, "drop"))
    fill = imputed(held, "mean")
    refuses = spec.missing == "refuse"
    return FittedBoolean(name=name, true=spec.true, false=spec.false, fill=fill, refuses_missing=refuses)


def _check_format(name: str, form: str) -> None:
    """Raises `DataError` for what is no format of dates."""
    try:
        date_levels(["2024-01-31"], form)
    except (ValueError, re.error) as error:
        shown = in_recipe(name, "date", format="%d.%m.%Y")
        raise DataError(f'column `{name}`: "{form}" is no format of dates ({error}); write one as {shown}') from None


def _date(name: str, spec: Date, cells: Cells) -> FittedDate:
    form = spec.format
    if form is not None:
        _check_format(name, form)
    if form is None and isinstance(cells, Words):
        form = date_format(cells.levels)
    dates, wrong = moments(cells, form)
    held = dates[~np.isnat(dates)]
    _check_held(name, held, wrong, in_recipe(name, "date", format="%d.%m.%Y"))
    seconds = np.sort(held.astype(np.int64))
    fill = int(seconds[len(seconds) // 2]) if len(seconds) else 0
    times = bool((seconds % 86400 != 0).any())
    usual: tuple[DatePart, ...] = ("days", "month", "weekday", *(("hour",) if times else ()))
    parts = spec.parts or usual
    whole = np.where(np.isnat(dates), np.datetime64(fill, "s"), dates)
    around = [spec.cyclic and part in TURN for part in parts]
    scales = [
        (0.0, 1.0) if turns else _scale(part_of(whole, part), "standard")
        for part, turns in zip(parts, around, strict=True)
    ]
    return FittedDate(
        name=name,
        format=form,
        parts=parts,
        cyclic=spec.cyclic,
        fill=fill,
        shifts=tuple(shift for shift, _ in scales),
        divisors=tuple(divisor for _, divisor in scales),
        refuses_missing=spec.missing == "refuse",
    )
