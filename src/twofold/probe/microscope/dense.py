"""Accounts of dense layers, embeddings, and the layers that drop or rearrange numbers."""

from __future__ import annotations

import math

import numpy as np

from twofold.probe.microscope.account import (
    Account,
    Along,
    Axis,
    Explanation,
    Factor,
    Summand,
    along,
    axes_of,
    indexed,
    inner_names,
    places,
    sigma,
)
from twofold.probe.microscope.subject import Explainers, Subject
from twofold.recipe.dense import Dense, Dropout, EmbedColumns, Embedding, Flatten


def dense(subject: Subject, spec: Dense) -> Explanation:
    """Accounts of a dense layer: every number is a sum over one axis of its matrix."""
    lead = axes_of(("n", *inner_names(subject.x.ndim - 2)), subject.x.shape[:-1])
    i, o = Axis("i", subject.x.shape[-1]), Axis("o", spec.units)
    x, y = Factor("x", "x", places((*lead, i))), Factor("dy", "dy", places((*lead, o)))
    W, b = Factor("W", "weight", places((o, i))), Factor("b", "bias", places((o,)))
    at = ", ".join(axis.name for axis in lead)
    plus_b = " + b[o]" if spec.bias else ""
    bias = (Summand((b,)),) if spec.bias else ()
    accounts = [
        Account(
            "y", f"y[{at}, o] = Σ(i) x[{at}, i] · W[o, i]{plus_b}", (*lead, o), subject.y.shape,
            (Summand((x, W), (i,)), *bias), "y",
        ),
        Account(
            "weight", f"∂L/∂W[o, i] = {sigma(lead)}dy[{at}, o] · x[{at}, i]", (o, i), (o.size, i.size),
            (Summand((y, x), lead),), "d weight",
        ),
        Account("dx", f"dx[{at}, i] = Σ(o) dy[{at}, o] · W[o, i]", (*lead, i), subject.x.shape,
                (Summand((y, W), (o,)),), "dx"),
    ]  # fmt: skip
    if spec.bias:
        accounts.append(
            Account("bias", f"∂L/∂b[o] = {sigma(lead)}dy[{at}, o]", (o,), (o.size,), (Summand((y,), lead),), "d bias")
        )
    return Explanation(tuple(accounts), {})


def embedding(subject: Subject, spec: Embedding) -> Explanation:
    """Accounts of an embedding: y is a row of W for each number; a row's gradient is a sum over its places."""
    lead = axes_of(("n", *inner_names(subject.x.ndim - 1)), subject.x.shape)
    k, u = Axis("k", spec.num_embeddings), Axis("u", spec.units)
    here = Factor("x = k", "k", places(lead), equals=along(k=1))
    at = ", ".join(axis.name for axis in lead)
    accounts = (
        Account(
            "y", f"y[{at}, u] = W[x[{at}], u]", (*lead, u), subject.y.shape,
            (Summand((here, Factor("W", "weight", places((k, u)))), (k,)),), "y",
        ),
        Account(
            "weight", f"∂L/∂W[k, u] = Σ({at}) dy[{at}, u] where x[{at}] = k", (k, u), (k.size, u.size),
            (Summand((here, Factor("dy", "dy", places((*lead, u)))), lead),), "d weight",
        ),
    )  # fmt: skip
    return Explanation(accounts, {"k": np.trunc(subject.x)})


