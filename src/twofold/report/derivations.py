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
"""What sends a reader of the folder to its first page, which is the first part here."""
WORTH_A_FOLD = 150
"""Characters of a page's first words from which they are more than a title."""

TABLES = {
    "<table>": '<div class="scroll" role="region" aria-label="Table of a derivation" tabindex="0">\n<table>',
    "</table>": "</table>\n</div>",
    "<th>": '<th scope="col">',
}
"""What a table of these pages has that Markdown does not write: it scrolls by itself, and its heads say what of."""


@dataclass(frozen=True)
class Derivation:
    """A section, folded under its title."""

    title: str
    """`batch_norm` of a kind, else words."""
    is_kind: bool
    html: Markup


def derivations(recipe: Recipe) -> list[Derivation]:
    """Notation and method, then of each page what its sections share, and the sections of the recipe's kinds.

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
    """Markdown by heading; what is said before the first section stands under the page's title."""
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
