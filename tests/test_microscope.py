"""The microscope: every number is the sum of products that it is said to be, in both engines."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

import twofold
from apart import Apart
from cases import LAYERS, LOSSES, OPTIMIZERS, LayerCase, LossCase, kinds
from test_sequences import of_table, table
from test_walk import NETWORKS, OTHERS, built
from twofold.arrays import Array
from twofold.cli.main import app
from twofold.cli.microscope import number_json as command_json
from twofold.data.batches import Batches
from twofold.data.sources import load_data
from twofold.engine import Batch, Engine, State, ThroughTime, lengths_of
from twofold.errors import RunFolderError, UserError
from twofold.numpy_engine.layer import Mode, Timed, Tracking
from twofold.numpy_engine.layers import build_layer
from twofold.numpy_engine.losses import loss_function
from twofold.page.course import SideBySide
from twofold.page.microscope import BATCHES
from twofold.page.microscope import Microscope as PageMicroscope
from twofold.probe.kept import microscope_of
from twofold.probe.microscope import answer
from twofold.probe.microscope.account import Account, Axis, Factor, Summand, places
from twofold.probe.microscope.kinds import EXPLAINED, explain, explained_by
from twofold.probe.microscope.losses import loss
from twofold.probe.microscope.record import batch_json, number_json
from twofold.probe.microscope.scope import LOSS, Microscope, Moment, under
from twofold.probe.microscope.subject import Subject
from twofold.probe.microscope.terms import Sum, in_order, sum_of
from twofold.probe.microscope.update import Parameter, update_of
from twofold.probe.passage import Wanted, pass_through
from twofold.recipe import Recipe, load_recipe
from twofold.recipe.layer import LayerSpec
from twofold.recipe.layers import Layer
from twofold.recipe.losses import CrossEntropy
from twofold.recipe.network import walk
from twofold.recipe.optimizers import Sgd
from twofold.report import write_report
from twofold.report.microscope import MODULES, recorded
from twofold.runs import EVIDENCE, Run, open_run
from twofold.setup.building import build_engine, initial_state, prepare, training_engine
from twofold.setup.events import watching

EXACT = 1e-12
FEW = 12
"""Numbers of an array that are looked at."""
CASES = [case for case in LAYERS if case.replicas is None and case.trains]


def test_every_kind_is_explained() -> None:
    every = kinds(Layer).values()
    for kind in every:
        assert issubclass(kind, LayerSpec)
        assert callable(explained_by(kind))
    assert all(any(issubclass(kind, family) for kind in every) for family in EXPLAINED)


def some(account: Account, most: int = FEW) -> Iterator[tuple[int, ...]]:
    """The first place of the array, the last, and some spread between."""
    size = int(np.prod(account.shape))
    for flat in sorted(set(np.linspace(0, size - 1, most).astype(int).tolist())) if size else ():
        yield tuple(int(place) for place in np.unravel_index(flat, account.shape))


def adds_up(total: Sum) -> bool:
    """Within rounding: of terms that cancel, as those of a normalization's dx do, that of the largest is left.

    The slope 1 − y² of a saturated unit is itself such a difference, of numbers of size 1.
    """
    if total.own is None:
        return True
    sizes = [abs(term.factors[0] if "f′" in str(term.names) else term.product) for term in total.terms]
    largest = max(sizes, default=0.0)
    return abs(total.total - total.own) <= EXACT * max(abs(total.own), largest)


def subject(case: LayerCase) -> Subject:
    """A layer of the table on its way, as the NumPy engine's trace would show it."""
    nodes, _, _ = walk(case.shape[1:], [case.spec])
    layer, params, x, dy = build_layer(case.spec), case.held(), case.x(), case.dy()
    y, cache = layer.forward(params, x, Mode(training=True, mask=case.mask()))
    through = None
    if isinstance(layer, Timed):
        through = ThroughTime(*(array.copy() for array in layer.through_time(params, cache, dy)))
    after = layer.running(params, cache) if isinstance(layer, Tracking) else {}
    dx, gradients = layer.backward(params, cache, dy)
    return Subject(nodes[0], x, y, dy, dx, case.params(), gradients, case.mask(), through, case.buffers(), after)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_terms_of_a_layer_add_up_to_what_the_layer_gives(case: LayerCase) -> None:
    at = subject(case)
    explanation = explain(at)
    accounts, arrays = {a.what: a for a in explanation.accounts}, {**at.arrays(), **explanation.derived}
    assert len(accounts) == len(explanation.accounts)
    assert {"y", *case.params()} <= set(accounts)
    assert "dx" in accounts or case.kind == "embedding"
    for what, account in accounts.items():
        assert bool(account.own) + bool(account.kept) <= 1
        kept = arrays.get(account.own or account.kept)
        assert kept is not None
        assert kept.size == np.prod(account.shape)
        for index in some(account, 30):
            found = sum_of(accounts, what, arrays, index)
            assert adds_up(found), (what, index, found)
            assert found.own is not None or adds_up(replace(found, own=float(kept.reshape(account.shape)[index])))


