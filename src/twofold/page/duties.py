"""What a training does for those who watch, rationed: no duty takes more than its share of the time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

FRAME = 1 / 30
"""Seconds between two frames of the curves."""
SHARE = 0.012
"""The share of a training's time that one duty may take: with the curves, five of them stay below a tenth."""
CURVES = 0.03
"""That of the curves, which come first."""


@final
@dataclass
class Duty:
    """Something that is done every `period` seconds, and less often where it is slow."""

    do: Callable[[], None]
    period: float
    share: float = SHARE
    """Of the processor's time: what else the machine does meanwhile does not count."""
    _due: float = 0.0

    def perform(self, now: float) -> None:
        """Do it where it is due at this time."""
        if now >= self._due:
            self.insist()

    def insist(self) -> None:
        """Do it now."""
        began, used = time.perf_counter(), time.thread_time()
        self.do()
        self._due = began + max(self.period, (time.thread_time() - used) / self.share)
