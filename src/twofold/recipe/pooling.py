"""Pooling: the largest number of each window, or its mean. Images are N, C, H, W."""

from __future__ import annotations

import abc
import math
from typing import Literal, TypeAlias

from twofold.recipe.base import Fields, Pair, Shape, pair
from twofold.recipe.layer import Kept, numbers, one_line
from twofold.recipe.operation import Operations, Size
from twofold.recipe.parameters import Parameters
from twofold.recipe.windows import Border, ImageLayer, Sizes, WindowLayer


class Pool(WindowLayer, abc.ABC):
    """A layer that makes one number of each window, channel by channel."""

    kernel: Sizes
    """Height and width of the window: one number, or two."""
    stride: Sizes | None = None
    """From one window to the next; left out, the kernel's size: windows side by side."""
    padding: Border = 0
    """On every side; at most half of the kernel."""

    @classmethod
    def conflicts(cls, values: Fields) -> list[str]:
        kernel, padding = values["kernel"], values.get("padding", 0)
        wide = any(p > k // 2 for k, p in zip(pair(kernel), pair(padding), strict=True))
        return [f"`padding` must be at most half of `kernel`; got {padding} and {kernel}"] if wide else []

    @property
    def window(self) -> tuple[Pair, Pair, Pair, Pair]:
        kernel = pair(self.kernel)
        return kernel, kernel if self.stride is None else pair(self.stride), pair(self.padding), (1, 1)

    @abc.abstractmethod
    def formulas(self) -> tuple[str, str]:
        """The equations of y and of dx."""

    def output_shape(self, shape: Shape) -> Shape:
        return (*shape[:1], *self.plane(shape))

    def parameters(self, shape: Shape) -> Parameters:
        return {}

    def only_first(self) -> str:
        return ""

    def equations(self, shape: Shape, n: Size) -> tuple[Operations, Operations]:
        return one_line(self, shape, n, self.formulas())

    def _window_text(self) -> str:
        """The text `windows of 2 × 2`, with stride, padding and dilation if they are not the defaults."""
        kernel, stride, padding, dilation = self.window
        text = "windows of " + _times(*kernel)
        text += "" if stride == kernel else f", stride {_times(*stride)}"
        text += "" if not any(padding) else f", padding {_times(*padding)}"
        return text + ("" if dilation == (1, 1) else f", dilation {_times(*dilation)}")

    def _remedy(self, kernel: int, padding: int, fitting: int) -> str:
        smaller = f"set `kernel` to at most {fitting}"
        wider = f"set `padding` to {padding}, or " if padding <= kernel // 2 else ""
        return f"The smallest change that fits: {wider}{smaller}; or take the layer out."


class MaxPool2d(Pool):
    """The largest element of each window; the padding is −∞, at a tie the first one counts. `torch.nn.MaxPool2d`."""

    kind: Literal["max_pool2d"] = "max_pool2d"
    dilation: Sizes = 1
    """From one element of the window to the next."""
    ceil_mode: bool = False
    """Whether a last window may reach beyond the input."""

    @property
    def window(self) -> tuple[Pair, Pair, Pair, Pair]:
        return (*super().window[:3], pair(self.dilation))

    @property
    def rounds_up(self) -> bool:
        return self.ceil_mode

    def kept(self, shape: Shape) -> Kept:
        """Kept are x, y, and which element of each window was the largest."""
        number = 2 * numbers(self.output_shape(shape)) + numbers(shape)
        return Kept(number, number)

    def formulas(self) -> tuple[str, str]:
        return f"y = max over {self._window_text()}", "dx = Σ dy of windows whose first max is here"


class AvgPool2d(Pool):
    """The mean of each window. `torch.nn.AvgPool2d`."""

    kind: Literal["avg_pool2d"] = "avg_pool2d"
    count_include_pad: bool = True
    """Whether the zeros of the padding count in the mean."""

    def formulas(self) -> tuple[str, str]:
        counts_all = self.count_include_pad or not any(pair(self.padding))
        divisor = math.prod(pair(self.kernel)) if counts_all else "elements within x"
        return (
            f"y = Σ x / {divisor} over {self._window_text()}",
            f"dx = Σ dy / {divisor} of the windows that hold it",
        )


class GlobalAvgPool2d(ImageLayer):
    """The mean of each channel over the whole plane: (N, C, H, W) → (N, C). `torch.nn.AdaptiveAvgPool2d(1)`."""

    kind: Literal["global_avg_pool2d"] = "global_avg_pool2d"

    def output_shape(self, shape: Shape) -> Shape:
        return shape[:1]

    def parameters(self, shape: Shape) -> Parameters:
        return {}

    def only_first(self) -> str:
        return ""

    def equations(self, shape: Shape, n: Size) -> tuple[Operations, Operations]:
        count = _times(*shape[1:], sign="·")
        formulas = f"y = Σ x / ({count}) over the plane", f"dx = dy / ({count}) everywhere in the plane"
        return one_line(self, shape, n, formulas)


def _times(*sizes: int | None, sign: str = " × ") -> str:
    return sign.join("?" if size is None else str(size) for size in sizes)


Pooling: TypeAlias = MaxPool2d | AvgPool2d | GlobalAvgPool2d
