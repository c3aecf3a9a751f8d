"""Part 3, proved: `vanilla_rnn.VanillaRNN` computes what Twofold computes, which goes back through time by hand.

python prove_rnn.py

The assignment's layer has one bias, b_h, PyTorch's and so Twofold's two. So Twofold's is taken without any, and reads a
1 beside every digit: its weight is b_h.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

import proof
import twofold
from dataset import PalindromeDataset
from twofold.engine import Batch
from twofold.setup.building import build_engine, initial_state
from vanilla_rnn import VanillaRNN

LENGTH, HIDDEN, BATCH, LR, MAX_NORM = 8, 16, 32, 1e-3, 0.5
SETTINGS = {
    "data.length": LENGTH + 1,
    "data.encoding": "one_hot",  # ten inputs a step: the digit, the 1, and eight zeros
    "layers": [{"kind": "rnn", "units": HIDDEN, "bias": False}, {"kind": "dense", "units": 10}],
    "optimizer.lr": LR,
    "optimizer.max_norm": MAX_NORM,
    "training.dtype": "float64",
}
DIGIT, ONE = 0, 1


def own_names(arrays: Mapping[str, np.ndarray]) -> proof.Arrays:
    """Twofold's arrays by the assignment's symbols."""
    inputs = arrays["0.weight_ih"]
    return {
        "W_hx": inputs[:, DIGIT : DIGIT + 1],
        "b_h": inputs[:, ONE],
        "W_hh": arrays["0.weight_hh"],
        "W_ph": arrays["1.weight"],
        "b_o": arrays["1.bias"],
    }


def gaps() -> dict[str, float]:
    """The largest gaps over 50 steps of RMSprop with a clipped gradient."""
    recipe = twofold.load_recipe("palindrome", SETTINGS)
    engine = build_engine("numpy", recipe)
    start = initial_state(recipe.model)
    engine.load(start)
    step = proof.engine_step(engine)

    def reference(batch: Batch) -> proof.Taken:
        beside = np.zeros((*batch.x.shape, 10))
        beside[..., DIGIT] = batch.x
        beside[..., ONE] = 1
        record = step(batch._replace(x=beside))
        outputs = {"h(T)": record.outputs["0"], "o": record.outputs["1"]}
        return proof.Taken(outputs, record.loss, own_names(record.gradients), own_names(record.parameters))

    model = VanillaRNN(LENGTH, 1, HIDDEN, 10).double()
    model.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in own_names(start.parameters).items()})

    def outputs(x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"h(T)": model.hidden_states(x)[-1], "o": model(x)}

    optimizer = torch.optim.RMSprop(model.parameters(), lr=LR)
    own = proof.TorchTrainer(model, {name: name for name in model.state_dict()}, outputs, optimizer, MAX_NORM)
    return proof.compare(own, reference, batches())


def batches() -> list[Batch]:
    """New palindromes every step."""
    dataset = PalindromeDataset(LENGTH + 1)
    drawn = []
    for step in range(proof.STEPS):
        items = [dataset[index] for index in range(step * BATCH, (step + 1) * BATCH)]
        x = np.stack([digits for digits, _ in items]).astype(np.float64)
        drawn.append(Batch(x, np.array([last for _, last in items]), LR, {}, step))
    return drawn


if __name__ == "__main__":
    proof.report("vanilla_rnn.py", gaps())
