"""Arrays by name in safetensors files."""

from __future__ import annotations

from pathlib import Path

from twofold.arrays import Arrays


def read_tensors(path: Path) -> Arrays:
    """Every array of the file by its name."""
    from safetensors.numpy import load_file

    return load_file(path)
