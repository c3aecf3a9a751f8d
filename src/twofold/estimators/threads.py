"""One thread for all matrix products while any estimator of this process is fitted: the same bits everywhere.

How many threads share a product decides how its sums are rounded. A grid search fits in processes, in threads, or one
after another, and has a different number of threads at hand in each; with one thread the numbers are always the same.
Products of small networks gain nothing by a second thread.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module

from twofold.engine.threads import ONE_BLAS_THREAD, Shared, threaded_libraries
from twofold.engines import ENGINES


@contextmanager
def one_thread(engine: str) -> Iterator[None]:
    """While the context lasts, in whatever threads it is entered, NumPy's and PyTorch's products take one thread.

    The library of `engine` is imported before: what is loaded later knows of no limit.
    """
    import_module(ENGINES[engine].library)
    with ExitStack() as limits:
        limits.enter_context(_ONE_THREAD)
        if "torch" in sys.modules:
            limits.enter_context(_ONE_TORCH_THREAD)
        yield


@contextmanager
def _limited() -> Iterator[None]:
    with ONE_BLAS_THREAD, threaded_libraries().limit(limits=1, user_api="openmp"):
        yield


@contextmanager
def _limited_torch() -> Iterator[None]:
    torch = sys.modules["torch"]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


_ONE_THREAD = Shared(_limited)
_ONE_TORCH_THREAD = Shared(_limited_torch)
