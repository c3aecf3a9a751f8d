"""What was trained with: the versions of Python and of the libraries that compute."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import version

LIBRARIES = ("twofold", "numpy", "scikit-learn")


@cache
def versions(with_torch: bool) -> dict[str, str]:
    """By name; PyTorch's where it took part."""
    libraries = (*LIBRARIES, "torch") if with_torch else LIBRARIES
    return {"python": platform.python_version()} | {name: version(name) for name in libraries}
