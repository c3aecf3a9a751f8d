"""What the three training scripts share: common flags, accuracy as it comes, results and report at the end."""

from __future__ import annotations

import argparse
import sys
from argparse import SUPPRESS
from collections.abc import Callable, Sequence
from typing import Any, final

import twofold
from twofold.report.text import ENGINES, plural
from twofold.runs.history import HistoryRow

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
    "training.batch_size": "--batch_size",
    "training.seed": "--seed",
}
"""The key of the recipe that a flag sets; those inside a list before the list."""


def parser(script: str, says: str, **defaults: Any) -> argparse.ArgumentParser:
    """The flags that every script has."""
    made = argparse.ArgumentParser(script, description=says, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    made.add_argument("--learning_rate", type=float, help="learning rate")
    made.add_argument("--max_steps", type=int, help="how long to train")
    made.add_argument("--eval_freq", type=int, help="from one evaluation to the next")
    made.add_argument("--batch_size", type=batch, help="samples a step, or `full`: all of them")
    made.add_argument(
        "--optimizer", type=str.lower, choices=("sgd", "adam", "adamw", "rmsprop"), help="the rule of the update"
    )
    made.add_argument("--engine", choices=("numpy", "torch", "both"), help="NumPy by hand, PyTorch, or both in turn")
    made.add_argument("--seed", type=int, default=0, help="of initial weights and order")
    made.add_argument("--out", default=SUPPRESS, help="a new folder for the run; runs/NAME-N where left out")
    made.set_defaults(**defaults)
    return made


def batch(text: str) -> int | str:
    """What `--batch_size` takes."""
    if text == "full":
        return text
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number or `full`; got `{text}`") from None


def settings(flags: argparse.Namespace, unit: str) -> dict[str, Any]:
    """The keys of the recipe that every script sets; `unit` is what the steps are: `step` or `epoch`."""
    return {
        "optimizer.kind": flags.optimizer,
        "optimizer.lr": flags.learning_rate,
        "training.steps" if unit == "step" else "training.epochs": flags.max_steps,
        "training.evaluate_every": flags.eval_freq,
        "training.batch_size": flags.batch_size,
        "training.seed": flags.seed,
    } | ({"data.root": flags.data_dir} if "data_dir" in flags else {})


def train(
    parser: argparse.ArgumentParser,
    recipe: Callable[[argparse.Namespace], twofold.Recipe],
    words: Sequence[str] | None,
) -> twofold.Run:
    """Train the recipe that the flags make, print its results and write its report.

    A wrong flag ends with status 2 and a message that names it, before anything is trained.
    """
    flags = parser.parse_args(words)
    engines = {"both": ["numpy", "torch"], None: None}.get(flags.engine, [flags.engine])
    try:
        run = twofold.run(recipe(flags), engines=engines, out=getattr(flags, "out", None), watcher=Printer())
    except twofold.UserError as error:
        parser.error(in_flags(str(error)))
    except twofold.TwofoldError as error:
        sys.exit(f"{parser.prog}: error: {in_flags(str(error))}")
    for engine, result in run.engines.items():
        print(f"{ENGINES[engine]}: {scores(result)}, {result['seconds']:.2f} s of training")
    print(f"report: {twofold.write_report(run)}")
    return run


def in_flags(message: str) -> str:
    """A message about keys of the recipe, said in flags."""
    for key, flag in FLAGS.items():
        message = message.replace(f"--set {key}", flag)
    return message.replace("data.root", "--data_dir")


def scores(result: dict[str, Any]) -> str:
    """`accuracy: train 0.9975, test 1.0000`."""
    found = {split: result[f"{split}_accuracy"] for split in ("train", "validation", "test")}
    return "accuracy: " + ", ".join(f"{name} {value:.4f}" for name, value in found.items() if value is not None)


@final
class Printer:
    """One line an evaluation."""

    def data(self, what: str, done: int, total: int) -> None:
        """Nothing."""

    def started(self, what: str, steps: int) -> None:
        """The engine, and how far it will go."""
        print(f"{ENGINES[what]}, {plural(steps, 'step')}")

    def stepped(self, step: int, loss: float | None = None) -> None:
        """Nothing."""

    def evaluated(self, row: HistoryRow) -> None:
        """Step, epoch, training loss, accuracies."""
        print(f"step {row.step:,}, epoch {row.epoch:g}: loss {row.train_loss:.4f}, {scores(row._asdict())}")

    def note(self, text: str) -> None:
        """As it is."""
        print(text)
