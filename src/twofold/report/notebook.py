"""The report in parts, for a notebook: each section by its heading, with its figures and tables."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from html import escape, unescape
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, final

from twofold.errors import UnknownNameError, did_you_mean
from twofold.report.exported import rendered
from twofold.runs import Run

if TYPE_CHECKING:
    from twofold.study import SearchResult, StudyResult

HEADING = re.compile(r'<h2 id="section-\d+"><span>\d+</span>(.*?)</h2>')


@dataclass(frozen=True, repr=False)
class Section:
    """A section of a report. In a notebook it shows itself; elsewhere `html` is its text."""

    heading: str
    html: str

    def __repr__(self) -> str:
        return f"<Section {self.heading!r}>"

    def _repr_html_(self) -> str:
        return _shown(self.html)


@final
class Sections(dict[str, Section]):
    """The sections of a report by their headings. In a notebook all of them show themselves."""

    def __missing__(self, heading: str) -> Section:
        """Raises `UnknownNameError` for a heading that the report does not have."""
        hint = did_you_mean(heading, self)
        raise UnknownNameError(f"this report has no section `{heading}`; {hint}")

    def __repr__(self) -> str:
        return f"<Sections {', '.join(map(repr, self))}>"

    def _repr_html_(self) -> str:
        return _shown("".join(f"<h2>{escape(section.heading)}</h2>{section.html}" for section in self.values()))


def sections(result: Run | StudyResult | SearchResult | str | Path, image: int | None = None) -> Sections:
    """The sections of a run's report, or of a study's, made from its folder alone; nothing is written.

    >>> sections("runs/moons-1")["Course of training"]  # doctest: +SKIP

    `image` is the held-out image, from 0, that is shown layer by layer of a network with convolutions.

    Raises `RunFolderError` or `StudyError` for a folder that is missing or damaged, and `UserError` for an image that
    cannot be had. The microscope is left out: a notebook is no place for its script.
    """
    return sections_of(rendered(result, image).html)


def sections_of(page: str) -> Sections:
    """The sections of a page as `sections` gives them."""
    _, *parts = HEADING.split(page[: page.index("<footer>")])
    salt = "t" + hashlib.sha256(page.encode()).hexdigest()[:8]
    parts_of_page = [
        Section(unescape(name), _alone(text, salt))
        for name, text in zip(parts[::2], parts[1::2], strict=True)
        if ' id="microscope"' not in text
    ]
    return Sections({section.heading: section for section in parts_of_page})


def _alone(html: str, salt: str) -> str:
    """The section with ids that no other report has: in a notebook the figures of several runs stand in one page."""
    return re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{salt}-", html.strip())


def _shown(html: str) -> str:
    return f'<div class="twofold"><style>{_style()}</style>{html}</div>'


@cache
def _style() -> str:
    """The report's own style, held within its part of the page."""
    css = resources.files("twofold.report").joinpath("page.css").read_text("utf-8")
    css = css[: css.index("@page")].replace(":root", "&")
    return (
        f".twofold {{ {css} color: var(--ink); background: #fff; font: 1rem/1.5 var(--serif); padding: .2rem .6rem; }}"
    )
