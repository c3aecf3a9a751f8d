"""One node of an ONNX graph, as a converter is handed it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from twofold.arrays import Array
from twofold.errors import AdoptError
from twofold.exchange.chain import Chain, Link
from twofold.exchange.onnx.graph import Graph
from twofold.exchange.onnx.names import Attribute, label_of
from twofold.recipe.layer import LayerSpec

if TYPE_CHECKING:
    from onnx import NodeProto


@dataclass(frozen=True)
class Call:
    """A node that reads the chain's last output, the tensor `source`."""

    graph: Graph
    node: NodeProto
    source: str
    since: int
    """The version in which the operator took its present form."""
    attributes: Mapping[str, Attribute]

    @property
    def label(self) -> str:
        """The node's name, or its output's."""
        return label_of(self.node)

    @property
    def operator(self) -> str:
        """The operator with its version, as `Conv (version 11)`."""
        return f"{self.node.op_type} (version {self.since})"

    @property
    def x(self) -> Array:
        """The node's input for the sample."""
        return self.graph.values[self.source]

    @property
    def y(self) -> Array:
        """The node's first output for the sample."""
        return self.graph.values[self.node.output[0]]

    def refuse(self, reason: str, nearest: str = "") -> NoReturn:
        """Raise `AdoptError` in the name of this node."""
        raise AdoptError(reason, layer=self.label, operator=self.operator, nearest=nearest)

    def held(self, position: int, what: str) -> Array:
        """The constant at an input. Refuses the node where there is none."""
        if (array := self.maybe(position, what)) is None:
            self.refuse(f"its {what} is missing")
        return array

    def maybe(self, position: int, what: str) -> Array | None:
        """The constant at an input; `None` where there is none. Refuses an input that is computed from the sample."""
        name = self.node.input[position] if len(self.node.input) > position else ""
        if not name:
            return None
        if (array := self.graph.constant(name)) is None:
            self.refuse(f"its {what} is computed of the sample, and no weight of the file")
        return array

    def number(self, position: int, what: str) -> float | None:
        """The constant of one number at an input; `None` where there is none."""
        array = self.maybe(position, what)
        if array is not None and array.size != 1:
            self.refuse(f"its {what} is {array.shape}", "The nearest is one number")
        return None if array is None else float(array.reshape(()))

    def only(self, **defaults: object) -> None:
        """Refuse the node where one of these attributes has another value, which no layer here has."""
        for name, value in defaults.items():
            if self.attributes.get(name, value) != value:
                self.refuse(f"{name} is {self.attributes[name]}", f"The nearest is {name} = {value}")

    def add(
        self, chain: Chain, spec: LayerSpec, tensors: Mapping[str, Array] | None = None, output: str | None = None
    ) -> str:
        """Put a layer at the end of the chain; `output` names the tensor that it gives, by default the node's first."""
        name = output or self.node.output[0]
        chain.add(Link(spec, self.label, self.operator, dict(tensors or {}), {}, name), self.graph.values[name])
        return name


Converter = Callable[[Call, Chain], str | None]
"""Adds layers to the chain; gives the tensor at which the chain goes on where it is not the node's first output."""
