"""What an engine's trace shows of one layer, as the families of layers are given it."""

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
    """A layer on the way of a batch, in float64: whatever the engine's type, its numbers are these."""

    node: Node
    x: Array
    y: Array
    dy: Array | None
    """∂L/∂y; `None` before the first layer with parameters."""
    dx: Array | None
    """∂L/∂x, where anything wants it."""
    params: Arrays
    """By the layer's own names."""
    gradients: Arrays
    mask: Array | None = None
    """What dropout keeps."""
    through_time: ThroughTime | None = None
    buffers: Arrays = field(default_factory=dict)
    """Running statistics before the batch."""
    buffers_after: Arrays = field(default_factory=dict)

    def arrays(self) -> dict[str, Array]:
        """Its arrays by name: the gradient of `weight` is `d weight`, what a running statistic becomes `mean after`."""
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
"""From a kind of layer, or a family of kinds, to what explains it."""


def subjects(
    nodes: tuple[Node, ...], batch: Batch, trace: Trace, parameters: Arrays, buffers: Mapping[str, Array]
) -> dict[str, Subject]:
    """Every layer of a trace by its name."""
    subjects, before = dict[str, Subject](), ""
    for node in nodes:
        x = batch.x if not before else trace.outputs[before]
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
