"""The dictionary in a pickled CIFAR-10 batch, without the power of a pickle to call what it likes.

A pickle names the functions that build it. Here no name leads to the function itself: the five that an array of NumPy
needs are stood in for by objects that note down its type, shape and bytes, and every other name is refused.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from twofold.arrays import Array
from twofold.errors import DataError

ADMITTED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}
MOST_TUPLES = 100
"""A batch has a dozen. Tuples within tuples, thousands deep, would crash the interpreter."""


@final
class PickledArray:
    """What a pickle says about an array; nothing is built from it until `uint8` has checked every part."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state

    def uint8(self, shape: tuple[int, ...]) -> Array | None:
        """The array; `None` where it is not of this shape, of bytes, and whole."""
        match self.state:
            case (int(), tuple() as shape_named, PickledType(name="u1" | b"u1"), fortran, bytes() as raw):
                if shape_named == shape and len(raw) == np.prod(shape):
                    return np.frombuffer(raw, np.uint8).reshape(shape, order="F" if fortran else "C")
        return None


@final
@dataclass
class PickledType:
    """What a pickle says about a type: its name. Byte order and flags, which a byte does not have, are ignored."""

    name: object

    def __setstate__(self, state: object) -> None:
        pass


@final
class _Name:
    """Takes the place of a function that a pickle names. The pickle cannot change it."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError(f"a state for `{self.name}`")

    def __call__(self, *arguments: object) -> object:
        match self.name, arguments:
            case "_reconstruct", _:
                return PickledArray()
            case "dtype", (name, *_):
                return PickledType(name)
            case "encode", (str() as text, "latin1" | b"latin1"):
                return text.encode("latin1")
        raise pickle.UnpicklingError(f"a call of `{self.name}` that makes no array")


class _Unpickler(pickle.Unpickler):
    path = Path()

    def find_class(self, module: str, name: str, /) -> object:
        if (module, name) not in ADMITTED:
            raise DataError(
                f"{self.path}: the pickle asks for `{module}.{name}`, which no batch of CIFAR-10 needs; it was not "
                "loaded. Do not trust this file: remove it."
            )
        return _Name(name)


def unpickled(path: Path, raw: bytes) -> dict[str | bytes, object]:
    """The dictionary in a pickle, with its arrays as `PickledArray`. Raises `DataError` for any other pickle."""
    try:
        _check_frugal(raw)
        unpickler = _Unpickler(io.BytesIO(raw), encoding="bytes")
        unpickler.path = path
        content = unpickler.load()
    except DataError:
        raise
    except Exception as error:  # a damaged pickle raises whatever it stumbles over
        raise DataError(
            f"{path}: no pickle of a CIFAR-10 batch ({str(error)[:200] or type(error).__name__}). "
            "Remove the file and let torchvision download it again."
        ) from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: the pickle must hold a dictionary; it holds `{type(content).__name__}`.")
    return content


def _check_frugal(raw: bytes) -> None:
    """Raises `UnpicklingError` for a pickle that would take memory or stack out of proportion to its size."""
    tuples = 0
    for code, argument, _ in pickletools.genops(raw):
        tuples += code.name.startswith("TUPLE")
        if tuples > MOST_TUPLES or ("PUT" in code.name and int(argument or 0) > len(raw)):
            raise pickle.UnpicklingError(f"too much asked of memory by {code.name}")
