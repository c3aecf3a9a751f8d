"""Several runs in one page: what differs, which is better and by how much; and figures as files."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from html import unescape
from itertools import combinations
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

import twofold
from apart import Apart
from conftest import Outcome
from records import finished
from test_report import Page
from twofold.analysis import Curve
from twofold.analysis.comparison import Paired, all_curves, names, paired, same_samples
from twofold.analysis.differences import Subject, differences, subject
from twofold.recipe import load_recipe
from twofold.report import comparison_words as words
from twofold.report.comparison import render_comparison
from twofold.report.comparison_curves import DASHES, _look, gap_caption, gap_picture
from twofold.report.drawing import COLOURS, Panel, Picture
from twofold.report.exported import captions_text, latex, latex_text
from twofold.report.figures.curves import LOOKS
from twofold.report.text import refer
from twofold.runs import Record, Run

pytestmark = pytest.mark.usefixtures("undrawn")

SHORT = {"training.epochs": 4, "training.evaluate_every": 1, "data.samples": 100, "training.dtype": "float64"}
ADAM = {"kind": "adam", "lr": 0.05}
VARIANTS: dict[str, dict[str, Any]] = {
    "sgd": {},
    "adam": {"optimizer": ADAM},
    "slow": {"optimizer.lr": 0.001},
    "long": {"training.epochs": 6},
    "more": {"data.samples": 200},
    "alone": {"training.engines": ["torch"]},
    "turned": {"training.engines": ["torch", "numpy"]},
    "steps": {"training.epochs": None, "training.steps": 8},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, apart: Apart) -> Path:
    folder = tmp_path_factory.mktemp("compared")
    for name, settings in VARIANTS.items():
        how = {key: value for key, value in (SHORT | settings).items() if value is not None}
        apart.run("moons", overrides=how, out=folder / name)
    apart.run("circles", overrides=SHORT, out=folder / "circles")
    return folder


def page(folder: Path, *which: str) -> Page:
    return Page(render_comparison([twofold.open_run(folder / name) for name in which]).html)


HEADINGS = {
    ("adam", "sgd"): (
        "Adam against SGD",
        "adam is trained with Adam and sgd is trained with SGD. Their learning rates (0.05 and 0.01) differ as well. "
        "Nothing else that changes what is trained differs.",
    ),
    ("sgd", "slow"): ("Learning rate 0.01 against learning rate 0.001", "Nothing else"),
    ("sgd", "more"): ("80 against 160 training samples", "Nothing else"),
    ("sgd", "long"): ("Sgd against long", "They differ in 1 setting: training.epochs."),
    ("sgd", "alone"): ("Sgd against alone", "every setting that changes what is trained is the same."),
    ("sgd", "circles"): ("Sgd against circles", "on different tasks: moons and circles."),
}


@pytest.mark.parametrize("which", HEADINGS)
def test_the_page_says_what_is_compared(folder: Path, which: tuple[str, str]) -> None:
    found = page(folder, *which)
    title, said = HEADINGS[which]
    assert title in found.words
    assert said in found.words
    assert found.tags.count("table") == 2
    assert "script" not in found.tags


def test_only_settings_that_differ_are_listed(folder: Path) -> None:
    found = page(folder, "adam", "sgd").words
    assert "optimizer. kind adam sgd" in found.replace("optimizer.kind", "optimizer. kind")
    for same in ("data.noise", "training.epochs", "training.seed", "schedule"):
        assert same not in found


def test_no_row_of_the_table_has_the_same_value_in_all_runs(folder: Path) -> None:
    """Neither of the recipe's name nor of the number of parameters."""
    for which in (("adam", "sgd"), ("sgd", "slow", "more"), ("sgd", "circles")):
        page = render_comparison([twofold.open_run(folder / name) for name in which]).html
        rows = re.findall(r'<tr><th scope="row"><code>(.*?)</code></th>(.*)</tr>', page)
        assert rows
        for key, cells in rows:
            assert len(set(re.findall(r"<td[^>]*>(.*?)</td>", cells))) > 1, key


