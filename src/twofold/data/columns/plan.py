"""Which columns of a table are features, and of which kind: stated in the recipe, or inferred from the cells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from twofold.data.columns.faults import Refused, either, in_recipe, refuse, stated_in_recipe
from twofold.data.columns.frame import Cells, Frame, Words, missing
from twofold.data.columns.kinds import Inferred, inferred
from twofold.errors import DataError, did_you_mean
from twofold.recipe.columns import ColumnSpec, Drop, Table, stated

MOST_LISTED = 40


@dataclass(frozen=True)
class Planned:
    """The kind of one column, and where it comes from."""

    name: str
    spec: ColumnSpec
    stated: bool
    """Whether the recipe says it."""
    note: str = ""
    warning: str = ""


@dataclass(frozen=True)
class Plan:
    """All columns of a table that have no other role."""

    columns: tuple[Planned, ...]

    @property
    def features(self) -> tuple[Planned, ...]:
        """The columns that become numbers."""
        return tuple(column for column in self.columns if not isinstance(column.spec, Drop))

    def notes(self) -> Iterable[str]:
        """Sentences on decisions that the owner of the table may not expect."""
        for column in self.columns:
            for text in (column.note, column.warning if not column.note else ""):
                if text:
                    yield f"column `{column.name}` {text}"


def roles(spec: Table) -> tuple[str, ...]:
    """Columns that are no features because they have another role: labels, weights, and what divides the rows."""
    others = (spec.weight, spec.split, spec.group, spec.sequence, spec.order if spec.sequence else None)
    return (*spec.labels, *(name for name in others if name is not None))


def wanted(spec: Table) -> tuple[str, ...]:
    """The names that the header must hold."""
    order = (spec.order,) if spec.order else ()
    features_named = spec.features is not None  # columns stated as dropped need not be there then
    named = [
        name
        for name, column in spec.columns.items()
        if not set(name) & set("*?[") and not (features_named and isinstance(column, Drop))
    ]
    symbols = (spec.symbols,) if spec.symbols else ()
    return tuple(dict.fromkeys((*roles(spec), *order, *symbols, *(spec.features or ()), *named)))


def planned(spec: Table, frame: Frame) -> Plan:
    """The kind of each column. Raises `DataError` for names that cannot be, and for cells that may mean two things."""
    names = _names(spec, frame)
    columns, faults = list[Planned](), list[Refused]()
    for name in names:
        column, fault = _planned(spec, name, frame.columns[name])
        columns.append(column)
        faults += fault
    refuse(frame, faults)
    plan = Plan(tuple(columns))
    if not plan.features:
        reasons = "; ".join(list(plan.notes())[:10]) or "there is none beside the label"
        raise DataError(f"{frame.source}: no column is a feature: {reasons}.")
    return plan


def _names(spec: Table, frame: Frame) -> list[str]:
    """The columns that may be features."""
    for name in wanted(spec):
        if name not in frame.columns:
            raise DataError(f"{frame.source}: no column `{name}`; {did_you_mean(name, frame.names[:MOST_LISTED])}")
        if name in frame.repeated:
            raise DataError(
                f"{frame.source}: column `{name}` stands in the header more than once; names must differ. Rename one."
            )
    others = roles(spec)
    for name in others:
        if others.count(name) > 1 or name in (spec.features or ()):
            what = "a feature" if others.count(name) == 1 else "something else"
            raise DataError(f"{frame.source}: column `{name}` has a role of its own and cannot be {what} as well.")
    if spec.features is not None:
        return [name for name in spec.features if name not in others]
    names = [name for name in frame.names if name not in others]
    for name in names:
        if name in frame.repeated and not isinstance(stated(spec.columns, name), Drop):
            raise DataError(
                f"{frame.source}: column `{name}` stands in the header more than once; names must differ. Rename one, "
                f"or leave them out: {in_recipe(name, 'drop')} under [data] in the recipe."
            )
    return names


def _planned(spec: Table, name: str, cells: Cells) -> tuple[Planned, list[Refused]]:
    told = stated(spec.columns, name)
    if told is not None:
        return Planned(name, told, True), []
    guess = inferred(name, cells)
    return Planned(name, guess.spec, False, guess.note, guess.warning), _refusals(name, cells, guess)


def _refusals(name: str, cells: Cells, guess: Inferred) -> list[Refused]:
    if not guess.refusal:
        return []
    rows = np.flatnonzero(~missing(cells))
    if guess.cell and isinstance(cells, Words):
        rows = np.flatnonzero(cells.codes == cells.levels.index(guess.cell))
    return [Refused(name, rows[:1], guess.refusal, either(stated_in_recipe(name, guess.remedies)))]
