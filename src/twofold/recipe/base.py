"""What all parts of a recipe share: they are frozen, refuse unknown keys, and never hold NaN or infinity."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Self, TypeAlias, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticKnownError
from pydantic_core.core_schema import ValidationInfo

from twofold.engines import ENGINES
from twofold.errors import RecipeError
from twofold.plain import native

Fields: TypeAlias = Mapping[str, Any]
"""The fields of a part by name. Rules between fields rely on the right types: a rule that fails on a wrong value is
left out until that value is mended."""
Shape: TypeAlias = tuple[int | None, ...]
"""The shape of one sample, without the batch. `None`: known only once the data are read."""


Fraction: TypeAlias = Annotated[float, Field(ge=0, lt=1)]
"""A share that is not the whole."""


def _in_the_table(name: str) -> str:
    if name not in ENGINES:
        *others, last = (f"'{known}'" for known in ENGINES)
        raise PydanticKnownError("literal_error", {"expected": f"{', '.join(others)} or {last}"})
    return name


EngineName = Annotated[str, AfterValidator(_in_the_table), WithJsonSchema({"enum": list(ENGINES), "type": "string"})]
"""An engine of `twofold.engines`."""


COUNTED = ("units", "channels")
"""Sizes of a layer; a value too large for them is refused elsewhere, by the number of parameters it would make."""
LARGEST = 2**63 - 1
"""The largest whole number that a file of weights, an array or PyTorch can hold."""
Pair: TypeAlias = tuple[int, int]
"""Height and width."""


def pair(size: int | Pair) -> Pair:
    """Height and width: one number stands for both."""
    return (size, size) if isinstance(size, int) else size


def elements(shape: Shape) -> int | None:
    """How many numbers a tensor of the shape holds; `None` while a size is unknown."""
    sizes = [size for size in shape if size is not None]
    return math.prod(sizes) if len(sizes) == len(shape) else None


def from_the_recipe(path: str, info: ValidationInfo) -> str:
    """A path that a recipe's file names starts at that file's folder."""
    context: dict[str, str] = info.context or {}
    path = os.path.expanduser(path)
    return os.path.abspath(os.path.join(context["folder"], path)) if "folder" in context else path


def unwritten_at(default: object) -> Callable[[object], bool]:
    """For `exclude_if`: a key that came later is written only where it is set; older recipes keep their digest."""
    return lambda value: value is default or (type(value) is type(default) and value == default)


class _RaisesRecipeError(type(BaseModel)):
    """Makes a part built in Python raise `RecipeError`, with faults named as arguments, for pydantic's error."""

    def __call__(cls, *args: object, **values: Any) -> Any:
        try:
            return super().__call__(*args, **native(values))  # `units=np.int64(20)`
        except ValidationError as error:
            from twofold.recipe.faults import explain_call  # which stands on the parts

            raise RecipeError(explain_call(cast(type[BaseModel], cls), error, values)) from None


class Part(BaseModel, metaclass=_RaisesRecipeError):
    """A frozen table of a recipe. Made from Python, it raises `RecipeError` with every fault."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _no_odd_number(cls, value: object, info: ValidationInfo) -> object:
        """Refuses whole numbers beyond `LARGEST`; makes −0.0, whose sign libraries behind a recipe would see, 0.0."""
        if isinstance(value, int) and abs(value) > LARGEST and info.field_name not in COUNTED:
            raise ValueError(f"must be at most {LARGEST:,} in size; got a number of {len(str(abs(value)))} digits")
        return 0.0 if isinstance(value, float) and value == 0 else value

    @classmethod
    def conflicts(cls, values: Fields) -> list[str]:
        """The rules that keys break together though each may be right by itself.

        Where a value is wrong, a rule may fail on it with any error of types or sizes: it is then left out.
        """
        return []

    @model_validator(mode="after")
    def _no_conflicts(self) -> Self:
        if rules := self.conflicts(dict(self)):
            raise ValueError("; ".join(rules))
        return self
