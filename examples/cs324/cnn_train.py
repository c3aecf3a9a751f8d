"""Part 2: train the reduced VGG network on CIFAR-10.

python cnn_train.py --learning_rate 1e-4 --max_steps 5000 --eval_freq 500 --batch_size 32 --data_dir ~/data
"""

from __future__ import annotations

import argparse
from argparse import SUPPRESS
from collections.abc import Sequence

import script
import twofold
from cnn_model import layers

PARSER = script.parser(
    "cnn_train.py",
    "Train the reduced VGG network on CIFAR-10.",
    learning_rate=1e-4,
    max_steps=5000,
    eval_freq=500,
    batch_size=32,
    optimizer="adam",
    engine="torch",
)
PARSER.add_argument("--unit", choices=("epoch", "step"), default="step", help="what --max_steps and --eval_freq count")
PARSER.add_argument(
    "--data_dir",
    default=SUPPRESS,
    help="the folder where torchvision left CIFAR-10; below TWOFOLD_DATA, or downloaded, where left out",
)


def recipe(flags: argparse.Namespace) -> twofold.Recipe:
    """The recipe that the flags make."""
    changes = {
        "name": "cnn",
        "title": "CIFAR-10 with the reduced VGG network",
        "layers": layers(n_classes=10),
        **script.settings(flags, flags.unit),
    }
    return twofold.load_recipe("cifar10-vgg", changes)


def main(words: Sequence[str] | None = None) -> None:
    """Train, print, write the report."""
    script.train(PARSER, recipe, words)


if __name__ == "__main__":
    main()
