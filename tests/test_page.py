"""The page's server: what it answers, what it trains, what it shares between tabs."""

from __future__ import annotations

import asyncio
import base64
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twofold
from pages import Client, serving
from twofold.builtin import builtin_texts
from twofold.errors import RecipeError
from twofold.page.curves import Bucket, Curves
from twofold.page.jobs import Jobs
from twofold.page.opening import link_of_recipe, recipe_of_link
from twofold.page.pictures import GRID, grid_of
from twofold.page.previews import taken
from twofold.page.protocol import Drive
from twofold.page.recipe_state import Trusted, check, edited
from twofold.page.schema import beginning, schema
from twofold.page.stage import Stage
from twofold.page.teaching import lessons
from twofold.recipe import Recipe, dump, load_recipe, loads
from twofold.recipe.faults import UNIONS, members

pytest.importorskip("starlette")
SHORT = ("training.steps=40", "training.evaluate_every=10")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with serving("moons", tmp_path_factory.mktemp("page") / "runs", SHORT) as client:
        yield client


def test_a_page_begins_with_its_recipe_paused_at_the_first_step(client: Client) -> None:
    client.do("reset")
    state = client.paused()
    assert state["job"]["step"] == 0
    assert state["job"]["engines"] == ["numpy", "torch"]
    kinds = {picture["kind"] for picture in state["pictures"]}
    assert {"points", "boundary", "units", "confusion", "answers", "gap"} <= kinds
    assert [row["step"] for row in state["rows"]["numpy"]] == [0]


def test_a_halt_leaves_alone_what_was_begun_while_it_waited() -> None:
    async def given_up() -> tuple[bool, bool]:
        jobs, patience = Jobs(lambda _: None, lambda: None), time.monotonic() + 60
        while not jobs.ready and time.monotonic() < patience:
            await asyncio.sleep(0.01)
        halting = asyncio.create_task(jobs.halt(lambda: False))
        await asyncio.sleep(0)
        jobs.begin(lambda _: Drive("pause"))
        answers = await halting, await jobs.halt(lambda: False)
        await jobs.close()
        return answers

    assert asyncio.run(given_up()) == (False, True)


def test_what_the_page_imports_is_on_its_way_from_the_first_line() -> None:
    static, wanted = Path(twofold.__file__).parent / "page" / "static", list[str]()

    def follow(name: str) -> None:
        for imported in re.findall(r'^import .* from "\./(.+)";$', (static / name).read_text("utf-8"), re.M):
            if imported not in wanted:
                wanted.append(imported)
                follow(imported)

    follow("main.js")
    assert len(wanted) > 15
    preloaded = re.findall(r'rel="modulepreload" href="static/(.+?)"', (static / "index.html").read_text("utf-8"))
    assert sorted(preloaded) == sorted(wanted)


CURVES_OF = """
layers = [{ kind = "gru", units = 4, output = "every" }, { kind = "dense", units = 2 }]
[data]
source = "table"
path = "curves.csv"
label = "move"
sequence = "id"
order = "t"
[training]
epochs = 1
batch_size = 4
"""


def test_sequences_with_an_answer_a_step_are_shown(tmp_path: Path) -> None:
    rows = [f"{k},{t},{t / 4},{('up', 'down')[(k + t) % 2]}" for k in range(20) for t in range(2 + k % 3)]
    (tmp_path / "curves.csv").write_text("\n".join(["id,t,v,move", *rows]), "utf-8")
    (tmp_path / "curves.toml").write_text(CURVES_OF, "utf-8")
    small = ("layers.0.units=8", "data.stride=64")
    for name, settings, steps in ((str(tmp_path / "curves.toml"), (), {2, 3, 4}), ("text-lstm", small, {24 + 1})):
        with serving(name, tmp_path / "runs", settings) as client:
            client.do("step")
            pictures = {picture["kind"]: picture for picture in client.paused()["pictures"]}
        assert {"time", "sample", "answers"} <= pictures.keys()
        sample, answers = pictures["sample"], pictures["answers"]
        assert sample["steps"]
        assert len(sample["class"].split(" · ")) in steps
        assert len(sample["class"].split(" · ")) == min(sample["shape"][0], 25)  # no step that is not there
        assert answers["what"] == "probability at the last step"
        for values in answers["engines"].values():
            assert sum(values) == pytest.approx(1, abs=0.2 if name == "text-lstm" else 1e-5)  # 32 of 35 are drawn


