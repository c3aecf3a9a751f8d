"""The three trainings by Twofold: both engines, a run folder, and the report that is handed in. `pip install twofold`.

The scripts call this where a folder is named with `--out`; without it they need nothing but NumPy and PyTorch.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import Any

try:
    import twofold
    from twofold.setup.events import Evaluated, Noted, Started
except ModuleNotFoundError as error:
    sys.exit(f"--out trains with Twofold, which is not installed ({error}): pip install twofold, or leave --out out")

TITLES = {"numpy": "NumPy", "torch": "PyTorch"}
FLAGS = {
    "layers.0.units": "--num_hidden",
    "layers.1.units": "--num_classes",
    "layers": "--dnn_hidden_units",
    "data.length": "--input_length",
    "data.root": "--data_dir",
    "optimizer.lr": "--learning_rate",
    "optimizer.max_norm": "--max_norm",
    "training.steps": "--max_steps",
    "training.epochs": "--max_steps",
    "training.evaluate_every": "--eval_freq",
    "training.evaluate_samples": "--eval_samples",
    "training.batch_size": "--batch_size",
    "training.seed": "--seed",
}
"""The key of the recipe that a flag sets; those inside a list before the list."""
RECIPES = {name: name for name in ("moons", "circles", "blobs", "classification")} | {"cifar10": "cifar10-mlp"}
"""Where each `--data` takes its settings from."""


def settings(flags: argparse.Namespace, unit: str) -> dict[str, Any]:
    """The keys of the recipe that every script sets; `unit` is what the steps are: `step` or `epoch`."""
    return {
        "optimizer.kind": flags.optimizer,
        "optimizer.lr": flags.learning_rate,
        "training.steps" if unit == "step" else "training.epochs": flags.max_steps,
        "training.evaluate_every": flags.eval_freq,
        "training.evaluate_samples": flags.eval_samples,
        "training.batch_size": flags.batch_size,
        "training.seed": flags.seed,
    } | ({"data.root": flags.data_dir} if "data_dir" in flags else {})


def mlp_recipe(flags: argparse.Namespace) -> twofold.Recipe:
    """Dense and ReLU for each hidden width, then dense; softmax is the loss's."""
    start = twofold.load_recipe(RECIPES[flags.data])
    images = [{"kind": "flatten"}] if flags.data == "cifar10" else []
    hidden = [
        layer for units in flags.dnn_hidden_units for layer in ({"kind": "dense", "units": units}, {"kind": "relu"})
    ]
    layers = [*images, *hidden, {"kind": "dense", "units": start.network.classes}]
    return twofold.load_recipe(start, {"name": f"mlp-{flags.data}", "layers": layers, **settings(flags, flags.unit)})


def cnn_recipe(flags: argparse.Namespace) -> twofold.Recipe:
    """The built-in recipe `cifar10-vgg` with the settings of the flags."""
    changes = {"name": "cnn", "title": "CIFAR-10 with the reduced VGG network", **settings(flags, flags.unit)}
    return twofold.load_recipe("cifar10-vgg", changes)


def rnn_recipe(flags: argparse.Namespace) -> twofold.Recipe:
    """The built-in recipe `palindrome` with the settings of the flags."""
    changes = {
        "name": f"palindrome-{flags.input_length + 1}",
        "title": f"Palindromes of {flags.input_length + 1} digits: a vanilla recurrent network",
        "data.length": flags.input_length + 1,
        "data.encoding": {1: "number", 10: "one_hot"}[flags.input_dim],
        "optimizer.max_norm": flags.max_norm,
        "layers.0.units": flags.num_hidden,
        **settings(flags, "step"),
    }
    return twofold.load_recipe("palindrome", changes)


def train_mlp(parser: argparse.ArgumentParser, flags: argparse.Namespace) -> twofold.Run:
    """Part 1, in both engines where no other choice is made."""
    return _train(parser, flags, mlp_recipe, "both")


def train_cnn(parser: argparse.ArgumentParser, flags: argparse.Namespace) -> twofold.Run:
    """Part 2, in PyTorch where no other choice is made: in NumPy it takes several times as long."""
    return _train(parser, flags, cnn_recipe, "torch")


def train_rnn(parser: argparse.ArgumentParser, flags: argparse.Namespace) -> twofold.Run:
    """Part 3, in both engines where no other choice is made."""
    return _train(parser, flags, rnn_recipe, "both")


def _train(
    parser: argparse.ArgumentParser,
    flags: argparse.Namespace,
    recipe: Callable[[argparse.Namespace], twofold.Recipe],
    engine: str,
) -> twofold.Run:
    """Train the recipe that the flags make, print its results and write its report.

    A wrong flag ends with status 2 and a message that names it, before anything is trained.
    """
    engine = flags.engine or engine
    engines = ["numpy", "torch"] if engine == "both" else [engine]
    try:
        run = twofold.run(recipe(flags), engines=engines, out=flags.out, watcher=tell)
    except twofold.UserError as error:
        parser.error(in_flags(str(error)))
    except twofold.TwofoldError as error:
        sys.exit(f"{parser.prog}: error: {in_flags(str(error))}")
    for name, result in run.engines.items():
        print(f"{TITLES[name]}: {scores(result)}, {result['seconds']:.2f} s of training")
    print(f"report: {twofold.write_report(run)}")
    return run


def in_flags(message: str) -> str:
    """A message about keys of the recipe, said in flags."""
    for key, flag in FLAGS.items():
        message = message.replace(f"--set {key}", flag)
    return message.replace("data.root", "--data_dir")


def scores(values: Mapping[str, Any]) -> str:
    """`accuracy: train 0.9975, test 1.0000`."""
    accuracies = {split: values[f"{split}_accuracy"] for split in ("train", "validation", "test")}
    return "accuracy: " + ", ".join(f"{name} {value:.4f}" for name, value in accuracies.items() if value is not None)


def tell(event: object) -> None:
    """One line an evaluation."""
    match event:
        case Started(what, steps):
            print(f"{TITLES[what]}, {steps:,} steps")
        case Evaluated(row):
            print(f"step {row.step:,}, epoch {row.epoch:g}: loss {row.train_loss:.4f}, {scores(row._asdict())}")
        case Noted(text):
            print(text)
