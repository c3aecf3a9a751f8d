"""Shape inference: what goes into each layer, what comes out, which parameters it holds. Needs no data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from twofold.recipe.base import Shape, elements
from twofold.recipe.dense import Embedding
from twofold.recipe.layer import LayerSpec
from twofold.recipe.recurrent import Recurrent
from twofold.recipe.windows import Conv2d

MOST_PARAMETERS = 10**9


@dataclass(frozen=True)
class Node:
    """A layer in its place. `name` is its index, as in `torch.nn.Sequential`; shapes are of one sample."""

    name: str
    spec: LayerSpec
    input_shape: Shape
    output_shape: Shape
    parameters: dict[str, Shape]
    """The shape of each parameter by the layer's own names: `weight`, `bias`."""
    buffers: dict[str, Shape] = field(default_factory=dict)
    """The shape of each running statistic by the layer's own names: `running_mean`, `running_var`."""

    @property
    def kind(self) -> str:
        """The layer's kind: `dense`."""
        return kind_of(self.spec)

    @property
    def count(self) -> int | None:
        """How many numbers the parameters hold; `None` if a size is known only from the data."""
        return total(self.parameters.values())


@dataclass(frozen=True)
class Network:
    """The layers of a recipe with every shape resolved."""

    nodes: tuple[Node, ...]

    @cached_property
    def parameters(self) -> dict[str, Shape]:
        """The shape of every parameter by its full name, in PyTorch's order: `"1.weight"`."""
        return {f"{node.name}.{name}": shape for node in self.nodes for name, shape in node.parameters.items()}

    @cached_property
    def buffers(self) -> dict[str, Shape]:
        """The shape of every running statistic by its full name: `"1.running_mean"`."""
        return {f"{node.name}.{name}": shape for node in self.nodes for name, shape in node.buffers.items()}

    @cached_property
    def weights(self) -> frozenset[str]:
        """The full names of matrices and kernels: no bias, no scale of a normalization, no slope."""
        declared = ((node.name, node.spec.parameters(node.input_shape)) for node in self.nodes)
        return frozenset(
            f"{layer}.{name}" for layer, held in declared for name, parameter in held.items() if parameter.decays
        )

    @property
    def largest(self) -> int:
        """The largest number of values that a sample has in any layer: it decides the memory of a batch."""
        shapes = [(node.input_shape, node.spec.working_shape(node.input_shape)) for node in self.nodes]
        return max(elements(shape) or 1 for pair in shapes for shape in pair)

    @property
    def count(self) -> int | None:
        """How many numbers all parameters hold; `None` if a size is known only from the data."""
        return total(self.parameters.values())

    @property
    def input_shape(self) -> Shape:
        """The shape of one sample."""
        return self.nodes[0].input_shape

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """Channels, height and width of a sample; `None` where the samples are no grey or colour images."""
        match self.input_shape:
            case (1 | 3 as channels, int() as height, int() as width):
                return channels, height, width
        return None

    @property
    def sequences(self) -> bool:
        """Whether a sample is a sequence, of vectors or of whole numbers for an embedding."""
        axes = len(self.input_shape)
        return axes == 2 or (axes == 1 and isinstance(self.nodes[0].spec, Embedding))

    @property
    def each_step(self) -> bool:
        """Whether every step of a sequence has an answer of its own."""
        return len(self.nodes[-1].output_shape) == 2

    @property
    def convolves(self) -> bool:
        """Whether any layer is a `conv2d`."""
        return any(isinstance(node.spec, Conv2d) for node in self.nodes)

    @property
    def classes(self) -> int:
        """How many numbers the last layer gives: one a class, a number to predict, or a label."""
        classes = self.nodes[-1].output_shape[-1]
        assert classes is not None
        return classes


@dataclass(frozen=True)
class NetworkFault:
    """Why a layer cannot stand where it stands: `layer` is its index, `None` for the network as a whole."""

    layer: int | None
    rule: str
    remedy: str = ""


def total(shapes: Iterable[Shape]) -> int | None:
    """The number of elements of all shapes together; `None` while one size is unknown."""
    sizes = [elements(shape) for shape in shapes]
    return None if None in sizes else sum(size for size in sizes if size is not None)


def kind_of(spec: LayerSpec) -> str:
    """The word by which a recipe names the layer."""
    return type(spec).model_fields["kind"].default


