"""A CSV file of the user's own: every fault is named by line and column. Parsing is pandas'."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from twofold.data.dataset import Dataset, hold_out
from twofold.errors import DataError, did_you_mean
from twofold.recipe.data import Csv

MOST_FAULTS = 10


def load_csv(spec: Csv) -> Dataset:
    """Read, check, split. Raises `DataError` with up to ten faults, each as `file:line: column`."""
    table = _read(spec)
    features = _columns(spec, table)
    faults = [fault for column in features for fault in _number_faults(table[column])]
    faults += [(line, spec.label, "is empty; give every sample a class") for line in _empty(table[spec.label])]
    if faults:
        raise DataError(_listed(spec.path, faults))
    x = np.stack([table[column].astype(np.float64).to_numpy() for column in features], axis=1)
    labels = table[spec.label].str.strip()
    classes = tuple(sorted(labels.unique(), key=_class_order))
    _check_classes(spec, table, classes)
    y = labels.map({name: index for index, name in enumerate(classes)}).to_numpy(np.int64)
    dataset = hold_out(x, y, classes, spec, spec.test)
    return Dataset(dataset.train, dataset.validation, dataset.test, classes, features)


def _read(spec: Csv) -> Any:
    """All cells as text; the index is the line in the file."""
    import pandas as pd

    path = Path(spec.path)
    if not path.is_file():
        raise DataError(f"no file {spec.path}; `data.path` starts at the folder of the recipe.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                path,
                sep=spec.delimiter,
                dtype=str,
                na_filter=False,
                skip_blank_lines=False,
                index_col=False,
                encoding="utf-8-sig",
                skipinitialspace=True,
            )
    except pd.errors.EmptyDataError:
        raise DataError(f"{spec.path}:1: the file is empty; it must begin with a row of column names.") from None
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise DataError(f"{spec.path}: not a table: {str(error).strip()}") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{spec.path}: not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8."
        ) from error
    except OSError as error:
        raise DataError(f"{spec.path}: {error.strerror}") from error
    table.index = range(2, len(table) + 2)
    table = table.fillna("").astype(str)
    table = table[(table != "").any(axis=1)]
    if table.empty:
        raise DataError(
            f"{spec.path}:2: no rows under the header; the file must hold at least one sample of each class."
        )
    return table


def _columns(spec: Csv, table: Any) -> tuple[str, ...]:
    known = [str(column) for column in table.columns]
    if len(known) == 1 and spec.label not in known:
        raise DataError(
            f"{spec.path}:1: a single column `{known[0]}`; where columns are not separated by `{spec.delimiter}`, "
            'say so with data.delimiter, as in `--set data.delimiter=";"`.'
        )
    features = spec.features or tuple(column for column in known if column != spec.label)
    for name in (spec.label, *features):
        if name not in known:
            raise DataError(f"{spec.path}:1: no column `{name}`; {did_you_mean(name, known)}")
    if spec.label in features:
        raise DataError(f"{spec.path}:1: column `{spec.label}` is the label and cannot be a feature as well.")
    if not features:
        raise DataError(f"{spec.path}:1: no feature columns beside the label `{spec.label}`.")
    return features


def _empty(cells: Any) -> list[int]:
    return [int(line) for line in cells.index[cells.str.strip() == ""]]


def _number_faults(cells: Any) -> list[tuple[int, str, str]]:
    """The cells that are no finite number, as (line, column, rule)."""
    import pandas as pd

    numbers = np.asarray(pd.to_numeric(cells, errors="coerce"), np.float64)
    bad = cells[~np.isfinite(numbers)]
    return [(int(line), str(cells.name), _number_rule(text)) for line, text in bad.items()]


def _number_rule(text: str) -> str:
    if not text.strip():
        return "is empty; fill the value in or remove the row"
    try:
        float(text)
    except ValueError:
        return f'must be a number; got "{text}"'
    return f"must be finite; got {text}"


def _listed(path: str, faults: list[tuple[int, str, str]]) -> str:
    faults = sorted(faults, key=lambda fault: fault[0])
    lines = [f"{path}:{line}: column `{column}` {rule}" for line, column, rule in faults[:MOST_FAULTS]]
    more = len(faults) - MOST_FAULTS
    if more > 0:
        lines.append(f"and {more} more")
    if len({line for line, _, _ in faults}) > 1 and len({column for _, column, _ in faults}) == 1:
        lines.append("Where this column is no feature, name the features: data.features = [...]")
    return "\n".join(lines)


def _check_classes(spec: Csv, table: Any, classes: tuple[str, ...]) -> None:
    if len(classes) == 1:
        lines = f"lines {table.index[0]} to {table.index[-1]}"
        raise DataError(
            f"{spec.path}: column `{spec.label}` holds one class only, `{classes[0]}`, in {lines}; "
            "a classifier needs at least two."
        )
    if spec.classes is not None and spec.classes != len(classes):
        raise DataError(
            f"{spec.path}: column `{spec.label}` holds {len(classes)} classes; `data.classes` says {spec.classes}."
        )


def _class_order(name: str) -> tuple[int, float, str]:
    """Numbers by value, then words by the alphabet."""
    try:
        return (0, float(name), name)
    except ValueError:
        return (1, 0.0, name)
