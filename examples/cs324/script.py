"""What the three training scripts share: flags, the optimizer by its name, evaluation, and the lines they print."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
}
EVALUATION_BATCH = 1000
BAR_SECONDS = 0.2
BAR_WIDTH = 30


def above_zero(kind: type[int] | type[float]) -> Callable[[str], int | float]:
    """A type of argparse: a number of the kind, greater than 0."""

    def convert(text: str) -> int | float:
        try:
            number = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"invalid {kind.__name__} value: {text!r}") from None
        if not number > 0:
            raise argparse.ArgumentTypeError(f"must be greater than 0; got {text}")
        return number

    return convert


def batch(text: str) -> int | str:
    """What `--batch_size` takes: a whole number, or `full` for all samples."""
    try:
        number = 1 if text == "full" else int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number or `full`; got `{text}`") from None
    if number < 1:
        raise argparse.ArgumentTypeError(f'must be greater than 0 or "full"; got {text}')
    return text if text == "full" else number


def parser(script: str, purpose: str, **defaults: object) -> argparse.ArgumentParser:
    """The flags that every script has."""
    flags = argparse.ArgumentParser(script, description=purpose, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    flags.add_argument("--learning_rate", type=above_zero(float), help="learning rate")
    flags.add_argument("--max_steps", type=above_zero(int), help="how long to train")
    flags.add_argument("--eval_freq", type=above_zero(int), help="from one evaluation to the next")
    flags.add_argument("--eval_samples", type=above_zero(int), default=10_000, help="samples of a set to judge by")
    flags.add_argument("--batch_size", type=batch, help="samples a step, or `full`: all of them")
    flags.add_argument("--optimizer", type=str.lower, choices=tuple(OPTIMIZERS), help="the rule of the update")
    flags.add_argument("--seed", type=int, default=0, help="of initial weights and order")
    flags.add_argument(
        "--out", default=argparse.SUPPRESS, help="train with Twofold, and leave its run and report in this new folder"
    )
    flags.add_argument(
        "--engine", choices=("numpy", "torch", "both"), help="NumPy by hand, PyTorch, or one after the other"
    )
    flags.set_defaults(**defaults)
    return flags


@torch.no_grad()
def evaluate(model: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float]:
    """Mean loss in nats, and the share of right answers, in large batches and without a gradient."""
    model.eval()
    loss = 0.0
    right = 0
    for part, target in zip(x.split(EVALUATION_BATCH), y.split(EVALUATION_BATCH), strict=True):
        logits = model(part)
        loss += nn.functional.cross_entropy(logits, target, reduction="sum").item()
        right += int((logits.argmax(dim=1) == target).sum())
    model.train()
    return loss / len(x), right / len(x)


def shuffled_batches(rng: np.random.Generator, samples: int, size: int | str) -> list[np.ndarray]:
    """An epoch: every sample once, in random order, cut into batches; the last may be smaller."""
    size = samples if size == "full" else int(size)
    order = rng.permutation(samples)
    return [order[start : start + size] for start in range(0, samples, size)]


class Progress:
    """A bar on a terminal, with the time that is left, and one line an evaluation."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.started = self.drawn = time.monotonic()

    def step(self, taken: int) -> None:
        """Draw the bar a few times a second, where somebody looks."""
        now = time.monotonic()
        if now - self.drawn < BAR_SECONDS or not sys.stderr.isatty():
            return
        self.drawn = now
        done = BAR_WIDTH * taken // self.steps
        left = (now - self.started) / taken * (self.steps - taken)
        bar = "#" * done + "." * (BAR_WIDTH - done)
        print(f"\r{bar} {taken:,} of {self.steps:,} steps, {left:.0f} s left ", end="", file=sys.stderr, flush=True)

    def line(self, step: int, loss: float, train: float, test: float) -> None:
        """Loss and accuracy after a number of steps, over the bar."""
        erase = "\r\033[K" if sys.stderr.isatty() else ""
        print(erase, end="", file=sys.stderr, flush=True)
        print(f"step {step:,}: loss {loss:.4f}, accuracy: train {train:.4f}, test {test:.4f}", flush=True)

    @property
    def seconds(self) -> float:
        """Time since the beginning, evaluations included."""
        return time.monotonic() - self.started
