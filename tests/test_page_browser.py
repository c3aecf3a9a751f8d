"""The page in a real browser: every control, both kinds of uploads, hostile names, and the microscope's numbers."""

from __future__ import annotations

import io
import json
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette")
from playwright.sync_api import Browser, Page, expect

from hostile import png
from pages import Client, serving
from torture import short_form
from twofold.recipe import dump, load_recipe, loads

pytestmark = pytest.mark.browser

SHORT = ("training.epochs=4", "training.evaluate_every=1")
PATIENCE = 40_000
"""Milliseconds: on a busy machine a process takes its time to begin."""
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with serving("moons", tmp_path_factory.mktemp("browser") / "runs", SHORT) as client:
        client.paused()
        yield client


@pytest.fixture
def page(browser: Browser, client: Client) -> Iterator[Page]:
    """A tab on the recipe of the beginning; whatever it asks for is this server's, and no script fails."""
    client.post("api/recipe", {"toml": dump(load_recipe("moons", SHORT))})
    client.paused()
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    asked, wrong = list[str](), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "console", lambda message: wrong.append(message.text) if "Content Security Policy" in message.text else None
    )
    page.on("dialog", lambda dialog: wrong.append("a dialog"))
    page.goto(client.serving.address)
    page.wait_for_selector("html[data-ready=true]")
    yield page
    assert not wrong
    own = (f"http://127.0.0.1:{client.port}/", f"blob:http://127.0.0.1:{client.port}/", "data:")
    assert [url for url in asked if not url.startswith(own)] == []
    context.close()


