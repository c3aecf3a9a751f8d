"""One thing to be checked: where it is, what it should be like, how its names are to be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from twofold.proof.mistakes.base import Settings


@dataclass(frozen=True)
class Adapter:
    """Which of a user's names stands for what, where it cannot be told: `Adapter(weight="W", transposed=True)`.

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
    """Whether weights lie as (in, out)."""
    gates: str | None = None
    """In which order gates are stacked, where not as PyTorch does: `"ifog"`."""
    arguments: Mapping[str, str] = field(default_factory=dict)

    def declared(self) -> dict[str, str]:
        """Roles by the names that stand for them."""
        own = {
            value: name
            for name, value in vars(self).items()
            if isinstance(value, str) and name not in ("transposed", "gates", "arguments")
        }
        return {**own, **self.arguments}


Like: TypeAlias = object
"""A kind by its name, its table, or its part of a recipe."""


@dataclass(frozen=True)
class Request:
    """One thing to be checked: where it is, what it should be like, and how."""

    thing: str
    """Its name in reports."""
    object: str
    like: Like
    settings: Settings = field(default_factory=dict)
    dtype: str = "float64"
    shape: Sequence[int] | None = None
    adapter: Adapter = field(default_factory=Adapter)
