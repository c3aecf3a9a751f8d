"""What a point was trained with."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import version


@cache
def versions(engine: str) -> dict[str, str]:
    """Of Python and of the libraries that compute."""
    libraries = ("twofold", "numpy", "scikit-learn", *(["torch"] if engine == "torch" else []))
    return {"python": platform.python_version()} | {name: version(name) for name in libraries}
