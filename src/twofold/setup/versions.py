"""What a run was trained with: this package's code, the versions of Python and of the libraries that compute."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

from twofold.engines import ENGINES

LIBRARIES = ("twofold", "numpy", "scikit-learn")
"""The distributions that take part in every training."""
READERS = ("cli", "estimators", "report", "probe", "analysis", "study")
"""The rooms that only look at runs: their code does not change what a run is, and is left out of `code`."""


@cache
def versions(*engines: str) -> dict[str, str]:
    """The versions of Python and of the libraries that take part where these engines compute, by name."""
    libraries = (*LIBRARIES, *(ENGINES[engine].library for engine in engines))
    return {"python": platform.python_version()} | {name: version(name) for name in libraries}


@cache
def code() -> str:
    """SHA-256 over the source files of the package that take part in a run, by name."""
    package, sha = Path(__file__).parents[1], hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        name = file.relative_to(package)
        if name.parts[0] not in READERS:
            content = file.read_bytes()
            sha.update(f"{name.as_posix()}\0{len(content)}\0".encode())
            sha.update(content)
    return sha.hexdigest()
