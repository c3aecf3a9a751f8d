"""The table of `docs/conventions.md`: every row names a test that exists, and the tests that stand only here.

Numbers are small enough to be followed on paper; where the table speaks of scikit-learn, it is asked.
"""

from __future__ import annotations

import ast
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier
from sklearn.neural_network._base import squared_loss as sklearn_squared_loss
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from cases import TANH, dense, normal, recipe
from engines import numpy_engine
from twofold.arrays import FLOOR, Array, gap
from twofold.data import Batches, Dataset, Split
from twofold.data.palindromes import encoded
from twofold.engine import Batch, State
from twofold.engine.initial import initial_parameters
from twofold.engine.schedules import learning_rate
from twofold.numpy_engine import LOSSES
from twofold.numpy_engine.activations import Elu, LeakyRelu, Relu, Softmax
from twofold.numpy_engine.cells import Gru, Lstm, Vanilla
from twofold.numpy_engine.conv import Conv2d
from twofold.numpy_engine.dense import Dense
from twofold.numpy_engine.dropout import Dropout
from twofold.numpy_engine.embedding import EmbedColumns, Embedding
from twofold.numpy_engine.layer import EVALUATION, TRAINING, Mode
from twofold.numpy_engine.norm import BatchNorm
from twofold.numpy_engine.optimizers import clip, optimizer
from twofold.numpy_engine.pool import AvgPool2d, MaxPool2d
from twofold.numpy_engine.recurrent import Recurrent
from twofold.numpy_engine.windows import Windows
from twofold.recipe import optimizers
from twofold.recipe import training as part
from twofold.setup.needed import EVALUATION_BATCH
from twofold.train.loop import Score, evaluate

ROOT = Path(__file__).parents[1]
LN2 = math.log(2)


# The table


def table() -> list[list[str]]:
    """Head and rows, without the rule between them."""
    lines = (ROOT / "docs" / "conventions.md").read_text("utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [cells[0], *cells[2:]]


def rows() -> dict[str, str]:
    """The last column by the first."""
    return {row[0]: row[-1] for row in table()[1:]}


def named(cell: str) -> list[tuple[str, str]]:
    return re.findall(r"`(tests/\w+\.py)::(\w+)`", cell)


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_the_table_has_four_columns() -> None:
    assert table()[0] == ["quantity", "ours (PyTorch's)", "others", "test"]
    assert {len(row) for row in table()} == {4}
    assert len(rows()) == len(table()) - 1, "two rows of one name"


@pytest.mark.parametrize("quantity", rows())
def test_every_row_names_a_test_that_exists(quantity: str) -> None:
    cell = rows()[quantity]
    assert named(cell), f"the row `{quantity}` names no test"
    for path, test in named(cell):
        assert test in names_in(ROOT / path), f"{path} has no {test}"


def test_every_convention_tested_here_is_in_the_table() -> None:
    in_table = {test for cell in rows().values() for path, test in named(cell) if path == "tests/test_conventions.py"}
    about_the_table = {
        "test_the_table_has_four_columns",
        "test_every_row_names_a_test_that_exists",
        "test_every_convention_tested_here_is_in_the_table",
    }
    assert names_in(Path(__file__)) - about_the_table == in_table


# Losses


def test_cross_entropy_is_a_mean_over_the_batch_in_nats() -> None:
    loss, gradient = LOSSES["cross_entropy"](np.zeros((2, 2)), np.array([0, 1]))
    assert loss == pytest.approx(LN2)
    assert gradient.tolist() == [[-0.25, 0.25], [0.25, -0.25]]


def test_squared_error_is_a_mean_over_batch_and_outputs() -> None:
    outputs = np.array([[1.0, 2.0], [0.0, 0.0]])
    loss, gradient = LOSSES["mean_squared"](outputs, np.array([0, 1]))
    assert loss == (0 + 4 + 0 + 1) / 4
    assert gradient.tolist() == [[0.0, 1.0], [0.0, -0.5]]
    halved = sklearn_squared_loss(np.array([[1.0, 0.0], [0.0, 1.0]]), outputs)
    assert halved == loss / 2


def test_a_summed_loss_has_as_many_times_the_gradient() -> None:
    z, target = normal("summed", (5, 3)), np.array([0, 1, 2, 1, 0])
    for kind, terms in {"cross_entropy": 5, "mean_squared": 15}.items():
        mean, gradient = LOSSES[kind](z, target)
        total, total_gradient = LOSSES[kind](z, target, reduction="sum")
        assert total == pytest.approx(terms * mean)
        np.testing.assert_allclose(total_gradient, terms * gradient, rtol=1e-14)


# Layers


def test_dense_weights_are_out_by_in() -> None:
    W = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 1.0]])
    y, _ = Dense().forward({"weight": W, "bias": np.array([10.0, 20.0])}, np.array([[1.0, 1.0, 2.0]]), TRAINING)
    assert y.tolist() == [[19.0, 22.0]]
    assert [array.shape for array in initial_parameters(recipe([dense(2)], inputs=3).model).values()] == [
        (2, 3),
        (2,),
    ]
    assert classifier(hidden_layer_sizes=(7,)).coefs_[0].shape == (4, 7)


