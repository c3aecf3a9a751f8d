"""Layers by themselves as a module of PyTorch: ordinary, with the weights that a run begins with."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import twofold
from twofold.engine.initial import initial_buffers, initial_parameters

DENSE = {"kind": "dense", "units": 2}


@pytest.mark.parametrize("name", ["moons", "mnist-lenet", "palindrome-lstm", "cifar10-cnn5-adam"])
def test_a_module_has_the_weights_with_which_a_run_begins(name: str) -> None:
    recipe = twofold.load_recipe(name, {"training.seed": 3})
    shape = [size or 0 for size in recipe.network.input_shape]
    state = twofold.torch_module(recipe.layers, shape, seed=3).state_dict()
    counted = {key: state.pop(key) for key in list(state) if key.endswith("num_batches_tracked")}
    assert not any(counted.values())
    expected = {**initial_parameters(recipe.model), **initial_buffers(recipe.model)}
    assert state.keys() == expected.keys()
    for key, tensor in state.items():
        assert torch.equal(tensor, torch.from_numpy(expected[key]).float()), key


def test_a_module_takes_the_weights_of_a_run_and_predicts_alike(moons_run: twofold.Run) -> None:
    module = twofold.torch_module(moons_run.recipe.layers, (2,))
    module.load_state_dict({name: torch.from_numpy(array) for name, array in moons_run.weights("torch").items()})
    x, y = (torch.from_numpy(moons_run.evidence[f"test.{part}"]) for part in "xy")
    accuracy = (module(x).argmax(dim=1) == y).double().mean().item()
    assert accuracy == moons_run.engines["torch"]["test_accuracy"]


def test_a_module_is_an_ordinary_one() -> None:
    module = twofold.torch_module([{"kind": "dense", "units": 5}, {"kind": "relu"}, DENSE], (3,))
    assert [type(layer) for layer in module] == [nn.Linear, nn.ReLU, nn.Linear]
    module(torch.zeros(4, 3)).sum().backward()
    assert module[0].weight.grad is not None
    assert not torch.equal(module[0].weight, twofold.torch_module(module_layers(), (3,), seed=1)[0].weight)


def module_layers() -> list[dict[str, Any]]:
    return [{"kind": "dense", "units": 5}, {"kind": "relu"}, DENSE]


WRONG: dict[str, tuple[list[dict[str, Any]], Any, str]] = {
    "an unknown kind": ([{"kind": "dens"}], (2,), "layers.0.kind: unknown layer kind `dens`; did you mean `dense`?"),
    "no units": ([{"kind": "dense", "units": 0}], (2,), "layers.0.units: `units` must be greater than 0; got 0"),
    "no layer": ([], (2,), "layers: `layers` must not be empty"),
    "another input": (
        [DENSE, {"kind": "rnn", "units": 2}], (2,),
        "layers.1: `rnn` takes sequences (N, steps, features); it gets (N, 2)",
    ),
    "a number for a shape": ([DENSE], 4, "`shape` must hold whole numbers of at least 1, those of one sample; got 4"),
    "a text for a shape": ([DENSE], "4", "`shape` must hold whole numbers of at least 1, those of one sample; got '4'"),
    "no shape": ([DENSE], (0,), "`shape` must hold whole numbers of at least 1, those of one sample; got (0,)"),
}  # fmt: skip


@pytest.mark.parametrize(("layers", "shape", "message"), WRONG.values(), ids=WRONG)
def test_layers_that_are_wrong(layers: list[dict[str, Any]], shape: Any, message: str) -> None:
    with pytest.raises(twofold.UserError) as error:
        twofold.torch_module(layers, shape)
    assert str(error.value).startswith(message)
