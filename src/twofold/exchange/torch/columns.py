"""Embedded columns of a module: `torch.cat` of an `nn.Embedding`'s vectors for each first column, and of the others.

The one place at which a module may branch: every branch takes a part of the sample, and all of them meet again.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import fx, nn

from twofold.exchange import kinds as specs
from twofold.exchange.chain import Link
from twofold.exchange.torch.call import Value, array_of
from twofold.exchange.torch.tracing import Original

WHOLE = ("long", "int", "to", "type")
"""Methods that make whole numbers of a column's codes."""
JOINS = (torch.cat, torch.concat, torch.concatenate)


class Branch(NamedTuple):
    """A part of the sample: the column at which it begins, the embedding that takes its code, and what it gives."""

    column: int
    embedding: str
    """The module's name; empty for numbers that pass unchanged."""
    output: fx.Node


def embedded_columns(original: Original, entry: fx.Node, values: Mapping[str, Value]) -> tuple[Link, fx.Node] | None:
    """The layer of the columns whose codes select rows, and the node that joins them; `None` where there is none."""
    axes = values[entry.name].ndim
    readings = [_branch(original, user, entry, axes) for user in entry.users]
    branches = sorted((branch for branch in readings if branch is not None), key=lambda branch: branch.column)
    named = [branch.embedding for branch in branches if branch.embedding]
    whole = [branch.column for branch in branches] == list(range(len(readings)))
    if not named or not whole:
        return None
    join = next(iter(branches[0].output.users))
    held = {"dim": join.kwargs.get("axis", 0), **join.kwargs, **dict(zip(("tensors", "dim"), join.args, strict=False))}
    parts = held.get("tensors")
    if join.target not in JOINS or held["dim"] not in (-1, axes - 1) or not isinstance(parts, list | tuple):
        return None
    if list(parts) != [branch.output for branch in branches]:
        return None
    if not all(branch.embedding for branch in branches[: len(branches) - 1]):
        return None
    tables = [array_of(original.parameters[f"{name}.weight"]) for name in named]
    spec = specs.EmbedColumns(
        num_embeddings=tuple(len(table) for table in tables), units=tuple(table.shape[1] for table in tables)
    )
    tensors = {f"weight_{place}": table for place, table in enumerate(tables)}
    origins = {f"weight_{place}": f"{name}.weight" for place, name in enumerate(named)}
    return Link(spec, join.name, "Embedding + torch.cat", tensors, origins, join.name), join


def _branch(original: Original, node: fx.Node, entry: fx.Node, axes: int) -> Branch | None:
    """What a node takes of the sample; `None` where it is neither a column's code nor all the columns from one on."""
    if node.op != "call_function" or node.target is not operator.getitem or node.args[0] is not entry:
        return None
    *before, last = index if isinstance(index := node.args[1], tuple) else (index,)
    if before != [Ellipsis] and before != [slice(None)] * (axes - 1):
        return None
    if isinstance(last, slice) and isinstance(last.start, int) and last.stop is None and last.step is None:
        return Branch(last.start, "", node) if len(node.users) == 1 else None
    while len(node.users) == 1:
        (node,) = node.users
        if node.op == "call_method" and node.target in WHOLE:
            continue
        plain = node.op == "call_module" and _is_plain(original.traced.get_submodule(str(node.target)))
        return (
            Branch(last, str(node.target), node) if plain and isinstance(last, int) and len(node.users) == 1 else None
        )
    return None


def _is_plain(module: nn.Module) -> bool:
    """Whether it looks rows up and does nothing else."""
    return (
        type(module) is nn.Embedding
        and module.padding_idx is None
        and module.max_norm is None
        and not module.scale_grad_by_freq
        and not module.sparse
    )