RECIPES = ["moons", "moons-adam", "circles", "blobs", "classification", "digits", "palindrome-4", "palindrome",
           "palindrome-gru", "palindrome-lstm", "mnist-lenet", "mnist-mlp"]  # fmt: skip


def scoped(source: object, overrides: object = (), **which: object) -> Microscope:
    return under(pass_through(source, Wanted(**which), overrides=overrides))  # pyright: ignore[reportArgumentType]


def check_weights(scope: Microscope, most: int, strict: bool = True) -> None:
    """Some weights of every parameter, and what the optimizer makes of them.

    Not `strict`: a bias before a batch norm has a gradient that is nothing but rounding.
    """
    for name in scope.recipe.network.parameters:
        layer, parameter = name.split(".")
        for index in some(scope.explained("numpy", layer).accounts[parameter], most):
            number = scope.number(layer, parameter, index)
            for engine, total in number.sums.items():
                own = scope.moments[engine].trace.gradients[name][index]
                assert total.own == own
                assert total.gap is not None
                assert total.gap <= EXACT if strict else adds_up(total), (name, index, engine, total.total, total.own)
                assert total.total == pytest.approx(sum(np.prod(t.factors) * t.coefficient for t in total.terms))
                _, moved = number.update[engine][-1]
                assert moved.gap is not None
                assert moved.gap <= EXACT, (name, index, engine, moved)


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_factors_of_a_weight_of_a_builtin_recipe_add_up_to_its_gradient(recipe: str) -> None:
    scope = scoped(recipe, batch=4, overrides={"training.dtype": "float64"})
    assert set(scope.moments) == {"numpy", "torch"}
    check_weights(scope, FEW)


@pytest.mark.parametrize("name", [*NETWORKS, *OTHERS])
def test_every_number_of_a_network_adds_up(name: str) -> None:
    scope = scoped(built(name))
    check_weights(scope, 5, strict=False)
    for layer in scope.kinds:
        for what, account in scope.explained("torch", layer).accounts.items():
            for index in some(account, 5):
                for total in scope.number(layer, what, index).sums.values():
                    assert adds_up(total), (layer, what, index, total)
    assert set(scope.explained("numpy", LOSS).accounts) >= {"L", "dy"}


def test_the_numbers_are_those_that_the_walk_prints_digit_by_digit() -> None:
    """Wherever the walk's JSON shows a number of y, dx, dy, h(t), dh(t) or a gradient, it is the microscope's own."""
    compared = 0
    for name in ("conv2d", "gru", "pools and norms"):
        walked = twofold.walk(built(name))
        facts = json.loads(json.dumps(walked.to_json()))
        sample = facts["sample"] - facts["batch"]["first"]
        for row in [*facts["forward"], *facts["backward"]]:
            match = re.fullmatch(r"(d )?([^\[]+)\[([^\]]*)\]", row["gives"] or "")
            if match is None or row["kind"] == "input" or match[2] == "L":
                continue
            axes = [range(*map(int, part.split(":"))) if ":" in part else [int(part)] for part in match[3].split(", ")]
            for index, *numbers in zip(product(*axes), *row["numbers"].values(), strict=True):
                if match[1]:
                    number = walked.number(f"{match[2]}{list(index)}")
                elif step := row["step"]:
                    what = match[2].replace(f"({step})", "(t)")
                    number = walked.number(f"{row['layer']}.{what}{[step - 1, sample, *index]}")
                else:
                    layer = row["layer"]
                    number = walked.number(f"{layer}.{match[2]}{[sample, *index]}")
                told = json.loads(json.dumps(number_json(number)))["engines"]
                assert [told[engine]["own"] for engine in row["numbers"]] == numbers, (row["layer"], match[2])
                compared += 1
    assert compared > 60


