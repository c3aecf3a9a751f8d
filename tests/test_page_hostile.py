"""Whatever is sent to the page, it refuses it or shows it as text, and goes on answering."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("starlette")

import hostile
from pages import Client, serving
from twofold.page import guard

SAFETY = Path(__file__).parents[1] / "docs" / "safety.md"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    base = tmp_path_factory.mktemp("hostile")
    runs = base / "runs"
    secret = base / "secret"
    for folder in (secret, runs / "forged"):
        folder.mkdir(parents=True)
        (folder / "record.json").write_text("{}")
    (secret / "report.html").write_text("<p>secret</p>")
    (runs / "linked").symlink_to(secret)
    (runs / "forged" / "report.html").symlink_to("/etc/passwd")
    patience, guard.JSON_SECONDS = guard.JSON_SECONDS, 0.5
    with serving("moons", runs, ("training.steps=10",)) as client:
        client.paused()
        yield client
    guard.JSON_SECONDS = patience


@pytest.mark.parametrize("case", hostile.CASES, ids=lambda case: f"{case.kind}: {case.what}")
def test_a_hostile_request_is_refused_or_shown_as_text(client: Client, case: hostile.Case) -> None:
    answer = case.ask(client)
    assert answer.status in case.status, answer.body[:500]
    assert case.says.encode() in answer.body
    assert b"secret" not in answer.body or case.kind == "Recipe"
    assert b"root:" not in answer.body
    assert b"Traceback" not in answer.body
    if answer.status == 200 and answer.headers:
        assert answer.headers["content-type"].startswith("application/json")
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.get("api/state").status == 200


def test_nothing_was_written_outside_the_uploads(client: Client) -> None:
    runs = Path(client.state()["runs"])
    assert {path.name for path in runs.iterdir()} <= {"uploads", "linked", "forged"}
    assert {path.name for path in runs.parent.iterdir()} == {"runs", "secret"}
    for path in (runs / "uploads").rglob("*"):
        assert not path.is_symlink()
        assert path.is_dir() or path.suffix in {".csv", ".png"}


def test_the_table_in_the_documentation_is_what_is_tried() -> None:
    written = SAFETY.read_text("utf-8")
    assert len(hostile.CASES) >= 60
    assert hostile.table() in written, "python tests/hostile.py prints the table"
    assert f"{len(hostile.CASES)} requests" in re.sub(r"\s+", " ", written)
