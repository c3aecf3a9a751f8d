"""One thread for all matrix products while any estimator of this process is fitted: the same bits everywhere.

How many threads share a product decides how its sums are rounded. A grid search fits in processes, in threads, or one
after another, and has a different number of threads at hand in each; with one thread the numbers are always the same.
Products of small networks gain nothing by a second thread.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from twofold.engine.threads import ONE_BLAS_THREAD, Shared, threaded_libraries


def one_thread() -> Shared:
    """While it lasts, in whatever threads it is entered, NumPy's and PyTorch's products take one thread."""
    return _ONE_THREAD


@contextmanager
def _limited() -> Iterator[None]:
    torch = sys.modules.get("torch")
    threads = None if torch is None else torch.get_num_threads()
    with ONE_BLAS_THREAD, threaded_libraries().limit(limits=1, user_api="openmp"):
        if torch is not None:
            torch.set_num_threads(1)
        yield
    if torch is not None:
        torch.set_num_threads(threads)


_ONE_THREAD = Shared(_limited)
