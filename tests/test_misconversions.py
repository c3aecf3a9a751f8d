"""Planted mis-conversions: what a wrong converter would hand over is refused by the proof, whichever of them it is.

Each takes the chain of a module that was converted right, plants one mistake of those that conversions between
libraries are known for, and asks for the proof.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from architectures import ARCHITECTURES
from twofold.arrays import Array
from twofold.exchange.adopted import Wanted, model_of
from twofold.exchange.chain import Chain, Link
from twofold.exchange.proof import Proof
from twofold.exchange.torch.converting import converted
from twofold.exchange.torch.proving import prove
from twofold.exchange.torch.tracing import Original

Mistake = Callable[[Link], Link]


def tensor(name: str, change: Callable[[Array], Array]) -> Mistake:
    """Another value of one tensor."""
    return lambda link: replace(link, tensors={**link.tensors, name: np.ascontiguousarray(change(link.tensors[name]))})


def every(change: Callable[[str, Array], Array]) -> Mistake:
    """Another value of every tensor."""
    return lambda link: replace(link, tensors={name: change(name, array) for name, array in link.tensors.items()})


def option(**settings: Any) -> Mistake:
    """Another setting of the layer."""
    return lambda link: replace(link, spec=link.spec.model_copy(update=settings))


def both(first: Mistake, second: Mistake) -> Mistake:
    return lambda link: second(first(link))


def exchanged(first: str, second: str) -> Mistake:
    """Two tensors in each other's place."""

    def change(link: Link) -> Link:
        held = dict(link.tensors)
        held[first], held[second] = held[second], held[first]
        return replace(link, tensors=held)

    return change


def dropped(name: str) -> Mistake:
    """A vector that was forgotten: it is 0."""
    return tensor(name, np.zeros_like)


def gates(order: list[int]) -> Mistake:
    """The blocks of every weight in another order."""
    return every(lambda name, array: np.concatenate([np.split(array, len(order))[index] for index in order]))


def rows_as(shape: tuple[int, ...], order: tuple[int, ...]) -> Mistake:
    """The columns of a dense layer as if the plane had been flattened in another order."""

    def change(weight: Array) -> Array:
        return weight.reshape(len(weight), *shape).transpose(0, *(axis + 1 for axis in order)).reshape(len(weight), -1)

    return tensor("weight", change)


def permuted(array: Array) -> Array:
    return array[[1, 0, *range(2, len(array))]]


def sequence(kind: type[nn.RNNBase], **options: Any) -> nn.Module:
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = kind(4, 4, batch_first=True, **options)
            self.fc = nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.rnn(x)[0][:, -1])

    return Reader()


MODULES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "dense": (lambda: nn.Sequential(nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 5)), (5,)),
    "images": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.Flatten(), nn.Dropout(0.4), nn.Linear(3 * 3 * 3, 4),
        ),
        (3, 6, 6),
    ),
    "windows": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, 3, stride=2, padding=2, groups=2), nn.ELU(0.8),
            nn.AvgPool2d(3, 1, 1, count_include_pad=False),
            nn.Conv2d(4, 4, (3, 1), padding=(1, 0), dilation=(1, 2)), nn.LeakyReLU(0.2), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.LayerNorm(4, eps=1e-3), nn.Linear(4, 3),
        ),
        (2, 8, 8),
    ),
    "activations": (
        lambda: nn.Sequential(nn.Linear(4, 6), nn.GELU(), nn.Linear(6, 6), nn.SiLU(), nn.Linear(6, 3), nn.Softmax(-1)),
        (4,),
    ),
    "features": (
        lambda: nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6, eps=1e-3), nn.Sigmoid(), nn.Linear(6, 3)), (4,)
    ),
    "rnn": (lambda: sequence(nn.RNN), (5, 4)),
    "lstm": (lambda: sequence(nn.LSTM), (5, 4)),
    "gru": (lambda: sequence(nn.GRU), (5, 4)),
}  # fmt: skip

Planted = tuple[str, int, str, Mistake]
"""The module, the layer, what is wrong, and how it is planted."""