def test_numbers_to_predict_are_drawn_over_the_plane(tmp_path: Path) -> None:
    rows = [f"{a},{b},{a * b + 0.5}" for a in range(8) for b in range(8)]
    (tmp_path / "slope.csv").write_text("\n".join(["east,north,height", *rows]), "utf-8")
    recipe = loads(
        """
        layers = [{ kind = "dense", units = 4 }, { kind = "relu" }, { kind = "dense", units = 1 }]
        [data]
        source = "csv"
        path = "slope.csv"
        label = "height"
        [loss]
        kind = "mean_squared"
        [optimizer]
        kind = "sgd"
        lr = 0.1
        [training]
        steps = 4
        """,
        "slope.toml",
    )
    (tmp_path / "slope.toml").write_text(dump(recipe), "utf-8")
    told = list[Any]()
    with ExitStack() as around:
        stage = Stage.built(
            load_recipe(tmp_path / "slope.toml"), lambda kind, value: told.append((kind, value)), lambda _: None, around
        )
        dataset, engines = stage.course.dataset, stage.course.engines
        pictures = {value["kind"]: value for kind, value in told if kind == "picture"}
        low, high = (pictures["points"]["numbers"][key] for key in ("low", "high"))
        assert pictures["points"]["numbers"]["name"] == "height"
        assert (low, high) == (
            min(split.y.min() for _, split in dataset.splits()),
            max(split.y.max() for _, split in dataset.splits()),
        )
        assert pictures["points"]["held_out"]["y"] == pytest.approx(dataset.held_out[1].y[:, 0].tolist(), abs=1e-4)
        for name, engine in engines.items():
            drawn = pictures["boundary"]["engines"][name]
            assert (drawn["shape"], drawn["low"], drawn["high"]) == ([1, GRID, GRID], low, high)
            predicted = engine.predict(grid_of(dataset, "float32"))[:, 0]
            shown = np.frombuffer(base64.b64decode(drawn["data"]), np.uint8) / 255 * (high - low) + low
            np.testing.assert_allclose(shown, predicted.clip(low, high), atol=(high - low) / 255)
            assert [layer["shape"][0] for layer in pictures["units"]["engines"][name]] == [4, 4, 1]
        stage.close()


def test_a_step_is_one_step_and_an_epoch_ends_with_the_epoch(client: Client) -> None:
    client.do("reset")
    client.paused()
    for step in (1, 2, 3):
        client.do("step")
        state = client.until(
            lambda state, step=step: (state["job"]["step"], state["job"]["status"]) == (step, "paused")
        )
        assert [point[0] for point in state["points"]] == list(range(1, step + 1))
    client.do("epoch")
    state = client.until(lambda state: state["job"]["step"] == 25 and state["job"]["status"] == "paused")
    assert state["job"]["epoch"] == 1.0


def test_a_pause_that_comes_too_late_leaves_the_training_as_it_ended(client: Client) -> None:
    client.do("reset")
    client.paused()
    client.do("play")
    client.until(lambda state: state["job"]["status"] == "ended")
    client.do("pause")
    client.post("api/look", {"sample": 1})
    state = client.until(lambda state: any(p["kind"] == "sample" and p["index"] == 1 for p in state["pictures"]))
    assert (state["job"]["status"], state["job"]["step"]) == ("ended", 40)


def test_both_engines_take_the_steps_of_an_ordinary_run(client: Client, tmp_path: Path) -> None:
    from twofold.train.running import run

    client.do("reset")
    client.paused()
    client.do("play")
    state = client.until(lambda state: state["job"]["status"] == "ended")
    history = run(load_recipe("moons", SHORT), out=tmp_path / "run").history
    for engine in ("numpy", "torch"):
        rows = history[history.engine == engine]
        assert [row["train_loss"] for row in state["rows"][engine]] == pytest.approx(list(rows.train_loss), rel=1e-9)
        assert [row["test_accuracy"] for row in state["rows"][engine]] == list(rows.test_accuracy)
    assert max(point[-1] for point in state["points"]) < 1e-4
    assert state["sentences"]["step"] == 40


