"""Large arrays that come and go with every step, kept within the process."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from functools import cache

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
KEPT = 256 << 20
"""Bytes asked of the system at once."""


@cache
def keep_large_blocks() -> None:
    """Ask the C library not to give freed memory back to the system, where it is glibc; elsewhere nothing.

    By default it maps every array above 32 MiB anew, and the system clears each page of it at its first touch: at the
    reduced VGG network, in PyTorch, a third of the time of a step. The process keeps the most that it ever used.
    """
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        # Where the first is refused, any other option would stop glibc from raising the threshold by itself.
        if mallopt(M_MMAP_THRESHOLD, 1 << 30):
            mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
            mallopt(M_TOP_PAD, KEPT)
