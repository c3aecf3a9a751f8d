"""From a template and its facts to one self-contained page, without network."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from twofold.recipe import shape_text
from twofold.report.drawing import Picture
from twofold.report.tables import layer_settings
from twofold.report.text import SPLITS, referred

REPORT = "twofold.report"
"""The package that holds the templates."""
CONTENTS = "\ue002"
"""Stands in a page for its table of contents until its sections are known."""


@dataclass(frozen=True)
class Filled:
    """A page, and its figures in their order: the first is figure 1."""

    html: str
    pictures: list[Picture]


def filled(name: str, facts: Mapping[str, object], package: str = REPORT) -> Filled:
    """The page from a template of the package; its sections, figures and tables are counted from 1."""
    headings = list[str]()
    pictures = list[Picture]()

    def section_number(text: str) -> int:
        headings.append(text)
        return len(headings)

    def figure_number(picture: Picture) -> int:
        pictures.append(picture)
        return len(pictures)

    html = (
        _environment(package)
        .get_template(name)
        .render(
            **facts,
            section_number=section_number,
            table_number=count(1).__next__,
            figure_number=figure_number,
            contents=CONTENTS,
        )
        .replace(CONTENTS, _contents(headings))
    )
    places = {picture.name: number for number, picture in enumerate(pictures, start=1)}
    if len(places) < len(pictures):
        raise ValueError(f"two figures of a page share a name: {[picture.name for picture in pictures]}")
    html = referred(html, lambda name: f'<a href="#figure-{name}">Figure {places[name]}</a>')
    return Filled(html.encode(errors="backslashreplace").decode(), pictures)  # a folder's name may be no UTF-8


def prepare(names: Iterable[str]) -> None:
    """Compile templates of reports before they are filled, while there is time."""
    for name in names:
        _environment(REPORT).get_template(name)


def _contents(headings: Sequence[str]) -> Markup:
    """The sections as a list of links."""
    links = [
        Markup('<li><a href="#section-{}">{}</a></li>').format(number, text)
        for number, text in enumerate(headings, start=1)
    ]
    return Markup('<nav class="toc" aria-label="Contents"><ol>{}</ol></nav>').format(Markup("").join(links))


def code(text: str) -> Markup:
    """The text as HTML, with what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def breakable(text: str) -> Markup:
    """The path as HTML that may be broken after its points."""
    return Markup(str(escape(text)).replace(".", ".<wbr>"))


@cache
def _environment(package: str) -> Environment:
    """The templates of the package, and those of reports, on which it builds."""
    # PackageLoader finds the template in a wheel and in a zip as well.
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(name, "") for name in dict.fromkeys((package, REPORT))]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = code
    environment.filters["breakable"] = breakable
    environment.filters["layer_settings"] = layer_settings
    environment.globals["shape_text"] = shape_text
    environment.globals["SPLITS"] = SPLITS
    return environment
