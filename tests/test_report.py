"""The report as a file: what it says, that it stands alone, that it is the same each time."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

import twofold
from apart import Apart
from records import finished
from torture import short_form
from twofold.analysis import Agreement, ClassScore, Confusion, GapCurve, Mistake
from twofold.errors import RunFolderError, TrainingDivergedError, UserError
from twofold.probe.maps import feature_maps
from twofold.recipe import load_recipe, loads
from twofold.report import sentences, text, write_report
from twofold.report.classes import class_table, weakest_sentences
from twofold.report.figures.confusion import worst_sentence
from twofold.report.figures.gap import gap_caption
from twofold.runs import EVIDENCE, REPORT, Run
from watchers import InterruptsTorch

CELLS = {"td", "th", "li", "p", "dt", "dd"}
VOID = {"meta", "link", "br", "wbr", "img", "input", "hr"}


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
        if not {"style", "svg", "script"} & set(self.open):
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
def digits(folder: Path, apart: Apart) -> Run:
    short = {"training.epochs": 2, "training.dtype": "float64"}
    return apart.run("digits", overrides=short, out=folder / "digits")


@pytest.fixture(scope="module")
def moons(folder: Path, apart: Apart) -> Run:
    short = {"training.epochs": 20, "training.dtype": "float64"}
    return apart.run("moons", overrides=short, out=folder / "moons")


@pytest.fixture(scope="module")
def failed(folder: Path) -> Run:
    with pytest.raises(TrainingDivergedError):
        twofold.run("moons", overrides={"optimizer.lr": 1e20}, out=folder / "failed")
    return twofold.open_run(folder / "failed")


CONVOLUTIONS = [
    {"kind": "conv2d", "channels": 12, "kernel": 3, "padding": 1},
    {"kind": "batch_norm"},
    {"kind": "relu"},
    {"kind": "max_pool2d", "kernel": 2},
    {"kind": "flatten"},
    {"kind": "dense", "units": 10},
]


@pytest.fixture(scope="module")
def conv(folder: Path, apart: Apart) -> Run:
    short = {"layers": CONVOLUTIONS, "training.epochs": 2, "training.dtype": "float64", "training.batch_size": 64}
    return apart.run("digits", overrides=short, out=folder / "conv")


@pytest.fixture(scope="module")
def colours(folder: Path, apart: Apart) -> Run:
    """A folder of small photographs, trained with every setting that changes what a number means."""
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for channel, name in enumerate(("blue", "green", "red")):
            (folder / "pictures" / part / name).mkdir(parents=True)
            for index in range(16):
                pixels = rng.integers(0, 200, (10, 10, 3), dtype=np.uint8)
                pixels[..., 2 - channel] += 30
                Image.fromarray(pixels).save(folder / "pictures" / part / name / f"{index:02}.png")
    settings = {
        "layers": [
            {"kind": "conv2d", "channels": 4, "kernel": 3},
            {"kind": "relu"},
            {"kind": "flatten"},
            {"kind": "dense", "units": 3},
        ],
        "data": {"source": "images", "path": str(folder / "pictures"), "size": 10, "validation": 0.25},
        "loss.label_smoothing": 0.1,
        "optimizer.lr": 0.2,
        "training.epochs": 60,
        "training.engines": ["numpy"],
        "training.flip_test": True,
        "training.shift_test": 1,
        "training.ema": 0.5,
        "training.keep": "best",
        "training.patience": 2,
        "augmentation.flip": "random",
        "training.evaluate_samples": 20,
    }
    return apart.run("digits", overrides=settings, out=folder / "colours")


@pytest.fixture(scope="module")
def conv_page(conv: Run) -> Page:
    return page(conv)


@pytest.fixture(scope="module")
def colours_page(colours: Run) -> Page:
    return page(colours)


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
        "of training and ",
        "(N, 1, 8, 8) → (N, 64)",
        "1.weight (64, 64), 1.bias (64,)",
        "all parameters 4,810",
        "(N, 64) · (64, 10) + (10,) → (N, 10)",
        "The 64 rows of the first weight matrix 1.weight (64 × 64)",
        "The first 5 test images, with the probability that NumPy gives to each class",
        "Confusion matrix of both engines",
        "is taken for",
        digits.record.data.fingerprint,
        "1,258 training + 180 validation + 359 test samples of 10 classes",
        "twofold report digits",
    ):
        assert expected in words, expected
    assert words.count(accuracy) >= 2
    assert found.tags.count("figure") == 9
    assert found.tags.count("table") == 10  # two of them the walk, two the notation of the derivations
    assert "✓" in words
    assert "✗" in words
    listed = re.search(r"<pre>(title = .*?)</pre>", found.html, re.DOTALL)
    assert listed
    assert loads(unescape(listed[1])) == load_recipe(digits.path / "recipe.toml")


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
    assert found.tags.count("figure") == 7
    assert "Training accuracy minus test accuracy against epoch" in words
    assert "One image, layer by layer" not in words


def test_one_engine_is_not_compared(tmp_path: Path) -> None:
    short = {"training.epochs": 2, "data.samples": 100}
    run = twofold.run("circles", overrides=short, engines=["torch"], out=tmp_path / "run")
    words = page(run).words
    assert "in batches of 32, in PyTorch." in words
    assert "Confusion matrix of PyTorch: 20 test samples" in words
    for absent in ("The engines", "times as long, with", "both engines", "(wide, pale)"):
        assert absent not in words


def test_steps_are_the_axis_where_the_recipe_counts_them(tmp_path: Path) -> None:
    steps = {"training.steps": 40, "training.evaluate_every": 20, "data.samples": 100, "data.validation": 0.2}
    words = page(twofold.run("blobs", overrides=steps, out=tmp_path / "run")).words
    assert "was trained for 40 steps on 60 samples" in words
    assert "samples against step" in words
    assert "3 evaluations." in words
    assert "validation (hollow, thin)" in words


def test_palindromes_that_are_drawn_anew_are_no_training_set(tmp_path: Path) -> None:
    short = {"training.steps": 50, "training.evaluate_every": 20}
    words = page(twofold.run("palindrome", overrides=short, engines="numpy", out=tmp_path / "run")).words
    for expected in (
        "was trained for 50 steps on palindromes drawn anew at every step, 6,400 in all, in batches of 128, in NumPy.",
        "Training accuracy and loss are those of 1,000 others, drawn once like those trained on.",
        "drawn anew at every step to train on; to judge by, 1,000 others + 200 test samples of 10 classes",
        "above 0 the network does better on what training may draw.",
        "ccuracy on 1,000 samples drawn like those trained on is",
    ):
        assert expected in words, expected
    for absent in ("it has seen", "1,000 training", "on 1,000 samples,", "500 training", "the first training samples"):
        assert absent not in words, absent


LEADS: dict[str, tuple[dict[str, object], str]] = {
    "without end": ({}, "for 1,000 steps on palindromes drawn anew at every step, 128,000 in all, in batches of 128,"),
    "as many as are judged": (
        {"training.batch_size": "full"},
        "drawn anew at every step, 1,000,000 in all, in batches of",
    ),
    "with patience": (
        {"data.validation": 9, "training.patience": 3},
        "for at most 1,000 steps on palindromes drawn anew",
    ),
    "with an end": ({"data.samples": 600}, "for 1,000 steps on 1,000 samples, in batches of 128,"),
    "all at once": (
        {"data.samples": 600, "training.batch_size": "full"},
        "on 1,000 samples, all at once in every step,",
    ),
}
"""Of `palindrome`, whose run records 1,000 samples."""


@pytest.mark.parametrize(("settings", "said"), LEADS.values(), ids=LEADS)
def test_what_was_trained_on_in_words(settings: dict[str, object], said: str) -> None:
    run = Run(Path(), finished(source="palindromes", samples={"train": 1000}))
    vars(run)["recipe"] = load_recipe("palindrome", settings)
    assert said in sentences.lead(run)


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


def test_the_report_of_a_convolutional_network(conv: Run, conv_page: Page) -> None:
    words = conv_page.words
    target, predicted = (conv.evidence[name] for name in ("target", "numpy.predicted"))
    wrong = int((target != predicted).sum())
    for expected in (
        "(N·8·8, 9) · (9, 12) + (12,) → (N·8·8, 12)",
        "running_mean ← 0.9 running_mean + 0.1 μ",
        "1.weight (12,), 1.bias (12,), 1.running_mean (12,), 1.running_var (12,)",
        "Running statistics, in grey, are kept beside the parameters",
        "The 12 kernels of the first convolution 0.weight (12 × 1 × 3 × 3) after training in NumPy",
        "One image, layer by layer",
        f"Image 0 of the test images, counted from 0, of class {target[0]}, on its way",
        "Of a convolution with more than 8 channels those 8 are shown",
        "3 max_pool2d (12, 4, 4)",
        "5 dense (10,) probability of each class",
        "twofold report conv --image N shows image N.",
        f"The 12 of {wrong} of 359 test images that both engines get wrong, the surest mistake first",
        "Right answers by true class on the test samples",
        "Training accuracy minus validation accuracy against epoch",
        "Made from the run folder alone. twofold report conv,",
    ):
        assert expected in words, expected
    assert "are left out each way" not in words
    assert conv_page.tags.count("figure") == 9
    assert len(conv_page.html.encode()) < 3_000_000


def test_the_report_of_colour_images_and_of_settings_that_change_a_number(colours: Run, colours_page: Page) -> None:
    words, result = colours_page.words, colours.engines["numpy"]
    assert result["kept_step"] < result["steps"] < 120
    for expected in (
        "was trained for at most 60 epochs on 36 samples",
        "Training accuracy and loss are those of the first 20 training samples.",
        "by the mean of the outputs for it and for it moved by 1 pixel both ways along the diagonal, and for the "
        "mirror images of all three; so are",
        "a moving average of the weights, in which the past has a weight of 0.5 at each step",
        "The losses are those without the label smoothing of 0.1",
        f"In NumPy, training stopped after {result['steps']} of 120 steps: the validation loss had not fallen in 2 "
        "evaluations.",
        f"In NumPy, the weights kept are those of step {result['kept_step']} of {result['steps']}, the best",
        "q = 0.9 onehot(class) + 0.1 / 3",
        "The 4 kernels of the first convolution 0.weight (4 × 3 × 3 × 3)",
        "The weights of the red, the green and the blue channel are drawn as these colours: mid grey is 0",
        "input (3, 10, 10)",
        'augmentation flip = "random"',
        "Variants of the training images, drawn by step and place",
        "class blue",
    ):
        assert expected in words, expected
    assert "Of a convolution with more than" not in words


@pytest.mark.usefixtures("undrawn")
def test_the_image_may_be_chosen(conv: Run, tmp_path: Path, command) -> None:
    shutil.copytree(conv.path, tmp_path / "run")
    folder, target = tmp_path / "run", conv.evidence["target"]
    done = command("report", folder, "--image", 77)
    assert done.status == 0, done.err
    words = Page((folder / REPORT).read_text("utf-8")).words
    assert f"Image 77 of the test images, counted from 0, of class {target[77]}, on its way" in words
    assert "Made from the run folder. twofold report run --image 77, typed" in words
    before = (folder / REPORT).read_bytes()
    refused = command("report", folder, "--image", 359)
    assert refused.status == 2
    assert "--image counts the 359 test images from 0 to 358; got 359" in refused.err
    assert (folder / REPORT).read_bytes() == before
    assert command("report", folder, "--image", -1).status == 2
    assert command("report", folder).status == 0
    assert b"Image 0 of the test images" in (folder / REPORT).read_bytes()


@pytest.mark.usefixtures("undrawn")
def test_published_data_are_named_in_full_beside_every_figure(colours: Run) -> None:
    title = "CIFAR-10 (JPEG copies)"
    words = page(
        replace(colours, record=colours.record.changed(data={**colours.record.data.to_json(), "title": title}))
    ).words
    for expected in (
        f"on 36 samples of {title}, in batches",
        f"mean loss on the samples of {title} and time",
        f"test samples of {title} against epoch",
        f"validation accuracy on samples of {title} against epoch",
        f"Image 0 of the test images of {title}, counted",
        f"The first 5 test images of {title}, with",
        f"of 48 test images of {title} that NumPy gets wrong",
        f"on the test samples of {title}, and the class",
        f"48 test samples of {title}, in per cent",
        f"source images; {title}; 36 training",
    ):
        assert expected in words, expected
    assert title not in page(colours).words


def test_an_image_is_not_chosen_where_nothing_is_convolved(digits: Run) -> None:
    with pytest.raises(UserError, match="`digits` has no `conv2d` over images"):
        write_report(digits, image=0)


@pytest.mark.usefixtures("undrawn")
def test_an_older_folder_is_reported(colours: Run, tmp_path: Path) -> None:
    shutil.copytree(colours.path, tmp_path / "old")
    kept = {k: v for k, v in colours.evidence.items() if "mistakes" not in k and "scaling" not in k}
    save_file(kept, tmp_path / "old" / EVIDENCE)
    result = {k: v for k, v in colours.engines["numpy"].items() if k != "kept_step"}
    words = page(Run(tmp_path / "old", colours.record.changed(engines={"numpy": result}))).words
    assert "First predictions" in words
    assert "One image, layer by layer" not in words
    assert "Most confidently wrong" not in words


# Runs that did not finish


def test_a_failed_run_says_so_and_shows_its_points(failed: Run) -> None:
    found = page(failed)
    words = found.words
    assert "This run failed." in words
    assert " ".join(failed.record.failure.message.split()) in words
    assert "was to be trained" in words
    assert "NumPy †" in words
    assert "Not begun: PyTorch." in words
    assert "there is no curve to draw" in words
    assert "The points by class and split without a boundary" in found.html
    assert found.tags.count("figure") == 4


def test_a_run_that_failed_before_it_kept_anything(failed: Run, tmp_path: Path) -> None:
    shutil.copytree(failed.path, tmp_path / "bare")
    (tmp_path / "bare" / EVIDENCE).unlink()
    for name in ("history.csv", "signals.csv"):
        lines = (tmp_path / "bare" / name).read_text("utf-8").splitlines()
        (tmp_path / "bare" / name).write_text(lines[0] + "\n", "utf-8")
    found = page(Run(tmp_path / "bare", failed.record))
    assert "No engine came as far as its first evaluation." in found.words
    assert found.tags.count("figure") == 1


@pytest.mark.usefixtures("undrawn")
def test_an_interrupted_run_reports_the_engine_that_finished(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        twofold.run("digits", overrides={"training.epochs": 3}, out=tmp_path / "cut", watcher=InterruptsTorch(3))
    found = page(twofold.open_run(tmp_path / "cut"))
    words = found.words
    assert "This run was interrupted." in words
    assert "PyTorch †" in words
    assert "NumPy †" not in words
    assert "Confusion matrix of NumPy" in words
    assert found.tags.count("figure") == 9


# It stands alone


def test_it_holds_no_script_but_the_microscope_and_asks_for_nothing(
    digits_page: Page, moons_page: Page, conv_page: Page, colours_page: Page
) -> None:
    for found in (digits_page, moons_page, conv_page, colours_page):
        assert {"link", "img", "iframe", "object", "embed"}.isdisjoint(found.tags)
        assert found.tags.count("script") in (0, 2)  # its data, and itself: tests/test_microscope_browser.py
        for tag, name, value in found.attributes:
            assert not name.startswith("on"), (tag, name)
            if name in {"src", "href", "xlink:href"}:
                assert value.startswith(("#", "data:image/png;base64,")), (tag, value[:50])
        assert "@import" not in found.html
        assert "metadata" not in found.tags  # matplotlib writes the time of drawing there
        assert not re.search(r"url\((?!#)", found.html)
        assert len(found.html.encode()) < 3_000_000


def test_ids_are_unique_and_every_reference_has_one(digits_page: Page, moons_page: Page, conv_page: Page) -> None:
    for found in (digits_page, moons_page, conv_page):
        assert len(found.ids) == len(set(found.ids)) > 50
        used = re.findall(r'(?:href="#|url\(#)([^")]+)', found.html)
        assert set(used) <= set(found.ids)


def test_every_picture_says_what_it_shows(digits_page: Page, conv_page: Page) -> None:
    for found in (digits_page, conv_page):
        _check_labels(found)
    found = digits_page
    assert re.findall(r"Figure (\d)\.", found.words) == ["1", "2", "3", "4", "5", "6", "7", "8", "9"]
    assert re.findall(r"Table (\d)\.", found.words) == ["1", "2", "3", "4", "5", "6", "7", "8"]


def _check_labels(found: Page) -> None:
    labels = [value for tag, name, value in found.attributes if (tag, name) == ("svg", "aria-label")]
    assert len(labels) == found.tags.count("svg")
    assert len(set(labels)) == len(labels)
    assert found.tags.count("figcaption") == found.tags.count("figure")


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
    assert "i" not in found.tags
    assert found.tags.count("script") == 2  # the microscope and its record
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


@pytest.mark.parametrize("name", short_form(["moons", "digits", "conv"], {"moons"}))
def test_the_same_folder_gives_the_same_bytes(request: pytest.FixtureRequest, name: str, tmp_path: Path) -> None:
    run = request.getfixturevalue(name)
    once = write_report(run).read_bytes()
    (run.path / REPORT).unlink()
    with mpl.rc_context({"axes.ymargin": 0.4, "lines.linewidth": 9, "svg.fonttype": "none"}):
        assert write_report(str(run.path)).read_bytes() == once
    shutil.copytree(run.path, tmp_path / name)
    assert write_report(tmp_path / name).read_bytes() == once


@pytest.mark.usefixtures("undrawn")
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
    assert worst_sentence([first, second], 22) == (
        "Worst: 4 is taken for 9 in 2.1 % of its samples (21 of 982); "
        "7 is taken for 2 in 0.1 % of its samples (1 of 1,028)."
    )
    assert worst_sentence([second], 1).startswith("The one confusion: 7")
    assert worst_sentence([], 0) == "No sample is confused."


def test_gaps_in_words() -> None:
    x, gap = np.array([0.0, 1.0, 2.0]), np.array([-0.1, 0.25, 0.125])
    first = GapCurve("numpy", "validation", x, gap)
    begin = "Training accuracy minus validation accuracy against epoch: above 0 the network does better on "
    begin += "what it has seen."
    largest = "the gap was largest, +0.2500, at epoch 1 and ended at +0.1250."
    assert gap_caption([first], "epoch") == f"{begin} In NumPy {largest}"
    both = [first, GapCurve("torch", "validation", x, gap)]
    assert gap_caption(both, "epoch") == f"{begin} In both engines {largest}"
    falling = GapCurve("torch", "validation", x, -gap)
    assert "In PyTorch the gap was largest, +0.1000, at epoch 0 and ended at −0.1250." in gap_caption(
        [first, falling], "epoch"
    )


def test_the_weakest_class_in_words() -> None:
    a, b = ClassScore("a", 4, 4, None), ClassScore("b", 8, 5, Mistake("b", "a", 2, 8))
    said = "class b: 5 of 8 right (0.6250), 2 taken for a."
    assert weakest_sentences({"NumPy and PyTorch": [a, b]}) == [f"Weakest is {said}"]
    assert weakest_sentences({"NumPy": [a], "PyTorch": [a, b]}) == [
        "Every class is answered right throughout in NumPy.",
        f"Weakest in PyTorch is {said}",
    ]


def test_a_table_of_classes_has_a_column_group_for_each_answer() -> None:
    counts = np.array([[3, 1], [0, 0]])
    one, other = Confusion(("numpy",), ("a", "b"), counts), Confusion(("torch",), ("a", "b"), counts[:, ::-1])
    table = class_table([one, other], "test")
    assert table is not None
    assert table.engines == ["NumPy", "PyTorch"]
    assert table.rows == [
        ("a", "4", [("3", "0.7500", "b (1)"), ("1", "0.2500", "b (3)")]),
        ("b", "0", [("0", "–", "–"), ("0", "–", "–")]),
    ]
    many = Confusion(("numpy",), tuple("abcdefghijklmnopqrstu"), np.eye(21, dtype=int))
    assert class_table([many], "test") is None
    assert class_table([], "test") is None


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0, "0"),
        (0.03125, "0.0312"),
        (1250.0, "1,250"),
        (3.4e-8, "3.4·10⁻⁸"),
        (2e-12, "2·10⁻¹²"),
        (1e-5, "10⁻⁵"),
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


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (1.0, "they took about as long as each other"),
        (1.049, "they took about as long as each other"),
        (1.06, "b took 1.1 times as long as a"),
        (438.4, "b took 438 times as long as a"),
    ],
)
def test_times_in_words(ratio: float, said: str) -> None:
    assert text.took(ratio, "b", "a") == said


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


def test_keys_of_the_augmentation_that_change_nothing_are_not_shown() -> None:
    from twofold.report.tables import settings

    chosen = load_recipe("digits", {"augmentation.translate": 1, "augmentation.adversarial": 0.5})
    (shown,) = (setting for setting in settings(chosen) if setting.part == "augmentation")
    assert dict(shown.values) == {"translate": "1", "padding": '"zeros"', "adversarial": "0.5"}


@pytest.mark.parametrize(("outputs", "loss"), [(1, "mean_squared"), (2, "huber"), (3, "binary_cross_entropy")])
def test_images_with_numbers_or_labels_are_shown_without_a_class(outputs: int, loss: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(outputs)
    y = rng.normal(size=(30, outputs))
    data = (rng.normal(size=(30, 1, 6, 6)), (y > 0).astype(int) if loss == "binary_cross_entropy" else y)
    recipe = {
        "layers": [
            {"kind": "conv2d", "channels": 2, "kernel": 3},
            {"kind": "relu"},
            {"kind": "flatten"},
            {"kind": "dense", "units": outputs},
        ],
        "data": {"source": "arrays", "shape": [1, 6, 6], "numbers": [f"t{index}" for index in range(outputs)]},
        "loss.kind": loss,
        "training.epochs": 1,
        "training.engines": ["numpy"],
    }
    run = twofold.run("digits", overrides=recipe, data=data, out=tmp_path / "run")
    maps = feature_maps(run)
    assert maps is not None
    assert maps.true is None
    assert maps.outputs.shape == (outputs,)
    report = page(run)
    assert "Image 0 of the test images, counted from 0, on its way through the network that NumPy tr" in report.words
    assert "One image, layer by layer" in report.words
    assert "First predictions" not in report.words
