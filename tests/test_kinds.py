"""Every kind of layer answers every question about itself, and what it answers is true of both engines."""

from __future__ import annotations

import inspect
from typing import ClassVar, Literal

import numpy as np
import pytest

from cases import LAYERS, LayerCase, assert_same, kinds
from twofold.arrays import Array
from twofold.numpy_engine.held import held_bytes
from twofold.numpy_engine.layer import Mode
from twofold.numpy_engine.layers import LAYERS as BUILDERS
from twofold.numpy_engine.layers import build_layer
from twofold.recipe.activations import Elementwise
from twofold.recipe.layer import LayerSpec, Plain
from twofold.recipe.layers import Layer
from twofold.torch_engine.modules import MODULES

KINDS = kinds(Layer)
ENOUGH = 3
"""Kinds that a test must have found to mean anything."""


def facts(kind: type[LayerSpec]) -> set[str]:
    """The class variables that a family declares and does not set: each kind says its own."""
    ancestors = [base for base in kind.__mro__ if issubclass(base, LayerSpec)]
    return {
        name
        for base in ancestors
        for name, annotation in inspect.get_annotations(base).items()
        if str(annotation).startswith("ClassVar")
    }


def unanswered(kind: type[LayerSpec]) -> list[str]:
    """The questions that a kind leaves open."""
    return sorted(kind.__abstractmethods__ | {name for name in facts(kind) if not hasattr(kind, name)})


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_answers_every_question(kind: str) -> None:
    assert unanswered(KINDS[kind]) == []


def test_what_a_kind_leaves_open_is_named() -> None:
    class Silent(LayerSpec):
        kind: Literal["silent"] = "silent"

    class Half(Plain):
        stacks: ClassVar[bool] = True
        kind: Literal["half"] = "half"

    class NoFormula(Elementwise):
        kind: Literal["no_formula"] = "no_formula"

    methods = {
        "refuses", "output_shape", "working_shape", "parameters", "buffer_shapes", "mask_shape",
        "kept", "watched", "only_first", "equations",
    }  # fmt: skip
    assert set(unanswered(Silent)) == {*methods, "stacks"}
    assert set(unanswered(Half)) == methods - {"working_shape", "buffer_shapes", "mask_shape", "watched"}
    assert unanswered(NoFormula) == ["asleep", "formulas"]
    with pytest.raises(TypeError, match="abstract"):
        Half()  # pyright: ignore[reportAbstractUsage]


def test_both_engines_build_every_kind_and_nothing_else() -> None:
    assert set(BUILDERS) == set(MODULES) == set(KINDS.values())


STACKING = [case for case in LAYERS if case.spec.stacks and case.replicas is None]


def test_there_are_kinds_that_stack_and_kinds_that_do_not() -> None:
    stacking = {case.kind for case in STACKING}
    assert len(stacking) > ENOUGH
    assert len(set(KINDS) - stacking) > ENOUGH


def replica(case: LayerCase, number: int) -> dict[str, Array]:
    """Inputs, gradients and parameters of one of several networks that have the case's layer."""
    factor = 1 + number / 4
    params = {name: array * factor for name, array in case.params().items()}
    return {"x": case.x(), "dy": case.dy() * factor, **params}


@pytest.mark.parametrize("case", STACKING, ids=lambda case: case.name)
def test_a_kind_that_says_it_stacks_takes_replicas_as_if_each_were_alone(case: LayerCase) -> None:
    layer = build_layer(case.spec)
    alone = [replica(case, number) for number in range(3)]
    stacked = {name: np.stack([arrays[name] for arrays in alone]) for name in alone[0]}
    mask = case.mask()

    def passed(arrays: dict[str, Array], mode: Mode) -> dict[str, Array]:
        params = {name: array for name, array in arrays.items() if name not in ("x", "dy")}
        y, cache = layer.forward(params, arrays["x"], mode)
        dx, grads = layer.backward(params, cache, arrays["dy"])
        assert dx is not None
        return {"y": y, "dx": dx, **grads}

    ours = passed(stacked, Mode(True, None if mask is None else np.stack([mask] * 3), lead=1))
    for number, arrays in enumerate(alone):
        for name, array in passed(arrays, Mode(True, mask)).items():
            assert_same(ours[name][number], array, name)


@pytest.mark.parametrize("case", [c for c in LAYERS if c.trains and c.replicas is None], ids=lambda case: case.name)
def test_what_a_kind_says_it_keeps_covers_what_its_cache_holds(case: LayerCase) -> None:
    """Within what memory is asked for: the estimate is never below half of what is kept, its output with it."""
    x = case.x()
    y, cache = build_layer(case.spec).forward(case.held(), x, Mode(True, case.mask()))
    (measured,) = held_bytes([(cache, y)], beside=x)
    assert case.spec.kept(case.shape[1:]).by_hand * len(x) * x.itemsize >= measured / 2