def test_a_run_that_is_finished_is_not_left_by_a_late_click(tmp_path: Path) -> None:
    with serving("moons", tmp_path / "runs", ("training.steps=100_000",)) as client:
        client.paused()
        client.do("finish")
        client.until(lambda state: state["job"].get("step", 0) > 0)
        assert client.get("api/trace?step=0").status == 409
        for do in ("play", "step", "epoch"):
            assert client.do(do).fault == "a run is being finished: wait for its report, or pause it first"
        client.do("pause")
        client.until(lambda state: state["job"]["status"] == "interrupted")
        client.do("step")
        client.until(lambda state: (state["job"]["status"], state["job"].get("step")) == ("paused", 1))


def test_the_microscope_waits_for_a_pause(client: Client) -> None:
    client.do("reset")
    client.paused()
    assert client.get("api/trace?step=7").status == 409
    assert client.get("api/trace?batch=other").status == 400
    assert client.get("api/trace?step=-1").status == 400


def test_an_edit_is_told_with_its_fault_at_its_path(client: Client) -> None:
    facts = client.post("api/recipe", {"edit": {"set": "layers.0.units", "text": "-3"}}).json
    assert facts["faults"][0]["path"] == ["layers", 0, "units"]
    assert facts["faults"][0]["rule"] == "`units` must be greater than 0; got -3"
    assert client.do("play").status == 409
    facts = client.post("api/recipe", {"edit": {"set": "layers.0.units", "text": "20"}}).json
    assert facts["trainable"]


