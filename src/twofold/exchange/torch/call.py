"""One operation of a traced module, as a converter is handed it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

from torch import Tensor, fx, nn

from twofold.arrays import Array
from twofold.errors import AdoptError
from twofold.exchange.chain import Chain, Link
from twofold.recipe.base import Pair
from twofold.recipe.layer import LayerSpec

Value: TypeAlias = Any
"""What an operation of PyTorch takes or gives: a tensor, a number, a text, or tuples of them."""


@dataclass(frozen=True)
class Call:
    """An operation on the chain's last output."""

    node: fx.Node
    operator: str
    """PyTorch's name of it: `Conv2d`, `F.relu`, `.view`."""
    module: Value
    """The module where the operation is one, else `None`."""
    args: tuple[Value, ...]
    """The arguments after the input; tensors of the module as `Attribute`."""
    kwargs: Mapping[str, Value]
    x: Array
    y: Value
    """Its output for the sample: an array, or a tuple for a recurrent module."""
    values: Mapping[str, Value]
    """The output of every node for the sample."""

    @property
    def label(self) -> str:
        """The module's name, or the node's where the operation is a function."""
        return str(self.node.target) if self.module is not None else self.node.name

    def argument(self, position: int, name: str, default: Value) -> Value:
        """An argument after the input, by place or name."""
        if name in self.kwargs:
            return self.kwargs[name]
        return self.args[position] if len(self.args) > position else default

    def refuse(self, reason: str, nearest: str = "") -> NoReturn:
        """Raise `AdoptError` in the name of this operation."""
        raise AdoptError(reason, layer=self.label, operator=self.operator, nearest=nearest)

    def add(self, chain: Chain, spec: LayerSpec, *, buffers: bool = False) -> None:
        """Put a layer at the end of the chain, with the module's own parameters where it has any.

        `buffers` adds the module's running statistics.
        """
        tensors, origins = dict[str, Array](), dict[str, str]()
        if isinstance(self.module, nn.Module):
            named = dict(self.module.named_parameters(recurse=False))
            named |= (
                {name: t for name, t in self.module.named_buffers(recurse=False) if t is not None} if buffers else {}
            )
            for name, tensor in named.items():
                if name == "num_batches_tracked":
                    continue
                tensors[name] = array_of(tensor)
                origins[name] = f"{self.label}.{name}"
        chain.add(Link(spec, self.label, self.operator, tensors, origins, self.node.name), self.y)


@dataclass(frozen=True)
class Attribute:
    """A tensor that a function of the forward pass reads and that does not depend on the sample."""

    name: str
    array: Array
    constant: bool
    """Whether it is no parameter: made in the forward pass, as by torch.zeros(...), or a buffer."""


Converter = Callable[[Call, Chain], fx.Node | None]
"""Adds layers to the chain; gives the node at which the chain goes on where it is not the operation's own."""


def array_of(tensor: Tensor) -> Array:
    """A copy of a tensor as an array in the processor's memory."""
    return tensor.detach().to("cpu", copy=True).numpy()


def pair_of(size: Value) -> Pair:
    """Height and width of what PyTorch takes as one number or two."""
    if isinstance(size, int):
        return (size, size)
    height, width = (int(part) for part in (size if len(size) == 2 else (*size, *size)))
    return height, width


def plain_pair(size: Value) -> int | Pair:
    """One number where height and width are equal, as a recipe would say it."""
    height, width = pair_of(size)
    return height if height == width else (height, width)


def is_axis(axis: int, wanted: int, axes: int) -> bool:
    """Whether an axis, counted from either end, is the wanted one."""
    return axis % axes == wanted % axes
