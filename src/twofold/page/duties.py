"""What a training does for those who watch, rationed: no duty takes more than its share of the time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

FRAME = 1 / 30
"""Seconds between two frames of the curves."""
SHARE = 0.015
"""The share of a training's time that one duty may take: five of them stay below a tenth."""


@final
@dataclass
class Duty:
    """Something that is done every `period` seconds, and less often where it is slow."""

    do: Callable[[], None]
    period: float
    share: float = SHARE
    _due: float = 0.0
    costs: list[float] = field(default_factory=list)
    """Seconds of the last few times."""

    def perform(self, now: float) -> None:
        """Do it where it is due at this time."""
        if now >= self._due:
            self.insist()

    def insist(self) -> None:
        """Do it now."""
        began = time.perf_counter()
        self.do()
        ended = time.perf_counter()
        self.costs = [*self.costs[-2:], ended - began]
        # The cheapest of the last few: once in a while the machine does something else meanwhile.
        self._due = began + max(self.period, min(self.costs) / self.share)
