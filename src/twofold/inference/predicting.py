"""Ask the trained networks of a run about samples that a user gives."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from twofold.arrays import Array, all_finite
from twofold.data import Split
from twofold.data.arrays import class_numbers
from twofold.data.checking import check_order
from twofold.data.given import Given, given_arrays, read_given
from twofold.data.names import same_class
from twofold.engine import Scaling
from twofold.engine.threads import few_threads
from twofold.engines import ENGINES, unknown_engine
from twofold.errors import DataError, RunFolderError, UserError
from twofold.inference.steps import by_step, table_of
from twofold.plain import Samples
from twofold.recipe.columns import Table
from twofold.runs import Run, opened
from twofold.runs.evidence import kept_scaling
from twofold.setup.building import restore
from twofold.setup.codes import row_rule
from twofold.setup.outputs import measured
from twofold.train.evidence import answers, in_unit

TAKEN = ("sample", "engine", "expected", "gap")
"""Names of columns that a table of answers has beside those of the targets."""


class Answer(NamedTuple):
    """What one engine answers to one sample."""

    class_name: str
    value: float
    """The class's probability, or the network's output where outputs are no probabilities."""
    runner_up: str
    runner_up_value: float


@dataclass(frozen=True, eq=False)
class Answers:
    """What the engines of a run answer to some samples. In a notebook it shows a table."""

    run: Run
    names: tuple[str, ...]
    """The name of each sample."""
    classes: tuple[str, ...]
    expected: tuple[str | None, ...]
    """The right class of each sample, where it was given."""
    notes: tuple[str, ...]
    """Sentences on what was done to samples that their owner may not expect."""
    inputs: Array
    """The samples as the networks were given them, (samples, *sample): what a model of `twofold.load_model` takes."""
    outputs: Mapping[str, Array]
    """Outputs of the last layer, (samples, outputs), by engine."""
    targets: tuple[str, ...] = ()
    """The names of the numbers or labels that are answered; empty where a class is."""
    scaling: Scaling | None = None
    """The scaling that takes outputs to the unit of the numbers: output · `divisor` + `shift`."""

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def measure(self) -> str:
        """The kind of `values`: `probability`, `number`, or `output` under the squared error of classes."""
        if self.run.record.data.task == "regression":
            return "number"
        return measured(self.run.recipe.model, next(iter(self.outputs.values())))[1]

    @cached_property
    def values(self) -> dict[str, Array]:
        """Probabilities, outputs where there are none, or numbers in their unit, (samples, outputs), by engine."""
        if self.run.record.data.task == "regression":
            return {
                engine: in_unit(outputs.astype(np.float64), self.scaling) for engine, outputs in self.outputs.items()
            }
        return {engine: measured(self.run.recipe.model, outputs)[0] for engine, outputs in self.outputs.items()}

    @cached_property
    def gaps(self) -> Array | None:
        """The largest distance of the two engines' values for each sample, (samples,); `None` with one engine."""
        first, *rest = self.values.values()
        return np.abs(first - rest[0]).max(axis=-1) if rest else None

    def answer(self, engine: str, sample: int) -> Answer:
        """The class with the largest value and the next one; of equals the first.

        Raises `UserError` where numbers or labels are answered: `values` has them.
        """
        if self.targets:
            raise UserError("this run answers numbers or labels and no class; `values` holds them")
        values = self.values[engine][sample]
        best, second = np.argsort(-values, kind="stable")[:2]
        return Answer(self.classes[best], float(values[best]), self.classes[second], float(values[second]))

    def right(self, engine: str) -> tuple[int, int] | None:
        """How many of the samples whose class is known are answered right, and how many these are."""
        if self.targets:
            return None
        known = [index for index, name in enumerate(self.expected) if name is not None]
        right = sum(self.answer(engine, index).class_name == self.expected[index] for index in known)
        return (right, len(known)) if known else None

    def rows(self) -> list[dict[str, object]]:
        """A row for each sample and engine, as plain values."""
        gaps = self.gaps
        return [
            {
                "sample": name,
                "engine": engine,
                **self._answered(engine, index),
                **({"expected": self.expected[index]} if any(self.expected) else {}),
                **({} if gaps is None else {"gap": float(gaps[index])}),
            }
            for index, name in enumerate(self.names)
            for engine in self.outputs
        ]

    def _answered(self, engine: str, index: int) -> dict[str, object]:
        """A class with its value, or every number or label's probability by name."""
        if not self.targets:
            return _plain(self.answer(engine, index), self.measure)
        values = self.values[engine][index].tolist()
        return {
            f"{name} ({self.measure})" if name in TAKEN else name: v
            for name, v in zip(self.targets, values, strict=True)
        }

    def to_json(self) -> dict[str, object]:
        """Plain values: what `twofold predict --json` prints."""
        return {"run": str(self.run.path), "measure": self.measure, "answers": self.rows(), "notes": list(self.notes)}

    def _repr_html_(self) -> str:
        head, *_ = rows = self.rows()
        cells = "".join(
            f"<tr>{''.join(f'<td>{html.escape(_cell(value))}</td>' for value in row.values())}</tr>" for row in rows
        )
        headings = "".join(
            f"<th>{html.escape(key if key in self.targets else key.replace('_', ' '))}</th>" for key in head
        )
        return f"<table><tr>{headings}</tr>{cells}</table>"