def test_softmax_is_over_the_last_axis() -> None:
    y, _ = Softmax().forward({}, normal("softmax", (3, 4, 5)), TRAINING)
    np.testing.assert_allclose(y.sum(axis=-1), np.ones((3, 4)), rtol=1e-14)


def test_relu_has_no_slope_at_zero() -> None:
    _, cache = Relu().forward({}, np.array([-1.0, -0.0, 0.0, 1.0]), TRAINING)
    dx, _ = Relu().backward({}, cache, np.ones(4))
    assert dx.tolist() == [0.0, 0.0, 0.0, 1.0]


def test_dropout_is_inverted_and_absent_in_evaluation() -> None:
    x, mask = np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([[True, False, True, True]])
    y, cache = Dropout(0.75).forward({}, x, Mode(True, mask))
    dx, _ = Dropout(0.75).backward({}, cache, np.ones((1, 4)))
    assert y.tolist() == [[4.0, 0.0, 12.0, 16.0]]
    assert dx.tolist() == [[4.0, 0.0, 4.0, 4.0]]
    assert Dropout(0.75).forward({}, x, EVALUATION)[0].tolist() == x.tolist()


def test_dropout_drops_a_share_of_p() -> None:
    built = recipe([{"kind": "dropout", "p": 0.2}, dense(2)], inputs=100, training={"batch_size": 100})
    batch = next(iter(Batches(built, split(100, 100))))
    assert batch.masks["0"].mean() == pytest.approx(0.8, abs=4 * math.sqrt(0.2 * 0.8 / 10_000))


# Optimizers


def updated(spec: Any, gradients: list[float], rates: list[float] | None = None, p: float = 1.0) -> list[float]:
    """The parameter after each update."""
    rule, vector = optimizer(spec), np.array([p])
    moments, path = rule.init(vector), []
    for k, (g, lr) in enumerate(zip(gradients, rates or [spec.lr] * len(gradients), strict=True), start=1):
        rule.update(vector, np.array([g]), moments, lr, k)
        path.append(float(vector[0]))
    return path


def updated_by_sklearn(optimizer: Any, gradients: list[float], rates: list[float]) -> list[float]:
    parameters, path = [np.array([1.0])], []
    for g, lr in zip(gradients, rates, strict=True):
        optimizer.learning_rate = lr
        optimizer.update_params(parameters, [np.array([g])])
        path.append(float(parameters[0][0]))
    return path


def test_the_rate_stands_outside_the_momentum() -> None:
    """v = 1, then 1.5: steps of 0.1 · 1 and 0.01 · 1.5. Inside, the second is 0.5 · 0.1 + 0.01 · 1."""
    gradients, rates = [1.0, 1.0], [0.1, 0.01]
    assert updated(optimizers.Sgd(momentum=0.5), gradients, rates) == pytest.approx([0.9, 0.885])
    theirs = SGDOptimizer([np.array([1.0])], momentum=0.5, nesterov=False)
    assert updated_by_sklearn(theirs, gradients, rates) == pytest.approx([0.9, 0.84])