def test_runs_that_are_the_same_have_no_table_of_differences(folder: Path, tmp_path: Path) -> None:
    copytree(folder / "sgd", tmp_path / "again")
    found = Page(render_comparison([twofold.open_run(path) for path in (folder / "sgd", tmp_path / "again")]).html)
    assert "Nothing: recipe, data and machine are the same." in found.words
    assert found.tags.count("table") == 1


ALONGSIDE: dict[str, tuple[tuple[dict[str, Any], ...], str]] = {
    "what both have": (
        ({"kind": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}, {"kind": "adam", "lr": 0.001}),
        "Their learning rates (0.1 and 0.001) and weight decays (0.0001 and 0) differ as well. Nothing else",
    ),
    "what one has": (({"kind": "sgd", "lr": 0.1, "momentum": 0.9}, {"kind": "adam", "lr": 0.1}), "SGD and `b` is"),
    "what one does not set": (
        ({"kind": "sgd", "lr": 0.1, "max_norm": 5.0}, {"kind": "adam", "lr": 0.1}),
        "Their largest norms of the gradient (5 and none) differ as well.",
    ),
    "beside a rate": (({"lr": 0.1, "momentum": 0.9}, {"lr": 0.2}), "Their momenta (0.9 and 0) differ as well. Nothing"),
    "without a name": (
        ({"kind": "adam", "eps": 1e-6}, {"kind": "adam", "lr": 0.1}),
        "Their values of `optimizer.eps` (1e-06 and 1e-08) differ as well. Nothing",
    ),
    "of two of three": (
        ({"kind": "sgd", "lr": 0.1}, {"kind": "adam", "lr": 0.1, "eps": 1e-6}, {"kind": "rmsprop", "lr": 0.1}),
        "Their values of `optimizer.eps` (none, 1e-06 and 1e-08) differ as well.",
    ),
}


@pytest.mark.parametrize("case", ALONGSIDE)
def test_what_differs_beside_the_subject_is_named(case: str) -> None:
    optimizers, expected = ALONGSIDE[case]
    recipes = [twofold.load_recipe("moons", {"optimizer": optimizer}) for optimizer in optimizers]
    record = finished(source="moons", classes=("0", "1"), features=("x", "y"))
    runs, found = [_Recorded(Path(), record, recipe) for recipe in recipes], differences(recipes)
    said = words.lead(runs, "abc"[: len(runs)], subject(runs, found), found)
    assert expected in said
    assert ("as well" in said) == ("as well" in expected)


def test_three_runs_and_one_engine(folder: Path) -> None:
    found = page(folder, "adam", "sgd", "alone")
    assert "Comparison of 3 runs" in found.words
    assert "In PyTorch," in found.words
    assert "In NumPy, `" not in found.words


def test_runs_on_other_samples_are_not_said_to_be_better(folder: Path) -> None:
    for which in (("sgd", "more"), ("sgd", "circles")):
        found = page(folder, *which).words
        assert "is better by" not in found
        assert "McNemar" not in found
    assert "not judged on the same held-out samples" in page(folder, "sgd", "more").words


def test_curves_are_against_steps_where_not_all_count_epochs(folder: Path) -> None:
    assert "Against steps, because not every recipe counts in epochs." in page(folder, "sgd", "steps").words
    found = page(folder, "sgd", "long").words
    assert "Against epochs, because every recipe counts its training in them." in found
    assert "each curve ends where its run does" in found


@pytest.mark.drawn
def test_the_same_folders_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    runs = [folder / "adam", folder / "sgd"]
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
    first, second = (
        twofold.write_comparison(runs, tmp_path / place / "page.html").read_bytes() for place in ("one", "two")
    )
    assert first == second


