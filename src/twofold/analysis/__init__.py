"""Facts from the run folder, as plain data: what the report draws and says, and nothing of how it looks."""

from twofold.analysis.boundary import Boundary, boundary, points
from twofold.analysis.confusion import ClassScore, Confusion, Mistake, confusion
from twofold.analysis.curves import (
    Curve,
    Distance,
    GapCurve,
    Lowest,
    counted,
    curves,
    distance,
    gap_curves,
    lowest_loss,
)
from twofold.analysis.finding import Finding
from twofold.analysis.findings import findings
from twofold.analysis.images import (
    FirstWeights,
    Preview,
    WrongImage,
    WrongImages,
    first_weights,
    previews,
    wrong_images,
)
from twofold.analysis.maps import FeatureMaps, LayerMaps, feature_maps
from twofold.analysis.predictions import evidence, predicted, probabilities
from twofold.analysis.results import (
    Agreement,
    Ending,
    Gap,
    Result,
    Times,
    agreement,
    endings,
    gaps,
    held_out_shares,
    results,
    times,
)
from twofold.analysis.rows import Numbers, Row, few_steps
from twofold.analysis.signals import Course, courses
from twofold.analysis.steps import LayerStep, LossStep, layer_steps, loss_step
from twofold.analysis.through_time import TimeFlow, time_flows
from twofold.analysis.walk import LayerFacts, Walk, walk
from twofold.analysis.window import Window

__all__ = [
    "Agreement",
    "Boundary",
    "ClassScore",
    "Confusion",
    "Course",
    "Curve",
    "Distance",
    "Ending",
    "FeatureMaps",
    "Finding",
    "FirstWeights",
    "Gap",
    "GapCurve",
    "LayerFacts",
    "LayerMaps",
    "LayerStep",
    "LossStep",
    "Lowest",
    "Mistake",
    "Numbers",
    "Preview",
    "Result",
    "Row",
    "TimeFlow",
    "Times",
    "Walk",
    "Window",
    "WrongImage",
    "WrongImages",
    "agreement",
    "boundary",
    "confusion",
    "counted",
    "courses",
    "curves",
    "distance",
    "endings",
    "evidence",
    "feature_maps",
    "few_steps",
    "findings",
    "first_weights",
    "gap_curves",
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
    "time_flows",
    "times",
    "walk",
    "wrong_images",
]
