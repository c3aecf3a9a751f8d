"""A run folder is read as a whole or refused: what its files hold may be sealed and yet not fit together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twofold.errors import RunFolderError, TwofoldError

DEBUG = "TWOFOLD_DEBUG"
"""Set in the environment, it lets the exception through, with its traceback."""


@contextmanager
def as_a_whole(*folders: str | Path) -> Iterator[None]:
    """While what folders hold is put together: whatever is stumbled over in an altered one becomes `RunFolderError`.

    A seal says that a file is the one that was recorded, not that its columns, names and shapes are those of the
    recipe; whoever can alter the one can alter the other.
    """
    try:
        yield
    except (TwofoldError, OSError):
        raise
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        names = ", ".join(map(str, folders[:3]))
        raise RunFolderError(
            f"{names}: what the files hold does not fit together ({type(error).__name__}: {str(error)[:200]}). Take "
            f"another copy of the folder, or run its recipe again; {DEBUG}=1 shows where it was found."
        ) from error
