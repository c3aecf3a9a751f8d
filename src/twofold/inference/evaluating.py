"""Judge the trained networks of a run again: on the data of its recipe, or on others."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from twofold.arrays import Array
from twofold.data import Dataset, Split
from twofold.data.arrays import Pair, labelled_arrays, numbered_arrays
from twofold.data.checking import check_labels
from twofold.data.given import Given, read_given, read_labelled
from twofold.data.tables import read_rows
from twofold.engine import Scaling
from twofold.engine.threads import few_threads
from twofold.errors import DataError, RunFolderError, UserError
from twofold.inference.predicting import held_in_memory, labelled_in_memory, seen, trained
from twofold.inference.steps import by_step, table_of
from twofold.numpy_engine import reported_loss
from twofold.proof.verify import TOLERANCES
from twofold.recipe import Recipe
from twofold.recipe.columns import Table
from twofold.recipe.data import Arrays, Csv
from twofold.runs import QUALITY_TITLES, Run, opened
from twofold.runs.evidence import kept_scaling
from twofold.setup.building import restore
from twofold.setup.events import Watcher, watching
from twofold.setup.outputs import probabilities
from twofold.setup.samples import data_again
from twofold.train.evidence import in_unit
from twofold.train.judging import plain
from twofold.train.loop import Score, judged_splits, predictions, scored
from twofold.train.metrics import Measured, measured
from twofold.train.scoring import evaluation

SPLITS = ("train", "validation", "test")
BFLOAT16 = 1e-2
"""Relative tolerance under bfloat16: its numbers have 8 significant bits, and processors differ in the order of
sums."""


class Recorded(NamedTuple):
    """The score that a run recorded, and whether the evaluation came to the same."""

    score: Score
    agrees: bool
    """The accuracy is the same, loss and R² within rounding: 1e-4 in float32, 1e-9 in float64, 1e-2 in bfloat16."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Loss and accuracy of a run's networks on some samples. In a notebook it shows a table."""

    run: Run
    data: str
    """`test`, `validation` or `train` of the recipe's data; the path of other data, or `data` for those in memory."""
    classes: tuple[str, ...]
    target: Array
    """The right classes, (samples,); or the numbers in their unit, or labels, (samples, targets)."""
    predicted: Mapping[str, Array]
    """The classes, numbers or labels answered, by engine."""
    scores: Mapping[str, Score]
    """Mean loss and share of right answers, or R², by engine."""
    recorded: Mapping[str, Recorded]
    """The recorded scores by engine; empty for data other than the recipe's."""
    notes: tuple[str, ...] = ()
    """What was done to a sample that its owner may not expect."""
    outputs: Mapping[str, Array] = field(default_factory=dict)
    """The outputs of the last layer, (samples, outputs), by engine."""

    @cached_property
    def metrics(self) -> dict[str, dict[str, Measured]]:
        """Every metric of the task with its 95 % interval, by engine; see `twofold.train.metrics`.

        Empty where outputs stand for no probabilities.
        """
        task, model = self.run.record.data.task, self.run.recipe.model
        answers = {
            engine: self.predicted[engine] if task == "regression" else probabilities(model, outputs)
            for engine, outputs in self.outputs.items()
        }
        return {name: measured(task, y, self.target) for name, y in answers.items() if y is not None}

    @property
    def of_a_table(self) -> bool:
        """Whether a sample is a row of numbers: then metrics are shown."""
        return len(self.run.recipe.network.input_shape) == 1

    @property
    def agrees(self) -> bool | None:
        """Whether every recorded score was found again; `None` where none is recorded of these samples."""
        return all(recorded.agrees for recorded in self.recorded.values()) if self.recorded else None

    def confusion(self, engine: str) -> Array:
        """The number of samples of each class (rows) that are answered as each class (columns).

        Raises `UserError` for a run that tells no classes apart.
        """
        if not self.classes:
            raise UserError("a run that predicts numbers or labels has no confusion of classes")
        counts = np.zeros((len(self.classes), len(self.classes)), np.int64)
        np.add.at(counts, (self.target, self.predicted[engine]), 1)
        return counts

    def to_json(self, confusion: bool = False) -> dict[str, object]:
        """Plain values: what `twofold evaluate --json` prints."""
        engines = {
            name: {
                **score.to_json(),
                "recorded": self.recorded[name].score.to_json() if name in self.recorded else None,
                **({"confusion": self.confusion(name).tolist()} if confusion else {}),
                **({"metrics": plain(self.metrics[name])} if self.of_a_table and name in self.metrics else {}),
            }
            for name, score in self.scores.items()
        }
        counted = {"classes": list(self.classes)} if confusion else {}
        facts = {"run": str(self.run.path), "data": self.data, "samples": len(self.target)}
        return {**facts, "engines": engines, "agrees": self.agrees, **counted, "notes": list(self.notes)}

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{name}</td><td>{score.quality:.4f}</td><td>{score.loss:.4f}</td></tr>"
            for name, score in self.scores.items()
        )
        title = f"{html.escape(self.data)}, {len(self.target):,} samples"
        word = QUALITY_TITLES[self.run.record.data.quality]
        return f"<b>{title}</b><table><tr><th>engine</th><th>{word}</th><th>loss</th></tr>{rows}</table>"