def click(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def status(page: Page, words: str) -> None:
    expect(page.locator("#bar .words")).to_contain_text(words, timeout=PATIENCE)


def field(page: Page, key: str) -> Any:
    return page.locator(f'[id="field-{key}"]')


def set_field(page: Page, key: str, value: str) -> None:
    field(page, key).fill(value)
    field(page, key).press("Tab")


def toml(page: Page) -> str:
    return page.locator("#toml").input_value()


def test_the_first_page_is_small_and_soon_there(browser: Browser, client: Client) -> None:
    page = browser.new_page()
    sizes = list[int]()
    page.on("response", lambda answer: sizes.append(int(answer.headers.get("content-length", 0))))
    page.goto(client.serving.address)
    page.wait_for_selector("html[data-ready=true]")
    assert 50_000 < sum(sizes) < 300_000
    page.close()


def test_start_pause_step_epoch_and_reset(page: Page) -> None:
    click(page, "Step")
    status(page, "step 1 of 100")
    click(page, "Epoch")
    status(page, "step 25 of 100")
    click(page, "Reset")
    status(page, "paused · step 0 of 100")
    set_field(page, "training.epochs", "4000")
    status(page, "step 0 of 100,000")
    click(page, "Start")
    status(page, "training")
    click(page, "Pause")
    status(page, "paused")
    for heading in ("The plane", "Each unit’s own map", "Loss of each batch", "Accuracy", "Gap between the engines"):
        expect(page.locator("h3", has_text=heading).first).to_be_visible()
    expect(page.locator(".boundaries canvas")).to_have_count(2)


def test_a_training_that_ended_is_begun_again(page: Page) -> None:
    click(page, "Start")
    status(page, "ended")
    expect(page.get_by_role("heading", name="What is to be said")).to_be_visible()
    expect(page.locator(".findings li").first).to_be_visible()
    click(page, "Again")
    status(page, "ended")


def test_a_seed_is_the_recipes(page: Page) -> None:
    seed = page.get_by_role("textbox", name="Seed", exact=True)
    seed.fill("5")
    seed.press("Tab")
    expect(page.locator("#toml")).to_have_value(dump(load_recipe("moons", [*SHORT, "training.seed=5"])))


def test_controls_and_text_are_one_recipe(page: Page) -> None:
    before = toml(page)
    set_field(page, "optimizer.lr", "0.5")
    expect(page.locator("#toml")).not_to_have_value(before)
    assert loads(toml(page)).optimizer.lr == 0.5
    page.locator("#kind-optimizer").select_option("adam")
    expect(page.locator("#toml")).to_have_value(re.compile('kind = "adam"'))
    page.locator("#toml").fill(before)
    expect(field(page, "optimizer.lr")).to_have_value("0.01")
    assert toml(page) == before


def test_a_fault_is_shown_at_its_field_as_the_command_line_words_it(page: Page) -> None:
    set_field(page, "optimizer.lr", "-1")
    expect(page.locator(".field.faulty .fault")).to_contain_text("`lr` must be greater than 0; got -1")
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_disabled()
    set_field(page, "optimizer.lr", "0.1")
    expect(page.locator(".field.faulty")).to_have_count(0)


def test_layers_are_added_set_moved_and_taken_out(page: Page) -> None:
    page.get_by_label("Add a layer at place 1", exact=True).select_option("batch_norm")
    expect(page.locator("#strip button.layer")).to_have_count(4)
    page.locator("#layer-1").focus()
    page.keyboard.press("Alt+ArrowRight")
    expect(page.locator("#layer-2")).to_contain_text("batch norm")
    page.locator("#layer-2").focus()
    page.keyboard.press("Delete")
    expect(page.locator("#strip button.layer")).to_have_count(3)
    page.locator("#layer-0").click()
    set_field(page, "layers.0.units", "7")
    expect(page.locator("#layer-0")).to_contain_text("dense 7")


def test_the_recipe_is_downloaded_copied_and_put_into_a_link(page: Page, client: Client) -> None:
    text = toml(page)
    with page.expect_download() as downloading:
        click(page, "Download")
    assert downloading.value.suggested_filename == "moons.toml"
    assert Path(downloading.value.path()).read_text("utf-8") == text
    click(page, "Copy the command")
    expect(page.locator("#recipe [role=status]")).to_contain_text("copied")
    assert page.evaluate("navigator.clipboard.readText()") == "twofold run moons.toml"
    click(page, "Copy a link")
    expect(page.locator("#recipe [role=status]")).to_contain_text("whole recipe")
    link = page.evaluate("navigator.clipboard.readText()")
    client.post("api/recipe", {"open": "circles"})
    expect(page.locator("#kind-data")).to_have_value("circles")
    page.goto(link)
    expect(page.locator("#toml")).to_have_value(text)


def test_a_recipe_is_opened_from_a_file(page: Page) -> None:
    text = dump(load_recipe("circles", SHORT))
    page.get_by_label("Recipe file").set_input_files(
        {"name": "c.toml", "mimeType": "text/plain", "buffer": text.encode()}
    )
    expect(page.locator("#toml")).to_have_value(text)


def test_two_tabs_share_the_state(page: Page, client: Client) -> None:
    other = page.context.new_page()
    other.goto(client.serving.address)
    other.wait_for_selector("html[data-ready=true]")
    set_field(page, "optimizer.lr", "0.25")
    expect(field(other, "optimizer.lr")).to_have_value("0.25")
    other.get_by_role("button", name="Step", exact=True).click()
    status(page, "step 1 of")
    other.close()


def test_a_table_is_uploaded_and_its_names_are_text(page: Page) -> None:
    rows = [f"{i % 7},{i % 5},{'<script>alert(1)</script>' if i % 2 else '=cmd()'}" for i in range(60)]
    table = "\n".join(["<img src=x onerror=alert(1)>,b,class", *rows]).encode()
    page.get_by_label("Upload a table").set_input_files(
        {"name": "../../evil<b>.csv", "mimeType": "text/csv", "buffer": table}
    )
    expect(page.locator(".upload th").first).to_contain_text("<img src=x onerror=alert(1)>")
    click(page, "Use it")
    status(page, "paused · step 0")
    expect(page.locator(".matrix")).to_contain_text("<script>alert(1)</script>")
    assert loads(toml(page)).data.source == "table"
    expect(page.locator('[id="field-data.columns"]')).to_have_value(re.compile(r"^\{ .*b = "))
    click(page, "Start")
    status(page, "ended")


def test_images_are_uploaded_as_an_archive(page: Page) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for label in ("<b>up", "down"):
            for index in range(12):
                archive.writestr(f"set/{label}/{index}.png", png(8))
    page.get_by_label("images (zip)").set_input_files(
        {"name": "x.zip", "mimeType": "application/zip", "buffer": out.getvalue()}
    )
    expect(page.locator(".upload .classes")).to_contain_text("<b>up: 12")
    click(page, "Use them")
    status(page, "paused · step 0")
    expect(page.get_by_role("heading", name="One image, layer by layer")).to_be_visible()


def test_images_are_uploaded_as_a_folder(page: Page, tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for index in range(10):
            (tmp_path / "pictures" / label / f"{index}.png").write_bytes(png(8))
    page.get_by_label("images (folder)").set_input_files(tmp_path / "pictures")
    expect(page.locator(".upload .classes")).to_contain_text("a: 10")
    click(page, "Use them")
    status(page, "paused · step 0")


def test_a_lesson_is_opened_with_its_text(page: Page) -> None:
    click(page, "Lessons")
    expect(page.locator(".lessons article")).to_have_count(11)
    click(page, "Too high a rate")
    expect(page.locator("#lesson")).to_contain_text("a learning rate of 4")
    expect(page.locator("#kind-data")).to_be_disabled()
    expect(page.locator("#kind-initial")).to_have_count(0)


def test_a_run_is_finished_listed_and_compared(page: Page, client: Client) -> None:
    for number in (1, 2):
        click(page, "Finish as a run")
        status(page, f"moons-{number}")
    click(page, "Runs")
    expect(page.locator(".runs tbody tr")).to_have_count(2)
    with page.context.expect_page() as opened:
        page.get_by_role("button", name="Report").first.click()
    report = opened.value
    report.wait_for_load_state()
    expect(report.locator("h1")).to_contain_text("Two moons")
    assert report.evaluate("window.origin") == "null"
    for box in page.locator(".runs input[type=checkbox]").all():
        box.check()
    with page.context.expect_page(timeout=60_000) as opened:
        click(page, "Compare those ticked")
    opened.value.wait_for_load_state()
    expect(opened.value.locator("h1")).to_be_visible()


def test_every_control_is_reached_by_the_keyboard(page: Page) -> None:
    page.locator("body").press("n")
    status(page, "step 1 of 100")
    page.locator("body").press("r")
    status(page, "step 0 of 100")
    reached = set[str]()
    for _ in range(80):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert {
        "Start",
        "Step",
        "Epoch",
        "Reset",
        "Finish as a run",
        "layer-0",
        "kind-data",
        "field-optimizer.lr",
    } <= reached


@pytest.mark.parametrize("width", short_form([1024, 1280, 1600], {1024, 1600}))
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_window(browser: Browser, client: Client, width: int, scheme: Any) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(client.serving.address)
    page.wait_for_selector("html[data-ready=true]")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    page.close()


def test_the_numbers_of_the_microscope_are_those_of_the_walk(client: Client) -> None:
    from twofold.probe.walk import walk

    client.post("api/recipe", {"toml": dump(load_recipe("moons", SHORT))})
    client.paused()
    body = client.get("api/trace?batch=held-out&sample=3&step=0").json
    walked = walk(load_recipe("moons", SHORT), sample=3)
    passage = walked.passage
    number = client.get("api/trace?batch=held-out&sample=3&step=0&number=2.weight[1,3]").json
    gradients = {engine: float(trace.gradients["2.weight"][1, 3]) for engine, trace in passage.traces.items()}
    told = json.dumps(number)
    for value in gradients.values():
        assert json.dumps(value) in told
    assert body["recipe"] == "moons"


def test_a_pause_is_heard_soon(client: Client) -> None:
    client.post("api/recipe", {"toml": dump(load_recipe("moons", {"training.epochs": 100_000}))})
    client.paused()
    client.do("play")
    client.until(lambda state: state["job"]["status"] == "playing" and state["job"]["step"] > 10)
    began = time.monotonic()
    client.do("stop")
    client.until(lambda state: state["job"]["status"] in ("paused", "idle"))
    assert time.monotonic() - began < 1.0  # 0.2 s on a quiet machine: benchmarks/page.py
