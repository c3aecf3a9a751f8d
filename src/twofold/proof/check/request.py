"""A request to check one thing: where it is, what it should compute, how its names are to be read; its limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from twofold.errors import UserError
from twofold.proof.mistakes.base import Settings


@dataclass(frozen=True)
class Adapter:
    """The meaning of a user's names where these do not tell it: `Adapter(weight="W", transposed=True)`.

    `arguments` names roles of arguments: `{"inp": "x", "d": "dy"}`.
    """

    weight: str | None = None
    bias: str | None = None
    weight_ih: str | None = None
    weight_hh: str | None = None
    bias_ih: str | None = None
    bias_hh: str | None = None
    running_mean: str | None = None
    running_var: str | None = None
    transposed: bool | None = None
    """Whether weights are (in, out)."""
    gates: str | None = None
    """The order in which gates are stacked, if it is not PyTorch's: `"ifog"`."""
    arguments: Mapping[str, str] = field(default_factory=dict)

    def declared(self) -> dict[str, str]:
        """Roles by the names that stand for them."""
        own = {
            value: name
            for name, value in vars(self).items()
            if isinstance(value, str) and name not in ("transposed", "gates", "arguments")
        }
        return {**own, **self.arguments}


LARGEST = {"seconds": 1_000_000, "megabytes": 1_000_000_000}
"""The largest limits: more than any check needs, and within what a system takes."""


@dataclass(frozen=True)
class Limits:
    """Limits of the process that runs a user's code: time and memory."""

    seconds: float = 20.0
    megabytes: int = 4_096

    def __post_init__(self) -> None:
        """Raises `UserError` for a limit that a system cannot set."""
        for name, most in LARGEST.items():
            limit = getattr(self, name)
            if not 0 < limit <= most:
                raise UserError(f"`{name}` must be greater than 0 and at most {most:,}; got {limit:g}")


Like: TypeAlias = object
"""A kind by its name, its table, or its part of a recipe."""


@dataclass(frozen=True)
class Request:
    """A request to check one thing: where it is, what it should compute, and how it is checked."""

    thing: str
    """Its name in reports."""
    object: str
    like: Like
    settings: Settings = field(default_factory=dict)
    dtype: str = "float64"
    shape: Sequence[int] | None = None
    adapter: Adapter = field(default_factory=Adapter)
