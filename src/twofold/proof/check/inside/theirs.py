"""Types for a user's code, its arguments and its results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

Theirs: TypeAlias = Any
"""A user's object, or a value that it keeps or returns: its class is not known, and its abilities are found by trying.

It is the one type here that promises nothing. Once examined, a value has a type again: an array from `array`, a `Slot`,
a `Layout`; a value that is only passed on is an `object`.
"""
Function: TypeAlias = Callable[..., Theirs]
"""A function of the user's, whatever it takes."""
Values: TypeAlias = dict[str, Theirs]
"""Values that a user's function may be given, by role: arrays or tensors, numbers, dictionaries."""
Tensors: TypeAlias = dict[str, np.ndarray]
"""The tensors of a pass, by our names and in our layout."""
Settings: TypeAlias = Mapping[str, Theirs]
"""The settings of a kind, as they are passed to the user's code."""
