"""The events by which a command tells what it does. A watcher is a callable that ignores what it does not know."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import ClassVar, TypeAlias, cast

from twofold.runs.history import HistoryRow


@dataclass(frozen=True, slots=True)
class Prepared:
    """The data are being prepared: read, fetched, unpacked."""

    method: ClassVar = "data"
    what: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Started:
    """An engine begins to train, or a comparison of both begins."""

    method: ClassVar = "started"
    what: str
    """The engine's name, or `verify`."""
    steps: int
    evaluations: int = field(default=0, metadata={"to_methods": False})
    """How many evaluations follow the one before training."""


@dataclass(frozen=True, slots=True)
class Progressed:
    """How many steps have been taken so far; told a few times a second."""

    method: ClassVar = "stepped"
    step: int
    loss: float | None = None
    """The loss of the step's batch, where there is one."""
    losses: Sequence[float] = field(default=(), compare=False, metadata={"to_methods": False})
    """The losses of all steps since the last of these events, where there are any."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Loss and accuracy of every split were measured; the first time before training."""

    method: ClassVar = "evaluated"
    row: HistoryRow


@dataclass(frozen=True, slots=True)
class Noted:
    """What a user must be told: a checkpoint that was refused, other circumstances than at the beginning."""

    method: ClassVar = "note"
    text: str


@dataclass(frozen=True, slots=True)
class Began:
    """A study begins: `done` of its `total` points were there before."""

    method: ClassVar = "began"
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class PointDone:
    """A point is done: `done` are there now; `words` say how many failed, and the best so far."""

    method: ClassVar = "finished"
    done: int
    words: str


Watcher: TypeAlias = Callable[[object], None]
"""Takes events, those of this module and those of `twofold.train.events`; it ignores what it does not know."""


def warn_of_notes(event: object) -> None:
    """The default watcher: a note becomes a `UserWarning`."""
    if isinstance(event, Noted):
        warnings.warn(event.text, stacklevel=4)


def watching(watcher: Watcher | object | None = None) -> Watcher:
    """The watcher as a callable; `warn_of_notes` for `None`.

    In place of a callable it may be an object with methods, as in earlier versions: each event calls the one that its
    `method` names, if the object has it, with the fields that the event had then.
    """
    if watcher is None:
        return warn_of_notes
    return cast("Watcher", watcher) if callable(watcher) else _by_methods(watcher)


def telling(watch: Watcher) -> Callable[[str, int, int], None]:
    """The function that readers of data call with what is prepared, how much of it is done, and how much there is."""
    return lambda what, done, total: watch(Prepared(what, done, total))


def _by_methods(listener: object) -> Watcher:
    def tell(event: object) -> None:
        method = getattr(listener, getattr(event, "method", ""), None)
        if method and is_dataclass(event):
            taken = (part.name for part in fields(event) if part.metadata.get("to_methods", True))
            method(*(getattr(event, name) for name in taken))

    return tell
