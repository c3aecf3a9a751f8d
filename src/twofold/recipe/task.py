"""The task of a recipe, inferred from its loss: to answer a class, numbers, or which of several labels a sample has."""

from __future__ import annotations

from twofold.recipe.losses import LossSpec
from twofold.recipe.source import DataSpec, Task

__all__ = ["Task", "task_of", "task_rule"]


def task_of(loss: LossSpec, data: DataSpec, outputs: int) -> Task:
    """The task that a loss sets on data, for a network with this number of outputs.

    `mean_squared` compares with the ones and zeros of classes, or with numbers: these are meant where the data say so,
    or where there is one output, which could tell no classes apart.
    """
    match loss.targets:
        case "classes":
            return "classification"
        case "labels":
            return "multi_label"
        case "numbers":
            return "regression"
        case "classes or numbers":
            return "regression" if data.several_targets or outputs == 1 else "classification"


def task_rule(loss: LossSpec, data: DataSpec, outputs: int) -> str:
    """A sentence: why the loss does not suit the data; empty if it does."""
    kind = type(loss).model_fields["kind"].default
    source = type(data).model_fields["source"].default
    task = task_of(loss, data, outputs)
    if task == "classification" and data.several_targets:
        return f"`{kind}` judges one class a sample; the data hold several numbers a sample"
    if task == "classification":
        return ""
    if data.number_count is None:
        return f"`{kind}` compares with numbers of the data; the samples of `{source}` have classes"
    if data.number_count != outputs:
        return (
            f"`{kind}` wants an output for each number of a sample, {data.number_count}; the last layer gives {outputs}"
        )
    return ""
