"""How files that Twofold did not write are opened: regular files only, up to a stated size and depth.

A name may lead to a pipe, to a device or through a link to either; a file may be sparse, endless, or nested without
end. What breaks a rule raises `IrregularError`, an `OSError` whose `strerror` is the rule, so that every reader's own
`except OSError` names it beside the file. Nothing here waits for another process.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from io import BufferedReader
from pathlib import Path

from twofold.memory import size_text
from twofold.plain import Parsed

MOST_TEXT = 64 << 20
"""Bytes of a record, a manifest or any other text that is read whole."""
MOST_RECIPE = 4 << 20
"""Bytes of a recipe or a study in TOML."""
MOST_DEPTH = 64
"""Levels of tables and lists within each other. The deepest recipe has 5."""

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


class IrregularError(OSError):
    """What a name leads to is no regular file, or is larger than the reader allows."""


def open_foreign(path: str | os.PathLike[str], most: int | None = None) -> BufferedReader:
    """A regular file of at most `most` bytes, opened for reading.

    Raises `IrregularError` for a pipe, a device, a socket and for more bytes; `OSError` as `open` does.
    """
    try:
        # A pipe is opened without a writer, and read without waiting: it is refused before anything is read.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError as error:  # a NUL in the name
        raise FileNotFoundError(errno.ENOENT, "no such file: its name holds a NUL character", str(path)) from error
    try:
        status = os.fstat(handle)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(status.st_mode):
            kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
            raise IrregularError(errno.EINVAL, f"it is {kind} and no regular file", str(path))
        if most is not None and status.st_size > most:
            raise IrregularError(errno.EFBIG, too_large(status.st_size, most), str(path))
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_foreign(path: str | os.PathLike[str], most: int = MOST_TEXT) -> bytes:
    """The content of a regular file of at most `most` bytes, whatever it says of its size. Raises as `open_foreign`."""
    with open_foreign(path, most) as file:
        content = file.read(most + 1)
    if content is None:  # a file of the kernel that has nothing yet
        raise IrregularError(errno.EINVAL, "it gives no content without waiting for it", str(path))
    if len(content) > most:
        raise IrregularError(errno.EFBIG, too_large(len(content), most), str(path))
    return content


def too_large(size: int, most: int) -> str:
    """The sentence about a file of `size` bytes of which at most `most` are read."""
    return f"it holds {size_text(size)}, and at most {size_text(most)} are read"


def read_json(path: str | os.PathLike[str], most: int = MOST_TEXT) -> Parsed:
    """The value of a JSON file. Raises `ValueError` for what is no JSON or too deep; else as `read_foreign`."""
    return parse_json(read_foreign(path, most))


def parse_json(content: bytes | str) -> Parsed:
    """The value of a JSON text. Raises `ValueError` for anything that is no JSON, or deeper than `MOST_DEPTH`."""
    try:
        value = json.loads(content)
    except RecursionError:
        raise ValueError(f"it is nested deeper than {MOST_DEPTH} levels") from None
    except ValueError as error:
        raise ValueError(f"not valid JSON: {str(error)[:200]}") from None
    check_depth(value)
    return value


def check_depth(value: Parsed, most: int = MOST_DEPTH) -> None:
    """Raises `ValueError` for tables and lists within each other deeper than `most`."""
    level = [value]
    for _ in range(most + 1):
        level = (
            [
                inner
                for outer in level
                for inner in (outer.values() if isinstance(outer, dict) else outer)
                if isinstance(inner, dict | list)
            ]
            if level and all(isinstance(outer, dict | list) for outer in level)
            else []
        )
        if not level:
            return
    raise ValueError(f"it is nested deeper than {most} levels")


def is_regular(path: str | Path) -> bool:
    """Whether a name leads to a regular file; `False` for a name that no file can have."""
    try:
        return os.path.isfile(path)
    except (OSError, ValueError):
        return False
