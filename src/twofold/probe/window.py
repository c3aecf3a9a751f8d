"""One output pixel of a convolution, worked out: the window's numbers times the kernel's, plus the bias."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from twofold.arrays import Array, Arrays, gap, largest
from twofold.recipe import Node
from twofold.recipe.windows import Conv2d


@dataclass(frozen=True)
class Window:
    """One pixel's sum y[o, i, j] = b[o] + Σ_c Σ_uv window[c, u, v] · kernel[o, c, u, v], for one sample."""

    layer: str
    channel: int
    """o, the channel of the output with the largest |y| at this place."""
    place: tuple[int, int]
    """i and j: the middle of the output."""
    inputs: int
    """How many channels the window has."""
    shown: int
    """c, the channel of the input whose part of the sum is the largest in size."""
    corner: tuple[int, int]
    """Row and column of the window's first number in the input; negative in the padding."""
    window: Array
    """The numbers of channel c under the kernel, (height, width)."""
    inside: Array
    """Which places of the window are inside the input; padding is 0."""
    kernel: Array
    """The kernel of channels o and c, (height, width)."""
    part: float
    """Σ window · kernel of channel c."""
    rest: float
    """Σ window · kernel of all other channels together."""
    bias: float
    outputs: Mapping[str, float]
    """y[o, i, j] as each engine has it."""

    @property
    def total(self) -> float:
        """The sum, in float64."""
        return self.part + self.rest + self.bias

    @property
    def gap(self) -> float:
        """The largest distance of an engine's y from the sum, as `twofold.arrays.gap` measures it; or NaN."""
        return largest(gap(np.array(self.total), np.array(y)) for y in self.outputs.values())


@np.errstate(over="ignore", invalid="ignore")  # NaN and infinity are shown, not warned of
def window_of(node: Node, x: Array, parameters: Arrays, outputs: Mapping[str, Array]) -> Window:
    """The sum behind the middle pixel; `x` is one sample, (channels, height, width), `outputs` the engines' y."""
    spec = node.spec
    assert isinstance(spec, Conv2d)
    y = next(iter(outputs.values()))
    i, j = y.shape[1] // 2, y.shape[2] // 2
    o = int(np.abs(y[:, i, j]).argmax())
    kernels = parameters[f"{node.name}.weight"][o].astype(np.float64)
    kernel, stride, padding, dilation = spec.window
    rows, columns = (
        place * step - pad + np.arange(size) * spread
        for place, step, pad, size, spread in zip((i, j), stride, padding, kernel, dilation, strict=True)
    )
    inside = np.logical_and.outer((rows >= 0) & (rows < x.shape[1]), (columns >= 0) & (columns < x.shape[2]))
    first = o // (spec.channels // spec.groups) * len(kernels)
    patch = x[first : first + len(kernels), rows.clip(0, x.shape[1] - 1)][:, :, columns.clip(0, x.shape[2] - 1)]
    patch = np.where(inside, patch, 0).astype(np.float64)
    parts = (patch * kernels).sum(axis=(1, 2))
    c = int(np.abs(parts).argmax())
    bias = float(parameters[f"{node.name}.bias"][o]) if spec.bias else 0.0
    return Window(
        layer=node.name,
        channel=o,
        place=(i, j),
        inputs=len(kernels),
        shown=first + c,
        corner=(int(rows[0]), int(columns[0])),
        window=patch[c],
        inside=inside,
        kernel=kernels[c],
        part=float(parts[c]),
        rest=float(parts.sum() - parts[c]),
        bias=bias,
        outputs={engine: float(output[o, i, j]) for engine, output in outputs.items()},
    )
