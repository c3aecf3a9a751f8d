"""One thread for all matrix products while any estimator of this process is fitted: the same bits everywhere.

How many threads share a product decides how its sums are rounded. A grid search fits in processes, in threads, or one
after another, and has a different number of threads at hand in each; with one thread the numbers are always the same.
Products of small networks gain nothing by a second thread.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from importlib import import_module
from typing import TYPE_CHECKING

from twofold.engines import ENGINES

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_fitting: list[Callable[[], object]] = []
"""What lifts the limits again, the last one first; empty while none is set."""
_limited: set[str] = set()
"""Whose products have one thread: those of `numpy`, and of `torch` where that is loaded."""
_users = [0]
"""How many fits are under way: the first sets the limits, the last lifts them."""


@contextmanager
def one_thread(engine: str) -> Iterator[None]:
    """While the context lasts, in whatever threads it is entered, NumPy's and PyTorch's products take one thread.

    The library of `engine` is imported before: what is loaded later knows of no limit.
    """
    import_module(ENGINES[engine].library)
    with _lock:
        _users[0] += 1
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
    """Set the limits that are missing: all for the first fit, PyTorch's for the first that loads it."""
    torch = sys.modules.get("torch")
    wanted = {"numpy"} if torch is None else {"numpy", "torch"}
    if wanted <= _limited:
        return
    if torch is not None:
        _fitting.append(partial(torch.set_num_threads, torch.get_num_threads()))
        torch.set_num_threads(1)
    limits = _controller(torch is not None).limit(limits=1)
    _fitting.append(limits.restore_original_limits)  # pyright: ignore[reportAttributeAccessIssue]
    _limited.update(wanted)


def _lift() -> None:
    while _fitting:
        _fitting.pop()()
    _limited.clear()
