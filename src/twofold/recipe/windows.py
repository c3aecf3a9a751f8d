"""Layers that slide a window over the plane, and convolution. Images are N, C, H, W."""

from __future__ import annotations

import abc
import math
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt

from twofold.recipe.base import Fields, Pair, Shape, pair
from twofold.recipe.layer import Kept, Plain, Refusal, numbers
from twofold.recipe.operation import Operation, Operations, Size, dimensions, product, times
from twofold.recipe.parameters import Constant, Kernel, Parameter, Parameters, with_bias

LONGEST_SIDE = 2**16
"""The largest side of a window, and the largest step: more than the side of any image."""
Along = Annotated[int, Field(ge=1, le=LONGEST_SIDE)]
Beyond = Annotated[int, Field(ge=0, le=LONGEST_SIDE)]
Sizes = Along | Annotated[tuple[Along, Along], Field(strict=False)]
Border = Beyond | Annotated[tuple[Beyond, Beyond], Field(strict=False)]


def steps(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool = False) -> int:
    """The number of windows along an axis: ⌊(size + 2 padding − dilation (kernel − 1) − 1) / stride⌋ + 1.

    `ceil_mode` rounds up instead, except where the last window would begin in the padding behind the input.
    """
    free = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (-(-free // stride) if ceil_mode else free // stride) + 1
    return count - 1 if ceil_mode and (count - 1) * stride >= size + padding else count


class ImageLayer(Plain, abc.ABC):
    """A layer that takes images (N, channels, height, width) only."""

    stacks: ClassVar[bool] = False

    def refuses(self, shape: Shape) -> Refusal | None:
        if len(shape) == 3 and None not in shape:
            return None
        remedy = "Put it before `flatten` and dense layers." if len(shape) == 1 and None not in shape else ""
        return Refusal("takes images (N, channels, height, width)", remedy)

    def kept(self, shape: Shape) -> Kept:
        made = numbers(self.output_shape(shape))
        return Kept(made, 2 * made)


class WindowLayer(ImageLayer, abc.ABC):
    """A layer in which each output depends on a window of the input's plane."""

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
        """The refusal of an input in which, with its padding, no window fits; `None` if one does."""
        for axis, size in enumerate(shape[1:]):
            kernel, stride, padding, dilation = (sizes[axis] for sizes in self.window)
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

    def plane(self, shape: Shape) -> Pair:
        """How many windows there are along height and width."""
        kernel, stride, padding, dilation = self.window
        rows, columns = (
            steps(size or 0, kernel[axis], stride[axis], padding[axis], dilation[axis], self.rounds_up)
            for axis, size in enumerate(shape[1:])
        )
        return rows, columns


class Conv2d(WindowLayer):
    """y[n, o, i, j] = b[o] + Σ W[o, c, u, v] x[n, c, i s + u d − p, j s + v d − p]: cross-correlation, zeros around.

    `torch.nn.Conv2d`.
    """

    kind: Literal["conv2d"] = "conv2d"
    channels: PositiveInt
    """Outputs."""
    kernel: Sizes
    """Height and width of the window: one number, or two."""
    stride: Sizes = 1
    """s: from one window to the next."""
    padding: Border = 0
    """p: zeros on every side."""
    dilation: Sizes = 1
    """d: from one element of the window to the next."""
    groups: PositiveInt = 1
    """How many groups the channels are cut into; groups are convolved apart from each other."""
    bias: bool = True
    """Whether b is added."""
    initial: Literal["recipe", "whitening"] = "recipe"
    """How W begins: as the recipe's `initial` says, or, in the first layer, with filters that whiten the training
    images: √(λ + ε)⁻¹ v and −√(λ + ε)⁻¹ v for the eigenvectors v and eigenvalues λ of the mean of p pᵀ over their
    patches p, ε = 5e-4; b then begins at 0, and channels beyond twice the numbers of a patch begin as the recipe
    says."""

    @property
    def window(self) -> tuple[Pair, Pair, Pair, Pair]:
        return pair(self.kernel), pair(self.stride), pair(self.padding), pair(self.dilation)

    @property
    def whitens(self) -> bool:
        """Whether its initial weights depend on training images."""
        return self.initial == "whitening"

    @classmethod
    def conflicts(cls, values: Fields) -> list[str]:
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
        return self._without_patches(shape) if self.whitens else None

    def _without_patches(self, shape: Shape) -> Refusal | None:
        """The refusal of images that hold no whole patch to be whitened: padding is none of theirs."""
        for name, size, kernel, dilation in zip(("height", "width"), shape[1:], *self.window[::3], strict=True):
            reach = dilation * (kernel - 1) + 1
            if reach > (size or 0):
                rule = (
                    f'with `initial = "whitening"` wants a window within the image: it spans {reach} of the {name}, '
                    f"and the image has {size}"
                )
                fitting = ((size or 0) - 1) // dilation + 1
                return Refusal(rule, f"Set `kernel` to at most {fitting}, or leave `initial` out.")
        return None

    def output_shape(self, shape: Shape) -> Shape:
        return (self.channels, *self.plane(shape))

    def parameters(self, shape: Shape) -> Parameters:
        kernel = Kernel(self.groups, pair(self.kernel), pair(self.dilation), self.whitens)
        sizes = (self.channels, (shape[0] or 0) // self.groups, *pair(self.kernel))
        parameters = with_bias({"weight": Parameter(sizes, kernel, decays=True)}, self.channels, self.bias)
        if self.whitens and self.bias:
            parameters["bias"] = Parameter((self.channels,), Constant(0.0), decays=False)
        return parameters

    def kept(self, shape: Shape) -> Kept:
        """Kept by hand is the unfolded input, a row for each window; by autograd the input itself."""
        made = numbers(self.output_shape(shape))
        return Kept(made + math.prod(self.plane(shape)) * self._window_numbers(shape) * self.groups, 2 * made)

    def only_first(self) -> str:
        return '`conv2d` with `initial = "whitening"` begins with filters of the images' if self.whitens else ""

    def equations(self, shape: Shape, n: Size) -> tuple[Operations, Operations]:
        """The equations: a dense layer over the windows, N h w of them with k numbers each."""
        rows, k, out = times(n, *self.plane(shape)), self._window_numbers(shape), self.channels // self.groups
        x, y = dimensions(n, shape), dimensions(n, self.output_shape(shape))
        grouped = f" in each of {self.groups} groups" if self.groups > 1 else ""
        plus_b = " + b" if self.bias else ""
        forward = [
            Operation(f"X: the windows of x as rows{grouped}", f"{x} → ({rows}, {k})"),
            product(f"Y = X Wᵀ{plus_b}{grouped}", rows, k, out, "y", bias=self.bias).copied(self.groups),
        ]
        db = Operation("db = Σ dY over the windows", f"{y} → ({self.channels},)", "bias")
        backward = [
            product(f"dW = dYᵀ X{grouped}", out, rows, k, "weight").copied(self.groups),
            *([db] if self.bias else []),
            product(f"dX = dY W{grouped}", rows, out, k).copied(self.groups),
            Operation("dx: dX folded back, added where windows overlap", f"({rows}, {k}) → {x}", "dx"),
        ]
        return forward, backward

    def _window_numbers(self, shape: Shape) -> int:
        """The numbers of a window: k = channels of a group · kernel height · kernel width."""
        return (shape[0] or 0) // self.groups * math.prod(pair(self.kernel))
