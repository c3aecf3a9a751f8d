"""Calling a user's function: arguments are bound by name, then in the usual order."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence

from twofold.proof.check.inside.names import MEMORY, STATE, plain, words
from twofold.proof.check.inside.theirs import Function, Theirs


class BindingError(Exception):
    """It cannot be told what an argument stands for; the message says what was tried, and how to declare it."""


def signature(function: Function) -> list[inspect.Parameter] | None:
    """The parameters of a callable without `self`; `None` if it has no signature."""
    try:
        return [p for p in inspect.signature(function).parameters.values() if p.name not in ("self", "ctx")]
    except (TypeError, ValueError):
        return None


def is_state(parameter: inspect.Parameter) -> bool:
    """Whether a parameter is the state before a step of a recurrent cell."""
    return plain(parameter.name) in words(f"{STATE} {MEMORY}")


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
        return [values[role] for role in order if role in values and role != "training"], {}
    roles = _roles_by_name(parameters, values, names, declared or {})
    rest = [role for role in order if role in values and role not in roles.values()]
    args, kwargs, unknown = list[object](), dict[str, object](), list[str]()
    for parameter in parameters:
        if parameter.kind == parameter.VAR_POSITIONAL:
            args += [values[role] for role in rest if role != "training"]  # what has no name is told of no mode
            rest = []
            continue
        if parameter.kind == parameter.VAR_KEYWORD:
            continue
        role = roles.get(parameter.name)
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
    return args, kwargs


def _roles_by_name(
    parameters: Sequence[inspect.Parameter],
    values: Mapping[str, object],
    names: Mapping[str, str],
    declared: Mapping[str, str],
) -> dict[str, str]:
    """The role of each parameter whose name says it: by declaration, by its own name, or by one that is usual."""
    table = {role: words(text) | {plain(role)} for role, text in names.items() if role in values}
    roles: dict[str, str] = {}
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        short = plain(parameter.name)
        open_roles = [role for role in table if role not in roles.values()]
        exact = next((role for role in open_roles if plain(role) == short), None)
        usual = next((role for role in open_roles if short in table[role]), None)
        role = declared.get(parameter.name) or exact or usual
        if role is not None and role in values:
            roles[parameter.name] = role
    return roles


def explained(function: Function, unknown: Sequence[str], values: Mapping[str, object]) -> str:
    """The message about arguments without a role: what was tried, and how to declare them."""
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
    """The function's result with its arguments bound.

    Raises `BindingError` where a function that does not tell its arguments refuses those in the usual order.
    """
    args, kwargs = bound(function, values, names, order, declared)
    if signature(function) is not None:
        return function(*args, **kwargs)
    try:
        return function(*args)
    except Exception as error:
        name = getattr(function, "__name__", repr(function))
        handed = ", ".join(role for role in order if role in values and role != "training")
        raise BindingError(
            f"`{name}` does not tell the names of its arguments, and refuses these in this order: {handed} "
            f"({str(error)[:200]}). Wrap it in a function that names them: `def forward(x): return {name}(x)`."
        ) from error


class Called:
    """An object to be called by its `__call__`, which wraps `forward`, but with the signature of `forward`."""

    def __init__(self, thing: Theirs) -> None:
        self.thing = thing
        self.__signature__ = inspect.signature(thing.forward)

    def __call__(self, *args: object, **kwargs: object) -> Theirs:
        """Call the object, by position wherever `forward` allows it: `__call__` may take only `*args`."""
        arguments = self.__signature__.bind(*args, **kwargs)
        return self.thing(*arguments.args, **arguments.kwargs)
