"""What became of the columns of a table, the bins of its calibration, and its worst rows, as tables of the page."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from twofold.analysis.answers import calibration_bins, judged_probabilities, table_answers
from twofold.report.plain import PlainTable
from twofold.report.text import ENGINES, SPLITS, decimal, plural, shortened
from twofold.runs import COLUMNS, Run
from twofold.runs.evidence import evidence, kept_scaling

if TYPE_CHECKING:
    from twofold.runs.table import TableFacts, WorstCase

MOST_COLUMNS = 60
"""Rows of the table of columns at most."""
LONGEST = 24
"""Characters of a level, a class or a cell, before it is cut."""
MOST_CELLS = 5
"""Columns whose cells stand beside a worst row, the most important ones."""

PROBABILITY = "probability of true"
MEASURES = {
    "classification": PROBABILITY,
    "regression": "standard deviations off",
    "multi_label": "log loss",
}
"""By which measure the worst rows are shown, for each task: the heading of its column."""


def columns_table(run: Run) -> PlainTable | None:
    """The columns of a table, their kinds, what is missing of them, and what they became.

    `None` where the columns are numbers that are taken as they are.
    """
    facts = run.table
    if facts is None or (COLUMNS not in run.record.files and kept_scaling(evidence(run), "standardization") is None):
        return None
    rows = list(_fitted_rows(run, facts) if COLUMNS in run.record.files else _plain_rows(run, facts))
    rows += [
        (name, "left out", "", "", reason.removesuffix(" and is left out"), "0") for name, reason in _left_out(facts)
    ]
    more = f" The first {MOST_COLUMNS} of {len(rows):,} columns." if len(rows) > MOST_COLUMNS else ""
    caption = (
        "The columns of the table and what became of them. Levels, means and what stands for a missing value are those "
        f"of the {plural(run.record.data.samples['train'], 'training row')}; they are kept in `columns.json`.{more}"
        if COLUMNS in run.record.files
        else f"The columns of the table and what became of them.{more}"
    )
    head = ("column", "kind", "missing", "filled with", "what became of it", "inputs")
    return PlainTable("Columns", caption, head, rows[:MOST_COLUMNS], frozenset({2, 5}))


def _left_out(facts: TableFacts) -> Iterator[tuple[str, str]]:
    return ((name, reason or "the recipe says so") for name, reason in facts.left_out.items())


def _fitted_rows(run: Run, facts: TableFacts) -> Iterator[tuple[str, ...]]:
    from twofold.report.fitted import became, filled

    for column in run.columns.columns:
        absent = facts.missing.get(column.name, 0)
        instead = filled(column) if absent else "–"
        yield column.name, column.kind, f"{absent:,}", instead, became(column), str(len(column.outputs()))


def _plain_rows(run: Run, facts: TableFacts) -> Iterator[tuple[str, ...]]:
    """Columns of a table of plain numbers, standardized."""
    from twofold.report.fitted import scaled

    scaling = kept_scaling(evidence(run), "standardization")
    assert scaling is not None
    for at, name in enumerate(facts.columns):
        shift, divisor = (part[at] if part.size > 1 else part.ravel()[0] for part in scaling)
        yield name, "number", "0", "–", scaled(float(shift), float(divisor)), "1"


def calibration_table(run: Run) -> PlainTable | None:
    """The numbers of the calibration curve; `None` for numbers to predict."""
    judged, task = table_answers(run), run.record.data.task
    if judged is None or task == "regression":
        return None
    p, right, what = judged_probabilities(judged, task)
    rows = [
        (
            f"{decimal(bin_.begin, 2)} to {decimal(bin_.end, 2)}",
            f"{bin_.count:,}",
            f"{bin_.probability:.3f}",
            f"{bin_.share:.3f}",
            f"{bin_.low:.3f} to {bin_.high:.3f}",
        )
        for bin_ in calibration_bins(p, right)
    ]
    caption = (
        f"Calibration in numbers: the {SPLITS[run.record.data.held_out]} answers of {ENGINES[judged.engine]} by the "
        f"probability of {what}, and the share of each bin of which it is so, with its 95 % interval (Wilson’s)."
    )
    head = ("probability", "answers", "mean of it", "share that is so", "95 %")
    return PlainTable("Calibration", caption, head, rows, frozenset({1, 2, 3, 4}))


def worst_table(run: Run) -> PlainTable | None:
    """The rows that are answered worst, as their owner wrote them."""
    facts = run.table
    if facts is None or not facts.worst:
        return None
    task = run.record.data.task
    shown = [fact.column for fact in facts.importance[:MOST_CELLS]]
    places = {name: at for at, name in enumerate(facts.columns)}
    shown = [name for name in shown if places[name] < len(facts.worst[0].cells)]
    measure = MEASURES[task]
    head = ("row", "true", "answered", measure, *shown)
    rows = [
        (
            *_judged(case),
            _wrong(case.loss, measure),
            *(shortened(case.cells[places[name]], LONGEST) or "–" for name in shown),
        )
        for case in facts.worst
    ]
    which = "its cells" if len(shown) == len(facts.columns) else "its cells in the columns that matter most"
    caption = (
        f"The {len(rows)} of {plural(run.record.data.samples[facts.split], SPLITS[facts.split] + ' row')} that "
        f"{ENGINES[facts.engine]} answers worst, the worst first, each with {which}, as they were read."
    )
    return PlainTable("Worst cases", caption, head, rows, frozenset({3}))


def _wrong(loss: float, measure: str) -> str:
    """How wrong an answer is: for classes the probability given to the true one, e^−loss, else the loss itself."""
    return decimal(math.exp(-loss), 2) if measure == PROBABILITY else f"{loss:.2f}"


def _judged(case: WorstCase) -> tuple[str, str, str]:
    target, answer = (", ".join(_cut(name) for name in names) or "none" for names in (case.target, case.answer))
    return case.row, target, answer


def _cut(text: str) -> str:
    return shortened(text, LONGEST)
