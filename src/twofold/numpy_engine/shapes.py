"""How arrays are annotated with their shapes: `Float[Array, "batch units"]`, checked where the tests run the engine.

jaxtyping takes longer to import than a small network takes to train, and outside the tests nobody asks it anything: an
annotation is text. The tests import it before the engine, whose modules then find it here.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Float, Int, UInt
else:

    class Float:
        """Annotates an array as the array that it is, whatever its shape."""

        def __class_getitem__(cls, array_and_shape):
            """The array's own type."""
            return array_and_shape[0]

    Int = UInt = Float

__all__ = ["Float", "Int", "UInt"]
