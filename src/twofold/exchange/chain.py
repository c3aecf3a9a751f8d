"""A chain of layers as it is read out of another library's model, each checked against the original on the way.

A converter of any format adds to the chain what it read. The layer is then run at once, by the NumPy engine's own
function, on what the layers before it gave, and compared with what the original gave at the same place: a weight that
was transposed or a padding that was misread is refused by the name of the original's layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NoReturn, final

import numpy as np

from twofold.arrays import Array, Arrays, all_finite
from twofold.errors import AdoptError
from twofold.exchange.kinds import AvgPool2d, Flatten, GlobalAvgPool2d
from twofold.exchange.proof import gap_of_same_form
from twofold.numpy_engine.layer import EVALUATION
from twofold.numpy_engine.layers import build_layer
from twofold.recipe.layer import LayerSpec
from twofold.recipe.network import kind_of, shape_text


@dataclass(frozen=True)
class Link:
    """One layer of the chain, and where it comes from."""

    spec: LayerSpec
    label: str
    """The original's name for the layer: `features.0`."""
    operator: str
    """The original's type of the layer: `Conv2d`, `Gemm (version 13)`."""
    tensors: Arrays = field(default_factory=dict)
    """Parameters and running statistics by our names."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """The original's name of each tensor, by our name, where the original has it in the same form."""
    output: str | None = None
    """The original's name for the output of the layer; `None` where the original never shows it."""


@final
class Chain:
    """The layers read so far, and the activations that they give of the sample. `x` is the sample, (batch, ...)."""

    def __init__(self, x: Array, tolerance: float) -> None:
        self.x = x
        self.y = x
        self.links: list[Link] = []
        self.tolerance = tolerance
        self._plane: tuple[int, ...] = ()
        self.loss: str | None = None
        """The loss of which the model's last operation is a part, if any: a log-softmax is part of cross-entropy."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample at the end of the chain."""
        return self.y.shape[1:]

    def add(self, link: Link, expected: Array | None) -> None:
        """Put a layer at the end; `expected` is what the original gives there, up to axes of size 1, `None` if unknown.

        Raises `AdoptError` where the layer cannot stand there or gives other numbers than the original.
        """
        spec = link.spec
        if spec.refuses(self.shape):
            self._keep_plane(spec)
        if refusal := spec.refuses(self.shape):
            reason = f"`{kind_of(spec)}` {refusal.rule}; it gets {shape_text(self.shape)}"
            raise AdoptError(reason, layer=link.label, operator=link.operator, nearest=refusal.remedy)
        self._check_tensors(link)
        kind = kind_of(spec)
        with np.errstate(all="ignore"):
            y, _ = build_layer(spec).forward(self._typed(link.tensors), self.y, EVALUATION)
        if expected is not None:
            distance = gap_of_same_form(y, expected)
            if not distance <= self.tolerance:
                raise AdoptError(
                    f"converted to `{kind}`, it gives other numbers than the original: relative gap {distance:.1e}, "
                    f"{self.tolerance:g} allowed",
                    layer=link.label,
                    operator=link.operator,
                    nearest="Please report this model: the converter of this layer is wrong for its settings.",
                )
        self._plane = self.shape[1:]
        self.y = y
        self.links.append(link)

    def _keep_plane(self, spec: LayerSpec) -> None:
        """Where a layer that takes images follows a global mean, make that a mean over one window: the whole plane."""
        if self.links and isinstance(self.links[-1].spec, GlobalAvgPool2d) and not spec.refuses((*self.shape, 1, 1)):
            height, width = self._plane
            window = AvgPool2d(kernel=height if height == width else (height, width))
            self.links[-1] = replace(self.links[-1], spec=window)
            self.y = self.y[:, :, None, None]

    def gives(self, spec: LayerSpec, expected: Array) -> bool:
        """Whether a layer without tensors would give what the original gives here."""
        with np.errstate(all="ignore"):
            y, _ = build_layer(spec).forward({}, self.y, EVALUATION)
        return gap_of_same_form(y, expected) <= self.tolerance

    def flatten(self, label: str, operator: str, expected: Array, output: str | None = None) -> None:
        """Add a flatten layer, unless the samples are vectors already."""
        if len(self.shape) != 1:
            self.add(Link(Flatten(), label, operator, output=output), expected)

    def begin_as(self, x: Array) -> None:
        """Begin with the sample in another form; only before any layer is added."""
        self.x = self.y = x

    def _typed(self, tensors: Arrays) -> dict[str, Array]:
        return {name: array.astype(self.y.dtype, copy=False) for name, array in tensors.items()}

    def _check_tensors(self, link: Link) -> None:
        shapes = link.spec.parameter_shapes(self.shape) | link.spec.buffer_shapes(self.shape)

        def refuse(reason: str) -> NoReturn:
            raise AdoptError(reason, layer=link.label, operator=link.operator)

        for name, shape in shapes.items():
            if name not in link.tensors:
                refuse(f"its {name} is missing")
            array = link.tensors[name]
            if array.shape != shape:
                refuse(f"its {name} is {array.shape}; `{kind_of(link.spec)}` on {shape_text(self.shape)} takes {shape}")
            if not all_finite(array):
                refuse(f"its {name} holds NaN or infinity")
        if extra := sorted(link.tensors.keys() - shapes.keys()):
            refuse(f"its {extra[0]} has no place in `{kind_of(link.spec)}`")


def same_padding(size: int, kernel: int, stride: int, dilation: int) -> int:
    """The zeros with which ⌈size / stride⌉ windows lie along an axis: what other libraries call `same`."""
    return max(0, (-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size)


def weights_of(links: list[Link] | tuple[Link, ...]) -> dict[str, Array]:
    """Every parameter and running statistic by our full name: `0.weight`."""
    return {f"{index}.{name}": array for index, link in enumerate(links) for name, array in link.tensors.items()}
