"""What depends on the task in the scripts: the loss of classes, numbers or labels, and how answers are judged."""

from __future__ import annotations

from collections.abc import Mapping

from twofold.engine import answered
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
"""What is known of a loss of numbers or labels: no weights, and one network."""
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
"""How the answers to the test samples are judged, by task, in words and in code."""
BY_STEP = '''def {name}(outputs, target):
    """The loss of sequences answered step by step: an answered step counts as a sample; elsewhere the gradient is 0."""
    there = answered(target)
    loss, gradient = {loss}(outputs[there], target[there])
    dy = np.zeros_like(outputs)
    dy[there] = gradient
    return loss, dy'''
ANSWERED = """{indent}there = answered({y})
{indent}{outputs}, {y} = {outputs}[there], {y}[there]
"""
"""The lines that leave out steps without an answer, where each step may have one."""
IN_PARTS = '''def validate(predict, dtype):
    """The share of right answers on the validation samples, and their mean loss, summed in 64 bits."""
    x, y = samples("validation", dtype)
    total, right, count = 0.0, 0, 0
    for start in range(0, len(x), {batch}):
        outputs, target = predict(x[start : start + {batch}]), y[start : start + {batch}]
{answered}        total += {loss}(outputs.astype(np.float64), target)[0] * len(target)
        right += {right}
        count += len(target)
    return right / count, total / count
'''
WHOLE = '''def validate(predict, dtype):
    """The share of the variance of the validation numbers that is predicted, and their mean loss, in 64 bits."""
    x, y = samples("validation", dtype)
    parts = [predict(x[start : start + {batch}]) for start in range(0, len(x), {batch})]
    outputs, target = np.concatenate(parts).astype(np.float64), y.astype(np.float64)
{answered}    return r_squared(outputs, target), {loss}(outputs, target)[0]
'''
RIGHT = {
    "classification": "int((outputs.argmax(axis=-1) == target).sum())",
    "multi_label": "float(((outputs > 0) == (target > 0.5)).mean(axis=-1).sum())",
}


def loss_function(parts: Parts, recipe: Recipe, in_data: bool = False) -> str:
    """Put the recipe's loss into `parts`; returns the name of its function.

    Where every step has an answer it is the loss over these. With `in_data` the loss of one answer per sample is in
    `data.py` already.
    """
    loss = f"data.{recipe.loss.kind}" if in_data else _plain_loss(parts, recipe)
    if not recipe.network.each_step:
        return loss
    parts.function(answered)
    name = f"{recipe.loss.kind}_by_step"
    parts.texts[name] = BY_STEP.format(name=name, loss=loss)
    return name


def _plain_loss(parts: Parts, recipe: Recipe) -> str:
    """Put the loss of samples with one answer each into `parts`; returns the name of its function."""
    options, kind = recipe.loss.model_dump(exclude={"kind"}), recipe.loss.kind
    if recipe.task != "classification":
        return _termwise(parts, kind, options)
    return parts.function(losses.LOSSES[kind], options | {"target.ndim == 1": True, "terms.ndim == 1": True})


def _termwise(parts: Parts, kind: str, options: Mapping[str, object]) -> str:
    """Put a loss of numbers or labels into `parts`, its terms and their reduction; returns the name of its function."""
    terms = parts.function(TERMS[kind], {**options, **UNWEIGHTED})
    whole = parts.function(reduced, {**options, **UNWEIGHTED})
    doc = "The loss of a batch, and its gradient with respect to the outputs."
    parts.texts[kind] = f'def {kind}(outputs, target):\n    """{doc}"""\n    return {whole}({terms}(outputs, target))'
    return kind


def validated(parts: Parts, recipe: Recipe, batch: int) -> str:
    """The source of `validate`, which judges the validation samples as the run does."""
    loss = _plain_loss(parts, recipe)
    if recipe.task == "regression":
        parts.function(r_squared)
        return WHOLE.format(batch=batch, loss=loss, answered=answered_only(parts, recipe, "outputs", "target"))
    chosen = answered_only(parts, recipe, "outputs", "target", " " * 8)
    return IN_PARTS.format(batch=batch, loss=loss, right=RIGHT[recipe.task], answered=chosen)


def judged(parts: Parts, recipe: Recipe) -> tuple[str, str]:
    """How the answers to the test samples are judged, in words and in code."""
    what, code = JUDGED[recipe.task]
    if recipe.network.each_step:
        code = code.replace(" samples", " steps")
    return what, answered_only(parts, recipe, "answers", "y") + code


def answered_only(parts: Parts, recipe: Recipe, outputs: str, y: str, indent: str = " " * 4) -> str:
    """The lines that leave out steps without an answer; an empty text where each sample has one answer."""
    if not recipe.network.each_step:
        return ""
    parts.function(answered)
    return ANSWERED.format(outputs=outputs, y=y, indent=indent)
