"""What comes nearest to an ONNX operator that no layer of a recipe expresses."""

from __future__ import annotations

from collections.abc import Mapping

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
    "Attention": "The nearest that reads sequences is `gru` or `lstm`",
}
