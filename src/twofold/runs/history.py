"""The lines of `history.csv` and of `signals.csv`, and what is measured for the latter."""

from __future__ import annotations

from typing import NamedTuple

PROBE = 500
"""Training samples, the first ones, over which units are watched."""
SATURATED = 0.95
"""|tanh| above this has a slope below a tenth."""
MOST_MOMENTS = 100
"""Evaluations whose signals are written down; of more, every k-th and the last."""
DIGITS = 6
"""Significant digits of a norm or a share in `signals.csv`: more than any figure shows."""


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


class Signal(NamedTuple):
    """A line of `signals.csv`: a parameter has norms, the output of an activation or a gate has shares."""

    step: int
    layer: str
    part: str
    """`weight`, `bias`; `output` of an activation; a gate of a recurrent layer, of a vanilla one `h`."""
    weight: float | None = None
    """‖parameter‖ after the step."""
    gradient: float | None = None
    """‖∂L/∂parameter‖ of the step, before clipping and decay; none before training."""
    update: float | None = None
    """‖change of the parameter by the step‖."""
    dead: float | None = None
    """The share of units that pass no gradient for any sample of the probe: ReLU at 0, others saturated."""
    saturated: float | None = None
    """The share of outputs whose slope is below a tenth of the largest: |tanh| > 0.95, |2σ − 1| > 0.95."""