def test_momentum_is_not_dampened() -> None:
    """A constant gradient moves by 1 / (1 − μ) times the plain step in the end."""
    path = updated(optimizers.Sgd(lr=0.1, momentum=0.5), [1.0] * 60)
    assert path[-2] - path[-1] == pytest.approx(0.1 / 0.5)


def test_nesterov_steps_along_the_gradient_and_the_momentum() -> None:
    assert updated(optimizers.Sgd(lr=0.1, momentum=0.5, nesterov=True), [1.0, 1.0]) == pytest.approx([0.85, 0.675])


def eps_felt(step: float, g: float, lr: float) -> float:
    """ε of a first step η g / (g + ε)."""
    return lr * g / step - g


def test_adams_eps_is_added_after_the_bias_correction() -> None:
    """At the first step scikit-learn's ε weighs 1 / √(1 − β₂) = 31.6 times as much."""
    lr, g, eps = 0.1, 0.5, 1e-4
    ours = updated(optimizers.Adam(lr=lr, eps=eps), [g])
    theirs = AdamOptimizer([np.array([1.0])], learning_rate_init=lr, epsilon=eps)
    assert eps_felt(1 - ours[0], g, lr) == pytest.approx(eps, rel=1e-6)
    felt = eps_felt(1 - updated_by_sklearn(theirs, [g], [lr])[0], g, lr)
    assert felt / eps == pytest.approx(1 / math.sqrt(1 - 0.999), rel=1e-6)
    assert felt / eps == pytest.approx(31.6, abs=0.05)


def test_rmsprop_has_eps_outside_the_root_and_no_bias_correction() -> None:
    """v = 0.01 · 0.5²: the first step is η g / (0.05 + ε)."""
    path = updated(optimizers.Rmsprop(lr=0.01, eps=0.05), [0.5])
    assert path == pytest.approx([1 - 0.01 * 0.5 / 0.1])


