"""Minimal filtering is the plain convolution: its values, its gradients, where it is taken; lock-step sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

import twofold
from cases import FLATTEN, RELU, dense, recipe
from engines import numpy_engine, torch_engine
from faults import batches_of, trained_by
from twofold.proof.lockstep import compare
from twofold.setup.building import build_engine, initial_state, training_engine
from twofold.torch_engine import engine, filtering, winograd
from twofold.torch_engine.filtering import FilteringConv2d
from twofold.torch_engine.winograd import POINTS, SIDES, Tiling, Winograd, transforms

pytestmark = pytest.mark.usefixtures("undrawn")

PLANES = [(4, 4), (2, 2), (1, 1), (1, 6), (2, 5), (7, 3), (12, 9), (6, 6), (8, 8), (15, 11)]
PADDINGS = [(0, 0), (1, 1), (2, 0), (1, 2)]
TOLERANCE = {torch.float64: 1e-12, torch.float32: 3e-5}
"""Of the largest value. The transforms of F(6 x 6, 3 x 3) enlarge rounding some twenty times over the plain sum's."""

CHANNELS = 2 * filtering.MANY_PRODUCTS
WIDE = {"kind": "conv2d", "channels": CHANNELS, "kernel": 3, "padding": 1, "bias": False}
NORM = {"kind": "batch_norm"}
NETWORK = recipe(
    [WIDE, NORM, RELU, {**WIDE, "bias": True}, RELU, FLATTEN, dense(10)],
    data={"source": "digits"},
    training={"steps": 4, "batch_size": 6, "dtype": "float64", "convolution": "winograd", "engines": ["torch"]},
    optimizer={"kind": "sgd", "momentum": 0.9},
)


def drawn(n: int, plane: tuple[int, int], dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Images and kernels that want their gradients."""
    torch.manual_seed(0)
    x = torch.randn(n, 5, *plane, dtype=dtype, requires_grad=True)
    return x, torch.randn(7, 5, 3, 3, dtype=dtype, requires_grad=True)


def both_ways(
    x: Tensor, weight: Tensor, padding: tuple[int, int], laid: Callable[[Tensor], Tensor] = lambda t: t
) -> list[tuple[Tensor, Tensor]]:
    """Output and the gradients that are wanted, by minimal filtering and by PyTorch's own convolution."""
    plain, found = conv2d(x, weight, padding=padding), Winograd.apply(x, weight, padding)
    assert isinstance(found, Tensor)
    leaves = [tensor for tensor in (x, weight) if tensor.requires_grad]
    assert found.requires_grad == bool(leaves)
    if not leaves:
        return [(found, plain)]
    dy = laid(torch.randn_like(plain))
    ours, theirs = (torch.autograd.grad(y, leaves, dy) for y in (found, plain))
    return list(zip([found, *ours], [plain, *theirs], strict=True))


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "channels last": lambda t: t.contiguous(memory_format=torch.channels_last),
    "a slice": lambda t: t.repeat_interleave(2, dim=3)[..., ::2],
    "one number for all": lambda t: t[:1, :1, :1, :1].expand_as(t),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_order_in_memory_changes_nothing(layout: str) -> None:
    laid, (x, weight) = LAYOUTS[layout], drawn(4, (8, 7))
    assert_near(both_ways(laid(x.detach()).requires_grad_(), weight, (1, 1), laid), TOLERANCE[torch.float64])


def assert_near(pairs: list[tuple[Tensor, Tensor]], tolerance: float) -> None:
    for found, wanted in pairs:
        assert found.shape == wanted.shape
        assert (found - wanted).abs().max() <= tolerance * wanted.abs().max()


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("padding", PADDINGS, ids=str)
@pytest.mark.parametrize("plane", PLANES, ids=str)
def test_it_is_the_convolution(plane: tuple[int, int], padding: tuple[int, int], dtype: torch.dtype) -> None:
    if min(size + 2 * p for size, p in zip(plane, padding, strict=True)) < 3:
        pytest.skip("no window fits in")
    for n in (1, 5):
        assert_near(both_ways(*drawn(n, plane, dtype), padding), TOLERANCE[dtype])


def test_images_are_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "CHUNK", 600)
    assert Tiling.of(4, 4).images(7) == 2
    assert_near(both_ways(*drawn(5, (4, 4)), (1, 1)), TOLERANCE[torch.float64])


