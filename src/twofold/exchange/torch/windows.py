"""Dense layers, convolution and poolings of PyTorch, as modules and as functions."""

from __future__ import annotations

from typing import TypeAlias

from twofold.exchange import kinds as specs
from twofold.exchange.chain import Chain, Link
from twofold.exchange.torch.call import Attribute, Call, Value, plain_pair
from twofold.recipe.base import Pair


def linear(call: Call, chain: Chain) -> None:
    """`nn.Linear` as a dense layer."""
    call.add(chain, specs.Dense(units=call.module.out_features, bias=call.module.bias is not None))


def linear_function(call: Call, chain: Chain) -> None:
    """`F.linear` with parameters of the module as a dense layer."""
    parts = {"weight": call.argument(0, "weight", None), "bias": call.argument(1, "bias", None)}
    held = {name: part for name, part in parts.items() if isinstance(part, Attribute)}
    if "weight" not in held or any(part is not None and _is_no_parameter(part) for part in parts.values()):
        call.refuse("its weight is not a parameter of the module", "The nearest is nn.Linear")
    spec = specs.Dense(units=held["weight"].array.shape[0], bias="bias" in held)
    tensors = {name: part.array for name, part in held.items()}
    origins = {name: part.name for name, part in held.items()}
    chain.add(Link(spec, call.label, call.operator, tensors, origins, call.node.name), call.y)


def _is_no_parameter(part: Value) -> bool:
    """Whether an argument is no parameter of the module, but a constant, a buffer or a computed tensor."""
    return not isinstance(part, Attribute) or part.constant


def conv2d(call: Call, chain: Chain) -> None:
    """`nn.Conv2d`: zeros around, padding as a number or by name."""
    module = call.module
    if module.padding_mode != "zeros":
        call.refuse(f'padding_mode is "{module.padding_mode}"', 'The nearest is padding_mode="zeros"')
    padding = module.padding
    if isinstance(padding, str):
        padding = _named_padding(call, padding)
    spec = specs.Conv2d(
        channels=module.out_channels,
        kernel=plain_pair(module.kernel_size),
        stride=plain_pair(module.stride),
        padding=plain_pair(padding),
        dilation=plain_pair(module.dilation),
        groups=module.groups,
        bias=module.bias is not None,
    )
    call.add(chain, spec)


def _named_padding(call: Call, padding: str) -> tuple[int, ...]:
    """Padding by name in numbers: `same` is half of the window's reach on every side; an odd reach is refused."""
    if padding == "valid":
        return (0, 0)
    reach = [d * (k - 1) for d, k in zip(call.module.dilation, call.module.kernel_size, strict=True)]
    if any(size % 2 for size in reach):
        reason = f'padding="same" with a kernel of {call.module.kernel_size} puts one zero more behind than in front'
        call.refuse(reason, "The nearest is an odd kernel, or a number for padding")
    return tuple(size // 2 for size in reach)


def max_pool2d(call: Call, chain: Chain) -> None:
    """As a module or a function: kernel, stride, padding, dilation, ceil_mode."""
    if option(call, 5, "return_indices", False):
        call.refuse("return_indices is set: its output is two tensors", "Leave return_indices out")
    kernel, stride, padding = _window(call)
    spec = specs.MaxPool2d(
        kernel=kernel,
        stride=stride,
        padding=padding,
        dilation=plain_pair(option(call, 3, "dilation", 1)),
        ceil_mode=bool(option(call, 4, "ceil_mode", False)),
    )
    call.add(chain, spec)


def avg_pool2d(call: Call, chain: Chain) -> None:
    """As a module or a function: kernel, stride, padding, ceil_mode, count_include_pad."""
    if option(call, 3, "ceil_mode", False):
        call.refuse("ceil_mode is set", "The nearest is an `avg_pool2d` with padding, or `max_pool2d` with ceil_mode")
    if option(call, 5, "divisor_override", None) is not None:
        call.refuse("divisor_override is set", "The nearest is the mean over the window")
    kernel, stride, padding = _window(call)
    counted = bool(option(call, 4, "count_include_pad", True))
    call.add(chain, specs.AvgPool2d(kernel=kernel, stride=stride, padding=padding, count_include_pad=counted))


Size: TypeAlias = int | Pair
"""Height and width, one number where they are equal."""


def _window(call: Call) -> tuple[Size, Size | None, Size]:
    """Kernel, stride (`None` where it is the kernel's) and padding of a pooling."""
    kernel = plain_pair(option(call, 0, "kernel_size", None))
    stride = option(call, 1, "stride", None)
    stride = None if not stride or plain_pair(stride) == kernel else plain_pair(stride)
    return kernel, stride, plain_pair(option(call, 2, "padding", 0))


def adaptive_avg_pool2d(call: Call, chain: Chain) -> None:
    """A mean of the plane for one pixel, windows side by side for a divisor of it, nothing for the plane itself."""
    if call.x.ndim != 4:
        call.refuse("it takes images (N, channels, height, width)")
    plane = call.x.shape[2:]
    size = option(call, 0, "output_size", None)
    wanted = size if isinstance(size, tuple | list) else (size, size)
    sizes = tuple(p if s is None else s for p, s in zip(plane, wanted, strict=True))
    if sizes == (1, 1):
        call.add(chain, specs.GlobalAvgPool2d())
    elif sizes != plane:
        if any(p % s for p, s in zip(plane, sizes, strict=True)):
            reason = f"windows of {plane} to {sizes} are not all of one size"
            call.refuse(reason, "The nearest is an output size that divides the plane, as `avg_pool2d`")
        kernel = plain_pair([p // s for p, s in zip(plane, sizes, strict=True)])
        call.add(chain, specs.AvgPool2d(kernel=kernel))


def option(call: Call, position: int, name: str, default: Value) -> Value:
    """A setting of the module, or an argument of the function."""
    return getattr(call.module, name) if call.module is not None else call.argument(position, name, default)
