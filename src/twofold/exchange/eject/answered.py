"""What the scripts know of a task: the loss of classes, numbers or labels, and by what answers are judged."""

from __future__ import annotations

from collections.abc import Mapping

from twofold.exchange.eject.source import Parts
from twofold.numpy_engine import losses
from twofold.numpy_engine.term_losses import TERMS, reduced
from twofold.recipe import Recipe
from twofold.train.loop import r_squared

UNWEIGHTED = {
    "target.ndim == outputs.ndim": True,
    "weight": None,
    "weight is not None": False,
    "own is None": True,
    "np.ndim(divisor) == 0": True,
    "losses.ndim == 1": True,
}
"""Numbers or labels to answer, without weights, in one network."""
JUDGED = {
    "classification": (
        "The accuracy",
        '    print(f"test accuracy {(answers.argmax(axis=-1) == y).mean():.4f} of {len(y):,} samples")',
    ),
    "multi_label": (
        "The share of labels that are answered right",
        '    print(f"test accuracy {((answers > 0) == (y > 0.5)).mean():.4f} of the labels of {len(y):,} samples")',
    ),
    "regression": (
        "The share of the numbers' variance that is predicted",
        "    shares = ((y - answers) ** 2).sum(axis=0) / ((y - y.mean(axis=0)) ** 2).sum(axis=0)\n"
        '    print(f"test R² {1 - shares.mean():.4f} of {len(y):,} samples")',
    ),
}
"""By task what the answers to the test samples are judged by, in words and in code."""
IN_PARTS = '''def validate(predict, dtype):
    """The share of right answers on the validation samples, and their mean loss, summed in 64 bits."""
    x, y = samples("validation", dtype)
    total, right = 0.0, 0
    for start in range(0, len(x), {batch}):
        outputs, target = predict(x[start : start + {batch}]), y[start : start + {batch}]
        total += {loss}(outputs.astype(np.float64), target)[0] * len(target)
        right += {right}
    return right / len(y), total / len(y)
'''
WHOLE = '''def validate(predict, dtype):
    """The share of the variance of the validation numbers that is predicted, and their mean loss, in 64 bits."""
    x, y = samples("validation", dtype)
    parts = [predict(x[start : start + {batch}]) for start in range(0, len(x), {batch})]
    outputs, target = np.concatenate(parts).astype(np.float64), y.astype(np.float64)
    return r_squared(outputs, target), {loss}(outputs, target)[0]
'''
RIGHT = {
    "classification": "int((outputs.argmax(axis=-1) == target).sum())",
    "multi_label": "float(((outputs > 0) == (target > 0.5)).mean(axis=-1).sum())",
}


def loss_function(parts: Parts, recipe: Recipe) -> str:
    """The loss with the recipe's reduction and smoothing; gives its name."""
    options, kind = recipe.loss.model_dump(exclude={"kind"}), recipe.loss.kind
    if recipe.task != "classification":
        return _termwise(parts, kind, options)
    return parts.function(losses.LOSSES[kind], options | {"target.ndim == 1": True, "terms.ndim == 1": True})


def _termwise(parts: Parts, kind: str, options: Mapping[str, object]) -> str:
    """A loss of numbers or of labels: its terms, and what a batch's loss is of them; gives its name."""
    terms = parts.function(TERMS[kind], {**options, **UNWEIGHTED})
    whole = parts.function(reduced, {**options, **UNWEIGHTED})
    doc = "The loss of a batch, and its gradient with respect to the outputs."
    parts.texts[kind] = f'def {kind}(outputs, target):\n    """{doc}"""\n    return {whole}({terms}(outputs, target))'
    return kind


def validated(parts: Parts, recipe: Recipe, batch: int) -> str:
    """The function that judges the validation samples, as the run does."""
    loss = loss_function(parts, recipe)
    if recipe.task == "regression":
        parts.function(r_squared)
        return WHOLE.format(batch=batch, loss=loss)
    return IN_PARTS.format(batch=batch, loss=loss, right=RIGHT[recipe.task])
