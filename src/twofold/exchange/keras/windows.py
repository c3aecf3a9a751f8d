"""Keras's convolution and poolings: images with channels last or first, padding by name."""

from __future__ import annotations

from collections.abc import Sequence

from twofold.arrays import Array
from twofold.exchange import kinds as specs
from twofold.exchange.chain import same_padding
from twofold.exchange.keras.activations import activate
from twofold.exchange.keras.call import Call
from twofold.recipe.base import Pair


def conv(call: Call) -> None:
    """`kernel` is (height, width, in, out)."""
    call.count(1, 2)
    _check_layout(call)
    kernel, stride, dilation = (_pair(call, name) for name in ("kernel_size", "strides", "dilation_rate"))
    bias = len(call.layer.arrays) == 2

    def tensors(arrays: Sequence[Array]) -> dict[str, Array]:
        return {"weight": arrays[0].transpose(3, 2, 0, 1)} | ({"bias": arrays[1]} if bias else {})

    spec = specs.Conv2d(
        channels=int(call.config["filters"]), kernel=_plain(kernel), stride=_plain(stride),
        padding=_plain(_padding(call, kernel, stride, dilation)), dilation=_plain(dilation),
        groups=int(call.config.get("groups", 1)), bias=bias,
    )  # fmt: skip
    call.add(spec, tensors, call.config.get("activation") in ("linear", None))
    activate(call)


def max_pool(call: Call) -> None:
    """Windows of the largest element."""
    kernel, stride, padding = _pool(call)
    call.add(specs.MaxPool2d(kernel=_plain(kernel), stride=_plain(stride), padding=_plain(padding)))


def average_pool(call: Call) -> None:
    """Windows of the mean; the padding does not count."""
    kernel, stride, padding = _pool(call)
    counted = padding == (0, 0)
    spec = specs.AvgPool2d(
        kernel=_plain(kernel), stride=_plain(stride), padding=_plain(padding), count_include_pad=counted
    )
    call.add(spec)


def global_average_pool(call: Call) -> None:
    """The mean of the plane; with `keepdims` one window as large as it, which leaves 1×1."""
    _check_layout(call)
    if call.config.get("keepdims"):
        height, width = call.reading.chain.shape[1:]
        call.add(specs.AvgPool2d(kernel=_plain((height, width))))
        return
    call.reading.channels_last = False
    call.add(specs.GlobalAvgPool2d())


def _pool(call: Call) -> tuple[Pair, Pair, Pair]:
    _check_layout(call)
    kernel = _pair(call, "pool_size")
    stride = _pair(call, "strides") if call.config.get("strides") else kernel
    return kernel, stride, _padding(call, kernel, stride, (1, 1))


def _check_layout(call: Call) -> None:
    if len(call.reading.chain.shape) != 3:
        call.refuse(f"it reads {call.x.shape[1:]}", "It reads images, (height, width, channels)")
    wanted = "channels_last" if call.reading.channels_last else "channels_first"
    if call.config.get("data_format", wanted) != wanted:
        call.refuse(f"its data_format is {call.config['data_format']}, where the layers before it are {wanted}")


def _pair(call: Call, name: str) -> Pair:
    value = call.config.get(name, (1, 1))
    height, width = (value, value) if isinstance(value, int) else value
    return int(height), int(width)


def _plain(size: Pair) -> int | Pair:
    return size[0] if size[0] == size[1] else size


def _padding(call: Call, kernel: Pair, stride: Pair, dilation: Pair) -> Pair:
    """`same` lays ⌈size / stride⌉ windows: as many zeros as that takes, the odd one behind."""
    if call.config["padding"] == "valid":
        return 0, 0
    if call.config["padding"] != "same":
        call.refuse(f"its padding is {call.config['padding']!r}", "The nearest is 'valid' or 'same'")
    sizes = call.reading.chain.shape[1:]
    totals = [same_padding(*axis) for axis in zip(sizes, kernel, stride, dilation, strict=True)]
    if any(total % 2 for total in totals):
        front, behind = tuple(t // 2 for t in totals), tuple(t - t // 2 for t in totals)
        call.refuse(
            f"padding 'same' of {sizes} with kernel {kernel} and strides {stride} is {front} in front and "
            f"{behind} behind",
            "The nearest is as much on both sides: an odd kernel with strides of 1, or 'valid'",
        )
    return totals[0] // 2, totals[1] // 2
