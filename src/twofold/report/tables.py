"""The tables of the page, as rows of text."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import NamedTuple

from twofold.analysis import Result, results
from twofold.plain import Parsed
from twofold.printable import printable
from twofold.recipe import Recipe
from twofold.recipe.base import Part
from twofold.recipe.files import dump_table
from twofold.recipe.layer import LayerSpec
from twofold.recipe.recurrent import HIDDEN
from twofold.recipe.text import CharacterText
from twofold.report.text import (
    ENGINES,
    SPLITS,
    decimal,
    joined,
    loss_text,
    plural,
    seconds,
    share,
    step_time,
    value_text,
)
from twofold.runs import Run
from twofold.runs.names import METRIC_TITLES

TOLD_BY_SHAPES = ("kind", "units", "channels", "num_embeddings")
ALWAYS_TOLD = ("kernel", "stride", "padding")
MOST_NAMED = 5
"""Targets that are named one by one at most."""


@dataclass(frozen=True)
class ResultRow:
    """A row of the table of results; the scores stand in the order of `score_splits`."""

    engine: str
    qualities: list[str]
    """Accuracies, or R²."""
    losses: list[str]
    seconds: str
    steps: str
    step: str
    """Mean time of a step, with its unit."""
    finished: bool


@dataclass(frozen=True)
class Setting:
    """A part of the recipe: what it is, how it is set, what that means."""

    part: str
    kind: str
    values: list[tuple[str, str]]
    meaning: str


def score_splits(run: Run) -> list[str]:
    """The splits that hold samples."""
    return [split for split in SPLITS if run.record.data.samples.get(split)]


def result_rows(run: Run) -> list[ResultRow]:
    """One row for each engine that has begun."""
    splits = score_splits(run)
    return [result_row(result, splits) for result in results(run)]


def not_begun(run: Run) -> str:
    """The engines of the recipe that the run never came to."""
    begun = {result.engine for result in results(run)}
    return joined([ENGINES[engine] for engine in run.recipe.training.engines if engine not in begun])


def result_row(result: Result, splits: list[str]) -> ResultRow:
    """A row of the table; the scores are those of `splits`."""
    mean = result.step_microseconds
    losses = [result.scores[f"{split}_loss"] for split in splits]
    quality = next(name for name in result.scores if not name.endswith("loss")).removeprefix("train_")
    return ResultRow(
        ENGINES[result.engine],
        [share(result.scores[f"{split}_{quality}"]) for split in splits],
        [loss_text(loss) for loss in losses],
        seconds(result.seconds),
        f"{result.steps:,}",
        "–" if mean is None else step_time(mean),
        result.finished,
    )


@dataclass(frozen=True)
class MetricTable:
    """Metrics of the engines and of simpler models: rows are metrics, columns are models."""

    models: list[str]
    rows: list[tuple[str, list[tuple[str, str]]]]
    """The metric's name, and for each model its value and its interval."""
    split: str
    samples: str
    beside: str
    """What the models beside the engines are."""


FITTED = (
    "The models on the right are scikit-learn’s, fitted to the same training samples with their default settings: is "
    "the network worth it?"
)
FREQUENCIES = (
    "Perplexity is exp of the mean loss: among how many equally likely characters the network chooses. On the right "
    "tables of how often characters follow each other in the training text: is the network worth it?"
)


class Written(NamedTuple):
    """What networks of a text wrote at the end of their training."""

    temperature: float
    texts: list[tuple[str, str]]
    """The engine's title and its text, engine by engine."""


def written(run: Run) -> Written | None:
    """What the engines wrote; `None` where the data are no text."""
    if not run.sample:
        return None
    texts = [(ENGINES.get(engine, engine), printable(text)) for engine, text in run.sample["texts"].items()]
    return Written(float(run.sample["temperature"]), texts)


def metric_table(run: Run) -> MetricTable | None:
    """The metrics of a run; `None` where it keeps none: its samples are no table."""
    content = run.metrics
    if not content or not content.get("engines"):
        return None
    columns = {ENGINES.get(name, name): metrics for name, metrics in content["engines"].items()}
    columns |= content.get("baselines", {})
    names = [name for name in METRIC_TITLES if any(name in metrics for metrics in columns.values())]
    rows = [(METRIC_TITLES[name], [_metric_cell(metrics.get(name)) for metrics in columns.values()]) for name in names]
    split = SPLITS.get(str(content["split"]), "")
    beside = FREQUENCIES if isinstance(run.recipe.data, CharacterText) else FITTED
    return MetricTable(list(columns), rows, split, plural(content["samples"], "sample"), beside)


def _metric_cell(metric: dict[str, float | None] | None) -> tuple[str, str]:
    """The value, and `0.93 to 0.97`."""
    if metric is None or metric["value"] is None:
        return "–", ""
    low, high = metric["low"], metric["high"]
    interval = "" if low is None or high is None else f"{decimal(low, 3)} to {decimal(high, 3)}"
    return decimal(metric["value"], 4).replace("-", "−"), interval.replace("-", "−")


