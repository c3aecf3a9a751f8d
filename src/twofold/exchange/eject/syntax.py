"""Functions and values as syntax trees."""

from __future__ import annotations

import ast
import inspect
import operator
import textwrap
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from twofold.exchange.eject.known import Known, Named


def parsed(function: Callable[..., object]) -> ast.FunctionDef:
    """The syntax tree of a function."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(tree, ast.FunctionDef)
    return tree


def inner_function(function: Callable[..., object], name: str) -> ast.FunctionDef:
    """The function of that name that is defined in the body of another."""
    tree = parsed(function)
    return next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name)


def globals_of(owner: type) -> dict[str, object]:
    """The names of the module in which a class stands."""
    return dict(vars(inspect.getmodule(owner)))


def docstring(text: str) -> ast.Expr:
    """The first paragraph of a docstring, and the equations where they follow."""
    lines = inspect.cleandoc(text).splitlines()
    end = next((k for k, line in enumerate(lines) if not line.strip()), len(lines))
    indented = [k for k, line in enumerate(lines) if line.startswith("    ")]
    if indented and indented[0] == end + 1:  # the equations
        end = next((k for k in range(end + 1, len(lines)) if not lines[k].strip()), len(lines))
    body = lines[:end]
    joined = "\n    ".join(line if line.strip() else "" for line in body)
    joined = "\n".join(line.rstrip() for line in joined.split("\n"))
    return ast.Expr(ast.Constant(joined if len(body) == 1 else f"{joined}\n    "))


def literal(value: object) -> ast.expr:
    """A known value as an expression: a literal, or a name where the value is `Named`."""
    if isinstance(value, Named):
        return ast.Name(value.name)
    return ast.parse(repr(value.item() if isinstance(value, np.generic) else value), mode="eval").body


Computation: TypeAlias = Callable[[Any, Any], Any]
"""A comparison or a computation of two known values."""


COMPARED: dict[type[ast.cmpop], Computation] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}


COMPUTED: dict[type[ast.operator], Computation] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}


def inside(known: Known, owner: str) -> dict[str, object]:
    """What is known of an object, seen from within its own methods."""
    return {
        f"self.{key.removeprefix(owner + '.')}": value for key, value in known.items() if key.startswith(f"{owner}.")
    }
