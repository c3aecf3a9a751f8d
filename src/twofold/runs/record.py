"""What `record.json` must hold for a reader not to stumble."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from twofold.runs.names import EVIDENCE, HISTORY, RECIPE, TIMES

BareName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")]


class _Checked(BaseModel):
    """More may stand there."""

    model_config = ConfigDict(extra="allow", strict=True)


class _Seal(_Checked):
    bytes: int
    sha256: str


class _Result(_Checked):
    train_accuracy: float
    validation_accuracy: float | None
    test_accuracy: float | None
    train_loss: float
    validation_loss: float | None
    test_loss: float | None
    seconds: float
    steps: int


class _Facts(_Checked):
    source: str
    fingerprint: str
    samples: dict[str, int]
    held_out: str
    classes: list[str]
    features: list[str]


class _Circumstances(_Checked):
    versions: dict[str, str]
    platform: str
    processors: int | None
    blas_threads: int
    devices: dict[str, str]


class _Resumed(_Checked):
    at: Annotated[datetime, Field(strict=False)]
    engine: str | None
    step: int


class Begun(_Checked):
    """What it holds from the beginning: enough to go on with the run."""

    status: Literal["running", "finished", "interrupted", "failed"]
    recipe: str
    title: str
    started: Annotated[datetime, Field(strict=False)]
    data: _Facts
    circumstances: _Circumstances
    checkpoint_every: Annotated[int, Field(ge=1)] | None = None
    """Steps between two checkpoints."""
    resumed: list[_Resumed] = []
    """Each time that the run went on, from where."""
    files: dict[BareName, _Seal]

    @model_validator(mode="after")
    def _recipe_sealed(self) -> Self:
        if RECIPE not in self.files:
            raise ValueError(f"it lists no {RECIPE}")
        return self


class Record(Begun):
    """The whole of it, once it has ended."""

    finished: Annotated[datetime, Field(strict=False)]
    engines: dict[BareName, _Result]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = {RECIPE, HISTORY, TIMES, *(f"{engine}.safetensors" for engine in self.engines)}
        needed |= {EVIDENCE} if self.status == "finished" else set()
        if missing := sorted(needed - self.files.keys()):
            raise ValueError(f"it lists no {missing[0]}")
        return self
