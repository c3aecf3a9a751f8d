"""The lines of `history.csv`."""

from __future__ import annotations

from typing import NamedTuple


class HistoryRow(NamedTuple):
    """One evaluation: what `history.csv` holds in a line. A split without samples gives `None`."""

    step: int
    epoch: float
    lr: float
    seconds: float
    train_loss: float
    train_accuracy: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    test_loss: float | None = None
    test_accuracy: float | None = None
