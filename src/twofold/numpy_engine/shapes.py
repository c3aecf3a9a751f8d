"""Shapes in the annotations of arrays: `Float[Array, "batch units"]`, checked where the tests run the engine.

jaxtyping takes longer to import than a small network takes to train, and outside the tests nobody checks annotations,
so a stand-in takes its place there. The tests import jaxtyping before the engine, whose modules then use it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float, Int, UInt
else:

    class Float:
        """A stand-in for jaxtyping's `Float`: annotates an array by its type, without its shape."""

        def __class_getitem__(cls, array_and_shape):
            """The type of the array."""
            return array_and_shape[0]

    Int = UInt = Float

__all__ = ["Float", "Int", "UInt"]