@pytest.mark.parametrize("side", SIDES)
def test_every_size_of_tile_is_right(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "SIDES", (side,))
    for dtype, tolerance in TOLERANCE.items():
        assert_near(both_ways(*drawn(3, (9, 10), dtype), (1, 1)), tolerance)


@pytest.mark.parametrize(
    ("plane", "side", "products"),
    [
        ((4, 4), 4, 36),
        ((8, 8), 4, 144),
        ((2, 2), 2, 16),
        ((3, 3), 3, 25),
        ((6, 6), 6, 64),
        ((5, 5), 5, 49),
        ((15, 15), 5, 441),
    ],
)
def test_tiles_are_those_with_the_fewest_products(plane: tuple[int, int], side: int, products: int) -> None:
    tiling = Tiling.of(*plane)
    assert tiling.side == side
    assert tiling.down * tiling.across * tiling.size**2 == products


def test_the_matrices_of_two_outputs_are_the_published_ones() -> None:
    """Lavin and Gray (2016), equation 7, up to the order of the points and signs that cancel."""
    published_g = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
    published_bt = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
    published_at = np.array([[1, 1, 1, 0], [0, 1, -1, -1]])
    found = transforms(2)
    np.testing.assert_allclose(np.abs(found.kernel), np.abs(np.kron(published_g, published_g)))
    np.testing.assert_allclose(np.abs(matrix(found.input, 4)), np.abs(published_bt))
    np.testing.assert_allclose(np.abs(matrix(found.output, 4)), np.abs(published_at))


def matrix(factors: winograd.Factors, columns: int) -> np.ndarray:
    """What the sums of slices multiply by."""
    parts = list(torch.eye(columns, dtype=torch.float64))
    totals = winograd._transformed(factors, parts, [None] * len(factors.last))  # pyright: ignore[reportPrivateUsage]
    return torch.stack(totals).numpy()


@pytest.mark.parametrize("side", SIDES)
def test_the_way_back_is_the_transpose(side: int) -> None:
    found, size = transforms(side), side + 2
    np.testing.assert_allclose(matrix(found.input, size).T, matrix(found.input_back, size), atol=1e-12)
    np.testing.assert_allclose(matrix(found.output, size).T, matrix(found.output_back, side), atol=1e-12)
    assert len(matrix(found.output, size)) == side
    np.testing.assert_allclose(matrix(found.output_back, side)[:-1, 1], POINTS[: size - 1])


@pytest.mark.parametrize(("side", "alone", "shared"), [(4, 16, 12), (6, 36, 24)])
def test_opposite_points_share_their_sums(side: int, alone: int, shared: int) -> None:
    """Additions of Bᵀ, and of its two factors: a quarter and a third fewer."""
    factors = transforms(side).input
    assert np.count_nonzero(matrix(factors, side + 2)) - (side + 2) == alone
    assert sum(len(row) - 1 for sums in factors for row in sums) == shared


@pytest.mark.parametrize("wanted", [(True, True), (False, True), (True, False), (False, False)], ids=str)
def test_a_gradient_that_is_not_wanted_changes_no_other(wanted: tuple[bool, bool]) -> None:
    x, weight = (t.requires_grad_(wants) for t, wants in zip(drawn(3, (5, 5)), wanted, strict=True))
    assert_near(both_ways(x, weight, (1, 1)), TOLERANCE[torch.float64])
    found = Winograd.apply(x, weight, (1, 1))
    assert isinstance(found, Tensor)
    if found.grad_fn is not None:  # G w Gᵀ, and the one part's Bᵀ d B for the gradient of w alone
        assert len(found.grad_fn.saved_tensors) == 1 + wanted[1]  # pyright: ignore[reportAttributeAccessIssue]


