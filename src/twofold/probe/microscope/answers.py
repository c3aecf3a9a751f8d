"""Answers to a page's questions about a batch under the microscope."""

from __future__ import annotations

from collections.abc import Mapping

from twofold.engine import State
from twofold.errors import UserError
from twofold.plain import without_nan
from twofold.probe.microscope.record import Json, layer_json, number_json, told
from twofold.probe.microscope.scope import Microscope, Moment, under
from twofold.probe.passage import Passage

MOST_NUMBERS = 2_000_000
"""Numbers in the output, or a parameter, of a layer above which it is not sent to a page."""


def answer(passage: Passage, states: Mapping[str, State], query: Mapping[str, str]) -> Json:
    """The answer to a query: the batch's facts; with `layer`, its accounts and arrays; with `number`, one number.

    `states` are the engines' states before the batch, for a paused training: with moments, and weights that may differ.
    Raises `UserError` for an unknown layer or number, and for a layer too large for a page.
    """
    scope = _scope(passage, states)
    if "number" in query:
        return number_json(scope.find(query["number"]))
    if "layer" not in query:
        return {**about(passage, states), "layers": list(told(scope).values())}
    layer = query["layer"]
    if layer not in scope.kinds:
        raise UserError(f"there is no layer `{layer[:60]}`; there are {', '.join(scope.kinds)}")
    size = _largest(scope, layer)
    if size > MOST_NUMBERS:
        raise UserError(
            f"an array of layer {layer} holds {size:,} numbers, too many for a page; `twofold walk` writes out any of "
            f"them: --number '{layer}.y[...]'"
        )
    return layer_json(scope, layer)


def about(passage: Passage, states: Mapping[str, State]) -> Json:
    """Facts that tell which batch it is."""
    return {
        "recipe": passage.recipe.name,
        "weights": passage.weights,
        "data": passage.data,
        "split": passage.split,
        "first": passage.first,
        "samples": len(passage.batch.target),
        "sample": passage.place,
        "targets": without_nan(passage.batch.target.tolist()),
        "step": max((state.updates for state in states.values()), default=0),
        "dtype": passage.recipe.training.dtype,
        "engines": list(passage.traces),
    }


def _scope(passage: Passage, states: Mapping[str, State]) -> Microscope:
    scope = under(passage)
    moments = {name: Moment(states.get(name, at.state), at.trace) for name, at in scope.moments.items()}
    return Microscope(passage.recipe, scope.batch, moments)


def _largest(scope: Microscope, layer: str) -> int:
    """How many numbers the largest array of a layer holds."""
    trace = next(iter(scope.moments.values())).trace
    arrays = [array for name, array in trace.gradients.items() if name.startswith(f"{layer}.")]
    arrays += [trace.outputs[layer]] if layer in trace.outputs else []
    return max((array.size for array in arrays), default=0)
