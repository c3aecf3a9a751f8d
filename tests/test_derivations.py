"""Every layer, loss and optimizer has a derivation, and every derivation is right: its formulas equal autograd's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from cases import LAYERS, kinds
from twofold.recipe import layers, losses, optimizers

FOLDER = Path(__file__).parents[1] / "docs" / "derivations"
REFERENCE = (FOLDER.parent / "recipes.md").read_text("utf-8")
INDEX = (FOLDER / "README.md").read_text("utf-8")
BESIDE = {"max_norm", "ema"}
"""What is derived beside the kinds of a recipe."""


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


class Section(NamedTuple):
    page: str
    kind: str
    text: str
    before: str
    """What the page says before its first section: checks may begin there."""


def sections() -> list[Section]:
    found = []
    for path in sorted(FOLDER.glob("*.md")):
        before, *rest = re.split(r"^## `(\w+)`\n", path.read_text("utf-8"), flags=re.MULTILINE)
        found += [Section(path.name, kind, text, before) for kind, text in zip(rest[::2], rest[1::2], strict=True)]
    return found


SECTIONS = sections()
PREAMBLE, NETWORK = blocks(INDEX, "python")
each_section = pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.kind)


def compared(section: Section, factor: float = 1.0) -> int:
    """Run a section's checks as a reader would; how many arrays were compared. `factor` falsifies each of ours."""
    names: dict[str, Any] = {}
    exec(PREAMBLE, names)
    honest, count = names["same"], 0

    def same(ours: Any, theirs: Any) -> None:
        nonlocal count
        count += 1
        honest(ours * factor, theirs)

    names["same"] = same
    for code in blocks(section.before, "python") + blocks(section.text, "python"):
        exec(code, names)
    return count


def test_every_kind_has_one_derivation() -> None:
    wanted = {*kinds(layers.Layer), *kinds(losses.Loss), *kinds(optimizers.Optimizer), *BESIDE}
    assert sorted(section.kind for section in SECTIONS) == sorted(wanted)


@each_section
def test_a_derivation_is_right(section: Section) -> None:
    """Output, input gradient, and the gradient of each parameter: fewer comparisons prove less."""
    parameters = {len(case.params()) for case in LAYERS if case.kind == section.kind}
    wanted = 1 if section.kind in BESIDE | set(kinds(optimizers.Optimizer)) else 2 + max(parameters, default=0)
    assert compared(section) >= wanted


@each_section
def test_a_check_can_fail(section: Section) -> None:
    with pytest.raises(AssertionError):
        compared(section, 1 + 1e-6)


@each_section
def test_a_derivation_names_its_source_and_gives_its_equation(section: Section) -> None:
    (first, *_) = section.text.strip().splitlines()
    assert re.search(r"\]\(\.\./\.\./src/twofold/[\w/]+\.py\)", first), "begin with a link to the source"
    assert blocks(section.text, "text")


def test_the_index_names_every_derivation() -> None:
    """Its table has every page, and the reference of recipes links to every section of them."""
    for section in SECTIONS:
        assert f"]({section.page})" in INDEX, section
        link = f"(derivations/{section.page}#{section.kind})"
        assert link in REFERENCE or section.kind in BESIDE, section


def test_the_network_by_hand_is_right() -> None:
    names: dict[str, Any] = {}
    exec(PREAMBLE + NETWORK, names)
    assert np.any(names["dU"])
