"""What comes nearest to an ONNX operator that no layer of a recipe expresses."""

from __future__ import annotations

from collections.abc import Mapping

BEFORE_QUANTIZATION = "The nearest is the file before it was quantized, in float32"

NEAREST: Mapping[str, str] = {
    "ConvTranspose": "The nearest is `conv2d`, which does not enlarge the plane",
    "InstanceNormalization": "The nearest is `batch_norm` or `layer_norm`",
    "LRN": "The nearest is `batch_norm`, which took its place",
    "GlobalMaxPool": "The nearest is `max_pool2d`, or `global_avg_pool2d`",
    "HardSigmoid": "The nearest is `sigmoid`",
    "HardSwish": "The nearest is `silu`",
    "Mish": "The nearest is `silu`",
    "Selu": "The nearest is `elu`",
    "Celu": "The nearest is `elu`",
    "Softplus": "The nearest is `elu` or `relu`",
    "Softsign": "The nearest is `tanh`",
    "ThresholdedRelu": "The nearest is `relu`",
    "Pad": "The nearest is the `padding` of the convolution behind it",
    "Concat": "Twofold's networks are chains, one layer behind the other",
    "Clip": "The nearest is `relu`, which has no upper end",
    "ConvInteger": BEFORE_QUANTIZATION,
    "DequantizeLinear": BEFORE_QUANTIZATION,
    "DynamicQuantizeLinear": BEFORE_QUANTIZATION,
    "MatMulInteger": BEFORE_QUANTIZATION,
    "QLinearConv": BEFORE_QUANTIZATION,
    "QLinearMatMul": BEFORE_QUANTIZATION,
    "QuantizeLinear": BEFORE_QUANTIZATION,
    "ArgMax": "Give the file the classes' outputs: the largest is predicted anyway",
    "Attention": "The nearest that reads sequences is `gru` or `lstm`",
}
