"""The accuracy of each class, both engines side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twofold.analysis import ClassScore, Confusion, confusion
from twofold.report.text import ENGINES, SPLITS, joined, of_data, share
from twofold.runs import Run

MOST_CLASSES = 20


@dataclass(frozen=True)
class ClassTable:
    """Rows are classes; each engine, or both where they answer the same, has three columns."""

    caption: str
    engines: list[str]
    rows: list[tuple[str, str, list[tuple[str, str, str]]]]
    """Class, samples, and for each of `engines`: right, accuracy, most frequent mistake."""


def class_table_of(run: Run) -> ClassTable | None:
    """The table of a run; `None` where no engine finished, or there are more classes than one looks at."""
    return class_table(confusion(run), run.record.data.held_out, of_data(run))


def class_table(matrices: Sequence[Confusion], split: str, of: str = "") -> ClassTable | None:
    """The table of one or more confusion matrices; `None` without any, or with more than MOST_CLASSES classes."""
    if not matrices or len(matrices[0].classes) > MOST_CLASSES:
        return None
    columns = [confusion.scores() for confusion in matrices]
    rows = [
        (scores[0].name, f"{scores[0].samples:,}", [_cells(score) for score in scores])
        for scores in zip(*columns, strict=True)
    ]
    caption = (
        f"Right answers by true class on the {SPLITS[split]} samples{of}, and the class that the others are most often "
        "taken for."
    )
    worst = weakest_sentences({_who(c): scores for c, scores in zip(matrices, columns, strict=True)})
    return ClassTable(" ".join([caption, *worst]), [_who(confusion) for confusion in matrices], rows)


def weakest_sentences(scores: dict[str, list[ClassScore]]) -> list[str]:
    """The class with the lowest accuracy, by name, for each engine."""
    lines = []
    for who, classes in scores.items():
        worst = min((c for c in classes if c.samples), key=lambda c: c.accuracy or 0.0)
        where = f" in {who}" if len(scores) > 1 else ""
        if worst.mistake is None:
            lines.append(f"Every class is answered right throughout{where}.")
            continue
        lines.append(
            f"Weakest{where} is class {worst.name}: {worst.right:,} of {worst.samples:,} right "
            f"({share(worst.accuracy)}), {worst.mistake.count:,} taken for {worst.mistake.taken}."
        )
    return lines


def _who(confusion: Confusion) -> str:
    return joined([ENGINES[engine] for engine in confusion.engines])


def _cells(score: ClassScore) -> tuple[str, str, str]:
    mistake = f"{score.mistake.taken} ({score.mistake.count:,})" if score.mistake else "–"
    return f"{score.right:,}", share(score.accuracy), mistake
