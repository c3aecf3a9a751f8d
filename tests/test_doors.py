"""A few of the damaged files of benchmarks/doors.py, at every door; the page holds them all."""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EACH = 8


def test_damaged_files_are_read_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from doors import inputs, tried

    chosen = [one for _, own in groupby(inputs(tmp_path), lambda one: one.kind) for one in list(own)[:EACH]]
    outcomes = [tried(one, tmp_path) for one in chosen]
    assert len({outcome.input.kind for outcome in outcomes}) == 14
    assert {outcome.ended for outcome in outcomes} == {"read", "refused"}
    assert [outcome for outcome in outcomes if not outcome.right] == []


def test_the_page_of_every_door_holds_no_wrong_one() -> None:
    page = (ROOT / "docs" / "benchmarks" / "hostile.md").read_text("utf-8")
    count, wrong = map(int, re.findall(r"(\d+) inputs, each read once.*?(\d+) ended otherwise", page, re.DOTALL)[0])
    assert count >= 700
    assert wrong == 0
