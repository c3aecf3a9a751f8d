"""Tables of layers, losses, optimizers, schedules and initial weights: the cases that every property is tried on.

The tests of the mathematics run over these tables, and the check of a user's code takes its inputs from them. A test
fails for a kind without a case, and for an option that no case sets.
"""

from twofold.proof.cases.layer import LayerCase, normal
from twofold.proof.cases.layers import LAYERS, SEQUENCES
from twofold.proof.cases.rules import INITIALS, LOSSES, OPTIMIZERS, SCHEDULES, LossCase, ScheduleCase

__all__ = [
    "INITIALS",
    "LAYERS",
    "LOSSES",
    "OPTIMIZERS",
    "SCHEDULES",
    "SEQUENCES",
    "LayerCase",
    "LossCase",
    "ScheduleCase",
    "normal",
]
