"""What became of the columns of a table, the bins of its calibration, and its worst rows, as tables of the page."""

from __future__ import annotations

import math
from collections.abc import Iterator

from twofold.analysis.answers import calibration_bins, judged_probabilities, table_answers
from twofold.data.columns.dates import TURN
from twofold.data.columns.fitted import (
    Fitted,
    FittedBoolean,
    FittedCategory,
    FittedDate,
    FittedNumber,
    FittedOrdinal,
    FittedText,
)
from twofold.report.plain import PlainTable
from twofold.report.text import ENGINES, SPLITS, decimal, joined, plural
from twofold.runs import COLUMNS, Run
from twofold.runs.evidence import evidence, kept_scaling
from twofold.runs.table import TableFacts, WorstCase

MOST_COLUMNS = 60
"""Rows of the table of columns."""
MOST_LEVELS, LONGEST = 6, 24
MOST_CELLS = 5
"""Columns whose cells stand beside a worst row, the most important ones."""

PROBABILITY = "probability of true"
MEASURES = {
    "classification": PROBABILITY,
    "regression": "standard deviations off",
    "multi_label": "log loss",
}
"""How wrong an answer is said to be."""


def columns_table(run: Run) -> PlainTable | None:
    """The columns of a table, their kinds, what is missing of them, and what they became.

    None of numbers that are taken as they are.
    """
    facts = run.table
    if facts is None or (COLUMNS not in run.record.files and kept_scaling(evidence(run), "standardization") is None):
        return None
    rows = list(_fitted_rows(run, facts) if COLUMNS in run.record.files else _plain_rows(run, facts))
    rows += [(name, "left out", "", "", reason.removesuffix(" and is left out"), "0") for name, reason in _out(facts)]
    more = f" The first {MOST_COLUMNS} of {len(rows):,} columns." if len(rows) > MOST_COLUMNS else ""
    caption = (
        "The columns of the table and what became of them. Levels, means and what stands for a missing value are those "
        f"of the {plural(run.record.data.samples['train'], 'training row')}; they are kept in `columns.json`.{more}"
        if COLUMNS in run.record.files
        else f"The columns of the table and what became of them.{more}"
    )
    head = ("column", "kind", "missing", "filled with", "what became of it", "inputs")
    return PlainTable("Columns", caption, head, rows[:MOST_COLUMNS], frozenset({2, 5}))


def _out(facts: TableFacts) -> Iterator[tuple[str, str]]:
    return ((name, reason or "the recipe says so") for name, reason in facts.left_out.items())


def _fitted_rows(run: Run, facts: TableFacts) -> Iterator[tuple[str, ...]]:
    for column in run.columns.columns:
        absent = facts.missing.get(column.name, 0)
        filled = _filled(column) if absent else "–"
        yield column.name, column.kind, f"{absent:,}", filled, _became(column), str(len(column.outputs()))


def _plain_rows(run: Run, facts: TableFacts) -> Iterator[tuple[str, ...]]:
    """Columns of a table of plain numbers, standardized."""
    scaling = kept_scaling(evidence(run), "standardization")
    assert scaling is not None
    for at, name in enumerate(facts.columns):
        shift, divisor = (part[at] if part.size > 1 else part.ravel()[0] for part in scaling)
        yield name, "number", "0", "–", _scaled(float(shift), float(divisor)), "1"


def _scaled(shift: float, divisor: float) -> str:
    return f"minus {_number(shift)}, over {_number(divisor)}"


def _number(value: float) -> str:
    return decimal(value, 4).replace("-", "−")


def _filled(column: Fitted) -> str:
    """What stands for a missing value."""
    match column:
        case FittedNumber():
            how = f"{column.spec.missing} " if isinstance(column.spec.missing, str) else ""
            return f"{how}{_number(column.fill)}"
        case FittedCategory():
            return "a level of its own" if column.absent else "no level"
        case FittedOrdinal():
            return f"median, {column.levels[round(column.fill)]}"
        case FittedBoolean():
            return f"share of true, {_number(column.fill)}"
        case FittedDate():
            return "median"
        case FittedText():
            return "no word"


def _became(column: Fitted) -> str:
    match column:
        case FittedNumber():
            if column.quantiles:
                return "by rank to a normal distribution"
            clipped = f", at most ±{_number(column.spec.clip)}" if column.spec.clip is not None else ""
            beside = "; beside it 1 where missing" if column.spec.indicator else ""
            how = "as it is" if column.spec.scale == "none" else _scaled(column.shift, column.divisor)
            return f"{how}{clipped}{beside}"
        case FittedCategory():
            beside = [name for name, there in (("missing", column.absent), ("all others", column.other)) if there]
            extra = f", and {joined(beside)}" if beside else ""
            return f"{plural(len(column.levels), 'level')}: {_listed(column.levels)}{extra}"
        case FittedOrdinal():
            return f"its place among {_listed(column.levels)}, {_scaled(column.shift, column.divisor)}"
        case FittedBoolean():
            return "1 or 0"
        case FittedDate():
            cyclic = " (turning ones as sine and cosine)" if column.cyclic and set(column.parts) & set(TURN) else ""
            return f"{joined(column.parts)}{cyclic}"
        case FittedText():
            return f"counts of words at {column.width} places of their hashes"


def _listed(levels: tuple[str, ...]) -> str:
    few = ", ".join(_cut(level) for level in levels[:MOST_LEVELS])
    return few + (", …" if len(levels) > MOST_LEVELS else "")


def _cut(text: str, longest: int = LONGEST) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def calibration_table(run: Run) -> PlainTable | None:
    """The numbers of the calibration curve."""
    judged, task = table_answers(run), run.record.data.task
    if judged is None or task == "regression":
        return None
    p, right, what = judged_probabilities(judged, task)
    rows = [
        (
            f"{decimal(one.begin, 2)} to {decimal(one.end, 2)}",
            f"{one.count:,}",
            f"{one.probability:.3f}",
            f"{one.share:.3f}",
            f"{one.low:.3f} to {one.high:.3f}",
        )
        for one in calibration_bins(p, right)
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
    shown = [one.column for one in facts.importance[:MOST_CELLS]]
    places = {name: at for at, name in enumerate(facts.columns)}
    shown = [name for name in shown if places[name] < len(facts.worst[0].cells)]
    measure = MEASURES[task]
    head = ("row", "true", "answered", measure, *shown)
    rows = [
        (*_judged(case), _wrong(case.loss, measure), *(_cut(case.cells[places[name]]) or "–" for name in shown))
        for case in facts.worst
    ]
    which = "its cells" if len(shown) == len(facts.columns) else "its cells in the columns that matter most"
    caption = (
        f"The {len(rows)} of {plural(run.record.data.samples[facts.split], SPLITS[facts.split] + ' row')} that "
        f"{ENGINES[facts.engine]} answers worst, the worst first, each with {which}, as they were read."
    )
    return PlainTable("Worst cases", caption, head, rows, frozenset({3}))


def _wrong(loss: float, measure: str) -> str:
    """How wrong an answer is: of classes the probability that was left to the true one, e^−loss."""
    return decimal(math.exp(-loss), 2) if measure == PROBABILITY else f"{loss:.2f}"


def _judged(case: WorstCase) -> tuple[str, str, str]:
    target, answer = (", ".join(_cut(name) for name in names) or "none" for names in (case.target, case.answer))
    return case.row, target, answer
