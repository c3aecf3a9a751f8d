"""A scene: the inputs of one pass, as the process of the user's code gets it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypeAlias, TypedDict

import numpy as np

Facts: TypeAlias = Mapping[str, float]
"""Facts of a scene other than arrays: whether it is a pass of training, the rate, the number of the step."""


class Entry(TypedDict):
    """A scene in `job.json`."""

    name: str
    facts: Facts
    arrays: list[str]
    shapes: Mapping[str, Sequence[int]]
    gradients: NotRequired[Mapping[str, str] | None]


class InsideScene:
    """A scene as the process of the user's code gets it: inputs, facts, and the shapes of what is expected."""

    def __init__(self, entry: Entry, arrays: Mapping[str, np.ndarray]) -> None:
        self.name = entry["name"]
        self.facts = entry["facts"]
        self.arrays = dict(arrays)
        self.shapes = {name: tuple(shape) for name, shape in entry["shapes"].items()}
        self.names = entry.get("gradients") or {}
        self.parameters = [name for name in self.arrays if name in self.names]

    @property
    def training(self) -> bool:
        """Whether it is a pass of training."""
        return bool(self.facts.get("training", True))

    def gradient(self, parameter: str) -> str:
        """The name of a parameter's gradient."""
        return self.names[parameter]
