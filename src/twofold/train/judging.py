"""What a run of a table keeps at its end: metrics, and what the network makes of its columns."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping

from twofold.arrays import Array, Arrays
from twofold.data import Dataset
from twofold.plain import Parsed
from twofold.probe.table.kept import is_table, table_text
from twofold.recipe import Model, Recipe
from twofold.runs import METRICS, TABLE, Run
from twofold.setup.events import Watcher
from twofold.setup.outputs import probabilities
from twofold.train.baselines import baselines
from twofold.train.metrics import CONFIDENCE, Measured, difference, measured


def judged(run: Run, dataset: Dataset, evidence: Arrays, watch: Watcher) -> Iterator[tuple[str, str]]:
    """What a run keeps of a table, the text of each file by its name: `metrics.json` and `table.json`.

    Nothing where the samples are no table; no metrics where none of them are held out.
    """
    if not is_table(dataset, run.record.data.source):
        return
    if run.record.data.held_out != "train":
        yield METRICS, metrics_text(run.recipe, dataset, evidence, watch)
    if text := table_text(run, dataset):
        yield TABLE, text


def metrics_text(recipe: Recipe, dataset: Dataset, evidence: Arrays, watch: Watcher) -> str:
    """The metrics of the engines and of simpler models, and by how much the first engine is above each of these."""
    task, target = recipe.task, evidence["target"]
    answers = {
        engine: p
        for engine in recipe.training.engines
        if (p := _answers(recipe.model, task, engine, evidence)) is not None
    }
    simpler: dict[str, Array] = {}
    if getattr(recipe.data, "baselines", True):
        simpler = dict(baselines(task, dataset, watch))
    name, held_out = dataset.held_out
    first = next(iter(answers.values()), None)
    above = {} if first is None else {one: difference(task, first, p, target) for one, p in simpler.items()}
    content = {
        "split": name,
        "samples": len(held_out),
        "confidence": CONFIDENCE,
        "engines": {engine: plain(measured(task, p, target)) for engine, p in answers.items()},
        "baselines": {model: plain(measured(task, p, target)) for model, p in simpler.items()},
        "above": plain(above),
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)


def _answers(model: Model, task: str, engine: str, evidence: Arrays) -> Array | None:
    """Probabilities, or numbers in their unit, of an engine that has ended."""
    if task == "regression":
        return evidence.get(f"{engine}.predicted")
    outputs = evidence.get(f"{engine}.outputs")
    return None if outputs is None else probabilities(model, outputs)


def plain(metrics: Mapping[str, Measured]) -> dict[str, dict[str, Parsed]]:
    """Metrics as plain values; what is not finite is `None`."""
    return {
        name: {key: value if math.isfinite(value) else None for key, value in one._asdict().items()}
        for name, one in metrics.items()
    }
