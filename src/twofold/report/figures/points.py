"""Points in the plane over the decision boundary of each engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import FigureBase

from twofold.arrays import Array
from twofold.probe.boundary import Boundary, boundary, points
from twofold.report.drawing import COLOURS, INK, MARKER, Draw, Key, Look, Panel, Picture, printable
from twofold.report.text import ENGINES, SPLITS, joined
from twofold.runs import Run

if TYPE_CHECKING:
    from twofold.data import Split

MARKERS = ("o", "^", "s", "D", "v", "P", "X", "p")
FILLS = {"train": "filled", "validation": "hollow, thin", "test": "hollow"}
MOST_POINTS = 1000
WIDTH = 4.4
SHADE = 0.34
"""The share of a class's colour in its region; the rest is white."""


def pictures(run: Run, image: int | None = None) -> list[Picture]:
    """One figure; none where the samples are no points in the plane."""
    splits = points(run)
    if not splits:
        return []
    boundaries = [boundary(run, engine) for engine in run.engines]
    data = run.record.data
    standard = "" if run.recipe.data.standardize == "none" else " (standardized)"
    x, y = (printable(name, i, 30) + standard for i, name in enumerate(data.features or ("x₁", "x₂")))
    counts = {split: len(samples) for split, samples in splits.items()}
    caption = points_caption(run, boundaries, counts)
    return [points_picture(splits, boundaries, data.classes, (x, y), caption)]


def points_picture(
    splits: Mapping[str, Split],
    boundaries: Sequence[Boundary],
    classes: Sequence[str],
    axes: tuple[str, str],
    caption: str,
) -> Picture:
    """One panel for each engine; where none finished, one panel without a boundary."""
    panels = []
    for answers in boundaries or [None]:
        who = f"and the decision boundary of {ENGINES[answers.engine]}" if answers else "without a boundary"
        label = f"The points by class and split {who}"
        title = ENGINES[answers.engine] if answers else ""
        panels.append(Panel(label, WIDTH, _height(splits), _drawing(splits, answers, axes), title))
    return Picture("points", tuple(panels), caption, _legend(splits, classes), narrow=True)


def points_caption(run: Run, boundaries: Sequence[Boundary], counts: Mapping[str, int]) -> str:
    """The points, the shade, the line, and how far two engines answer alike."""
    splits = joined([f"{count:,} {SPLITS[split]} points" for split, count in counts.items()])
    hidden = f" (at most {MOST_POINTS:,} of each are drawn)" if max(counts.values()) > MOST_POINTS else ""
    text = f"The {splits}{hidden}, classes by colour and by shape."
    if boundaries:
        text += " The shade is the network’s answer, the stronger the surer; the line is where it changes."
    if len(boundaries) > 1:
        first, second = (answers.shares.argmax(axis=-1) for answers in boundaries[:2])
        same, total = int((first == second).sum()), first.size
        where = f"all {total:,}" if same == total else f"{same:,} of {total:,}"
        text += f" Both engines give the same answer at {where} points of a grid over the rectangle."
    return text


def _drawing(splits: Mapping[str, Split], boundary: Boundary | None, names: tuple[str, str]) -> Draw:
    def draw(figure: FigureBase) -> None:
        axes = figure.subplots()
        axes.grid(False)
        if boundary:
            _shade(axes, boundary)
            _lines(axes, boundary)
        for split, samples in splits.items():
            _scatter(axes, split, samples)
        if boundary:
            axes.set(xlim=boundary.x[[0, -1]], ylim=boundary.y[[0, -1]])
        axes.set(xlabel=names[0], ylabel=names[1])

    return draw


def _height(splits: Mapping[str, Split]) -> float:
    """The height of a panel in inches: in proportion to the data, within what looks well on a page."""
    spread = np.ptp(np.concatenate([split.x for split in splits.values()]), axis=0)
    ratio = float(spread[1] / spread[0]) if spread[0] > 0 else 1.0
    return 0.45 + (WIDTH - 0.6) * min(max(ratio, 0.6), 0.95)


def _shade(axes: Axes, boundary: Boundary) -> None:
    """The colours of the classes mixed by their shares."""
    classes = boundary.shares.shape[-1]
    colours = np.array([to_rgb(COLOURS[c % len(COLOURS)]) for c in range(classes)])
    mixed = 1 - SHADE * (1 - boundary.shares @ colours)
    extent = (boundary.x[0], boundary.x[-1], boundary.y[0], boundary.y[-1])
    axes.imshow(_quantised(mixed), origin="lower", extent=extent, aspect="auto", interpolation="none")


def _lines(axes: Axes, boundary: Boundary) -> None:
    """A line where the decision changes, over the points and set off from them."""
    classes = boundary.margins.shape[-1]
    for c in range(1 if classes == 2 else classes):
        margin = boundary.margins[..., c]
        if np.ptp(np.sign(margin)):
            for width, colour in ((2.4, "white"), (1.1, INK)):
                look: Look = {"colors": colour, "linewidths": width, "zorder": 4 + c * 0.01}
                axes.contour(boundary.x, boundary.y, margin, levels=[0.0], **look)


def _quantised(rgb: Array) -> Array:
    """A few dozen shades: a third of the bytes, and no eye sees the difference."""
    return (np.rint(rgb * 64) * (255 / 64)).astype(np.uint8)


def _scatter(axes: Axes, split: str, samples: Split) -> None:
    """Filled for training, hollow for what was held out."""
    every = -(-len(samples) // MOST_POINTS)
    x, y = samples.x[::every], samples.y[::every]
    for c in np.unique(y):
        axes.plot(*x[y == c].T, linestyle="none", **_look(split, int(c)))


def _look(split: str, c: int) -> Look:
    """The look of a class: 64 pairs of colour and shape before one comes again."""
    colour, marker = COLOURS[c % len(COLOURS)], MARKERS[(c + c // len(COLOURS)) % len(MARKERS)]
    size, fill, edge, edge_width = {
        "train": (3.6, colour, "white", 0.3),
        "validation": (4.8, "white", colour, 0.6),
        "test": (4.8, "white", colour, 1.2),
    }[split]
    return {
        "marker": marker,
        "markersize": size,
        "color": fill,
        "markeredgecolor": edge,
        "markeredgewidth": edge_width,
    }


def _legend(splits: Mapping[str, Split], classes: Sequence[str]) -> tuple[Key, ...]:
    entries = {f"class {name}": _look("train", c) for c, name in enumerate(classes)}
    for split in splits:
        look = _look(split, 0) | {"markeredgecolor": INK} | ({"color": INK} if split == "train" else {})
        entries[f"{SPLITS[split]} ({FILLS[split]})"] = look
    return tuple(Key(name, look | {"markersize": 5, "linestyle": "none"}, MARKER) for name, look in entries.items())