@pytest.mark.parametrize(
    ("out", "named"),
    [
        ([], ""),
        (["--out", "comparison.html"], ""),
        (["--out", "three runs.html"], " --out 'three runs.html'"),
        (["--out", "pages/three.html"], " --out pages/three.html"),
        (["--out", "HERE/three.html"], " --out three.html"),
    ],
)
def test_the_page_says_how_it_is_written_again(
    folder: Path, in_tmp: Path, command: Callable[..., Outcome], out: list[str], named: str
) -> None:
    """With the name that it has, and without the folder where it happens to lie."""
    (in_tmp / "pages").mkdir()
    (in_tmp / "runs").symlink_to(folder)
    done = command("report", "runs/adam", "runs/sgd", *(word.replace("HERE", str(in_tmp)) for word in out))
    assert done.status == 0
    page = Path(done.out.strip()).read_text("utf-8")
    assert f"twofold report runs/adam runs/sgd{named}</code> writes this page again" in unescape(page)
    assert str(in_tmp) not in page


def test_samples_drawn_anew_are_not_counted() -> None:
    runs = []
    for settings in ({}, {"data.samples": 600}):
        runs.append(Run(Path(), finished(samples={"train": settings.get("data.samples", 1000)})))
        vars(runs[-1])["recipe"] = load_recipe("palindrome", settings)
    found = subject(runs, differences([run.recipe for run in runs]))
    assert found is not None
    assert found.words == ("samples drawn anew at every step", "600 training samples")
    assert words.heading(found, ["a", "b"]) == "Samples drawn anew at every step against 600 training samples"
    assert "on what training may draw or it has seen, and" in gap_caption(runs, ["train", "test"])


def test_a_gap_is_called_by_what_it_is_of() -> None:
    own = [Curve("numpy", split, np.arange(3.0), np.ones(3), np.ones(3)) for split in ("train", "test")]
    gap = gap_picture([own, own], ["a", "b"], "epoch", "", "R²")
    assert gap is not None
    assert gap.panels[0].label == "Training R² minus test R² against epoch, run by run"


# Whether chance could do it


def test_the_difference_and_its_error_are_those_of_the_samples_answered_unlike() -> None:
    pair = Paired("numpy", 0, 1, 1000, (900, 870), 40, 10)
    assert pair.difference == pytest.approx(0.03)
    each = [1] * 40 + [-1] * 10 + [0] * 950
    mean = sum(each) / 1000
    assert pair.error == pytest.approx((sum((d - mean) ** 2 for d in each) / 1000 / 1000) ** 0.5)
    assert pair.p == pytest.approx(2.386e-5, rel=1e-3)  # 2 Σ_{k ≤ 10} C(50, k) / 2^50


SENTENCES = {
    "better": (
        Paired("numpy", 0, 1, 1000, (900, 870), 40, 10),
        1,
        "`a` is better by 0.0300, with a standard error of 0.0070",
    ),
    "chance": (Paired("numpy", 0, 1, 1000, (900, 895), 15, 10), 1, "which chance alone may make"),
    "alike": (Paired("numpy", 0, 1, 1000, (900, 900), 0, 0), 1, "they answer each of these samples alike"),
    "one of many": (Paired("numpy", 0, 1, 1000, (900, 884), 28, 12), 4, "not below 0.0125, 0.05 shared among 4"),
    "alone enough": (Paired("numpy", 0, 1, 1000, (900, 884), 28, 12), 1, "is better by 0.0160"),
}


@pytest.mark.parametrize("case", SENTENCES)
def test_a_run_is_better_only_where_the_numbers_say_so(case: str) -> None:
    pair, rivals, expected = SENTENCES[case]
    assert expected in words.better_sentence(pair, ["a", "b"], rivals, "test")


def test_pairs_are_counted_from_the_predictions_that_were_kept(folder: Path) -> None:
    runs = [twofold.open_run(folder / name) for name in ("adam", "sgd")]
    pair = paired(runs, 0, 1, "numpy")
    assert pair is not None
    target = runs[0].evidence["target"]
    right = [int((run.evidence["numpy.predicted"] == target).sum()) for run in runs]
    assert [*pair.right] == right
    assert pair.only_first - pair.only_second == right[0] - right[1]
    assert same_samples(*runs)
    assert not same_samples(runs[0], twofold.open_run(folder / "more"))


