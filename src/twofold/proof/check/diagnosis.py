"""Why a tensor is wrong, by name: the catalogue, alone and in pairs, and algebraic relations. It never guesses.

A mistake is named where every tensor that it predicts equals the student's, in every scene. Where one mistake explains
all that is wrong, it is the fault; else a relation or a mistake for every wrong tensor; else two mistakes of which the
second acts on what the first one left. A mistake of the forward pass that gives the student's y in every scene is named
even if gradients are wrong in another way; these are then reported as open.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from twofold.arrays import Array
from twofold.proof.check.compared import Run, same
from twofold.proof.check.relation import Relation
from twofold.proof.check.relations import relations
from twofold.proof.check.subject import Subject
from twofold.proof.mistakes import Making, Mistake, Tensors, computation
from twofold.proof.mistakes.base import Derivative

PATIENCE = 1.2
"""Seconds for pairs of mistakes."""
BEHIND: tuple[Derivative, ...] = ("formula", "own", "right")
"""Every way in which a backward pass may go with a wrong forward pass: see `Making`."""


@dataclass(frozen=True)
class Finding:
    """An explanation of wrong tensors: mistakes of the catalogue, or a relation."""

    mistakes: tuple[Mistake, ...]
    relation: Relation | None
    explains: tuple[str, ...]
    open: tuple[str, ...] = ()
    """Wrong tensors that it does not explain."""


class Diagnosis:
    """The search for what is wrong with one student's tensors on one subject."""

    def __init__(
        self,
        subject: Subject,
        yours: Run,
        right: Sequence[Tensors],
        tolerances: Mapping[str, float],
        wrong: Sequence[str],
    ) -> None:
        self.subject, self.right, self.tolerances = subject, right, tolerances
        self.yours = list(yours) + [{}] * (len(right) - len(yours))
        self.wrong = list(wrong)
        self.lead = next(iter(right[0]))
        self.absent = {name for tensors in right for name in tensors} - {
            name for tensors in self.yours for name in tensors
        }
        self.compared = [name for tensors in right for name in tensors if name not in self.absent]
        self.compared = list(dict.fromkeys(self.compared))
        self.predicted: dict[tuple[str, Derivative], list[Tensors]] = {}
        self.firsts: dict[tuple[frozenset[str], str], Tensors] = {}

    def findings(self) -> list[Finding]:
        """The explanations of all wrong tensors; the first is the fault, the others explain what it does not."""
        if self.absent & set(self.wrong):
            self.wrong = [name for name in self.wrong if name not in self.absent]
        if not self.wrong:
            return []
        alone = next(self._alone(), None)
        if alone is not None:
            return [alone]
        cover = self._cover()
        if cover and not cover[-1].open:
            return cover
        pair = next(self._pairs(), None)
        if pair is not None:
            return [pair]
        return self._forward() or cover

    def _alone(self) -> Iterator[Finding]:
        """Findings of a single mistake that predicts every tensor."""
        for mistake in self.subject.mistakes():
            plain = mistake.apply(self.subject.making)
            if not self._gives_lead(plain):
                continue
            for derivative in self._derivatives(mistake):
                making = replace(plain, derivative=derivative)
                if self._matches(making):
                    yield Finding((mistake,), None, tuple(self.wrong))

    def _derivatives(self, mistake: Mistake) -> tuple[Derivative, ...]:
        """The backward passes that may go with a mistake: a single one if it does not change the forward pass."""
        if self._changes_lead(mistake):
            return BEHIND
        later = self.lead in self.wrong and self.subject.section in ("layers", "loss")
        return BEHIND if later and self.lead in self._affected(self._run(mistake)) else ("formula",)

    def _changes_lead(self, mistake: Mistake) -> bool:
        if self.subject.section not in ("layers", "loss"):
            return False
        first = self._first(mistake.apply(self.subject.making))
        return not self._same(self.lead, first, self.right[0])

    def _first(self, making: Making) -> Tensors:
        key = (making.switches, repr(making.settings))
        if key not in self.firsts:
            self.firsts[key] = self.subject.run(making, self.subject.scenes[:1])[0]
        return self.firsts[key]

    def _same(self, name: str, a: Mapping[str, Array], b: Mapping[str, Array]) -> bool:
        if (name in a) != (name in b):
            return False
        return name not in a or same(a[name], b[name], self.tolerances.get(name, 1e-9))

    def _agree(self, name: str, predicted: Mapping[str, Array], mine: Mapping[str, Array]) -> bool:
        """Whether a prediction equals the student's tensor; if it fails, the student's pass must have failed, too."""
        if not predicted:
            return any(other not in mine for other in self.compared)
        return self._same(name, predicted, mine)

    def _matches(self, making: Making) -> bool:
        """Whether a making predicts the student's tensors in every scene, and differs from the right ones in one."""
        current, differs = None, False
        with np.errstate(all="ignore"):
            for scene, mine, theirs in zip(self.subject.scenes, self.yours, self.right, strict=True):
                if current is None or scene.facts.get("fresh"):
                    current = computation(making)
                try:
                    predicted = current.run(scene)
                except (ValueError, IndexError, ZeroDivisionError, OverflowError):
                    predicted = {}
                if not all(self._agree(name, predicted, mine) for name in self.compared):
                    return False
                differs = differs or not all(self._same(name, predicted, theirs) for name in self.compared)
        return differs

    def _run(self, mistake: Mistake, derivative: Derivative = "formula") -> list[Tensors]:
        key = (mistake.id, derivative)
        if key not in self.predicted:
            self.predicted[key] = self.subject.run(replace(mistake.apply(self.subject.making), derivative=derivative))
        return self.predicted[key]

    def _everywhere(self, name: str, predicted: Sequence[Mapping[str, Array]]) -> bool:
        return all(self._agree(name, a, b) for a, b in zip(predicted, self.yours, strict=True))

    def _affected(self, predicted: Sequence[Mapping[str, Array]]) -> list[str]:
        """The tensors that a prediction has other than right in some scene."""
        return [
            name
            for name in self.compared
            if not all(self._same(name, a, b) for a, b in zip(predicted, self.right, strict=True))
        ]

    def _cover(self) -> list[Finding]:
        """For each wrong tensor a mistake or a relation that explains it without changing a right tensor."""
        left, findings = list(self.wrong), list[Finding]()
        while left:
            finding = self._explaining(left[0])
            if finding is None:
                break
            findings.append(finding)
            left = [name for name in left if name not in finding.explains]
        return [replace(finding, open=tuple(left)) for finding in findings]

    def _explaining(self, name: str) -> Finding | None:
        """The mistake that explains a tensor and the most others beside it; else a relation."""
        best: Finding | None = None
        for mistake in self.subject.mistakes():
            if self._changes_lead(mistake) and name != self.lead:
                continue
            predicted = self._run(mistake)
            affected = self._affected(predicted)
            if name not in affected or not all(self._everywhere(other, predicted) for other in affected):
                continue
            if best is None or len(affected) > len(best.explains):
                best = Finding((mistake,), None, tuple(affected))
        if best is not None:
            return best
        relation = next(self._relations(name), None)
        if relation is None:
            return None
        alike = [other for other in self.wrong if other == name or self._holds_too(relation, other)]
        return Finding((), relation, tuple(alike))

    def _relations(self, name: str) -> Iterator[Relation]:
        return relations(name, self.yours, self.right, self.subject.scenes, self.tolerances.get(name, 1e-9))

    def _holds_too(self, relation: Relation, name: str) -> bool:
        return any(other.id == relation.id for other in self._relations(name)) and not relation.layout

    def _pairs(self) -> Iterator[Finding]:
        """Findings of two mistakes together: one that explains the first tensor, and any other."""
        end = time.monotonic() + PATIENCE
        known = self.subject.mistakes()
        makings = [(m, m.apply(self.subject.making)) for m in known]
        first = (
            [(m, making) for m, making in makings if self._gives_lead(making)] if self.lead in self.wrong else makings
        )
        for number, (first_mistake, making) in enumerate(first):
            others = makings if self.lead in self.wrong else makings[number + 1 :]
            for other, _ in others:
                if other is first_mistake:
                    continue
                both = other.apply(making)
                for derivative in BEHIND if self.lead in self.wrong else ("formula",):
                    if time.monotonic() > end:
                        return
                    if self._matches(replace(both, derivative=derivative)):
                        yield Finding((first_mistake, other), None, tuple(self.wrong))
        if self.lead in self.wrong and not first:
            yield from self._forward_pairs(makings, end)

    def _forward_pairs(self, makings: Sequence[tuple[Mistake, Making]], end: float) -> Iterator[Finding]:
        """Findings of two mistakes of the forward pass, neither of which gives the first tensor alone."""
        changing = [(m, making) for m, making in makings if self._changes_lead(m)]
        for number, (first_mistake, making) in enumerate(changing):
            for other, _ in changing[number + 1 :]:
                if time.monotonic() > end:
                    return
                both = other.apply(making)
                if self._gives_lead(both):
                    for derivative in BEHIND:
                        if self._matches(replace(both, derivative=derivative)):
                            yield Finding((first_mistake, other), None, tuple(self.wrong))
                            return

    def _gives_lead(self, making: Making) -> bool:
        """Whether a making gives the student's first tensor in the first scene."""
        return self._agree(self.lead, self._first(making), self.yours[0])

    def _forward(self) -> list[Finding]:
        """A mistake of the forward pass, or a relation, that gives the student's y everywhere; others stay open."""
        if self.lead not in self.wrong:
            return []
        for mistake in self.subject.mistakes():
            if not self._gives_lead(mistake.apply(self.subject.making)):
                continue
            predicted = self._run(mistake)
            if self._everywhere(self.lead, predicted) and self.lead in self._affected(predicted):
                return [Finding((mistake,), None, (self.lead,), tuple(n for n in self.wrong if n != self.lead))]
        relation = next(self._relations(self.lead), None)
        if relation is None:
            return []
        return [Finding((), relation, (self.lead,), tuple(n for n in self.wrong if n != self.lead))]
