"""Part 2, proved: `cnn_model.CNN` computes what Twofold's NumPy engine computes. A minute on two cores.

python prove_cnn.py
"""

from __future__ import annotations

from itertools import islice

import torch

import proof
import twofold
from cnn_model import CNN
from twofold.data import Batches, random_data
from twofold.setup.building import build_engine, initial_state

LR = 1e-4
BATCH = 3


def gaps(steps: int = proof.STEPS) -> dict[str, float]:
    """The largest gaps over so many steps of Adam, on random images: what is compared is arithmetic."""
    training = {"steps": steps, "batch_size": BATCH, "dtype": "float64", "engines": ["numpy"]}
    recipe = twofold.load_recipe("cifar10-vgg", {"optimizer.lr": LR, "training": training})
    data = random_data(recipe.model, 4 * BATCH, recipe.data.seed).astype("float64")
    engine = build_engine("numpy", recipe)
    start = initial_state(recipe.model, data.train)
    engine.load(start)
    model = CNN(n_channels=3, n_classes=10).double()
    model.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in start.parameters.items()})
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    names = {name: name for name in start.parameters}
    own = proof.TorchTrainer(model, names, proof.sequential_outputs(model), optimizer)
    return proof.compare(own, proof.engine_step(engine), islice(Batches(recipe, data.train), steps))


if __name__ == "__main__":
    proof.report("cnn_model.py", gaps())
