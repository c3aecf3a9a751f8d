"""Weight files that no reader should take: each kind by its name, with what is said of it.

`tests/test_tensors.py` runs all of them; `benchmarks/hostile.py` shows what the library's own reader makes of them.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

WHOLE = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
DATA = struct.pack("<6f", *range(6))


def raw(header: str | bytes, data: bytes = DATA, length: int | None = None) -> bytes:
    """A file of this header and these bytes, whatever they say."""
    encoded = header.encode() if isinstance(header, str) else header
    return struct.pack("<Q", len(encoded) if length is None else length) + encoded + data


def one(data: bytes = DATA, name: str = "w", **changed: Any) -> bytes:
    """A file of one array, with some of what is said of it changed; `None` leaves a key out."""
    entry = {key: value for key, value in {**WHOLE, **changed}.items() if value is not None}
    return raw(json.dumps({name: entry}, separators=(",", ":")), data)


def two(first: Mapping[str, Any], second: Mapping[str, Any], data: bytes) -> bytes:
    entries = {name: {**WHOLE, **changed} for name, changed in {"a": first, "b": second}.items()}
    return raw(json.dumps(entries, separators=(",", ":")), data)


def text(entry: str, data: bytes = DATA) -> bytes:
    """A file of one array of which `entry` is said."""
    return raw(f'{{"w":{entry}}}', data)


GOOD = one()
ENTRY = json.dumps(WHOLE, separators=(",", ":"))
KEYS = "the keys must be dtype, shape, data_offsets; "
SHAPE = "`shape` must be at most 32 whole numbers from 0 to 2^63 - 1; got "
OFFSETS = "`data_offsets` must be two whole numbers, begin and end; got "
DTYPE = "`dtype` must be one of F16, F32, F64, I8, I16, I32, I64, U8, U16, U32, U64, BOOL; got "
NO_ENTRY = 'of the header must stand "NAME":{...}; got '
FINITE = "every number must be finite; got "

MALFORMED: dict[str, tuple[bytes, str]] = {
    # The length of the header, and the file.
    "empty file": (b"", "the first 8 bytes must give the header's length; the file holds 0"),
    "shorter than 8 bytes": (GOOD[:5], "the first 8 bytes must give the header's length; the file holds 5"),
    "header larger than the file": (
        raw(ENTRY, length=1 << 20),
        "the header must lie within the file; it claims 1048576",
    ),
    "header of 2^64 - 1 bytes": (raw(ENTRY, length=2**64 - 1), "the header must lie within the file; it claims 18446"),
    "header of no bytes": (raw("", b""), "the header must take 2 to 1048576 bytes; it claims 0"),
    "header above the limit": (raw(" " * (1 << 21)), "the header must take 2 to 1048576 bytes; it claims 2097152"),
    "cut in the header": (GOOD[:30], "the header must lie within the file; it claims 57 bytes, 22 follow"),
    "cut in the data": (GOOD[:-1], "the arrays take 24 bytes; 23 follow the header: the file is cut off"),
    "bytes behind the data": (GOOD + b"\0", "the arrays take 24 bytes; 25 follow the header: the file holds more"),
    "no array, some data": (raw("{}"), "the arrays take 0 bytes; 24 follow the header: the file holds more"),
    "a pickle": (b"\x80\x04cos\nsystem\n(S'true'\ntR.", "the header must lie within the file"),
    "a zip archive, as torch.save writes": (
        b"PK\x03\x04" + bytes(200),
        "the header must lie within the file; it claims 67",
    ),
    # The text of the header.
    "not UTF-8": (raw(b'{"\xff":' + ENTRY.encode() + b"}"), "the header must be UTF-8 text; byte 2 of it is not"),
    "byte order mark": (
        raw("\ufeff" + f'{{"w":{ENTRY}}}'),
        "the header must begin with { and end with }; it is '\\ufeff'",
    ),
    "leading blank": (raw(f' {{"w":{ENTRY}}}'), "the header must begin with { and end with }; it is ' ' to '}'"),
    "leading newline": (raw(f'\n{{"w":{ENTRY}}}'), "the header must begin with { and end with }; it is '\\n' to '}'"),
    "newline behind the header": (
        raw(f'{{"w":{ENTRY}}}\n'),
        "the header must begin with { and end with }; it is '{' to",
    ),
    "zeros behind the header": (
        raw(f'{{"w":{ENTRY}}}\0\0'),
        "the header must begin with { and end with }; it is '{' to",
    ),
    "blanks without end": (raw(f'{{"w":{ENTRY}}}' + " " * 65), "at most 64 blanks may end the header; there are 65"),
    "a list": (raw(f"[{ENTRY}]"), "the header must begin with { and end with }; it is '[' to ']'"),
    "no JSON": (raw("{hello}"), f"at character 1 {NO_ENTRY}'hello}}'"),
    "JSON cut off": (raw(f'{{"w":{ENTRY}'), f"at character 1 {NO_ENTRY}"),
    "two values": (raw(f'{{"w":{ENTRY}}}{{}}'), "at character 56 of the header must stand a comma"),
    "a comment": (raw(f'{{/**/"w":{ENTRY}}}'), f"at character 1 {NO_ENTRY}'/**/"),
    "trailing comma": (raw(f'{{"w":{ENTRY},}}'), "of the header must stand a comma and another array"),
    "blanks between the keys": (raw(f'{{  "w"  :  {ENTRY}  }}'), f"at character 1 {NO_ENTRY}'  "),
    "single quotes": (raw(f"{{'w':{ENTRY}}}"), f"at character 1 {NO_ENTRY}"),
    "nested nine thousand deep": (raw('{"w":' * 9_000 + "{}" + "}" * 9_000), f"at character 1 {NO_ENTRY}"),
    "lists nested deep": (text('{"dtype":"F32","shape":' + "[" * 900 + "]" * 900 + ',"data_offsets":[0,24]}'), SHAPE),
    "one entry without end": (text('{"dtype":"F32","shape":[' + "1," * 9999 + '1],"data_offsets":[0,24]}'), NO_ENTRY),
    # Names.
    "duplicate name": (raw(f'{{"w":{ENTRY},"w":{ENTRY}}}'), "every name must stand once; 'w' stands twice"),
    "duplicate name, escaped": (
        raw(f'{{"w":{ENTRY},"\\u0077":{ENTRY}}}'),
        "every name must stand once; 'w' stands twice",
    ),
    "empty name": (one(name=""), "array '': a name must be 1 to 200 printable characters; it has 0"),
    "name of 201 characters": (one(name="w" * 201), "a name must be 1 to 200 printable characters; it has 201"),
    "name with a zero byte": (one(name="a\0b"), "array 'a\\x00b': a name must be 1 to 200 printable characters"),
    "name with a lone surrogate": (raw(f'{{"\\ud800":{ENTRY}}}'), "array '\\ud800': a name must be 1 to 200 printable"),
    "name that turns the text round": (one(name="a\u202eb"), "array 'a\\u202eb': a name must be 1 to 200 printable"),
    # What is said of an array.
    "duplicate key": (
        text('{"dtype":"F32","dtype":"F32","shape":[2,3],"data_offsets":[0,24]}'),
        "array 'w': every key must stand once; 'dtype' stands twice",
    ),
    "unknown key": (one(call="os.system"), f"array 'w': {KEYS}'call' is none of them"),
    "no dtype": (one(dtype=None), f"array 'w': {KEYS}`dtype` is missing"),
    "no shape": (one(shape=None), f"array 'w': {KEYS}`shape` is missing"),
    "no offsets": (one(data_offsets=None), f"array 'w': {KEYS}`data_offsets` is missing"),
    "an array without an object": (raw('{"w":[1]}'), f"at character 1 {NO_ENTRY}"),
    "unknown dtype": (one(dtype="F33"), f"array 'w': {DTYPE}'F33'"),
    "dtype of Python objects": (one(dtype="O"), f"array 'w': {DTYPE}'O'"),
    "dtype in lower case": (one(dtype="f32"), f"array 'w': {DTYPE}'f32'"),
    "dtype that is no text": (one(dtype=["F32"]), f"array 'w': {DTYPE}['F32']"),
    "shape that is a number": (one(shape=6), f"array 'w': {SHAPE}6"),
    "negative size": (one(shape=[-2, -3]), f"array 'w': {SHAPE}[-2, -3]"),
    "fractional size": (one(shape=[2.0, 3]), f"array 'w': {SHAPE}[2.0, 3]"),
    "size that is true": (one(shape=[True, 6]), f"array 'w': {SHAPE}[True, 6]"),
    "size NaN": (text('{"dtype":"F32","shape":[NaN],"data_offsets":[0,24]}'), f"array 'w': {FINITE}NaN"),
    "offset Infinity": (
        text('{"dtype":"F32","shape":[6],"data_offsets":[0,Infinity]}'),
        f"array 'w': {FINITE}Infinity",
    ),
    "offset 1e999": (text('{"dtype":"F32","shape":[6],"data_offsets":[0,1e999]}'), f"array 'w': {OFFSETS}[0, inf]"),
    "leading zero": (text('{"dtype":"F32","shape":[06],"data_offsets":[0,24]}'), "array 'w': not valid JSON ("),
    "size above 2^63": (one(shape=[2**64 + 6]), f"array 'w': {SHAPE}[18446744073709551622]"),
    "33 axes": (one(shape=[2, 3] + [1] * 31), f"array 'w': {SHAPE}[2, 3, 1,"),
    "product above 2^64": (
        one(b"", shape=[2**32, 2**32], data_offsets=[0, 0]),
        "array 'w': `shape` must be one that a memory could hold; got [4294967296, 4294967296] of F32",
    ),
    "absurd shape of no bytes": (
        one(b"", shape=[0, 2**62], data_offsets=[0, 0]),
        "array 'w': `shape` must be one that a memory could hold; got [0, 4611686018427387904] of F32",
    ),
    "a terabyte that is not there": (
        one(shape=[2**38], data_offsets=[0, 2**40]),
        "the arrays take 1099511627776 bytes; 24 follow the header: the file is cut off",
    ),
    "negative offset": (one(data_offsets=[-24, 0]), f"array 'w': {OFFSETS}[-24, 0]"),
    "offsets turned round": (one(data_offsets=[24, 0]), f"array 'w': {OFFSETS}[24, 0]"),
    "one offset": (one(data_offsets=[24]), f"array 'w': {OFFSETS}[24]"),
    "offset above 2^63": (one(data_offsets=[0, 2**64 + 24]), f"array 'w': {OFFSETS}[0, 18446744073709551640]"),
    "fewer bytes than the shape": (
        one(DATA[:20], data_offsets=[0, 20]),
        "array 'w': shape [2, 3] of F32 takes 24 bytes; `data_offsets` gives it 20",
    ),
    "more bytes than the shape": (
        one(shape=[5]),
        "array 'w': shape [5] of F32 takes 20 bytes; `data_offsets` gives it 24",
    ),
    "two arrays, the same bytes": (
        two({}, {}, DATA),
        "array 'b': must begin at byte 24 of the data; it is at 0 and overlaps the one before",
    ),
    "two arrays that overlap": (
        two({}, {"data_offsets": [12, 36]}, DATA + DATA[:12]),
        "array 'b': must begin at byte 24 of the data; it is at 12 and overlaps the one before",
    ),
    "a gap between two": (
        two({}, {"data_offsets": [32, 56]}, DATA + bytes(8) + DATA),
        "array 'b': must begin at byte 24 of the data; it is at 32 and leaves a gap",
    ),
    "a gap before the first": (
        one(bytes(8) + DATA, data_offsets=[8, 32]),
        "array 'w': must begin at byte 0 of the data; it is at 8 and leaves a gap",
    ),
    "metadata that is a list": (raw('{"__metadata__":["a"]}', b""), f"at character 1 {NO_ENTRY}"),
    "metadata that is no text": (
        raw('{"__metadata__":{"a":1}}', b""),
        "`__metadata__` must be a map of texts; 'a' is none",
    ),
    "metadata with tables": (raw('{"__metadata__":{"a":{"b":"c"}}}', b""), f"at character 1 {NO_ENTRY}"),
    "metadata twice": (raw('{"__metadata__":{},"__metadata__":{}}', b""), "every name must stand once; '__metadata__'"),
    # The numbers.
    "NaN": (one(struct.pack("<6f", 0, 1, 2, np.nan, 4, 5)), f"array 'w': {FINITE}nan at (1, 0)"),
    "infinity": (one(struct.pack("<6f", 0, -np.inf, 2, 3, 4, 5)), f"array 'w': {FINITE}-inf at (0, 1)"),
    "a truth of 2": (
        one(b"\0\1\2\0\0\0", dtype="BOOL", data_offsets=[0, 6]),
        "array 'w': a BOOL must be 0 or 1; got 2",
    ),
    "ten thousand and one arrays": (
        raw(
            "{" + ",".join(f'"{i}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}' for i in range(10_001)) + "}", b""
        ),
        "the header must name at most 10000 arrays; it names more",
    ),
}
