"""What was predicted for the samples that were held out."""

from __future__ import annotations

from twofold.arrays import Array, Arrays
from twofold.runs import EVIDENCE, Run
from twofold.train.scoring import measured, probabilities

__all__ = ["evidence", "measured", "predicted", "probabilities"]


def evidence(run: Run) -> Arrays:
    """The run's evidence; empty where the run ended before it was written."""
    return run.evidence if (run.path / EVIDENCE).is_file() else {}


def predicted(run: Run) -> dict[str, Array]:
    """The predicted classes over the held-out samples, by engine, for those engines that finished."""
    arrays = evidence(run)
    return {engine: arrays[f"{engine}.predicted"] for engine in run.engines if f"{engine}.predicted" in arrays}