def embed_columns(subject: Subject, spec: EmbedColumns) -> Explanation:
    """Accounts of embedded columns: a row of a table for each code, side by side; other numbers pass unchanged."""
    count, width = len(spec.units), sum(spec.units)
    lead = axes_of(("n", *inner_names(subject.x.ndim - 2)), subject.x.shape[:-1])
    o, i = Axis("o", subject.y.shape[-1]), Axis("i", subject.x.shape[-1])
    at, where = ", ".join(axis.name for axis in lead), places(lead)
    passed = Factor("x", "numbers", (*where, along(-width, o=1)))
    back = Factor("dy", "dy of numbers", (*where, along(-count, i=1)))
    vectors, tables = _tables(lead, spec)
    y = f"y[{at}, o] = Wj[xj, o − oj], or behind the vectors x[{at}, o − {width - count}]"
    dx = f"dx[{at}, i] = dy[{at}, i + {width - count}] of numbers, 0 of codes"
    accounts = (
        Account("y", y, (*lead, o), subject.y.shape, (*vectors, Summand((passed,))), "y"),
        *tables,
        Account("dx", dx, (*lead, i), subject.x.shape, (Summand((back,)),), "dx"),
    )
    derived = {"codes": np.trunc(subject.x[..., :count]), "numbers": subject.x[..., count:]}
    return Explanation(accounts, derived | ({} if subject.dy is None else {"dy of numbers": subject.dy[..., width:]}))


def _tables(lead: tuple[Axis, ...], spec: EmbedColumns) -> tuple[list[Summand], list[Account]]:
    """The summand of each table in y, of which only one is not empty, and the account of each table's gradient."""
    vectors, accounts, start = list[Summand](), list[Account](), 0
    at, where = ", ".join(axis.name for axis in lead), places(lead)
    for place, size in enumerate(zip(spec.num_embeddings, spec.units, strict=True)):
        c, u = map(Axis, ("c", "u"), size)
        here = Factor(f"x{place} = c", "codes", (*where, along(place)), equals=along(c=1))
        row = Factor(f"W{place}", f"weight_{place}", (along(c=1), along(-start, o=1)))
        dy = Factor("dy", "dy", (*where, along(start, u=1)))
        vectors.append(Summand((here, row), (c,)))
        equation = f"∂L/∂W{place}[c, u] = Σ({at}) dy[{at}, {start} + u] where x[{at}, {place}] = c"
        name, summand = f"weight_{place}", Summand((here, dy), lead)
        accounts.append(Account(name, equation, (c, u), size, (summand,), f"d {name}"))
        start += size[1]
    return vectors, accounts


def dropout(subject: Subject, spec: Dropout) -> Explanation:
    """Accounts of dropout: each number times 0 or 1 / (1 − p)."""
    axes = axes_of(("n", *inner_names(subject.x.ndim - 1)), subject.x.shape)
    where, shape = places(axes), subject.x.shape
    scale = np.ones(shape) if subject.mask is None else subject.mask / (1 - spec.p)
    m, at = Factor("m / (1 − p)", "m / (1 − p)", where), indexed(axes)
    accounts = (
        Account("y", f"y{at} = x{at} · m{at} / (1 − p)", axes, shape, (Summand((Factor("x", "x", where), m)),), "y"),
        Account(
            "dx", f"dx{at} = dy{at} · m{at} / (1 − p)", axes, shape, (Summand((Factor("dy", "dy", where), m)),), "dx"
        ),
    )
    return Explanation(accounts, {"m / (1 − p)": scale})


def flatten(subject: Subject, spec: Flatten) -> Explanation:
    """Accounts of flatten: the same numbers at other places."""
    inner = subject.x.shape[1:]
    axes = axes_of(("n", *(("c", "r", "q") if len(inner) == 3 else inner_names(len(inner)))), subject.x.shape)
    steps = [math.prod(inner[place + 1 :]) for place in range(len(inner))]
    row = Along(tuple((axis.name, step) for axis, step in zip(axes[1:], steps, strict=True)))
    x, dy = Factor("x", "x", places(axes)), Factor("dy", "dy", (along(n=1), row))
    accounts = (
        Account("y", f"y[n, ·] = x{indexed(axes)}", axes, subject.y.shape, (Summand((x,)),), "y"),
        Account("dx", f"dx{indexed(axes)} = dy[n, ·]", axes, subject.x.shape, (Summand((dy,)),), "dx"),
    )
    return Explanation(accounts, {})


EXPLAINED: Explainers = {
    Dense: dense,
    Embedding: embedding,
    EmbedColumns: embed_columns,
    Dropout: dropout,
    Flatten: flatten,
}
