"""The files that a run of a table or text gets at its end: metrics, what the network makes of columns, a text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from twofold.arrays import Array, Arrays
from twofold.data import Dataset
from twofold.plain import Parsed, finite
from twofold.recipe import Model, Recipe
from twofold.recipe.text import CharacterText
from twofold.runs import METRICS, SAMPLE, TABLE, Run
from twofold.setup.events import Watcher
from twofold.setup.outputs import probabilities
from twofold.setup.samples import is_table
from twofold.train.baselines import baselines
from twofold.train.metrics import CONFIDENCE, Measured, difference, measured
from twofold.train.text_metrics import tables, text_metrics
from twofold.train.writing import sample_of


def judged(run: Run, dataset: Dataset, evidence: Arrays, watch: Watcher) -> Iterator[tuple[str, str]]:
    """Names and texts of the files that judge a run of a table or text: `metrics.json`, `table.json`, `sample.json`.

    There are none for other samples, and no metrics where no samples are held out.
    """
    data = run.recipe.data
    if isinstance(data, CharacterText):
        yield METRICS, _judged_text(run.recipe, data, dataset, evidence)
        yield SAMPLE, sample_of(run)
        return
    table = is_table(dataset, run.record.data.source)
    if not (table or dataset.sequences):
        return
    if run.record.data.held_out != "train":
        yield METRICS, metrics_text(run.recipe, dataset, evidence, watch)
    if not table:
        return
    from twofold.probe.table.kept import table_text

    if text := table_text(run, dataset):
        yield TABLE, text


def _judged_text(recipe: Recipe, data: CharacterText, dataset: Dataset, evidence: Arrays) -> str:
    """The text of `metrics.json` for a text: metrics of the engines, and of tables of frequencies."""
    engines = {
        engine: plain(text_metrics(p, evidence["target"]))
        for engine in recipe.training.engines
        if (p := _answers(recipe.model, recipe.task, engine, evidence)) is not None
    }
    simpler = {name: plain(text_metrics(p, evidence["target"])) for name, p in tables(data, dataset)}
    return _content(dataset, {"engines": engines, "baselines": simpler})


def metrics_text(recipe: Recipe, dataset: Dataset, evidence: Arrays, watch: Watcher) -> str:
    """The text of `metrics.json`: metrics of engines and simpler models, and how far the first engine is above each."""
    task, target = recipe.task, evidence["target"]
    answers = {
        engine: p
        for engine in recipe.training.engines
        if (p := _answers(recipe.model, task, engine, evidence)) is not None
    }
    simpler: dict[str, Array] = {}
    if getattr(recipe.data, "baselines", True):
        simpler = dict(baselines(task, dataset, watch))
    first = next(iter(answers.values()), None)
    above = {} if first is None else {model: difference(task, first, p, target) for model, p in simpler.items()}
    numbers = {
        "engines": {engine: plain(measured(task, p, target)) for engine, p in answers.items()},
        "baselines": {model: plain(measured(task, p, target)) for model, p in simpler.items()},
        "above": plain(above),
    }
    return _content(dataset, numbers)


def _content(dataset: Dataset, numbers: Mapping[str, object]) -> str:
    """The text of `metrics.json` with these numbers."""
    name, held_out = dataset.held_out
    content = {"split": name, "samples": len(held_out.answers), "confidence": CONFIDENCE, **numbers}
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)


def _answers(model: Model, task: str, engine: str, evidence: Arrays) -> Array | None:
    """The probabilities that an engine answered, or numbers in their unit; `None` if it did not end."""
    if task == "regression":
        return evidence.get(f"{engine}.predicted")
    outputs = evidence.get(f"{engine}.outputs")
    return None if outputs is None else probabilities(model, outputs)


def plain(metrics: Mapping[str, Measured]) -> dict[str, dict[str, Parsed]]:
    """Metrics as plain values for JSON; what is not finite is `None`."""
    return {name: {key: finite(value) for key, value in metric._asdict().items()} for name, metric in metrics.items()}
