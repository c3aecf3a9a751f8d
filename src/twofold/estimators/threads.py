"""One thread for all matrix products while any estimator of this process is fitted: the same bits everywhere.

How many threads share a product decides how its sums are rounded. A grid search fits in processes, in threads, or one
after another, and has a different number of threads at hand in each; with one thread the numbers are always the same.
Products of small networks gain nothing by a second thread.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_fitting: list[object] = []
"""What lifts the limits again: threadpoolctl's limiter, and PyTorch's threads before; empty while none is set."""
_users = [0]
"""How many fits are under way: the first sets the limits, the last lifts them."""


@contextmanager
def one_thread() -> Iterator[None]:
    """While the context lasts, in whatever threads it is entered, NumPy's and PyTorch's products take one thread."""
    with _lock:
        _users[0] += 1
        if _users[0] == 1:
            _limit()
    try:
        yield
    finally:
        with _lock:
            _users[0] -= 1
            if not _users[0]:
                _lift()


@cache
def _controller(torch: bool) -> ThreadpoolController:
    """Control over the libraries with threads: found once, in milliseconds, and once more when PyTorch is loaded."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _limit() -> None:
    torch = sys.modules.get("torch")
    threads = None if torch is None else torch.get_num_threads()
    _fitting[:] = [_controller(torch is not None).limit(limits=1), threads]
    if torch is not None:
        torch.set_num_threads(1)


def _lift() -> None:
    limits, threads = _fitting
    limits.restore_original_limits()  # pyright: ignore[reportAttributeAccessIssue]
    if threads is not None:
        sys.modules["torch"].set_num_threads(threads)
    _fitting.clear()
