"""What every script may need, and what is known of one network beside a recipe's settings."""

from __future__ import annotations

from collections.abc import Mapping

PACKAGE = "twofold."
IMPORTS = {
    "np": "import numpy as np",
    "math": "import math",
    "hashlib": "import hashlib",
    "NamedTuple": "from typing import NamedTuple",
    "lru_cache": "from functools import lru_cache",
}
"""What a script may need, by the name that it is used under."""

SINGLE = {"target.ndim == 1": True, "terms.ndim == 1": True, "g.ndim == 1": True, "W.ndim == 2": True}
"""What is known of one network, in place of a stack of replicas."""
SHORTENED = ("self.cell", "self.spec")
"""Parts of `self` that a method gives a short name."""
DOCS = {
    "length_at": "The length that is trained on, at a share of the training.",
    "rate": "The rate at step k, counted from 0.",
    "between": "From a to b, of which a share is done.",
    "augmented_resampled": "Each image turned, moved, zoomed and bent, by numbers drawn for it.",
    "augmented_cut": "A square of each image becomes what the network sees as 0.",
    "_key": "The key of a generator: a checksum of seed and purpose.",
}
"""Docstrings of functions that have none in the engine, where their class has one."""
Known = Mapping[str, object]
"""Known values by the expression that has them in the source: `self.eps`, `reduction`, `schedule.gamma`."""


class Named(str):
    """A value that is known by a name only: the name that it has in the script."""

    @property
    def name(self) -> str:
        """The text itself."""
        return str(self)
