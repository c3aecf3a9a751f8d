"""Part 3: train the vanilla recurrent network on palindromes.

python train.py --input_length 4 --num_hidden 128 --learning_rate 1e-3 --max_steps 1000 --max_norm 10
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

import script
from dataset import PalindromeDataset
from vanilla_rnn import VanillaRNN

LONGEST = 999
SEED_DISTANCE = 10**9
"""Palindromes from the first of one `--seed` to the first of the next."""


def length(text: str) -> int:
    """What `--input_length` takes."""
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= LONGEST):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {LONGEST}; got `{text}`")
    return int(text)


PARSER = script.parser(
    "train.py",
    "Train a vanilla recurrent network on palindromes, in PyTorch.",
    learning_rate=1e-3,
    max_steps=1000,
    eval_freq=10,
    batch_size=128,
    optimizer="rmsprop",
)
PARSER.add_argument("--input_length", type=length, default=4, help="digits that are read: all but the last one")
PARSER.add_argument("--input_dim", type=int, choices=(1, 10), default=1, help="1: a digit is a number; 10: one-hot")
PARSER.add_argument("--num_hidden", type=script.above_zero(int), default=128, help="hidden units")
PARSER.add_argument("--num_classes", type=int, default=10, help="digits to tell apart: 10")
PARSER.add_argument("--max_norm", type=script.above_zero(float), default=10.0, help="clip the gradient to this norm")


def stacked(dataset: PalindromeDataset, first: int, count: int) -> tuple[Tensor, Tensor]:
    """`count` items of the set from number `first` on, x and y as one tensor each."""
    items = [dataset[index] for index in range(first, first + count)]
    return torch.from_numpy(np.stack([x for x, _ in items])), torch.tensor([y for _, y in items])


def train(flags: argparse.Namespace, model: VanillaRNN) -> None:
    """A new batch of palindromes every step, an evaluation every so many steps."""
    one_hot = flags.input_dim == 10
    drawn = PalindromeDataset(flags.input_length + 1, one_hot=one_hot)
    held_out = PalindromeDataset(flags.input_length + 1, one_hot=one_hot, train=False)
    shown = stacked(drawn, 0, min(1000, flags.eval_samples))
    test = stacked(held_out, 0, min(len(held_out), flags.eval_samples)) if len(held_out) else shown
    optimizer = script.OPTIMIZERS[flags.optimizer](model.parameters(), lr=flags.learning_rate)
    progress = script.Progress(flags.max_steps)
    first = flags.seed * SEED_DISTANCE

    def evaluation(taken: int) -> None:
        loss, train_accuracy = script.evaluate(model, *shown)
        progress.line(taken, loss, train_accuracy, script.evaluate(model, *test)[1])

    evaluation(0)
    for taken in range(1, flags.max_steps + 1):
        x, y = stacked(drawn, first + taken * flags.batch_size, flags.batch_size)
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), flags.max_norm)
        optimizer.step()
        progress.step(taken)
        if taken % flags.eval_freq == 0 or taken == flags.max_steps:
            evaluation(taken)
    print(f"{progress.seconds:.2f} s")


def main(words: Sequence[str] | None = None) -> None:
    """Train in PyTorch; with `--out` by Twofold, which writes the report."""
    flags = PARSER.parse_args(words)
    if flags.num_classes != 10:
        PARSER.error(f"--num_classes: there are 10 digits to tell apart; got {flags.num_classes}")
    if flags.batch_size == "full":
        PARSER.error("--batch_size full: palindromes are drawn without end; give a number")
    if "out" in flags:
        import with_twofold

        with_twofold.train_rnn(PARSER, flags)
        return
    if flags.engine not in (None, "torch"):
        PARSER.error(f"--engine {flags.engine}: the network by hand is Twofold's; name a folder with --out")
    torch.manual_seed(flags.seed)
    train(flags, VanillaRNN(flags.input_length, flags.input_dim, flags.num_hidden, flags.num_classes))


if __name__ == "__main__":
    main()
