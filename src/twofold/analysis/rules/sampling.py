"""How precise an accuracy over a number of samples is."""

from __future__ import annotations

import math

from twofold.runs import Run

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
    """How many samples the accuracy of a split is measured on."""
    samples, most = run.record.data.samples[split], run.recipe.training.evaluate_samples
    return min(most, samples) if most and split == "train" else samples


def drawn_anew(run: Run) -> dict[str, int]:
    """`others`: how many samples stand for the training samples, where these are drawn anew at every step; else {}."""
    return {"others": judged(run, "train")} if run.recipe.data.endless else {}
