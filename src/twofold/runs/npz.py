"""Arrays by name in NumPy's `.npz`: a zip file of `.npy` files. What is read is checked before memory is taken for it.

No name of a member is ever used as a path, nothing is unpickled, and no member is unpacked beyond the size of the
tensor that it must hold.
"""

from __future__ import annotations

import io
import math
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from twofold.arrays import Array, Arrays, all_finite
from twofold.errors import UserError, WeightsError, nearest
from twofold.foreign import open_foreign
from twofold.runs.whole import write_whole

HEADER = 1 << 14
"""Bytes that a member may hold beside its numbers."""
WIDEST = 8
"""Bytes of a number in float64."""
MOST_MEMBERS = 10_000
SLACK = 1 << 20
"""Bytes that a file may hold beside its arrays: names, headers, the zip's own directory."""
MAGIC = b"\x93NUMPY"
_HEADER = re.compile(
    r"\{'descr': ?'(?P<type>[<>|=]?[a-zA-Z]\d{1,4}|[^']{1,40})', ?'fortran_order': ?(?P<columns>True|False), ?"
    r"'shape': ?\((?P<shape>[-\d, ]{0,400})\),? ?\} *\n?"
)
"""What `numpy.save` writes: nothing else is read, so that nothing has to be evaluated."""

LISTED = 6
"""Tensors of the recipe that a message names."""

Shapes = Mapping[str, tuple[int, ...]]


def write_npz(path: Path, arrays: Arrays) -> None:
    """Write arrays into a new file. Raises `UserError` if it exists, `RunFolderError` if it cannot be written."""
    if path.exists():
        raise UserError(f"{path} exists; choose another name")
    memory = io.BytesIO()
    np.savez(memory, **arrays)  # pyright: ignore[reportArgumentType]  # no array is called `allow_pickle`
    write_whole(path, memory.getvalue())


def read_names(path: Path, shapes: Iterable[tuple[int, ...]] = ()) -> list[str]:
    """The names of the arrays in a file.

    Raises `WeightsError` for a file that is no `.npz`, or far too large for arrays of these `shapes`.
    """
    with _opened(path, shapes) as file:
        return [_name(info) for info in file.infolist()]


def read_npz(path: Path, shapes: Shapes, dtype: str) -> dict[str, Array]:
    """Exactly the arrays of these names and shapes, as numbers of `dtype`.

    Raises `WeightsError` at the first tensor that is missing, unknown, of another shape, no floating-point numbers, or
    not finite.
    """
    with _opened(path, shapes.values()) as file:
        members = file.infolist()
        names = [_name(info) for info in members]
        for name, info in zip(names, members, strict=True):
            if name not in shapes:
                raise WeightsError(
                    f"{path}: these weights are of another network: the recipe's has no `{name[:60]}`"
                    f"{_shape_clause(path, file, info)}; {_known(name, shapes)}"
                )
            if names.count(name) > 1:
                raise WeightsError(f"{path}: `{name}` stands {names.count(name)} times")
        for name, shape in shapes.items():
            if name not in names:
                raise WeightsError(
                    f"{path}: these weights are of another network: `{name}` is missing; its shape is {shape}"
                )
        members_read = {name: _read(path, file, info, shapes[name]) for name, info in zip(names, members, strict=True)}
    return {name: _converted(path, name, members_read[name], dtype) for name in shapes}


@contextmanager
def _opened(path: Path, shapes: Iterable[tuple[int, ...]] = ()) -> Iterator[zipfile.ZipFile]:
    most = 2 * WIDEST * sum(map(math.prod, shapes)) + SLACK
    try:
        with open_foreign(path, most) as raw:
            try:
                file = zipfile.ZipFile(raw)
            except Exception as error:  # on damaged directories the library raises whatever it stumbles over
                raise WeightsError(
                    f"cannot read {path} as .npz: it is damaged, or was not written by numpy.savez"
                ) from error
            with file:
                if len(file.infolist()) > MOST_MEMBERS:
                    raise WeightsError(f"{path}: a file may hold at most {MOST_MEMBERS} arrays")
                yield file
    except FileNotFoundError:
        raise WeightsError(f"no file {path}") from None
    except IsADirectoryError:
        raise WeightsError(f"{path} is no file; name one that ends in .npz") from None
    except OSError as error:
        raise WeightsError(f"cannot read {path} as .npz: {error.strerror or error}") from error