def test_a_factor_is_the_number_of_the_layer_before() -> None:
    """x of a layer is y of the one before, dy is dx of the one behind: the same float, not the same digits."""
    scope = scoped("digits", batch=4)
    number = scope.find("3.weight[2,7]")
    for engine, total in number.sums.items():
        trace = scope.moments[engine].trace
        for n, term in enumerate(total.terms):
            assert term.names == (f"dy[{n}, 2]", f"x[{n}, 7]")
            assert term.factors == (float(trace.signals["3"][n, 2]), float(trace.outputs["2"][n, 7]))
            assert term.product == term.factors[0] * term.factors[1]


def test_padding_is_no_term_and_a_window_has_its_rows_and_columns() -> None:
    scope = scoped(built("conv2d"))
    corner = scope.find("1.y[0, 2, 0, 0]").sums["numpy"]
    places = [(term.at["u"], term.at["v"]) for term in corner.terms if term.at]
    assert set(places) == {(1, 1), (2, 1)}  # padding 1 above and on the left of a kernel of 3 x 2
    assert corner.terms[0].names == ("x[0, 0, 0, 0]", "W[2, 0, 1, 1]")
    assert corner.terms[-1].names == ("b[2]",)


def test_the_winner_of_a_window_gets_all_of_dy() -> None:
    scope = scoped(built("pools and norms"))
    x = scope.explained("numpy", "3").arrays["x"]
    window = scope.find("3.y[1, 2, 1, 0]").sums["numpy"]
    assert window.winner is not None
    assert window.total == x[1, 2, 2:4, 0:2].max()
    u, v = divmod(window.winner, 2)
    for r, q in product(range(2), range(2)):
        terms = scope.number("3", "dx", (1, 2, 2 + r, q)).sums["numpy"].terms
        assert len(terms) == ((r, q) == (u, v))


def moments(engines: Mapping[str, Engine], batch: Batch) -> dict[str, Moment]:
    return {name: Moment(engine.state(), engine.trace(batch)) for name, engine in engines.items()}


def test_an_update_of_a_training_that_pauses_has_its_moments() -> None:
    """Each engine with its own state: the second update of Adam corrects by 1 − β², and starts from the first's m."""
    recipe = load_recipe("moons-adam", {"training.dtype": "float64"})
    batches = iter(Batches(recipe, load_data(recipe.data).train))
    engines = {name: build_engine(name, recipe) for name in ("numpy", "torch")}
    first, second = next(batches), next(batches)
    for engine in engines.values():
        engine.load(initial_state(recipe.model))
        engine.step(first)
    before = {name: engine.state() for name, engine in engines.items()}
    scope = Microscope(recipe, second, moments(engines, second))
    number = scope.find("0.weight[3, 1]")
    for name, engine in engines.items():
        engine.step(second)
        after = engine.state().parameters["0.weight"][3, 1]
        moves = {account.what: total for account, total in number.update[name]}
        assert moves["m"].terms[0].factors == (before[name].optimizer["exp_avg"]["0.weight"][3, 1],)
        assert moves["p"].own == after
        assert moves["p"].total == pytest.approx(after, rel=EXACT)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_moves_a_weight_as_its_engine_does(name: str) -> None:
    recipe = built("dense", optimizer=OPTIMIZERS[name].model_dump())
    engines = {engine: build_engine(engine, recipe) for engine in ("numpy", "torch")}
    batches = iter(Batches(recipe, load_data(recipe.data).train))
    for engine, batch in zip(engines.values(), [next(batches)] * 2, strict=True):
        engine.load(initial_state(recipe.model))
        engine.step(batch)
    batch = next(batches)
    scope = Microscope(recipe, batch, moments(engines, batch))
    for text in ("1.weight[3, 5]", "1.bias[2]", "3.weight[9, 6]"):
        for moves in scope.find(text).update.values():
            assert adds_up(moves[-1][1]), (text, moves[-1])


