"""The header of a safetensors file, taken apart piece by piece: no part of it is believed before it is checked.

Eight bytes hold the length of the header, in JSON: `{"NAME":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}`.
It may end in blanks; the arrays' bytes follow, without a gap. https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import NamedTuple, NoReturn, TypeGuard

import numpy as np

DTYPES = {
    **{f"F{bits}": np.dtype(f"<f{bits // 8}") for bits in (16, 32, 64)},
    **{f"I{bits}": np.dtype(f"<i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"U{bits}": np.dtype(f"<u{bits // 8}") for bits in (8, 16, 32, 64)},
    "BOOL": np.dtype(bool),
}
FIELDS = ("dtype", "shape", "data_offsets")
METADATA = "__metadata__"
MOST_HEADER = 1 << 20
"""Bytes: ten thousand arrays and their names."""
MOST_ARRAYS = 10_000
MOST_ENTRY = 2000
"""Characters that stand for one array."""
MOST_NAME = 200
MOST_AXES = 32
MOST_BLANKS = 64
"""Behind the header: writers round its length up to a multiple of 8, some of 64."""
LIMIT = 1 << 63
"""Every size, offset and number of bytes is smaller."""

_STRING = r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*"'
_ENTRY = re.compile(rf'({_STRING}): ?(\{{(?:[^{{}}"]|{_STRING})*\}})')


class MalformedError(Exception):
    """A file breaks a rule of the format; the message says which."""


class Place(NamedTuple):
    """What a header says of one array."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    """The first of its bytes, counted from the end of the header."""
    end: int


def header_length(first: bytes, size: int) -> int:
    """The length of the header in a file of so many bytes. Raises `MalformedError`."""
    if size < 8 or len(first) < 8:
        raise MalformedError(f"the first 8 bytes must give the header's length; the file holds {min(size, len(first))}")
    length = int.from_bytes(first, "little")
    if length > size - 8:
        raise MalformedError(f"the header must lie within the file; it claims {length} bytes, {size - 8} follow")
    if not 2 <= length <= MOST_HEADER:
        raise MalformedError(f"the header must take 2 to {MOST_HEADER} bytes; it claims {length}")
    return length


def places(header: bytes, size: int) -> list[Place]:
    """The arrays in the order of their bytes, of which there are `size`. Raises `MalformedError` at the first fault."""
    entries = header.count(b'":{') + header.count(b'": {') - (METADATA.encode() in header)
    if entries > MOST_ARRAYS:
        raise MalformedError(f"the header must name at most {MOST_ARRAYS} arrays; it names more")
    try:
        text = header.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError(f"the header must be UTF-8 text; byte {error.start} of it is not") from None
    tensors = list[Place]()
    for name, fields in _entries(text):
        tensors.append(_place(name, fields))
    tensors.sort(key=lambda place: (place.begin, place.end))
    _check_side_by_side(tensors, size)
    return tensors


def _entries(text: str) -> Iterator[tuple[str, dict[str, object]]]:
    """The name of each array and what is said of it, one after another: never the whole header at once."""
    body = text.rstrip(" ")
    if (blanks := len(text) - len(body)) > MOST_BLANKS:
        raise MalformedError(f"at most {MOST_BLANKS} blanks may end the header; there are {blanks}")
    if not (body.startswith("{") and body.endswith("}") and len(body) > 1):
        raise MalformedError(
            f"the header must begin with {{ and end with }}; it is {short(body[:1])} to {short(body[-1:])}"
        )
    at, last, names = 1, len(body) - 1, set[str]()
    while at < last:
        match = _ENTRY.match(body, at, min(last, at + MOST_ENTRY))
        if match is None:
            got = short(body[at : at + 40])
            raise MalformedError(f'at character {at} of the header must stand "NAME":{{...}}; got {got}')
        name = json.loads(match[1])
        if name in names:
            raise MalformedError(f"every name must stand once; {short(name)} stands twice")
        names.add(name)
        fields = _fields(name, match[2])
        if name != METADATA:
            yield name, fields
        elif wrong := [key for key, value in fields.items() if not isinstance(value, str)]:
            raise MalformedError(f"`{METADATA}` must be a map of texts; {short(wrong[0])} is none")
        at = _behind_the_comma(body, match.end(), last)


def _behind_the_comma(body: str, at: int, last: int) -> int:
    """Where the next entry begins; `last` where there is none."""
    if at == last:
        return last
    following = at + (2 if body.startswith(", ", at) else 1)
    if body[at] != "," or following >= last:
        raise MalformedError(f"at character {at} of the header must stand a comma and another array")
    return following


def _fields(name: str, text: str) -> dict[str, object]:
    """What is said of one array; no key twice, no number that JSON has not."""
    try:
        return _DECODER.decode(text)
    except MalformedError as error:
        raise MalformedError(f"array {short(name)}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"array {short(name)}: not valid JSON ({str(error)[:80]})") from None


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise MalformedError(f"every key must stand once; {short(twice)} stands twice")
    return fields


def _constant(text: str) -> NoReturn:
    raise MalformedError(f"every number must be finite; got {text}")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_constant)


def _place(name: str, fields: dict[str, object]) -> Place:
    """The entry of one array: each field of its type and range, the bytes as many as the shape needs."""
    if rule := _name_rule(name) or _fields_rule(fields) or _values_rule(*(fields[key] for key in FIELDS)):
        raise MalformedError(f"array {short(name)}: {rule}")
    dtype, shape, offsets = (fields[key] for key in FIELDS)
    assert isinstance(dtype, str)  # as the rules want them
    assert _are_sizes(shape)
    assert _are_sizes(offsets)
    begin, end = offsets
    return Place(name, dtype, tuple(shape), begin, end)


def _name_rule(name: str) -> str:
    if 0 < len(name) <= MOST_NAME and name.isprintable():
        return ""
    return f"a name must be 1 to {MOST_NAME} printable characters; it has {len(name)}"


def _fields_rule(fields: dict[str, object]) -> str:
    wrong = [f"{short(key)} is none of them" for key in fields if key not in FIELDS]
    wrong += [f"`{key}` is missing" for key in FIELDS if key not in fields]
    return f"the keys must be {', '.join(FIELDS)}; {wrong[0]}" if wrong else ""


def _values_rule(dtype: object, shape: object, offsets: object) -> str:
    if not (isinstance(dtype, str) and dtype in DTYPES):
        return f"`dtype` must be one of {', '.join(DTYPES)}; got {short(dtype)}"
    if not (_are_sizes(shape) and len(shape) <= MOST_AXES):
        return f"`shape` must be at most {MOST_AXES} whole numbers from 0 to 2^63 - 1; got {short(shape)}"
    if not (_are_sizes(offsets) and len(offsets) == 2 and offsets[0] <= offsets[1]):
        return f"`data_offsets` must be two whole numbers, begin and end; got {short(offsets)}"
    item = DTYPES[dtype].itemsize
    if math.prod(size or 1 for size in shape) * item >= LIMIT:
        return f"`shape` must be one that a memory could hold; got {short(shape)} of {dtype}"
    needed, offered = math.prod(shape) * item, offsets[1] - offsets[0]
    if needed != offered:
        return f"shape {short(shape)} of {dtype} takes {needed} bytes; `data_offsets` gives it {offered}"
    return ""


def _are_sizes(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(size) is int and 0 <= size < LIMIT for size in value)


def _check_side_by_side(tensors: list[Place], size: int) -> None:
    """The arrays fill the rest of the file: no byte is read twice, none is passed over."""
    at = 0
    for place in tensors:
        if place.begin != at:
            what = "overlaps the one before" if place.begin < at else "leaves a gap"
            raise MalformedError(
                f"array {short(place.name)}: must begin at byte {at} of the data; it is at {place.begin} and {what}"
            )
        at = place.end
    if at != size:
        what = "is cut off" if at > size else "holds more"
        raise MalformedError(f"the arrays take {at} bytes; {size} follow the header: the file {what}")


def short(value: object) -> str:
    """A value as text, cut to a length fit for a message."""
    text = ascii(value) if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
