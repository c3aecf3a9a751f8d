"""Records of runs that trained on nothing, for tests of what is written and what is said of it."""

from __future__ import annotations

from typing import Any

from twofold.runs import Beginning, Circumstances, DataFacts, Record
from twofold.runs.names import EVIDENCE, FORMAT, HISTORY, RECIPE, TIMES
from twofold.runs.whole import Seal

DATE = "2026-01-01T00:00:00+00:00"


def beginning(checkpoint_every: int | None = None, **data: Any) -> Beginning:
    """What the record of a run holds from its beginning; `data` replaces facts of the data."""
    facts = {
        "source": "moons",
        "fingerprint": "0" * 64,
        "samples": {"train": 8},
        "held_out": "train",
        "classes": ("0", "1"),
        "features": (),
    }
    circumstances = Circumstances(
        versions={"twofold": "0"}, platform="none", processors=None, blas_threads=1, devices={}
    )
    return Beginning(
        data=DataFacts(**{**facts, **data}), circumstances=circumstances, checkpoint_every=checkpoint_every
    )


def finished(**data: Any) -> Record:
    """The record of a finished run without results; `data` replaces facts of the data."""
    sealed = Seal(bytes=0, sha256="")
    return Record(
        format=FORMAT,
        status="finished",
        recipe="moons",
        title="",
        started=DATE,
        engines={},
        **dict(beginning(**data).given()),
        finished=DATE,
        files=dict.fromkeys((RECIPE, HISTORY, TIMES, EVIDENCE), sealed),
    )
