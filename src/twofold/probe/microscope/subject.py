"""The part of an engine's trace about one layer: the input of the functions that give its accounts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.engine import Batch, ThroughTime, Trace
from twofold.probe.microscope.account import Explanation
from twofold.recipe import Node
from twofold.recipe.layer import LayerSpec


@dataclass(frozen=True)
class Subject:
    """A layer and its arrays for one batch, in float64, which holds the numbers of every engine exactly."""

    node: Node
    x: Array
    y: Array
    dy: Array | None
    """∂L/∂y; `None` before the first layer with parameters."""
    dx: Array | None
    """∂L/∂x; `None` if no layer before has parameters."""
    params: Arrays
    """The parameters by the layer's own names."""
    gradients: Arrays
    mask: Array | None = None
    """Dropout's mask: which elements it keeps."""
    through_time: ThroughTime | None = None
    buffers: Arrays = field(default_factory=dict)
    """Running statistics before the batch."""
    buffers_after: Arrays = field(default_factory=dict)

    def arrays(self) -> dict[str, Array]:
        """All arrays by name; the gradient of `weight` is `d weight`, a statistic after the batch `mean after`."""
        passing = {"x": self.x, "y": self.y, "dy": self.dy, "dx": self.dx}
        if self.through_time is not None:
            passing |= {"h": self.through_time.h, "dh": self.through_time.gradient}
        return {
            **{name: array for name, array in passing.items() if array is not None},
            **self.params,
            **{f"d {name}": array for name, array in self.gradients.items()},
            **self.buffers,
            **{f"{name} after": array for name, array in self.buffers_after.items()},
        }


Explainers: TypeAlias = Mapping[type[LayerSpec], Callable[[Subject, Any], Explanation]]
"""For each kind or family of layers, the function that gives its accounts."""


def subjects(
    nodes: tuple[Node, ...], batch: Batch, trace: Trace, parameters: Arrays, buffers: Mapping[str, Array]
) -> dict[str, Subject]:
    """The subject of each layer of a trace, by the layer's name."""
    subjects, before = dict[str, Subject](), ""
    for node in nodes:
        x = trace.outputs[before] if before else trace.x
        through = trace.through_time.get(node.name)
        subjects[node.name] = Subject(
            node=node,
            x=wide(x),
            y=wide(trace.outputs[node.name]),
            dy=_wide(trace.signals.get(node.name)),
            dx=_wide(trace.signals.get(before)),
            params={name: wide(parameters[f"{node.name}.{name}"]) for name in node.parameters},
            gradients={name: wide(trace.gradients[f"{node.name}.{name}"]) for name in node.parameters},
            mask=batch.masks.get(node.name),
            through_time=through and ThroughTime(*map(wide, through)),
            buffers={name: wide(buffers[f"{node.name}.{name}"]) for name in node.buffers},
            buffers_after={name: wide(trace.buffers[f"{node.name}.{name}"]) for name in node.buffers},
        )
        before = node.name
    return subjects


def wide(array: Array) -> Array:
    """The same numbers in float64, in row order."""
    return np.ascontiguousarray(array, dtype=np.float64)


def _wide(array: Array | None) -> Array | None:
    return None if array is None else wide(array)
