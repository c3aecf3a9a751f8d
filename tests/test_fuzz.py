"""Random recipes and CSV files on the command line: it ends with a status and a message, never with a traceback.

`TWOFOLD_FUZZ=10000` takes so many examples in place of a few; `benchmarks/fuzz.py` counts how they end.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twofold.errors import DataError
from wild import OF_A_TABLE, RECIPES, commanded, mutants, shown, tables, trained

EXAMPLES = int(os.environ.get("TWOFOLD_FUZZ", "60"))
LENIENT = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
FEW = settings(LENIENT, max_examples=max(1, EXAMPLES // 6))


@LENIENT
@given(recipe=st.one_of(RECIPES, mutants()))
def test_a_random_recipe_is_shown_or_refused(recipe: bytes) -> None:
    assert not shown(recipe).fault


@FEW
@given(recipe=st.one_of(RECIPES, mutants()))
def test_a_random_recipe_is_trained_or_refused(recipe: bytes) -> None:
    assert not trained(recipe).fault


@FEW
@given(table=tables())
def test_a_random_table_is_trained_on_or_refused(table: bytes) -> None:
    assert not trained(OF_A_TABLE, table).fault


def test_a_planted_exception_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(error: Exception) -> None:
        def load(*_: object) -> None:
            raise error

        monkeypatch.setattr("twofold.recipe.load_recipe", load)

    fails(KeyError("x"))
    assert commanded("show", "moons").fault == "KeyError: 'x'"
    fails(DataError("the rule"))
    assert commanded("show", "moons").fault == ""
    fails(DataError("Traceback (most recent call last)"))
    assert commanded("show", "moons").fault == "a traceback or a warning"
    fails(OSError("gone"))
    assert "status 1 that is no diverged training's" in commanded("show", "moons").fault
