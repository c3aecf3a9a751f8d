"""The equations of each kind of layer and the shapes that every product takes through, forward and backward."""

from __future__ import annotations

import math

from twofold.probe.in_time import recurrent
from twofold.probe.operation import Lines, Operation, Operations, Size, product, shape, times
from twofold.recipe import Node
from twofold.recipe.base import pair
from twofold.recipe.layers import (
    AvgPool2d,
    BatchNorm,
    Conv2d,
    Dense,
    Dropout,
    Elu,
    Flatten,
    Gelu,
    GlobalAvgPool2d,
    LayerNorm,
    LayerSpec,
    LeakyRelu,
    MaxPool2d,
    Relu,
    Sigmoid,
    Silu,
    Softmax,
    Tanh,
)
from twofold.recipe.recurrent import Embedding, Recurrent


def lines(operations: Operations) -> Lines:
    """Equation and shapes alone."""
    return [(operation.equation, operation.shapes) for operation in operations]


def equations(node: Node, n: Size = "N") -> tuple[Operations, Operations]:
    """Forward and backward, of a batch of `n`. The lines that lead to dx begin with `dx` or `dX`."""
    before, after = shape(n, node.input_shape), shape(n, node.output_shape)
    match node.spec:
        case Dense():
            return _dense(node, n)
        case Conv2d() as spec:
            return _conv(node, spec, n)
        case BatchNorm() as spec:
            return _batch_norm(node, spec, n)
        case LayerNorm() as spec:
            return _layer_norm(node, spec, n)
        case Recurrent() as spec:
            return recurrent(node, spec, n)
        case Embedding() as spec:
            dW = f"{after} → ({spec.num_embeddings}, {spec.units})"
            forward = [Operation("y = W[x], a row of W for each number", f"{before} → {after}", "y")]
            return forward, [Operation("dW[k] = Σ dy where x = k", dW, "weight")]
    forward, backward = _elementwise(node.spec) or _plane(node) or ("y", "dx")
    return [Operation(forward, f"{before} → {after}", "y")], [Operation(backward, f"{after} → {before}", "dx")]


def _dense(node: Node, n: Size) -> tuple[Operations, Operations]:
    """The matrix products of a dense layer; axes between the batch and the features count as samples."""
    inputs, outputs = ("?" if s[-1] is None else s[-1] for s in (node.input_shape, node.output_shape))
    if middle := node.input_shape[:-1]:
        n = "N′" if n == "N" else times(n, *middle)
    bias = "bias" in node.parameters
    y = product("y = x Wᵀ + b" if bias else "y = x Wᵀ", n, inputs, outputs, "y", bias=bias)
    dW = product("dW = dyᵀ x", outputs, n, inputs, "weight")
    db = Operation("db = Σₙ dy", f"({n}, {outputs}) → ({outputs},)", "bias")
    dx = product("dx = dy W", n, outputs, inputs, "dx")
    return [y], [dW, *([db] if bias else []), dx]


def _conv(node: Node, spec: Conv2d, n: Size) -> tuple[Operations, Operations]:
    """A dense layer over windows: L = N h w of them, each of k = channels of a group · kernel height · kernel width."""
    plane, groups = node.output_shape[1:], spec.groups
    rows = times(n, *plane)
    k = (node.input_shape[0] or 0) // groups * math.prod(pair(spec.kernel))
    out = spec.channels // groups
    each = f" in each of {groups} groups" if groups > 1 else ""
    before, after = shape(n, node.input_shape), shape(n, node.output_shape)
    forward = [
        Operation(f"X: the windows of x as rows{each}", f"{before} → ({rows}, {k})"),
        product(f"Y = X Wᵀ{' + b' if spec.bias else ''}{each}", rows, k, out, "y", bias=spec.bias, copies=groups),
    ]
    db = Operation("db = Σ dY over the windows", f"{after} → ({spec.channels},)", "bias")
    backward = [
        product(f"dW = dYᵀ X{each}", out, rows, k, "weight", copies=groups),
        *([db] if spec.bias else []),
        product(f"dX = dY W{each}", rows, out, k, copies=groups),
        Operation("dx: dX folded back, added where windows overlap", f"({rows}, {k}) → {before}", "dx"),
    ]
    return forward, backward


def _batch_norm(node: Node, spec: BatchNorm, n: Size) -> tuple[Operations, Operations]:
    """Statistics of the batch and the plane, so many numbers a channel."""
    x, channels = shape(n, node.input_shape), f"({node.input_shape[0] or '?'},)"
    count, new, old = times(n, *node.input_shape[1:]), f"{spec.momentum:g}", f"{1 - spec.momentum:g}"
    forward = [
        Operation("μ = mean(x), σ² = mean((x − μ)²) of each channel", f"{x} → {channels}"),
        Operation("x̂ = (x − μ) / √(σ² + ε)", f"{x} → {x}"),
        _scaled(spec.affine, x, channels),
        Operation(f"running_mean ← {old} running_mean + {new} μ", channels),
        Operation(f"running_var ← {old} running_var + {new} σ² n / (n − 1)", f"{channels}, n = {count}"),
    ]
    scale = "γ / √(σ² + ε)" if spec.affine else "1 / √(σ² + ε)"
    dx = Operation(f"dx = {scale} · (dy − mean(dy) − x̂ mean(dy ⊙ x̂))", f"{x} → {x}", "dx")
    return forward, [*_scale_gradients(spec.affine, x, channels, "Σ"), dx]


