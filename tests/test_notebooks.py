"""In a notebook: recipes and the sections of a report show themselves; the notebooks of the project run."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

import twofold
from torture import short_form
from twofold.report.page import render

ROOT = Path(__file__).parents[1]


def test_a_recipe_shows_its_layers() -> None:
    shown = twofold.load_recipe("mnist-lenet", {"title": "a < b"})._repr_html_()
    assert shown.startswith("<b>a &lt; b</b><table>")
    assert "<td><code>0.weight</code> (6, 1, 5, 5)<br><code>0.bias</code> (6,)</td><td>156</td>" in shown
    assert "<td>(N, 6, 24, 24) → (N, 1, 28, 28)</td>" in shown
    assert shown.count("<tr>") == 1 + 14 + 1
    assert "<td>total</td>" in shown
    assert "44,426" in shown


def test_a_recipe_shows_its_notes() -> None:
    assert (
        "<p>Note: Of palindromes of two digits" in twofold.load_recipe("palindrome", {"data.length": 2})._repr_html_()
    )


def test_the_sections_of_a_report_are_those_of_the_page(moons_run: twofold.Run) -> None:
    found = twofold.sections(moons_run)
    assert "<script" not in "".join(section.html for section in found.values())
    page = render(moons_run).html
    headings = re.findall(r"<h2 id=\"section-\d+\"><span>\d+</span>(.*?)</h2>", page)
    assert list(found) == [heading for heading in headings if not heading.startswith("The microscope")]
    for part in found.values():
        shown = part._repr_html_()
        assert shown.startswith('<div class="twofold"><style>.twofold {')
        assert "<h2" not in shown
        assert "<footer" not in shown
    assert "Figure 2" in found["Course of training"].html
    assert found._repr_html_().count("<h2>") == len(found)
    assert twofold.sections(moons_run.path).keys() == found.keys()


def test_figures_of_two_sections_share_no_id(moons_run: twofold.Run) -> None:
    first, second = (
        twofold.sections(moons_run)[name].html for name in ("Course of training", "Classes and confusions")
    )
    ids = [set(re.findall(r' id="([^"]+)"', html)) for html in (first, second)]
    assert all(ids)
    assert not ids[0] & ids[1]
    for html, known in zip((first, second), ids, strict=True):
        assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', html)) <= known


def test_a_section_that_is_not_there(moons_run: twofold.Run) -> None:
    found = twofold.sections(moons_run)
    with pytest.raises(twofold.UnknownNameError, match=r"no section `Result`; did you mean `Results`\?"):
        found["Result"]
    assert found.get("Result") is None


def test_the_sections_of_a_study(tmp_path: Path) -> None:
    study = twofold.run_study(
        "moons", axes={"optimizer.lr": [0.01, 0.1]}, seeds=2, overrides={"training.epochs": 1}, out=tmp_path / "study"
    )
    assert "Figure 1" in twofold.sections(study)["Along the axis"].html
    assert twofold.sections(tmp_path / "study").keys() == twofold.sections(study).keys()


MAKE = runpy.run_path(str(ROOT / "notebooks" / "make.py"))
SOURCES = {source.stem: source for source in MAKE["sources"]()}


def test_there_is_a_notebook_for_each_part() -> None:
    names = ["points_in_the_plane", "cifar10_mlp", "cifar10_cnn", "mnist", "palindromes"]
    assert list(SOURCES) == [f"part{number}_{name}" for number, name in enumerate(names, 1)]


@pytest.mark.parametrize("part", short_form(SOURCES, {"part3_cifar10_cnn"}))
def test_a_notebook_runs(part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWOFOLD_SHORT", "1")
    notebook = MAKE["executed"](SOURCES[part], tmp_path)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    said = "".join(output.text for output in outputs if output.get("name") == "stderr")
    assert said == ""  # a warning among it
    assert sum("text/html" in output.get("data", {}) for output in outputs) >= 3
    assert sum(cell.cell_type == "markdown" for cell in notebook.cells) >= 5
    assert any((tmp_path / "runs").iterdir())
