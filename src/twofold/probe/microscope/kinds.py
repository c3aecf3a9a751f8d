"""From a kind of layer to what explains it. A kind that is missing here fails `tests/test_microscope.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twofold.probe.microscope import activations, dense, norms, pooling, recurrent, windows
from twofold.probe.microscope.account import Explanation
from twofold.probe.microscope.subject import Subject
from twofold.recipe import activations as functions
from twofold.recipe.dense import Dense, Dropout, Embedding, Flatten
from twofold.recipe.layer import LayerSpec
from twofold.recipe.norms import BatchNorm, GroupNorm, LayerNorm
from twofold.recipe.pooling import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from twofold.recipe.recurrent import Gru, Lstm, Rnn
from twofold.recipe.windows import Conv2d

EXPLAINED: Mapping[type[LayerSpec], Callable[[Subject, Any], Explanation]] = {
    Dense: dense.dense,
    Embedding: dense.embedding,
    Dropout: dense.dropout,
    Flatten: dense.flatten,
    Conv2d: windows.conv2d,
    MaxPool2d: pooling.max_pool2d,
    AvgPool2d: pooling.avg_pool2d,
    GlobalAvgPool2d: pooling.global_avg_pool2d,
    BatchNorm: norms.batch_norm,
    LayerNorm: norms.layer_norm,
    GroupNorm: norms.group_norm,
    Rnn: recurrent.recurrent,
    Lstm: recurrent.recurrent,
    Gru: recurrent.recurrent,
    functions.Prelu: activations.prelu,
    functions.Softmax: activations.softmax,
    functions.Relu: activations.elementwise,
    functions.LeakyRelu: activations.elementwise,
    functions.Elu: activations.elementwise,
    functions.Gelu: activations.elementwise,
    functions.Silu: activations.elementwise,
    functions.Sigmoid: activations.elementwise,
    functions.Tanh: activations.elementwise,
}


def explain(subject: Subject) -> Explanation:
    """The accounts of a layer's numbers whose arrays are there: before the first parameters nothing comes back."""
    explanation = EXPLAINED[type(subject.node.spec)](subject, subject.node.spec)
    arrays = {**subject.arrays(), **explanation.derived}
    held = tuple(
        account
        for account in explanation.accounts
        if all(name in arrays for name in (account.own, account.kept) if name)
        and all(not f.array or f.array in arrays for summand in account.summands for f in summand.factors)
    )
    return Explanation(held, explanation.derived)