@pytest.mark.parametrize(
    ("spec", "after"),
    [
        (optimizers.Sgd(lr=0.1, weight_decay=0.5), 1 - 0.1 * (2 + 0.5)),
        (optimizers.Sgd(lr=0.1, weight_decay=0.5, momentum=0.9), 1 - 0.1 * (2 + 0.5)),
        (optimizers.Adam(lr=0.1, weight_decay=0.5, betas=(0.0, 0.0), eps=2.5), 1 - 0.1 * 2.5 / (2.5 + 2.5)),
        (optimizers.Rmsprop(lr=0.1, weight_decay=0.5, alpha=0.0, eps=2.5), 1 - 0.1 * 2.5 / (2.5 + 2.5)),
        (
            optimizers.Adamw(lr=0.1, weight_decay=0.5, betas=(0.0, 0.0), eps=2.0),
            1 * (1 - 0.1 * 0.5) - 0.1 * 2 / (2 + 2),
        ),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_weight_decay_is_added_to_the_gradient_and_decoupled_in_adamw(spec: Any, after: float) -> None:
    assert updated(spec, [2.0]) == pytest.approx([after])


def test_weight_decay_holds_for_biases_too() -> None:
    decay = 0.5
    built = recipe([dense(4), TANH, dense(2)], optimizer={"kind": "sgd", "lr": 0.1, "weight_decay": decay})
    engine, start = numpy_engine(built), initial_parameters(built.model)
    engine.load(State(start))
    step = engine.step(next(iter(Batches(built, split(24, 3)))))
    for name, p in start.items():
        moved = p - 0.1 * (step.gradients[name] + decay * p)
        np.testing.assert_allclose(step.state.parameters[name], moved, rtol=1e-12, err_msg=name)


def classifier(**settings: Any) -> MLPClassifier:
    """scikit-learn's network after one step on a fixed batch of 10 samples."""
    options = {
        "solver": "sgd",
        "momentum": 0.0,
        "alpha": 0.0,
        "batch_size": 10,
        "random_state": 0,
        "shuffle": False,
    }
    built = MLPClassifier(**{**options, **settings})
    return built.partial_fit(normal("classifier", (10, 4)), np.arange(10) % 3, classes=[0, 1, 2])


def test_scikit_learns_weight_decay_is_divided_by_the_samples_and_spares_biases() -> None:
    lr, alpha = 0.1, 7.0
    start = classifier(learning_rate_init=1e-300)
    plain = classifier(learning_rate_init=lr)
    decayed = classifier(learning_rate_init=lr, alpha=alpha)
    for W, without, with_decay in zip(start.coefs_, plain.coefs_, decayed.coefs_, strict=True):
        np.testing.assert_allclose(without - with_decay, lr * alpha * W / 10, rtol=1e-9, atol=1e-15)
    for without, with_decay in zip(plain.intercepts_, decayed.intercepts_, strict=True):
        np.testing.assert_array_equal(without, with_decay)


def test_clipping_is_by_the_norm_over_all_parameters() -> None:
    g = np.array([3.0, 4.0])
    np.testing.assert_allclose(clip(g, 1.0), g / (5 + 1e-6), rtol=1e-15)
    assert clip(g, 6.0).tolist() == g.tolist()


def test_clipping_comes_before_weight_decay() -> None:
    """The decay of a large weight is not cut off with the gradient."""
    settings = {"kind": "sgd", "lr": 0.1, "weight_decay": 0.5, "max_norm": 1e-9}
    built = recipe([dense(2)], optimizer=settings)
    engine = numpy_engine(built)
    engine.load(State({name: array + 1 for name, array in initial_parameters(built.model).items()}))
    before = engine.state().parameters["0.weight"]
    after = engine.step(next(iter(Batches(built, split(8, 3))))).state.parameters["0.weight"]
    np.testing.assert_allclose(after, before * (1 - 0.1 * 0.5), rtol=1e-8)


def test_the_first_step_uses_the_schedules_first_value() -> None:
    rate = learning_rate(part.Exponential(gamma=0.5, unit="step"), 0.1, 4, 2)
    assert [rate(k) for k in range(4)] == pytest.approx([0.1, 0.05, 0.025, 0.0125])


# Initial weights


def test_default_weights_and_biases_are_uniform_by_fan_in() -> None:
    drawn = initial_parameters(recipe([dense(500), dense(2)], inputs=25).model)
    assert 0.999 * 0.2 < np.abs(drawn["0.weight"]).max() <= 0.2
    assert 0.99 * 0.2 < np.abs(drawn["0.bias"]).max() <= 0.2


@pytest.mark.parametrize(
    ("initial", "std"),
    [
        ({"kind": "normal", "std": 0.1}, 0.1 / math.sqrt(100)),
        ({"kind": "glorot"}, math.sqrt(2 / (100 + 400))),
        ({"kind": "he"}, math.sqrt(2 / 100)),
    ],
    ids=["normal", "glorot", "he"],
)
def test_fans_are_the_inputs_and_the_outputs(initial: dict[str, Any], std: float) -> None:
    drawn = initial_parameters(recipe([dense(400), dense(2)], inputs=100, initial=initial).model)
    # Of 40,000 numbers the standard deviation is known to 1 / √80,000 = 0.35 %.
    assert drawn["0.weight"].std() == pytest.approx(std, rel=0.015)
    assert not drawn["0.bias"].any()


def split(samples: int, features: int) -> Split:
    return Split(normal("samples", (samples, features)), np.arange(samples) % 2)


# Images


def windows(kernel: int, stride: int = 1, padding: int = 0) -> Windows:
    return Windows((kernel, kernel), (stride, stride), (padding, padding), (1, 1))


def plane(*rows: list[float]) -> Array:
    """One image of one channel."""
    return np.array(rows, np.float64)[None, None]


def test_a_convolution_is_a_cross_correlation() -> None:
    kernel = plane([1, 2], [3, 4])
    y, _ = Conv2d(windows(2)).forward({"weight": kernel}, plane([1, 0, 0], [0, 0, 0], [0, 0, 1]), TRAINING)
    assert y[0, 0].tolist() == [[1, 0], [0, 4]]  # turned round it would begin with 4


def test_at_a_tie_the_first_maximum_takes_the_gradient() -> None:
    pool = MaxPool2d(windows(2))
    _, cache = pool.forward({}, plane([5, 7], [7, 7]), TRAINING)
    dx, _ = pool.backward({}, cache, plane([10]))
    assert dx[0, 0].tolist() == [[0, 10], [0, 0]]


def test_the_padding_of_a_max_pooling_is_never_chosen() -> None:
    pool = MaxPool2d(windows(3, 2, 1))
    y, cache = pool.forward({}, plane([-5, -3], [-4, -2]), TRAINING)
    assert y[0, 0].tolist() == [[-2]]
    assert pool.backward({}, cache, plane([1]))[0][0, 0].tolist() == [[0, 0], [0, 1]]


def test_the_zeros_around_an_average_pooling_count() -> None:
    x = plane([9, 9], [9, 9])
    counted, _ = AvgPool2d(windows(3, 2, 1), True).forward({}, x, TRAINING)
    left_out, _ = AvgPool2d(windows(3, 2, 1), False).forward({}, x, TRAINING)
    assert counted.item() == 4
    assert left_out.item() == 9


def test_batch_norm_keeps_the_unbiased_variance_and_normalizes_by_the_biased() -> None:
    norm = BatchNorm(momentum=0.1, eps=0.0)
    held = {"running_mean": np.array([10.0]), "running_var": np.array([10.0])}
    y, cache = norm.forward(held, np.array([[1.0], [3.0]]), TRAINING)
    assert y.ravel().tolist() == [-1, 1]  # biased variance 1, unbiased 2
    running = norm.running(held, cache)
    assert running["running_mean"] == pytest.approx(0.9 * 10 + 0.1 * 2)
    assert running["running_var"] == pytest.approx(0.9 * 10 + 0.1 * 2)
    y, cache = norm.forward(held, np.array([[1.0], [3.0]]), EVALUATION)
    assert y.ravel() == pytest.approx((np.array([1.0, 3.0]) - 10) / math.sqrt(10))
    assert norm.running(held, cache) == {}


def test_leaky_relu_and_elu_have_the_negative_slope_at_zero() -> None:
    for layer, slope in ((LeakyRelu(0.3), 0.3), (Elu(0.7), 0.7)):
        _, cache = layer.forward({}, np.zeros(1), TRAINING)
        assert layer.backward({}, cache, np.ones(1))[0] == [slope]


def test_smoothing_gives_the_true_class_its_share_too() -> None:
    """Of two classes with equal logits, every share costs ln 2; the gradient is softmax minus the shares."""
    loss, gradient = LOSSES["cross_entropy"](np.zeros((1, 2)), np.array([0]), label_smoothing=0.2)
    assert loss == pytest.approx(LN2)
    assert gradient[0] == pytest.approx([0.5 - 0.9, 0.5 - 0.1])


# Through time: numbers that can be followed on paper

LN3 = math.log(3)
"""tanh(ln 3 / 2) = 1/2, tanh(ln 3) = 4/5, σ(ln 3) = 3/4; σ(0) = 1/2."""


def through(cell: Any, params: dict[str, Any], x: list[float], every: bool = True) -> list[float]:
    """h of one sequence of numbers, of one unit."""
    held = {name: np.array(value, np.float64) for name, value in params.items()}
    y, _ = Recurrent(cell, "every" if every else "last").forward(held, np.array(x, np.float64)[None, :, None], TRAINING)
    return y.ravel().tolist()


def gates(weight_ih: list[float], weight_hh: list[float], bias_ih: list[float], bias_hh: list[float]) -> dict[str, Any]:
    """Of one unit: a number a gate."""
    columns = {"weight_ih": [[w] for w in weight_ih], "weight_hh": [[w] for w in weight_hh]}
    return {**columns, "bias_ih": bias_ih, "bias_hh": bias_hh}


def test_a_vanilla_step_from_a_state_of_zeros() -> None:
    """tanh(ln 3 / 2) = 1/2, then tanh(0 + ln 3 · 1/2) = 1/2; W_hh is out by in: the second unit hears the first."""
    assert through(Vanilla("tanh"), gates([LN3 / 2], [LN3], [0], [0]), [1, 0]) == pytest.approx([1 / 2, 1 / 2])
    held = {"weight_ih": np.array([[1.0], [0.0]]), "weight_hh": np.array([[0.0, 0.0], [1.0, 0.0]])}
    y, _ = Recurrent(Vanilla("relu"), "every").forward(held, np.array([[[3.0], [0.0], [0.0]]]), TRAINING)
    assert y[0].tolist() == [[3, 0], [0, 3], [0, 0]]


def test_two_biases_are_trained_where_one_would_do() -> None:
    """Both stand in the sum, so that both get its gradient, and the sum moves twice as far."""
    assert through(Vanilla("tanh"), gates([0], [0], [LN3 / 4], [LN3 / 4]), [7]) == pytest.approx([1 / 2])
    built = recipe([{"kind": "rnn", "units": 3}, dense(10)], data={"source": "palindromes", "length": 4})
    engine, start = numpy_engine(built), initial_parameters(built.model)
    engine.load(State(start))
    x, target = normal("two biases", (8, 3, 1)), np.arange(8)
    step = engine.step(Batch(x, target, 0.1, {}, 0))
    np.testing.assert_array_equal(step.gradients["0.bias_ih"], step.gradients["0.bias_hh"])
    moved = sum(step.state.parameters[name] - start[name] for name in ("0.bias_ih", "0.bias_hh"))
    np.testing.assert_allclose(moved, -0.2 * step.gradients["0.bias_ih"], rtol=1e-9)


def test_the_gates_of_an_lstm_are_i_f_g_o() -> None:
    """i = 3/4, g = 4/5: c = 3/5, h = o tanh(3/5). Then i = 1/2, f = 3/4, g = 0: c = 9/20."""
    params = gates([LN3, -LN3, LN3, 0], [0, 0, 0, 0], [0, LN3, 0, 0], [0, 0, 0, 0])
    first, second = through(Lstm(), params, [1, 0])
    assert first == pytest.approx(math.tanh(3 / 5) / 2)
    assert second == pytest.approx(math.tanh(3 / 4 * 3 / 5) / 2)
    opened = gates([0, 0, 0, LN3], [0, 0, 0, 0], [0, 0, LN3, 0], [0, 0, 0, 0])  # o = 3/4, i = 1/2, g = 4/5
    assert through(Lstm(), opened, [1]) == pytest.approx([3 / 4 * math.tanh(2 / 5)])


def test_the_forget_gates_bias_is_added_to_one_of_two() -> None:
    plain, raised = (
        initial_parameters(
            recipe(
                [{"kind": "lstm", "units": 1, "forget_bias": bias}, dense(10)],
                data={"source": "palindromes", "length": 4},
                initial={"kind": "glorot"},
            ).model
        )
        for bias in (0.0, 1.0)
    )
    assert plain["0.bias_hh"].tolist() == [0, 0, 0, 0]
    assert raised["0.bias_hh"].tolist() == [0, 1, 0, 0]
    assert raised["0.bias_ih"].tolist() == [0, 0, 0, 0]


def test_the_reset_gate_stands_after_the_product() -> None:
    """r = 1/2, z = 1/2, b_hn = 2 ln 3: n = tanh(r b_hn) = 4/5 and h = 2/5. Before the product r would miss b_hn."""
    (h,) = through(Gru(), gates([0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 2 * LN3]), [1])
    assert h == pytest.approx(1 / 2 * 4 / 5)
    before = 1 / 2 * math.tanh(2 * LN3)
    assert h != pytest.approx(before, rel=0.1)
    # r = 3/4 by the first of the three rows: n = tanh(3/4 · 4/3 · ln 3) = 4/5.
    (h,) = through(Gru(), gates([LN3, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 4 / 3 * LN3]), [1])
    assert h == pytest.approx(1 / 2 * 4 / 5)


def test_the_update_gate_is_the_weight_of_the_past() -> None:
    """z = 3/4 at the first step, n = 4/5: h = 1/4 · 4/5. Then z = 1/2, n = 0: h halves."""
    params = gates([0, LN3, LN3], [0, 0, 0], [0, 0, 0], [0, 0, 0])
    assert through(Gru(), params, [1, 0]) == pytest.approx([1 / 5, 1 / 10])


def test_a_sequence_is_batch_steps_features() -> None:
    """Two samples of three steps: none hears the other."""
    held = {"weight_ih": np.ones((1, 1)), "weight_hh": np.ones((1, 1))}
    x = np.array([[[1.0], [2.0], [3.0]], [[10.0], [20.0], [30.0]]])
    every, _ = Recurrent(Vanilla("relu"), "every").forward(held, x, TRAINING)
    last, _ = Recurrent(Vanilla("relu"), "last").forward(held, x, TRAINING)
    assert every[..., 0].tolist() == [[1, 3, 6], [10, 30, 60]]
    assert last.tolist() == [[6], [60]]


def test_the_gradient_goes_through_every_step() -> None:
    """W_hh = 2 and relu: the last step's gradient of 1 is 2, 4, 8 before it; dW_ih = Σ x dh, dW_hh = Σ h(t−1) dh(t)."""
    layer, held = Recurrent(Vanilla("relu"), "last"), {"weight_ih": np.ones((1, 1)), "weight_hh": np.full((1, 1), 2.0)}
    _, cache = layer.forward(held, np.array([[[1.0], [0.0], [0.0], [0.0]]]), TRAINING)
    seen = layer.through_time(held, cache, np.ones((1, 1)))
    assert seen.h.ravel().tolist() == [1, 2, 4, 8]
    assert seen.gradient.ravel().tolist() == [8, 4, 2, 1]
    dx, grads = layer.backward(held, cache, np.ones((1, 1)))
    assert dx is not None
    assert dx.ravel().tolist() == [8, 4, 2, 1]
    assert grads["weight_ih"].item() == 8
    assert grads["weight_hh"].item() == 1 * 4 + 2 * 2 + 4 * 1


def test_recurrent_weights_begin_by_the_units() -> None:
    """1 / √16 whatever the inputs: one number a step, or ten."""
    for encoding in ("number", "one_hot"):
        data = {"source": "palindromes", "length": 4, "encoding": encoding}
        drawn = initial_parameters(recipe([{"kind": "lstm", "units": 16}, dense(10)], data=data).model)
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            assert 0.9 * 0.25 < np.abs(drawn[f"0.{name}"]).max() <= 0.25


def test_an_embedding_gives_rows_and_adds_their_gradients() -> None:
    held = {"weight": np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])}
    y, cache = Embedding().forward(held, np.array([[2.0, 0.0, 2.0]]), TRAINING)
    assert y.tolist() == [[[5, 6], [1, 2], [5, 6]]]
    _, grads = Embedding().backward(held, cache, np.array([[[1.0, 0.0], [10.0, 0.0], [100.0, 7.0]]]))
    assert grads["weight"].tolist() == [[10, 0], [0, 0], [101, 7]]