# Where it is taken


def modules(channels: int, out: int, **options: Any) -> tuple[nn.Module, nn.Module]:
    """One that may filter, and PyTorch's own, with the same parameters."""
    ours, theirs = FilteringConv2d(channels, out, **options), nn.Conv2d(channels, out, **options)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 5, "padding": 2},
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 3, "dilation": 2, "padding": 2},
        {"kernel_size": 3, "groups": 2, "padding": 1},
        {"kernel_size": 3, "padding": 3},
    ],
    ids=str,
)
def test_other_windows_are_left_to_pytorch(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filtering, "MANY_PRODUCTS", 1)
    ours, theirs = modules(4, 6, **options)
    x = torch.randn(3, 4, 8, 8)
    assert torch.equal(ours(x), theirs(x))


def test_it_is_taken_where_the_recipe_asks_for_it() -> None:
    few, many = torch.randn(2, 8, 4, 4), torch.randn(2, CHANNELS, 4, 4)
    for x in (few, many):
        ours, theirs = modules(x.shape[1], CHANNELS, kernel_size=3, padding=1)
        assert torch.equal(ours(x), theirs(x)) == (x is few)
        torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("channels", "out", "plane"),
    [(16, 1024, (6, 6)), (CHANNELS, CHANNELS - 1, (6, 6)), (CHANNELS, CHANNELS, (1, 1)), (CHANNELS, CHANNELS, (1, 6))],
    ids=str,
)
def test_few_products_are_left_to_pytorch(channels: int, out: int, plane: tuple[int, int]) -> None:
    """Of uneven channels, and of planes that no tile fits."""
    ours, theirs = modules(channels, out, kernel_size=3, padding=1)
    x = torch.randn(2, channels, *plane)
    assert torch.equal(ours(x), theirs(x))


def test_one_image_without_a_batch_is_left_to_pytorch() -> None:
    ours, theirs = modules(CHANNELS, CHANNELS, kernel_size=3, padding=1)
    x = torch.randn(CHANNELS, 6, 6)
    assert torch.equal(ours(x), theirs(x))


def test_an_evaluation_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    module, wanted = FilteringConv2d(CHANNELS, CHANNELS, 3, padding=1), []
    apply = Winograd.apply
    monkeypatch.setattr(
        Winograd, "apply", lambda x, weight, padding: wanted.append(weight.requires_grad) or apply(x, weight, padding)
    )
    module(torch.randn(2, CHANNELS, 4, 4))
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            module(torch.randn(2, CHANNELS, 4, 4))
    assert wanted == [True, False, False]


