"""Which classes are taken for which."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twofold.arrays import Array
from twofold.runs import Run
from twofold.runs.evidence import evidence, predicted


@dataclass(frozen=True)
class Mistake:
    """`count` of the `samples` of class `true` are taken for class `taken`."""

    true: str
    taken: str
    count: int
    samples: int

    @property
    def percent(self) -> float:
        """The mistake's share of the samples of the true class, in per cent."""
        return 100 * self.count / self.samples


@dataclass(frozen=True)
class ClassScore:
    """How many samples of a class are answered right, and what the others are most often taken for."""

    name: str
    samples: int
    right: int
    mistake: Mistake | None
    """`None` where all are right."""

    @property
    def accuracy(self) -> float | None:
        """The share of the class's samples that are answered right; `None` for a class without samples."""
        return self.right / self.samples if self.samples else None


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix: rows are true classes, columns predicted ones."""

    engines: tuple[str, ...]
    """The engines that predict exactly this."""
    classes: tuple[str, ...]
    counts: Array
    """Samples, (classes, classes)."""

    @property
    def samples(self) -> Array:
        """How many samples each true class has, (classes,)."""
        return self.counts.sum(axis=1)

    @property
    def percent(self) -> Array:
        """Each row in per cent of its samples; a class without samples is a row of NaN."""
        with np.errstate(invalid="ignore"):
            return 100 * self.counts / self.samples[:, None]

    @property
    def wrong(self) -> int:
        """How many samples are answered wrong: those off the diagonal."""
        return int(self.counts.sum() - np.trace(self.counts))

    def scores(self) -> list[ClassScore]:
        """The score of each class, in the order of the classes."""
        return [self._score(c) for c in range(len(self.classes))]

    def _score(self, true: int) -> ClassScore:
        samples, right = int(self.samples[true]), int(self.counts[true, true])
        others = self.counts[true].copy()
        others[true] = 0
        taken = int(others.argmax())
        mistake = Mistake(self.classes[true], self.classes[taken], int(others[taken]), samples)
        return ClassScore(self.classes[true], samples, right, mistake if mistake.count else None)

    def worst(self, most: int = 3) -> list[Mistake]:
        """The most frequent mistakes, by their share of the true class, then by their number."""
        true, taken = np.nonzero(self.counts * (1 - np.eye(len(self.classes), dtype=int)))
        mistakes = [
            Mistake(self.classes[i], self.classes[j], int(self.counts[i, j]), int(self.samples[i]))
            for i, j in zip(true, taken, strict=True)
        ]
        return sorted(mistakes, key=lambda mistake: (-mistake.percent, -mistake.count))[:most]


def confusion(run: Run) -> list[Confusion]:
    """One matrix for all engines that predict the same, else one for each; empty where none finished."""
    classes = tuple(run.record.data.classes)
    if run.record.data.task != "classification":
        return []
    groups: list[tuple[list[str], Array]] = []
    for engine, predictions in predicted(run).items():
        same = next((group for group in groups if np.array_equal(group[1], predictions)), None)
        if same:
            same[0].append(engine)
        else:
            groups.append(([engine], predictions))
    return [
        Confusion(
            tuple(engines),
            classes,
            _counts(evidence(run)["target"], predictions, len(classes)),
        )
        for engines, predictions in groups
    ]


def _counts(true: Array, taken: Array, classes: int) -> Array:
    """How many samples of each true class are taken for which, (true class, class taken)."""
    return np.bincount(true * classes + taken, minlength=classes**2).reshape(classes, classes)
