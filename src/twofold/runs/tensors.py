"""Arrays by name in safetensors files: what a file says of itself is checked before anything is allocated for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import DTypeLike

from twofold.arrays import Array, Arrays, all_finite
from twofold.errors import WeightsError
from twofold.foreign import IrregularError, open_foreign
from twofold.memory import available_memory, size_text
from twofold.runs.header import DTYPES, MalformedError, Place, header_length, places, short

FINITE_AT_ONCE = 1 << 16
"""Numbers that are checked at a time, so that the check needs hardly any memory."""

Expected = Mapping[str, tuple[tuple[int, ...], DTypeLike]]
"""Shape and type of every array by its name."""


def read_tensors(path: str | Path, expected: Expected | None = None, *, finite: bool = True) -> Arrays:
    """Every array of a safetensors file by its name; `expected` gives the shape and type that each must have.

    Raises `WeightsError` for a file that is missing, damaged, malformed, of another architecture, or, where it must be
    `finite`, holds NaN or infinity. Until the whole header has been found right, nothing is allocated for its arrays.
    """
    path = Path(path)
    try:
        with open_foreign(path) as file:
            size = os.fstat(file.fileno()).st_size
            length = header_length(file.read(8), size)
            tensors = places(file.read(length), size - 8 - length)
            if expected is not None:
                _check_expected(path, tensors, expected)
            _check_memory(path, size)
            return {place.name: _array(file, place, finite) for place in tensors}
    except MalformedError as error:
        raise WeightsError(
            f"{path}: {error}. Nothing was loaded: the file is damaged or no safetensors file; take another copy."
        ) from None
    except (IrregularError, IsADirectoryError):
        raise WeightsError(f"{path} is no file; name one that ends in .safetensors.") from None
    except FileNotFoundError:
        raise WeightsError(f"no file {path}; name one that ends in .safetensors.") from None
    except (OSError, ValueError) as error:
        raise WeightsError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}.") from error


def _check_expected(path: Path, tensors: list[Place], expected: Expected) -> None:
    """Raises `WeightsError` at the first array that is missing, not expected, or of another shape or type."""
    described = {place.name: (place.shape, DTYPES[place.dtype]) for place in tensors}
    for name in sorted(expected.keys() | described.keys()):
        wanted = (tuple(expected[name][0]), np.dtype(expected[name][1])) if name in expected else None
        if described.get(name) != wanted:
            raise WeightsError(
                f"{path}: these weights are of another network: {short(name)} is {_form(described.get(name))}, "
                f"the recipe's is {_form(wanted)}. Take the weights of this recipe, or the recipe of these weights."
            )


def _check_memory(path: Path, size: int) -> None:
    """Raises `WeightsError` where the arrays would not fit into what memory is left: a sparse file takes no disk."""
    available = available_memory()
    if available is not None and size > available:
        raise WeightsError(
            f"{path}: not enough memory: its arrays take {size_text(size)}, {size_text(available)} are available."
        )


def _form(what: tuple[tuple[int, ...], np.dtype] | None) -> str:
    return "missing" if what is None else f"{what[0]} of {what[1].name}"


def _array(file: BufferedReader, place: Place, finite: bool) -> Array:
    """The bytes that come next in the file, as numbers of this machine's byte order."""

    def refuse(rule: str) -> NoReturn:
        raise MalformedError(f"array {short(place.name)}: {rule}")

    array = np.empty(place.shape, DTYPES[place.dtype])
    flat = array.reshape(-1)
    if array.nbytes and (read := file.readinto(flat.view(np.uint8).data)) != array.nbytes:
        refuse(f"takes {array.nbytes} bytes; the file ends after {read}")
    if place.dtype == "BOOL" and flat.size and (most := flat.view(np.uint8).max()) > 1:
        refuse(f"a BOOL must be 0 or 1; got {most}")
    if finite and array.dtype.kind == "f":
        for start in range(0, flat.size, FINITE_AT_ONCE):
            if not all_finite(part := flat[start : start + FINITE_AT_ONCE]):
                at = start + int(np.flatnonzero(~np.isfinite(part))[0])
                where = tuple(int(i) for i in np.unravel_index(at, place.shape))
                refuse(f"every number must be finite; got {flat[at]} at {where}")
    return array.astype(array.dtype.newbyteorder("="), copy=False)
