"""A batch under the microscope as plain values: one number written out, or a whole batch for a page."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.plain import finite
from twofold.probe.microscope.account import Account, Along, Factor, Summand
from twofold.probe.microscope.scope import LOSS, Microscope, Number
from twofold.probe.microscope.terms import Sum, Term
from twofold.probe.rows import step_of_loss
from twofold.probe.steps import operations

Json: TypeAlias = dict[str, object]
FORMAT = 1
"""The version of a record's form."""


def number_json(number: Number) -> Json:
    """A number as plain values: what `twofold walk --number NAME --json` prints. NaN and infinity are `None`."""
    return {
        "name": number.name,
        "layer": number.layer,
        "kind": number.kind,
        "array": number.account.what,
        "place": list(number.index),
        "equation": number.account.equation,
        "engines": {engine: sum_json(total) for engine, total in number.sums.items()},
        "update": {
            engine: [{"what": a.what, "equation": a.equation, **sum_json(total)} for a, total in moves]
            for engine, moves in number.update.items()
        },
    }


def sum_json(total: Sum) -> Json:
    """A sum and its terms as plain values."""
    return {
        "terms": [_term_json(term) for term in total.terms],
        "sum": finite(total.total),
        "own": finite(total.own),
        "gap": finite(total.gap),
        "winner": total.winner,
    }


def _term_json(term: Term) -> Json:
    return {
        "factors": [
            {"name": name, "value": finite(value)} for name, value in zip(term.names, term.factors, strict=True)
        ],
        "coefficient": finite(term.coefficient),
        "product": finite(term.product),
        "at": dict(term.at),
    }


@dataclass
class _Store:
    """A store of arrays in which equal arrays are kept only once."""

    blobs: list[Json] = field(default_factory=list)
    places: dict[tuple[object, ...], int] = field(default_factory=dict)

    def keep(self, arrays: Arrays) -> dict[str, int]:
        """Keep arrays; returns the number in the store of each, by name."""
        return {name: self._keep(array) for name, array in arrays.items()}

    def _keep(self, array: Array) -> int:
        kind, packed = packed_array(array)
        key = (kind, array.shape, packed)
        if key not in self.places:
            self.places[key] = len(self.blobs)
            self.blobs.append({"type": kind, "shape": list(array.shape), "data": packed})
        return self.places[key]


def packed_array(array: Array) -> tuple[str, str]:
    """The narrowest type that holds the numbers as they are, and their bytes in base64, least significant first."""
    wide = np.ascontiguousarray(array, np.float64)
    if not wide.any() and not np.signbit(wide).any():
        return "zeros", ""
    with np.errstate(all="ignore"):
        for kind, dtype in (("uint8", np.uint8), ("float32", np.float32)):
            narrow = wide.astype(dtype)
            if np.array_equal(narrow.astype(np.float64), wide, equal_nan=True):
                return kind, _text(narrow)
    return "float64", _text(wide)


def _text(array: Array) -> str:
    return base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()


def batch_json(scope: Microscope, about: Mapping[str, object], most: float = math.inf) -> Json | None:
    """A batch as plain values: every account and array; `None` if these take more than `most` characters.

    With it a page can write out any number by itself: see `twofold.probe.microscope.account`.
    """
    store, layers = _Store(), list[Json]()
    for layer in _layers(scope, store):
        layers.append(layer)
        if sum(len(str(blob["data"])) for blob in store.blobs) > most:
            return None
    return {"format": FORMAT, **about, "engines": list(scope.moments), "layers": layers, "arrays": store.blobs}


def layer_json(scope: Microscope, layer: str) -> Json:
    """One layer as plain values, in the form of `batch_json`, with the arrays that it names."""
    store = _Store()
    return {"layer": _layer(scope, store, layer, told(scope)[layer]), "arrays": store.blobs}


def _layers(scope: Microscope, store: _Store) -> Iterator[Json]:
    for layer, facts in told(scope).items():
        yield _layer(scope, store, layer, facts)


def told(scope: Microscope) -> dict[str, Json]:
    """Equations and shapes of every layer, and of the loss, for this batch."""
    n = len(scope.batch.target)
    layers: dict[str, Json] = {
        node.name: {
            "name": node.name,
            "kind": node.kind,
            "input": [n, *node.input_shape],
            "output": [n, *node.output_shape],
            "forward": [[line.equation, line.shapes] for line in forward],
            "backward": [[line.equation, line.shapes] for line in backward],
        }
        for node, forward, backward, _ in operations(scope.recipe.network, n)
    }
    step = step_of_loss(scope.recipe, scope.batch.target)
    shape = list(scope.explained(next(iter(scope.moments)), LOSS).arrays["y"].shape)
    loss: Json = {"name": LOSS, "kind": step.kind, "input": shape, "output": []}
    return layers | {LOSS: loss | {"forward": step.forward, "backward": step.backward}}


def _layer(scope: Microscope, store: _Store, layer: str, facts: Json) -> Json:
    engines = {engine: scope.explained(engine, layer) for engine in scope.moments}
    first = next(iter(engines.values()))
    arrays = {engine: store.keep(explained.arrays) for engine, explained in engines.items()}
    updates = dict[str, Json]()
    for name in scope.parameters(layer):
        moved = {engine: scope.updated(engine, layer, name) for engine in engines}
        updates[name] = {
            "accounts": [account_json(account) for account in next(iter(moved.values())).accounts],
            "arrays": {engine: store.keep(updated.arrays) for engine, updated in moved.items()},
        }
    accounts = [account_json(account) for account in first.accounts.values()]
    return {**facts, "accounts": accounts, "arrays": arrays, "updates": updates}


def account_json(account: Account) -> Json:
    """An account as plain values."""
    return {
        "what": account.what,
        "equation": account.equation,
        "axes": [list(axis) for axis in account.axes],
        "shape": list(account.shape),
        "summands": [_summand_json(summand) for summand in account.summands],
        "own": account.own,
        "kept": account.kept,
        "largest": account.largest,
    }


def _summand_json(summand: Summand) -> Json:
    return {
        "coefficient": finite(summand.coefficient),
        "over": [list(axis) for axis in summand.over],
        "factors": [_factor_json(factor) for factor in summand.factors],
    }


def _factor_json(factor: Factor) -> Json:
    told: Json = {"name": factor.name}
    if factor.account:
        told["account"] = factor.account
    else:
        told |= {"array": factor.array, "index": [_along_json(place) for place in factor.index]}
    if factor.equals is not None:
        told["equals"] = _along_json(factor.equals)
    if factor.root is not None:
        told["root"] = list(factor.root)
    return told


def _along_json(place: Along) -> Json:
    return {"steps": [list(step) for step in place.steps], "shift": place.shift, "divisor": place.divisor}
