"""Findings in words: each sentence has its numbers, and names the figure in which they are seen."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from string import Formatter
from typing import final

from twofold.analysis import Finding
from twofold.analysis.rules import THRESHOLDS
from twofold.analysis.rules.rule import Fact
from twofold.report.text import ENGINES, SPLITS, decimal, loss_text, plural, refer


@dataclass(frozen=True)
class Sentence:
    """A finding as the page has it."""

    title: str
    text: str
    fault: bool


NOUNS = ("sample", "moment", "unit")
"""Nouns that a statement may count: `{units:unit}` is written `3 units`."""
FALLING = {True: "was still falling: more training is the first thing to try", False: "had stopped falling"}
FORMATS: dict[str, Callable[[Fact], str]] = {
    "two": lambda value: decimal(value, 2),
    "loss": loss_text,
    "split": SPLITS.__getitem__,
    "falling": FALLING.__getitem__,
    **{noun: partial(plural, noun=noun) for noun in NOUNS},
}
"""How a number of a statement is written, by what stands behind its name; beside these all formats of Python."""


@final
class _Words(Formatter):
    """Writes numbers into a statement: without a format three significant digits, a count with its thousands."""

    def format_field(self, value: object, format_spec: str) -> str:
        if format_spec in FORMATS:
            return FORMATS[format_spec](value)
        if isinstance(value, float) and not format_spec:
            return decimal(value, 3)
        if isinstance(value, int) and not format_spec:
            return f"{value:,}"
        text = super().format_field(value, format_spec)
        return text.replace("-", "−") if isinstance(value, float) else text


def sentences(findings: Sequence[Finding], figures: Collection[str]) -> list[Sentence]:
    """Findings as sentences, faults first. What both engines show is said once; `figures` are those of the page."""
    groups = dict[tuple[str, str, str], list[Finding]]()
    for finding in findings:
        groups.setdefault((finding.kind, finding.layer, str(finding.numbers.get("gate", ""))), []).append(finding)
    both = len({finding.engine for finding in findings}) > 1
    written = [_sentence(group, both, figures) for group in groups.values()]
    return sorted(written, key=lambda sentence: not sentence.fault)


def _sentence(group: Sequence[Finding], both: bool, figures: Collection[str]) -> Sentence:
    """One sentence for findings of the same statement, of one engine or of both."""
    statement, texts = group[0].statement, [_text(finding) for finding in group]
    text = texts[0][0].upper() + texts[0][1:]
    if both and not statement.about_both:
        who = [ENGINES[finding.engine] for finding in group]
        if len(group) == 1:
            text = f"{who[0]} alone: {texts[0]}"
        elif len(set(texts)) == 1:
            text = f"Both engines: {texts[0]}"
        else:
            text = f"{who[0]}, and {who[1]} with numbers of its own: {texts[0]}"
    reference = f" ({refer(group[0].figure)})" if group[0].figure in figures else ""
    return Sentence(statement.title, f"{text}{reference}.", statement.fault)


def _text(finding: Finding) -> str:
    numbers: dict[str, Fact] = {**THRESHOLDS, **finding.numbers, "layer": finding.layer}
    if numbers.get("error"):
        numbers["sigmas"] = numbers["gap"] / numbers["error"]
    numbers["named"] = _named(numbers)
    numbers |= _trained_on(finding.numbers.get("others"))
    return _Words().vformat(finding.statement.sentence, (), numbers)


def _trained_on(others: int | None) -> dict[str, str]:
    """What training accuracy is measured on, in words: the training samples, or others where these are drawn anew."""
    if others is None:
        return {"training_accuracy": "training accuracy", "its_training_samples": "its training samples"}
    accuracy = f"accuracy on {plural(others, 'sample')} drawn like those trained on"
    return {"training_accuracy": accuracy, "its_training_samples": "what training may draw"}


def _named(numbers: Mapping[str, Fact]) -> str:
    """The kind of a layer, and its gate where it has several."""
    kind, gate = numbers.get("kind", ""), numbers.get("gate", "output")
    return f"`{kind}`" if gate in ("output", "h") else f"`{kind}`, gate {gate}"