@pytest.mark.parametrize("weighs", [True, False])
@pytest.mark.parametrize("case", LOSSES, ids=lambda case: case.name)
def test_the_terms_of_every_loss_add_up(case: LossCase, weighs: bool) -> None:
    outputs, target, weight = case.outputs(), case.target(), case.weight()
    weight = weight if weighs else np.zeros(len(outputs))
    value, dy = loss_function(case.spec)(outputs, target, *(() if weight is None else (weight,)))
    explanation = loss(case.spec, outputs, target, weight)
    arrays = {"y": outputs, "L": np.array(value), "dy": dy, **explanation.derived}
    accounts = {account.what: account for account in explanation.accounts}
    assert {"L", "dy"} <= set(accounts)
    for what, account in accounts.items():
        for index in some(account):
            assert adds_up(sum_of(accounts, what, arrays, index)), (what, index)


@pytest.mark.parametrize(
    ("setting", "equation"),
    [
        ({}, "L = −Σ(n) log p[n, t] / N"),
        ({"label_smoothing": 0.1}, "L = −Σ(n, k) a[n, k] · log p[n, k] / N"),
        ({"class_weight": (1.0, 2.0, 3.0)}, "L = −Σ(n, k) a[n, k] · log p[n, k] / W"),
    ],
)
def test_the_equation_of_the_cross_entropy_is_the_one_of_its_terms(setting: dict[str, Any], equation: str) -> None:
    accounts = loss(CrossEntropy(**setting), np.eye(3), np.array([0, 2, 1])).accounts
    assert {account.what: account.equation for account in accounts}["L"] == equation


def test_a_nan_wins_a_window_and_clips_to_nan() -> None:
    """As in both engines: the account says the same, not the largest of the other numbers."""
    account = Account("y", "", (), (), (Summand((Factor("x", "x", places("i")),), (Axis("i", 3),)),), largest=True)
    total = sum_of({"y": account}, "y", {"x": np.array([1.0, np.nan, 2.0])}, ())
    assert total.winner == 1
    assert np.isnan(total.total)
    before = State({"0.weight": np.ones(2)})
    clipped = Sgd(lr=0.1, max_norm=1.0)
    moved = update_of(Parameter("0.weight", False), clipped, {"0.weight": np.array([1.0, np.nan])}, before, 0.1)
    assert np.isnan(moved.arrays["clip"])


@pytest.mark.parametrize(("taken", "rate"), [(0, 0.5), (3, 0.2), (7, 0.0)])
def test_an_update_has_the_rate_of_its_step(taken: int, rate: float) -> None:
    """Even 0, where a schedule has come to its end."""
    schedule = {"kind": "linear", "start_factor": 1.0, "end_factor": 0.0, "total_iters": 5, "unit": "step"}
    course = paused("moons", {"optimizer.lr": 0.5, "schedule": schedule}, taken)
    for batch in BATCHES:
        _, content = PageMicroscope(course).answer({"batch": batch, "number": "2.weight[1,3]"})
        for moves in json.loads(content)["update"].values():
            assert moves[-1]["equation"] == f"p ← p − {rate:g} g"
            assert moves[-1]["gap"] <= 1e-6


def paused(source: Any, overrides: dict[str, Any], taken: int) -> SideBySide:
    """A training that stands still after some steps, as on the page."""
    recipe, dataset = prepare(load_recipe(source, overrides), watching(None))
    engines = {name: training_engine(name, recipe) for name in recipe.training.engines}
    course = SideBySide(recipe, dataset.astype(recipe.training.dtype), engines)
    for _ in course.begin():
        pass
    for _ in range(taken):
        for _ in course.advance():
            pass
    return course


