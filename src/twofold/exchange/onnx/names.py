"""What an ONNX file of ours says of itself, beside the standard fields: keys of its `metadata_props`."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from twofold.arrays import Array
from twofold.errors import MissingExtraError

if TYPE_CHECKING:
    from onnx import NodeProto

RECIPE = "twofold.recipe"
"""The recipe as TOML."""
LABELS = "labels"
"""The classes' names in the order of the outputs, as a JSON list."""
VECTOR = "twofold.test_vector"
"""A few samples and what the network answered, as JSON: {"x": ..., "y": ...}, each with shape, dtype and base64."""
PREPROCESSING = "twofold.preprocessing"
"""What the graph does to bytes before the first layer, as JSON: null where samples enter as the layers take them."""
Attribute: TypeAlias = Any
"""An attribute of a node: a number, a text, or a list of either, as its operator says and the checker saw to."""
ORDERS: dict[str, list[int]] = {"rnn": [0], "lstm": [0, 3, 1, 2], "gru": [1, 0, 2]}
"""Places among our gates of ONNX's gates in their order: i, o, f, c among i, f, g, o, and z, r, h among r, z, n."""


def reordered(array: Array, order: Sequence[int]) -> Array:
    """The blocks of a recurrent layer's array, one a gate, in another order."""
    blocks = np.split(array, len(order))
    return np.concatenate([blocks[index] for index in order])


def onnx_module() -> ModuleType:
    """The library `onnx`. Raises `MissingExtraError` where it is not installed."""
    try:
        import onnx
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
        import onnx.shape_inference
    except ImportError:
        raise MissingExtraError("onnx", "onnx", "Reading or writing an ONNX file") from None
    return onnx


def label_of(node: NodeProto) -> str:
    """A node's name, or its first output's where it has none."""
    return node.name or (node.output[0] if node.output else "")
