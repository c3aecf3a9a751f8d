"""Part 2: train the reduced VGG network on CIFAR-10.

python cnn_train.py --learning_rate 1e-4 --max_steps 5000 --eval_freq 500 --batch_size 32 --data_dir ~/data
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

import cifar10
import script
from cnn_model import CNN

PARSER = script.parser(
    "cnn_train.py",
    "Train the reduced VGG network on CIFAR-10, in PyTorch.",
    learning_rate=1e-4,
    max_steps=5000,
    eval_freq=500,
    batch_size=32,
    optimizer="adam",
)
PARSER.add_argument("--unit", choices=("epoch", "step"), default="step", help="what --max_steps and --eval_freq count")
PARSER.add_argument(
    "--data_dir", default=argparse.SUPPRESS, help="the folder where torchvision left CIFAR-10; ./data where left out"
)


def pixels(images: np.ndarray) -> Tensor:
    """Bytes to numbers from 0 to 1, as torchvision's `ToTensor` makes them."""
    return torch.from_numpy(images).float() / 255


def train(flags: argparse.Namespace, model: CNN) -> None:
    """Shuffled epochs of steps, an evaluation every so many."""
    try:
        x_train, y_train, x_test, y_test = cifar10.load(getattr(flags, "data_dir", "data"))
    except (OSError, ValueError) as error:
        PARSER.error(f"--data_dir: {error}")
    classes, test_classes = torch.from_numpy(y_train), torch.from_numpy(y_test)
    optimizer = script.OPTIMIZERS[flags.optimizer](model.parameters(), lr=flags.learning_rate)
    rng = np.random.default_rng(flags.seed)
    per_epoch = len(script.shuffled_batches(np.random.default_rng(0), len(x_train), flags.batch_size))
    unit = per_epoch if flags.unit == "epoch" else 1
    progress = script.Progress(flags.max_steps * unit)
    taken = 0

    def evaluation() -> None:
        few = slice(flags.eval_samples)
        loss, train_accuracy = script.evaluate(model, pixels(x_train[few]), classes[few])
        _, test_accuracy = script.evaluate(model, pixels(x_test[few]), test_classes[few])
        progress.line(taken, loss, train_accuracy, test_accuracy)

    evaluation()
    while taken < progress.steps:
        for rows in script.shuffled_batches(rng, len(x_train), flags.batch_size)[: progress.steps - taken]:
            loss = nn.functional.cross_entropy(model(pixels(x_train[rows])), classes[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            taken += 1
            progress.step(taken)
            if taken % (flags.eval_freq * unit) == 0 or taken == progress.steps:
                evaluation()
    print(f"{progress.seconds:.2f} s")


def main(words: Sequence[str] | None = None) -> None:
    """Train in PyTorch; with `--out` by Twofold, which writes the report."""
    flags = PARSER.parse_args(words)
    if "out" in flags:
        import with_twofold

        with_twofold.train_cnn(PARSER, flags)
        return
    if flags.engine not in (None, "torch"):
        PARSER.error(f"--engine {flags.engine}: the network by hand is Twofold's; name a folder with --out")
    torch.manual_seed(flags.seed)
    train(flags, CNN(n_channels=3, n_classes=10))


if __name__ == "__main__":
    main()
