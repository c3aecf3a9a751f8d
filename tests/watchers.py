"""A watcher that several test files press Ctrl-C with."""

from __future__ import annotations

from twofold.runs.history import HistoryRow
from twofold.setup.building import Silent


class InterruptsTorch(Silent):
    """Presses Ctrl-C once the torch engine has been evaluated so many times."""

    def __init__(self, evaluations: int) -> None:
        self.engine, self.left = "", evaluations

    def started(self, what: str, steps: int) -> None:
        self.engine = what

    def evaluated(self, row: HistoryRow) -> None:
        self.left -= self.engine == "torch"
        if not self.left:
            raise KeyboardInterrupt