def evaluate(
    run: Run | str | Path,
    *,
    split: str | None = None,
    data: str | Path | Pair | None = None,
    engines: str | Iterable[str] | None = None,
    watcher: Watcher | None = None,
) -> Evaluation:
    """Loss and accuracy of the trained networks of a run.

    Evaluates the samples that the run was judged by, which gives the recorded scores again, or those of `split`:
    `train`, `validation` or `test`. With `data` it evaluates other samples: a CSV file with the column of the label, or
    a folder of images, a folder a class, or a pair `(X, y)` in memory; they are scaled as the training's were. The pair
    that the run was trained on is recognised by its fingerprint, and counts as the recipe's own data.

    Raises `DataError` for data that are not what the network takes, and where the recipe's data have changed since;
    `RunFolderError` for a run without weights; `UserError` for an unknown split or engine, and for `split` with `data`.
    """
    run = opened(run)
    chosen = trained(run, engines)
    own = data is None or trained_on(run, data)
    name, samples, threads_for, notes = _samples(run, split, data, own, watching(watcher))
    loss, how, task = reported_loss(run.recipe.loss), evaluation(run.recipe), run.record.data.task
    scaling = kept_scaling(run.evidence, "target_scaling")
    scores, predicted, recorded = dict[str, Score](), dict[str, Array](), dict[str, Recorded]()
    outputs = dict[str, Array]()
    with few_threads(run.recipe, threads_for), np.errstate(all="ignore"):
        for engine in chosen:
            answers = list(predictions(restore(run, engine), samples, **how))
            outputs[engine] = np.concatenate([y for y, _ in answers])
            predicted[engine] = answered(outputs[engine], task, scaling)
            scores[engine] = scored(answers, loss, task)
            if own:
                score_then = recorded_score(run, engine, name)
                recorded[engine] = Recorded(score_then, _same(scores[engine], score_then, run.recipe))
    target = in_unit(samples.answers, scaling)
    classes = tuple(run.record.data.classes)
    return Evaluation(run, name, classes, target, predicted, scores, recorded, notes, outputs)


def answered(outputs: Array, task: str, scaling: Scaling | None) -> Array:
    """The classes, the numbers in their unit, or the labels that outputs stand for."""
    match task:
        case "regression":
            return in_unit(outputs, scaling)
        case "multi_label":
            return (outputs > 0).astype(np.int64)
    return outputs.argmax(axis=-1)


def recorded_score(run: Run, engine: str, split: str) -> Score:
    """The score that the run keeps of an engine and a split."""
    result = run.record.engines[engine]
    loss, quality = result.loss(split), result.quality(split)
    if loss is None or quality is None:
        raise RunFolderError(f"{run.path} holds no score of the {split} samples by {engine}; run its recipe again")
    return Score(loss, None, quality) if run.record.data.task == "regression" else Score(loss, quality)


def trained_on(run: Run, data: object) -> bool:
    """Whether these are the samples and classes that were handed over when the run was trained."""
    spec = run.recipe.data
    if isinstance(data, str | Path) or not isinstance(spec, Arrays) or spec.fingerprint is None:
        return False
    task = run.record.data.task
    arrays = labelled_arrays(data, several=False) if task == "classification" else numbered_arrays(data, task)
    return arrays.fingerprint == spec.fingerprint