BUILT_IN = {
    ("cifar10-cnn5-adam", "cifar10-cnn5-sgd"): ("optimizer", ("Adam", "SGD")),
    ("mnist-mlp", "mnist-lenet"): ("network", ("fully connected layers", "convolutions")),
    ("palindrome-20", "palindrome-lstm"): ("network", ("vanilla RNN", "LSTM")),
    ("mnist-mlp-2000", "mnist-mlp"): ("samples", ("2,000 training samples", "50,000 training samples")),
}


@pytest.mark.parametrize("pair", BUILT_IN)
def test_the_comparisons_of_the_documents_are_recognised(pair: tuple[str, str]) -> None:
    recipes = [twofold.load_recipe(name) for name in pair]
    samples = [getattr(recipe.data, "samples", None) or 50_000 for recipe in recipes]
    runs = [
        _Recorded(Path(), finished(samples={"train": count}), recipe)
        for recipe, count in zip(recipes, samples, strict=True)
    ]
    aspect, said = BUILT_IN[pair]
    assert subject(runs, differences(recipes)) == Subject(aspect, said)  # pyright: ignore[reportArgumentType]


class _Recorded(Run):
    """A run of which only the recipe and the number of samples are asked."""

    def __init__(self, path: Path, record: Record, recipe: twofold.Recipe) -> None:
        super().__init__(path, record)
        self.__dict__["recipe"] = recipe


@pytest.mark.parametrize("which", [("alone", "sgd"), ("sgd", "alone"), ("turned", "sgd"), ("sgd", "turned")])
def test_the_wide_line_is_that_of_the_engine_that_the_legend_names(folder: Path, which: tuple[str, str]) -> None:
    """A run of PyTorch alone, or one that trained PyTorch first, stands beside one of both engines."""
    runs = [twofold.open_run(folder / name) for name in which]
    engine = ["NumPy", "PyTorch"]
    for picture in render_comparison(runs).pictures:
        assert [key.name for key in picture.legend[2:]] == [f"{engine[0]} (wide, pale)", f"{engine[1]} (thin)"]
    curves = all_curves(runs)
    for run, curves_of_run in enumerate(curves):
        for curve in curves_of_run:
            beside = [other for other in curves_of_run if other.split == curve.split]
            assert ("alpha" in _look(run, curve, beside)) == (len(beside) > 1 and curve.engine == "numpy")


def test_a_name_that_is_no_utf_8_is_written_as_codes(folder: Path, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"adam-\xff")
    try:
        copytree(folder / "adam", odd)
    except OSError:
        pytest.skip("this file system has no such names")
    page = twofold.write_comparison([folder / "sgd", odd], tmp_path / "page.html").read_text("utf-8")
    assert page.count("adam-\\udcff") > 1
    assert "adam-\\udcff" in twofold.write_report(odd).read_text("utf-8")
    for _ in range(2):  # the folder's owner is known again
        figures = twofold.write_figures([folder / "sgd", odd], tmp_path / os.fsdecode(b"figures-\xff"))
    assert (figures / "captions.md").read_text("utf-8").startswith("# Figures of sgd, adam-\\xff\n")


# Wrong input


def test_what_cannot_be_compared_is_refused(folder: Path, in_tmp: Path, command: Callable[..., Outcome]) -> None:
    runs = [folder / "adam", folder / "sgd"]
    damaged = in_tmp / "damaged"
    copytree(runs[0], damaged)
    (damaged / "record.json").write_text(json.dumps(json.loads((damaged / "record.json").read_text()) | {"status": 1}))
    study = in_tmp / "study"
    study.mkdir()
    (study / "study.toml").write_text("")
    (in_tmp / "file").write_text("")
    cases: dict[tuple[str | Path, ...], str] = {
        (runs[0], runs[0]): "is given twice",
        (runs[0], study): "is a study folder, and a comparison takes runs",
        (runs[0], damaged): "record.json is damaged",
        (runs[0], in_tmp / "none"): "no run folder",
        (runs[0], in_tmp / "circle"): "no run folder",
        tuple([*runs, *(folder / name for name in VARIANTS)][:9]): "a comparison takes 2 to 8 runs; got 9",
        (*runs, "--image", "3"): "--image shows an image of one run; got 2 runs",
        (*runs, "--out", "page.txt"): "a file that ends in .html; got page.txt",
        (*runs, "--out", "none/page.html"): "there is no folder none",
        (runs[0], "--out", "page.html"): "--out is for a comparison of several runs",
        (*runs, "--figures", "file"): "--figures names a folder, and file is a file",
        (*runs, "--figures", "file/below"): "cannot make the folder file/below",
    }
    (in_tmp / "circle").symlink_to(in_tmp / "circle")
    before = sorted(in_tmp.iterdir())
    for line, expected in cases.items():
        found = command("report", *line)
        assert (found.status, expected in " ".join(found.err.split())) == (2, True), found.err
        assert sorted(in_tmp.iterdir()) == before, line