def test_codes_stand_first_and_their_vectors_too() -> None:
    held = {"weight_0": np.array([[1.0], [2.0]]), "weight_1": np.array([[3.0, 4.0], [5.0, 6.0]])}
    y, cache = EmbedColumns(2).forward(held, np.array([[1.0, 0.0, 0.5], [0.0, 0.0, 0.25]]), TRAINING)
    assert y.tolist() == [[2, 3, 4, 0.5], [1, 3, 4, 0.25]]
    dx, grads = EmbedColumns(2).backward(held, cache, np.array([[1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 30.0, 40.0]]))
    assert grads["weight_0"].tolist() == [[10], [1]]
    assert grads["weight_1"].tolist() == [[22, 33], [0, 0]]
    assert dx is not None
    assert dx.tolist() == [[0, 0, 4], [0, 0, 40]]


def test_the_class_of_a_palindrome_is_its_first_digit() -> None:
    halves = np.array([[3, 1, 4], [0, 9, 9]], np.uint8)
    x, target = encoded(halves, 5, "index")
    assert x.tolist() == [[3, 1, 4, 1], [0, 9, 9, 9]]
    assert target.tolist() == [3, 0]
    assert encoded(halves, 6, "index")[0].tolist() == [[3, 1, 4, 4, 1], [0, 9, 9, 9, 9]]


