"""Every exception that Twofold raises on purpose, and the exit status that a command gives for it.

TwofoldError                      1
├── UserError                     2   the call or the input is wrong; nothing was trained
│   ├── RecipeError               2   every fault of a recipe at once, each with its place
│   ├── UnknownNameError          2   no such recipe or key; offers the nearest names
│   ├── DataError                 2   the data are not what the recipe or the file promises
│   ├── RunFolderError            2   a run folder that is missing, in use, half-written or damaged
│   │   └── WeightsError          2   a file of arrays that is malformed, damaged or of another network
│   ├── StudyError                2   a study that is wrong, or a study folder that is in use or another study's
│   ├── AdoptError                2   a model of another library that no recipe can express, or whose proof failed
│   └── MissingExtraError         2   an optional library is needed and is not installed
├── TrainingDivergedError         1   the loss became NaN or infinite at a known step
└── GroupError                    1   one of several processes that train together has ended
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class TwofoldError(Exception):
    """The base of them all: `except twofold.TwofoldError` catches whatever Twofold raises on purpose."""

    exit_status = 1


class UserError(TwofoldError):
    """The call or the input is wrong; the message says what to do."""

    exit_status = 2


MOST_FAULTS = 40
"""Faults that a message lists; the rest are counted. With `MOST_FAULT` its text stays below 64 KB."""
MOST_FAULT = 1500
"""Characters that a message shows of one fault."""


@dataclass(frozen=True)
class Fault:
    """One fault of a recipe.

    `place` is `file:line` or the option that set the value, `rule` names the argument, the rule and
    the value got, `excerpt` is the offending line with a marker under it, `remedy` is the next step.
    """

    place: str
    rule: str
    remedy: str = ""
    excerpt: str = ""

    def __str__(self) -> str:
        lines = [f"{self.place}: {self.rule}"]
        lines += [f"    {line}" for line in self.excerpt.splitlines()]
        lines += [f"  {self.remedy}"] if self.remedy else []
        return "\n".join(lines)


class RecipeError(UserError):
    """A recipe has faults: `faults` lists every one of them."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        texts = [str(fault)[:MOST_FAULT] for fault in self.faults[:MOST_FAULTS]]
        more = len(self.faults) - len(texts)
        super().__init__("\n\n".join([*texts, f"and {more:,} more faults"] if more else texts))


class UnknownNameError(UserError):
    """No such name; the message offers the nearest ones."""


class DataError(UserError):
    """The data are not what the recipe or the file promises: names the place, the rule and the value."""


class RunFolderError(UserError):
    """A run folder is missing, in use, half-written or damaged."""


class WeightsError(RunFolderError):
    """A file of arrays is malformed, damaged or of another network: names the file, the array and the rule."""


class StudyError(UserError):
    """A study is wrong, each fault at its place; or its folder is in use, damaged, or belongs to another study."""


class AdoptError(UserError):
    """A model of another library cannot be adopted: names the layer, its type, the reason and the nearest thing."""

    def __init__(self, reason: str, *, layer: str = "", operator: str = "", nearest: str = "") -> None:
        self.layer = layer
        self.operator = operator
        self.reason = reason
        self.nearest = nearest
        where = f"`{layer}` ({operator})" if layer and operator else f"`{layer}`" if layer else operator
        super().__init__(f"{where}{': ' if where else ''}{reason}{f'. {nearest}' if nearest else ''}")


class MissingExtraError(UserError):
    """An optional library is not installed: names the extra that brings it."""

    def __init__(self, library: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs `{library}`; install it with: pip install 'twofold[{extra}]'")


class TrainingDivergedError(TwofoldError):
    """The loss became NaN or infinite: `engine` and `step` say where, the message says what to try."""

    def __init__(self, message: str, *, engine: str, step: int) -> None:
        self.engine = engine
        self.step = step
        super().__init__(message)


class GroupError(TwofoldError):
    """One of several processes that train together has ended, and the training with it; `resume` goes on."""


def nearest(name: str, names: Iterable[str], most: int = 3) -> list[str]:
    """The `most` names most like `name`, best first; empty when none is like it."""
    return difflib.get_close_matches(name, list(names), n=most, cutoff=0.5)


def did_you_mean(name: str, names: Iterable[str], most: int = 1) -> str:
    """`did you mean `dense`?`, or the whole list where nothing is near."""
    names = list(names)
    near = nearest(name, names, most)
    if near:
        return f"did you mean {' or '.join(f'`{candidate}`' for candidate in near)}?"
    return f"known: {', '.join(f'`{candidate}`' for candidate in names)}"