def test_names_are_as_long_as_they_must_be(folder: Path, tmp_path: Path) -> None:
    copytree(folder / "sgd", tmp_path / "sgd")
    runs = [twofold.open_run(path) for path in (folder / "sgd", tmp_path / "sgd")]
    assert names(runs) == [f"{folder.name}/sgd", f"{tmp_path.name}/sgd"]


# Figures as files


def test_every_figure_is_written_three_times_and_its_caption_twice(
    folder: Path, in_tmp: Path, command: Callable[..., Outcome]
) -> None:
    found = command("report", folder / "adam", folder / "sgd", "--figures", "one")
    assert (found.status, found.out.split()) == (0, ["comparison.html", "one"])
    files = {path.name: path.read_bytes() for path in Path("one").iterdir()}
    forms = {f"{name}.{form}" for name in ("curves", "gap") for form in ("svg", "pdf", "png")}
    tables = {f"table-{number}.{form}" for number in (1, 2) for form in ("csv", "tex")}
    assert set(files) == forms | tables | {"captions.md", "figures.tex"}
    assert all(files[f"curves.{form}"].startswith(begin) for form, begin in {"pdf": b"%PDF", "png": b"\x89PNG"}.items())
    assert b"**Figure 2.** Training accuracy minus test accuracy" in files["captions.md"]
    assert rb"\includegraphics[width=0.98\linewidth]{curves}" in files["figures.tex"]
    twofold.write_figures([folder / "adam", folder / "sgd"], "again/one")
    assert files == {path.name: path.read_bytes() for path in Path("again/one").iterdir()}


def test_captions_refer_to_figures_by_number_and_by_label() -> None:
    panel = Panel("seen", 4, 3, lambda figure: None)
    pictures = [Picture("first", (panel,), "50 % of `a_b`."), Picture("second", (panel,), f"As {refer('first')}.")]
    assert "**Figure 2.** As Figure 1." in captions_text(pictures)
    assert r"\caption{As Figure~\ref{fig:first}.}" in latex_text(pictures, "figures")
    assert latex("50 % of `a_b`, 3·10⁻⁸ − ‖∂h‖") == (
        r"50 \% of \texttt{a\_b}, 3$\cdot$10$^{-8}$ $-$ $\Vert$$\partial$h$\Vert$"
    )


LINES = {"splits": [*LOOKS.values()], "runs": [*zip(COLOURS, DASHES, strict=True)]}


@pytest.mark.parametrize("kind", LINES)
def test_lines_are_told_apart_without_their_hue(kind: str) -> None:
    for (colour, dash), (other, other_dash) in combinations(LINES[kind], 2):
        lightness = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in map(to_rgb, (colour, other))]
        assert dash != other_dash or abs(lightness[0] - lightness[1]) > 0.2


def test_lines_of_each_figure_are_told_apart_without_their_hue(folder: Path) -> None:
    runs = [twofold.open_run(folder / name) for name in ("adam", "sgd", "slow")]
    for picture in render_comparison(runs).pictures:
        for panel in picture.panels:
            panel.draw(figure := Figure())
            looks = [
                (str(line.get_linestyle()), line._unscaled_dash_pattern, line.get_linewidth(), line.get_alpha())  # pyright: ignore
                for line in figure.axes[0].get_lines()
                if line.get_alpha() is None and line.get_linewidth() > 1
            ]
            assert len({str(look) for look in looks}) == len(runs)
