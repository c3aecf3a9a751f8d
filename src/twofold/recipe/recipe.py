"""The recipe: frozen data that says everything about a run. No arrays, no mathematics."""

from __future__ import annotations

import re
from html import escape
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from twofold.recipe.augmentation import Augmentation
from twofold.recipe.base import Part, Shape
from twofold.recipe.data import Data
from twofold.recipe.fit import loss_misfits, misfits, notes
from twofold.recipe.hints import Hints
from twofold.recipe.layers import Layer
from twofold.recipe.losses import CrossEntropy, Loss
from twofold.recipe.model import Model
from twofold.recipe.network import Network, Node, infer, shape_text
from twofold.recipe.optimizers import Optimizer, Sgd
from twofold.recipe.source import DataSpec
from twofold.recipe.task import Task, task_of
from twofold.recipe.training import Constant, DefaultInitial, Initial, Schedule, Training

NAME = re.compile(r"[^./\\\x00-\x1f][^/\\\x00-\x1f]{0,99}")
NAME_RULE = "`name` must be fit for a folder: 1 to 100 characters, no slash, no point in front"
"""What a recipe may be called, as an expression and in words."""
HEAD = ("layer", "x", "y", "parameters", "count", "gradient dy → dx")
"""The heads of the table that a notebook shows."""


class Recipe(Part):
    """Data, layers, loss, optimizer, schedule, initial weights, augmentation and training of one run.

    Valid by construction: `RecipeError` lists what is wrong; `twofold.load_recipe` adds file and line.
    """

    title: str = ""
    """One line for people."""
    name: str = "recipe"
    """The recipe's name; left out, the file's without its ending."""
    data: Data
    layers: Annotated[tuple[Layer, ...], Field(strict=False, min_length=1)]
    loss: Loss = CrossEntropy()
    optimizer: Optimizer = Sgd()
    schedule: Schedule = Constant()
    initial: Initial = DefaultInitial()
    augmentation: Augmentation = Augmentation()
    training: Training = Training()
    page: Hints | None = None
    """What `twofold page` hides, locks and tells."""

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        if not NAME.fullmatch(name):
            raise ValueError(f"{NAME_RULE}; got {name[:60]!r}")
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
        """The network before it is trained: all that is needed without data and training."""
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
        """The task that the loss sets: `classification`, `regression` or `multi_label`."""
        return task_of(self.loss, self.data, self.network.classes)

    @property
    def samples(self) -> DataSpec:
        """The data with the task that the loss sets: what is loaded."""
        return self.data.asked(self.task, self.network.each_step)

    @property
    def notes(self) -> list[str]:
        """A sentence for each thing that is allowed and yet seldom meant."""
        return notes(self.data, self.model)

    def _repr_html_(self) -> str:
        return _html(self.title or self.name, self.network, self.notes)


def _html(heading: str, network: Network, notes: list[str]) -> str:
    """A table with one row a layer; N is the batch."""
    rows = [_row(node) for node in network.nodes]
    rows.append(["total", "", "", "", _count(network.count), ""])
    head = "".join(f"<th>{name}</th>" for name in HEAD)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    paragraphs = "".join(f"<p>Note: {escape(note)}</p>" for note in notes)
    return f"<b>{escape(heading)}</b><table><tr>{head}</tr>{body}</table>{paragraphs}"


def _row(node: Node) -> list[str]:
    x, y = shape_text(node.input_shape), shape_text(node.output_shape)
    parameters = "<br>".join(_parameter(node, name, shape) for name, shape in node.parameters.items())
    return [f"{node.name} {node.kind}", x, y, parameters, _count(node.count), f"{y} → {x}"]


def _parameter(node: Node, name: str, shape: Shape) -> str:
    return f"<code>{node.name}.{name}</code> {shape_text(shape, batch=False)}"


def _count(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"
