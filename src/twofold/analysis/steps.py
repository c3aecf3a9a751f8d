"""One training step, layer by layer: equations and dimensions of every product, forward and backward."""

from __future__ import annotations

from dataclasses import dataclass

from twofold.analysis.equations import Lines, equations
from twofold.recipe import Network, Node, Recipe, shape_text
from twofold.recipe.training import CrossEntropy, MeanSquared


@dataclass(frozen=True)
class LayerStep:
    """What a layer computes in one step. Each line is an equation and the shapes that it takes through."""

    node: Node
    forward: Lines
    backward: Lines
    wants_dx: bool
    """Nothing before the first layer with parameters wants a gradient: there dx is not computed."""


@dataclass(frozen=True)
class LossStep:
    """Where the forward pass ends and the backward pass begins."""

    kind: str
    forward: Lines
    backward: Lines


def loss_step(recipe: Recipe) -> LossStep:
    """y is the output of the last layer, t the target, N the batch, C the number of classes."""
    network, mean = recipe.network, recipe.loss.reduction == "mean"
    shape = shape_text(network.nodes[-1].output_shape)
    forward, backward = f"{shape} → ()", f"() → {shape}"
    match recipe.loss:
        case CrossEntropy(label_smoothing=e) if e:
            q = (f"q = {1 - e:g} onehot(t) + {e:g} / {network.classes}", f"(N,) → {shape}")
            value = ("1/N " if mean else "") + "Σₙ q · log softmax(y)"
            dy = "dy = " + ("(softmax(y) − q) / N" if mean else "softmax(y) − q")
            return LossStep("cross_entropy", [q, (f"L = −{value}", forward)], [(dy, backward)])
        case CrossEntropy():
            value = ("1/N " if mean else "") + "Σₙ log softmax(y)[t]"
            dy = "dy = " + ("(softmax(y) − onehot(t)) / N" if mean else "softmax(y) − onehot(t)")
            return LossStep("cross_entropy", [(f"L = −{value}", forward)], [(dy, backward)])
        case MeanSquared():
            value = ("1/(N C) " if mean else "") + "Σ (y − onehot(t))²"
            dy = "dy = 2 (y − onehot(t))" + (" / (N C)" if mean else "")
            return LossStep("mean_squared", [(f"L = {value}", forward)], [(dy, backward)])


def layer_steps(network: Network) -> list[LayerStep]:
    """Every layer, in the order of the forward pass."""
    first = next((i for i, node in enumerate(network.nodes) if node.parameters), len(network.nodes))
    return [_layer_step(node, index > first) for index, node in enumerate(network.nodes)]


def _layer_step(node: Node, wants_dx: bool) -> LayerStep:
    forward, backward = equations(node)
    if not wants_dx:
        backward = [line for line in backward if not line[0].startswith(("dx", "dX"))]
    return LayerStep(node, forward, backward, wants_dx)
