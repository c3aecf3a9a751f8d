"""The rules by which the report says what went wrong in a run, and what was looked for and not found.

A finding is added in the module of its subject: its statement, the function that decides it, and the rule in `RULES`
there. The report and docs/analysis.md (`python docs/make_analysis.py`) are written from these lists.
"""

from twofold.analysis.rules import (
    beginnings,
    confusions,
    courses,
    engines,
    fitting,
    gradients,
    numbers,
    outputs,
    over_fitting,
    rates,
    restraints,
    samples,
    tables,
    turning,
    units,
)
from twofold.analysis.rules.rule import Finding, Rule, Statement
from twofold.runs import Run

__all__ = ["RULES", "STATEMENTS", "THRESHOLDS", "Finding", "Rule", "Statement", "findings"]

RULES: tuple[Rule, ...] = tuple(
    rule
    for module in (
        samples,
        tables,
        outputs,
        restraints,
        beginnings,
        fitting,
        courses,
        numbers,
        over_fitting,
        turning,
        rates,
        units,
        gradients,
        confusions,
        engines,
    )
    for rule in module.RULES
)
"""In the order of the report's sentences and of the documentation."""
STATEMENTS = {statement.kind: statement for rule in RULES for statement in rule.statements}
"""Every statement by its kind."""
THRESHOLDS = {name: value for rule in RULES for name, value in rule.thresholds.items()}
"""Every threshold by its name; one that several rules share has one value."""


def findings(run: Run) -> list[Finding]:
    """The statements that are true of the run, in the order of the rules.

    What a deeper cause explains is left out (`Statement.unless`). A run folder without signals has those that need
    none; weights that were read from a file have those that judge no training.
    """
    imported = run.record.imported is not None
    deciding = dict.fromkeys(rule.decide for rule in RULES if not (imported and rule.of_training))
    decided = [finding for decide in deciding for finding in decide(run)]
    kinds = {engine: {f.kind for f in decided if f.engine == engine} for engine in {f.engine for f in decided}}
    return [finding for finding in decided if not finding.statement.unless & kinds[finding.engine]]