def _layer_norm(node: Node, spec: LayerNorm, n: Size) -> tuple[Operations, Operations]:
    """Statistics of each sample over its last axes."""
    axes = spec.axes or len(node.input_shape)
    x, rest = shape(n, node.input_shape), shape(n, node.input_shape[:-axes])
    normalized = shape(None, node.input_shape[-axes:])
    over = f"its last {'axis' if axes == 1 else f'{axes} axes'}"
    forward = [
        Operation(f"μ = mean(x), σ² = mean((x − μ)²) of each sample over {over}", f"{x} → {rest}"),
        Operation("x̂ = (x − μ) / √(σ² + ε)", f"{x} → {x}"),
        _scaled(spec.affine, x, normalized),
    ]
    g = "γ dy" if spec.affine else "dy"
    dx = Operation(f"dx = (g − mean(g) − x̂ mean(g ⊙ x̂)) / √(σ² + ε), g = {g}", f"{x} → {x}", "dx")
    return forward, [*_scale_gradients(spec.affine, x, normalized, "Σₙ"), dx]


def _scaled(affine: bool, x: str, parameters: str) -> Operation:
    """The last line of a normalization."""
    if affine:
        return Operation("y = γ x̂ + β", f"{parameters} · {x} + {parameters} → {x}", "y")
    return Operation("y = x̂", x, "y")


def _scale_gradients(affine: bool, x: str, parameters: str, total: str) -> Operations:
    if not affine:
        return []
    to = f"{x} → {parameters}"
    return [Operation(f"dγ = {total} dy ⊙ x̂", to, "weight"), Operation(f"dβ = {total} dy", to, "bias")]


def _plane(node: Node) -> tuple[str, str] | None:
    """The layers that pool a plane."""
    match node.spec:
        case MaxPool2d() as spec:
            window = _window(spec)
            return f"y = max over {window}", "dx = Σ dy of windows whose first max is here"
        case AvgPool2d() as spec:
            window, count = _window(spec), math.prod(pair(spec.kernel))
            divisor = count if spec.count_include_pad or not any(pair(spec.padding)) else "elements within x"
            return f"y = Σ x / {divisor} over {window}", f"dx = Σ dy / {divisor} of the windows that hold it"
        case GlobalAvgPool2d():
            count = _by(*node.input_shape[1:], sign="·")
            return f"y = Σ x / ({count}) over the plane", f"dx = dy / ({count}) everywhere in the plane"
    return None


def _elementwise(spec: LayerSpec) -> tuple[str, str] | None:
    """y and dx of the layers that leave every element in its place."""
    match spec:
        case Relu():
            return "y = max(x, 0)", "dx = dy ⊙ [x > 0]"
        case LeakyRelu(negative_slope=a):
            return f"y = x where x > 0, else {a:g} x", f"dx = dy where x > 0, else {a:g} dy"
        case Elu(alpha=a):
            by = "" if a == 1 else f"{a:g} "
            return f"y = x where x > 0, else {by}(exp(x) − 1)", f"dx = dy where x > 0, else dy ⊙ (y + {a:g})"
        case Gelu(approximate="tanh"):
            u = "u = √(2/π) (x + 0.044715 x³)"
            slope = "(1 + tanh u) / 2 + x (1 − tanh² u) / 2 · √(2/π) (1 + 0.134145 x²)"
            return f"y = x (1 + tanh u) / 2, {u}", f"dx = dy ⊙ ({slope})"
        case Gelu():
            return "y = x Φ(x), Φ that of N(0, 1)", "dx = dy ⊙ (Φ(x) + x φ(x)), φ = Φ′"
        case Silu():
            return "y = x σ(x), σ the sigmoid", "dx = dy ⊙ σ(x) (1 + x (1 − σ(x)))"
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
    return None


def _window(spec: MaxPool2d | AvgPool2d) -> str:
    """`windows of 2 × 2`, with stride, padding and dilation where they are not what one would think."""
    kernel, stride, padding, dilation = spec.window
    text = "windows of " + _by(*kernel)
    text += "" if stride == kernel else f", stride {_by(*stride)}"
    text += "" if not any(padding) else f", padding {_by(*padding)}"
    return text + ("" if dilation == (1, 1) else f", dilation {_by(*dilation)}")


def _by(*sizes: int | None, sign: str = " × ") -> str:
    return sign.join("?" if size is None else str(size) for size in sizes)
