"""What a user's code is, takes and gives, as the types of this room see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

Theirs: TypeAlias = Any
"""What a user's code is, keeps or gives: its class is not known here, and what it can do is found out by trying.

The one type of this package that promises nothing. What has been looked at has a type again: an array from `array`, a
`Slot`, a `Layout`; what is only handed on is an `object`.
"""
Function: TypeAlias = Callable[..., Theirs]
"""A function of the user's, whatever it takes."""
Values: TypeAlias = dict[str, Theirs]
"""What a user's function may be given, by role: arrays or their tensors, numbers, tables."""
Tensors: TypeAlias = dict[str, np.ndarray]
"""What a pass gave, by our names and in our layout."""
Settings: TypeAlias = Mapping[str, Theirs]
"""A kind's settings, as they are handed to the user's code."""
