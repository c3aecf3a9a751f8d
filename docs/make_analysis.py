"""Write docs/analysis.md, each statement of the analysis with its rule, thresholds and source, from the rules.

python docs/make_analysis.py
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from textwrap import fill

from twofold.analysis.rules import RULES, Rule, Statement
from twofold.report.findings import NOUNS
from twofold.runs.history import MOST_MOMENTS

HEAD = """\
# What the analysis says, and when

Written by `python docs/make_analysis.py` from [the rules](../src/twofold/analysis/rules/): each has its statements, the
function that decides them, its thresholds and its source in one place.

The report's chapter *Analysis* is made of sentences. Each is decided by a rule over what the run recorded, carries its
numbers, and names the figure in which it is seen. Where the numbers do not support a sentence it is not there. A
**fault** is something to mend; the others say how it went, or what was looked for and not found. A run of weights that
were read from a file has no training: of that one it is said what it confuses, and which engine answers better. The
rules are tested on trainings made to have each fault (`tests/test_findings.py`), on
[trainings with none](benchmarks/healthy.md), on which no threshold was chosen, and on a
[corpus of both](benchmarks/analysis.md), half of whose healthy ones are on noisy real tables. What a deeper cause
explains is left out: a rate is not blamed where inputs or initial weights are.

Signals (`signals.csv`: norms of weights, gradients and updates, dead and saturated units) are recorded at about
{MOST_MOMENTS} evaluations at most. A run folder that is older than they are has the sentences that need none.

In the sentences, *words in italics* are filled in from the run.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([_filled(HEAD, {"MOST_MOMENTS": MOST_MOMENTS}), *map(_section, RULES)])


def _section(rule: Rule) -> str:
    lines = [_wrapped(f"- **{statement.title}.** {_sentence(rule, statement)}.", "  ") for statement in rule.statements]
    lines += ["", _wrapped(f"*Rule.* {_filled(rule.how, rule.thresholds)}")]
    lines += ["", _wrapped(f"*Source.* {_filled(rule.source, rule.thresholds)}")] if rule.source else []
    return "\n".join([f"## {rule.title}", "", *lines, ""])


def _wrapped(text: str, indent: str = "") -> str:
    return fill(text, 140, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _filled(text: str, thresholds: Mapping[str, float]) -> str:
    return re.sub(r"\{([A-Z_]+)\}", lambda match: f"{thresholds[match[1]]:g}", text)


def _sentence(rule: Rule, statement: Statement) -> str:
    """A statement with its thresholds, and the names of its other numbers in italics."""
    text = re.sub(r"\{([A-Z_]+)(?::([^}]*))?\}", lambda match: _threshold(rule, match), statement.sentence)
    text = re.sub(r"`?\{(\w+?)(?::([^}]*))?\}`?", _number, text)
    return re.sub(r"\w", lambda match: match[0].upper(), text, count=1)


def _threshold(rule: Rule, match: re.Match[str]) -> str:
    return format(rule.thresholds[match[1]], match[2] or "g")


def _number(match: re.Match[str]) -> str:
    """Its name, and the noun that counts with it."""
    return f"*{match[1].replace('_', ' ')}*" + (f" {match[2]}s" if match[2] in NOUNS else "")


if __name__ == "__main__":
    (Path(__file__).parent / "analysis.md").write_text(page(), "utf-8")
