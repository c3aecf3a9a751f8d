"""The facts that `twofold columns` shows of a file: each column's kind, content and recipe line, and oddities."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np

from twofold.data.columns.dividing import divided
from twofold.data.columns.embedded import PROPOSED, codes_of, is_wide, layer_line
from twofold.data.columns.encoding import fit
from twofold.data.columns.faults import in_recipe, quoted, stated_in_recipe
from twofold.data.columns.frame import Cells, Frame, Words, missing, number_text, words_of
from twofold.data.columns.kinds import Inferred, inferred
from twofold.data.columns.labels import KindOfLabel, classes_of, kind_of_label, labelled, numbers_of
from twofold.data.columns.leaks import gives_away, repeated_rows
from twofold.data.columns.plan import planned
from twofold.data.columns.reading import read_table
from twofold.data.columns.values import moments, quantities
from twofold.data.published import Progress, silent
from twofold.errors import DataError
from twofold.plain import Parsed
from twofold.recipe.columns import Category, ColumnSpec, Date, Drop, Number, Table

EXAMPLES = 3
RARE = 10
"""Rows below which a class is called rare."""


@dataclass(frozen=True)
class ColumnFacts:
    """One column of a file."""

    name: str
    role: str
    """`feature`, `label` or `left out`."""
    kind: str
    missing: int
    distinct: int
    range: str
    """The least and largest value, or the most frequent levels."""
    examples: tuple[str, ...]
    recipe: str
    """The line under `[data]` that says the same."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableFacts:
    """The facts of a whole file."""

    path: str
    rows: int
    label: str | None
    target: KindOfLabel | None
    """Whether the label looks like classes or like a number."""
    columns: tuple[ColumnFacts, ...]
    notes: tuple[str, ...]
    """How the file is read."""
    warnings: tuple[str, ...]
    """What is odd about the table as a whole: rows on both sides of the split, rare classes."""
    layer: str = ""
    """The first layer that a recipe with these lines needs, if they embed columns; else empty."""

    def to_json(self) -> dict[str, Parsed]:
        """Plain values: what `twofold columns --json` prints."""
        return asdict(self)


def look(spec: Table, label: str | None, progress: Progress = silent) -> TableFacts:
    """The facts of the file that `spec` reads; with a label also what gives it away, and rows on both sides of a split.

    Raises `DataError` for what is no table.
    """
    path = spec.path or ""
    frame = read_table(spec, path, () if label is None else (label,), (), progress)
    guesses = {name: inferred(name, cells) for name, cells in frame.columns.items()}
    levels = [name for name, guess in guesses.items() if guess.spec == Category() and name != label]
    wide = [name for name in levels if is_wide(frame.columns[name])]
    facts = [_facts(name, cells, _proposed(guesses[name], name in wide)) for name, cells in frame.columns.items()]
    warnings = [f"column `{name}` stands in the header more than once" for name in sorted(frame.repeated)]
    target = None
    if label is not None:
        target = kind_of_label(frame.columns[label])
        facts = [_as_label(fact, target) if fact.name == label else fact for fact in facts]
        warnings += _rare_classes(frame, label, target)
        leaks, repeated = _leaks(spec, frame, label, target, progress)
        facts = [_with_warning(fact, leaks.get(fact.name)) for fact in facts]
        warnings += repeated
    notes = tuple(note.removeprefix(f"{path}: ") for note in frame.notes)
    layer = layer_line([codes_of(frame.columns[name], PROPOSED) for name in wide]) if wide else ""
    return TableFacts(path, frame.rows, label, target, tuple(facts), notes, tuple(warnings), layer)


def _proposed(guess: Inferred, wide: bool) -> Inferred:
    return guess._replace(spec=PROPOSED) if wide else guess


