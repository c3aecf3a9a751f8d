"""`record.json` as a typed value: what a run trained on, in which circumstances, and how each engine ended.

What is read is checked as a whole, so that a reader may follow every name in it; keys that a later version
adds are kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    model_validator,
)

from twofold.runs.agreement import Lockstep, PartedByRounding
from twofold.runs.names import EVIDENCE, FORMAT, HISTORY, RECIPE, TIMES, weights_name
from twofold.runs.part import BareName, Date, EngineName, RecordPart, Status, Texts
from twofold.runs.samples import DataFacts
from twofold.runs.whole import Seal


class Result(RecordPart):
    """How one engine ended: the scores of the weights that are kept. A split without samples has `None`."""

    train_accuracy: float | None = None
    """`None` where numbers are predicted, which have R²."""
    validation_accuracy: float | None = None
    test_accuracy: float | None = None
    train_loss: float
    validation_loss: float | None
    test_loss: float | None
    seconds: NonNegativeFloat
    """Training time without evaluation."""
    steps: NonNegativeInt
    """Updates taken."""
    kept_step: NonNegativeInt | None = None
    """The step whose weights are kept; `None` in a record of an earlier version, which kept the last ones."""
    train_r2: float | None = None
    """The share of the variance of the numbers that is predicted, 1 − Σ (t − y)² / Σ (t − mean)²."""
    validation_r2: float | None = None
    test_r2: float | None = None

    @property
    def kept(self) -> int:
        """The step whose weights are kept."""
        return self.steps if self.kept_step is None else self.kept_step

    def accuracy(self, split: str) -> float | None:
        """The share of right answers on a split."""
        return getattr(self, f"{split}_accuracy")

    def quality(self, split: str) -> float | None:
        """The accuracy, or R² of numbers to predict."""
        accuracy = self.accuracy(split)
        return getattr(self, f"{split}_r2") if accuracy is None else accuracy

    def loss(self, split: str) -> float | None:
        """The mean loss on a split."""
        return getattr(self, f"{split}_loss")


class Circumstances(RecordPart):
    """Versions, threads and devices: what numbers and times depend on beside the recipe."""

    versions: dict[str, str]
    code: str | None = None
    """SHA-256 over the source files that take part in a run; `None` in a record of an earlier version."""
    platform: str
    processors: int | None
    blas_threads: int
    devices: dict[str, str]
    """By engine."""
    blas_kernel: str | None = None
    """For which processor the library of matrix products computes: another one sums in another order."""
    torch_capability: str | None = None
    """Which instructions of the processor PyTorch uses, `AVX2` for instance."""
    torch_threads: int | None = None
    torch_arithmetic: str | None = None
    """`float32`, `float64` or `bfloat16`: in what the torch engine computed."""
    processes: PositiveInt | None = None
    """How many processes shared the batches, where more than one did; no number depends on it."""

    @property
    def version(self) -> str:
        """The version of Twofold that wrote the run; empty where the record names none."""
        return self.versions.get("twofold", "")


class Resumed(RecordPart):
    """When a run went on, and from where."""

    at: Date
    engine: str | None
    """The engine that was in training; `None` between two."""
    step: int
    differences: Texts = ()
    """The circumstances that had changed by then."""


class Failure(RecordPart):
    """The step at which a loss stopped being finite, and what the user was told of it."""

    engine: EngineName | None = None
    step: int | None = None
    message: str = ""


class Imported(RecordPart):
    """The file whose weights a run holds in place of trained ones."""

    file: str
    sha256: str


class Beginning(RecordPart):
    """What the record of a run holds from its beginning, beside its recipe."""

    data: DataFacts
    circumstances: Circumstances
    checkpoint_every: PositiveInt | None = None
    """Steps between two checkpoints."""
    imported: Imported | None = None
    """The file whose weights take the place of trained ones."""


class Record(RecordPart):
    """All of `record.json`. While the run goes on `status` is `running`, and what comes at its end is missing."""

    format: int = FORMAT
    status: Status
    recipe: str
    """The recipe's name."""
    title: str
    started: Date
    engines: dict[EngineName, Result]
    """The results by engine."""
    data: DataFacts
    circumstances: Circumstances
    checkpoint_every: PositiveInt | None = None
    """Steps between two checkpoints."""
    imported: Imported | None = None
    resumed: Annotated[tuple[Resumed, ...], Field(strict=False)] = ()
    """Each time that the run went on."""
    failure: Failure | None = None
    """Why a run that failed would fail again."""
    lockstep: Lockstep | None = None
    """What the short lock-step of a run of both engines came to; `None` in a record of an earlier version."""
    parted: PartedByRounding | None = None
    """Where the answers of the engines differ beyond chance and their trainings parted."""
    finished: Date = ""
    """Empty while the run goes on."""
    files: dict[BareName, Seal]
    """Size and checksum of every file of the folder but the record and the report."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if RECIPE not in self.files:
            raise ValueError(f"it lists no {RECIPE}")
        if self.status == "running":
            return self
        needed = {RECIPE, HISTORY, TIMES, *map(weights_name, self.engines)}
        needed |= {EVIDENCE} if self.status == "finished" else set()
        if missing := sorted(needed - self.files.keys()):
            raise ValueError(f"it lists no {missing[0]}")
        if not self.finished:
            raise ValueError("finished: it does not say when the run ended")
        for engine, result in self.engines.items():
            for split in self.data.samples:
                if result.quality(split) is None or result.loss(split) is None:
                    raise ValueError(f"engines.{engine}: it holds no score of the {split} samples")
        return self

    def text(self) -> str:
        """The text of the file."""
        return json.dumps(self.to_json(), indent=2, ensure_ascii=False, allow_nan=False)

    def changed(self, **values: object) -> Record:
        """A copy with other values, checked. Raises pydantic's `ValidationError`."""
        return Record.model_validate({**dict(self.given()), **values})

    def begun_again(self, engines: Mapping[EngineName, Result]) -> Record:
        """The record of a run that goes on from where the engines with these results had ended."""
        ended = ("finished", "status", "engines", "files")
        lasting = {key: value for key, value in self.given() if key not in ended}
        return Record.model_validate(
            {**lasting, "status": "running", "engines": engines, "files": {RECIPE: self.files[RECIPE]}}
        )