def _plain(answer: Answer, measure: str) -> dict[str, object]:
    return {
        "class": answer.class_name,
        measure: answer.value,
        "runner_up": answer.runner_up,
        f"runner_up_{measure}": answer.runner_up_value,
    }


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def predict(run: Run | str | Path, samples: Samples, *, engines: str | Iterable[str] | None = None) -> Answers:
    """What the trained networks of a run answer to samples.

    `samples` are image files or folders for a network of images, CSV files or rows as `"5.1,3.5"` for one of tables,
    points as `"0.5,1.2"`, palindromes as `"12321"` or without their last digit; or in memory: a data frame with the
    features among its columns, or an array (samples, *sample). They are scaled as the training's were. Without
    `engines` all of the run answer.

    Raises `DataError` for samples that are not what the network takes and for outputs that are not finite,
    `RunFolderError` for a run without weights, `UserError` for an unknown engine.
    """
    run = opened(run)
    chosen = trained(run, engines)
    inputs = _read_samples(run, samples)
    split = seen(run, inputs)
    with few_threads(run.recipe, len(split)), np.errstate(all="ignore"):
        outputs = {name: answers(restore(run, name), split, run.recipe) for name in chosen}
    _check_outputs(inputs, outputs)
    classes, targets = tuple(run.record.data.classes), tuple(run.record.data.targets)
    known = inputs.expected if targets else [name and same_class(name, classes) for name in inputs.expected]
    scaling = kept_scaling(run.evidence, "target_scaling")
    names = tuple(inputs.names)
    return Answers(run, names, classes, tuple(known), inputs.notes, split.floats(), outputs, targets, scaling)


def _read_samples(run: Run, samples: Samples) -> Given:
    """The samples that a user named in words, or handed over in memory."""
    data = run.recipe.data
    if hasattr(samples, "columns") or hasattr(samples, "dtype") or isinstance(samples, Mapping):
        return held_in_memory(run, samples)
    words = [samples] if isinstance(samples, str | Path) else list(samples)
    if any(not isinstance(word, str | Path) for word in words):
        return held_in_memory(run, words)
    if isinstance(data, Table):
        from twofold.data.columns.given import read_given_rows

        return read_given_rows(table_of(run), run.columns, [str(word) for word in words])
    return read_given(run.data, [str(word) for word in words], run.record.data.features)


def held_in_memory(run: Run, samples: Samples) -> Given:
    """Samples in memory, arrays or frames, in the form of the run's own data."""
    if isinstance(run.recipe.data, Table):
        from twofold.data.columns.given import given_rows  # which imports pandas

        return given_rows(table_of(run), run.columns, samples)
    return given_arrays(run.recipe.data, samples, run.record.data.features)


