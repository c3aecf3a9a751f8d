"""The text of `table.json`: facts of a table's network, found within bounded time when its run ends."""

from __future__ import annotations

import numpy as np
from pydantic import ValidationError

from twofold.data import Dataset
from twofold.probe.table.alone import standing_alone
from twofold.probe.table.dependence import LEADING, dependence
from twofold.probe.table.drift import drifts
from twofold.probe.table.importance import MOST_COLUMNS, importances, sized
from twofold.probe.table.judge import Judge, variables
from twofold.probe.table.worst import worst_cases
from twofold.recipe.dense import Embedding
from twofold.runs import Run
from twofold.runs.table import TableFacts
from twofold.setup.building import restore
from twofold.setup.samples import is_table

SUSPECTED = 3
"""Columns, the most important ones, that are tried alone."""


def table_text(run: Run, dataset: Dataset) -> str:
    """The text of `table.json` for the first engine that ended; empty where samples are no rows of a user's columns.

    Empty too if the first layer is an `embedding`: whole numbers that name rows of a table of vectors are no
    quantities.
    """
    recipe, engines = run.recipe, list(run.engines)
    if not engines or not is_table(dataset, recipe.data.source) or isinstance(recipe.layers[0], Embedding):  # pyright: ignore[reportAttributeAccessIssue]
        return ""
    judge = Judge(recipe, restore(run, engines[0], device="cpu"), dataset)
    try:
        with np.errstate(all="ignore"):
            return table_facts(judge, engines[0]).text()
    except ValidationError:  # answers beyond all numbers, to rows that never were: there is nothing to draw
        return ""


def table_facts(judge: Judge, engine: str) -> TableFacts:
    """All facts of a table that a run keeps, for one engine."""
    dataset = judge.dataset
    columns, origin = variables(dataset), dataset.origin
    size = sized(judge, min(len(columns), MOST_COLUMNS))
    ranked = importances(judge, columns, size)
    by_name = {column.name: column for column in columns}
    leading = [by_name[one.column] for one in ranked[:LEADING]]
    split, _ = dataset.held_out
    return TableFacts(
        engine=engine,
        split=split,
        columns=tuple(by_name),
        missing=dict(origin.missing) if origin else {},
        left_out={name: origin.reasons.get(name, "") for name in origin.kinds if name not in by_name} if origin else {},
        rows=size.rows,
        repeats=size.repeats,
        importance=tuple(ranked),
        dependence=tuple(curve for column in leading if (curve := dependence(judge, column)) is not None),
        worst=tuple(worst_cases(judge, columns)),
        drift=tuple(drifts(dataset, columns, origin.order if origin else None)) if split != "train" else (),
        grouped=origin.grouped if origin else False,
        alone=tuple(standing_alone(dataset, leading[:SUSPECTED], judge.recipe.task)),
    )
