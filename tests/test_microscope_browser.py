"""The microscope in a real browser: its numbers are the walk's, digit by digit, in a report and over a pause."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route
from typer.testing import CliRunner

import twofold
from apart import Apart, placeholder
from test_microscope import some
from torture import short_form
from twofold.cli.main import app
from twofold.probe.microscope import answer
from twofold.probe.microscope.scope import Microscope, under
from twofold.probe.microscope.terms import Sum
from twofold.probe.passage import Wanted, pass_through
from twofold.probe.walk import Walk
from twofold.report import write_report

pytestmark = pytest.mark.browser

STATIC = Path(twofold.__file__).parent / "page" / "static" / "microscope"
CONV = {
    "layers": [
        {"kind": "conv2d", "channels": 4, "kernel": 3, "padding": 1},
        {"kind": "batch_norm"},
        {"kind": "relu"},
        {"kind": "max_pool2d", "kernel": 2},
        {"kind": "conv2d", "channels": 6, "kernel": 3, "stride": 2, "groups": 2},
        {"kind": "prelu"},
        {"kind": "flatten"},
        {"kind": "dropout", "p": 0.2},
        {"kind": "dense", "units": 10},
    ],
    "optimizer": {"kind": "adam", "lr": 0.01, "max_norm": 1.0, "weight_decay": 0.001},
    "training": {"steps": 5, "dtype": "float64"},
}
GRU = {"layers.0.units": 5, "data.length": 6, "data.test": 50, "training.steps": 5, "layers.0.output": "last"}
RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "moons": ("moons-adam", {"training.epochs": 2}),
    "conv": ("digits", CONV),
    "gru": ("palindrome-gru", GRU),
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory, apart: Apart) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("microscope")
    runs = {name: apart.run(recipe, overrides=how, out=folder / name) for name, (recipe, how) in RUNS.items()}
    with pytest.MonkeyPatch.context() as without_drawings:
        without_drawings.setattr("twofold.report.drawing.inline_svg", placeholder)
        return {name: write_report(run) for name, run in runs.items()}


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(8_000)
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text) if "willReadFrequently" not in message.text else None)
    page.on("pageerror", lambda error: told.append(str(error)))
    yield page
    page.close()
    assert told == []


def look(page: Page, url: str, name: str, step: int, more: str = "") -> None:
    """Open the page at a number: `4.weight[1, 2, 0, 1]`; where it is open already, go there in it."""
    layer, what, index = parts(name)
    page.goto(f"{url}#step={step}{more}&layer={layer}&{quote(what)}={','.join(map(str, index))}")
    page.locator(".m-name", has_text=re.compile(f"^{re.escape(name)}$")).wait_for()
    digits = page.get_by_role("button", name="All digits")
    if digits.get_attribute("aria-pressed") != "true":
        digits.click()
    closed = page.locator(".m-fold:not([open]) > summary")
    for _ in range(closed.count()):
        closed.first.click()


def parts(name: str) -> tuple[str, str, list[int]]:
    match = re.fullmatch(r"([^.]+)\.([^\[]+)(?:\[(.*)\])?", name)
    assert match
    return match[1], match[2], [int(place) for place in (match[3] or "").split(", ") if place]


def shown(page: Page) -> dict[str, Any]:
    """What stands on the page: of each term its factors and its products, the sums and what the engines came to."""
    return page.evaluate(
        """() => {
          const number = (cell) => {
            const text = cell.textContent.replaceAll("−", "-");
            if (Number(text) !== Number(cell.dataset.value)) throw new Error(`${text} is not ${cell.dataset.value}`);
            return Number(cell.dataset.value);
          };
          const row = (key) => [...document.querySelectorAll(`.m-terms .m-${key} td[data-value]`)].map(number);
          const terms = [...document.querySelectorAll(".m-terms tbody tr")].map((row) => ({
            name: row.dataset.term,
            factors: [...row.querySelectorAll("td:first-child .m-n")].map(number),
            products: [...row.querySelectorAll("td.m-n[data-value]")].map(number),
          }));
          return { terms, total: row("total"), own: row("own"),
                   update: [...document.querySelectorAll(".m-update tbody tr")].map((row) =>
                     [...row.querySelectorAll("td.m-n")].map(number)) };
        }"""
    )


def check(page: Page, told: Mapping[str, Any]) -> None:
    """The page shows what `walk --json` prints, each number the same float."""
    found = shown(page)
    first, *others = told["engines"].values()
    names = [" ".join(factor["name"] for factor in term["factors"]) for term in first["terms"]]
    assert [term["name"] for term in found["terms"]] == names
    for term, *same in zip(found["terms"], first["terms"], *(other["terms"] for other in others), strict=True):
        assert term["products"] == [one["product"] for one in same]
        coefficient = [] if same[0]["coefficient"] == 1 else [same[0]["coefficient"]]
        values = [factor["value"] for factor in same[0]["factors"] if not factor["name"].startswith("[")]
        assert term["factors"] == [*coefficient, *values]
    assert found["total"] == [total["sum"] for total in told["engines"].values()]
    if first["own"] is not None:
        assert found["own"] == [total["own"] for total in told["engines"].values()]
    for place, totals in enumerate(found["update"][: len(told["update"].get("numpy", ()))]):
        assert totals == [moves[place]["sum"] for moves in told["update"].values()]
    assert bool(found["update"]) == bool(told["update"])


NUMBERS = {
    "moons": ["2.weight[1, 3]", "0.bias[7]", "0.y[2, 5]", "2.dx[4, 0]", "1.y[1, 5]", "loss.L", "loss.dy[3, 1]"],
    "conv": [
        "0.weight[2, 0, 1, 1]", "0.y[1, 2, 0, 3]", "4.dx[2, 3, 1, 1]", "4.weight[5, 1, 2, 0]", "3.y[0, 1, 2, 2]",
        "3.dx[0, 1, 4, 5]", "1.μ[2]", "1.dx[1, 2, 3, 4]", "1.running_var[3]", "5.weight[0]", "8.weight[9, 3]",
    ],
    "gru": ["0.weight_hh[7, 2]", "0.bias_ih[14]", "0.h(t)[3, 2, 1]", "0.da r[4, 0, 0]", "0.dh(t)[2, 1, 3]",
            "0.dc(t)[4, 1, 12]"],
}  # fmt: skip


@pytest.mark.parametrize("name", short_form(NUMBERS, {"moons"}))
def test_a_report_shows_the_numbers_of_the_walk_digit_by_digit(page: Page, reports: dict[str, Path], name: str) -> None:
    """After training `twofold walk RUN`, before it `twofold walk RECIPE` over the same five samples."""
    recipe, settings = RUNS[name]
    run = twofold.open_run(reports[name].parent)
    steps = next(iter(run.record.engines.values())).steps
    for step, walked in ((steps, twofold.walk(run)), (0, twofold.walk(recipe, overrides=settings, batch=5))):
        for number in NUMBERS[name]:
            look(page, reports[name].as_uri(), number, step)
            check(page, told_by(walked, number))


def told_by(walked: Walk, number: str) -> dict[str, Any]:
    from twofold.cli.microscope import number_json

    return json.loads(json.dumps(number_json(walked, walked.number(number))))


def test_the_command_prints_what_the_page_shows(page: Page, reports: dict[str, Path]) -> None:
    run = str(reports["moons"].parent)
    steps = next(iter(twofold.open_run(run).record.engines.values())).steps
    look(page, reports["moons"].as_uri(), "2.weight[0, 11]", steps)
    printed = CliRunner().invoke(app, ["walk", run, "--number", "2.weight[0,11]", "--json"])
    check(page, json.loads(printed.stdout))


def test_a_report_has_one_script_and_its_policy_admits_no_other(browser: Browser, reports: dict[str, Path]) -> None:
    html = reports["moons"].read_text("utf-8")
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert len(scripts) == 1
    assert f"script-src 'sha256-{digest}'\">" in html
    page = browser.new_page()
    page.goto(reports["moons"].as_uri())
    blocked = page.evaluate(
        """async () => {
          const refused = new Promise((done) => document.addEventListener(
            "securitypolicyviolation", (event) => done(event.effectiveDirective)));
          const script = document.createElement("script");
          script.textContent = "window.broken = true";
          document.body.append(script);
          return [await refused, window.broken ?? false];
        }"""
    )
    assert blocked == ["script-src-elem", False]
    page.close()


def test_a_report_opens_as_it_was_and_the_address_follows_the_first_choice(
    page: Page, reports: dict[str, Path]
) -> None:
    page.goto(reports["moons"].as_uri())
    page.locator(".m-name").wait_for()
    assert "#" not in page.url
    page.get_by_role("button", name="1 relu").click()
    assert re.search(r"#step=\d+&layer=1&y=0,0$", page.url)
    page.get_by_role("button", name="Before training").click()
    page.wait_for_url(re.compile(r"#step=0&layer=1&y=0,0$"))


def test_it_is_operated_by_keys_alone(page: Page, reports: dict[str, Path]) -> None:
    page.goto(f"{reports['moons'].as_uri()}#step=0&layer=2&weight=0,0")
    page.locator(".m-name").wait_for()
    page.locator('[data-focus="matrix"]').focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowDown", "ArrowLeft"):
        page.keyboard.press(key)
    assert page.locator(".m-name").text_content() == "2.weight[1, 1]"
    assert page.url.endswith("#step=0&layer=2&weight=1,1")
    assert page.evaluate("document.activeElement.dataset.focus") == "matrix"
    page.locator('[data-focus="layer 2"]').focus()
    page.keyboard.press("ArrowUp")
    page.locator(".m-name", has_text="1.y[0, 0]").wait_for()
    page.wait_for_function("document.activeElement.dataset.focus === 'layer 1'")
    page.keyboard.press("ArrowDown")
    page.locator(".m-name", has_text="2.weight[0, 0]").wait_for()


def test_a_factor_leads_to_where_it_comes_from(page: Page, reports: dict[str, Path]) -> None:
    page.goto(f"{reports['moons'].as_uri()}#step=0&layer=2&weight=1,3")
    page.get_by_role("button", name="dy[4, 1]").click()
    page.locator(".m-name", has_text="loss.dy[4, 1]").wait_for()
    page.goto(f"{reports['moons'].as_uri()}#step=0&layer=2&weight=1,2")
    page.locator(".m-name", has_text="2.weight[1, 2]").wait_for()
    page.get_by_role("button", name="x[4, 2]").click()
    page.locator(".m-name", has_text="1.y[4, 2]").wait_for()


@pytest.mark.parametrize("width", short_form([400, 1024, 1280, 1600], {400, 1280}))
@pytest.mark.parametrize("name", RUNS)
def test_nothing_is_wider_than_the_window(page: Page, reports: dict[str, Path], name: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for number in NUMBERS[name][:4]:
        look(page, reports[name].as_uri(), number, 0)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_matrix_can_be_read_in_grey(page: Page, reports: dict[str, Path]) -> None:
    """A square below 0 is hollow, one above 0 is full: of a large one the middle says which."""
    look(page, reports["moons"].as_uri(), "2.weight[0, 0]", 0)
    middles = page.evaluate(
        """() => {
          const canvas = document.querySelector('[data-focus="value"]');
          const cell = canvas.clientWidth / 20 | 0;
          const brush = canvas.getContext("2d");
          return [...Array(40).keys()].map((place) => {
            const [row, column] = [Math.floor(place / 20), place % 20];
            return brush.getImageData(1 + column * cell + cell / 2, 1 + row * cell + cell / 2, 1, 1).data[3] > 128;
          });
        }"""
    )
    W = twofold.walk("moons-adam", batch=5).passage.parameters["2.weight"].reshape(-1)
    large = np.abs(W) > 0.3 * np.abs(W).max()
    assert large[1:].sum() > 10
    assert [middles[place] for place in range(1, 40) if large[place]] == (W[1:][large[1:]] > 0).tolist()


# Over a training that is paused: the page asks, the process that trains answers


Ask = Callable[[dict[str, str]], tuple[int, Any]]


def served(page: Page, ask: Ask) -> str:
    """A page with the modules as they are, whose questions go to `ask`."""
    html = (
        '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">'
        '<link rel="stylesheet" href="microscope.css"><div id="place"></div>'
        '<script type="module">import { open } from "./microscope.js"; import * as numbers from "./numbers.js";'
        "window.numbers = numbers;"
        "const ask = async (query) => (await fetch(`ask?${new URLSearchParams(query)}`)).json();"
        "const job = { step: 0 };"
        'window.view = open(document.getElementById("place"), { ask, state: () => job, sample: 0 });</script>'
    )

    def reply(route: Route) -> None:
        url = urlsplit(route.request.url)
        name = url.path.rpartition("/")[2]
        if name == "ask":
            try:
                status, told = ask(dict(parse_qsl(url.query)))
            except Exception as error:  # else the page would wait for ever
                status, told = 500, {"fault": repr(error)}
            route.fulfill(status=status, content_type="application/json", body=json.dumps(told, allow_nan=False))
        elif not name:
            route.fulfill(content_type="text/html", body=html)
        else:
            kind = "text/css" if name.endswith("css") else "text/javascript"
            route.fulfill(content_type=kind, body=(STATIC / name).read_text("utf-8"))

    page.route("http://page.test/**", reply)
    return "http://page.test/"


def asked(source: Any, overrides: Any = (), **which: Any) -> tuple[Microscope, Ask]:
    passage = pass_through(source, Wanted(**which), overrides=overrides)
    scope = under(passage)
    states = {name: moment.state for name, moment in scope.moments.items()}
    return scope, lambda query: (200, answer(passage, states, query))


def test_a_paused_training_is_looked_into(page: Page) -> None:
    _, ask = asked("moons", batch=4)
    url = served(page, ask)
    look(page, url, "2.weight[1, 3]", 0)
    check(page, told_by(twofold.walk("moons", batch=4), "2.weight[1,3]"))
    page.evaluate("view.close()")
    assert page.locator("#place").inner_html() == ""


def test_the_page_itself_opens_at_a_link_and_shows_the_walk(page: Page, tmp_path: Path) -> None:
    """Before the first step the held-out batch of the page is that of `twofold walk RECIPE`; a step later it is not."""
    pytest.importorskip("starlette")
    from pages import serving

    with serving("moons-adam", tmp_path / "runs", ("training.dtype=float64",)) as client:
        client.paused()
        page.set_default_timeout(30_000)
        look(page, f"{client.serving.address}", "2.weight[1, 3]", 0, "&batch=held-out")
        check(page, told_by(twofold.walk("moons-adam", overrides={"training.dtype": "float64"}), "2.weight[1,3]"))
        before = page.locator(".m-total").text_content()
        page.get_by_role("button", name="Step", exact=True).click()
        page.locator(".m-about", has_text="After 1 step").wait_for()
        assert page.locator(".m-total").text_content() != before
        assert "#step=1&batch=held-out&layer=2&weight=1,3" in page.url
        rows = page.locator(".m-update tbody tr")
        assert rows.locator("th").all_text_contents()[-3:-1] == [
            "v̂ = v / (1 − 0.999^2)",
            "p ← p − 0.01 m̂ / (√v̂ + 1e-08)",
        ]
        page.goto("about:blank")  # before the server ends


def test_every_array_of_a_network_comes_to_the_same_bits_in_the_browser(page: Page) -> None:
    """Some numbers of every account of every layer, in both engines, without the view."""
    for recipe, settings in (("digits", CONV), ("palindrome-lstm", GRU), ("palindrome-gru", GRU)):
        scope, ask = asked(recipe, batch=3, overrides=settings)
        page.goto(served(page, ask))
        page.locator(".m-name").wait_for()
        for layer in scope.kinds:
            accounts = scope.explained("numpy", layer).accounts
            places = {what: [list(index) for index in some(account, 6)] for what, account in accounts.items()}
            places |= {"L": [[]]} if layer == "loss" else {}
            found = page.evaluate(SUMS, [layer, places])
            for engine, by_array in found.items():
                for what, sums in by_array.items():
                    for index, (total, own, products) in zip(places[what], sums, strict=True):
                        expected: Sum = scope.number(layer, what, index).sums[engine]
                        assert products == [term.product for term in expected.terms], (layer, what, index)
                        assert total == expected.total
                        assert own == expected.own
        page.unroute_all()


SUMS = """async ([layer, places]) => {
  const told = await (await fetch(`ask?layer=${layer}`)).json();
  const arrays = Object.fromEntries(Object.entries(told.layer.arrays).map(([engine, named]) =>
    [engine, Object.fromEntries(Object.entries(named).map(([name, at]) => [name, numbers.unpack(told.arrays[at])]))]));
  const accounts = Object.fromEntries(told.layer.accounts.map((account) => [account.what, account]));
  return Object.fromEntries(Object.entries(arrays).map(([engine, held]) => [engine, Object.fromEntries(
    Object.entries(places).map(([what, indices]) => [what, indices.map((index) => {
      const { total, own, terms } = numbers.sumOf(accounts, held, what, index);
      return [total, own, terms.map(({ product }) => product)];
    })]))]));
}"""


def test_what_cannot_be_answered_is_said(page: Page) -> None:
    page.goto(served(page, lambda query: (200, {"fault": "pause the training first <b>now</b>"})))
    assert page.get_by_role("alert").text_content() == "pause the training first <b>now</b>"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_its_colours_follow_the_page(page: Page, theme: str) -> None:
    _, ask = asked("moons", batch=4)
    page.goto(served(page, ask))
    page.locator(".m-name").wait_for()
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    colours = page.evaluate(
        "() => { const style = getComputedStyle(document.querySelector('.microscope'));"
        "return [style.backgroundColor, style.color]; }"
    )
    light = [sum(map(int, re.findall(r"\d+", colour))) > 384 for colour in colours]
    assert light == [theme == "light", theme == "dark"]
