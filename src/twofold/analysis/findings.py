"""All that is found in a run: what went wrong, and what was looked for and not found."""

from __future__ import annotations

from twofold.analysis.finding import Finding
from twofold.analysis.fitting import over_fitting, under_fitting
from twofold.analysis.rates import initial_loss, rates
from twofold.analysis.standing_out import confusions, engines_apart
from twofold.analysis.units import sleeping, through_depth, through_steps
from twofold.runs import Run

PARTS = (
    under_fitting,
    over_fitting,
    initial_loss,
    rates,
    sleeping,
    through_depth,
    through_steps,
    confusions,
    engines_apart,
)
UNTRAINED = (confusions, engines_apart)
"""Of weights that were read from a file: what they answer, and nothing of a training."""


def findings(run: Run) -> list[Finding]:
    """Of every part of the analysis, in order. A run folder without signals has those that need none."""
    parts = UNTRAINED if "imported" in run.record else PARTS
    return [finding for part in parts for finding in part(run)]
