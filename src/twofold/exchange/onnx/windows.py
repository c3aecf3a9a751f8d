"""ONNX's convolution and poolings: padding as a file says it, and the same on both sides."""

from __future__ import annotations

from collections.abc import Sequence

from twofold.exchange import kinds as specs
from twofold.exchange.chain import Chain, same_padding
from twofold.exchange.onnx.call import Call
from twofold.recipe.base import Pair
from twofold.recipe.windows import steps


def conv(call: Call, chain: Chain) -> None:
    """A convolution of images: the weight is PyTorch's, the padding the same on both sides."""
    weight, bias = call.held(1, "weight"), call.maybe(2, "bias")
    _check_plane(call)
    kernel, stride, dilation = weight.shape[2:], _pair(call, "strides"), _pair(call, "dilations")
    spec = specs.Conv2d(
        channels=len(weight),
        kernel=_plain(kernel),
        stride=_plain(stride),
        padding=_plain(_padding(call, kernel, stride, dilation)),
        dilation=_plain(dilation),
        groups=int(call.attributes.get("group", 1)),
        bias=bias is not None,
    )
    call.add(chain, spec, {"weight": weight} | ({} if bias is None else {"bias": bias}))


def _check_plane(call: Call) -> None:
    axes = call.x.ndim - 2
    if axes == 1:
        nearest = "The nearest slides over a plane with kernel (1, k), on samples (channels, 1, length)"
        call.refuse("it slides along one axis", nearest)
    if axes != 2:
        call.refuse(f"it slides over {axes} axes", "The nearest is a plane, (N, channels, height, width)")


def _pair(call: Call, name: str) -> Pair:
    height, width = call.attributes.get(name, (1, 1))
    return int(height), int(width)


def _plain(size: Sequence[int]) -> int | Pair:
    height, width = size
    return int(height) if height == width else (int(height), int(width))


def _padding(call: Call, kernel: Sequence[int], stride: Pair, dilation: Pair) -> Pair:
    """The padding of each axis, however the file says it; one that is not the same on both sides is refused."""
    auto = call.attributes.get("auto_pad", "NOTSET")
    if auto == "VALID":
        return 0, 0
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        pads = [same_padding(*axis) for axis in zip(call.x.shape[2:], kernel, stride, dilation, strict=True)]
        begin, end = [total // 2 for total in pads], [total - total // 2 for total in pads]
    else:
        sides = [int(side) for side in call.attributes.get("pads", (0, 0, 0, 0))]
        begin, end = sides[:2], sides[2:]
    if begin != end or min(begin) < 0:
        reason = f"its padding is {tuple(begin)} in front and {tuple(end)} behind"
        call.refuse(reason, "The nearest is as much on both sides")
    return begin[0], begin[1]


def max_pool(call: Call, chain: Chain) -> None:
    """Windows of the largest element; rounded up where the file says so in either way."""
    _check_plane(call)
    call.only(storage_order=0)
    if len(call.node.output) > 1 and call.node.output[1]:
        call.refuse("it gives the indices as well", "Leave its second output out")
    kernel, stride, dilation = _pair(call, "kernel_shape"), _pair(call, "strides"), _pair(call, "dilations")
    padding, ceil_mode = _pool_padding(call, kernel, stride, dilation)
    spec = specs.MaxPool2d(
        kernel=_plain(kernel),
        stride=_plain(stride),
        padding=_plain(padding),
        dilation=_plain(dilation),
        ceil_mode=ceil_mode,
    )
    call.add(chain, spec)


def _pool_padding(call: Call, kernel: Pair, stride: Pair, dilation: Pair) -> tuple[Pair, bool]:
    """Padding, and whether the windows are rounded up: some files say the latter by more padding behind."""
    sides = [int(side) for side in call.attributes.get("pads", (0, 0, 0, 0))]
    rows, columns = sides[:2]
    if call.attributes.get("auto_pad", "NOTSET") == "NOTSET" and sides[:2] != sides[2:]:
        axes = zip(call.x.shape[2:], kernel, stride, (rows, columns), dilation, strict=True)
        if tuple(steps(*axis, True) for axis in axes) == call.y.shape[2:]:
            return (rows, columns), True
    return _padding(call, kernel, stride, dilation), bool(call.attributes.get("ceil_mode", 0))


def average_pool(call: Call, chain: Chain) -> None:
    """Windows of the mean; whether the padding counts is an attribute, by default not."""
    _check_plane(call)
    call.only(ceil_mode=0, dilations=[1, 1])
    kernel, stride = _pair(call, "kernel_shape"), _pair(call, "strides")
    padding = _padding(call, kernel, stride, (1, 1))
    counted = bool(call.attributes.get("count_include_pad", 0)) or padding == (0, 0)
    spec = specs.AvgPool2d(
        kernel=_plain(kernel), stride=_plain(stride), padding=_plain(padding), count_include_pad=counted
    )
    call.add(chain, spec)


def global_average_pool(call: Call, chain: Chain) -> None:
    """The mean of the plane."""
    _check_plane(call)
    call.add(chain, specs.GlobalAvgPool2d())


def reduce_mean(call: Call, chain: Chain) -> str | None:
    """A mean of the plane; its axes are an attribute until version 13, an input since 18."""
    if (end := plane_mean(call, chain)) is not None:
        return end
    axes = call.maybe(1, "axes") if call.since >= 18 else call.attributes.get("axes")
    axes = [] if axes is None else sorted(int(axis) % call.x.ndim for axis in axes)
    if call.x.ndim != 4 or axes != [2, 3]:
        call.refuse(f"a mean over the axes {axes} of {call.x.shape}", "The nearest is one over the plane, axes 2 and 3")
    call.add(chain, specs.GlobalAvgPool2d())
    return None


def plane_mean(call: Call, chain: Chain) -> str | None:
    """Add a mean of the plane that is written as two nodes, by rows and columns or flattened first; gives its output.

    `None`, and nothing is added, where it is none.
    """
    users = call.graph.users(call.node.output[0])
    if call.x.ndim != 4 or [user.op_type for user in users] != ["ReduceMean"]:
        return None
    name = users[0].output[0]
    y = call.graph.values[name]
    same = y.reshape(-1).shape == (call.x.shape[0] * call.x.shape[1],) and y.shape[:2] == call.x.shape[:2]
    return call.add(chain, specs.GlobalAvgPool2d(), output=name) if same else None
