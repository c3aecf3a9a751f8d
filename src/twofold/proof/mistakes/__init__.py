"""The catalogue of mistakes: data that turns a right computation into a wrong one, with a name and a sentence."""

from __future__ import annotations

from collections.abc import Callable

from twofold.proof.mistakes.activations import ACTIVATIONS, Activation
from twofold.proof.mistakes.activations import MISTAKES as OF_ACTIVATIONS
from twofold.proof.mistakes.base import Computation, Making, Mistake, Scene, Tensors
from twofold.proof.mistakes.columns import COLUMNS, EmbedColumns
from twofold.proof.mistakes.conv import Conv2d
from twofold.proof.mistakes.conv_table import CONV
from twofold.proof.mistakes.dense import DENSE, EMBEDDING, Dense, Embedding
from twofold.proof.mistakes.layer import AnyEquations, LayerComputation, gradient_name, of_any_layer
from twofold.proof.mistakes.loss_table import LOSSES
from twofold.proof.mistakes.losses import LossComputation
from twofold.proof.mistakes.norm import BatchNorm
from twofold.proof.mistakes.norm_table import NORM
from twofold.proof.mistakes.optimizers import ClippingComputation, OptimizerComputation
from twofold.proof.mistakes.pool import POOL, AvgPool2d, GlobalAvgPool2d, MaxPool2d
from twofold.proof.mistakes.prelu import PRELU, Prelu
from twofold.proof.mistakes.recurrent import Recurrent
from twofold.proof.mistakes.sample_norm import GroupNorm, LayerNorm
from twofold.proof.mistakes.schedules import SCHEDULES, ScheduleComputation
from twofold.proof.mistakes.schedules import TABLE as OF_SCHEDULES
from twofold.proof.mistakes.shapes import DROPOUT, FLATTEN, SOFTMAX, Dropout, Flatten, Softmax
from twofold.proof.mistakes.term_losses import TABLE as OF_TERM_LOSSES
from twofold.proof.mistakes.term_losses import TERM_LOSSES, TermLossComputation
from twofold.proof.mistakes.through_time import THROUGH_TIME
from twofold.proof.mistakes.updates import CLIPPING, OPTIMIZERS

__all__ = [
    "KINDS",
    "MISTAKES",
    "Computation",
    "Making",
    "Mistake",
    "Scene",
    "Tensors",
    "computation",
    "gradient_name",
    "mistakes_of",
]

LAYERS: dict[str, Callable[[Making], AnyEquations]] = {
    "dense": Dense,
    "conv2d": Conv2d,
    "max_pool2d": MaxPool2d,
    "avg_pool2d": AvgPool2d,
    "global_avg_pool2d": GlobalAvgPool2d,
    "batch_norm": BatchNorm,
    "layer_norm": LayerNorm,
    "group_norm": GroupNorm,
    "prelu": Prelu,
    "rnn": Recurrent,
    "lstm": Recurrent,
    "gru": Recurrent,
    "embedding": Embedding,
    "embed_columns": EmbedColumns,
    **dict.fromkeys(ACTIVATIONS, Activation),
    "softmax": Softmax,
    "dropout": Dropout,
    "flatten": Flatten,
}
RULES: dict[str, Callable[[Making], Computation]] = {
    "cross_entropy": LossComputation,
    "mean_squared": LossComputation,
    **dict.fromkeys(TERM_LOSSES, TermLossComputation),
    **dict.fromkeys(("sgd", "adam", "adamw", "rmsprop"), OptimizerComputation),
    "max_norm": ClippingComputation,
    **dict.fromkeys(SCHEDULES, ScheduleComputation),
}
KINDS: tuple[str, ...] = (*LAYERS, *RULES)
"""The kinds of which mistakes are known, by their names in a recipe; `max_norm` is clipping."""

MISTAKES: tuple[Mistake, ...] = (
    *DENSE,
    *EMBEDDING,
    *COLUMNS,
    *CONV,
    *POOL,
    *NORM,
    *PRELU,
    *THROUGH_TIME,
    *OF_ACTIVATIONS,
    *SOFTMAX,
    *DROPOUT,
    *FLATTEN,
    *LOSSES,
    *OF_TERM_LOSSES,
    *OPTIMIZERS,
    *CLIPPING,
    *OF_SCHEDULES,
    *of_any_layer(LAYERS),
)


def mistakes_of(kind: str) -> list[Mistake]:
    """The mistakes that can be made in a kind, those that only this kind has first."""
    return [mistake for mistake in MISTAKES if kind in mistake.kinds]


def computation(making: Making) -> Computation:
    """The computation that is built as `making` says: the right one if it has no switches."""
    if making.kind in LAYERS:
        return LayerComputation(making, LAYERS[making.kind])
    return RULES[making.kind](making)
