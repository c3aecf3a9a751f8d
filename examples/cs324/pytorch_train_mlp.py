"""Part 1: train the fully connected network, in NumPy by hand and in PyTorch, on the same data.

python pytorch_train_mlp.py --dnn_hidden_units 20 --learning_rate 1e-2 --max_steps 1500 --eval_freq 10
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

import cifar10
import mlp_numpy
import points
import pytorch_mlp
import script

Points = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
Step = Callable[[np.ndarray, np.ndarray], float]
Judge = Callable[[np.ndarray, np.ndarray], tuple[float, float]]


def widths(text: str) -> list[int]:
    """What `--dnn_hidden_units` takes."""
    try:
        units = [int(part) for part in text.split(",")] if text else []
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be whole numbers with commas between them, as in 20 or 100,50; got `{text}`"
        ) from None
    if any(width < 1 for width in units):
        raise argparse.ArgumentTypeError(f"every layer must have at least one unit; got `{text}`")
    return units


PARSER = script.parser(
    "pytorch_train_mlp.py",
    "Train a fully connected network in NumPy and in PyTorch on the same data.",
    learning_rate=1e-2,
    max_steps=1500,
    eval_freq=10,
    batch_size=32,
    optimizer="sgd",
)
PARSER.add_argument("--dnn_hidden_units", type=widths, default="20", help="hidden units, as in 20 or 100,50")
PARSER.add_argument("--unit", choices=("epoch", "step"), default="epoch", help="what --max_steps and --eval_freq count")
PARSER.add_argument("--data", choices=(*points.SOURCES, "cifar10"), default="moons", help="what to learn")
PARSER.add_argument("--data_dir", default=argparse.SUPPRESS, help="the folder where torchvision left CIFAR-10")


def data(flags: argparse.Namespace) -> Points:
    """x_train, y_train, x_test, y_test; images as rows of 3072 numbers from 0 to 1."""
    if flags.data != "cifar10":
        if "data_dir" in flags:
            PARSER.error(f"--data_dir: `{flags.data}` is drawn, not read; the folder belongs to --data cifar10")
        return points.load(flags.data)
    try:
        x_train, y_train, x_test, y_test = cifar10.load(getattr(flags, "data_dir", "data"))
    except (OSError, ValueError) as error:
        PARSER.error(f"--data_dir: {error}")
    flat_train, flat_test = (x.reshape(len(x), -1).astype(np.float32) / 255 for x in (x_train, x_test))
    return flat_train, y_train, flat_test, y_test


def by_hand(model: mlp_numpy.MLP, learning_rate: float) -> tuple[Step, Judge]:
    """One step of the NumPy network, and its loss and accuracy on samples."""

    def judge(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
        p = model.forward(x)
        return model.loss.forward(p, y), float((p.argmax(axis=1) == y).mean())

    return lambda x, y: model.step(x, y, learning_rate), judge


def by_pytorch(model: pytorch_mlp.MLP, optimizer: torch.optim.Optimizer) -> tuple[Step, Judge]:
    """The same of the PyTorch network."""

    def step(x: np.ndarray, y: np.ndarray) -> float:
        loss = nn.functional.cross_entropy(model(torch.from_numpy(x)), torch.from_numpy(y))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step, lambda x, y: script.evaluate(model, torch.from_numpy(x), torch.from_numpy(y))


def same_weights(model: pytorch_mlp.MLP, source: mlp_numpy.MLP) -> None:
    """Both networks begin with the weights of the NumPy one."""
    linear = [layer for layer in model if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for layer, by_hand_layer in zip(linear, source.linear, strict=True):
            layer.weight.copy_(torch.from_numpy(by_hand_layer.params["weight"]))
            layer.bias.copy_(torch.from_numpy(by_hand_layer.params["bias"]))


def train(flags: argparse.Namespace, samples: Points, step: Step, judge: Judge) -> None:
    """Shuffled epochs of steps, an evaluation every so many; both networks meet the same batches."""
    x_train, y_train, x_test, y_test = samples
    rng = np.random.default_rng(flags.seed)
    per_epoch = len(script.shuffled_batches(np.random.default_rng(0), len(x_train), flags.batch_size))
    unit = per_epoch if flags.unit == "epoch" else 1
    progress = script.Progress(flags.max_steps * unit)
    taken = 0

    def evaluation() -> None:
        loss, train_accuracy = judge(x_train[: flags.eval_samples], y_train[: flags.eval_samples])
        _, test_accuracy = judge(x_test[: flags.eval_samples], y_test[: flags.eval_samples])
        progress.line(taken, loss, train_accuracy, test_accuracy)

    evaluation()
    while taken < progress.steps:
        for rows in script.shuffled_batches(rng, len(x_train), flags.batch_size)[: progress.steps - taken]:
            with np.errstate(all="ignore"):  # a loss that overflows is named below
                loss = step(x_train[rows], y_train[rows])
            taken += 1
            if not np.isfinite(loss):
                raise SystemExit(
                    f"{PARSER.prog}: error: the loss became {loss} at step {taken}; try a smaller --learning_rate"
                )
            progress.step(taken)
            if taken % (flags.eval_freq * unit) == 0 or taken == progress.steps:
                evaluation()
    print(f"{progress.seconds:.2f} s")


def main(words: Sequence[str] | None = None) -> None:
    """Train the networks in turn; with `--out` by Twofold, which writes the report."""
    flags = PARSER.parse_args(words)
    if "out" in flags:
        import with_twofold

        with_twofold.train_mlp(PARSER, flags)
        return
    samples = data(flags)
    inputs = samples[0].shape[1]
    classes = int(samples[1].max()) + 1
    hand = mlp_numpy.MLP(inputs, flags.dnn_hidden_units, classes, flags.seed)
    model = pytorch_mlp.MLP(inputs, flags.dnn_hidden_units, classes).to(torch.from_numpy(samples[0]).dtype)
    same_weights(model, hand)
    if flags.engine != "torch":
        if flags.optimizer != "sgd" and flags.engine == "numpy":
            PARSER.error(f"--optimizer {flags.optimizer}: the network by hand has sgd; use --engine torch, or --out")
        if flags.optimizer == "sgd":
            print("NumPy, by hand")
            train(flags, samples, *by_hand(hand, flags.learning_rate))
    if flags.engine != "numpy":
        print("PyTorch")
        optimizer = script.OPTIMIZERS[flags.optimizer](model.parameters(), lr=flags.learning_rate)
        train(flags, samples, *by_pytorch(model, optimizer))


if __name__ == "__main__":
    main()
