"""Figures in grey: what stands for different things differs in more than hue."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from twofold.analysis import Curve
from twofold.report.along import along_panel
from twofold.report.comparison_curves import curves_picture as compared
from twofold.report.drawing import Panel
from twofold.report.figures.curves import curves_picture
from twofold.report.figures.first_weights import SIGNED
from twofold.report.figures.points import MARKERS
from twofold.report.figures.signals import LAYERS
from twofold.study import Axis, Series


def curve(split: str) -> Curve:
    x = np.arange(4.0)
    return Curve("numpy", split, x, 2 - 0.3 * x, 0.2 + 0.1 * x)


SPLITS = ("train", "validation", "test")
SERIES = [Series(value, (0.01, 0.1), ((0.5, 0.4, 0.6),) * 2, ((0.5,), (0.5,))) for value in range(8)]
PANELS = {
    "splits": curves_picture([curve(split) for split in SPLITS], "epoch", "").panels[0],
    "runs": compared([[curve("train")]] * 8, list("abcdefgh"), ["train"], "epoch", "").panels[0],
    "a study's series": along_panel("along", Axis(field="optimizer.lr", values=(0.01, 0.1)), SERIES, "test_accuracy"),
}


def lines(panel: Panel) -> list[Line2D]:
    figure = Figure()
    panel.draw(figure)
    return [line for line in figure.axes[0].get_lines() if line.get_linestyle() != "None"]


def look(line: Line2D) -> tuple[Any, ...]:
    """All but the hue."""
    return line._unscaled_dash_pattern, line.get_marker(), line.get_linewidth()  # pyright: ignore[reportAttributeAccessIssue]


def alike(looks: Sequence[Any]) -> list[tuple[int, int]]:
    return [(i, j) for (i, a), (j, b) in combinations(enumerate(looks), 2) if a == b]


@pytest.mark.parametrize("name", PANELS)
def test_lines_differ_in_more_than_hue(name: str) -> None:
    found = lines(PANELS[name])
    assert len(found) >= 3
    assert alike([look(line) for line in found]) == []
    assert alike([line.get_color() for line in found]) == []


def test_the_scale_of_weights_rises_in_grey() -> None:
    """A weight below 0 is darker than one above it, of every size."""
    red, green, blue = matplotlib.colormaps[SIGNED](np.linspace(0, 1, 64))[:, :3].T
    assert (np.diff(0.2126 * red + 0.7152 * green + 0.0722 * blue) > 0).all()


def test_layers_and_classes_have_shapes() -> None:
    assert alike([marker for _, marker in LAYERS]) == []
    assert alike(MARKERS) == []
