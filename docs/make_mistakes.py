"""Writes docs/mistakes.md: the catalogue of mistakes, from its data, each with an example computed now."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from twofold.proof.check.compared import gaps
from twofold.proof.check.report import element
from twofold.proof.check.subject import Subject, subjects
from twofold.proof.mistakes import KINDS, MISTAKES, Mistake

PAGE = Path(__file__).parent / "mistakes.md"
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "conv2d": [{}, {"stride": 2, "padding": 1}, {"groups": 2, "channels": 6}],
    "max_pool2d": [{"kernel": 3, "stride": 2, "padding": 1}],
    "avg_pool2d": [{"kernel": 3, "stride": 2, "padding": 1}],
    "gelu": [{}, {"approximate": "tanh"}],
    "elu": [{"alpha": 0.7}],
    "leaky_relu": [{"negative_slope": 0.3}],
    "prelu": [{}, {"num_parameters": 3}],
    "batch_norm": [{}, {"eps": 0.01}],
    "layer_norm": [{}, {"axes": 2}],
    "rnn": [{}, {"output": "every"}],
    "lstm": [{}, {"output": "every"}],
    "gru": [{}, {"output": "every"}],
    "dropout": [{"p": 0.3}],
    "cross_entropy": [{}, {"label_smoothing": 0.2}, {"reduction": "sum"}, {"of": "probabilities"}],
    "mean_squared": [{}, {"reduction": "sum"}],
    "mean_absolute": [{}, {"reduction": "sum"}],
    "huber": [{"delta": 0.7}, {"reduction": "sum"}],
    "sgd": [{"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}, {"lr": 0.1, "momentum": 0.9, "nesterov": True}],
    "adam": [{"lr": 0.01, "weight_decay": 0.1}, {"lr": 0.01, "eps": 0.001}],
    "cosine": [{"eta_min": 0.1, "t_max": 15}],
    "linear": [{"start_factor": 0.3, "end_factor": 0.9, "total_iters": 12}],
}
"""Settings with which every mistake of a kind can be seen; other kinds take their defaults."""


def choices(kind: str) -> list[dict[str, Any]]:
    """The settings of a kind."""
    return SETTINGS.get(kind, [{}])


@cache
def subject(kind: str, number: int) -> Subject:
    """The inputs of a kind with its settings."""
    return subjects(kind, choices(kind)[number])[0]


@cache
def right(kind: str, number: int) -> list[Mapping[str, Any]]:
    """The right tensors."""
    return list(subject(kind, number).run())


def example(mistake: Mistake) -> tuple[str, str]:
    """The first kind in which it can be seen, and the first tensor that it makes wrong."""
    for kind in mistake.kinds:
        for number in range(len(choices(kind))):
            on = subject(kind, number)
            making = mistake.apply(on.making)
            predicted, expected = on.run(making), right(kind, number)
            if not any(predicted):
                continue
            with np.errstate(all="ignore"):
                found = gaps(predicted, expected, on.names, on.tolerances(expected, single=False))
            wrong = [gap for gap in found if not gap.ok]
            if wrong:
                return kind, element(wrong[0])
    return mistake.kinds[0], ""


def rows(kind: str) -> list[str]:
    """The mistakes that stand under a kind: those of which it is the first."""
    chosen = [mistake for mistake in MISTAKES if mistake.kinds[0] == kind]
    return [f"| `{m.id}` | {_cell(m.sentence)} | {_cell(m.hints[1])} | {_cell(example(m)[1])} |" for m in chosen]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def page() -> str:
    """The whole page."""
    lines = [
        "# Mistakes that Twofold knows",
        "",
        "`twofold check` names what is wrong with a layer, a loss, an optimizer, clipping or a schedule from this",
        f"catalogue of {len(MISTAKES)} mistakes, alone and two together. A mistake is a computation with one line",
        "changed; it is named only where its numbers are the student's, in every tensor of every batch.",
        "The example is its first wrong tensor on the standard inputs. Mistakes that several kinds share stand",
        "under the first of them. This page is written by `python docs/make_mistakes.py`.",
    ]
    for kind in KINDS:
        table = rows(kind)
        if table:
            lines += ["", f"## `{kind}`", "", "| name | what is wrong | the question that leads to it | example |"]
            lines += ["| --- | --- | --- | --- |", *table]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