MISTAKES: list[Planted] = [
    ("dense", 0, "weight transposed", tensor("weight", np.transpose)),
    ("dense", 2, "weight of the last layer transposed", tensor("weight", np.transpose)),
    ("dense", 0, "bias dropped", dropped("bias")),
    ("dense", 2, "bias of the last layer dropped", dropped("bias")),
    (
        "dense",
        0,
        "bias left out of the layer",
        both(option(bias=False), lambda link: replace(link, tensors={"weight": link.tensors["weight"]})),
    ),
    ("dense", 0, "bias negated", tensor("bias", np.negative)),
    ("dense", 2, "order of the labels", both(tensor("weight", permuted), tensor("bias", permuted))),
    (
        "dense",
        2,
        "order of the labels, all reversed",
        both(tensor("weight", lambda a: a[::-1]), tensor("bias", lambda a: a[::-1])),
    ),
    (
        "dense",
        0,
        "one weight of 25 wrong",
        tensor("weight", lambda a: a + 1e-6 * (np.arange(a.size).reshape(a.shape) == 7)),
    ),
    ("dense", 0, "weight rounded to 16 bits", tensor("weight", lambda a: a.astype(np.float16).astype(a.dtype))),
    ("dense", 0, "weight rounded to 32 bits twice", tensor("weight", lambda a: a * (1 + 1e-7))),
    ("images", 0, "kernel transposed", tensor("weight", lambda a: a.transpose(0, 1, 3, 2))),
    (
        "images",
        0,
        "kernel turned round: a convolution, no correlation",
        tensor("weight", lambda a: a[:, :, ::-1, ::-1]),
    ),
    ("images", 0, "channels in and out exchanged", tensor("weight", lambda a: a.transpose(1, 0, 2, 3))),
    ("images", 0, "colours in the order of another library", tensor("weight", lambda a: a[:, ::-1])),
    (
        "images",
        0,
        "kernel in the layout of channels last",
        tensor("weight", lambda a: np.ascontiguousarray(a.transpose(0, 2, 3, 1)).reshape(a.shape)),
    ),
    ("images", 0, "bias of a convolution dropped", dropped("bias")),
    ("images", 1, "eps of another library", option(eps=1e-3)),
    ("images", 1, "eps squared", option(eps=1e-10)),
    ("images", 1, "momentum as the weight of the past", option(momentum=0.9)),
    ("images", 1, "momentum of another library", option(momentum=0.01)),
    ("images", 1, "γ dropped", tensor("weight", np.ones_like)),
    ("images", 1, "β dropped", dropped("bias")),
    ("images", 1, "γ and β exchanged", exchanged("weight", "bias")),
    ("images", 1, "mean and variance exchanged", exchanged("running_mean", "running_var")),
    ("images", 1, "a standard deviation for the variance", tensor("running_var", np.sqrt)),
    ("images", 1, "running mean dropped", dropped("running_mean")),
    ("images", 1, "running variance dropped", tensor("running_var", np.ones_like)),
    ("images", 3, "padding in place of ceil_mode", option(ceil_mode=False, padding=1)),
    ("images", 5, "share that is kept in place of the dropped one", option(p=0.6)),
    ("images", 5, "dropout forgotten", option(p=0.0)),
    ("images", 6, "flattened as H, W, C", rows_as((3, 3, 3), (1, 2, 0))),
    ("images", 6, "flattened as C, W, H", rows_as((3, 3, 3), (0, 2, 1))),
    ("images", 6, "flattened as W, H, C", rows_as((3, 3, 3), (2, 1, 0))),
    ("images", 6, "order of the labels", both(tensor("weight", permuted), tensor("bias", permuted))),
    ("windows", 0, "padding on one side counted for two", option(padding=1, dilation=(1, 1), stride=(2, 2))),
    ("windows", 0, "stride and padding of `same`", option(stride=2, padding=1)),
    ("windows", 0, "groups in the wrong order", tensor("weight", lambda a: np.concatenate([a[2:], a[:2]]))),
    ("windows", 0, "channels of the groups interleaved", tensor("weight", lambda a: a[[0, 2, 1, 3]])),
    ("windows", 1, "α of the default", option(alpha=1.0)),
    ("windows", 2, "count_include_pad of another library", option(count_include_pad=True)),
    ("windows", 3, "dilation transposed", option(dilation=(2, 1), padding=(2, 0))),
    (
        "windows",
        3,
        "kernel transposed",
        both(option(kernel=(1, 3), padding=(0, 1)), tensor("weight", lambda a: a.transpose(0, 1, 3, 2))),
    ),
    ("windows", 4, "slope of the default", option(negative_slope=0.01)),
    ("windows", 4, "slope of another library", option(negative_slope=0.3)),
    ("windows", 6, "eps of the default", option(eps=1e-5)),
    ("windows", 6, "γ dropped", tensor("weight", lambda a: a + 1e-5)),
    ("windows", 6, "β dropped", tensor("bias", lambda a: a + 1e-5)),
    ("windows", 7, "bias dropped", dropped("bias")),
    ("activations", 1, "GELU by tanh", option(approximate="tanh")),
    ("activations", 0, "bias dropped", dropped("bias")),
    ("activations", 4, "weight of the logits negated", tensor("weight", np.negative)),
    ("features", 1, "eps of the default", option(eps=1e-5)),
    ("features", 1, "momentum as the weight of the past", option(momentum=0.9)),
    ("features", 1, "γ not trained, folded into the running mean", tensor("running_mean", lambda a: a - 0.01)),
    ("rnn", 0, "input and hidden weights exchanged", exchanged("weight_ih", "weight_hh")),
    ("rnn", 0, "hidden weights transposed", tensor("weight_hh", np.transpose)),
    ("rnn", 0, "one of the two biases dropped", dropped("bias_hh")),
    (
        "rnn",
        0,
        "the biases added into one",
        both(
            lambda link: replace(
                link, tensors={**link.tensors, "bias_ih": 0.5 * (link.tensors["bias_ih"] + link.tensors["bias_hh"])}
            ),
            dropped("bias_hh"),
        ),
    ),
    ("rnn", 0, "relu in place of tanh", option(nonlinearity="relu")),
    ("lstm", 0, "gates in ONNX's order", gates([0, 3, 1, 2])),
    ("lstm", 0, "gates in TensorFlow's old order", gates([0, 2, 1, 3])),
    ("lstm", 0, "input and forget gate exchanged", gates([1, 0, 2, 3])),
    ("lstm", 0, "candidate and output gate exchanged", gates([0, 1, 3, 2])),
    (
        "lstm",
        0,
        "1 added to the forget gate's bias once more",
        tensor("bias_hh", lambda a: a + np.repeat([0, 1, 0, 0], 4)),
    ),
    ("lstm", 0, "one of the two biases dropped", dropped("bias_ih")),
    ("lstm", 0, "input and hidden weights exchanged", exchanged("weight_ih", "weight_hh")),
    (
        "lstm",
        0,
        "hidden weights transposed gate by gate",
        tensor("weight_hh", lambda a: np.concatenate([g.T for g in np.split(a, 4)])),
    ),
    ("gru", 0, "gates in ONNX's order", gates([1, 0, 2])),
    ("gru", 0, "reset gate last", gates([2, 1, 0])),
    ("gru", 0, "the two biases exchanged: the other reset form", exchanged("bias_ih", "bias_hh")),
    (
        "gru",
        0,
        "the biases added into one",
        both(
            lambda link: replace(
                link, tensors={**link.tensors, "bias_ih": link.tensors["bias_ih"] + link.tensors["bias_hh"]}
            ),
            dropped("bias_hh"),
        ),
    ),
    (
        "gru",
        0,
        "update gate negated",
        every(lambda name, a: a * np.repeat([1, -1, 1], 4).reshape(-1, *(1,) * (a.ndim - 1))),
    ),
    ("gru", 1, "order of the labels", both(tensor("weight", permuted), tensor("bias", permuted))),
]


