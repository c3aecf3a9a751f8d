"""Naming what is wrong: a relation, a mistake of the catalogue, or both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from twofold.proof.check.compared import Run, gaps
from twofold.proof.check.diagnosis import Diagnosis, Finding
from twofold.proof.check.relation import Relation, undone
from twofold.proof.check.relations import relations
from twofold.proof.check.report import Named
from twofold.proof.check.subject import Subject
from twofold.proof.mistakes import Tensors


def named_faults(
    subject: Subject, yours: Run, expected: list[Tensors], tolerances: Mapping[str, float], wrong: Sequence[str]
) -> list[Named]:
    """The faults by name: a wrong layout of arrays is undone first, and then the rest is explained."""
    layouts = list[Relation]()
    for name in wrong:
        earlier = next(relations(name, yours, expected, subject.scenes, tolerances.get(name, 1e-9)), None)
        if earlier is not None and earlier.layout:
            layouts.append(earlier)
            yours = undone(earlier, yours, expected)
    left = [gap.tensor for gap in gaps(yours, expected, subject.names, tolerances) if not gap.ok]
    left = [name for name in left if name in wrong]
    findings = Diagnosis(subject, yours, expected, tolerances, left).findings()
    named = [_named(finding, yours, expected, subject, tolerances) for finding in findings]
    return [*(_of_relation(relation, (relation.tensor,)) for relation in layouts), *named]


def _named(
    finding: Finding, yours: Run, expected: list[Tensors], subject: Subject, tolerances: Mapping[str, float]
) -> Named:
    if finding.relation is not None:
        return replace(_of_relation(finding.relation, finding.explains), open=finding.open)
    lead = finding.explains[0]
    relation = next(relations(lead, yours, expected, subject.scenes, tolerances.get(lead, 1e-9)), None)
    sentence = " And: ".join(mistake.sentence for mistake in finding.mistakes)
    hints = finding.mistakes[0].hints
    name = " + ".join(mistake.id for mistake in finding.mistakes)
    formula = relation.formula if relation is not None and relation.id not in ("constant", "reordered") else ""
    return Named(name, sentence, formula, (*hints, sentence), finding.explains, finding.open)


def _of_relation(relation: Relation, explains: tuple[str, ...]) -> Named:
    listed = ", ".join(explains)
    sentence = relation.sentence
    if len(explains) > 1:
        sentence = f"{listed}: each {relation.sentence.removeprefix(relation.tensor).strip()}"
    hints = (
        f"The line that computes {listed}.",
        f"How does your {relation.tensor} differ from the right one?",
        sentence,
    )
    return Named(f"relation-{relation.id}", sentence, relation.formula, hints, explains)
