"""The equations of each kind of layer and the shapes that every product takes through, forward and backward."""

from __future__ import annotations

import math

from twofold.recipe import Node, shape_text
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
from twofold.recipe.recurrent import Embedding, Gru, Lstm, Recurrent, Rnn

Lines = list[tuple[str, str]]
"""An equation and the shapes that it takes through, each."""


def equations(node: Node) -> tuple[Lines, Lines]:
    """Forward and backward. The lines that lead to dx begin with `dx` or `dX`."""
    match node.spec:
        case Dense():
            return _dense(node)
        case Conv2d() as spec:
            return _conv(node, spec)
        case BatchNorm() as spec:
            return _batch_norm(node, spec)
        case LayerNorm() as spec:
            return _layer_norm(node, spec)
        case Recurrent() as spec:
            return _recurrent(node, spec)
        case Embedding() as spec:
            before, after = shape_text(node.input_shape), shape_text(node.output_shape)
            dW = f"{after} → ({spec.num_embeddings}, {spec.units})"
            forward = [("y = W[x], a row of W for each number", f"{before} → {after}")]
            return forward, [("dW[k] = Σ dy where x = k", dW)]
    before, after = shape_text(node.input_shape), shape_text(node.output_shape)
    forward, backward = _elementwise(node.spec) or _plane(node) or ("y", "dx")
    return [(forward, f"{before} → {after}")], [(backward, f"{after} → {before}")]


def _dense(node: Node) -> tuple[Lines, Lines]:
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


def _conv(node: Node, spec: Conv2d) -> tuple[Lines, Lines]:
    """A dense layer over windows: L = N h w of them, each of k = channels of a group · kernel height · kernel width."""
    plane, groups = node.output_shape[1:], spec.groups
    rows = _times("N", *plane)
    k = (node.input_shape[0] or 0) // groups * math.prod(pair(spec.kernel))
    out = spec.channels // groups
    each = f" in each of {groups} groups" if groups > 1 else ""
    before, after = shape_text(node.input_shape), shape_text(node.output_shape)
    plus = f" + ({out},)" if spec.bias else ""
    y = f"({rows}, {k}) · ({k}, {out}){plus} → ({rows}, {out})"
    forward = [
        (f"X: the windows of x as rows{each}", f"{before} → ({rows}, {k})"),
        (("Y = X Wᵀ + b" if spec.bias else "Y = X Wᵀ") + each, y),
    ]
    backward = [(f"dW = dYᵀ X{each}", f"({out}, {rows}) · ({rows}, {k}) → ({out}, {k})")]
    backward += [("db = Σ dY over the windows", f"{after} → ({spec.channels},)")] if spec.bias else []
    backward += [
        (f"dX = dY W{each}", f"({rows}, {out}) · ({out}, {k}) → ({rows}, {k})"),
        ("dx: dX folded back, added where windows overlap", f"({rows}, {k}) → {before}"),
    ]
    return forward, backward


CELLS: dict[type[Recurrent], tuple[list[str], list[str]]] = {
    Lstm: (
        [
            "i, f, o = σ(a + c), g = tanh(a + c), a block of rows each",
            "m(t) = f ⊙ m(t−1) + i ⊙ g, h(t) = o ⊙ tanh m(t)",
        ],
        [
            "dm(t) = dh(t) ⊙ o ⊙ (1 − tanh² m(t)) + dm(t+1) ⊙ f(t+1)",
            "da = dc = dm ⊙ (g, m(t−1), i), dh ⊙ tanh m, ⊙ slope",
        ],
    ),
    Gru: (
        ["r, z = σ(a + c), n = tanh(a + r ⊙ c), a block of rows each", "h(t) = (1 − z) ⊙ n + z ⊙ h(t−1)"],
        ["ds = dh(t) ⊙ (1 − z) ⊙ (1 − n²), dz = dh(t) ⊙ (h(t−1) − n), dr = ds ⊙ c", "dc = da, but of n dc = ds ⊙ r"],
    ),
}


