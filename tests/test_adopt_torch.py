"""Adopting PyTorch modules: fifty architectures and more, each proved the same or refused with a reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (PyTorch's usual name)

import twofold
from architectures import ARCHITECTURES, Architecture
from forwards import FORWARDS
from twofold.errors import AdoptError
from twofold.exchange.adopted import Wanted
from twofold.exchange.proof import Ledger
from twofold.exchange.torch.adopting import adopt_module
from twofold.recipe.network import kind_of

ADOPTED = [architecture for architecture in [*ARCHITECTURES, *FORWARDS] if not architecture.refused]
REFUSED = [architecture for architecture in [*ARCHITECTURES, *FORWARDS] if architecture.refused]


@pytest.mark.parametrize("architecture", ADOPTED, ids=lambda a: a.name)
def test_an_architecture_is_adopted_with_proof(architecture: Architecture) -> None:
    torch.manual_seed(0)
    adopted = adopt_module(architecture.build(), architecture.sample(), Wanted())
    proof = adopted.proof
    assert proof.passed
    assert proof.steps == 20
    assert set(proof.largest) == {"forward", "loss", "gradient", "state"}
    assert max(proof.largest.values()) <= 1e-9


@pytest.mark.parametrize("architecture", REFUSED, ids=lambda a: a.name)
def test_an_architecture_is_refused_by_name(architecture: Architecture) -> None:
    torch.manual_seed(0)
    with pytest.raises(AdoptError) as refusal:
        adopt_module(architecture.build(), architecture.sample(), Wanted())
    assert architecture.refused in str(refusal.value)


class Mine(nn.Module):
    """A module of these parts whose forward pass is a function of itself and its inputs."""

    def __init__(self, **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)


def mine(forward: Callable[..., Tensor], **parts: nn.Module) -> nn.Module:
    return type("Mine", (Mine,), {"forward": forward})(**parts)


def joined(join: Callable[[list[Tensor]], Tensor]) -> nn.Module:
    """Two embedded columns and two numbers, joined."""
    parts = {"a": nn.Embedding(5, 2), "b": nn.Embedding(6, 3), "end": nn.Linear(7, 3)}

    def forward(self: Any, x: Tensor) -> Tensor:
        return self.end(join([self.a(x[:, 0].long()), self.b(x[:, 1].long()), x[:, 2:]]))

    return mine(forward, **parts)


def pooled(*middle: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 8, 3), *middle, nn.Flatten(), nn.Linear(8, 3))


CODES = np.column_stack([np.arange(8) % 5, np.arange(8) % 6, np.linspace(-1, 1, 16).reshape(8, 2)])
IMAGES = np.linspace(-1, 1, 288).reshape(8, 1, 6, 6)
SPELLINGS: dict[str, tuple[Callable[[], nn.Module], np.ndarray, str]] = {
    "a tuple is joined": (lambda: joined(lambda parts: torch.cat(tuple(parts), 1)), CODES, "embed_columns dense"),
    "joined by names": (lambda: joined(lambda parts: torch.cat(tensors=parts, dim=-1)), CODES, "embed_columns dense"),
    "joined along an axis": (
        lambda: joined(lambda parts: torch.concatenate(parts, axis=1)),  # pyright: ignore[reportCallIssue]
        CODES,
        "embed_columns dense",
    ),
    "dropout of a mean": (
        lambda: pooled(nn.AdaptiveAvgPool2d(1), nn.Dropout(0.3)),
        IMAGES,
        "conv2d global_avg_pool2d dropout dense",
    ),
    "a mean to a list": (lambda: pooled(nn.AdaptiveAvgPool2d([1, 1])), IMAGES, "conv2d global_avg_pool2d dense"),
    "a function to a list": (
        lambda: mine(
            lambda self, x: self.end(F.adaptive_avg_pool2d(self.first(x), [1, 1]).flatten(1)),
            first=nn.Conv2d(1, 8, 3),
            end=nn.Linear(8, 3),
        ),
        IMAGES,
        "conv2d global_avg_pool2d dense",
    ),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_another_spelling_is_the_same_layer(name: str) -> None:
    build, sample, kinds = SPELLINGS[name]
    adopted = twofold.adopt(build(), sample=sample)
    assert adopted.proof.passed
    assert [kind_of(layer) for layer in adopted.recipe.layers] == kinds.split()


def by_name(self: Any, *, x: Tensor) -> Tensor:
    return self.end(x)


def every_row(self: Any, x: Tensor) -> Tensor:
    return self.end(self.first(x)[0][:,].flatten(1))


VECTORS, SEQUENCES = np.linspace(-1, 1, 32).reshape(8, 4), np.linspace(-1, 1, 160).reshape(8, 5, 4)
NO_CHAINS: dict[str, tuple[Callable[[], nn.Module], np.ndarray, str]] = {
    "two inputs": (lambda: mine(lambda self, a, b: self.end(a) + b, end=nn.Linear(4, 3)), VECTORS, "it takes 2 inputs"),
    "no input": (
        lambda: mine(lambda self: self.end(torch.ones(2, 4, dtype=torch.float64)), end=nn.Linear(4, 3)),
        VECTORS,
        "it takes 0 inputs (none)",
    ),
    "an input by name": (lambda: mine(by_name, end=nn.Linear(4, 3)), VECTORS, "its forward takes `x` by name only"),
    "any inputs": (lambda: mine(lambda self, *x: self.end(x[0]), end=nn.Linear(4, 3)), VECTORS, "any number of inputs"),
    "no numbers": (lambda: nn.Sequential(nn.Linear(4, 3, device="meta")), VECTORS, "`0` (Linear): it is on the meta"),
    "every row of the states": (
        lambda: mine(every_row, first=nn.GRU(4, 6, batch_first=True), end=nn.Linear(30, 3)),
        SEQUENCES,
        "the last step of a recurrent layer",
    ),
}


@pytest.mark.parametrize("name", NO_CHAINS)
def test_what_is_no_chain_of_one_input_is_refused(name: str) -> None:
    build, sample, reason = NO_CHAINS[name]
    with pytest.raises(AdoptError) as refusal:
        twofold.adopt(build(), sample=sample)
    assert reason in str(refusal.value)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a device beside the processor")
def test_a_module_on_another_device_is_adopted() -> None:
    adopted = twofold.adopt(pooled(nn.AdaptiveAvgPool2d(1)).to("cuda"), sample=torch.from_numpy(IMAGES).to("cuda"))
    assert adopted.proof.passed


def test_samples_of_large_numbers_are_proved_all_the_same() -> None:
    torch.manual_seed(0)
    sizes = zip((784, 64, 32), (64, 32, 10), strict=True)
    network = nn.Sequential(*(part for a, b in sizes for part in (nn.Linear(a, b), nn.ReLU())))
    pixels = np.random.default_rng(0).integers(0, 256, (8, 784)).astype(float)
    proof = twofold.adopt(network, sample=pixels, loss="mean_squared").proof
    assert (proof.passed, proof.steps) == (True, 20)


def test_a_loss_beyond_all_numbers_is_told() -> None:
    with pytest.raises(AdoptError, match="its own loss is not finite at training step 1 of the proof"):
        twofold.adopt(nn.Linear(4, 3), sample=np.full((8, 4), 1e200), loss="mean_squared")


def test_outputs_that_are_not_finite_are_told() -> None:
    module = mine(lambda self, x: torch.log(self.end(x) * 0 - 1), end=nn.Linear(4, 3))
    with pytest.raises(AdoptError, match="the outputs are not finite"):
        twofold.adopt(module, sample=VECTORS)


def test_another_loss_than_that_of_the_end_is_refused() -> None:
    network = nn.Sequential(nn.Linear(4, 3), nn.LogSoftmax(-1))
    with pytest.raises(AdoptError, match="its last operation is a part of `cross_entropy`, and `loss` is `mean_squ"):
        twofold.adopt(network, sample=VECTORS, loss="mean_squared")


def test_the_users_random_numbers_stay_where_they_were() -> None:
    network = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5))
    before = torch.get_rng_state()
    twofold.adopt(network, sample=VECTORS)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_gap_that_is_nan_stays_in_the_proof() -> None:
    ledger = Ledger({"forward": 1e-9})
    for y in (1.0, float("nan"), 1.0):
        ledger.compare("forward", "0", np.array([y]), np.array([1.0]))
    proof = ledger.proof("a witness")
    assert np.isnan(proof.largest["forward"])
    assert not proof.passed
