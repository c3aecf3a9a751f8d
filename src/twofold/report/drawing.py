"""How every figure is made: one style, one palette, and an SVG that can stand beside others in one page.

A figure is the same, byte for byte, whenever it is drawn: no dates, none of the user's settings, the one font
that matplotlib brings. Text is drawn as outlines, so it looks alike on every machine.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import matplotlib.style
from markupsafe import Markup, escape
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.lines import Line2D

# Okabe and Ito's colours, told apart by colour-blind eyes too.
BLUE, VERMILLION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
ORANGE, SKY, YELLOW, BLACK = "#e69f00", "#56b4e9", "#f0e442", "#000000"
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, YELLOW, BLACK)
INK, GREY = "#222222", "#8a8a8a"

STYLE: dict[str, Any] = {
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
LINE, MARKER = 0.36, 0.14
"""Widths of the two kinds of keys, in inches."""


@dataclass(frozen=True)
class Picture:
    """A numbered figure of the page: one picture or several that stand side by side where there is room."""

    panels: tuple[Markup, ...]
    caption: str
    legend: tuple[tuple[Markup, str], ...] = ()
    """A sign and what it stands for, for all panels together."""
    titles: tuple[str, ...] = ()
    """Over the panels, one each, or none at all."""
    narrow: bool = False
    """Whether a panel that stands alone keeps to its own width."""


def picture(label: str, width: float, height: float, draw: Callable[[Figure], None]) -> Markup:
    """Inline SVG of what `draw` draws, in inches; `label` says what is seen, and is unique in the page."""
    salt = "f" + hashlib.sha256(label.encode()).hexdigest()[:8]
    with matplotlib.style.context(["default", STYLE | {"svg.hashsalt": salt}]):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata=NO_METADATA)
    return _inline(file.getvalue(), salt, label, round(width * 96))


def key(label: str, width: float, look: Mapping[str, Any]) -> Markup:
    """The sign of a legend by itself: a line where `width` is that of one, else a marker."""

    def draw(figure: Figure) -> None:
        figure.set_layout_engine("none")
        x = [0.0, 1.0] if width > MARKER else [0.5]
        figure.add_artist(Line2D(x, [0.5] * len(x), **look))

    return picture(f"Key: {label}", width, MARKER, draw)


def printable(name: str, index: int, longest: int = 14) -> str:
    """The name of a class or feature, cut to a fit length; its number where the font cannot write it."""
    font = _font()
    if not name.strip() or any(font.get_char_index(ord(sign)) == 0 for sign in name):
        return f"no. {index}"
    return name if len(name) <= longest else name[: longest - 1] + "…"


@cache
def _font() -> Any:
    return get_font(findfont(FontProperties(family="DejaVu Sans")))


def _inline(svg: str, prefix: str, label: str, width: int) -> Markup:
    """Without prologue, comments and unused ids; the ids in use get the prefix: no two figures share one."""
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