def _recurrent(node: Node, spec: Recurrent) -> tuple[Lines, Lines]:
    """One row a product: those of all steps at once, and those of one step, h(0) = 0, dh(T+1) = 0."""
    steps, inputs = ("?" if size is None else size for size in node.input_shape)
    h, rows = spec.units, len(spec.gates) * spec.units
    state, gates = f"(N, {h})", f"(N, {rows})"
    bias, plus = (" + b_ih", f" + ({rows},)") if spec.bias else ("", "")
    every = f"{_times('N', steps)}"
    if isinstance(spec, Rnn):
        tanh = spec.nonlinearity == "tanh"
        forward = ["h(t) = tanh(a(t) + c(t))" if tanh else "h(t) = max(a(t) + c(t), 0)"]
        backward = ["da(t) = dc(t) = dh(t) ⊙ (1 − h(t)²)" if tanh else "da(t) = dc(t) = dh(t) ⊙ [h(t) > 0]"]
    else:
        forward, backward = CELLS[type(spec)]
    past = " + dh(t) ⊙ z" if isinstance(spec, Gru) else ""
    out = shape_text(node.output_shape)
    c = f"{state} · ({h}, {rows}){plus} → {gates}"
    last = "y = h(T)" if spec.output == "last" else "y = h(1), ..., h(T)"
    first = "dh(T) = dy" if spec.output == "last" else "dh(t) begins as dy(t)"
    weights = [
        ("dW_ih = Σₜ da(t)ᵀ x(t)", f"({rows}, {every}) · ({every}, {inputs}) → ({rows}, {inputs})"),
        ("dW_hh = Σₜ dc(t)ᵀ h(t−1)", f"({rows}, {every}) · ({every}, {h}) → ({rows}, {h})"),
    ]
    weights += [("db_ih = Σₜ Σₙ da(t), db_hh = Σₜ Σₙ dc(t)", f"({every}, {rows}) → ({rows},)")] if spec.bias else []
    return (
        [
            (
                f"a = x W_ihᵀ{bias}, t = 1 ... {steps}",
                f"({every}, {inputs}) · ({inputs}, {rows}){plus} → ({every}, {rows})",
            ),
            (f"c(t) = h(t−1) W_hhᵀ{' + b_hh' if spec.bias else ''}", c),
            *((line, f"{gates} → {state}") for line in forward),
            (last, f"{state} → {out}"),
        ],
        [
            (first, f"{out} → {state}"),
            *((line, f"{state} → {gates}") for line in backward),
            (f"dh(t−1) = dc(t) W_hh{past}", f"{gates} · ({rows}, {h}) → {state}"),
            *weights,
            ("dx = da W_ih", f"({every}, {rows}) · ({rows}, {inputs}) → ({every}, {inputs})"),
        ],
    )


def _batch_norm(node: Node, spec: BatchNorm) -> tuple[Lines, Lines]:
    """Statistics of the batch and the plane, n numbers a channel."""
    shape, channels = shape_text(node.input_shape), f"({node.input_shape[0] or '?'},)"
    n = _times("N", *node.input_shape[1:])
    m = f"{spec.momentum:g}"
    keep = f"{1 - spec.momentum:g}"
    forward = [
        ("μ = mean(x), σ² = mean((x − μ)²) of each channel", f"{shape} → {channels}"),
        ("x̂ = (x − μ) / √(σ² + ε)", f"{shape} → {shape}"),
    ]
    forward += [("y = γ x̂ + β", f"{channels} · {shape} + {channels} → {shape}")] if spec.affine else [("y = x̂", shape)]
    forward += [
        (f"running_mean ← {keep} running_mean + {m} μ", channels),
        (f"running_var ← {keep} running_var + {m} σ² n / (n − 1)", f"{channels}, n = {n}"),
    ]
    scale = "γ / √(σ² + ε)" if spec.affine else "1 / √(σ² + ε)"
    dx = (f"dx = {scale} · (dy − mean(dy) − x̂ mean(dy ⊙ x̂))", f"{shape} → {shape}")
    return forward, [*_scale_gradients(spec.affine, shape, channels, "Σ"), dx]


def _layer_norm(node: Node, spec: LayerNorm) -> tuple[Lines, Lines]:
    """Statistics of each sample over its last axes."""
    axes = spec.axes or len(node.input_shape)
    shape, rest = shape_text(node.input_shape), shape_text(node.input_shape[:-axes])
    normalized = shape_text(node.input_shape[-axes:], batch=False)
    over = f"its last {'axis' if axes == 1 else f'{axes} axes'}"
    forward = [
        (f"μ = mean(x), σ² = mean((x − μ)²) of each sample over {over}", f"{shape} → {rest}"),
        ("x̂ = (x − μ) / √(σ² + ε)", f"{shape} → {shape}"),
    ]
    last = ("y = γ x̂ + β", f"{normalized} · {shape} + {normalized} → {shape}") if spec.affine else ("y = x̂", shape)
    g = "γ dy" if spec.affine else "dy"
    dx = (f"dx = (g − mean(g) − x̂ mean(g ⊙ x̂)) / √(σ² + ε), g = {g}", f"{shape} → {shape}")
    return [*forward, last], [*_scale_gradients(spec.affine, shape, normalized, "Σₙ"), dx]


def _scale_gradients(affine: bool, shape: str, parameters: str, total: str) -> Lines:
    if not affine:
        return []
    return [(f"dγ = {total} dy ⊙ x̂", f"{shape} → {parameters}"), (f"dβ = {total} dy", f"{shape} → {parameters}")]


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
            count = _times(*node.input_shape[1:])
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
    text = "windows of " + _times(*kernel, sign=" × ")
    text += "" if stride == kernel else f", stride {_times(*stride, sign=' × ')}"
    text += "" if not any(padding) else f", padding {_times(*padding, sign=' × ')}"
    return text + ("" if dilation == (1, 1) else f", dilation {_times(*dilation, sign=' × ')}")


def _times(*sizes: str | int | None, sign: str = "·") -> str:
    return sign.join("?" if size is None else str(size) for size in sizes)