@pytest.mark.parametrize("output", ["last", "mean", "every"])
def test_of_sequences_that_differ_in_length_a_page_shows_one_whole(output: str, tmp_path: Path) -> None:
    label = "move" if output == "every" else "label"
    course = paused(of_table(table(tmp_path), layer={"output": output}, label=label), {}, 2)
    microscope, sample = PageMicroscope(course), 3
    with pytest.raises(UserError, match=r"holds sequences shorter than the longest.*`batch=held-out`"):
        microscope.answer({})
    length = lengths_of(course.dataset.held_out[1].x)[sample]  # pyright: ignore[reportOptionalSubscript]
    query = {"batch": "held-out", "sample": str(sample)}
    told = json.loads(microscope.answer(query)[1])
    assert told["layers"][0]["input"] == [1, length, 3]
    for name in ("0.weight_ih[2,1]", "0.weight_hh[3,2]", "0.dh(t)[0,0,2]", "1.weight[1,3]", "1.y[0,1]", "loss.L"):
        name = name if output != "every" else name.replace("1.y[0,", "1.y[0,0,")
        for total in json.loads(microscope.answer(query | {"number": name})[1])["engines"].values():
            assert total["gap"] <= 1e-12, name


# What a page is told


def test_a_page_is_told_the_loss_as_a_walk_tells_it(tmp_path: Path) -> None:
    """With numbers to predict, and where every step is answered: N is the number of answers."""
    (tmp_path / "numbers.csv").write_text("a,b,y\n" + "".join(f"{i % 7},{i % 5},{i / 8}\n" for i in range(40)))
    data = {"source": "table", "path": str(tmp_path / "numbers.csv"), "label": "y", "baselines": False}
    layers = [{"kind": "dense", "units": 1}]
    numbers = twofold.walk(Recipe(name="numbers", data=data, layers=layers, loss={"kind": "mean_squared"}), batch=3)
    steps = twofold.walk(of_table(table(tmp_path), layer={"output": "every"}, label="move"), sample=3)
    told = dict[str, list[Any]]()
    for name, walked in {"numbers": numbers, "steps": steps}.items():
        loss_ = answer(walked.passage, {}, {})["layers"][-1]  # pyright: ignore[reportIndexIssue]
        rows = [row for row in (*walked.forward, *walked.backward) if row.layer == LOSS]
        assert [*loss_["forward"], *loss_["backward"]] == [(row.equation, row.shapes) for row in rows]
        assert tuple(loss_["input"]) == walked.number("loss.dy" + str([0, 0])).account.shape
        told[name] = loss_["forward"][0]
    assert told["numbers"] == ("L = 1/(N C) Σ (y − t)²", "(3, 1) → ()")
    assert told["steps"][1] == f"({len(steps.about.target)}, 2) → ()"  # pyright: ignore[reportArgumentType]
    number = command_json(numbers, numbers.number("0.weight[0,1]"))
    assert number["target"] == list(numbers.about.target)  # pyright: ignore[reportArgumentType]


def test_the_arrays_of_a_record_are_the_same_numbers_and_kept_once() -> None:
    scope = scoped(built("conv2d"))
    record = batch_json(scope, {})
    assert record is not None
    told = json.loads(json.dumps(record, allow_nan=False))
    shapes = {"uint8": np.uint8, "float32": "<f4", "float64": "<f8"}

    def array(number: int) -> Array:
        packed = told["arrays"][number]
        if packed["type"] == "zeros":
            return np.zeros(packed["shape"])
        data = np.frombuffer(base64.b64decode(packed["data"]), shapes[packed["type"]])
        return data.reshape(packed["shape"]).astype(np.float64)

    names = [layer["name"] for layer in told["layers"]]
    assert names == list(scope.kinds)
    for layer in told["layers"]:
        for engine, numbers in layer["arrays"].items():
            for name, number in numbers.items():
                np.testing.assert_array_equal(array(number), scope.explained(engine, layer["name"]).arrays[name])
    first, second = told["layers"][:2]
    assert first["arrays"]["numpy"]["y"] == second["arrays"]["numpy"]["x"]
    assert first["arrays"]["numpy"]["weight"] == first["arrays"]["torch"]["weight"]
    assert batch_json(scope, {}, most=100) is None


