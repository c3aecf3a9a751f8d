"""The machine's memory: large arrays that come and go with every step kept within the process; how much is left."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from functools import cache
from pathlib import Path

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


def available_memory() -> int | None:
    """Bytes that may still be asked for: what the system has left, or what its group's limit leaves, if less.

    `None` where neither is known. On Linux `MemAvailable` and the limits of control groups; elsewhere what `sysconf`
    says of the pages that are free, or of all there are.
    """
    known = [value for value in (_system_memory(), *_group_memory()) if value is not None]
    return min(known, default=None)


def _system_memory() -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    for name in ("SC_AVPHYS_PAGES", "SC_PHYS_PAGES"):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            if (pages := os.sysconf(name)) > 0:
                return pages * os.sysconf("SC_PAGE_SIZE")
    return None


def _group_memory() -> list[int]:
    """Bytes that each control group of this process still allows, in versions 1 and 2; cached files count as free."""
    limits = []
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/self/cgroup").read_text("utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in ("", "memory"):
                mount = Path("/sys/fs/cgroup", controllers)
                own = mount / path.strip("/")
                limits += [_left(folder) for folder in (own, *own.parents) if folder.is_relative_to(mount)]
    return [left for left in limits if left is not None]


def _left(group: Path) -> int | None:
    """The limit of a control group less what is in use, or `None` where it has none."""
    for limit, usage, cached in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        with contextlib.suppress(OSError, ValueError):  # `max`: no limit
            most, used = (int((group / name).read_text("ascii")) for name in (limit, usage))
            statistics = dict(line.split() for line in (group / "memory.stat").read_text("ascii").splitlines())
            return max(0, most - used + int(statistics.get(cached, 0)))
    return None


def size_text(size: float) -> str:
    """`3.2 GiB`."""
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1 << 10:
            return f"{size:.4g} {unit}"
        size /= 1 << 10
    return f"{size:.1f} GiB"