# Batches, evaluation, comparison


def epochs(samples: int, batch_size: int | str, number: int) -> list[list[Array]]:
    """The targets of each batch, by epoch; the target of a sample is its position."""
    built = recipe([dense(2)], training={"batch_size": batch_size, "steps": 1000})
    batches = Batches(built, Split(normal("samples", (samples, 3)), np.arange(samples)))
    stream = iter(batches)
    return [[next(stream).target for _ in range(batches.steps_per_epoch)] for _ in range(number)]


def test_every_epoch_visits_every_sample_in_a_new_order() -> None:
    orders = [np.concatenate(batches).tolist() for batches in epochs(20, 6, 3)]
    assert all(sorted(order) == list(range(20)) for order in orders)
    assert len({tuple(order) for order in [*orders, list(range(20))]}) == 4


def test_the_last_batch_of_an_epoch_holds_what_is_left() -> None:
    assert [[len(target) for target in batches] for batches in epochs(20, 6, 2)] == [[6, 6, 6, 2]] * 2


def test_a_full_batch_keeps_the_order() -> None:
    assert [[target.tolist() for target in batches] for batches in epochs(5, "full", 2)] == [[[0, 1, 2, 3, 4]]] * 2


class Answers:
    """An engine that predicts its inputs."""

    name = "answers"

    def predict(self, x: Array) -> Array:
        return x


