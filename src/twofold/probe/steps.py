"""One training step, layer by layer: equations and dimensions of every product, forward and backward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from twofold.recipe import Model, Network, Node
from twofold.recipe.operation import Operations, Size

Lines: TypeAlias = list[tuple[str, str]]
"""Equations, each with the shapes of its inputs and output."""


@dataclass(frozen=True)
class LayerStep:
    """The operations of a layer in one step. Each line is an equation and the shapes of its inputs and output."""

    node: Node
    forward: Lines
    backward: Lines
    wants_dx: bool
    """Whether dx is computed: up to the first layer with parameters no gradient is needed."""


@dataclass(frozen=True)
class LossStep:
    """Where the forward pass ends and the backward pass begins."""

    kind: str
    forward: Lines
    backward: Lines


def loss_step(model: Model, n: Size = "N", numbers: bool = False) -> LossStep:
    """The equations of the loss: y is the last layer's output, t the target, N the batch, C the number of outputs.

    If every step of a sequence is answered, N is the number of answers. `numbers`: the targets are numbers or
    labels, and no classes.
    """
    forward, backward = model.loss.equations(model.network.nodes[-1].output_shape[-1:], n, not numbers)
    return LossStep(model.loss.kind, lines(forward), lines(backward))


def layer_steps(network: Network) -> list[LayerStep]:
    """The operations of every layer, in forward order."""
    return [
        LayerStep(node, lines(forward), lines(backward), wants_dx)
        for node, forward, backward, wants_dx in operations(network)
    ]


def lines(operations: Operations) -> Lines:
    """Equations and shapes of operations, without their work."""
    return [(operation.equation, operation.shapes) for operation in operations]


def operations(network: Network, n: Size = "N") -> list[tuple[Node, Operations, Operations, bool]]:
    """Every layer with its operations forward and backward for a batch of `n`, and whether anything wants its dx."""
    first, steps = next((i for i, node in enumerate(network.nodes) if node.parameters), len(network.nodes)), []
    for index, node in enumerate(network.nodes):
        forward, backward = node.spec.equations(node.input_shape, n)
        if index <= first:
            backward = [operation for operation in backward if not operation.equation.startswith(("dx", "dX"))]
        steps.append((node, forward, backward, index > first))
    return steps
