"""Part 1: train the fully connected network, in NumPy by hand and in PyTorch, on the same data.

python pytorch_train_mlp.py --dnn_hidden_units 20 --learning_rate 1e-2 --max_steps 1500 --eval_freq 10
"""

from __future__ import annotations

import argparse
from argparse import SUPPRESS
from collections.abc import Sequence

import script
import twofold
from pytorch_mlp import layers

RECIPES = {name: name for name in ("moons", "circles", "blobs", "classification")} | {"cifar10": "cifar10-mlp"}
"""Where each `--data` takes its settings from."""


def widths(text: str) -> list[int]:
    """What `--dnn_hidden_units` takes."""
    try:
        return [int(part) for part in text.split(",")] if text else []
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be whole numbers with commas between them, as in 20 or 100,50; got `{text}`"
        ) from None


PARSER = script.parser(
    "pytorch_train_mlp.py",
    "Train a fully connected network in NumPy and in PyTorch on the same data.",
    learning_rate=1e-2,
    max_steps=1500,
    eval_freq=10,
    batch_size=32,
    optimizer="sgd",
    engine="both",
)
PARSER.add_argument("--dnn_hidden_units", type=widths, default="20", help="hidden units, as in 20 or 100,50")
PARSER.add_argument("--unit", choices=("epoch", "step"), default="epoch", help="what --max_steps and --eval_freq count")
PARSER.add_argument("--data", choices=RECIPES, default="moons", help="what to learn")
PARSER.add_argument("--data_dir", default=SUPPRESS, help="the folder where torchvision left CIFAR-10")


def recipe(flags: argparse.Namespace) -> twofold.Recipe:
    """The recipe that the flags make."""
    start = twofold.load_recipe(RECIPES[flags.data])
    images = flags.data == "cifar10"
    if "data_dir" in flags and not images:
        PARSER.error(f"--data_dir: `{flags.data}` is drawn, not read; the folder belongs to --data cifar10")
    changes = {
        "name": f"mlp-{flags.data}",
        "layers": [{"kind": "flatten"}] * images + layers(flags.dnn_hidden_units, start.network.classes),
        **script.settings(flags, flags.unit),
    }
    return twofold.load_recipe(start, changes)


def main(words: Sequence[str] | None = None) -> None:
    """Train, print, write the report."""
    script.train(PARSER, recipe, words)


if __name__ == "__main__":
    main()
