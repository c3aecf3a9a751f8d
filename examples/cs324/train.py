"""Part 3: train the vanilla recurrent network on palindromes, in NumPy by hand and in PyTorch.

python train.py --input_length 4 --num_hidden 128 --learning_rate 1e-3 --max_steps 1000 --max_norm 10
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import script
import twofold
from twofold.recipe.data import LONGEST
from vanilla_rnn import layers

ENCODINGS = {1: "number", 10: "one_hot"}


def length(text: str) -> int:
    """What `--input_length` takes."""
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) < LONGEST):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {LONGEST - 1}; got `{text}`")
    return int(text)


PARSER = script.parser(
    "train.py",
    "Train a vanilla recurrent network on palindromes, in NumPy and in PyTorch.",
    learning_rate=1e-3,
    max_steps=1000,
    eval_freq=10,
    batch_size=128,
    optimizer="rmsprop",
    engine="both",
)
PARSER.add_argument("--input_length", type=length, default=4, help="digits that are read: all but the last one")
PARSER.add_argument("--input_dim", type=int, choices=ENCODINGS, default=1, help="1: a digit is a number; 10: one-hot")
PARSER.add_argument("--num_hidden", type=int, default=128, help="hidden units")
PARSER.add_argument("--num_classes", type=int, default=10, help="digits to tell apart: 10")
PARSER.add_argument("--max_norm", type=float, default=10.0, help="clip the gradient to this norm")


def recipe(flags: argparse.Namespace) -> twofold.Recipe:
    """The recipe that the flags make."""
    changes = {
        "name": f"palindrome-{flags.input_length + 1}",
        "title": f"Palindromes of {flags.input_length + 1} digits: a vanilla recurrent network",
        "data.length": flags.input_length + 1,
        "data.encoding": ENCODINGS[flags.input_dim],
        "optimizer.max_norm": flags.max_norm,
        **script.settings(flags, "step"),
    }
    spec = layers(flags.num_hidden, flags.num_classes)
    changes |= {f"layers.{index}.units": layer["units"] for index, layer in enumerate(spec)}
    return twofold.load_recipe("palindrome", changes)


def main(words: Sequence[str] | None = None) -> None:
    """Train, print, write the report."""
    script.train(PARSER, recipe, words)


if __name__ == "__main__":
    main()