def shape_text(shape: Shape, batch: bool = True) -> str:
    """The text of a shape, `(N, 1, 28, 28)`: N is the batch, `?` a size known only from the data."""
    sizes = (["N"] if batch else []) + ["?" if size is None else str(size) for size in shape]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def infer(
    shape: Shape,
    layers: Sequence[LayerSpec],
    classes: int | None = None,
    targets: Sequence[str] = (),
    each_step: bool = False,
) -> tuple[Network, list[NetworkFault]]:
    """Walk through the layers with the shape of a sample; stops at the first layer that refuses it.

    The last layer must give one number for each of `classes`, if their number is known, or for each of `targets`, the
    names of numbers or labels. With `each_step` it may give them for every step of a sequence.
    """
    nodes, ending, refused = walk(shape, layers)
    if refused:
        return Network(tuple(nodes)), refused
    if each_step and len(ending) == 2 and Network(tuple(nodes)).sequences:
        ending = ending[1:]
    faults = _ending_faults(ending, classes, targets, len(layers) - 1) + _size_faults(nodes) + _order_faults(nodes)
    if not faults and not any(node.parameters for node in nodes):
        kinds = ", ".join(f"`{node.kind}`" for node in nodes)
        rule = f"at least one of the `layers` must hold parameters to train; got {kinds}"
        faults = [NetworkFault(len(layers) - 1, rule, 'End with { kind = "dense", units = CLASSES }.')]
    return Network(tuple(nodes)), faults


def walk(shape: Shape, layers: Sequence[LayerSpec]) -> tuple[list[Node], Shape, list[NetworkFault]]:
    """The layers in their places for samples of a shape, the shape at the end, and the layer that refuses its input."""
    nodes = list[Node]()
    for index, spec in enumerate(layers):
        if refusal := spec.refuses(shape):
            rule = f"`{kind_of(spec)}` {refusal.rule}; it gets {shape_text(shape)}"
            return nodes, shape, [NetworkFault(index, rule, refusal.remedy)]
        output = spec.output_shape(shape)
        parameters, buffers = spec.parameter_shapes(shape), spec.buffer_shapes(shape)
        nodes.append(Node(str(index), spec, shape, output, parameters, buffers))
        shape = output
    return nodes, shape, []


def recurrent_nodes(network: Network) -> list[Node]:
    """The layers with a hidden state."""
    return [node for node in network.nodes if isinstance(node.spec, Recurrent)]


def _size_faults(nodes: Sequence[Node]) -> list[NetworkFault]:
    """The faults of layers with more parameters than a machine could hold."""
    return [
        NetworkFault(index, f"the layer would hold {node.count:,} parameters; at most {MOST_PARAMETERS:,} are allowed")
        for index, node in enumerate(nodes)
        if (node.count or 0) > MOST_PARAMETERS
    ]


def _order_faults(nodes: Sequence[Node]) -> list[NetworkFault]:
    """The faults of layers that must be the first: only data are whole numbers, or images to be whitened."""
    return [
        NetworkFault(int(node.name), f"{rule}: no layer may stand before it", "Make it the first layer.")
        for node in nodes[1:]
        if (rule := node.spec.only_first())
    ]


def _ending_faults(shape: Shape, classes: int | None, targets: Sequence[str], last: int) -> list[NetworkFault]:
    """The fault of a last layer that does not give one number for each class, or for each target."""
    if len(shape) != 1:
        remedy = "Put a `flatten` layer before the dense ones, so that each sample gives one number a class."
        return [
            NetworkFault(last, f"the last layer must give one axis of classes; it gives {shape_text(shape)}", remedy)
        ]
    if shape[0] is None:
        remedy = 'End with { kind = "dense", units = CLASSES }.'
        return [NetworkFault(last, "the last layer must give a known number of classes", remedy)]
    if classes is not None and shape[0] != classes:
        rule = f"the last layer must give {classes} numbers, one for each class; it gives {shape[0]}"
        return [NetworkFault(last, rule, f"Set the last dense layer's `units` to {classes}.")]
    if targets and shape[0] != len(targets):
        named = ", ".join(f"`{name}`" for name in targets[:5]) + (", ..." if len(targets) > 5 else "")
        rule = f"the last layer must give {len(targets)} numbers, one for each of {named}; it gives {shape[0]}"
        return [NetworkFault(last, rule, f"Set the last dense layer's `units` to {len(targets)}.")]
    return []
