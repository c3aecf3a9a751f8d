"""How each backward pass follows from its forward equation: docs/derivations, for the kinds that a network has."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markupsafe import Markup

from twofold.recipe import Recipe

PAGES = ("dense", "windows", "normalization", "activations", "recurrent", "losses", "optimizers")
"""The pages of docs/derivations, beside the notation and the method in README.md."""
CHECK = re.compile(r"(?:^(?:[^\n]+\n)*[^\n]+:\n\n)?^```python\n.*?^```\n", re.DOTALL | re.MULTILINE)
"""A block of code that checks the formulas above it, and the paragraph that leads to it."""
LINK = re.compile(r"\[([^\]]+)\]\((?!https?:)[^)]*\)")
"""A link to another file of the project: a page that stands alone keeps its words."""
POINTER = re.compile(r" ?\[Notation(?: and method)?\]\(README\.md[^)]*\)\.")
"""A sentence that refers to README.md; it is left out, since that page comes first here."""
WORTH_A_FOLD = 150
"""Characters of a section that belongs to no kind: below these it says hardly more than its title, and is left out."""

TABLES = {
    "<table>": '<div class="scroll" role="region" aria-label="Table of a derivation" tabindex="0">\n<table>',
    "</table>": "</table>\n</div>",
    "<th>": '<th scope="col">',
}
"""What tables need in HTML beyond what Markdown gives: they scroll by themselves, and heads belong to columns."""


@dataclass(frozen=True)
class Derivation:
    """A section, folded under its title."""

    title: str
    """The name of a kind, as `batch_norm`; else a heading in words."""
    is_kind: bool
    html: Markup


def derivations(recipe: Recipe) -> list[Derivation]:
    """Notation and method, then from each page the sections of the recipe's kinds and what they have in common.

    An empty list where the installation came without the texts.
    """
    folder = _folder()
    if folder is None:
        return []
    kinds = [*(layer.kind for layer in recipe.layers), recipe.loss.kind, recipe.optimizer.kind]
    readme = _sections(folder / "README.md")
    method = "\n\n".join([readme["Notation"], readme["The method"]])
    chosen = [Derivation("Notation and method", False, _html(method))]
    for name in PAGES:
        chosen += _of_page(_sections(folder / f"{name}.md"), kinds)
    return chosen


def _of_page(sections: dict[str, str], kinds: Iterable[str]) -> list[Derivation]:
    named = {f"`{kind}`": kind for kind in kinds}
    if not sections.keys() & named.keys():
        return []
    return [
        Derivation(named.get(heading, heading), heading in named, _html(text))
        for heading, text in sections.items()
        if heading in named or (not heading.startswith("`") and len(text) >= WORTH_A_FOLD)
    ]


def _folder() -> Path | None:
    """Where the texts lie: in the installed package, or in a checkout under `docs/`."""
    places = (Path(__file__).parent / "derivation_texts", Path(__file__).parents[3] / "docs" / "derivations")
    return next((place for place in places if place.is_dir()), None)


@cache
def _sections(path: Path) -> dict[str, str]:
    """The page's Markdown by heading; what comes before the first section is under the page's title."""
    title, _, text = path.read_text("utf-8").partition("\n")
    before, *rest = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    return {title.removeprefix("# "): before, **dict(zip(rest[::2], rest[1::2], strict=True))}


def _html(text: str) -> Markup:
    from markdown_it import MarkdownIt

    words = LINK.sub(r"\1", POINTER.sub("", CHECK.sub("", text)))
    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(words)
    for plain, whole in TABLES.items():
        html = html.replace(plain, whole)
    return Markup(html)
