"""What a figure is, and how it is made: one style, one palette, and an SVG that can stand beside others in one page.

A figure is the same, byte for byte, whenever it is drawn: no dates, none of the user's settings, the one font
that matplotlib brings. Text is drawn as outlines, so it looks alike on every machine.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any, Literal, TypeAlias

import matplotlib.style
from markupsafe import Markup, escape
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure, FigureBase
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ft2font import FT2Font
from matplotlib.lines import Line2D

# Okabe and Ito's colours, told apart by colour-blind eyes too.
BLUE, VERMILLION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
ORANGE, SKY, YELLOW, BLACK = "#e69f00", "#56b4e9", "#f0e442", "#000000"
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, YELLOW, BLACK)
Look: TypeAlias = dict[str, Any]
"""Keywords of a drawing, whose types are matplotlib's own affair: a colour, a width, a marker."""
DASHES: tuple[str | tuple[float, tuple[float, ...]], ...] = (
    "-",
    (0, (4, 1.5)),
    (0, (1.2, 1.2)),
    (0, (6, 1.5, 1.2, 1.5)),
    (0, (9, 2)),
    (0, (4, 1.2, 1.2, 1.2, 1.2, 1.2)),
    (0, (2.5, 2.5)),
    (0, (9, 1.5, 3, 1.5)),
)
"""Dashes of lines, in the order of the colours: either is enough to tell lines apart."""
INK, SOFT, GREY = "#222222", "#5c5c5c", "#8a8a8a"

STYLE: Look = {
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 8.5,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 9.5,
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "legend.fontsize": 8.5,
    "savefig.transparent": True,
    "svg.fonttype": "path",
    "text.color": INK,
    "text.parse_math": False,  # a class may be called `$`
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 8,
}
NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
POINTS = 72.0
"""Points in an inch: the unit of an SVG that matplotlib writes."""
LINE, MARKER = 0.36, 0.14
"""Widths in inches of a legend's keys, of a line and of a marker."""


Draw: TypeAlias = Callable[[FigureBase], None]
"""Draws into a figure of its own, or into a part of one."""


@dataclass(frozen=True)
class Note:
    """A line of text at a panel: what it is about, what it says, a number; each may be left out."""

    what: str = ""
    text: str = ""
    number: str = ""
    right: bool | None = None
    """Whether the answer that `text` names is right, where it names one."""


@dataclass(frozen=True)
class Panel:
    """One drawing. Nothing is drawn before it is asked for."""

    label: str
    """What is seen in it, for those who do not see it; unique in the page."""
    width: float
    """Width of the drawing in inches; `height` likewise."""
    height: float
    draw: Draw
    title: str = ""
    """Stands above the drawing; what is between backticks is set as code."""
    notes: tuple[Note, ...] = ()
    placed: bool = False
    """Whether `draw` places its axes itself."""
    original: Panel | None = None
    """The same panel in another page, whose drawing this one is too."""

    @cached_property
    def svg(self) -> Markup:
        """The drawing, to be put into a page."""
        if self.original is not None:
            return _relabelled(self.original.svg, self.original.label, self.label)
        return inline_svg(self.label, self.width, self.height, self.draw, self.placed)

    def under(self, label: str) -> Panel:
        """The panel as it stands in another page, under a label of its own; it is drawn once for both."""
        return replace(self, label=label, original=self)


@dataclass(frozen=True)
class Key:
    """A sign of a legend, a line or a marker, and what it stands for."""

    name: str
    look: Look
    width: float = LINE


@dataclass(frozen=True)
class Picture:
    """A numbered figure: one panel, or several that stand side by side where there is room."""

    name: str
    """Unique in the page, and fit for a file's name: what other text refers to, see `refer`."""
    panels: tuple[Panel, ...]
    caption: str
    legend: tuple[Key, ...] = ()
    """For all panels together."""
    narrow: bool = False
    """Whether a panel that stands alone keeps to its own width."""
    form: Literal["panels", "cards", "small", "rows"] = "panels"
    """`panels` are side by side; `cards` and the smaller `small` above their notes; `rows` beside their notes."""

    @cached_property
    def keys(self) -> tuple[tuple[Markup, str], ...]:
        """Sign and name of each entry of the legend."""
        return tuple((self._sign(key), key.name) for key in self.legend)

    def _sign(self, key: Key) -> Markup:
        label = f"Key of {self.name}: {key.name}"
        return inline_svg(label, key.width, MARKER, lambda figure: _sign(figure, key), True)


def inline_svg(label: str, width: float, height: float, draw: Draw, placed: bool = False) -> Markup:
    """What `draw` draws as SVG, sizes in inches. Its ids are made from `label`, which must be unique in the page."""
    prefix = _prefix(label)
    with styled({"svg.hashsalt": prefix}):
        figure = Figure(figsize=(width, height), layout=None if placed else "constrained")
        draw(figure)
        if not placed:
            lay_out(figure)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata=NO_METADATA)
    return _inline(file.getvalue(), prefix, label, round(width * 96))


def _prefix(label: str) -> str:
    """What the ids of a drawing begin with."""
    return "f" + hashlib.sha256(label.encode(errors="backslashreplace")).hexdigest()[:8]


def _relabelled(svg: Markup, old: str, new: str) -> Markup:
    """The drawing of one label as that of another."""
    before, after = (f'aria-label="{escape(label)}"' for label in (old, new))
    return Markup(str(svg).replace(before, after, 1).replace(_prefix(old), _prefix(new)))


def lay_out(figure: Figure) -> None:
    """Place the axes, for which `savefig` would draw the whole figure once more."""
    FigureCanvasSVG(figure)  # whose renderer measures the text
    figure.set_dpi(POINTS)
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.execute(figure)
    figure.set_layout_engine("none")


def styled(more: Mapping[str, object]) -> AbstractContextManager[None]:
    """The one style of every drawing while the context lasts, with `more` settings, whatever the user's are."""
    return matplotlib.style.context(["default", {**STYLE, **more}])


def _sign(figure: FigureBase, key: Key) -> None:
    x = [0.0, 0.5, 1.0] if key.width > MARKER else [0.5]
    figure.add_artist(Line2D(x, [0.5] * len(x), **key.look))


def slug(text: str) -> str:
    """The text as part of a file's name: `optimizer.lr` becomes `optimizer-lr`; empty where no letter is ASCII."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def printable(name: str, index: int, longest: int = 14) -> str:
    """The name of a class or feature, cut to a fit length; its number where the font cannot write it."""
    if not writable(name):
        return f"no. {index}"
    return name if len(name) <= longest else name[: longest - 1] + "…"


def writable(text: str) -> bool:
    """Whether there is a text, and the font can write all of it."""
    font = _font()
    return bool(text.strip()) and all(font.get_char_index(ord(sign)) for sign in text)


@cache
def _font() -> FT2Font:
    return get_font(findfont(FontProperties(family="DejaVu Sans")))


def _inline(svg: str, prefix: str, label: str, width: int) -> Markup:
    """The SVG without prologue, comments and unused ids; the ids in use get the prefix: no two figures share one."""
    svg = re.sub(r"<!--.*?-->\s*", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda m: f' id="{prefix}-{m[1]}"' if m[1] in used else "", svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    view_box = re.search(r'viewBox="[^"]+"', svg)
    assert view_box is not None
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {view_box[0]} '
        f'width="{width}" role="img" aria-label="{escape(label)}">'
    )
    return Markup(opening + svg[svg.index(">") + 1 :].strip())
