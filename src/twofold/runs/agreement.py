"""What the record of a run of both engines says of their agreement."""

from __future__ import annotations

import math

from pydantic import NonNegativeInt, PositiveInt

from twofold.plain import Parsed
from twofold.runs.part import RecordPart

PARTED = 0.01
"""The share of its own size by which a parameter of one training is apart from that of the other: they have parted."""
SIGMAS = 3.0
"""Standard errors beyond which a difference is not chance: one in 700 is on one side."""


class Lockstep(RecordPart):
    """A short comparison of both engines, made with the run: `twofold verify` over few steps."""

    steps: NonNegativeInt
    tolerance: float
    agrees: bool
    largest: dict[str, float | None]
    """The largest gap of each stage; `None` where it is no number."""
    first_divergence: dict[str, Parsed] | None = None


class PartedByRounding(RecordPart):
    """Where both trainings of the run parted, and that both engines are right there."""

    step: PositiveInt
    gap: float
    growth: float
    """What a difference is multiplied with a step, on average until then."""
    twin_step: PositiveInt | None = None
    """Where a twin of the first engine parted from it that began one last bit away."""
    lockstep: Lockstep


def beyond_chance(alone: int, other: int) -> bool:
    """McNemar's test: of the samples that one engine alone answers right, chance gives each engine half."""
    return abs(alone - other) > SIGMAS * math.sqrt(alone + other)
