"""The signals of a training as curves: a value at each moment that was recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from twofold.arrays import Array
from twofold.recipe import Node
from twofold.runs import Run
from twofold.runs.columns import Columns

Quantity = Literal["weight", "gradient", "ratio", "dead", "saturated"]


@dataclass(frozen=True)
class SignalCurve:
    """One quantity of one parameter, activation or gate in one engine."""

    engine: str
    layer: str
    kind: str
    part: str
    step: Array
    value: Array

    def at(self, step: int) -> float:
        """The value at the last moment up to this step; NaN where there is none."""
        until = self.value[self.step <= step]
        return float(until[-1]) if len(until) else float("nan")


def signal_curves(run: Run, quantity: Quantity) -> list[SignalCurve]:
    """The curves of one quantity, engine by engine in the recipe's order, and layer by layer.

    `ratio` is ‖update‖ / ‖weight‖. Only weights have curves, not biases, which may begin at 0. An older run folder has
    no signals, hence no curves.
    """
    table, curves = run.recorded_signals, list[SignalCurve]()
    units = quantity in ("dead", "saturated")
    for engine in run.recipe.training.engines:
        for node in run.recipe.network.nodes:
            rows = table.where((table["engine"] == engine) & (table["layer"] == node.name))
            for part in dict.fromkeys(rows["part"].tolist()):
                if not units and part not in matrices(node):
                    continue
                lines = rows.where(rows["part"] == part)
                values = _values(lines, quantity)
                known = ~np.isnan(values)
                if known.any():
                    step = lines["step"][known].astype(np.int64)
                    curves.append(SignalCurve(engine, node.name, node.kind, part, step, values[known]))
    return curves


def _values(lines: Columns, quantity: Quantity) -> Array:
    if quantity != "ratio":
        return lines[quantity]
    update, weight = lines["update"], lines["weight"]
    return np.divide(update, weight, out=np.full(len(weight), np.nan), where=weight > 0)


def matrices(node: Node) -> list[str]:
    """Names of the layer's parameters that multiply its input: those of more than one dimension."""
    return [name for name, shape in node.parameters.items() if len(shape) > 1]


def kept_step(run: Run, engine: str) -> int:
    """The step of the weights that the run keeps; where the engine did not finish, the last step that was recorded."""
    if engine in run.record.engines:
        return run.record.engines[engine].kept
    signals = run.recorded_signals
    return int(signals["step"][signals["engine"] == engine].max(initial=0))
