"""Duties beside the training, for those who watch: drawing, comparing. None takes more than its share of the time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

FRAME = 1 / 32
"""Seconds between two frames of the curves: a little less than a thirtieth, since one waits for the end of a step."""
SHARE = 0.008
"""The share of a training's time that one duty may take: with the curves, five of them stay below a tenth."""
CURVES = 0.02
"""The share of the curves, which come first."""


@final
@dataclass
class Duty:
    """Something that is done every `period` seconds, and less often where it is slow."""

    do: Callable[[], None]
    period: float
    share: float = SHARE
    """The most that it may take of the processor's time; what else the machine does meanwhile does not count."""
    _due: float = 0.0
    _affordable: float = 0.0
    """The thread's processor time from which on it does not take more than its share."""

    def perform(self, now: float, used: float) -> None:
        """Do it if it is due and within its share; `now` and the thread's processor time `used` are in seconds."""
        if now >= self._due and used >= self._affordable:
            self.insist()

    def insist(self) -> None:
        """Do it now."""
        began, used = time.perf_counter(), time.thread_time()
        self.do()
        ended = time.thread_time()
        self._due = began + self.period
        self._affordable = ended + (ended - used) / self.share