def test_a_page_asks_for_the_batch_a_layer_or_a_number() -> None:
    passage = pass_through("moons", Wanted(batch=3))
    states = {name: moment.state for name, moment in under(passage).moments.items()}
    whole, layer, number = (
        json.loads(json.dumps(answer(passage, states, query), allow_nan=False))
        for query in ({}, {"layer": "2"}, {"number": "2.weight[1,3]"})
    )
    assert [found["name"] for found in whole["layers"]] == ["0", "1", "2", "loss"]
    assert whole["targets"] == passage.batch.target.tolist()
    assert {account["what"] for account in layer["layer"]["accounts"]} == {"y", "weight", "bias", "dx"}
    assert number["name"] == "2.weight[1, 3]"
    assert {account["what"] for account in answer(passage, states, {"layer": "loss"})["layer"]["accounts"]} == {
        "p",
        "L",
        "dy",
    }  # pyright: ignore
    with pytest.raises(UserError, match=re.escape("there is no layer `7`; there are 0, 1, 2, loss")):
        answer(passage, states, {"layer": "7"})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("2.weights[1]", "layer 2 (dense) has no `2.weights`; did you mean `weight`? Its arrays are `2.y`"),
        ("7.weight[1]", "there is no layer `7`; there are `0`, `1`, `2`, `loss`"),
        ("2.weight[1, 20]", "its places lie between `2.weight[0, 0]` and `2.weight[1, 19]`; got [1, 20]"),
        ("2.weight[-1, 0]", "got [-1, 0]"),
        ("2.weight", "`2.weight` has the shape (2, 20)"),
        ("loss.L[0]", "`loss.L` is one number, without a place; got [0]"),
        ("weight", "a number is named LAYER.ARRAY[PLACE], as in `0.weight[3, 1]` or `loss.dy[0, 1]`; got 'weight'"),
        ("2.weight[1", "a number is named LAYER.ARRAY[PLACE]"),
        ("2.weight[3 1]", "a number is named LAYER.ARRAY[PLACE], as in `0.weight[3, 1]`"),
        ("2.weight[--1, 0]", "as in `0.weight[3, 1]` or `loss.dy[0, 1]`; got '2.weight[--1, 0]'"),
        (f"2.weight[{'1' * 5000}]", "a number is named LAYER.ARRAY[PLACE]"),
    ],
)
def test_a_number_that_is_not_there_is_refused_with_those_that_are(name: str, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        twofold.walk("moons", batch=2).number(name)


# What a run's folder keeps


@pytest.fixture(scope="module")
def kept_run(tmp_path_factory: pytest.TempPathFactory, apart: Apart) -> Run:
    folder = tmp_path_factory.mktemp("kept") / "moons"
    return apart.run("moons", overrides={"training.epochs": 1, "training.dtype": "float64"}, out=folder)


def test_a_folder_keeps_the_walk_s_batch_before_training_and_after(kept_run: Run) -> None:
    batches = json.loads(microscope_of(kept_run))["batches"]
    assert [(batch["title"], batch["step"]) for batch in batches] == [("Before training", 0), ("After training", 25)]
    walks = twofold.walk("moons", overrides={"training.dtype": "float64"}, batch=5), twofold.walk(kept_run)
    for batch, walked in zip(batches, walks, strict=True):
        assert batch["engines"] == ["numpy", "torch"]
        last = batch["layers"][-1]
        loss = batch["arrays"][last["arrays"]["torch"]["L"]]
        (value,) = np.frombuffer(base64.b64decode(loss["data"]), "<f8" if loss["type"] == "float64" else "<f4")
        assert value == walked.passage.traces["torch"].loss


def test_a_large_network_keeps_no_record_and_its_report_has_no_microscope(tmp_path: Path) -> None:
    layers = [{"kind": "dense", "units": 1200}, {"kind": "dense", "units": 60}, {"kind": "dense", "units": 2}]
    overrides = {"layers": layers, "training.steps": 1}
    run = twofold.run("moons", overrides=overrides, engines="numpy", out=tmp_path / "wide")
    assert microscope_of(run) == ""
    assert recorded(run) is None
    assert 'id="microscope"' not in write_report(run).read_text("utf-8")


@pytest.mark.parametrize("text", ["", "{", "[" * 5000, "\udcff"])
def test_a_damaged_record_is_told(kept_run: Run, tmp_path: Path, text: str) -> None:
    folder = shutil.copytree(kept_run.path, tmp_path / "moons")
    arrays = dict(open_run(folder).evidence)
    content = text.encode("utf-8", "surrogateescape")
    save_file(arrays | {"microscope": np.frombuffer(content, np.uint8)}, folder / EVIDENCE)
    run = Run(folder, kept_run.record)
    if not text:
        assert recorded(run) is None
        return
    with pytest.raises(RunFolderError, match="`microscope` is no JSON"):
        recorded(run)


@pytest.mark.parametrize(
    "change",
    [
        lambda told: "{",
        lambda told: "[]",
        lambda told: "5",
        lambda told: {},
        lambda told: told | {"layers": []},
        lambda told: told | {"forward": [{"layer": "0"}]},
        lambda told: told | {"target": 5} if told.pop("class") else {},
        lambda told: told | {"ties": [{"layer": "0"}]},
        lambda told: told | {"backward": [told["backward"][0] | {"norm": {"numpy": "large"}}]},
        None,
    ],
)
def test_a_damaged_walk_is_told(kept_run: Run, tmp_path: Path, change: Callable[[dict], object] | None) -> None:
    folder = shutil.copytree(kept_run.path, tmp_path / "moons")
    arrays = dict(open_run(folder).evidence)
    if change is None:
        arrays["walk"] = arrays["walk"].astype(np.float64)
    else:
        text = change(json.loads(arrays["walk"].tobytes()))
        content = text if isinstance(text, str) else json.dumps(text)
        arrays["walk"] = np.frombuffer(content.encode(), np.uint8)
    save_file(arrays, folder / EVIDENCE)
    with pytest.raises(RunFolderError, match=r"`walk` (is no record of a walk: |holds float64)"):
        write_report(Run(folder, kept_run.record))


def test_text_in_a_record_ends_no_script(kept_run: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(kept_run.path, tmp_path / "moons")
    text = json.dumps({"batches": [{"title": "</script><script>alert(1)</script><!--"}]})
    changed = dict(kept_run.evidence) | {"microscope": np.frombuffer(text.encode(), np.uint8)}
    save_file(changed, folder / EVIDENCE)
    found = recorded(Run(folder, kept_run.record))
    assert found is not None
    assert "<" not in found.data
    assert json.loads(found.data) == json.loads(text)


def test_the_modules_of_the_view_fit_into_one_script() -> None:
    """A report holds them as one: no name twice, none left out, none too long to read."""
    folder = Path(twofold.__file__).parent / "page" / "static" / "microscope"
    sources = {path.stem: path.read_text("utf-8") for path in folder.glob("*.js")}
    assert set(sources) == set(MODULES)
    assert max(len(source.splitlines()) for source in sources.values()) <= 300
    top = r"^(?:export )?(?:async )?(?:function\*?|class|const|let) +(\w+)"
    names = [name for source in sources.values() for name in re.findall(top, source, re.MULTILINE)]
    assert len(names) == len(set(names)) > 50
    assert "</script" not in "".join(sources.values())


# The command


def test_the_command_prints_the_terms_and_both_engines() -> None:
    result = CliRunner().invoke(app, ["walk", "moons", "--batch", "3", "--number", "2.weight[1,3]"])
    assert result.exit_code == 0, result.output
    assert "∂L/∂W[o, i] = Σ(n) dy[n, o] · x[n, i]" in result.output
    assert "dy[2, 1] · x[2, 3]" in result.output
    for word in ("NumPy", "PyTorch", "their sum", "the engine's own", "p ← p − 0.01 g"):
        assert word in result.output


def test_the_command_prints_json() -> None:
    result = CliRunner().invoke(app, ["walk", "moons", "--batch", "3", "--number", "0.y[0,3]", "--json"])
    told = json.loads(result.stdout)
    assert told["recipe"] == "moons"
    assert told["place"] == [0, 3]
    total = told["engines"]["torch"]
    assert in_order(term["product"] for term in total["terms"]) == total["sum"]
    assert told["update"] == {}
