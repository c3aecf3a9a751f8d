"""The tables of `cases.py` leave nothing out: a kind or an option without a case fails here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from cases import INITIALS, LAYERS, LOSSES, OPTIMIZERS, SCHEDULES, kinds
from twofold.recipe import layers, losses, optimizers, training

FROM_FILES = [training.FromFile(path="a"), training.FromFile(path="b", sha256="0" * 64)]
"""They draw nothing, and are tried in tests/test_adopt.py."""
TABLES: dict[str, tuple[Any, list[Any]]] = {
    "layers": (layers.Layer, [case.spec for case in LAYERS]),
    "losses": (losses.Loss, [case.spec for case in LOSSES]),
    "optimizers": (optimizers.Optimizer, list(OPTIMIZERS.values())),
    "schedules": (training.Schedule, [case.spec for case in SCHEDULES.values()]),
    "initial weights": (training.Initial, [*INITIALS.values(), *FROM_FILES]),
}


def untested(union: Any, specs: Iterable[Any]) -> list[str]:
    """Each kind without a case, and each option that has one value in all cases."""
    found = []
    for kind, model in kinds(union).items():
        cases = [spec for spec in specs if type(spec) is model]
        found += [] if cases else [kind]
        for name in model.model_fields.keys() - {"kind", "lr"}:
            if cases and len({getattr(spec, name) for spec in cases}) < 2:
                found.append(f"{kind}.{name}")
    return sorted(found)


@pytest.mark.parametrize("table", TABLES)
def test_every_kind_and_option_has_a_case(table: str) -> None:
    union, specs = TABLES[table]
    assert untested(union, specs) == []


def test_a_missing_kind_and_a_missing_option_are_named() -> None:
    specs = [optimizers.Sgd(), optimizers.Adam(), optimizers.Adam(eps=1e-3), optimizers.Rmsprop()]
    missing = untested(optimizers.Optimizer, specs)
    assert "adamw" in missing
    assert "adam.eps" not in missing
    assert {"adam.betas", "sgd.nesterov", "rmsprop.alpha"} <= set(missing)


@pytest.mark.parametrize("table", TABLES)
def test_every_spec_is_a_kind_of_the_recipe(table: str) -> None:
    union, specs = TABLES[table]
    assert {type(spec) for spec in specs} == set(kinds(union).values())


def test_every_layer_has_a_case_for_central_differences() -> None:
    assert {case.kind for case in LAYERS if case.smooth} == set(kinds(layers.Layer))


def test_names_are_unique() -> None:
    for table in (LAYERS, LOSSES):
        names = [case.name for case in table]
        assert len(set(names)) == len(names)
