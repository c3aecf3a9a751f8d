"""The report as a file: what it says, that it stands alone, that it is the same each time."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import matplotlib as mpl
import pytest
from safetensors.numpy import save_file

import twofold
from twofold.analysis import Agreement, Mistake
from twofold.errors import RunFolderError, TrainingDivergedError
from twofold.report import sentences, text, write_report
from twofold.runs import EVIDENCE, REPORT, Run
from watchers import InterruptsTorch

CELLS = {"td", "th", "li", "p", "dt", "dd"}
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """What a page holds, as far as the tests ask; refuses tags that do not close in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html, self.open, self.tags, self.ids = html, list[str](), list[str](), list[str]()
        self.text, self.attributes = "", list[tuple[str, str, str]]()
        self.feed(html)
        self.close()
        assert self.open == [], f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another tag at {self.getpos()}"
        if tag in CELLS:
            self.text += " "

    def handle_data(self, data: str) -> None:
        if "style" not in self.open and "svg" not in self.open:
            self.text += data

    @property
    def words(self) -> str:
        """The text with every run of white space as one space."""
        return " ".join(self.text.split())


def page(run: Run) -> Page:
    return Page(write_report(run).read_text("utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


# In float64 rounding cannot make the engines answer differently, which some sentences depend on.
@pytest.fixture(scope="module")
def digits(folder: Path) -> Run:
    short = {"training.epochs": 2, "training.dtype": "float64"}
    return twofold.run("digits", overrides=short, out=folder / "digits")


@pytest.fixture(scope="module")
def moons(folder: Path) -> Run:
    short = {"training.epochs": 20, "training.dtype": "float64"}
    return twofold.run("moons", overrides=short, out=folder / "moons")


@pytest.fixture(scope="module")
def failed(folder: Path) -> Run:
    with pytest.raises(TrainingDivergedError):
        twofold.run("moons", overrides={"optimizer.lr": 1e20}, out=folder / "failed")
    return twofold.open_run(folder / "failed")


@pytest.fixture(scope="module")
def digits_page(digits: Run) -> Page:
    return page(digits)


@pytest.fixture(scope="module")
def moons_page(moons: Run) -> Page:
    return page(moons)


# What it says


def test_the_report_of_images(digits: Run, digits_page: Page) -> None:
    found, words = digits_page, digits_page.words
    accuracy = f"{digits.engines['numpy']['test_accuracy']:.4f}"
    right = round(digits.engines["numpy"]["test_accuracy"] * 359)
    for expected in (
        "Real handwritten digits",
        "A network of 4,810 parameters was trained for 2 epochs on 1,258 samples, in batches of 32",
        f"both get {right} of 359 test samples right",
        "as long.",
        "(N, 1, 8, 8) → (N, 64)",
        "1.weight (64, 64), 1.bias (64,)",
        "all parameters 4,810",
        "(N, 64) · (64, 10) + (10,) → (N, 10)",
        "The 64 rows of the first weight matrix 1.weight (64 × 64)",
        "The first 5 test images, with the probability that NumPy gives to each class",
        "Confusion matrix of both engines",
        "is taken for",
        digits.record["data"]["fingerprint"],
        "1,258 training + 180 validation + 359 test samples of 10 classes",
        "twofold report digits",
    ):
        assert expected in words, expected
    assert words.count(accuracy) >= 2
    assert found.tags.count("figure") == 4
    assert found.tags.count("table") == 5
    assert "✓" in words
    assert "✗" in words
    assert (digits.path / "recipe.toml").read_text("utf-8").strip() in found.text


def test_the_report_of_points(moons_page: Page) -> None:
    found, words = moons_page, moons_page.words
    assert "The 800 training points and 200 test points, classes by colour and by shape." in words
    assert "Both engines give the same answer at" in words
    assert "class 0 class 1 training (filled) test (hollow)" in words
    labels = [value for tag, name, value in found.attributes if (tag, name) == ("svg", "aria-label")]
    assert "The points by class and split and the decision boundary of NumPy" in labels
    assert "The points by class and split and the decision boundary of PyTorch" in labels
    assert "validation" not in re.sub(r"validation = 0|`?validation`?\s*=", "", words.split("The whole recipe")[0])
    assert "first weight matrix" not in words
    assert found.tags.count("figure") == 3


def test_one_engine_is_not_compared(tmp_path: Path) -> None:
    short = {"training.epochs": 2, "data.samples": 100}
    run = twofold.run("circles", overrides=short, engines=["torch"], out=tmp_path / "run")
    words = page(run).words
    assert "in batches of 32, in PyTorch." in words
    assert "Confusion matrix of PyTorch: 20 test samples" in words
    for absent in ("The engines", "as long", "both engines", "(wide, pale)"):
        assert absent not in words


def test_steps_are_the_axis_where_the_recipe_counts_them(tmp_path: Path) -> None:
    steps = {"training.steps": 40, "training.evaluate_every": 20, "data.samples": 100, "data.validation": 0.2}
    words = page(twofold.run("blobs", overrides=steps, out=tmp_path / "run")).words
    assert "was trained for 40 steps on 60 samples" in words
    assert "samples against step" in words
    assert "3 evaluations." in words
    assert "validation (hollow, thin)" in words


def test_no_held_out_samples_a_squared_error_and_one_hidden_unit(tmp_path: Path) -> None:
    settings = {
        "data.test": 0.0,
        "data.validation": 0.0,
        "loss.kind": "mean_squared",
        "loss.reduction": "sum",
        "layers.1.units": 1,
        "optimizer.lr": 1e-4,
        "training.epochs": 1,
        "training.dtype": "float64",
    }
    words = page(twofold.run("digits", overrides=settings, out=tmp_path / "run")).words
    assert "The first 5 training images, with the output that NumPy gives to each class" in words
    assert "of 1,797 training samples right" in words
    assert "a batch’s terms are added, not averaged" in words
    assert "The 1 row of the first weight matrix" in words


# Runs that did not finish


def test_a_failed_run_says_so_and_shows_its_points(failed: Run) -> None:
    found = page(failed)
    words = found.words
    assert "This run failed." in words
    assert " ".join(failed.record["failure"]["message"].split()) in words
    assert "was to be trained" in words
    assert "NumPy †" in words
    assert "Not begun: PyTorch." in words
    assert "there is no curve to draw" in words
    assert "The points by class and split without a boundary" in found.html
    assert found.tags.count("figure") == 1


def test_a_run_that_failed_before_it_kept_anything(failed: Run, tmp_path: Path) -> None:
    shutil.copytree(failed.path, tmp_path / "bare")
    (tmp_path / "bare" / EVIDENCE).unlink()
    history = (tmp_path / "bare" / "history.csv").read_text("utf-8")
    (tmp_path / "bare" / "history.csv").write_text(history.splitlines()[0] + "\n", "utf-8")
    found = page(Run(tmp_path / "bare", failed.record))
    assert "No engine came as far as its first evaluation." in found.words
    assert found.tags.count("figure") == 0


def test_an_interrupted_run_reports_the_engine_that_finished(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        twofold.run("digits", overrides={"training.epochs": 3}, out=tmp_path / "cut", watcher=InterruptsTorch(3))
    found = page(twofold.open_run(tmp_path / "cut"))
    words = found.words
    assert "This run was interrupted." in words
    assert "PyTorch †" in words
    assert "NumPy †" not in words
    assert "Confusion matrix of NumPy" in words
    assert found.tags.count("figure") == 4


# It stands alone


def test_it_holds_no_script_and_asks_for_nothing(digits_page: Page, moons_page: Page) -> None:
    for found in (digits_page, moons_page):
        assert {"script", "link", "img", "iframe", "object", "embed"}.isdisjoint(found.tags)
        for tag, name, value in found.attributes:
            assert not name.startswith("on"), (tag, name)
            if name in {"src", "href", "xlink:href"}:
                assert value.startswith(("#", "data:image/png;base64,")), (tag, value[:50])
        assert "@import" not in found.html
        assert "metadata" not in found.tags  # matplotlib writes the time of drawing there
        assert not re.search(r"url\((?!#)", found.html)
        assert len(found.html.encode()) < 3_000_000


def test_ids_are_unique_and_every_reference_has_one(digits_page: Page, moons_page: Page) -> None:
    for found in (digits_page, moons_page):
        assert len(found.ids) == len(set(found.ids)) > 50
        used = re.findall(r'(?:href="#|url\(#)([^")]+)', found.html)
        assert set(used) <= set(found.ids)


def test_every_picture_says_what_it_shows(digits_page: Page) -> None:
    found = digits_page
    labels = [value for tag, name, value in found.attributes if (tag, name) == ("svg", "aria-label")]
    assert len(labels) == found.tags.count("svg")
    assert len(set(labels)) == len(labels)
    assert found.tags.count("figcaption") == found.tags.count("figure")
    assert re.findall(r"Figure (\d)\.", found.words) == ["1", "2", "3", "4"]
    assert re.findall(r"Table (\d)\.", found.words) == ["1", "2", "3", "4", "5"]


def test_names_from_a_file_are_text_and_never_markup(tmp_path: Path) -> None:
    classes = ["<script>alert(1)</script>", "$x$ & `y`", "猫", "a name much longer than its cell"]
    rows = [f"{i % 4 + 0.1 * i % 1},{i % 3}.5,{classes[i % 4]}" for i in range(80)]
    (tmp_path / "data.csv").write_text("\n".join(["<b>width</b>,$h$,label", *rows]), "utf-8")
    (tmp_path / "own.toml").write_text(
        'title = "<i>Cats</i> & $dogs$"\nlayers = [{ kind = "dense", units = 4 }]\n'
        '[data]\nsource = "csv"\npath = "data.csv"\nlabel = "label"\n[training]\nepochs = 2\n',
        "utf-8",
    )
    found = page(twofold.run(tmp_path / "own.toml", out=tmp_path / "a run"))
    assert {"script", "i"}.isdisjoint(found.tags)
    assert "<i>Cats</i> & $dogs$" in found.words
    assert "class <script>alert(1)</script>" in found.words
    assert "class 猫" in found.words
    assert "twofold report 'a run'" in found.words


def test_many_classes_have_a_matrix_without_numbers(tmp_path: Path) -> None:
    rows = [f"{i % 25},{(i * 7) % 25},c{i % 25:02}" for i in range(250)]
    (tmp_path / "data.csv").write_text("\n".join(["a,b,label", *rows]), "utf-8")
    (tmp_path / "own.toml").write_text(
        'layers = [{ kind = "dense", units = 25 }]\n'
        '[data]\nsource = "csv"\npath = "data.csv"\nlabel = "label"\n[training]\nepochs = 1\n',
        "utf-8",
    )
    found = page(twofold.run(tmp_path / "own.toml", out=tmp_path / "run"))
    assert "Confusion matrix of both engines" in found.words
    assert "class c24" in found.words


# The same bytes


def test_the_same_folder_gives_the_same_bytes(moons: Run, digits: Run, tmp_path: Path) -> None:
    for run in (moons, digits):
        once = write_report(run).read_bytes()
        (run.path / REPORT).unlink()
        with mpl.rc_context({"axes.ymargin": 0.4, "lines.linewidth": 9, "svg.fonttype": "none"}):
            assert write_report(str(run.path)).read_bytes() == once
        shutil.copytree(run.path, tmp_path / run.path.name)
        assert write_report(tmp_path / run.path.name).read_bytes() == once


def test_the_report_is_no_part_of_what_is_sealed(digits: Run) -> None:
    assert write_report(digits) == digits.path / REPORT == digits.report
    twofold.open_run(digits.path)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="no run folder"):
        write_report(tmp_path / "nowhere")
    with pytest.raises(RunFolderError, match=r"holds no record\.json"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_damaged_evidence_is_found_before_anything_is_written(digits: Run, tmp_path: Path) -> None:
    shutil.copytree(digits.path, tmp_path / "run")
    (tmp_path / "run" / REPORT).unlink(missing_ok=True)
    save_file({"target": digits.evidence["target"]}, tmp_path / "run" / EVIDENCE)
    with pytest.raises(RunFolderError, match="evidence"):
        write_report(tmp_path / "run")
    assert not (tmp_path / "run" / REPORT).exists()


def test_no_window_system_is_asked_for() -> None:
    code = "import sys, twofold.report; sys.exit('matplotlib.pyplot' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Words and numbers


@pytest.mark.parametrize(
    ("right", "different", "said"),
    [
        (
            (349, 349),
            0,
            "The engines agree: both get 349 of 359 test samples right, and predict the same class",
        ),
        (
            (349, 349),
            2,
            "both get 349 of 359 test samples right, but predict different classes for 2 samples.",
        ),
        (
            (349, 348),
            1,
            "The engines agree in test accuracy to within one sample: NumPy gets 349 of 359 right",
        ),
        ((348, 349), 1, "and PyTorch 349; they predict different classes for 1 sample."),
        ((349, 340), 12, "The engines differ in test accuracy by 9 samples: NumPy gets 349 of 359 right and"),
    ],
)
def test_agreement_in_words(right: tuple[int, int], different: int, said: str) -> None:
    agreed = Agreement("test", 359, dict(zip(("numpy", "torch"), right, strict=True)), different)
    assert said in sentences.agreement_sentence(agreed)


def test_worst_confusions_in_words() -> None:
    first, second = Mistake("4", "9", 21, 982), Mistake("7", "2", 1, 1028)
    assert sentences.worst_sentence([first, second], 22) == (
        "Worst: 4 is taken for 9 in 2.1 % of its samples (21 of 982); "
        "7 is taken for 2 in 0.1 % of its samples (1 of 1,028)."
    )
    assert sentences.worst_sentence([second], 1).startswith("The one confusion: 7")
    assert sentences.worst_sentence([], 0) == "No sample is confused."


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0, "0"),
        (0.03125, "0.0312"),
        (1250.0, "1,250"),
        (3.4e-8, "3.4·10⁻⁸"),
        (2e-12, "2·10⁻¹²"),
        (0.5, "0.5"),
        (999.6, "1,000"),
        (12345.0, "12,300"),
        (-0.25, "-0.25"),
        (float("inf"), "inf"),
    ],
)
def test_decimal(value: float, written: str) -> None:
    assert text.decimal(value) == written


@pytest.mark.parametrize(("value", "written"), [(0.1, "0.10 s"), (12.34, "12.3 s"), (438.4, "438 s")])
def test_seconds(value: float, written: str) -> None:
    assert text.seconds(value) == written


def test_small_words() -> None:
    assert text.joined(["a"]) == "a"
    assert text.joined(["a", "b", "c"]) == "a, b and c"
    assert (text.plural(1, "step"), text.plural(1600, "step")) == ("1 step", "1,600 steps")
    assert [text.value_text(value) for value in (True, 1e-4, "a")] == ["true", "0.0001", '"a"']
    assert text.value_text(["a", 1]) == '["a", 1]'
    assert text.moment("2026-11-02T03:04:05+00:00") == "2 November 2026, 03:04 UTC"
    assert (text.loss_text(0.07744), text.loss_text(3.4e-8), text.loss_text(None)) == (
        "0.0774",
        "3.4·10⁻⁸",
        "–",
    )
