"""The studies of palindromes: accuracy against length, how far a vanilla network remembers, and why.

    python benchmarks/palindromes.py [STUDY ...]

Writes docs/palindromes.md with its pictures and tables. Runs all studies, or those named: of the others the tables that
an earlier call wrote to docs/pictures/ are taken. Goes on where it was stopped; what is under studies/ is kept.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from timing import machine, table

import twofold
from twofold.cli import progress
from twofold.report import write_study_report
from twofold.study import StudyResult

DOCS = Path(__file__).parents[1] / "docs"
LENGTHS = "palindrome-lengths"
GATES = "palindrome-gates"
LIMITS = ("palindrome-long", "palindrome-limits", "palindrome-1000")
"""The studies of the vanilla network: of 50 digits, of hundreds, of a thousand."""
SEEDS = {"palindrome-long": 5, "palindrome-1000": 5}
"""Recipes that are run as studies of so many seeds."""
SETTINGS = {"palindrome-1000": {"training.evaluate_every": 500}}
"""An evaluation of a thousand steps takes its time."""
ONE_LENGTH = {"palindrome-long": 50, "palindrome-1000": 1000}
NETWORKS = {
    "palindrome": "vanilla, as in the documents (blue circles)",
    "palindrome-long": "vanilla, trained to remember (vermillion squares)",
    "palindrome-lstm": "LSTM (green triangles)",
    "palindrome-gru": "GRU (purple diamonds)",
}
PASSES = 0.99
FIGURES = ["mean test accuracy", "lowest", "seeds at 0.99 or more", "s of training"]


def main() -> None:
    wanted = sys.argv[1:] or [LENGTHS, GATES, *LIMITS]
    tables = {name: _table(name, name in wanted) for name in (LENGTHS, GATES, *LIMITS)}
    page = _page(tables)
    (DOCS / "palindromes.md").write_text(page, "utf-8")
    print(page)


def _table(name: str, run: bool) -> pd.DataFrame:
    """A row a point: from a study that is run now, else as an earlier call wrote it."""
    path = DOCS / "pictures" / f"{name}.csv"
    if run:
        result = _run(name)
        result.table.to_csv(path, index=False)
        if name == LENGTHS:
            _write_pictures(result)
    points = pd.read_csv(path)
    return points.assign(**{"data.length": ONE_LENGTH[name]}) if name in ONE_LENGTH else points


def _write_pictures(result: StudyResult) -> None:
    page = write_study_report(result).read_text("utf-8")
    for name, label in {
        "palindrome-lengths.svg": "Test accuracy against length of the palindrome",
        "palindrome-carried.svg": "Gradient carried before training against length of the palindrome",
    }.items():
        (figure,) = re.findall(rf'<svg[^>]*aria-label="{re.escape(label)}".*?</svg>', page, re.DOTALL)
        (DOCS / "pictures" / name).write_text(figure, "utf-8")


def _run(name: str) -> StudyResult:
    with progress.shown(True) as watcher:
        return twofold.run_study(name, seeds=SEEDS.get(name), overrides=SETTINGS.get(name, {}), watcher=watcher)


def _page(tables: dict[str, pd.DataFrame]) -> str:
    lengths, gates = tables[LENGTHS], tables[GATES]
    limits = pd.concat([tables[name] for name in LIMITS])
    minutes = lengths["seconds"].sum() / 60
    return f"""# Palindromes: memory over time

Written by `python benchmarks/palindromes.py`, which runs the studies `{LENGTHS}`, `{GATES}` and
`palindrome-limits` and the recipes `palindrome-long` and `palindrome-1000`.

A network reads all digits of a palindrome but the last and answers the last, which is the first: it must carry
one digit through every step, past all the others. Test palindromes were never trained on (of two digits there
are only ten: there the test set is what is trained on).

## Accuracy against length

<img src="pictures/palindrome-lengths.svg" width="620" alt="Test accuracy of four networks against the
palindrome's length">

