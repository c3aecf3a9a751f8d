"""The report in a real browser: nothing fails, nothing is fetched, nothing overflows, everything is seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

import twofold
from apart import Apart
from twofold.errors import TrainingDivergedError
from twofold.recipe import load_recipe, loads
from twofold.report import write_report, write_study_report

pytestmark = pytest.mark.browser

SHORT = {"training.epochs": 2}
BEGIN = ["Results", "Analysis", "Recipe", "Network", "Course of training", "Gradients, updates and units"]
CLASSES, WALK = "Classes and confusions", "The walk: one batch forward and back"
MICROSCOPE = "The microscope: any number as the sum that it is"
END = [CLASSES, WALK, MICROSCOPE, "Circumstances"]
FIRST, PREDICTIONS = "What the first layer looks for", "First predictions, before and after training"
WRONG = "Most confidently wrong"
HEADINGS = {
    "digits": [*BEGIN, FIRST, PREDICTIONS, WRONG, *END],
    "conv": [*BEGIN, FIRST, "One image, layer by layer", PREDICTIONS, WRONG, *END],
    "palindrome": [*BEGIN, "The gradient through time", *END],
    "moons": [*BEGIN, "Points and decision boundary", *END],
    "failed": [*BEGIN, "Points", "Circumstances"],
    "study": ["Results", "Along each axis", "Failed points", "Circumstances"],
}
RATES = {"optimizer.lr": [0.01, 0.1, 1e20], "layers.0.units": [3, 10], "training.batch_size": ["full", 8]}
LAYERS = [
    {"kind": "conv2d", "channels": 12, "kernel": 3, "padding": 1},
    {"kind": "batch_norm"},
    {"kind": "relu"},
    *({"kind": "conv2d", "channels": 3, "kernel": 3, "padding": 1}, {"kind": "relu"}) * 4,
    {"kind": "max_pool2d", "kernel": 2},
    {"kind": "tanh"},  # 13 layers with maps, as many as are ever shown
    {"kind": "flatten"},
    {"kind": "dense", "units": 10},
]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory, apart: Apart) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("browser")
    steps = {"training.steps": 30, "training.gradient_flow": True}
    runs = {
        "digits": ("digits", SHORT),
        "conv": ("digits", SHORT | {"layers": LAYERS}),
        "moons": ("moons", SHORT),
        "palindrome": ("palindrome", steps),
    }
    pages = {
        name: write_report(apart.run(base, overrides=how, out=folder / name)) for name, (base, how) in runs.items()
    }
    with pytest.raises(TrainingDivergedError):
        twofold.run("moons", overrides={"optimizer.lr": 1e20}, out=folder / "failed")
    study = twofold.run_study("moons", axes=RATES, seeds=2, overrides=SHORT, out=folder / "study", jobs=2)
    return pages | {"failed": write_report(folder / "failed"), "study": write_study_report(study)}


@pytest.fixture(params=sorted(HEADINGS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    yield page
    page.close()


def test_it_opens_without_an_error_and_fetches_nothing(page: Page, reports: dict[str, Path], name: str) -> None:
    said: list[str] = []
    fetched: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: fetched.append(request.url))
    page.goto(reports[name].as_uri(), wait_until="load")
    assert said == []
    assert [url for url in fetched if not url.startswith("data:")] == [reports[name].as_uri()]
    assert page.title()
    headings = [heading.text_content() for heading in page.locator("h2").all()]
    assert headings == [f"{number}{words}" for number, words in enumerate(HEADINGS[name], start=1)]


@pytest.mark.parametrize("width", [400, 1100])
def test_nothing_overflows_and_every_picture_is_seen(
    page: Page, reports: dict[str, Path], name: str, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(reports[name].as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    pictures = page.locator("figure svg").all()
    assert pictures
    for step in page.locator(".eq").all() if width > 1000 else ():
        assert step.evaluate("step => step.scrollWidth <= step.clientWidth")
    for picture in pictures:
        box = picture.bounding_box()
        assert box is not None
        assert box["width"] >= 10
        assert box["height"] >= 10
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    # What is wider than the page scrolls within its own box.
    for table in page.locator("table").all():
        assert (
            table.evaluate("table => getComputedStyle(table.closest('.scroll, .m-scroll, .m-windows')).overflowX")
            == "auto"
        )


def test_the_whole_recipe_unfolds(page: Page, reports: dict[str, Path]) -> None:
    page.goto(reports["digits"].as_uri())
    toml = page.locator("details pre").first
    assert not toml.is_visible()
    page.locator("summary").first.click()
    assert toml.is_visible()
    assert loads(toml.text_content() or "") == load_recipe(reports["digits"].parent / "recipe.toml")


def test_a_script_would_not_run(page: Page, reports: dict[str, Path], tmp_path: Path) -> None:
    html = reports["digits"].read_text("utf-8")
    (tmp_path / "page.html").write_text(
        html.replace("</main>", "<script>document.title = 'ran'</script></main>"), "utf-8"
    )
    page.goto((tmp_path / "page.html").as_uri())
    assert page.title() != "ran"


WIDER = """page => [...document.querySelectorAll("main *")].filter(each => each.getClientRects().length)
  .filter(each => each.getBoundingClientRect().right > page + 1).map(each => each.outerHTML.slice(0, 80))"""
"""What reaches beyond the page's right edge."""


def test_it_prints_on_a4_with_nothing_cut(page: Page, reports: dict[str, Path], name: str) -> None:
    page.goto(reports[name].as_uri())
    pdf = page.pdf(prefer_css_page_size=True)
    assert pdf.startswith(b"%PDF")
    assert 1 < pdf.count(b"/Type /Page\n") <= 18
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 672, "height": 1000})  # A4 less its margins
    tallest = 261 * 96 / 25.4
    assert page.evaluate(WIDER, 672) == []
    for kept in page.locator("figure:visible, tr:visible").all():
        box = kept.bounding_box()
        assert box is not None
        assert box["height"] < tallest
    broken = "found => found.map(each => getComputedStyle(each).%s)"
    assert set(page.locator("figure, tr").evaluate_all(broken % "breakInside")) == {"avoid"}
    assert set(page.locator("h2, caption, thead, summary").evaluate_all(broken % "breakAfter")) == {"avoid"}
    assert set(page.locator("footer").evaluate_all(broken % "breakBefore")) == {"avoid"}