def test_a_page_reads_no_file_that_it_was_not_given(client: Client, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b,c\n1,2,x\n3,4,y\n")
    before = client.state()["recipe"]["toml"]
    toml = before.replace('source = "moons"', f'source = "csv"\npath = "{secret}"\nlabel = "c"')
    toml = "\n".join(line for line in toml.splitlines() if not line.startswith(("samples", "noise")))
    facts = client.post("api/recipe", {"toml": toml}).json
    assert not facts["trainable"]
    assert "the page reads only what is uploaded" in facts["faults"][0]["rule"]
    assert client.post("api/recipe", {"toml": before}).json["trainable"]


@pytest.mark.parametrize("name", builtin_texts("recipe"))
def test_a_recipe_goes_through_the_page_unchanged(name: str) -> None:
    recipe = load_recipe(name)
    text = dump(recipe)
    assert check(text, name, Trusted()).toml == text
    again = edited(
        edited(text, {"set": "training.seed", "text": "7"}), {"set": "training.seed", "text": str(recipe.training.seed)}
    )
    assert again == text
    assert dump(loads(builtin_texts("recipe")[name], f"{name}.toml")) == text
    assert recipe_of_link(link_of_recipe(text)) == text


def test_every_kind_has_its_controls_and_a_beginning() -> None:
    tables = schema()
    for section in UNIONS:
        for kind, model in members(section).items():
            names = [field["name"] for field in tables[section]["kinds"][kind]["fields"]]
            assert [*names, tables[section]["tag"]] == [
                *(n for n in model.model_fields if n in names),
                tables[section]["tag"],
            ]
            assert set(beginning(section, kind)) >= {
                n for n, field in model.model_fields.items() if field.is_required()
            }


def test_what_has_a_default_that_is_made_is_not_required() -> None:
    (columns,) = (field for field in schema()["data"]["kinds"]["table"]["fields"] if field["name"] == "columns")
    assert (columns["required"], columns["default"]) == (False, {})


@pytest.mark.parametrize("layers", ['["a"]', "[1, 2]", '"x"', "[]", "[{ kind = 3 }]"])
def test_data_bring_a_network_where_the_recipe_has_no_usable_layers(layers: str) -> None:
    text = taken(f"layers = {layers}\n", {"source": "table", "path": "t.csv", "label": "y"}, 3)
    assert loads(text).layers[-1].model_dump()["units"] == 3


def test_layers_are_put_in_moved_and_taken_out() -> None:
    text = dump(load_recipe("moons"))
    kinds = lambda toml: [layer.kind for layer in loads(toml).layers]  # noqa: E731
    more = edited(text, {"insert": 1, "kind": "batch_norm"})
    assert kinds(more) == ["dense", "batch_norm", "relu", "dense"]
    assert kinds(edited(more, {"move": [1, 2]})) == ["dense", "relu", "batch_norm", "dense"]
    assert edited(more, {"delete": 1}) == text


def test_curves_stay_small_and_keep_the_largest_gap() -> None:
    curves, bucket = Curves(), Bucket(2)
    for step in range(1, 100_001):
        bucket.add(step, [1.0, 1.0 + (step == 777)])
        if step % 50 == 0:
            curves.add(bucket.take())
    assert len(curves.points) <= 2000
    assert curves.points[-1][0] == 100_000
    assert max(point[-1] or 0.0 for point in curves.points) == 1.0


@pytest.mark.parametrize("name", lessons())
def test_a_lesson_is_a_recipe_with_a_text(name: str) -> None:
    lesson = lessons()[name]
    recipe = loads(lesson.toml, f"{name}.toml")
    assert recipe.page is not None
    assert len(recipe.page.note) > 200
    assert lesson.begins in recipe.page.note
    assert loads(dump(recipe)) == recipe


def test_there_are_lessons_for_the_first_page() -> None:
    assert len(lessons()) >= 8


def test_hints_change_nothing_of_what_is_trained() -> None:
    plain, hinted = load_recipe("moons"), load_recipe("moons", {"page.note": "Look!", "page.hide": ["data"]})
    assert hinted.page is not None
    assert hinted.model_copy(update={"page": None}) == plain
    with pytest.raises(RecipeError, match="`hide\\[0\\]` must be"):
        load_recipe("moons", {"page.hide": ["weights"]})


def _drawn(number: int) -> Recipe:
    """A recipe of its own: kinds, values with all their digits, lists, texts that TOML must quote."""
    rng = np.random.default_rng(number)

    def one(*options: Any) -> Any:
        return options[rng.integers(len(options))]

    def real() -> float:
        return float(rng.random() * 10.0 ** rng.integers(-12, 0)) or 0.1

    layers: list[dict[str, Any]] = []
    for _ in range(rng.integers(0, 5)):
        layers += [{"kind": "dense", "units": int(rng.integers(1, 300)), "bias": bool(rng.integers(2))}]
        kind = one("relu", "tanh", "elu", "leaky_relu", "prelu", "dropout", "layer_norm", "softmax")
        layers += [{"kind": kind, **({"p": real()} if kind == "dropout" else {})}]
    source = one("moons", "circles", "blobs", "xor", "classification")
    values: dict[str, Any] = {
        "title": one("", 'a "quoted" \\ text', "Ünïcode → ∂L", "<b>'''\t", "two\nlines"),
        "data": {
            "source": source,
            "samples": int(rng.integers(20, 2000)),
            "seed": int(rng.integers(2**32)),
            "test": real(),
        },
        "layers": [*layers, {"kind": "dense", "units": 3 if source == "blobs" else 2}],
        "optimizer": one(
            {"kind": "sgd", "lr": real(), "momentum": real(), "nesterov": True},
            {"kind": "adam", "lr": real(), "betas": [real(), real()], "eps": real()},
            {"kind": "adamw", "weight_decay": real(), "decayed": "weights", "max_norm": real()},
            {"kind": "rmsprop", "alpha": real()},
        ),
        "schedule": one({"kind": "constant"}, {"kind": "cosine", "eta_min": real()}, {"kind": "step", "step_size": 7}),
        "initial": one({"kind": "default"}, {"kind": "he", "gain": real()}, {"kind": "zeros"}),
        "training": {
            "seed": int(rng.integers(2**62)),
            "batch_size": one("full", int(rng.integers(1, 99))),
            "epochs": 3,
        },
    }
    if rng.integers(2):
        values["page"] = {"hide": ["loss"], "note": "A `note`.\n\nIn two parts."}
    return Recipe.model_validate(values)


@pytest.mark.parametrize("start", range(0, 200, 20))
def test_a_recipe_that_is_drawn_goes_through_the_page_unchanged(client: Client, start: int) -> None:
    """As text, and after each of its numbers was set once by its control."""
    for number in range(start, start + 20):
        recipe = _drawn(number)
        text = dump(recipe)
        checked = check(text, recipe.name, Trusted())
        assert checked.recipe == recipe
        assert checked.toml == text
        assert recipe_of_link(link_of_recipe(text)) == text
        again = text
        for section in ("optimizer", "training", "data"):
            for key, value in getattr(recipe, section).model_dump(mode="json", exclude_none=True).items():
                if isinstance(value, int | float) and not isinstance(value, bool):
                    again = edited(again, {"set": f"{section}.{key}", "text": repr(value)})
        assert again == text
    assert client.post("api/recipe", {"toml": text}).json["toml"] == text
    assert client.state()["recipe"]["toml"] == text
