"""Arrays by name in NumPy's `.npz`: a zip file of `.npy` files. What is read is checked before memory is taken for it.

No name of a member is ever used as a path, nothing is unpickled, and no member is unpacked beyond the size of the
tensor that it must hold.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from twofold.arrays import Array, Arrays, all_finite
from twofold.errors import UserError, WeightsError, nearest
from twofold.runs.whole import write_whole

HEADER = 1 << 14
"""Bytes that a member may hold beside its numbers."""
WIDEST = 8
"""Bytes of a number in float64."""

LISTED = 6
"""Tensors of the recipe that a message names."""

Shapes = Mapping[str, tuple[int, ...]]


def write_npz(path: Path, arrays: Arrays) -> None:
    """A new file. Raises `UserError` for one that is there, `RunFolderError` where it cannot be written."""
    if path.exists():
        raise UserError(f"{path} exists; choose another name")
    memory, named = io.BytesIO(), dict[str, Any](arrays)
    np.savez(memory, **named)
    write_whole(path, memory.getvalue())


def read_names(path: Path) -> list[str]:
    """The names of the arrays that a file holds. Raises `WeightsError` for a file that is none."""
    with _opened(path) as file:
        return [_name(info) for info in file.infolist()]


def read_npz(path: Path, shapes: Shapes, dtype: str) -> dict[str, Array]:
    """Exactly the arrays of these names and shapes, as numbers of `dtype`.

    Raises `WeightsError` at the first tensor that is missing, unknown, of another shape, no floating-point numbers, or
    not finite.
    """
    with _opened(path) as file:
        members = file.infolist()
        names = [_name(info) for info in members]
        for name, info in zip(names, members, strict=True):
            if name not in shapes:
                raise WeightsError(
                    f"{path}: these weights are of another network: the recipe's has no `{name[:60]}`"
                    f"{_shape_said(path, file, info)}; {_known(name, shapes)}"
                )
            if names.count(name) > 1:
                raise WeightsError(f"{path}: `{name}` stands {names.count(name)} times")
        for name, shape in shapes.items():
            if name not in names:
                raise WeightsError(
                    f"{path}: these weights are of another network: `{name}` is missing; its shape is {shape}"
                )
        found = {name: _read(path, file, info, shapes[name]) for name, info in zip(names, members, strict=True)}
    return {name: _converted(path, name, found[name], dtype) for name in shapes}


def _opened(path: Path) -> zipfile.ZipFile:
    if path.exists() and not path.is_file():  # to open a pipe would wait for whoever writes to it
        raise WeightsError(f"{path} is no file; name one that ends in .npz")
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise WeightsError(f"no file {path}") from None
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or "it is damaged, or was not written by numpy.savez"
        raise WeightsError(f"cannot read {path} as .npz: {reason}") from error


def _name(info: zipfile.ZipInfo) -> str:
    return info.filename.removesuffix(".npy")


def _shape_said(path: Path, file: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    """Nothing for what is no array."""
    try:
        return f", which is {str(_member(path, file, info, 0).shape)[:60]} in the file"
    except WeightsError:
        return ""


def _known(name: str, shapes: Shapes) -> str:
    """As `did_you_mean`, with shapes."""
    if near := nearest(name, shapes, 1):
        return f"did you mean `{near[0]}`, {shapes[near[0]]}?"
    listed = [f"`{known}` {shape}" for known, shape in shapes.items()]
    more = f" and {len(listed) - LISTED} more" if len(listed) > LISTED else ""
    return f"known: {', '.join(listed[:LISTED])}{more}"


class _Member(NamedTuple):
    """What the header of a `.npy` file says, and the bytes behind it."""

    shape: tuple[int, ...]
    by_columns: bool
    dtype: np.dtype[Any]
    numbers: bytes


def _member(path: Path, file: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> _Member:
    """Never read beyond `most` bytes of numbers, whatever the file says of its size."""
    try:
        with file.open(info) as member:
            content = member.read(HEADER + most + 1)
        stream = io.BytesIO(content)
        version = np.lib.format.read_magic(stream)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, by_columns, dtype = read(stream)
    except (OSError, ValueError, KeyError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        said = str(error)[:200] or "it is damaged"
        raise WeightsError(f"{path}: `{_name(info)}` cannot be read: {said}") from error
    return _Member(shape, by_columns, dtype, content[stream.tell() :])


def _read(path: Path, file: zipfile.ZipFile, info: zipfile.ZipInfo, shape: tuple[int, ...]) -> Array:
    """One array, of the shape that it must have."""
    name = _name(info)
    found, by_columns, dtype, numbers = _member(path, file, info, WIDEST * math.prod(shape))
    if found != shape:
        turned = "; W is (out, in): give its transpose" if len(shape) == 2 and found == shape[::-1] else ""
        raise WeightsError(
            f"{path}: these weights are of another network: `{name}` is {found}, the recipe's is {shape}{turned}"
        )
    if dtype.kind != "f" or dtype.itemsize > WIDEST:
        raise WeightsError(f"{path}: `{name}` must hold numbers of float16, float32 or float64; got {dtype}")
    if len(numbers) != math.prod(shape) * dtype.itemsize:
        raise WeightsError(f"{path}: `{name}` is cut or too long: {len(numbers)} bytes for {shape} of {dtype}")
    return np.frombuffer(numbers, dtype).reshape(shape, order="F" if by_columns else "C")


def _converted(path: Path, name: str, array: Array, dtype: str) -> Array:
    with np.errstate(over="ignore"):
        converted = np.ascontiguousarray(array.astype(dtype))
    for tested, rule in ((array, "finite"), (converted, f"small enough for {dtype}")):
        if not all_finite(tested):
            at = tuple(int(i) for i in np.argwhere(~np.isfinite(tested))[0])
            raise WeightsError(f"{path}: every element of `{name}` must be {rule}; got {array[at]} at {at}")
    return converted
