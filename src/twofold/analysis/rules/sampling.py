"""How precise an accuracy over a number of samples is."""

from __future__ import annotations

import math

from twofold.runs import Run
from twofold.runs.evidence import evidence

SIGMAS = 3.0
"""Standard errors that a difference must exceed: by chance one in 700 does on one side."""


def standard_error(accuracy: float, samples: int) -> float:
    """Standard error of an accuracy over `samples` answers: √(p (1 − p) / n), with p drawn a little to the middle.

    p = (k + 2) / (n + 4), so that an accuracy of 1 has an error too. Agresti & Coull, Approximate is better
    than "exact" for interval estimation of binomial proportions (1998).
    """
    p = (accuracy * samples + 2) / (samples + 4)
    return math.sqrt(p * (1 - p) / (samples + 4))


def judged(run: Run, split: str) -> int:
    """How many answers the accuracy of a split is measured on: one of every sample, or of every step that has one.

    A run keeps the held-out answers; of other sequences as many steps are taken to have one.
    """
    facts, target = run.record.data, evidence(run).get("target")
    samples = _judged_samples(run, split)
    if target is None or not run.recipe.network.each_step:
        return samples
    return round(samples * len(target) / facts.samples[facts.held_out])


def _judged_samples(run: Run, split: str) -> int:
    samples, most = run.record.data.samples[split], run.recipe.training.evaluate_samples
    return min(most, samples) if most and split == "train" else samples


def drawn_anew(run: Run) -> dict[str, int]:
    """`others`: how many samples stand for the training samples, where these are drawn anew at every step; else {}."""
    return {"others": _judged_samples(run, "train")} if run.recipe.data.endless else {}