Test accuracy, mean over five seeds, in brackets the lowest; in the picture every seed is a dot, and the shade is
the 95 % interval of the mean (Student's t). {minutes:.0f} minutes of training in all, one thread each.

{_accuracies(lengths)}

[The table of all points](pictures/palindrome-lengths.csv). LSTM and GRU stand here with the documents' settings,
made for another network; below they stand with their own.

## Why: the gradient on its way back

The documents say that the gradient vanishes. Measured before training, ‖∂L/∂h(1)‖ over ‖∂L/∂h(T − 1)‖, the
share of the last step's gradient that reaches the first, geometric mean over the seeds:

<img src="pictures/palindrome-carried.svg" width="420" alt="Share of the gradient that reaches the first step,
before training">

{_carried(lengths)}

{_explained(lengths)}

## LSTM and GRU, trained to remember

The remedy that the documents name, with gates that begin spread over the steps to remember (`chrono`, Tallec and
Ollivier, 2018), Adam, a falling rate and lengths that grow: `palindrome-lstm-long`, `palindrome-gru-long`. Five seeds;
the seconds beside other work.

{_gates(gates)}

[The table of all points](pictures/palindrome-gates.csv).

## How far a vanilla network remembers

The networks of `palindrome-long` (50), `palindrome-200` (beyond) and `palindrome-1000`: the same equations, W_hh
orthogonal times 1.1 to begin with, Adam, a falling rate, clipping at 1, and beyond 50 lengths that grow. Five
seeds, three of 1,000.
The longest that was published for a trained tanh network is 50, in one run.

{_limits(limits)}

{_longest(limits)} Tables of all points: {_links(LIMITS)}.

{_stopped(limits)}

## In a PyTorch loop of one's own

```python
from torch.utils.data import DataLoader

from twofold import PalindromeDataset

train = PalindromeDataset(5)  # without end; total_len=600 holds so many
test = PalindromeDataset(5, train=False)  # those that `train` never shows
x, y = next(iter(DataLoader(train, batch_size=128)))
print(x.shape, y.shape, len(test))  # torch.Size([128, 4]) torch.Size([128]) 200
print(train.generate_palindrome())  # all five digits
```

Measured with {machine()}.
"""


def _links(names: Sequence[str]) -> str:
    return ", ".join(f"[{name}](pictures/{name}.csv)" for name in names)


def _gates(points: pd.DataFrame) -> str:
    rows = []
    for length, part in _by_length(points):
        for name, label in {"palindrome-lstm-long": "LSTM", "palindrome-gru-long": "GRU"}.items():
            if len(some := part[part["recipe"] == name]):
                rows.append([str(length), label, *_figures(some)])
    return table(["length", "network", *FIGURES], rows)


def _stopped(points: Any) -> str:
    """What stops the network at its longest: the gradient's way back, of those that learned and those that did not."""
    longest = points[points["data.length"] == points["data.length"].max()]
    lines = list[str]()
    for words, part in {
        "that pass 0.99": longest[longest["test_accuracy"] >= PASSES],
        "that stay below": longest[longest["test_accuracy"] < PASSES],
    }.items():
        if len(part):
            before, after = (_mean_share(part[f"carried_{when}"]) for when in ("before", "after"))
            lines.append(f"in the {len(part)} {words} {before} before training and {after} after it")
    length = int(points["data.length"].max())
    return f"At {length:,} the share of ∂L/∂h(T − 1) that reaches h(1) is\n{', '.join(lines)} (geometric means)."


def _mean_share(shares: Any) -> str:
    return f"{np.exp(np.log(np.maximum(shares, 1e-45)).mean()):.2g}"


def _by_length(points: pd.DataFrame) -> list[tuple[int, Any]]:
    return [(int(length), points[points["data.length"] == length]) for length in np.unique(points["data.length"])]


def _accuracies(points: pd.DataFrame) -> str:
    rows = []
    for length, part in _by_length(points):
        scores = [part[part["recipe"] == name]["test_accuracy"] for name in NETWORKS]
        rows.append([str(length), *(f"{each.mean():.3f} ({each.min():.3f})" for each in scores)])
    return table(["length", *NETWORKS.values()], rows)


def _carried(points: pd.DataFrame) -> str:
    rows = []
    for length in (5, 10, 20, 30):
        at = points[points["data.length"] == length]
        shares = [at[at["recipe"] == name]["carried_before"] for name in NETWORKS]
        rows.append([str(length), *(f"{np.exp(np.log(np.maximum(each, 1e-45)).mean()):.1e}" for each in shares)])
    return table(["length, before training", *NETWORKS.values()], rows)


def _explained(points: pd.DataFrame) -> str:
    """Of the networks of the documents, the share after training, of those that learned and those that did not."""
    long = points[(points["data.length"] >= 10) & (points["recipe"] == "palindrome")]
    parts = []
    for word, part in (
        ("that pass 0.99", long[long["test_accuracy"] >= PASSES]),
        ("that stay below", long[long["test_accuracy"] < PASSES]),
    ):
        if len(part):
            share = np.exp(np.log(np.maximum(part["carried_after"], 1e-45)).mean())
            parts.append(f"{share:.2g} in the {len(part)} of the documents' networks {word}")
    return f"After training, of lengths from 10 on, it is {', and '.join(parts)}\n(geometric means)."


def _limits(points: pd.DataFrame) -> str:
    rows = []
    for length, part in _by_length(points):
        rows.append([str(length), *_figures(part)])
    return table(["length", *FIGURES], rows)


def _figures(points: Any) -> list[str]:
    scores = points["test_accuracy"]
    passed = int((scores >= PASSES).sum())
    return [
        f"{scores.mean():.4f}",
        f"{scores.min():.4f}",
        f"{passed} of {len(points)}",
        f"{points['seconds'].mean():.0f}",
    ]


def _longest(points: pd.DataFrame) -> str:
    whole = [length for length, part in _by_length(points) if (part["test_accuracy"].fillna(0) >= PASSES).all()]
    return f"The longest at which all seeds pass 0.99: {max(whole)}." if whole else "At none do all seeds pass 0.99."


if __name__ == "__main__":
    main()
