"""How far the two engines of a run agree, as the record of the run holds it."""

from __future__ import annotations

import math

from pydantic import NonNegativeInt, PositiveInt

from twofold.plain import Parsed
from twofold.runs.part import RecordPart

PARTED = 0.01
"""Two trainings have parted where a parameter of one differs from that of the other by this share of its size."""
SIGMAS = 3.0
"""Standard errors beyond which a difference is not put down to chance, which goes that far to one side once in 700."""


class Lockstep(RecordPart):
    """A short comparison of both engines, made with the run: `twofold verify` over few steps."""

    steps: NonNegativeInt
    tolerance: float
    agrees: bool
    largest: dict[str, float | None]
    """The largest gap of each stage; `None` where it is no number."""
    first_divergence: dict[str, Parsed] | None = None


class PartedByRounding(RecordPart):
    """The step at which both trainings of the run parted, and a lock-step from there: both engines are right."""

    step: PositiveInt
    gap: float
    growth: float
    """The factor by which the difference grew a step, on average until then."""
    twin_step: PositiveInt | None = None
    """The step at which a second training of the first engine parted from it; it began with weights one last bit
    away."""
    lockstep: Lockstep


def beyond_chance(alone: int, other: int) -> bool:
    """Whether one engine alone is right more often than chance explains: |b − c| > 3 √(b + c), McNemar's test.

    `alone` and `other` are b and c: the samples that only the one engine, and only the other, answers right.
    """
    return abs(alone - other) > SIGMAS * math.sqrt(alone + other)