def test_the_evaluation_loss_is_a_mean_in_float64() -> None:
    """A logit of 20 for the right class costs 2e-9: in float32 the same sum gives 0."""
    logits = np.array([[20.0, 0.0]] * 3, np.float32)
    target = np.zeros(3, np.int64)
    score = evaluate(Answers(), Split(logits, target), LOSSES["cross_entropy"])  # pyright: ignore[reportArgumentType]
    assert score.loss == pytest.approx(math.log1p(math.exp(-20)), rel=1e-6)
    assert LOSSES["cross_entropy"](logits, target)[0] == 0


def test_the_evaluation_loss_weighs_every_sample_alike() -> None:
    """One sample more than a batch of the evaluation holds: the last batch is that sample alone."""
    samples = EVALUATION_BATCH + 1
    logits = np.zeros((samples, 2))
    logits[-1] = 1e4, 0
    everything = Split(logits, np.zeros(samples, np.int64))
    score = evaluate(Answers(), everything, LOSSES["cross_entropy"])  # pyright: ignore[reportArgumentType]
    assert score.loss == pytest.approx(LN2 * EVALUATION_BATCH / samples)


def test_of_equal_logits_the_first_class_is_predicted() -> None:
    logits, target = np.zeros((4, 3)), np.array([0, 1, 2, 0])
    score = evaluate(Answers(), Split(logits, target), LOSSES["cross_entropy"])  # pyright: ignore[reportArgumentType]
    assert score == Score(pytest.approx(math.log(3)), 0.5)