def _samples(
    run: Run, split: str | None, data: str | Path | Pair | None, own: bool, watch: Watcher
) -> tuple[str, Split, int, tuple[str, ...]]:
    """The name of the data, the samples, the number of training samples, and notes on what was done to them."""
    facts = run.record.data
    if data is not None and not own:
        if split is not None:
            raise UserError("choose a split of the recipe's data, or other data, not both")
        classes = facts.classes
        if facts.task != "classification":
            samples, numbers = with_numbers(run, data)
            return "data" if not isinstance(data, str | Path) else str(data), samples, facts.samples["train"], numbers
        if isinstance(data, str | Path):
            samples = _labelled(run, data, classes)
            target = [classes.index(name) for name in samples.expected if name]
            return str(data), seen(run, samples, target), facts.samples["train"], samples.notes
        samples, target = labelled_in_memory(run, data)
        return "data", seen(run, samples, target), facts.samples["train"], samples.notes
    name = split or facts.held_out
    if name not in SPLITS:
        raise UserError(f"a split is `train`, `validation` or `test`; got `{name}`")
    if name not in facts.samples:
        raise UserError(f"{run.path} has no {name} samples; choose from {', '.join(facts.samples)}")
    dataset = same_data(run, watch, data)
    judged = judged_splits(dataset, run.recipe.training.evaluate_samples)
    return name, judged[name], len(dataset.train), ()


def with_numbers(run: Run, data: str | Path | Pair) -> tuple[Split, tuple[str, ...]]:
    """Other samples with their numbers or labels, as the networks of a run see them, and notes about them."""
    facts, spec = run.record.data, run.recipe.data
    if isinstance(data, str | Path) and isinstance(spec, Table):
        from twofold.data.columns.given import numbered_rows  # which imports pandas

        samples, y = numbered_rows(table_of(run), run.columns, str(data))
    elif isinstance(data, str | Path):
        if not isinstance(spec, Csv):
            raise DataError(
                "the samples of this run were handed over in memory, not read from a file; judge others from Python: "
                "twofold.evaluate(run, data=(X, y))"
            )
        samples = read_given(spec, [str(data)], facts.features)
        y, _, _ = read_rows(spec.model_copy(update={"path": str(data)}), facts.targets)
        if facts.task == "multi_label":
            check_labels(y, facts.targets, str(data))
    else:
        arrays = numbered_arrays(data, facts.task)
        if arrays.y.shape[1] != len(facts.targets):
            raise DataError(f"`y` must hold {len(facts.targets)} numbers a sample; got {arrays.y.shape[1]}")
        samples, y = held_in_memory(run, data[0]), arrays.y
    if scaling := kept_scaling(run.evidence, "target_scaling"):
        y = (y - scaling.shift) / scaling.divisor
    split, y = seen(run, samples), y.astype(run.recipe.training.dtype)
    return replace(split, y=by_step(samples.x, y) if run.recipe.network.each_step else y), samples.notes


def _labelled(run: Run, path: str | Path, classes: Sequence[str]) -> Given:
    """The samples of a file or a folder, each with its class."""
    if isinstance(run.recipe.data, Table):
        from twofold.data.columns.given import labelled_rows  # which imports pandas

        return labelled_rows(table_of(run), run.columns, str(path), classes)
    return read_labelled(run.data, path, classes, run.record.data.features)


def same_data(run: Run, watch: Watcher, data: object = None) -> Dataset:
    """The data that a run was trained on, loaded again, or handed over again as `data`.

    Raises `DataError` where they have changed since, or were handed over in memory and are not at hand.
    """
    recorded = run.record.data.fingerprint
    _, dataset = data_again(run.recipe, watch, data, run.path, "evaluate")
    if dataset.fingerprint != recorded:
        raise DataError(
            f"the data of the recipe are no longer those that {run.path} was trained on: their fingerprint is "
            f"{dataset.fingerprint[:12]}, the run's is {recorded[:12]}. A new split of them may test on "
            "what was trained on; name a file of other samples with --data, or run the recipe again."
        )
    return dataset.astype(run.recipe.training.dtype)


def _same(now: Score, recorded: Score, recipe: Recipe) -> bool:
    training = recipe.training
    tolerance = TOLERANCES[training.dtype] if training.autocast == "none" else BFLOAT16
    near = abs(now.loss - recorded.loss) <= tolerance * max(abs(recorded.loss), 1e-4)
    if recorded.accuracy is None:
        return near and abs(now.quality - recorded.quality) <= tolerance
    return near and now.accuracy == recorded.accuracy
