"""A rule of the analysis: what it says of a run and in which words, by which thresholds, and from which source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from twofold.runs import Run

Fact: TypeAlias = Any
"""What a sentence is filled with: a number, a name, a list of names, or nothing."""


@dataclass(frozen=True)
class Statement:
    """A sentence that the report may say of an engine, with the names of its numbers between braces.

    A number's format follows its name, as in `{last:loss}`: `twofold.report.findings` has the formats. A threshold of
    the rules goes by its own name, as in `{RATIO}`.
    """

    kind: str
    """The name by which programs and tests know it."""
    title: str
    sentence: str
    fault: bool = False
    """Whether it tells of something that went wrong; else it says what was looked for and not found, or how it went."""
    about_both: bool = False
    """Whether it compares the engines, so that none of them is named as the one that shows it."""
    unless: frozenset[str] = frozenset()
    """Kinds of statements that name a deeper cause: where one of them is true, this one is left out."""


def borne(statement: Statement) -> Statement:
    """The same statement about a network that learned all the same: reported, but no fault."""
    sentence = f"{statement.sentence}. It was learned in spite of it"
    return replace(statement, kind=f"{statement.kind}_borne", sentence=sentence, fault=False)


@dataclass(frozen=True)
class Finding:
    """A statement that is true of one engine of a run, with the numbers that show it."""

    statement: Statement
    engine: str
    figure: str = ""
    """The figure of the report in which it is seen, by its name; empty where a table or nothing shows it."""
    numbers: Mapping[str, Fact] = field(default_factory=dict)
    layer: str = ""
    """The name of the layer that it is about."""

    @property
    def kind(self) -> str:
        """The statement's kind."""
        return self.statement.kind

    @property
    def fault(self) -> bool:
        """Whether something went wrong."""
        return self.statement.fault


@dataclass(frozen=True)
class Rule:
    """Statements that belong together: a section of docs/analysis.md."""

    title: str
    statements: tuple[Statement, ...]
    decide: Callable[[Run], list[Finding]]
    """Which of them are true of a run. Several rules may share one function, which is then asked once."""
    how: str
    """How it is decided, in words; `{NAME}` is a threshold."""
    thresholds: Mapping[str, float]
    source: str = ""
    of_training: bool = True
    """Whether it judges a training; else it also holds for weights that were read from a file."""
