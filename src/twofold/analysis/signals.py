"""The signals of a training as courses: a value at each moment that was recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from twofold.arrays import Array
from twofold.recipe import Node
from twofold.runs import Run

Quantity = Literal["weight", "gradient", "ratio", "dead", "saturated"]


@dataclass(frozen=True)
class Course:
    """One quantity of one parameter, activation or gate in one engine."""

    engine: str
    layer: str
    kind: str
    part: str
    step: Array
    value: Array

    def at(self, step: int) -> float:
        """The value at the last moment until then; NaN where there is none."""
        until = self.value[self.step <= step]
        return float(until[-1]) if len(until) else float("nan")


def courses(run: Run, quantity: Quantity) -> list[Course]:
    """Layer by layer, engines in the recipe's order. Of parameters only the weights: biases may begin at 0.

    `ratio` is ‖update‖ / ‖weight‖. None of an older run folder, which has no signals.
    """
    table = run.signals
    found = list[Course]()
    if table.empty:
        return found
    units = quantity in ("dead", "saturated")
    for engine in run.recipe.training.engines:
        for node in run.recipe.network.nodes:
            rows: pd.DataFrame = table.loc[(table["engine"] == engine) & (table["layer"] == node.name)]
            for part in dict.fromkeys(rows["part"]):
                if not units and part not in matrices(node):
                    continue
                lines: pd.DataFrame = rows.loc[rows["part"] == part]
                values = _values(lines, quantity)
                known = ~np.isnan(values)
                if known.any():
                    step = lines["step"].to_numpy(np.int64)[known]
                    found.append(Course(engine, node.name, node.kind, part, step, values[known]))
    return found


def _values(lines: pd.DataFrame, quantity: Quantity) -> Array:
    if quantity != "ratio":
        return lines[quantity].to_numpy(np.float64)
    update, weight = (lines[column].to_numpy(np.float64) for column in ("update", "weight"))
    return np.divide(update, weight, out=np.full(len(weight), np.nan), where=weight > 0)


def matrices(node: Node) -> list[str]:
    """The parameters of a layer that are multiplied with what comes in."""
    return [name for name, shape in node.parameters.items() if len(shape) > 1]


def kept_step(run: Run, engine: str) -> int:
    """The step of the weights that the run keeps; of an engine that did not finish the last that was recorded."""
    if engine in run.engines:
        return int(run.engines[engine].get("kept_step", run.engines[engine]["steps"]))
    steps = run.signals.loc[run.signals["engine"] == engine, "step"].to_numpy(np.int64)
    return int(steps.max(initial=0))
