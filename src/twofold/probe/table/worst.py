"""The rows that are answered worst, with their cells as their owner wrote them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twofold.arrays import Array
from twofold.data.columns.frame import Cells, Words, missing, number_text
from twofold.probe.table.judge import Judge, Variable
from twofold.runs.table import WorstCase

MOST = 10
"""Rows that are kept."""
MOST_COLUMNS = 100
LONGEST = 60
"""Characters that are kept of a cell."""


def worst_cases(judge: Judge, columns: Sequence[Variable]) -> list[WorstCase]:
    """The rows of the largest losses, the worst first; `columns` are those whose cells are kept."""
    answers = judge.answers(judge.x)
    losses = judge.losses(answers)
    origin = judge.dataset.origin
    cases = list[WorstCase]()
    for row in np.argsort(-losses, kind="stable")[:MOST].tolist():
        target, answer = _as_texts(judge, answers[row], judge.target[row])
        loss = float(np.sqrt(losses[row])) if judge.recipe.task == "regression" else float(losses[row])
        place = str(row) if origin is None else origin.held.place(row).removeprefix("data: ").rpartition("/")[2]
        cells = tuple(_cell(judge, column, row) for column in columns[:MOST_COLUMNS])
        cases.append(WorstCase(row=place, target=target, answer=answer, loss=loss, cells=cells))
    return cases


def _as_texts(judge: Judge, answer: Array, target: Array) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The target and the answer as texts: a class, the labels, or the numbers in their unit."""
    names = judge.dataset.classes
    match judge.recipe.task:
        case "classification":
            return (names[int(target)],), (names[int(answer.argmax())],)
        case "multi_label":
            pairs = list(zip(judge.dataset.targets, target > 0.5, answer > 0.5, strict=True))
            return tuple(name for name, right, _ in pairs if right), tuple(name for name, _, got in pairs if got)
    numbers = (judge.in_unit(part.astype(np.float64)) for part in (target, answer))
    right, got = (tuple(f"{value:.6g}" for value in part) for part in numbers)
    return right, got


def _cell(judge: Judge, column: Variable, row: int) -> str:
    """A cell as it was read; a plain number with six digits, in its own unit."""
    dataset = judge.dataset
    if column.fitted is not None and dataset.origin is not None:
        return cell_text(dataset.origin.held.columns[column.name], row)[:LONGEST]
    value = float(dataset.held_out[1].floats()[row, column.place.start])
    if (done := dataset.standardization) is not None:
        shift, divisor = (np.broadcast_to(part, dataset.train.x.shape[1:])[column.place.start] for part in done)
        value = value * float(divisor) + float(shift)
    return f"{value:.6g}"


def cell_text(cells: Cells, row: int) -> str:
    """A cell as its file has it; empty for a missing one."""
    if isinstance(cells, Words):
        return cells.levels[cells.codes[row]] if cells.codes[row] >= 0 else ""
    if missing(cells[row : row + 1])[0]:
        return ""
    if cells.dtype.kind == "M":
        return str(cells[row].astype("datetime64[s]")).removesuffix("T00:00:00").replace("T", " ")
    return number_text(cells[row].item())
