"""The seam between loops and engines, and what both engines are given: initial parameters and schedules."""

from twofold.engine.batch import NO_ANSWER, Batch, Scaling, answered, floats, lengths_of
from twofold.engine.seam import (
    Engine,
    Keep,
    Pass,
    State,
    Step,
    ThroughTime,
    Trace,
    UpdatedPass,
    check_gradients,
    check_shapes,
)

__all__ = [
    "NO_ANSWER",
    "Batch",
    "Engine",
    "Keep",
    "Pass",
    "Scaling",
    "State",
    "Step",
    "ThroughTime",
    "Trace",
    "UpdatedPass",
    "answered",
    "check_gradients",
    "check_shapes",
    "floats",
    "lengths_of",
]