def test_a_second_derivative_is_refused() -> None:
    x, weight = torch.randn(2, 4, 5, 5, requires_grad=True), torch.randn(6, 4, 3, 3, requires_grad=True)
    y = Winograd.apply(x, weight, (1, 1))
    assert isinstance(y, Tensor)
    (dx,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        dx.sum().backward()


def test_a_window_that_does_not_fit_is_refused_as_before() -> None:
    module = FilteringConv2d(CHANNELS, CHANNELS, 3)
    with pytest.raises(RuntimeError, match=r"Kernel size can't be greater"):
        module(torch.randn(1, CHANNELS, 2, 2))


def test_a_training_by_it_ends_as_the_plain_one(tmp_path: Any) -> None:
    settings = {"training.steps": 5, "training.dtype": "float32"}
    weights = [
        twofold.run(NETWORK, overrides=settings | {"training.convolution": kind}, out=tmp_path / kind).weights("torch")
        for kind in ("direct", "winograd")
    ]
    assert any(not np.array_equal(array, weights[1][name]) for name, array in weights[0].items())
    for name, array in weights[0].items():
        np.testing.assert_allclose(weights[1][name], array, rtol=0, atol=1e-3, err_msg=name)


@pytest.mark.parametrize(("compiled", "taken"), [(False, True), (True, False)])
def test_a_compiled_network_takes_the_plain_way(compiled: bool, taken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda forward: forward)
    built = torch_engine(trained_by(NETWORK, training=NETWORK.training.model_copy(update={"compile": compiled})))
    convolutions = [m for m in built.module if isinstance(m, nn.Conv2d)]
    assert [isinstance(m, FilteringConv2d) for m in convolutions] == [taken, taken]


def test_a_witness_is_made_of_pytorchs_own_convolutions() -> None:
    built: Any = build_engine("torch", NETWORK)
    assert [type(m) for m in built.module if isinstance(m, nn.Conv2d)] == [nn.Conv2d, nn.Conv2d]
    trained: Any = training_engine("torch", NETWORK)
    assert [type(m) for m in trained.module if isinstance(m, nn.Conv2d)] == [FilteringConv2d, FilteringConv2d]


# The proof


def test_lock_step_proves_it() -> None:
    first, second = (
        numpy_engine(NETWORK),
        torch_engine(NETWORK),
    )
    assert compare(first, second, initial_state(NETWORK.model), batches_of(NETWORK), 1e-9).agrees


def enlarged(sums: winograd.Sums) -> winograd.Sums:
    return tuple(tuple((part, factor * (1 + 1e-6)) for part, factor in row) for row in sums)


@pytest.mark.parametrize(
    ("field", "stage", "name"),
    [("kernel", "forward", "3.output"), ("output", "forward", "3.output"), ("input_back", "gradient", "1.bias")],
)
def test_lock_step_finds_a_wrong_transform(field: str, stage: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(side: int) -> winograd.Transforms:
        right = getattr(transforms(side), field)
        spoilt = right * (1 + 1e-6) if field == "kernel" else right._replace(last=enlarged(right.last))
        return transforms(side)._replace(**{field: spoilt})

    monkeypatch.setattr(winograd, "transforms", wrong)
    first, second = (
        numpy_engine(NETWORK),
        torch_engine(NETWORK),
    )
    verdict = compare(first, second, initial_state(NETWORK.model), batches_of(NETWORK), 1e-9)
    assert verdict.first_divergence
    assert (verdict.first_divergence.step, verdict.first_divergence.stage, verdict.first_divergence.name) == (
        1,
        stage,
        name,
    )


def test_a_proof_takes_the_plain_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which decides ties as the NumPy engine does; the first test of this part is minimal filtering's own proof."""

    def refuse(*_: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(Winograd, "apply", refuse)
    assert twofold.verify(NETWORK, steps=1).agrees


# 16 bits where the machine has them


@pytest.mark.parametrize(("units", "arithmetic"), [({}, "float32"), ({"amx_bf16": True}, "bfloat16")], ids=str)
def test_16_bits_are_taken_where_the_processor_has_them(
    units: dict[str, bool], arithmetic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: units, raising=False)
    asked = trained_by(
        NETWORK,
        training=NETWORK.training.model_copy(update={"autocast": "bfloat16", "dtype": "float32", "device": "cpu"}),
    )
    assert torch_engine(asked).arithmetic == arithmetic


def test_a_report_says_that_32_bits_were_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(engine, "has_narrow_products", lambda _: False)
    settings = {"training.autocast": "bfloat16", "training.steps": 2}
    run = twofold.run("digits", overrides=settings, engines="torch", out=tmp_path / "run")
    assert run.record.circumstances.torch_arithmetic == "float32"
    assert (
        "PyTorch computed in 32 bits: the machine has no products of 16 bits" in twofold.write_report(run).read_text()
    )
