"""Write docs/figures.md, every figure of a run's report under its heading, from the list of them.

python docs/make_figures.py
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import fill
from types import ModuleType

from twofold.report.figures import SECTIONS, Section

HEAD = """\
# The figures of a report

Written by `python docs/make_figures.py` from the list in
[`report/figures`](../src/twofold/report/figures/__init__.py). Each figure is one file there: what it shows of a run,
its caption, its drawing. The page of a run has those for which the run has something to show;
`twofold report RUN --figures DIR` writes them as SVG, PDF and PNG.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *map(_section, SECTIONS)])


def _section(section: Section) -> str:
    return "\n".join([f"## {section.heading}", "", *map(_figure, section.figures), *map(_table, section.plain), ""])


def _table(make: Callable[..., object]) -> str:
    """What a table of the section holds, in the words of the function that makes it."""
    words = (make.__doc__ or "").strip().split("\n\n")[0]
    text = f"- a table, [`{make.__name__}`](../src/twofold/report/table_facts.py): {' '.join(words.split())}"
    return fill(text, 140, subsequent_indent="  ", break_on_hyphens=False)


def _figure(module: ModuleType) -> str:
    """What the figure is, and when there is one, in the words of the file itself."""
    name = module.__name__.rpartition(".")[2]
    words = [(text or "").strip().split("\n\n")[0] for text in (module.__doc__, module.pictures.__doc__)]
    link = f"[`{name}`](../src/twofold/report/figures/{name}.py)"
    return fill(f"- {link}: {' '.join(' '.join(words).split())}", 140, subsequent_indent="  ", break_on_hyphens=False)


if __name__ == "__main__":
    (Path(__file__).parent / "figures.md").write_text(page(), "utf-8")
