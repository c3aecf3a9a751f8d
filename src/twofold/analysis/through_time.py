"""How the gradient flowed back through time in a run: facts from what was measured while it was trained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twofold.arrays import Array
from twofold.recipe.network import recurrent_nodes
from twofold.recipe.recurrent import Recurrent
from twofold.runs import Run
from twofold.runs.evidence import evidence
from twofold.train.gradient_flow import Flow, carried

FADED = 0.01
"""Below this share of the last step's gradient at the first step it vanishes; above 1 / FADED it explodes."""


@dataclass(frozen=True)
class TimeFlow:
    """One recurrent layer of one engine; the first axis of the arrays is the moments, the first before training."""

    engine: str
    layer: str
    kind: str
    gates: tuple[str, ...]
    step: Array
    """The training step of each moment."""
    gradient: Array
    """‖∂L/∂h(t)‖, (moments, T)."""
    saturated: Array
    """Share of units with |h(t)| > 0.95, (moments, T); NaN where the nonlinearity is no tanh."""
    radius: Array
    """Spectral radius of W_hh, (moments, gates)."""
    singular: Array
    """Largest singular value of W_hh, (moments, gates)."""
    after: int = -1
    """The index of the moment whose weights the run keeps."""
    every: bool = False
    """Whether the next layer reads every h(t), so that a gradient arrives at each step from there as well."""

    @property
    def carried(self) -> Array:
        """‖∂L/∂h(1)‖ / ‖∂L/∂h(T)‖ at each moment; NaN where no gradient arrives."""
        return carried(self.gradient)

    @property
    def has_saturation(self) -> bool:
        """Whether the layer's units can be saturated: those of tanh."""
        return bool(np.isfinite(self.saturated).all())

    def factor(self, moment: int) -> float:
        """The factor by which a step back multiplies the norm, as a geometric mean; 1 for a single step."""
        steps = self.gradient.shape[1] - 1
        return float(self.carried[moment] ** (1 / steps)) if steps else 1.0

    def verdict(self, moment: int) -> str:
        """`vanishes`, `explodes`, `overflows`, `is carried`; `does not arrive` where there is none at the last step."""
        if not self.gradient[moment, -1]:
            return "does not arrive"
        carried = self.carried[moment]
        if not np.isfinite(carried):
            return "overflows"
        return "vanishes" if carried < FADED else "explodes" if carried > 1 / FADED else "is carried"


def time_flows(run: Run) -> list[TimeFlow]:
    """The flow of each recurrent layer in each engine that finished; for one that diverged, as it was before."""
    arrays, flows = evidence(run), list[TimeFlow]()
    for node in recurrent_nodes(run.recipe.network):
        assert isinstance(node.spec, Recurrent)
        for engine in run.recipe.training.engines:
            if f"{engine}.flow.step" not in arrays:
                continue
            parts = {field: arrays[f"{engine}.flow.{node.name}.{field}"] for field in Flow._fields}
            step = arrays[f"{engine}.flow.step"]
            kept_step = run.record.engines[engine].kept_step if engine in run.engines else None
            measured = np.flatnonzero(step == kept_step)
            after = int(measured[-1]) if len(measured) else len(step) - 1  # of an earlier version: the last weights
            every = node.spec.output != "last"
            flows.append(
                TimeFlow(engine, node.name, node.kind, node.spec.gates, step, **parts, after=after, every=every)
            )
    return flows
