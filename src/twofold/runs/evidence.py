"""Reading a run's evidence, arrays by name: samples, predictions, and what its engines were asked."""

from __future__ import annotations

from twofold.arrays import Array, Arrays
from twofold.engine import Scaling
from twofold.runs.names import EVIDENCE
from twofold.runs.run import Run

MOST_OF_A_RECORD = 2_000_000
"""Characters of the microscope's record at most, so that a report stays well below 3 MB: it is for small networks."""


def evidence(run: Run) -> Arrays:
    """The run's evidence; empty where the run ended before it was written."""
    return run.evidence if (run.path / EVIDENCE).is_file() else {}


def predicted(run: Run) -> dict[str, Array]:
    """The predicted classes over the held-out samples, by engine, for those engines that finished."""
    arrays = evidence(run)
    return {engine: arrays[f"{engine}.predicted"] for engine in run.engines if f"{engine}.predicted" in arrays}


def kept_scaling(arrays: Arrays, name: str = "scaling") -> Scaling | None:
    """The scaling that is kept under `name`; `None` where there is none.

    Kept samples have yet to go through `scaling`; they went through `standardization` already.
    """
    parts = [f"{name}.{part}" for part in Scaling._fields]
    return Scaling(*(arrays[part] for part in parts)) if all(part in arrays for part in parts) else None
