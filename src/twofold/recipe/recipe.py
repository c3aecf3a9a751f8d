"""The recipe: frozen data that says everything about a run. No arrays, no mathematics."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from twofold.recipe.augmentation import Augmentation
from twofold.recipe.base import Part
from twofold.recipe.data import Data
from twofold.recipe.fit import loss_misfits, misfits, notes
from twofold.recipe.hints import Hints
from twofold.recipe.layers import Layer
from twofold.recipe.losses import CrossEntropy, Loss
from twofold.recipe.model import Model
from twofold.recipe.network import Network, infer
from twofold.recipe.optimizers import Optimizer, Sgd
from twofold.recipe.shown import recipe_html
from twofold.recipe.source import DataSpec
from twofold.recipe.task import Task, task_of
from twofold.recipe.training import Constant, DefaultInitial, Initial, Schedule, Training


class Recipe(Part):
    """Data, layers, loss, optimizer, schedule, initial weights, augmentation and training of one run.

    Valid by construction: `RecipeError` lists what is wrong; `twofold.load_recipe` says it
    with file and line.
    """

    title: str = ""
    """One line for people."""
    name: str = "recipe"
    """The file's name without its ending, where it gives none."""
    data: Data
    layers: Annotated[tuple[Layer, ...], Field(strict=False, min_length=1)]
    loss: Loss = CrossEntropy()
    optimizer: Optimizer = Sgd()
    schedule: Schedule = Constant()
    initial: Initial = DefaultInitial()
    augmentation: Augmentation = Augmentation()
    training: Training = Training()
    page: Hints | None = None
    """What `twofold page` hides, locks and says."""

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        if not re.fullmatch(r"[^./\\\x00-\x1f][^/\\\x00-\x1f]{0,99}", name):
            raise ValueError(
                f"`name` must be fit for a folder: 1 to 100 characters, no slash, no point in front; got {name[:60]!r}"
            )
        return name

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        _, faults = infer(
            self.data.sample_shape, self.layers, self.data.class_count, self.data.targets, self.data.answers_steps
        )
        wrong = [*faults, *misfits(self.data, self.layers, self.augmentation, self.training, self.schedule)]
        wrong += [] if faults else loss_misfits(self.data, self.layers, self.loss)
        if wrong:
            raise ValueError("; ".join(fault.rule for fault in wrong))
        return self

    @property
    def model(self) -> Model:
        """The network before it is trained: all that those need who have no data and no training."""
        return Model(
            layers=self.layers,
            shape=self.data.sample_shape,
            loss=self.loss,
            initial=self.initial,
            seed=self.training.seed,
        )

    @property
    def network(self) -> Network:
        """The layers with every shape resolved."""
        return infer(self.data.sample_shape, self.layers)[0]

    @property
    def task(self) -> Task:
        """What the network learns to answer, by the loss: `classification`, `regression` or `multi_label`."""
        return task_of(self.loss, self.data, self.network.classes)

    @property
    def samples(self) -> DataSpec:
        """The data, told what the loss asks of them: what is loaded."""
        return self.data.asked(self.task, self.network.each_step)

    @property
    def notes(self) -> list[str]:
        """What is allowed and yet seldom meant, one sentence each."""
        return notes(self.data, self.model)

    def _repr_html_(self) -> str:
        return recipe_html(self.title or self.name, self.network, self.notes)
