"""ONNX's reference evaluator, mended where it leaves the specification."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from twofold.arrays import Array
from twofold.errors import AdoptError
from twofold.plain import Parsed

if TYPE_CHECKING:
    from onnx import ModelProto


def every_tensor(model: ModelProto, feed: dict[str, Array]) -> dict[str, Array]:
    """What every tensor of the model holds for an input. Raises `AdoptError` where the evaluator cannot run it."""
    from onnx.reference import ReferenceEvaluator

    try:
        with np.errstate(all="ignore"):
            values: Parsed = ReferenceEvaluator(model, new_ops=[_rnn(), _batch_normalization()]).run(
                None, feed, intermediate=True
            )
    except Exception as error:  # whatever an operator of the evaluator raises
        lines = str(error).strip().splitlines()
        reason = f"ONNX's reference evaluator cannot run it: {lines[0][:200] if lines else type(error).__name__}"
        raise AdoptError(reason) from error
    return {name: np.asarray(value) for name, value in values.items() if isinstance(value, np.ndarray | np.generic)}


def _rnn() -> type:
    """The evaluator's RNN knows tanh and a straight line; the specification relu too."""
    from onnx.reference.ops.op_rnn import CommonRNN

    class RNN(CommonRNN):
        op_domain = ""

        def choose_act(self, name: str, alpha: float | None, beta: float | None) -> Callable[..., Array]:
            if name == "Relu":
                return lambda x: np.maximum(x, 0)
            return super().choose_act(name, alpha, beta)

    return RNN


def _batch_normalization() -> type:
    """The evaluator's takes, in versions 9 to 13, the batch's own statistics in place of the given ones."""
    from onnx.reference.op_run import OpRun

    class BatchNormalization(OpRun):
        op_domain = ""

        def _run(
            self, x: Array, scale: Array, bias: Array, mean: Array, var: Array, **attributes: float | None
        ) -> tuple[Array]:
            eps = attributes.get("epsilon") or 1e-5
            shape = (-1, *(1,) * (x.ndim - 2))
            scale, bias, mean, var = (part.reshape(shape) for part in (scale, bias, mean, var))
            return ((x - mean) / np.sqrt(var + eps) * scale + bias,)

    return BatchNormalization
