"""What the three proofs share: 50 steps by the assignment's own class and by Twofold's NumPy engine, compared.

Every step is taken by both on the same batch, in float64, from the same weights. Compared are the output of every
layer, the loss, the gradient of every parameter, and the parameters after the update. A gap is max |a − b| / max |b|.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import nn

from twofold.engine import Batch, Engine

STEPS = 50
TOLERANCE = 1e-9
SMALLEST = 1e-4
"""Tensors smaller than this are compared by their absolute gap over it: where summands cancel, rounding is left."""

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Taken:
    """One training step, by the names of Twofold's layers and parameters."""

    outputs: Arrays
    loss: float
    gradients: Arrays
    parameters: Arrays


class Trainer(Protocol):
    """The assignment's own network and update."""

    def step(self, x: np.ndarray, y: np.ndarray) -> Taken:
        """Forward, backward, update."""
        ...


class TorchTrainer:
    """A module of PyTorch; `names` are those of its parameters in Twofold, `outputs` what its layers give."""

    def __init__(
        self,
        module: nn.Module,
        names: Mapping[str, str],
        outputs: Callable[[torch.Tensor], dict[str, torch.Tensor]],
        optimizer: torch.optim.Optimizer,
        max_norm: float | None = None,
    ) -> None:
        self.module = module
        self.names = names
        self.outputs = outputs
        self.optimizer = optimizer
        self.max_norm = max_norm

    def step(self, x: np.ndarray, y: np.ndarray) -> Taken:
        """Forward, autograd, update; gradients are those before clipping."""
        outputs = self.outputs(torch.from_numpy(x))
        loss = nn.functional.cross_entropy(list(outputs.values())[-1], torch.from_numpy(y))
        self.optimizer.zero_grad()
        loss.backward()
        parameters = dict(self.module.named_parameters())
        gradients = {self.names[name]: gradient_of(value) for name, value in parameters.items()}
        if self.max_norm:
            nn.utils.clip_grad_norm_(self.module.parameters(), self.max_norm)
        self.optimizer.step()
        after = {self.names[name]: value.detach().numpy().copy() for name, value in parameters.items()}
        return Taken({name: y.detach().numpy() for name, y in outputs.items()}, loss.item(), gradients, after)


def gradient_of(parameter: nn.Parameter) -> np.ndarray:
    """A copy of what autograd left there."""
    assert parameter.grad is not None
    return parameter.grad.numpy().copy()


def sequential_outputs(module: nn.Sequential) -> Callable[[torch.Tensor], dict[str, torch.Tensor]]:
    """What each layer gives, by its index, as Twofold names it."""

    def outputs(x: torch.Tensor) -> dict[str, torch.Tensor]:
        ways = {}
        for name, layer in module.named_children():
            x = ways[name] = layer(x)
        return ways

    return outputs


def engine_step(engine: Engine) -> Callable[[Batch], Taken]:
    """A step of Twofold's engine."""

    def step(batch: Batch) -> Taken:
        record = engine.step(batch)
        return Taken(dict(record.outputs), record.loss, dict(record.gradients), dict(record.state.parameters))

    return step


def compare(own: Trainer, reference: Callable[[Batch], Taken], batches: Iterable[Batch]) -> dict[str, float]:
    """The largest gap over all batches of everything that both compute, by its name."""
    gaps: dict[str, float] = {}

    def note(name: str, a: np.ndarray | float, b: np.ndarray | float) -> None:
        gaps[name] = max(gaps.get(name, 0.0), gap(np.asarray(a), np.asarray(b)))

    for batch in batches:
        theirs = reference(batch)
        ours = own.step(batch.x, batch.target)
        for name, output in ours.outputs.items():
            note(f"output of layer {name}", output, theirs.outputs[name])
        note("loss", ours.loss, theirs.loss)
        for name, gradient in ours.gradients.items():
            note(f"gradient of {name}", gradient, theirs.gradients[name])
            note(f"{name} after the step", ours.parameters[name], theirs.parameters[name])
    return gaps


def gap(a: np.ndarray, b: np.ndarray) -> float:
    """max |a − b| / max |b|; infinite where one of them is NaN."""
    size = float(np.abs(a - b).max() / max(float(np.abs(b).max()), SMALLEST))
    return size if np.isfinite(size) else np.inf


def report(title: str, gaps: Mapping[str, float]) -> None:
    """One line a comparison, and the verdict; status 1 where they part."""
    width = max(map(len, gaps))
    print(f"{title}, {STEPS} steps in float64: the largest gap to Twofold's NumPy engine")
    for name, size in gaps.items():
        print(f"  {name:<{width}}  {size:.1e}{'' if size <= TOLERANCE else '   <- parts'}")
    if max(gaps.values()) > TOLERANCE:
        raise SystemExit(f"they part by more than {TOLERANCE:g}")
    print(f"all of them agree within {TOLERANCE:g}")
