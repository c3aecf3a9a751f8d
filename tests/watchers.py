"""A watcher that several test files press Ctrl-C with."""

from __future__ import annotations

from twofold.setup.events import Evaluated, Started


class InterruptsTorch:
    """Presses Ctrl-C once the torch engine has been evaluated so many times."""

    def __init__(self, evaluations: int) -> None:
        self.engine, self.left = "", evaluations

    def __call__(self, event: object) -> None:
        if isinstance(event, Started):
            self.engine = event.what
        if isinstance(event, Evaluated):
            self.left -= self.engine == "torch"
            if not self.left:
                raise KeyboardInterrupt
