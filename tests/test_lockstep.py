"""Lock-step: both engines agree, and whatever is broken in one of them is found where it is broken."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from typing import Any, get_args

import numpy as np
import pytest

import twofold
from cases import FLATTEN, OPTIMIZERS, RELU, SCHEDULES, SIGMOID, SOFTMAX, TANH, THIRD, dense, kinds, recipe
from engines import numpy_engine, torch_engine
from faults import (
    FAULTS,
    SQUARE,
    Changed,
    Reporting,
    batches_of,
    in_layer,
    in_loss,
    loss_gradient_32_times,
    sgd,
    trained_by,
)
from torture import short_form
from twofold.arrays import Array
from twofold.cli.views import print_verification
from twofold.data import Batches, Split
from twofold.engine import Batch, Engine, State
from twofold.engine.initial import initial_parameters
from twofold.numpy_engine.layer import TRAINING
from twofold.numpy_engine.pool import MaxPool2d
from twofold.numpy_engine.windows import Windows
from twofold.proof import verify as verifying
from twofold.proof.lockstep import STAGES, Divergence, Mode, Verdict, compare
from twofold.recipe import Recipe
from twofold.recipe.base import Part
from twofold.recipe.layers import Layer
from twofold.setup import building
from twofold.setup.building import initial_state

TOLERANCE = 1e-9
PLANE = ["moons", "moons-adam", "circles", "blobs", "classification"]
CONV = {"kind": "conv2d", "channels": 4, "kernel": 3, "padding": 1}
POOL = {"kind": "max_pool2d", "kernel": 3, "stride": 2, "padding": 1}
NORM = {"kind": "batch_norm"}


def keeps_vectors(kind: type[Part]) -> bool:
    """Whether a kind of layer needs no settings and takes vectors to vectors of the same size."""
    if any(field.is_required() for field in kind.model_fields.values()):
        return False
    spec: Any = kind()
    return spec.refuses((8,)) is None and spec.output_shape((8,)) == (8,)


EVERY_LAYER = [
    CONV, NORM, {"kind": "leaky_relu"}, POOL,
    {**CONV, "groups": 2, "bias": False}, {"kind": "layer_norm"}, {"kind": "silu"}, {"kind": "avg_pool2d", "kernel": 2},
    CONV, {"kind": "group_norm", "num_groups": 2}, {"kind": "prelu", "num_parameters": 4}, {"kind": "gelu"},
    {"kind": "global_avg_pool2d"},
    FLATTEN, dense(12), NORM, {"kind": "elu"}, RELU, THIRD, dense(9, bias=False), TANH,
    dense(8), SIGMOID, {"kind": "dropout"}, dense(10), SOFTMAX,
]  # fmt: skip
NAMED = {layer["kind"] for layer in EVERY_LAYER}
OTHERS = [kind for kind, spec in kinds(Layer).items() if kind not in NAMED and keeps_vectors(spec)]
EVERY_LAYER[-2:-2] = [layer for kind in OTHERS for layer in (dense(8), {"kind": kind})]
"""An activation or a normalization that was added later stands here of itself."""
AUGMENTED = {
    "flips and translation": {"flip": "random", "translate": 2},
    "alternating flips, reflection and cutout": {
        "flip": "alternating", "translate": 3, "padding": "reflect", "cutout": 3,
    },
    "rotation, shift and bending": {"rotate": 20.0, "shift": 1.5, "elastic": 0.8},
    "growing images": {"grow": [(4, 0.25), (6, 0.5)], "flip": "random"},
    "images moved towards a higher loss": {"adversarial": 1.0, "flip": "random"},
}  # fmt: skip
SMALL_VGG = [
    CONV,
    NORM,
    RELU,
    POOL,
    {**CONV, "channels": 6},
    NORM,
    RELU,
    POOL,
    {"kind": "global_avg_pool2d"},
    dense(10),
]
SEQUENCES = [
    {"kind": "embedding", "num_embeddings": 10, "units": 3},
    {"kind": "lstm", "units": 5, "output": "every"},
    {"kind": "dropout", "p": 0.3},
    {"kind": "gru", "units": 4, "output": "every"},
    {"kind": "rnn", "units": 6, "nonlinearity": "relu", "output": "every"},
    {"kind": "rnn", "units": 7, "initial_hh": "orthogonal"},
    dense(10),
]
PALINDROMES = {"source": "palindromes", "length": 6}
MIXED = recipe([dense(7), RELU, THIRD, dense(6, bias=False), TANH, dense(5), SIGMOID, dense(3)])
RECIPES = {
    "every layer": recipe(EVERY_LAYER, data={"source": "digits"}, loss={"kind": "mean_squared"}),
    "every layer of sequences": recipe(SEQUENCES, data=PALINDROMES | {"encoding": "index"}),
    "embedded columns": recipe(
        [{"kind": "embed_columns", "num_embeddings": [6, 4], "units": [3, 2]}, dense(7), TANH, dense(3)], inputs=5
    ),
    "sequences of one number": recipe(
        [{"kind": "rnn", "units": 6}, dense(10)], data=PALINDROMES, optimizer={"kind": "rmsprop", "max_norm": 0.5}
    ),
    "sequences that grow": recipe(
        [{"kind": "lstm", "units": 5, "forget_bias": 1.0}, dense(10)],
        data=PALINDROMES | {"encoding": "one_hot", "grow": [[3, 0.25], [4, 0.25]]},
    ),
    "softmax twice": recipe([dense(4), SOFTMAX]),
    "one layer": recipe([dense(4)]),
    "dropout first": recipe([THIRD, dense(4)]),
    "dropout of nothing": recipe([dense(4), {"kind": "dropout", "p": 0.0}, dense(2)]),
    "batches of one": recipe([dense(5), TANH, dense(2)], training={"batch_size": 1}),
    "a smaller last batch": recipe([dense(5), TANH, dense(2)], training={"batch_size": 7}),
    "the whole set a batch": recipe([dense(5), TANH, dense(2)], training={"batch_size": "full"}),
    "more than 20,000 parameters, a fused kernel": recipe(
        [dense(800), TANH, dense(9)], inputs=30, optimizer={"kind": "sgd", "momentum": 0.9, "nesterov": True}
    ),
    "summed cross-entropy": recipe([dense(5), TANH, dense(2)], loss={"kind": "cross_entropy", "reduction": "sum"}),
    "summed squares": recipe([dense(5), TANH, dense(2)], loss={"kind": "mean_squared", "reduction": "sum"}),
    "smoothed labels": recipe([dense(5), TANH, dense(3)], loss={"kind": "cross_entropy", "label_smoothing": 0.2}),
    "an average of the weights": recipe(SMALL_VGG, data={"source": "digits"}, training={"ema": 0.99}),
    **{
        name: recipe(SMALL_VGG, data={"source": "digits"}, augmentation=augmentation)
        for name, augmentation in AUGMENTED.items()
    },
    "zeros to begin with": recipe([dense(5), TANH, dense(2)], initial={"kind": "zeros"}),
}

each_mode = pytest.mark.parametrize("mode", get_args(Mode))


def lockstep(
    first: Engine,
    second: Engine,
    recipe: Recipe,
    batches: Iterable[Batch],
    mode: Mode = "resync",
    tolerance: float = TOLERANCE,
) -> Verdict:
    return compare(first, second, initial_state(recipe.model), batches, tolerance, mode)


def both(recipe: Recipe, mode: Mode, tolerance: float = TOLERANCE) -> Verdict:
    return lockstep(
        numpy_engine(recipe),
        torch_engine(recipe),
        recipe,
        batches_of(recipe),
        mode,
        tolerance,
    )


# Agreement


@each_mode
@pytest.mark.parametrize("name", PLANE)
def test_recipes_of_the_plane_agree_over_200_steps(name: str, mode: Mode) -> None:
    verification = twofold.verify(name, overrides={"training.device": "cpu"}, mode=mode)
    assert verification.verdict.first_divergence is None
    assert verification.verdict.steps == 200
    assert verification.data == "real"
    assert verification.agrees


@each_mode
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_agrees(name: str, mode: Mode) -> None:
    verdict = both(trained_by(MIXED, optimizer=OPTIMIZERS[name]), mode)
    assert verdict.first_divergence is None
    assert verdict.steps == 12


@each_mode
@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_agrees(name: str, mode: Mode) -> None:
    assert both(trained_by(MIXED, schedule=SCHEDULES[name].spec), mode).first_divergence is None


@each_mode
@pytest.mark.parametrize("name", RECIPES)
def test_small_recipes_agree(name: str, mode: Mode) -> None:
    assert both(RECIPES[name], mode).first_divergence is None


def test_one_of_these_recipes_holds_every_layer() -> None:
    names = ("every layer", "every layer of sequences", "embedded columns")
    assert {layer.kind for name in names for layer in RECIPES[name].layers} == kinds(Layer).keys()


@each_mode
@pytest.mark.parametrize("name", ["moons", "moons-adam", "digits"])
def test_float32_agrees_to_float32(name: str, mode: Mode) -> None:
    """A demonstration at 1e-4. The same comparison at 1e-9 fails: it is float32 that was compared."""
    overrides = {"training.device": "cpu"}
    verdict = twofold.verify(name, overrides=overrides, dtype="float32", mode=mode, steps=50).verdict
    assert verdict.tolerance == 1e-4
    assert verdict.first_divergence is None
    strict = twofold.verify(name, overrides=overrides, dtype="float32", mode=mode, steps=50, tolerance=1e-9).verdict
    assert not strict.agrees
    assert strict.largest == verdict.largest


def test_free_running_drifts_further_than_resynchronised() -> None:
    """In float32, where a rounding is large enough to be seen growing."""
    gaps = {
        mode: twofold.verify("moons", dtype="float32", mode=mode, overrides={"optimizer.lr": 1.0}).verdict.largest[
            "state"
        ]
        for mode in get_args(Mode)
    }
    assert gaps["free"] > 3 * gaps["resync"] > 0


# Ties and kinks: where a rounding could choose between two gradients


def flat_images(samples: int = 24) -> Split:
    """Whole areas of one value: every window within an area gives the same number, if all sums are added alike."""
    rng = np.random.default_rng(0)
    x = np.repeat(np.repeat(rng.choice([0.0, 0.1, 0.7, 1.0], (samples, 1, 2, 2)), 4, axis=2), 4, axis=3)
    return Split(x, rng.integers(10, size=samples))


def nudged(y: Array) -> Array:
    """The last bit of every number, as another order of sums would leave it."""
    return y * (1 + np.finfo(np.float64).eps * np.random.default_rng(1).integers(-1, 2, y.shape))


TIED = recipe([CONV, POOL, {**CONV, "bias": False}, POOL, FLATTEN, dense(10)], data={"source": "digits"})


@each_mode
def test_ties_in_a_max_part_nothing(mode: Mode) -> None:
    """The first of equals takes the gradient. Where rounding makes another the largest, it saw the same pixels: what it
    gives the weights below is the same."""
    batches = list(Batches(TIED, flat_images()))
    assert lockstep(
        numpy_engine(TIED),
        torch_engine(TIED),
        TIED,
        batches,
        mode,
    ).agrees
    other = in_layer("0", lambda layer: Changed(layer, y=nudged))(TIED)
    plain, moved = numpy_engine(TIED), other
    plain.load(initial_state(TIED.model))
    x = batches[0].x
    _, before = MaxPool2d(Windows((3, 3), (2, 2), (1, 1), (1, 1))).forward({}, plain.outputs(x)[0], TRAINING)
    _, after = MaxPool2d(Windows((3, 3), (2, 2), (1, 1), (1, 1))).forward({}, nudged(plain.outputs(x)[0]), TRAINING)
    assert (before.number != after.number).mean() > 0.1  # many windows do choose another
    assert lockstep(plain, moved, TIED, batches, mode).agrees


def verified_against(broken: Callable[[Recipe], Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    """`verify` gets the broken engine in PyTorch's place."""

    def build(engine: str, recipe: Recipe) -> Engine:
        return broken(recipe) if engine == "torch" else building.build_engine(engine, recipe)

    monkeypatch.setattr(verifying, "build_engine", build)


