"""The interface of fitted columns: the names of the numbers that a column becomes, and their values."""

from __future__ import annotations

import abc
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from twofold.arrays import Array
from twofold.data.columns.faults import Refused
from twofold.data.columns.frame import Cells

Texts = Annotated[tuple[str, ...], Field(strict=False)]
Numbers = Annotated[tuple[float, ...], Field(strict=False)]


class Encoded(BaseModel):
    """Shared by all fitted columns: frozen, strict, finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class FittedColumn(Encoded, abc.ABC):
    """One column after fitting."""

    name: str

    @abc.abstractmethod
    def outputs(self) -> tuple[str, ...]:
        """The names of the numbers that it becomes."""

    @abc.abstractmethod
    def encode(self, cells: Cells, out: Array) -> list[Refused]:
        """Fill `out`, (rows, outputs), and say which cells cannot be taken."""

    @property
    def texts(self) -> bool:
        """Whether its cells are words, whatever they look like."""
        return False


def refused(name: str, rows: Array, rule: str, remedy: str) -> list[Refused]:
    """The fault of these rows' cells, as a list; empty if there are no rows."""
    where = f"Where that is meant, the recipe of the training says under [data]: {remedy}" if remedy else ""
    return [Refused(name, rows, rule, where)] if len(rows) else []
