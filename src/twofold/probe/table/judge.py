"""A trained network and the held-out rows of a table: its answers, and how wrong it is on each row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from twofold.arrays import Array
from twofold.data import Dataset
from twofold.data.columns.fitted import Fitted
from twofold.engine import Engine
from twofold.recipe import Recipe
from twofold.setup.needed import evaluation_batch
from twofold.setup.outputs import SMALLEST, probabilities


class Variable(NamedTuple):
    """A user's column, and the place of its numbers in a row of the network's input."""

    name: str
    place: slice
    fitted: Fitted | None
    """The column as it was fitted; `None` for a plain number."""


def variables(dataset: Dataset) -> list[Variable]:
    """The features by their own names, in the order of the table; a column without a name is called by its number."""
    if dataset.columns is not None:
        return [Variable(column.name, place, column) for column, place in dataset.columns.places()]
    names = dataset.features or tuple(f"x{at + 1}" for at in range(dataset.train.x.shape[1]))
    return [Variable(name, slice(at, at + 1), None) for at, name in enumerate(names)]


@dataclass(frozen=True, eq=False)
class Judge:
    """One engine of a run over the samples held out, (rows, features) as the network sees them."""

    recipe: Recipe
    engine: Engine
    dataset: Dataset

    @cached_property
    def x(self) -> Array:
        """The rows held out."""
        return self.dataset.held_out[1].floats().astype(self.recipe.training.dtype, copy=False)

    @cached_property
    def target(self) -> Array:
        """The targets of these rows: classes or labels, or numbers in the unit in which the network answers."""
        return self.dataset.held_out[1].y

    @cached_property
    def _spread(self) -> Array:
        """The standard deviation of each number to predict."""
        std = self.target.astype(np.float64).std(axis=0)
        return np.where(std > 0, std, 1.0)

    def answers(self, x: Array) -> Array:
        """The answers to rows x: probabilities, (rows, classes or labels), or else outputs, or numbers, unchanged."""
        return np.concatenate(list(self._parts(x)))

    def _parts(self, x: Array) -> Iterator[Array]:
        size = evaluation_batch(self.recipe.network)
        for start in range(0, len(x), size):
            outputs = self.engine.predict(x[start : start + size])
            p = None if self.recipe.task == "regression" else probabilities(self.recipe.model, outputs)
            yield outputs.astype(np.float64) if p is None else p

    def losses(self, answers: Array, rows: Array | slice = slice(None)) -> Array:
        """How wrong each answer is, (rows,).

        For classes and labels −log p in nats, the mean over labels; if outputs are no probabilities, 1 for a wrong
        class, else 0. For numbers the squared error over the variance of the held-out numbers, the mean over several
        targets: its mean over all held-out rows is 1 − R².
        """
        target = self.target[rows]
        if self.recipe.task == "regression":
            return np.square((answers - target) / self._spread).mean(axis=1)
        if self.recipe.task == "multi_label":
            return -np.log(np.maximum(np.where(target > 0.5, answers, 1 - answers), SMALLEST)).mean(axis=1)
        if not self.recipe.loss.takes_logits:
            return (answers.argmax(axis=1) != target).astype(np.float64)
        return -np.log(np.maximum(answers[np.arange(len(target)), target], SMALLEST))

    def in_unit(self, numbers: Array) -> Array:
        """Answers as their owner reads them: numbers to predict in their own unit."""
        scaling = self.dataset.target_scaling
        return numbers if scaling is None else numbers * scaling.divisor + scaling.shift
