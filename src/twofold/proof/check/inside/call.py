"""Calling what somebody else wrote: arguments are bound by name, then by the order that is usual."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence

from twofold.proof.check.inside.names import plain, words
from twofold.proof.check.inside.theirs import Function, Theirs


class BindingError(Exception):
    """No way to tell which argument is which: says what was tried, and how to say it."""


def signature(function: Function) -> list[inspect.Parameter] | None:
    """The parameters of a callable without `self`; `None` where it does not tell."""
    try:
        return [p for p in inspect.signature(function).parameters.values() if p.name not in ("self", "ctx")]
    except (TypeError, ValueError):
        return None


def bound(
    function: Function,
    values: Mapping[str, object],
    names: Mapping[str, str],
    order: Sequence[str],
    declared: Mapping[str, str] | None = None,
) -> tuple[list[object], dict[str, object]]:
    """Arguments for a function: `values` by role, `names` of each role, `order` of what is left.

    Raises `BindingError` where a required argument has no role.
    """
    parameters = signature(function)
    if parameters is None:
        return [values[role] for role in order if role in values], {}
    declared = declared or {}
    table = {role: words(text) | {plain(role)} for role, text in names.items() if role in values}
    chosen: dict[str, str] = {}
    taken: set[str] = set()
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        short = plain(parameter.name)
        exact = next((r for r in table if plain(r) == short and r not in taken), None)
        role = declared.get(parameter.name) or exact
        role = role or next((r for r, known in table.items() if short in known and r not in taken), None)
        if role is not None and role in values:
            chosen[parameter.name] = role
            taken.add(role)
    rest = [role for role in order if role in values and role not in taken]
    args, kwargs, unknown = list[object](), dict[str, object](), list[str]()
    for parameter in parameters:
        if parameter.kind == parameter.VAR_POSITIONAL:
            args += [values[role] for role in rest]
            rest = []
            continue
        if parameter.kind == parameter.VAR_KEYWORD:
            continue
        role = chosen.get(parameter.name)
        if role is None and parameter.default is parameter.empty:
            if not rest:
                unknown.append(parameter.name)
                continue
            role = rest.pop(0)
        if role is None:
            continue
        if parameter.kind == parameter.POSITIONAL_ONLY:
            args.append(values[role])
        else:
            kwargs[parameter.name] = values[role]
    if unknown:
        raise BindingError(explained(function, unknown, values))
    if args:
        return args, kwargs
    return [], kwargs


def explained(function: Function, unknown: Sequence[str], values: Mapping[str, object]) -> str:
    """What was tried, and how to say it."""
    name = getattr(function, "__qualname__", repr(function))
    listed = ", ".join(f"`{argument}`" for argument in unknown)
    return (
        f"cannot tell what {listed} of `{name}` stands for; known roles here: {', '.join(values)}. "
        f'Say it with an adapter: `Adapter(arguments={{"{unknown[0]}": "ROLE"}})`, '
        f"or `--adapt {unknown[0]}=ROLE`."
    )


def call(
    function: Function,
    values: Mapping[str, object],
    names: Mapping[str, str],
    order: Sequence[str],
    declared: Mapping[str, str] | None = None,
) -> Theirs:
    """The function's result with its arguments bound."""
    args, kwargs = bound(function, values, names, order, declared)
    return function(*args, **kwargs)
