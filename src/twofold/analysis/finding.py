"""What an analysis of a run finds: a fact, its numbers, and the figure in which it is seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One fact about one engine; `kind` names the sentence that says it."""

    kind: str
    engine: str
    fault: bool
    """Whether it tells of something that went wrong; else it says what was looked for and not found, or how it went."""
    figure: str
    """The figure of the report in which it is seen, by its name; empty where a table or nothing shows it."""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    layer: str = ""
    """The name of the layer that it is about."""
