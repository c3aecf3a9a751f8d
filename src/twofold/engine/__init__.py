"""The seam between loops and engines, and what both engines are given: initial parameters and schedules."""

from twofold.engine.seam import (
    Batch,
    Engine,
    Scaling,
    State,
    Step,
    ThroughTime,
    Trace,
    check_shapes,
    floats,
)

__all__ = ["Batch", "Engine", "Scaling", "State", "Step", "ThroughTime", "Trace", "check_shapes", "floats"]