def _name(info: zipfile.ZipInfo) -> str:
    return info.filename.removesuffix(".npy")


def _shape_clause(path: Path, file: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    """A clause with the shape that the file gives an array; empty for what is no array."""
    try:
        return f", which is {str(_member(path, file, info, 0).shape)[:60]} in the file"
    except WeightsError:
        return ""


def _known(name: str, shapes: Shapes) -> str:
    """A clause with the nearest name and its shape, or with the known ones: as `did_you_mean`."""
    if near := nearest(name, shapes, 1):
        return f"did you mean `{near[0]}`, {shapes[near[0]]}?"
    listed = [f"`{known}` {shape}" for known, shape in shapes.items()]
    more = f" and {len(listed) - LISTED} more" if len(listed) > LISTED else ""
    return f"known: {', '.join(listed[:LISTED])}{more}"


class _Member(NamedTuple):
    """What the header of a `.npy` file says, and the bytes behind it."""

    shape: tuple[int, ...]
    by_columns: bool
    dtype: np.dtype
    numbers: bytes


def _member(path: Path, file: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> _Member:
    """Never read beyond `most` bytes of numbers, whatever the file says of its size."""
    try:
        with file.open(info) as member:
            content = member.read(HEADER + most + 1)
    except Exception as error:  # on damaged members, decoders raise whatever they stumble over
        reason = str(error)[:200] or "it is damaged"
        raise WeightsError(f"{path}: `{_name(info)}` cannot be read: {reason}") from error
    try:
        return _taken_apart(content)
    except ValueError as error:
        raise WeightsError(f"{path}: `{_name(info)}` cannot be read: {error}") from None


def _taken_apart(content: bytes) -> _Member:
    """Header and numbers of a `.npy` file. Raises `ValueError` for a header that `numpy.save` does not write."""
    if not content.startswith(MAGIC) or len(content) < 12:
        raise ValueError("the magic string of a .npy file must begin it")
    version = content[6]
    if version not in (1, 2, 3):
        raise ValueError(f"the version of its header must be 1, 2 or 3; got {version}")
    begin = 10 if version == 1 else 12
    end = begin + int.from_bytes(content[8:begin], "little")
    if end > min(len(content), HEADER):
        raise ValueError(f"its header must end within {HEADER} bytes and the file; it claims to end at {end}")
    header = _HEADER.fullmatch(content[begin:end].decode("latin-1"))
    if header is None:
        raise ValueError("its header must give descr, fortran_order and shape as numpy.save writes them")
    try:
        dtype = np.dtype(header["type"])
        shape = tuple(int(size) for size in header["shape"].split(",") if size.strip())
    except Exception:  # NumPy evaluates a list of types as Python source, which may raise anything
        raise ValueError("its header gives a type or a shape that no array has") from None
    return _Member(shape, header["columns"] == "True", dtype, content[end:])


def _read(path: Path, file: zipfile.ZipFile, info: zipfile.ZipInfo, shape: tuple[int, ...]) -> Array:
    """One array, of the shape that it must have."""
    name = _name(info)
    stored, by_columns, dtype, numbers = _member(path, file, info, WIDEST * math.prod(shape))
    if stored != shape:
        turned = "; W is (out, in): give its transpose" if len(shape) == 2 and stored == shape[::-1] else ""
        raise WeightsError(
            f"{path}: these weights are of another network: `{name}` is {stored}, the recipe's is {shape}{turned}"
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
