"""The check of a user's code: right ones are right however they are written, wrong ones are caught and named."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from twofold.proof.check.checking import CheckReport, Request, check_file
from twofold.proof.check.sandbox import Limits

HERE = Path(__file__).parent


def cases(corpus: str) -> list[dict[str, Any]]:
    return tomllib.loads((HERE / corpus / "cases.toml").read_text("utf-8"))["case"]


@cache
def reports(corpus: str, file: str) -> dict[str, CheckReport]:
    """Every case of a file, in one process of its own."""
    chosen = [case for case in cases(corpus) if case["file"] == file]
    requests = [Request(case["object"], case["object"], case["like"]) for case in chosen]
    answers = check_file(HERE / corpus / file, requests, Limits(120))
    return {f"{case['object']} {case['like']}": answer for case, answer in zip(chosen, answers, strict=True)}


def files(corpus: str) -> list[str]:
    return list(dict.fromkeys(case["file"] for case in cases(corpus)))


@pytest.mark.parametrize("file", files("right"))
def test_right_code_is_not_accused(file: str) -> None:
    accused = {name: str(report) for name, report in reports("right", file).items() if not report.ok}
    assert accused == {}


@pytest.mark.parametrize("file", files("wrong"))
def test_wrong_code_is_caught_at_its_first_tensor_and_named(file: str) -> None:
    by_name = reports("wrong", file)
    missed = defaultdict(list)
    for case in (case for case in cases("wrong") if case["file"] == file):
        report = by_name[f"{case['object']} {case['like']}"]
        if report.ok or report.first is None or report.first.tensor != case["first"]:
            missed["caught"].append(case["object"])
        if report.fault is None or not re.search(case["name"], report.fault.name):
            missed["named"].append((case["object"], report.fault and report.fault.name))
    assert dict(missed) == {}
