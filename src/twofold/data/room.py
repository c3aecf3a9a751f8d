"""The check that samples will fit into memory, made before anything is allocated for them."""

from __future__ import annotations

from twofold.errors import DataError
from twofold.memory import available_memory, size_text


def check_room(what: str, size: int, remedy: str) -> None:
    """Raises `DataError` where `what` takes about `size` bytes and less is left, so far as that is known."""
    available = available_memory()
    if available is not None and size > available:
        raise DataError(
            f"not enough memory: {what} takes about {size_text(size)}, {size_text(available)} are available. {remedy}"
        )
