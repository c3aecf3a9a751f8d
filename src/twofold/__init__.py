"""Twofold trains a small neural network twice from one recipe, in NumPy and in PyTorch, and proves that both agree.

>>> import twofold
>>> run = twofold.run("digits")  # doctest: +SKIP
>>> twofold.verify("digits").agrees  # doctest: +SKIP
True

The public names and where each lives stand in `__init__.pyi`, which type checkers read too. A name is imported when it
is first asked for, so that `import twofold` and `twofold --help` take a fraction of a second.
"""

from typing import Any

import lazy_loader

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'twofold' has no attribute {name!r}")
    return _load(name)
