"""The page around its figures: contents, author, the network's drawing, what tables show, and tables as files."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from markupsafe import escape
from matplotlib.figure import FigureBase

import twofold
from twofold.errors import RunFolderError, UserError
from twofold.recipe import load_recipe
from twofold.report import exported
from twofold.report.diagram import network_boxes
from twofold.report.drawing import Panel, inline_svg
from twofold.report.exported import CAPTIONS, latex
from twofold.report.page import render
from twofold.report.tables import layer_settings, settings
from twofold.report.tabulated import page_tables
from twofold.report.text import step_time


@pytest.fixture(scope="module")
def page(moons_run: twofold.Run) -> str:
    return render(moons_run, author="Wei <b>Zhang</b>").html


def test_the_contents_name_and_reach_every_section(page: str) -> None:
    headings = re.findall(r'<h2 id="section-(\d+)"><span>\d+</span>(.*?)</h2>', page)
    contents = re.findall(r'<li><a href="#section-(\d+)">(.*?)</a></li>', page)
    assert contents == headings
    assert len(headings) > 6


def test_the_author_stands_under_the_title(page: str, moons_run: twofold.Run) -> None:
    assert '<p class="author">Wei &lt;b&gt;Zhang&lt;/b&gt;</p>' in page
    assert 'class="author"' not in render(moons_run).html


BOXES = {
    "moons": (["input", "0 dense", "2 dense"], {1: ["relu"]}),
    "mnist-lenet": (
        [
            "input",
            "0 conv2d",
            "2 max_pool2d",
            "3 conv2d",
            "5 max_pool2d",
            "6 flatten",
            "7 dense",
            "10 dense",
            "13 dense",
        ],
        {1: ["relu"], 6: ["relu", "dropout"]},
    ),
    "palindrome": (["input", "0 rnn", "1 dense"], {}),
}


@pytest.mark.parametrize(("name", "titles", "after"), [(name, *row) for name, row in BOXES.items()], ids=BOXES)
def test_the_drawing_has_a_box_for_what_changes_the_shape(
    name: str, titles: list[str], after: dict[int, list[str]]
) -> None:
    boxes = network_boxes(load_recipe(name).network)
    assert [box.title for box in boxes] == titles
    for index, kinds in after.items():
        assert boxes[index].after == kinds


def training_keys(name: str, **changes: object) -> set[str]:
    recipe = load_recipe(name, {f"training.{key}": value for key, value in changes.items()})
    return {key for setting in settings(recipe) if setting.part == "training" for key, _ in setting.values}


def test_the_recipes_table_leaves_out_keys_that_change_nothing_here() -> None:
    assert not training_keys("moons") & {"convolution", "flip_test", "shift_test", "gradient_flow"}
    assert not training_keys("moons", engines=["numpy"]) & {"autocast", "compile", "device"}
    assert {"convolution", "flip_test", "autocast"} <= training_keys("cifar10-vgg")
    assert "gradient_flow" in training_keys("palindrome")


def test_the_layers_table_tells_kernel_stride_and_padding() -> None:
    layers = load_recipe("cifar10-vgg").layers
    assert layer_settings(layers[0]) == "kernel 3, stride 1, padding 1"
    assert layer_settings(layers[2]) == "kernel 3, stride 2, padding 1"
    assert layer_settings(load_recipe("mnist-lenet").layers[2]) == "kernel 2, stride 2, padding 0"
    assert layer_settings(load_recipe("moons").layers[0]) == ""
    assert layer_settings(load_recipe("palindrome-long").layers[0]) == 'initial_hh "orthogonal", gain_hh 1.1'


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [(33.14, "33.1 µs"), (186.2, "186 µs"), (999.6, "1 ms"), (640_173, "640 ms"), (1_924_157, "1.92 s")],
)
def test_a_step_is_told_in_the_unit_that_people_take(microseconds: float, text: str) -> None:
    assert step_time(microseconds) == text


def test_tables_of_a_page_are_rows_of_text(page: str) -> None:
    tables = page_tables(page)
    numbers = re.findall(r"<b>Table (\d+)\.</b>", page)
    assert [table.caption.split(".")[0] for table in tables] == [f"Table {number}" for number in numbers]
    results = tables[0]
    assert results.head == 2
    assert results.rows[0][0] == "engine"
    assert [row[0] for row in results.rows[2:]] == ["NumPy", "PyTorch"]
    assert all(len(row) == len(results.rows[0]) for row in results.rows)


def test_a_cell_over_several_rows_and_columns_leaves_the_others_empty() -> None:
    html = (
        "<table><caption>c</caption><thead><tr><th rowspan=2>a</th><th colspan=2>b</th></tr><tr><th>c</th><th>d</th>"
        "</tr></thead><tbody><tr><td>1 &amp; 2</td><td><table><tr><td>9</td></tr></table></td><td><svg>x</svg>3</td>"
        "</tr></tbody></table><table><tr><td>no caption</td></tr></table>"
    )
    (table,) = page_tables(html)
    assert table.rows == [["a", "b", ""], ["", "c", "d"], ["1 & 2", "9", "3"]]
    assert list(csv.reader(table.csv_text().splitlines())) == table.rows
    assert r"1 \& 2 & 9 & 3 \\" in table.latex_text(latex)


@pytest.mark.usefixtures("undrawn")
def test_figures_are_never_written_over_those_of_another_run(
    moons_run: twofold.Run, trained_runs: dict[str, twofold.Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exported, "composed", lambda picture: {"svg": picture.caption.encode()})
    folder = twofold.write_figures(moons_run, tmp_path / "figures")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {"network.svg", "table-1.csv", "table-1.tex", CAPTIONS} <= before.keys()
    twofold.write_figures(moons_run, folder)
    with pytest.raises(RunFolderError, match="holds the figures of moons; choose another folder"):
        twofold.write_figures(trained_runs["digits"], folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


SHORT_KEYS = {
    "lr=0.5": ("optimizer", "lr", 0.5),
    "learning_rate=0.5": ("optimizer", "lr", 0.5),
    "batch_size=7": ("training", "batch_size", 7),
    "noise=0.3": ("data", "noise", 0.3),
}


@pytest.mark.parametrize(("text", "part", "key", "value"), [(text, *row) for text, row in SHORT_KEYS.items()])
def test_a_key_that_one_part_alone_has_needs_no_path(text: str, part: str, key: str, value: object) -> None:
    assert getattr(getattr(load_recipe("moons", [text]), part), key) == value


def test_a_key_of_several_parts_is_asked_for_whole() -> None:
    with pytest.raises(UserError, match=r"`seed` is a key of several parts of a recipe; write `data.seed` or"):
        load_recipe("moons", ["seed=3"])


def test_a_panel_that_stands_in_two_pages_is_drawn_once_with_ids_of_each() -> None:
    drawings = list[object]()

    def draw(figure: FigureBase) -> None:
        drawings.append(figure)
        figure.subplots().plot([1, 2], label='<"&">')

    panel = Panel("A line", 2, 1, draw)
    other = panel.under('part1-moons: a <line> & "more"')
    assert 'aria-label="part1-moons: a &lt;line&gt; &amp; &#34;more&#34;"' in other.svg
    assert len(drawings) == 1
    ids = [set(re.findall(r'(?: id="|href="#|url\(#)([^")]+)', one.svg)) for one in (panel, other)]
    assert ids[0]
    assert not ids[0] & ids[1]
    assert _masked(other.svg) == _masked(inline_svg(other.label, 2, 1, draw)) != _masked(panel.svg)
    assert _masked(other.svg, other.label) == _masked(panel.svg, panel.label)


def _masked(svg: str, label: str = "") -> str:
    """The drawing without the names of its ids, and without its label where that is given."""
    return re.sub(r'(id="|href="#|url\(#)[^")]+', r"\1", svg).replace(f'aria-label="{escape(label)}"', "")
