"""Part 1, proved: `pytorch_mlp.MLP` and `mlp_numpy.MLP` compute what Twofold's NumPy engine computes.

python prove_mlp.py
"""

from __future__ import annotations

import numpy as np
import torch

import mlp_numpy
import proof
import pytorch_mlp
import twofold
from twofold.data import Batches, load_data
from twofold.engine import Engine, State
from twofold.setup.building import build_engine, initial_state

HIDDEN = [20, 7]
LR = 0.1
LAYERS = [
    {"kind": "dense", "units": 20},
    {"kind": "relu"},
    {"kind": "dense", "units": 7},
    {"kind": "relu"},
    {"kind": "dense", "units": 2},
]


class ByHand:
    """A step of `mlp_numpy.MLP`, by Twofold's names: layer k of the network is layer k of the recipe."""

    def __init__(self, network: mlp_numpy.MLP) -> None:
        self.network = network

    def step(self, x: np.ndarray, y: np.ndarray) -> proof.Taken:
        """Forward, backward, update, all of it by hand."""
        outputs: proof.Arrays = {}
        h = x
        for index, layer in enumerate(self.network.layers[:-1]):  # softmax is the loss's in Twofold
            h = outputs[str(index)] = layer.forward(h)
        loss = self.network.step(x, y, LR)
        linear = [(i, layer) for i, layer in enumerate(self.network.layers) if layer in self.network.linear]
        gradients = {f"{i}.{name}": value.copy() for i, layer in linear for name, value in layer.grads.items()}
        after = {f"{i}.{name}": value.copy() for i, layer in linear for name, value in layer.params.items()}
        return proof.Taken(outputs, loss, gradients, after)


def reference() -> tuple[Engine, State, Batches]:
    """Twofold's NumPy engine of the same network at its initial weights, and 50 batches of moons."""
    training = {"steps": proof.STEPS, "dtype": "float64", "engines": ["numpy"]}
    recipe = twofold.load_recipe("moons", {"layers": LAYERS, "optimizer.lr": LR, "training": training})
    data = load_data(recipe.data).astype("float64")
    engine = build_engine("numpy", recipe)
    start = initial_state(recipe.model, data.train)
    engine.load(start)
    return engine, start, Batches(recipe, data.train)


def torch_gaps() -> dict[str, float]:
    """The largest gaps of `pytorch_mlp.MLP`."""
    engine, start, batches = reference()
    model = pytorch_mlp.MLP(2, HIDDEN, 2).double()
    model.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in start.parameters.items()})
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    names = {name: name for name in start.parameters}
    own = proof.TorchTrainer(model, names, proof.sequential_outputs(model), optimizer)
    return proof.compare(own, proof.engine_step(engine), batches)


def numpy_gaps() -> dict[str, float]:
    """The largest gaps of `mlp_numpy.MLP`."""
    engine, start, batches = reference()
    network = mlp_numpy.MLP(2, HIDDEN, 2)
    for layer, index in zip(network.linear, (0, 2, 4), strict=True):
        layer.params = {name: start.parameters[f"{index}.{name}"].copy() for name in ("weight", "bias")}
    return proof.compare(ByHand(network), proof.engine_step(engine), batches)


if __name__ == "__main__":
    proof.report("pytorch_mlp.py", torch_gaps())
    proof.report("mlp_numpy.py", numpy_gaps())
