"""One number of a walk, as the sum of products that it is: what `twofold walk --number` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from twofold.engines import TITLES

if TYPE_CHECKING:
    from rich.table import Table

    from twofold.probe.microscope.account import Account
    from twofold.probe.microscope.scope import Number
    from twofold.probe.microscope.terms import Sum, Term
    from twofold.probe.walk import Walk

Names: TypeAlias = tuple[str, ...]
"""A term, by the names of its factors."""
MOST_TERMS = 24
"""Terms of a sum that are printed: the largest, in their order."""
DIGITS = 5
"""Digits of a factor."""


def number_json(walk: Walk, number: Number) -> dict[str, object]:
    """The number with every term, and which batch it is of, as JSON values."""
    from twofold.probe.microscope import record

    facts = walk.to_json()
    keys = ("recipe", "run", "weights", "data", "split", "sample", "class", "target", "batch", "dtype")
    return {**{key: facts[key] for key in keys if key in facts}, **record.number_json(number)}


def print_number(walk: Walk, number: Number) -> None:
    """Print a row for each term, the engines beside each other; below them the sum, and the engine's own number."""
    from rich.text import Text

    from twofold.cli.views import console

    about = walk.about
    samples = "random samples" if about.data == "random" else f"the {about.split} samples"
    console.print(Text(_heading(number), style="bold"))
    console.print(
        Text(f"{about.run or about.recipe}: {samples} {about.first} to {about.last}, numbers in {about.dtype}.")
    )
    console.print(Text(f"\n  {number.account.equation}"))
    if any(total.terms for total in number.sums.values()):
        console.print(_terms(number.sums, number.account.largest))
    else:
        console.print(Text("  No product counts here: it is 0.\n"))
    for engine, moves in number.update.items():
        console.print(Text(f"What {TITLES[engine]}'s optimizer makes of it, p being the parameter:"))
        console.print(_moves(moves))


def _heading(number: Number) -> str:
    layer = "the loss" if number.layer == "loss" else f"layer {number.layer}"
    if number.update:
        return f"The gradient of the loss with respect to {number.name}, of {layer} ({number.kind})"
    return f"{number.name}, of {layer} ({number.kind})"


def _terms(sums: Mapping[str, Sum], largest: bool) -> Table:
    """The table of the terms, with the first engine's factors; the smallest of many terms are added up in one row."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    first = next(iter(sums))
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("term")
    table.add_column(f"factors in {TITLES[first]}", justify="right")
    for engine in sums:
        table.add_column(TITLES[engine], justify="right", no_wrap=True)
    named = {engine: {term.names: term for term in total.terms} for engine, total in sums.items()}
    names = list(dict.fromkeys(name for terms in named.values() for name in terms))
    shown = _shown(names, named)
    winner = sums[first].terms[sums[first].winner or 0].names if largest else None
    for name in shown:
        terms = [named[engine].get(name) for engine in sums]
        term_there = next(term for term in terms if term)  # an engine may lack a term
        factors = " · ".join([*_coefficient(term_there), *(_short(factor) for factor in term_there.factors)])
        won = "  ← the largest" if name == winner else ""
        table.add_row(
            " · ".join([*_coefficient(term_there), *name]) + won,
            factors if "·" in factors else "",
            *("" if term is None else _short(term.product) for term in terms),
        )
    if left := len(names) - len(shown):
        rest = [sum(term.product for name, term in terms.items() if name not in shown) for terms in named.values()]
        table.add_row(f"{left:,} smaller terms", "", *("" if largest else _short(other) for other in rest))
    table.add_section()
    table.add_row("the largest" if largest else "their sum", "", *(_long(total.total) for total in sums.values()))
    if all(total.own is not None for total in sums.values()):
        table.add_row("the engine's own", "", *(_long(total.own or 0.0) for total in sums.values()))
        table.add_row("gap", "", *(_gap(total.gap) for total in sums.values()))
    return table


def _shown(names: Sequence[Names], named: Mapping[str, Mapping[Names, Term]]) -> list[Names]:
    """The terms that are printed, in their order."""
    sizes = {name: max(abs(terms[name].product) for terms in named.values() if name in terms) for name in names}
    largest = set(sorted(names, key=lambda name: -sizes[name])[:MOST_TERMS])
    return [name for name in names if name in largest]


def _moves(moves: Sequence[tuple[Account, Sum]]) -> Table:
    """A row for each equation of the optimizer, with its numbers."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for account, total in moves:
        table.add_row(f"  {account.equation}", _added(total.terms))
    last = moves[-1][1]
    if last.own is not None:
        table.add_row("  the engine's own", f"{last.own:.10g}, gap {_gap(last.gap)}\n")
    return table


def _added(terms: Sequence[Term]) -> str:
    """The terms written as a sum with its value: `0.1 · 2 − 3 = −2.8`."""
    text = ""
    for place, term in enumerate(terms):
        factors = " · ".join([*_coefficient(term), *(_short(factor) for factor in term.factors)])
        text += factors if not place else f" − {factors[1:]}" if factors.startswith("-") else f" + {factors}"
    return f"{text} = {sum(term.product for term in terms):.10g}"


def _coefficient(term: Term) -> Iterator[str]:
    if term.coefficient != 1:
        yield _short(term.coefficient)


def _short(number: float) -> str:  # + 0.0 makes −0 a 0
    return f"{number + 0.0:.{DIGITS}g}"


def _long(number: float) -> str:
    return f"{number + 0.0:.10g}"


def _gap(gap: float | None) -> str:
    return f"{gap:.0e}" if gap else "0"
