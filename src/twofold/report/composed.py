"""A figure as one drawing, its panels with their titles, notes and legend: for documents and slides."""

from __future__ import annotations

import io
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from twofold.printable import one_line
from twofold.report.drawing import (
    BLUE,
    INK,
    MARKER,
    NO_METADATA,
    SOFT,
    VERMILLION,
    Key,
    Note,
    Panel,
    Picture,
    lay_out,
    styled,
)

FORMATS = ("svg", "pdf", "png")
METADATA = {
    "svg": NO_METADATA,
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}
DOTS = 200
"""Dots per inch of a PNG."""
COLUMNS = {"panels": 2, "cards": 5, "small": 6, "rows": 1}
TITLE, NOTE, LEGEND, GAP, SIDE = 0.26, 0.17, 0.22, 0.12, 1.5
"""Inches: heights of a title, a line of notes, a line of the legend; room between panels; width of a row's words."""
LETTER = 0.063
"""Inches: the mean width of a letter of the size `SMALL`."""
SMALL, LARGE = 7.5, 9.5
"""Sizes of words, in points."""


def composed(picture: Picture) -> dict[str, bytes]:
    """The whole figure by each of `FORMATS`, the same bytes whenever it is drawn."""
    with styled({"savefig.transparent": False, "svg.hashsalt": picture.name, "pdf.fonttype": 42}):
        figure = _settled(_whole(picture))
        return {form: _saved(figure, form) for form in FORMATS}


def _saved(figure: Figure, form: str) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format=form, dpi=DOTS, metadata=METADATA[form])
    return file.getvalue()


def _settled(figure: Figure) -> Figure:
    """The figure with its layout computed and rounded: the solver's last digits differ from one call to the next."""
    lay_out(figure)
    for part in figure.subfigs:
        part.bbox_relative.set_points(part.bbox_relative.get_points().round(6))
    for axes in figure.axes:
        x, y, width, height = (round(number, 6) for number in axes.get_position().bounds)
        axes.set_position((x, y, width, height))
    return figure


def _whole(picture: Picture) -> Figure:
    """The figure: rows of panels in columns, each column of one width, under the legend."""
    columns = min(COLUMNS[picture.form], len(picture.panels))
    rows = [picture.panels[i : i + columns] for i in range(0, len(picture.panels), columns)]
    beside = SIDE if picture.form == "rows" else 0.0
    across = [max(row[i].width for row in rows if i < len(row)) for i in range(columns)]
    widths = [beside + GAP, *(size for width in across for size in (width, GAP))]
    keys = _lines(picture.legend, sum(widths))
    heights = [LEGEND * len(keys) + GAP]
    for row in rows:
        heights += [_above(picture, row), max(panel.height for panel in row), _below(picture, row), GAP]
    figure = Figure(figsize=(sum(widths), sum(heights)), layout="constrained")
    grid = figure.add_gridspec(len(heights), len(widths), width_ratios=widths, height_ratios=_positive(heights))
    for number, line in enumerate(keys):
        _legend(figure, line, sum(heights) - GAP / 2 - LEGEND * (number + 0.5))
    for i, row in enumerate(rows):
        for j, panel in enumerate(row):
            panel.draw(figure.add_subfigure(grid[2 + 4 * i, 1 + 2 * j]))
            left, top = sum(widths[: 1 + 2 * j]), sum(heights[2 + 4 * i :])
            _words(figure, picture, panel, (left, left + across[j], top, top - heights[2 + 4 * i]))
    return figure


def _positive(sizes: list[float]) -> list[float]:
    """The sizes, none of them 0: matplotlib's grid takes no rows of height 0."""
    return [max(size, 1e-6) for size in sizes]


def _above(picture: Picture, row: tuple[Panel, ...]) -> float:
    return TITLE if picture.form != "rows" and any(panel.title for panel in row) else 0.0


def _below(picture: Picture, row: tuple[Panel, ...]) -> float:
    return 0.0 if picture.form == "rows" else NOTE * max(len(panel.notes) for panel in row)


def _words(figure: Figure, picture: Picture, panel: Panel, box: tuple[float, float, float, float]) -> None:
    """Write title and notes of a panel; `box` is its left, right, top and bottom in inches."""
    left, right, top, bottom = box
    if picture.form == "rows":
        words = [panel.title, *(note.what for note in panel.notes)]
        for number, text in enumerate(words):
            y = (top + bottom) / 2 + (len(words) / 2 - number - 0.5) * NOTE
            look = {"color": SOFT} if number else {"weight": "bold"}
            _text(figure, GAP, y, text, **look)
        return
    if panel.title:
        look = {"fontsize": LARGE, "weight": "bold", "ha": "center"}
        _text(figure, (left + right) / 2, top + TITLE / 2, panel.title, **look)
    for number, note in enumerate(panel.notes):
        _note(figure, note, left, right, bottom - NOTE * (number + 0.5))


def _note(figure: Figure, note: Note, left: float, right: float, y: float) -> None:
    colour = INK if note.right is None else BLUE if note.right else VERMILLION
    sign = "" if note.right is None else " ✓" if note.right else " ✗"
    weight = "normal" if note.right is None else "bold"
    if note.what:
        _text(figure, left, y, note.what, color=SOFT)
    if note.text:
        _text(figure, left + 0.45 if note.what else left, y, note.text + sign, color=colour, weight=weight)
    _text(figure, right, y, note.number, ha="right")


def _text(figure: Figure, x: float, y: float, text: str, **look: str) -> None:
    """Write a text at x and y, in inches from the lower left corner; bytes that are no UTF-8 as codes."""
    width, height = figure.get_size_inches()
    style = {"fontsize": SMALL, "va": "center", **look}
    figure.text(x / width, y / height, one_line(text).replace("`", ""), **style)


def _entry(key: Key) -> float:
    """The width of an entry of the legend, with the room after it."""
    return key.width + 0.1 + LETTER * len(key.name) + 0.25


def _lines(legend: Sequence[Key], width: float) -> list[list[Key]]:
    """The entries of the legend in lines of at most `width` inches."""
    lines = list[list[Key]]()
    for key in legend:
        if lines and sum(map(_entry, [*lines[-1], key])) <= width:
            lines[-1].append(key)
        else:
            lines.append([key])
    return lines


def _legend(figure: Figure, line: Sequence[Key], y: float) -> None:
    """Draw a line of the legend, centred, at height `y` in inches."""
    width, height = figure.get_size_inches()
    x = (width - sum(map(_entry, line))) / 2 + 0.12
    for key in line:
        ends = [x, x + key.width / 2, x + key.width] if key.width > MARKER else [x + key.width / 2]
        figure.add_artist(Line2D([end / width for end in ends], [y / height] * len(ends), **key.look))
        _text(figure, x + key.width + 0.1, y, key.name)
        x += _entry(key)
