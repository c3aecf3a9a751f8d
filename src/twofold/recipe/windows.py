"""The layers that slide a window over the plane: convolution and pooling. Images are N, C, H, W."""

from __future__ import annotations

import abc
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from twofold.recipe.base import Pair, Shape, pair
from twofold.recipe.layer import LayerSpec, Refusal

Size = PositiveInt | Annotated[tuple[PositiveInt, PositiveInt], Field(strict=False)]
Border = NonNegativeInt | Annotated[tuple[NonNegativeInt, NonNegativeInt], Field(strict=False)]


def steps(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool = False) -> int:
    """How many windows lie along an axis: ⌊(size + 2 padding − dilation (kernel − 1) − 1) / stride⌋ + 1.

    `ceil_mode` rounds up instead, but for a last window that would begin in the padding behind the input.
    """
    free = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (-(-free // stride) if ceil_mode else free // stride) + 1
    return count - 1 if ceil_mode and (count - 1) * stride >= size + padding else count


class _Image(LayerSpec, abc.ABC):
    def refuses(self, shape: Shape) -> Refusal | None:
        if len(shape) == 3 and None not in shape:
            return None
        remedy = "Put it before `flatten` and dense layers." if len(shape) == 1 and None not in shape else ""
        return Refusal("takes images (N, channels, height, width)", remedy)


class _Window(_Image, abc.ABC):
    @property
    @abc.abstractmethod
    def window(self) -> tuple[Pair, Pair, Pair, Pair]:
        """Kernel, stride, padding and dilation, each as height and width."""

    @property
    def rounds_up(self) -> bool:
        """Whether a window may reach beyond the padding."""
        return False

    def refuses(self, shape: Shape) -> Refusal | None:
        return super().refuses(shape) or self._too_large(shape)

    def _too_large(self, shape: Shape) -> Refusal | None:
        """A window must lie within the padded input at least once."""
        for axis, size in enumerate(shape[1:]):
            kernel, stride, padding, dilation = (each[axis] for each in self.window)
            reach = dilation * (kernel - 1) + 1
            missing = reach - (size or 0) - 2 * padding
            if missing <= 0:
                continue
            name = ("height", "width")[axis]
            spread = f", dilation {dilation}" if dilation > 1 else ""
            rule = (
                f"with kernel {kernel}, stride {stride}, padding {padding}{spread} does not fit: its window spans "
                f"{reach} of the {name}, and the input with its padding has {(size or 0) + 2 * padding}"
            )
            fitting = ((size or 0) + 2 * padding - 1) // dilation + 1
            return Refusal(rule, self._remedy(kernel, padding + -(-missing // 2), fitting))
        return None

    def _remedy(self, kernel: int, padding: int, fitting: int) -> str:
        return f"The smallest change that fits: set `padding` to {padding}, or set `kernel` to at most {fitting}."

    def _plane(self, shape: Shape) -> Pair:
        kernel, stride, padding, dilation = self.window
        rows, columns = (
            steps(size or 0, kernel[axis], stride[axis], padding[axis], dilation[axis], self.rounds_up)
            for axis, size in enumerate(shape[1:])
        )
        return rows, columns


class Conv2d(_Window):
    """y[n, o, i, j] = b[o] + Σ W[o, c, u, v] x[n, c, i s + u d − p, j s + v d − p]: cross-correlation, zeros around.

    `torch.nn.Conv2d`.
    """

    kind: Literal["conv2d"] = "conv2d"
    channels: PositiveInt
    """Outputs."""
    kernel: Size
    """Height and width of the window: one number, or two."""
    stride: Size = 1
    """s: from one window to the next."""
    padding: Border = 0
    """p: zeros on every side."""
    dilation: Size = 1
    """d: from one element of the window to the next."""
    groups: PositiveInt = 1
    """Channels in so many groups that know nothing of each other."""
    bias: bool = True
    """Whether b is added."""
    initial: Literal["recipe", "whitening"] = "recipe"
    """How W begins: as the recipe's `initial` says, or, in the first layer, with filters that whiten the training
    images: √(λ + ε)⁻¹ v and −√(λ + ε)⁻¹ v for the eigenvectors v and eigenvalues λ of the mean of p pᵀ over their
    patches p, ε = 5e-4; b then begins at 0, and channels beyond twice the patch's numbers as the recipe says."""

    @property
    def window(self) -> tuple[Pair, Pair, Pair, Pair]:
        return pair(self.kernel), pair(self.stride), pair(self.padding), pair(self.dilation)

    @property
    def whitens(self) -> bool:
        """Whether it wants images to begin with."""
        return self.initial == "whitening"

    @classmethod
    def conflicts(cls, values: Mapping[str, Any]) -> list[str]:
        channels, groups = values.get("channels"), values.get("groups", 1)
        if isinstance(channels, int) and isinstance(groups, int) and groups > 0 and channels % groups:
            return [f"`groups` must divide `channels`; got {groups} and {channels}"]
        if values.get("initial") == "whitening" and groups != 1:
            return [f'`initial = "whitening"` wants `groups` 1: its filters see whole patches; got {groups}']
        return []

    def refuses(self, shape: Shape) -> Refusal | None:
        if refusal := super().refuses(shape):
            return refusal
        channels = shape[0] or 0
        if channels % self.groups:
            rule = f"with groups {self.groups} takes a number of channels that it divides"
            fitting = math.gcd(channels, self.channels)
            return Refusal(
                rule, f"Set `groups` to {fitting} or a divisor of it." if fitting > 1 else "Set `groups` to 1."
            )
        return None

    def output_shape(self, shape: Shape) -> Shape:
        return (self.channels, *self._plane(shape))

    def parameter_shapes(self, shape: Shape) -> dict[str, Shape]:
        weight: dict[str, Shape] = {"weight": (self.channels, (shape[0] or 0) // self.groups, *pair(self.kernel))}
        return weight | ({"bias": (self.channels,)} if self.bias else {})


class _Pool(_Window, abc.ABC):
    kernel: Size
    """Height and width of the window: one number, or two."""
    stride: Size | None = None
    """From one window to the next; as the kernel where left out: windows side by side."""
    padding: Border = 0
    """On every side; at most half of the kernel."""

    @classmethod
    def conflicts(cls, values: Mapping[str, Any]) -> list[str]:
        kernel, padding = values.get("kernel"), values.get("padding", 0)
        try:
            wide = any(p > k // 2 for k, p in zip(pair(kernel), pair(padding), strict=True))  # pyright: ignore
        except (TypeError, ValueError):
            return []
        return [f"`padding` must be at most half of `kernel`; got {padding} and {kernel}"] if wide else []

    @property
    def window(self) -> tuple[Pair, Pair, Pair, Pair]:
        kernel = pair(self.kernel)
        return kernel, kernel if self.stride is None else pair(self.stride), pair(self.padding), (1, 1)

    def output_shape(self, shape: Shape) -> Shape:
        return (*shape[:1], *self._plane(shape))

    def _remedy(self, kernel: int, padding: int, fitting: int) -> str:
        smaller = f"set `kernel` to at most {fitting}"
        wider = f"set `padding` to {padding}, or " if padding <= kernel // 2 else ""
        return f"The smallest change that fits: {wider}{smaller}; or take the layer out."


class MaxPool2d(_Pool):
    """The largest element of each window; the padding is −∞, at a tie the first one counts. `torch.nn.MaxPool2d`."""

    kind: Literal["max_pool2d"] = "max_pool2d"
    dilation: Size = 1
    """From one element of the window to the next."""
    ceil_mode: bool = False
    """Whether a last window may reach beyond the input."""

    @property
    def window(self) -> tuple[Pair, Pair, Pair, Pair]:
        return (*super().window[:3], pair(self.dilation))

    @property
    def rounds_up(self) -> bool:
        return self.ceil_mode


class AvgPool2d(_Pool):
    """The mean of each window. `torch.nn.AvgPool2d`."""

    kind: Literal["avg_pool2d"] = "avg_pool2d"
    count_include_pad: bool = True
    """Whether the zeros of the padding count in the mean."""


class GlobalAvgPool2d(_Image):
    """The mean of each channel over the whole plane: (N, C, H, W) → (N, C). `torch.nn.AdaptiveAvgPool2d(1)`."""

    kind: Literal["global_avg_pool2d"] = "global_avg_pool2d"

    def output_shape(self, shape: Shape) -> Shape:
        return shape[:1]