def proof_of(name: str, layer: int | None, mistake: Mistake | None) -> Proof:
    """The proof of a module's chain with one mistake in it."""
    torch.manual_seed(3)
    build, shape = MODULES[name]
    module = build()
    with torch.no_grad():  # every tensor tells itself from its default
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        for key, buffer in module.named_buffers():
            if buffer.is_floating_point():
                buffer.add_(0.3 * torch.rand_like(buffer) + (0.2 if "var" in key else 0))
    original = Original(module, torch.randn(8, *shape, dtype=torch.float64))
    chain = converted(original)
    planted = chain.links if mistake is None or layer is None else [*chain.links]
    if mistake is not None and layer is not None:
        planted[layer] = mistake(planted[layer])
    wrong = Chain(chain.x, chain.tolerance)
    wrong.links, wrong.y = planted, chain.y
    with np.errstate(all="ignore"):
        return prove(original, model_of(wrong, Wanted()), wrong, steps=3)


@pytest.mark.parametrize("name", MODULES)
def test_the_right_conversion_passes(name: str) -> None:
    assert proof_of(name, None, None).passed


@pytest.mark.parametrize("planted", MISTAKES, ids=lambda planted: f"{planted[0]}: {planted[2]}")
def test_a_mistake_is_not_accepted(planted: Planted) -> None:
    name, layer, _, mistake = planted
    proof = proof_of(name, layer, mistake)
    assert not proof.passed
    assert str(proof.first_failure)


def test_there_are_sixty_of_them_and_no_two_alike() -> None:
    names = [(name, layer, what) for name, layer, what, _ in MISTAKES]
    assert len(set(names)) == len(MISTAKES) >= 60


def test_the_documents_count_them() -> None:
    text = (Path(__file__).parents[1] / "docs" / "exchange.md").read_text("utf-8")
    assert f"adopt or refuse {len(ARCHITECTURES)} usual architectures" in text
    assert f"plant {len(MISTAKES)}\nmis-conversions" in text