def _facts(name: str, cells: Cells, guess: Inferred) -> ColumnFacts:
    words = words_of(cells)
    spec = guess.spec
    kind = type(spec).model_fields["kind"].default
    options = spec.model_dump(mode="json", exclude_defaults=True)
    held = np.flatnonzero(words.codes >= 0)
    firsts = [words.levels[words.codes[row]] for row in held[:50]]
    infinite = int(np.isinf(cells).sum()) if not isinstance(cells, Words) and cells.dtype.kind == "f" else 0
    endless = f"holds infinity in {infinite:,} rows, which is refused" if infinite else ""
    notes = [guess.note or guess.warning, endless, guess.refusal.replace("{cell}", quoted(firsts[0] if firsts else ""))]
    return ColumnFacts(
        name,
        "left out" if isinstance(spec, Drop) and not guess.refusal else "feature",
        kind if not guess.refusal else "not clear",
        int(missing(cells).sum()),
        int((words.counts() > 0).sum()),
        range_of(cells, spec),
        tuple(dict.fromkeys(firsts))[:EXAMPLES],
        in_recipe(name, kind, **options) if not guess.refusal else " or ".join(stated_in_recipe(name, guess.remedies)),
        tuple(filter(None, notes)),
    )


def range_of(cells: Cells, spec: ColumnSpec) -> str:
    """From the least to the largest; of words the most frequent, with how many rows hold each."""
    if isinstance(spec, Number) or (not isinstance(cells, Words) and cells.dtype.kind != "M"):
        values, _ = quantities(cells, spec if isinstance(spec, Number) else Number())
        values = values[~np.isnan(values)]
        return f"{number_text(values.min())} to {number_text(values.max())}" if len(values) else ""
    if isinstance(spec, Date):
        dates, _ = moments(cells, spec.format)
        dates = dates[~np.isnat(dates)]
        whole = (dates.astype(np.int64) % 86400 == 0).all()
        unit = "D" if whole else "s"
        return f"{dates.min().astype(f'datetime64[{unit}]')} to {dates.max().astype(f'datetime64[{unit}]')}"
    words = words_of(cells)
    counts = words.counts()
    order = np.argsort(-counts, kind="stable")[:EXAMPLES]
    return ", ".join(f"{words.levels[at][:30]} ({counts[at]:,})" for at in order if counts[at])


def _as_label(fact: ColumnFacts, target: KindOfLabel) -> ColumnFacts:
    absent = (f'{fact.missing:,} rows have none: set without_label = "drop"',) if fact.missing else ()
    return replace(fact, role="label", kind=target, recipe=f'label = "{fact.name}"', warnings=absent)


def _with_warning(fact: ColumnFacts, warning: str | None) -> ColumnFacts:
    return fact if warning is None else replace(fact, warnings=(*fact.warnings, warning))


def _rare_classes(frame: Frame, label: str, target: KindOfLabel) -> list[str]:
    """A sentence about the classes that few rows hold; none for numbers, and where no class is rare."""
    if target != "classes":
        return []
    words = words_of(frame.columns[label])
    rare = [(words.levels[at], count) for at, count in enumerate(words.counts()) if 0 < count < RARE]
    named = ", ".join(f"`{name}` ({count})" for name, count in rare[:5])
    return [f"{len(rare)} classes stand in fewer than {RARE} rows: {named}"] if rare else []


def _leaks(
    spec: Table, frame: Frame, label: str, target: KindOfLabel, progress: Progress
) -> tuple[dict[str, str], list[str]]:
    """A warning for each column that alone gives the label away, and one where held-out rows equal training rows."""
    reading = spec.model_copy(update={"label": label, "without_label": "drop"})
    held = labelled(reading, frame)
    try:
        y = classes_of(reading, held)[0] if target == "classes" else numbers_of((label,), held)[:, 0]
        plan = planned(reading, held)
        columns = fit(plan, held, np.arange(held.rows), (label,))
        x = columns.encode(held)
    except DataError:  # the facts of the columns already tell what is wrong
        return {}, []
    leaks = gives_away(columns, x, y, target == "classes", progress)
    try:
        parts = divided(reading, held, y if target == "classes" else None, own_test=False)
    except DataError:  # too few rows to hold some out: then none is on both sides
        return leaks, []
    repeated, count = repeated_rows(x, y, parts["train"], parts["test"]), len(parts["test"])
    warning = f"{repeated:,} of {count:,} rows that would be held out are equal to a training row, label included"
    return leaks, [warning] if repeated else []
