"""The function that gives the accounts of each kind of layer: the tables of the families, joined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twofold.probe.microscope import activations, dense, norms, pooling, recurrent, windows
from twofold.probe.microscope.account import Explanation
from twofold.probe.microscope.subject import Explainers, Subject
from twofold.recipe.layer import LayerSpec

EXPLAINED: Explainers = {
    **dense.EXPLAINED,
    **windows.EXPLAINED,
    **pooling.EXPLAINED,
    **norms.EXPLAINED,
    **recurrent.EXPLAINED,
    **activations.EXPLAINED,
}


def explained_by(kind: type[LayerSpec]) -> Callable[[Subject, Any], Explanation]:
    """The function that gives the accounts of a kind of layer: its own row of the table, else that of its family.

    Raises `TypeError` where there is neither; `tests/test_microscope.py` tries every kind of a recipe.
    """
    for family in kind.__mro__:
        if family in EXPLAINED:
            return EXPLAINED[family]
    raise TypeError(f"no account of {kind.__name__}")


def explain(subject: Subject) -> Explanation:
    """The accounts of a layer that have all their arrays: before the first layer with parameters there is no dy."""
    explanation = explained_by(type(subject.node.spec))(subject, subject.node.spec)
    arrays = {**subject.arrays(), **explanation.derived}
    held = tuple(
        account
        for account in explanation.accounts
        if all(name in arrays for name in (account.own, account.kept) if name)
        and all(not f.array or f.array in arrays for summand in account.summands for f in summand.factors)
    )
    return Explanation(held, explanation.derived)
