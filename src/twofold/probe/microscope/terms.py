"""The sum behind one number, written out factor by factor, beside the number that the engine computed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from twofold.arrays import Array, Arrays, gap
from twofold.probe.microscope.account import Account, Along, Factor, Summand


@dataclass(frozen=True)
class Term:
    """One product of a sum: coefficient · factor · factor ...."""

    names: tuple[str, ...]
    """The factors: `dy[3, 5]`, `x[3, 2]`."""
    factors: tuple[float, ...]
    coefficient: float
    product: float
    at: Mapping[str, int]
    """The values of the variables that are summed over: `{"n": 3}`."""


@dataclass(frozen=True)
class Sum:
    """A number as the sum of its terms, or, if it is the largest number of a window, as one of them."""

    terms: tuple[Term, ...]
    total: float
    """The sum of the products from the first to the last, in float64; or the largest."""
    own: float | None
    """The number that the engine itself computed; `None` if its trace does not have it."""
    winner: int | None = None
    """The place of the largest term, if the number is the largest and not the sum."""

    @property
    def gap(self) -> float | None:
        """How far the engine's number is from the sum, as `twofold.arrays.gap` measures it."""
        return None if self.own is None else gap(np.array(self.total), np.array(self.own))


@dataclass(frozen=True)
class _Products:
    """The terms of one summand, as arrays."""

    factors: list[Array]
    places: list[list[Array]]
    products: Array
    at: dict[str, Array]


def sum_of(accounts: Mapping[str, Account], what: str, arrays: Arrays, index: Sequence[int]) -> Sum:
    """The number of account `what` at `index`, a place in the array's own shape, written out."""
    account = accounts[what]
    flat = int(np.ravel_multi_index(tuple(index), account.shape)) if account.shape else 0
    variables = _variables(account, flat)
    terms = [
        term
        for summand in account.summands
        for term in _written(summand, _products(accounts, summand, arrays, variables))
    ]
    own = float(arrays[account.own].reshape(-1)[flat]) if account.own else None
    if account.largest:
        winner = max(range(len(terms)), key=lambda place: _rank(terms[place].product, place))
        return Sum(tuple(terms), terms[winner].product, own, winner)
    return Sum(tuple(terms), in_order(term.product for term in terms), own)


def _rank(product: float, place: int) -> tuple[bool, float, int]:
    """The rank of a term in a maximum: the first NaN wins, as in both engines, else the first of the largest."""
    return (True, 0.0, -place) if math.isnan(product) else (False, product, -place)


def value_of(accounts: Mapping[str, Account], what: str, arrays: Arrays, variables: Mapping[str, int]) -> float:
    """The value of an account at these variables: the sum without its terms."""
    return in_order(
        product
        for summand in accounts[what].summands
        for product in _products(accounts, summand, arrays, variables).products.tolist()
    )


def in_order(numbers: Iterable[float]) -> float:
    """The sum of numbers, added one after another; `sum` compensates for rounding from Python 3.12 on."""
    total = 0.0
    for number in numbers:
        total += number
    return total


def _variables(account: Account, flat: int) -> dict[str, int]:
    """The values of an account's variables at a place counted row by row."""
    if not account.axes:
        return {}
    values = np.unravel_index(flat, [axis.size for axis in account.axes])
    return {axis.name: int(value) for axis, value in zip(account.axes, values, strict=True)}


def _products(
    accounts: Mapping[str, Account], summand: Summand, arrays: Arrays, variables: Mapping[str, int]
) -> _Products:
    """All products of a summand at once, without those with a factor outside its array."""
    sizes = [axis.size for axis in summand.over]
    grid = np.indices(sizes).reshape(len(sizes), -1) if sizes else np.zeros((0, 1), int)
    at = dict(zip((axis.name for axis in summand.over), grid, strict=True))
    every = {name: np.array([value]) for name, value in variables.items()} | at
    is_term = np.ones(math.prod(sizes), bool)
    indices = list[list[Array]]()
    for factor in summand.factors:
        places, inside = _places(factor, arrays, every)
        is_term &= inside
        indices.append(places)
    at = {name: values[is_term] for name, values in at.items()}
    indices = [[np.broadcast_to(place, is_term.shape)[is_term] for place in places] for places in indices]
    factors = [
        _values(accounts, factor, arrays, places, variables, int(is_term.sum()))
        for factor, places in zip(summand.factors, indices, strict=True)
    ]
    products = np.full(int(is_term.sum()), summand.coefficient)
    for values in factors:
        products = products * values
    return _Products(factors, indices, products, at)


def _places(factor: Factor, arrays: Arrays, variables: Mapping[str, Array]) -> tuple[list[Array], Array]:
    """The index of a factor in its array for each term, and whether that is a place in the array."""
    if factor.account:
        return [], np.array(True)
    array = arrays[factor.array]
    places, inside = list[Array](), np.array(True)
    for place, size in zip(factor.index, array.shape, strict=True):
        along, whole = _along(place, variables)
        inside = inside & whole & (along >= 0) & (along < size)
        places.append(along)
    if factor.equals is not None:
        wanted, _ = _along(factor.equals, variables)
        clipped = [place.clip(0, size - 1) for place, size in zip(places, array.shape, strict=True)]
        inside = inside & (array[tuple(clipped)] == wanted)
    return places, inside


def _along(place: Along, variables: Mapping[str, Array]) -> tuple[Array, Array]:
    total = np.array(place.shift)
    for name, step in place.steps:
        total = total + step * variables[name]
    return total // place.divisor, total % place.divisor == 0


def _values(
    accounts: Mapping[str, Account],
    factor: Factor,
    arrays: Arrays,
    places: list[Array],
    variables: Mapping[str, int],
    count: int,
) -> Array:
    if factor.account:
        value = value_of(accounts, factor.account, arrays, variables)
        if factor.root is not None:
            value = 1 / (math.sqrt(value) / factor.root.correction + factor.root.eps)
        return np.full(count, value)
    if factor.equals is not None:
        return np.ones(count)
    numbers = arrays[factor.array][tuple(places)] if places else np.full(count, arrays[factor.array])
    return np.broadcast_to(numbers, (count,)).astype(np.float64)


def _written(summand: Summand, products: _Products) -> list[Term]:
    values = [factor.tolist() for factor in products.factors]
    places = [[place.tolist() for place in index] for index in products.places]
    at = {name: column.tolist() for name, column in products.at.items()}
    return [
        Term(
            names=tuple(
                _name(factor, [p[k] for p in index]) for factor, index in zip(summand.factors, places, strict=True)
            ),
            factors=tuple(column[k] for column in values),
            coefficient=summand.coefficient,
            product=product,
            at={name: column[k] for name, column in at.items()},
        )
        for k, product in enumerate(products.products.tolist())
    ]


def _name(factor: Factor, places: list[int]) -> str:
    if factor.equals is not None:
        return f"[{factor.name}]"
    return f"{factor.name}[{', '.join(map(str, places))}]" if places else factor.name