def settings(recipe: Recipe) -> list[Setting]:
    """Every part of the recipe but its layers, which have a table of their own."""
    augmentation = ["augmentation"] if recipe.augmentation.any else []
    parts = ["data", *augmentation, "loss", "optimizer", "schedule", "initial", "training"]
    return [_setting(part, getattr(recipe, part), recipe) for part in parts]


def listing(recipe: Recipe) -> str:
    """The recipe as TOML, without the table of an augmentation that changes no image."""
    raw = recipe.model_dump(mode="json", exclude_none=True)
    return dump_table(raw if recipe.augmentation.any else {key: raw[key] for key in raw if key != "augmentation"})


def _setting(part: str, spec: Part, recipe: Recipe) -> Setting:
    values: dict[str, Parsed] = spec.model_dump(mode="json", exclude_none=True)
    for key in IDLE[part](recipe) if part in IDLE else ():
        values.pop(key, None)
    kind = values.pop("kind", None) or values.pop("source", None) or ""
    meaning = inspect.cleandoc(type(spec).__doc__ or "").split("\n\n")[0].replace("\n", " ")
    if values.get("reduction") == "sum":
        meaning += " Here a batch’s terms are added, not averaged; what is reported is the mean."
    name = {"initial": "initial weights"}.get(part, part)
    return Setting(name, kind, [(key, value_text(value)) for key, value in values.items()], meaning)


def _idle_variants(recipe: Recipe) -> set[str]:
    """Keys of the augmentation that change no image: those that are not set, and those that go with one of these."""
    spec = recipe.augmentation
    unset = {name for name, value in spec if value == type(spec).model_fields[name].default}
    beside = {"padding": spec.translate, "elastic_scale": spec.elastic}
    return (unset - beside.keys()) | {name for name, used in beside.items() if not used}


def _idle_keys(recipe: Recipe) -> set[str]:
    """Keys of the training that change nothing for this network and these engines."""
    network = recipe.network
    idle = set[str]()
    if "torch" not in recipe.training.engines:
        idle |= {"autocast", "compile", "device", "convolution"}
    if all(node.kind != "conv2d" for node in network.nodes):
        idle.add("convolution")
    if network.image_shape is None:
        idle |= {"flip_test", "shift_test"}
    if not any(HIDDEN in node.parameters for node in network.nodes):
        idle.add("gradient_flow")
    return idle


IDLE = {"training": _idle_keys, "augmentation": _idle_variants}
"""The keys of a part that change nothing, by the part's name."""


def layer_settings(spec: LayerSpec) -> str:
    """How a layer is set, beside what its shapes tell: `kernel 3, stride 2, padding 1`."""
    fields = type(spec).model_fields
    shown = list[str]()
    for key, field in fields.items():
        value = getattr(spec, key)
        if key == "stride" and value is None:
            value = spec.model_dump()["kernel"]
        if key not in TOLD_BY_SHAPES and value is not None and (key in ALWAYS_TOLD or value != field.default):
            shown.append(f"{key} {value_text(value)}")
    return ", ".join(shown)


def circumstances(run: Run) -> list[tuple[str, str]]:
    """What the run was made with and on."""
    facts, data = run.record.circumstances, run.record.data
    versions = ", ".join(f"{name} {number}" for name, number in facts.versions.items())
    devices = ", ".join(f"{ENGINES.get(name, name)} on {device}" for name, device in facts.devices.items())
    dtype = run.recipe.training.dtype
    if facts.torch_arithmetic not in (None, dtype):
        devices += f" in {facts.torch_arithmetic}"
    threads = f"{facts.processors} processors; NumPy’s BLAS {facts.blas_threads} threads"
    if facts.torch_threads is not None:
        threads += f", PyTorch {facts.torch_threads} threads"
    rows = [
        ("Data", f"source {data.source}; " + _samples(run)),
        ("Fingerprint of the data", data.fingerprint),
        ("Arithmetic", f"{dtype}; {devices}"),
        ("Threads", threads),
        ("Platform", facts.platform),
        ("Versions", versions),
        (
            "Began, ended",
            " – ".join(
                at.replace("T", " ").replace("+00:00", " UTC") for at in (run.record.started, run.record.finished)
            ),
        ),
    ]
    return [row for row in rows if row[1]]


def _samples(run: Run) -> str:
    data = run.record.data
    counts = [f"{count:,} {SPLITS[split]}" for split, count in data.samples.items()]
    title = f"{data.title}; " if data.title else ""
    if run.recipe.data.endless:
        title = "drawn anew at every step to train on; to judge by, "
        counts[0] = plural(data.samples["train"], "other")
    if data.task == "classification":
        return f"{title}{' + '.join(counts)} samples of {len(data.classes)} classes"
    what = "to predict: " if data.task == "regression" else "labels: "
    named = joined(list(data.targets[:MOST_NAMED])) + (", ..." if len(data.targets) > MOST_NAMED else "")
    return f"{title}{' + '.join(counts)} samples, {what}{named}"
