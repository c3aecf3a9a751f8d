"""The metrics of a run's engines, and of simpler models beside them: measured at its end and kept in its folder."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from twofold.arrays import Array, Arrays
from twofold.data import Dataset
from twofold.recipe import Model, Recipe
from twofold.setup.events import Watcher
from twofold.setup.outputs import probabilities
from twofold.train.baselines import baselines
from twofold.train.metrics import CONFIDENCE, Measured, measured


def is_table(dataset: Dataset) -> bool:
    """Whether a sample is a row of numbers, some of which are held out: what metrics and simpler models are kept of."""
    train, (name, _) = dataset.train, dataset.held_out
    return train.x.ndim == 2 and train.draw is None and name != "train"


def judged(recipe: Recipe, dataset: Dataset, evidence: Arrays, watch: Watcher) -> str:
    """The text of `metrics.json`; empty where the samples are no table."""
    if not is_table(dataset) or recipe.data.source not in ("csv", "arrays", "table"):  # pyright: ignore[reportAttributeAccessIssue]
        return ""
    task, target = recipe.task, evidence["target"]
    engines = {
        engine: measured(task, answers, target)
        for engine in recipe.training.engines
        if (answers := _answers(recipe.model, task, engine, evidence)) is not None
    }
    simpler = {}
    if getattr(recipe.data, "baselines", True):
        simpler = {name: measured(task, answers, target) for name, answers in baselines(task, dataset, watch)}
    name, held_out = dataset.held_out
    content = {
        "split": name,
        "samples": len(held_out),
        "confidence": CONFIDENCE,
        "engines": {engine: plain(metrics) for engine, metrics in engines.items()},
        "baselines": {model: plain(metrics) for model, metrics in simpler.items()},
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)


def _answers(model: Model, task: str, engine: str, evidence: Arrays) -> Array | None:
    """Probabilities, or numbers in their unit, of an engine that has ended."""
    if task == "regression":
        return evidence.get(f"{engine}.predicted")
    outputs = evidence.get(f"{engine}.outputs")
    return None if outputs is None else probabilities(model, outputs)


def plain(metrics: Mapping[str, Measured]) -> dict[str, dict[str, Any]]:
    """Metrics as plain values; what is not finite is `None`."""
    return {
        name: {key: value if math.isfinite(value) else None for key, value in one._asdict().items()}
        for name, one in metrics.items()
    }
