"""Facts from the run folder, as plain data: what the report draws and says, and nothing of how it looks."""

from twofold.analysis.boundary import Boundary, boundary, points
from twofold.analysis.confusion import Confusion, Mistake, confusion
from twofold.analysis.curves import Curve, Distance, Lowest, counted, curves, distance, lowest_loss
from twofold.analysis.images import Preview, previews, templates
from twofold.analysis.predictions import evidence, predicted, probabilities
from twofold.analysis.results import (
    Agreement,
    Gap,
    Result,
    Times,
    agreement,
    gaps,
    held_out_shares,
    results,
    times,
)
from twofold.analysis.steps import LayerStep, LossStep, layer_steps, loss_step

__all__ = [
    "Agreement",
    "Boundary",
    "Confusion",
    "Curve",
    "Distance",
    "Gap",
    "LayerStep",
    "LossStep",
    "Lowest",
    "Mistake",
    "Preview",
    "Result",
    "Times",
    "agreement",
    "boundary",
    "confusion",
    "counted",
    "curves",
    "distance",
    "evidence",
    "gaps",
    "held_out_shares",
    "layer_steps",
    "loss_step",
    "lowest_loss",
    "points",
    "predicted",
    "previews",
    "probabilities",
    "results",
    "templates",
    "times",
]
