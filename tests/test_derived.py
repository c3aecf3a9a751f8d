"""The derivations as the report folds them: those of the network's own kinds, without what only the project needs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import twofold
from twofold.recipe import load_recipe
from twofold.report.derivations import derivations

pytestmark = pytest.mark.usefixtures("undrawn")

RECIPES = ("digits", "cifar10-vgg-bn", "palindrome-lstm", "cifar10-mlp-best", "palindrome-gru")


@pytest.mark.parametrize("name", RECIPES)
def test_each_kind_of_a_recipe_has_its_derivation_once(name: str) -> None:
    recipe = load_recipe(name)
    titles = [part.title for part in derivations(recipe) if part.is_kind]
    wanted = {*(layer.kind for layer in recipe.layers), recipe.loss.kind, recipe.optimizer.kind}
    assert sorted(titles) == sorted(wanted)


@pytest.mark.parametrize("name", RECIPES)
def test_no_check_and_no_link_to_a_file_is_left(name: str) -> None:
    for part in derivations(load_recipe(name)):
        words = re.sub(r"<[^>]+>", "", part.html).strip()
        assert words, part.title
        assert not words.endswith(":"), part.title
        for left in ("torch.tensor", "same(", "href", "README"):
            assert left not in part.html, part.title


def test_what_a_family_shares_stands_before_its_kinds() -> None:
    titles = [part.title for part in derivations(load_recipe("palindrome-gru"))]
    assert titles[0] == "Notation and method"
    assert titles.index("Back through time") < titles.index("gru")
    assert "Normalization" not in titles


def test_the_report_folds_them(tmp_path: Path) -> None:
    settings = {"training.epochs": 1, "training.engines": ["numpy"]}
    run = twofold.run("digits", overrides=settings, out=tmp_path / "run")
    page = twofold.write_report(run).read_text("utf-8")
    folded = page[page.index('<details class="derived">') :]
    assert "<summary><code>relu</code></summary>" in folded
    assert "dW = dyᵀ x" in folded
    assert "<code>lstm</code>" not in folded
