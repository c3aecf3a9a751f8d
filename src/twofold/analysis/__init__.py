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
from twofold.analysis.rules import Finding, findings
from twofold.analysis.signal_curves import SignalCurve, signal_curves
from twofold.analysis.through_time import TimeFlow, time_flows

__all__ = [
    "Agreement",
    "ClassScore",
    "Confusion",
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
    "SignalCurve",
    "TimeFlow",
    "Times",
    "WrongImage",
    "WrongImages",
    "agreement",
    "confusion",
    "counted",
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
    "signal_curves",
    "time_flows",
    "times",
    "wrong_images",
]
