"""The proof of an adopted PyTorch module: its own forward pass, autograd and optimizer beside the NumPy engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (PyTorch's usual name)

from twofold.arrays import Array, Arrays
from twofold.data.drawn import random_inputs
from twofold.engine import Batch
from twofold.errors import AdoptError
from twofold.exchange.adopted import loaded_engine
from twofold.exchange.chain import Chain, Link, weights_of
from twofold.exchange.kinds import EmbedColumns, Embedding
from twofold.exchange.proof import STAGES, Ledger, Proof
from twofold.exchange.torch.tracing import Original
from twofold.numpy_engine import NumpyEngine
from twofold.recipe import Model
from twofold.recipe.base import Shape
from twofold.recipe.optimizers import Sgd
from twofold.streams import stream

TOLERANCE = 1e-9
STEPS = 20
LR = 0.05
MOMENTUM = 0.9
MOST_SQUARE = 1e30
"""The mean square from which on the rate falls no further: it must stay above 0."""


def prove(original: Original, model: Model, chain: Chain, steps: int = STEPS) -> Proof:
    """The proof: forward layer by layer, loss, every gradient and the state, in training steps side by side, float64.

    Both start from the adopted weights and run freely, by SGD with momentum: nothing is synchronised on the way. The
    rate is `LR` for samples of ordinary size and falls with the mean square of larger ones, on which it would diverge.
    Raises `AdoptError` where the original's own loss does not stay finite even so.
    """
    lr = LR / max(1.0, _mean_square(original, model))
    engine = loaded_engine(model, weights_of(chain.links), Sgd(lr=lr, momentum=MOMENTUM))
    ledger = Ledger(dict.fromkeys(STAGES, TOLERANCE))
    shapes = [node.output_shape for node in model.network.nodes]
    pair = _Pair(original, engine, chain, shapes, torch.optim.SGD(original.parameters.values(), lr, MOMENTUM), ledger)
    with np.errstate(all="ignore"):
        pair.evaluate()
        for batch in _batches(original, model, steps, lr):
            pair.step(batch, model.loss.kind)
        pair.evaluate()
    return ledger.proof(f"PyTorch {torch.__version__.split('+')[0]}, float64", steps)


class _Pair(NamedTuple):
    """The original and the NumPy engine, side by side."""

    original: Original
    engine: NumpyEngine
    chain: Chain
    shapes: list[Shape]
    """What each of our layers gives of one sample."""
    optimizer: torch.optim.Optimizer
    ledger: Ledger

    def evaluate(self) -> None:
        """Compare every layer's output on the user's sample, in evaluation."""
        theirs = self.original.evaluated(self.original.x)
        self._forward(self.engine.outputs(self._input(self.original.x.numpy())), theirs, None)

    def step(self, batch: Batch, loss: str) -> None:
        """Take one training step with both and compare every stage."""
        ledger, original, number = self.ledger, self.original, batch.step + 1
        y, theirs = original.trained(torch.from_numpy(batch.x), batch.masks)
        value = _loss(y, torch.from_numpy(batch.target), loss)
        if not torch.isfinite(value):
            raise AdoptError(
                f"its own loss is not finite at training step {number} of the proof, so that nothing can be compared",
                operator=original.name,
                nearest="Give a sample of smaller numbers: scaled to a mean of 0 and a spread of 1",
            )
        step = self.engine.step(batch._replace(x=self._input(batch.x), masks=self._masks(batch.masks)))
        outputs, gradients, state = step.outputs, step.gradients, self.engine.state()
        links = self.chain.links
        self._forward(list(outputs.values()), theirs, number)
        ledger.compare("loss", loss, np.asarray(step.loss), value.detach().numpy(), number)
        self.optimizer.zero_grad()
        value.backward()
        for ours, origin in _named(links, gradients):
            gradient = original.parameters[origin].grad
            ledger.compare("gradient", origin, ours, None if gradient is None else gradient.numpy(), number)
        self.optimizer.step()
        held = {**original.parameters, **dict(original.traced.named_buffers())}
        for ours, origin in _named(links, {**state.parameters, **state.buffers}):
            ledger.compare("state", origin, ours, held[origin].detach().numpy(), number)

    def _forward(self, ours: list[Array], theirs: dict[str, Array], step: int | None) -> None:
        for link, y in zip(self.chain.links, ours, strict=True):
            if link.output is not None:
                self.ledger.compare("forward", link.label, y, theirs[link.output], step)

    def _masks(self, masks: Mapping[str, Array]) -> dict[str, Array]:
        """The masks by our layers' names; `masks` has them by the names of the original's dropout nodes.

        Behind a global mean the original's have axes of size 1 that ours do not.
        """
        places = {link.output: index for index, link in enumerate(self.chain.links)}
        ours = {places[name]: mask for name, mask in masks.items() if name in places}
        return {str(place): mask.reshape(len(mask), *self.shapes[place]) for place, mask in ours.items()}

    def _input(self, x: Array) -> Array:
        """The sample in the form in which our first layer takes it."""
        return x.astype(np.float64).reshape(len(x), *self.chain.x.shape[1:])


def _named(links: list[Link], arrays: Arrays) -> Iterator[tuple[Array, str]]:
    """Our array and the original's name of every tensor in `arrays`."""
    for index, link in enumerate(links):
        for part, origin in link.origins.items():
            if (array := arrays.get(f"{index}.{part}")) is not None:
                yield array, origin


def _loss(y: Tensor, target: Tensor, kind: str) -> Tensor:
    """The loss of outputs. Cross-entropy of log-probabilities is that of logits: they are their own log-softmax."""
    if kind == "cross_entropy":
        return F.cross_entropy(y, target)
    return F.mse_loss(y, F.one_hot(target, y.shape[-1]).to(y.dtype))


def _mean_square(original: Original, model: Model) -> float:
    """The mean square of the sample's numbers; 1 where codes are among them, of which the batches draw others."""
    codes = isinstance(model.layers[0], EmbedColumns) or not original.x.is_floating_point()
    return 1.0 if codes else min(float((original.x**2).mean()), MOST_SQUARE)


def _batches(original: Original, model: Model, steps: int, lr: float) -> Iterator[Batch]:
    """Random batches like the user's: numbers of equal mean and spread, whole numbers drawn from theirs, or codes."""
    x = original.x.numpy()
    n = len(x)
    values = original.evaluated(original.x)
    shapes = {name: values[name].shape for name in original.dropouts}
    for step in range(steps):
        rng = stream(0, "adopt", step)
        if isinstance(model.layers[0], Embedding):
            drawn = rng.integers(model.layers[0].num_embeddings, size=x.shape).astype(x.dtype)
        elif original.x.is_floating_point():
            drawn = x.mean() + (x.std() or 1.0) * rng.standard_normal(x.shape)
            if isinstance(model.layers[0], EmbedColumns):
                drawn = random_inputs(model.layers[0], x.shape, rng)
        else:
            drawn = rng.choice(x.reshape(-1), x.shape)
        target = rng.integers(model.network.classes, size=n)
        masks = {name: rng.random(shapes[name]) >= p for name, p in original.dropouts.items()}
        yield Batch(drawn, target, lr, masks, step)
