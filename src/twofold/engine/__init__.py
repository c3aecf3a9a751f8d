"""The seam between loops and engines, and what both engines are given: initial parameters and schedules."""

from twofold.engine.seam import (
    Batch,
    Engine,
    Keep,
    Pass,
    Scaling,
    State,
    Step,
    ThroughTime,
    Trace,
    UpdatedPass,
    check_gradients,
    check_shapes,
    floats,
)

__all__ = [
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
    "check_gradients",
    "check_shapes",
    "floats",
]
