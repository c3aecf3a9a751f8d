"""Measuring how the gradient flows back through time: do gradients vanish or explode as the books say?

Along the hidden states of a vanilla network ∂L/∂h(t−1) = W_hhᵀ (slope ⊙ ∂L/∂h(t)): every step multiplies with W_hh and
with the slope of the nonlinearity. Pascanu et al., On the difficulty of training recurrent neural networks (2013).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.engine import Batch, Engine
from twofold.recipe import Network, Node
from twofold.recipe.network import recurrent_nodes
from twofold.recipe.recurrent import HIDDEN, Recurrent, Rnn
from twofold.runs.history import SATURATED

if TYPE_CHECKING:
    from twofold.data import Split


class Flow(NamedTuple):
    """The flow through one recurrent layer at one moment; of replicas with an axis in front, (replicas, ...)."""

    gradient: Array
    """‖∂L/∂h(t)‖ over batch and units, for t = 1 ... T."""
    saturated: Array
    """The share of hidden units with |h(t)| > 0.95; NaN where the nonlinearity is no tanh."""
    radius: Array
    """The largest |eigenvalue| of W_hh, for each gate."""
    singular: Array
    """The largest singular value of W_hh, for each gate: what a step can at most do to a gradient."""


def read_last(network: Network) -> str | None:
    """The recurrent layer of which only the last step is read: gradients at its earlier steps came through time."""
    nodes = recurrent_nodes(network)
    return next((n.name for n in nodes if isinstance(n.spec, Recurrent) and n.spec.output == "last"), None)


def flow_batch(train: Split, samples: int) -> Batch:
    """The batch on which the flow is measured at every moment: the first training samples."""
    part = train[:samples]
    return Batch(part.floats(), part.y, 0.0, {}, 0)


def measure_flow(engine: Engine, network: Network, batch: Batch) -> dict[str, Flow]:
    """The flow through each recurrent layer by name, measured by an extra pass without an update."""
    nodes = recurrent_nodes(network)
    if not nodes:
        return {}
    with np.errstate(all="ignore"):
        through, weights = engine.trace(batch).through_time, engine.state().parameters
        return {node.name: _flow(node, through[node.name].h, through[node.name].gradient, weights) for node in nodes}


def _flow(node: Node, h: Array, gradient: Array, weights: Arrays) -> Flow:
    spec, hidden = node.spec, weights[f"{node.name}.{HIDDEN}"].astype(np.float64)
    assert isinstance(spec, Recurrent)
    matrices = np.stack(np.split(hidden, len(spec.gates), axis=-2), axis=-3)
    norms = np.sqrt(np.square(gradient.astype(np.float64)).sum(axis=(-2, -1)))
    share = (np.abs(h) > SATURATED).mean(axis=(-2, -1))
    if not (isinstance(spec, Rnn) and spec.nonlinearity == "tanh"):
        share = np.full_like(share, np.nan)
    finite = np.where(np.isfinite(matrices), matrices, 0.0)
    radius = np.abs(np.linalg.eigvals(finite)).max(axis=-1)
    singular = np.linalg.norm(finite, 2, axis=(-2, -1))
    return Flow(_time_last(norms), _time_last(share), radius, singular)


def _time_last(values: Array) -> Array:
    """(T, *replicas) → (*replicas, T)."""
    return np.moveaxis(values, 0, -1)


def carried(gradient: Array) -> Array:
    """The share of the last step's gradient that reaches the first: ‖∂L/∂h(1)‖ / ‖∂L/∂h(T)‖ of norms (..., T).

    NaN where no gradient arrives at the last step.
    """
    last = gradient[..., -1]
    return np.divide(gradient[..., 0], last, out=np.full(last.shape, np.nan), where=last > 0)


def as_arrays(moments: Sequence[tuple[int, Mapping[str, Flow]]]) -> dict[str, Array]:
    """The flows at several steps, as arrays such as `flow.0.gradient`, (moments, T); `flow.step` has the steps."""
    if not moments or not moments[0][1]:
        return {}
    arrays = {"flow.step": np.array([step for step, _ in moments])}
    for name in moments[0][1]:
        for field in Flow._fields:
            arrays[f"flow.{name}.{field}"] = np.stack([getattr(flows[name], field) for _, flows in moments])
    return arrays


def as_moments(arrays: Arrays) -> dict[int, dict[str, Flow]]:
    """The flows by their steps, out of arrays that `as_arrays` gave; other arrays among them are ignored."""
    names = {name.split(".", 1)[1].rpartition(".")[0] for name in arrays if name.startswith("flow.")} - {""}
    return {
        int(step): {name: Flow(*(arrays[f"flow.{name}.{field}"][index] for field in Flow._fields)) for name in names}
        for index, step in enumerate(arrays.get("flow.step", ()))
    }