def labelled_in_memory(run: Run, data: object) -> tuple[Given, list[int]]:
    """Samples and class numbers of a pair `(X, y)`. Raises `DataError` for samples or classes not known to the run."""
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise DataError(f"`data` must be a path, or a pair (X, y) of samples and classes; got a {type(data).__name__}")
    check_order(*data)
    samples, classes = held_in_memory(run, data[0]), run.record.data.classes
    target = class_numbers(data[1], len(samples.names), classes)
    return samples._replace(expected=[classes[index] for index in target]), target


def trained(run: Run, engines: str | Iterable[str] | None = None) -> list[str]:
    """The engines whose weights a run holds, or those of `engines`.

    Raises `UserError` for a name that is no engine's, and for none; `RunFolderError` where there are no weights.
    """
    if not run.engines:
        raise RunFolderError(f"{run.path} holds no weights: the run is {run.status}. Run its recipe again.")
    wanted = list(run.engines) if engines is None else [engines] if isinstance(engines, str) else list(engines)
    if not wanted:
        raise UserError("`engines` must name at least one engine; got none. Leave it out for all that the run holds.")
    for name in wanted:
        if name not in ENGINES:
            raise UserError(unknown_engine(name))
        if name not in run.engines:
            held = ", ".join(f"`{engine}`" for engine in run.engines)
            raise RunFolderError(f"{run.path} holds no weights of `{name}`, only of {held}: the run is {run.status}")
    return wanted


def seen(run: Run, samples: Given, target: Sequence[int] = ()) -> Split:
    """Samples as the run's networks see them, scaled as those of the training were; `target` holds their classes.

    Raises `DataError` for samples of another type or too large for it, `RunFolderError` for a run without a scaling.
    """
    y = np.array(target or [0] * len(samples.names), np.int64)
    if run.recipe.network.each_step:
        y = by_step(samples.x, y)
    dtype, scaling = run.recipe.training.dtype, scaling_of(run)
    if samples.x.dtype == np.uint8:
        if scaling is None:
            raise RunFolderError(f"{run.path} keeps no scaling of its images; run its recipe again")
        return Split(samples.x, y, scaling.astype(dtype))
    if kept_scaling(run.evidence) is not None:
        raise DataError(
            f"images are bytes from 0 to 255, of the type uint8, as those of {run.path}; got {samples.x.dtype}"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        x = (samples.x if scaling is None else scaling.apply(samples.x)).astype(dtype, copy=False)
    if rule := row_rule(run.recipe, x, "a sample holds"):
        raise DataError(f"{rule}.")
    if run.recipe.data.varying:
        if not all_finite(np.nan_to_num(x, nan=0.0, posinf=np.inf, neginf=-np.inf)):
            raise DataError(f"the samples hold a number that is too large for {dtype}")
        return Split(x, y)
    for name, sample in zip(samples.names, x, strict=True):
        if not all_finite(sample):
            raise DataError(f"{name}: a number is too large for {dtype}")
    return Split(x, y)


def scaling_of(run: Run) -> Scaling | None:
    """The scaling of a run's inputs: that of images' bytes, or of standardized numbers; `None` if there is none.

    Raises `RunFolderError` where they were standardized and the run does not say how.
    """
    arrays = run.evidence
    for name in ("scaling", "standardization"):
        if scaling := kept_scaling(arrays, name):
            return scaling
    if run.recipe.data.standardize != "none":
        raise RunFolderError(
            f"{run.path} keeps no mean and standard deviation of its training samples: an earlier Twofold wrote it. "
            "Run its recipe again."
        )
    return None


def _check_outputs(samples: Given, outputs: Mapping[str, Array]) -> None:
    for engine, array in outputs.items():
        wrong = np.flatnonzero(~np.isfinite(array).all(axis=-1))
        if len(wrong):
            raise DataError(
                f"{samples.names[wrong[0]]}: the {engine} engine's outputs are not finite; look at its scale"
            )
