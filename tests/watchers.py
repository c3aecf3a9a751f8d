"""A watcher that several test files press Ctrl-C with."""

from __future__ import annotations

from twofold.api import Silent
from twofold.training import Row


class InterruptsTorch(Silent):
    """Presses Ctrl-C once the torch engine has been evaluated so many times."""

    def __init__(self, evaluations: int) -> None:
        self.engine, self.left = "", evaluations

    def started(self, what: str, steps: int) -> None:
        self.engine = what

    def evaluated(self, row: Row) -> None:
        self.left -= self.engine == "torch"
        if not self.left:
            raise KeyboardInterrupt