def test_standardizing_is_by_the_population_of_training_samples() -> None:
    def samples(*values: float) -> Split:
        return Split(np.array(values)[:, None], np.zeros(len(values), np.int64))

    data = Dataset(samples(1.0, 3.0), samples(), samples(5.0), ("a", "b"))
    standardized = data.standardized("feature")
    assert standardized.train.x.ravel().tolist() == [-1.0, 1.0]
    assert standardized.test.x.ravel().tolist() == [3.0]


@pytest.mark.parametrize(
    ("a", "b", "size"),
    [
        ([1.0, 2.0], [1.0, 2.5], 0.5 / 2.5),
        ([1.0, -4.0], [2.0, -4.0], 1 / 4),
        ([FLOOR / 2], [FLOOR / 4], 1 / 4),
        ([0.0], [0.0], 0.0),
        ([], [], 0.0),
        ([1.0, 2.0], [[1.0, 2.0]], math.inf),
        ([math.nan, 1.0], [0.0, 1.0], math.nan),
        ([math.nan], [math.nan], math.nan),
        ([math.inf], [math.inf], math.nan),
    ],
    ids=[
        "relative",
        "to the largest element",
        "below the floor",
        "zero",
        "empty",
        "shapes",
        "NaN",
        "both NaN",
        "infinite",
    ],
)
def test_the_gap_is_relative_to_the_largest_element_with_a_floor(a: Any, b: Any, size: float) -> None:
    assert gap(np.array(a), np.array(b)) == pytest.approx(size, nan_ok=True)
    assert gap(np.array(b), np.array(a)) == pytest.approx(size, nan_ok=True)
    assert FLOOR == 1e-4
