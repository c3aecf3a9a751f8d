"""Facts from the run folder, as plain data: what the report draws and says, and nothing of how it looks."""

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
from twofold.analysis.signals import Course, courses
from twofold.analysis.through_time import TimeFlow, time_flows

__all__ = [
    "Agreement",
    "ClassScore",
    "Confusion",
    "Course",
    "Curve",
    "Distance",
    "Ending",
    "Finding",
    "FirstWeights",
    "Gap",
    "GapCurve",
    "Lowest",
    "Mistake",
    "Preview",
    "Result",
    "TimeFlow",
    "Times",
    "WrongImage",
    "WrongImages",
    "agreement",
    "confusion",
    "counted",
    "courses",
    "curves",
    "distance",
    "endings",
    "findings",
    "first_weights",
    "gap_curves",
    "gaps",
    "held_out_shares",
    "lowest_loss",
    "previews",
    "results",
    "time_flows",
    "times",
    "wrong_images",
]
