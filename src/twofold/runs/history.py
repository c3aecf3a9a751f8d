"""The lines of `history.csv`."""

from __future__ import annotations

from typing import NamedTuple


class HistoryRow(NamedTuple):
    """One evaluation: what `history.csv` holds in a line. A split without samples gives `None`.

    Classes and labels have an accuracy, numbers to predict R².
    """

    step: int
    epoch: float
    lr: float
    seconds: float
    train_loss: float
    train_accuracy: float | None
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    test_loss: float | None = None
    test_accuracy: float | None = None
    train_r2: float | None = None
    validation_r2: float | None = None
    test_r2: float | None = None

    def quality(self, split: str) -> float | None:
        """The accuracy on a split, or R² of numbers to predict; `None` for a split without samples."""
        accuracy = getattr(self, f"{split}_accuracy")
        return getattr(self, f"{split}_r2") if accuracy is None else accuracy