@pytest.mark.parametrize("parts", [False, True], ids=["alike", "rounded"])
def test_verify_tells_the_ties_behind_gradients_that_part(
    parts: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`dirac` passes one pixel on: two places of a window have one number, and other neighbours."""
    one, three = {**CONV, "kernel": 1, "padding": 0}, {**CONV, "kernel": 3, "padding": 1, "bias": False}
    layers = [one, three, {"kind": "max_pool2d", "kernel": 2}, FLATTEN, dense(10)]
    built = recipe(layers, data={"source": "digits"}, initial={"kind": "dirac"})
    verified_against(in_layer("1", lambda layer: Changed(layer, y=nudged if parts else lambda y: y)), monkeypatch)
    assert verifying.verify(built, steps=2).agrees  # from a point beside
    monkeypatch.setattr(verifying, "beside", lambda state: state)
    found = verifying.verify(built, steps=2)
    print_verification(found)
    printed = " ".join(capsys.readouterr().out.split())
    if not parts:
        assert (found.agrees, found.ties) == (True, ())
        assert "rounding" not in printed
        return
    (tie,) = found.ties
    assert found.verdict.first_divergence is not None
    assert (found.verdict.first_divergence.stage, tie.layer, tie.windows) == ("gradient", "2", 8 * 4 * 4 * 4)
    assert found.verdict.largest["forward"] < 1e-14
    assert found.to_json()["ties"] == [{"layer": "2", "parted": tie.parted, "windows": tie.windows}]
    assert f"In {tie.parted:,} of 512 windows of 2 max_pool2d two numbers are the largest" in printed


def test_no_tie_is_told_of_engines_that_part_before_a_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    verified_against(in_layer("0", lambda layer: Changed(layer, y=lambda y: y * 1.001)), monkeypatch)
    assert verifying.verify(TIED, steps=1).ties == ()


def test_the_first_step_that_parts_is_shown_once() -> None:
    seen = []
    batches = list(Batches(TIED, flat_images()))
    late = in_layer("0", lambda layer: Changed(layer, y=lambda y: y * 1.001))(TIED)
    compare(
        numpy_engine(TIED),
        late,
        initial_state(TIED.model),
        batches,
        1e-9,
        parted=lambda batch, a, b: seen.append(batch.step),
    )
    assert seen == [0]


@each_mode
def test_relu_at_exactly_zero_is_off_in_both(mode: Mode) -> None:
    """Black images without a bias, and a normalization of them, give exact zeros in both engines.

    With a bias the normalization would divide the rounding of a mean by √ε, which differs between processors.
    """
    black, plain = Split(np.zeros((24, 1, 8, 8)), np.arange(24) % 10), {**CONV, "bias": False}
    for layers in ([plain, RELU], [plain, NORM, RELU]):
        built = recipe([*layers, FLATTEN, dense(10)], data={"source": "digits"})
        batches = list(Batches(built, black))
        assert lockstep(
            numpy_engine(built),
            torch_engine(built),
            built,
            batches,
            mode,
        ).agrees


def test_relu_a_rounding_above_zero_is_on_and_that_is_found() -> None:
    """Where a sum is 0 in one engine and 1e-17 in the other, they part, in the gradient and nowhere before."""
    built = recipe([CONV, RELU, FLATTEN, dense(10)], data={"source": "digits"}, initial={"kind": "he"})
    black = Split(np.zeros((24, 1, 8, 8)), np.arange(24) % 10)
    above = in_layer("0", lambda layer: Changed(layer, y=lambda y: y + 1e-17))(built)
    verdict = lockstep(numpy_engine(built), above, built, Batches(built, black))
    assert verdict.first_divergence is not None
    assert verdict.first_divergence[:3] == (1, "gradient", "0.bias")
    assert verdict.largest["forward"] < 1e-12


# Planted faults


ORDERS = [(mode, broken_first) for mode in get_args(Mode) for broken_first in (False, True)]
"""Each mode, with the fault in the second engine and in the first."""


@pytest.mark.parametrize(("mode", "broken_first"), short_form(ORDERS, {("resync", True), ("free", False)}))
@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_where_it_is_first_seen(name: str, broken_first: bool, mode: Mode) -> None:
    fault = FAULTS[name]
    engines = [
        torch_engine(fault.recipe),
        fault.plant(fault.recipe),
    ]
    if broken_first:
        engines.reverse()
    verdict = lockstep(*engines, fault.recipe, batches_of(fault.recipe, fault.prepare), mode)
    assert verdict.first_divergence is not None
    assert verdict.first_divergence[:3] == fault.seen
    assert not verdict.first_divergence.size <= TOLERANCE
    assert not verdict.agrees


@each_mode
@pytest.mark.parametrize("name", FAULTS)
def test_without_the_fault_the_same_comparison_agrees(name: str, mode: Mode) -> None:
    fault = FAULTS[name]
    engines = (
        torch_engine(fault.recipe),
        numpy_engine(fault.recipe),
    )
    assert lockstep(*engines, fault.recipe, batches_of(fault.recipe, fault.prepare), mode).agrees


def test_the_faults_reach_every_stage() -> None:
    assert {fault.seen[1] for fault in FAULTS.values()} == set(STAGES)


def test_final_weights_would_not_show_a_gradient_32_times_too_large_under_adam() -> None:
    built = trained_by(SQUARE, optimizer={"kind": "adam", "lr": 0.01})
    batches = batches_of(built)
    healthy, broken = numpy_engine(built), in_loss(loss_gradient_32_times)(built)
    verdict = lockstep(healthy, broken, built, batches, "free")
    before, after, wrong = initial_parameters(built.model), healthy.state().parameters, broken.state().parameters
    moved = max(np.abs(after[name] - before[name]).max() for name in after)
    apart = max(np.abs(after[name] - wrong[name]).max() for name in after)
    assert moved > 0.05
    assert apart < 1e-5
    assert verdict.largest["loss"] < 1e-5
    assert verdict.first_divergence == Divergence(1, "gradient", "4.bias", pytest.approx(31 / 32))


# What is not a number, and what is not there


@each_mode
def test_nan_counts_as_divergence_and_stays_in_the_largest_gap(mode: Mode) -> None:
    """The engine is healthy again at the fourth step, where it is re-synchronised."""
    fault = FAULTS["one NaN in one gradient"]
    engines = torch_engine(fault.recipe), fault.plant(fault.recipe)
    verdict = lockstep(*engines, fault.recipe, batches_of(fault.recipe), mode, tolerance=math.inf)
    assert verdict.first_divergence is not None
    assert verdict.first_divergence[:3] == (3, "gradient", "2.weight")
    assert math.isnan(verdict.first_divergence.size)
    assert math.isnan(verdict.largest["gradient"])
    assert math.isnan(verdict.largest["forward"]) == (mode == "free")


def test_a_verdict_with_nan_is_still_json() -> None:
    verdict = Verdict(7, 1e-9, {"forward": math.nan, "loss": math.inf}, Divergence(3, "forward", "0.output", math.nan))
    assert json.loads(json.dumps(verdict.to_json(), allow_nan=False)) == {
        "agrees": False,
        "steps": 7,
        "tolerance": 1e-9,
        "largest": {"forward": None, "loss": None},
        "first_divergence": {"step": 3, "stage": "forward", "name": "0.output", "size": None},
    }


def without(name: str) -> Any:
    return lambda arrays: {key: array for key, array in arrays.items() if key != name}


def with_extra(name: str) -> Any:
    return lambda arrays: {**arrays, name: np.zeros(3)}


def without_moment(name: str) -> Any:
    return lambda state: State(state.parameters, {key: without(name)(held) for key, held in state.optimizer.items()})


@pytest.mark.parametrize("broken_first", [False, True], ids=["torch first", "broken first"])
@pytest.mark.parametrize(
    ("change", "stage", "name"),
    [
        ({"outputs": without("3")}, "forward", "3.output"),
        ({"outputs": with_extra("5")}, "forward", "5.output"),
        ({"gradients": without("2.bias")}, "gradient", "2.bias"),
        ({"gradients": with_extra("2.scale")}, "gradient", "2.scale"),
        ({"state": lambda state: State(without("4.weight")(state.parameters))}, "state", "4.weight"),
        ({"state": without_moment("2.bias")}, "state", "2.bias (momentum_buffer)"),
        ({"gradients": lambda arrays: {**arrays, "2.bias": arrays["2.bias"][None]}}, "gradient", "2.bias"),
    ],
    ids=[
        "no output",
        "another output",
        "no gradient",
        "another gradient",
        "no parameter",
        "no moment",
        "another shape",
    ],
)
def test_a_tensor_that_one_engine_lacks_is_infinitely_far(
    change: dict[str, Any], stage: str, name: str, broken_first: bool
) -> None:
    built = trained_by(SQUARE, optimizer=sgd(momentum=0.9))
    engines: list[Engine] = [
        torch_engine(built),
        Reporting(numpy_engine(built), **change),
    ]
    if broken_first:
        engines.reverse()
    verdict = lockstep(*engines, built, batches_of(built)[:1], "free")
    assert verdict.first_divergence == (1, stage, name, math.inf)
    assert verdict.largest[stage] == math.inf


def test_comparing_starts_both_engines_from_the_initial_state() -> None:
    """Whatever they did before."""
    first, second = (
        numpy_engine(SQUARE),
        torch_engine(SQUARE),
    )
    first.step(batches_of(SQUARE)[0])
    assert lockstep(first, second, SQUARE, batches_of(SQUARE), "free").agrees


def test_no_batches_is_no_evidence() -> None:
    verdict = lockstep(
        numpy_engine(SQUARE),
        torch_engine(SQUARE),
        SQUARE,
        [],
    )
    assert verdict.steps == 0
    assert verdict.largest == dict.fromkeys(STAGES, 0.0)


def test_whoever_watches_hears_of_every_step() -> None:
    heard: list[int] = []
    initial = State(initial_parameters(SQUARE.model))
    compare(
        numpy_engine(SQUARE),
        torch_engine(SQUARE),
        initial,
        batches_of(SQUARE)[:3],
        TOLERANCE,
        watch=heard.append,
    )
    assert heard == [1, 2, 3]
