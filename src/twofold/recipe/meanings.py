"""What the keys of a recipe mean: the text under each field, in the source of its class.

The source is read only when it is asked for. Pydantic would read it whenever the class is made, and so at the start of
every command.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from textwrap import dedent

from pydantic import BaseModel


@cache
def meanings(model: type[BaseModel]) -> dict[str, str]:
    """The text under each field that has one, as one paragraph, by name; empty where there is no source."""
    texts = dict[str, str]()
    for owner in reversed(model.__mro__):
        if issubclass(owner, BaseModel) and owner is not BaseModel:
            texts |= dict(_documented(owner))
    return texts


def _documented(owner: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Each field of this class itself with the text under it."""
    try:
        source = inspect.getsource(owner)
    except OSError:  # a class that was made at a prompt
        return
    body = next(node.body for node in ast.parse(dedent(source)).body if isinstance(node, ast.ClassDef))
    for field, text in pairwise(body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                yield name, " ".join(words.split())
