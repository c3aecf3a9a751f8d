"""One training step, layer by layer: equations and dimensions of every product, forward and backward."""

from __future__ import annotations

from dataclasses import dataclass

from twofold.recipe import Network, Node, Recipe, shape_text
from twofold.recipe.layers import Dense, Dropout, Flatten, LayerSpec, Relu, Sigmoid, Softmax, Tanh
from twofold.recipe.training import CrossEntropy, MeanSquared


@dataclass(frozen=True)
class LayerStep:
    """What a layer computes in one step. Each line is an equation and the shapes that it takes through."""

    node: Node
    forward: list[tuple[str, str]]
    backward: list[tuple[str, str]]
    wants_dx: bool
    """Nothing before the first layer with parameters wants a gradient: there dx is not computed."""


@dataclass(frozen=True)
class LossStep:
    """Where the forward pass ends and the backward pass begins."""

    kind: str
    forward: tuple[str, str]
    backward: tuple[str, str]


def loss_step(recipe: Recipe) -> LossStep:
    """y is the output of the last layer, t the target, N the batch, C the number of classes."""
    shape, mean = shape_text(recipe.network.nodes[-1].output_shape), recipe.loss.reduction == "mean"
    match recipe.loss:
        case CrossEntropy():
            value = ("1/N " if mean else "") + "Σₙ log softmax(y)[t]"
            dy = "dy = " + ("(softmax(y) − onehot(t)) / N" if mean else "softmax(y) − onehot(t)")
            return LossStep("cross_entropy", (f"L = −{value}", f"{shape} → ()"), (dy, f"() → {shape}"))
        case MeanSquared():
            value = ("1/(N C) " if mean else "") + "Σ (y − onehot(t))²"
            dy = "dy = 2 (y − onehot(t))" + (" / (N C)" if mean else "")
            return LossStep("mean_squared", (f"L = {value}", f"{shape} → ()"), (dy, f"() → {shape}"))


def layer_steps(network: Network) -> list[LayerStep]:
    """Every layer, in the order of the forward pass."""
    first = next((i for i, node in enumerate(network.nodes) if node.parameters), len(network.nodes))
    return [_layer_step(node, index, first) for index, node in enumerate(network.nodes)]


def _layer_step(node: Node, index: int, first: int) -> LayerStep:
    wants_dx = index > first
    forward, backward = _dense(node) if isinstance(node.spec, Dense) else _pointwise(node)
    if not wants_dx:
        backward = [line for line in backward if not line[0].startswith("dx")]
    return LayerStep(node, forward, backward, wants_dx)


def _dense(node: Node) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The matrix products of a dense layer; axes between the batch and the features count as samples."""
    inputs, outputs = ("?" if s[-1] is None else s[-1] for s in (node.input_shape, node.output_shape))
    n = "N" if len(node.input_shape) == 1 else "N′"
    bias = "bias" in node.parameters
    plus = f" + ({outputs},)" if bias else ""
    y = f"({n}, {inputs}) · ({inputs}, {outputs}){plus} → ({n}, {outputs})"
    dx = f"({n}, {outputs}) · ({outputs}, {inputs}) → ({n}, {inputs})"
    dw = f"({outputs}, {n}) · ({n}, {inputs}) → ({outputs}, {inputs})"
    backward = [("dW = dyᵀ x", dw)]
    backward += [("db = Σₙ dy", f"({n}, {outputs}) → ({outputs},)")] if bias else []
    return [("y = x Wᵀ + b" if bias else "y = x Wᵀ", y)], [*backward, ("dx = dy W", dx)]


def _pointwise(node: Node) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    before, after = shape_text(node.input_shape), shape_text(node.output_shape)
    forward, backward = _equations(node.spec)
    return [(forward, f"{before} → {after}")], [(backward, f"{after} → {before}")]


def _equations(spec: LayerSpec) -> tuple[str, str]:
    """y and dx; a layer without an equation here still has its shapes."""
    match spec:
        case Relu():
            return "y = max(x, 0)", "dx = dy ⊙ [x > 0]"
        case Sigmoid():
            return "y = 1 / (1 + exp(−x))", "dx = dy ⊙ y ⊙ (1 − y)"
        case Tanh():
            return "y = tanh x", "dx = dy ⊙ (1 − y²)"
        case Softmax():
            return "y = exp(x) / Σ exp(x)", "dx = y ⊙ (dy − Σ dy ⊙ y)"
        case Dropout(p=p):
            return f"y = x ⊙ m / {1 - p:g}", f"dx = dy ⊙ m / {1 - p:g}"
        case Flatten():
            return "y = x, all axes but the batch in one", "dx = dy, in the shape of x"
    return "y", "dx"
