"""The verdict on each way of reading an object: its gaps, and for the best readings why it is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from twofold.arrays import digest
from twofold.proof.check.allowances import (
    absences,
    as_played,
    at_kinks,
    evaluation_skipped,
    in_single,
    judged_by_its_masks,
    underflows,
    without_scenes,
    wrong_share,
)
from twofold.proof.check.compared import Gap, Run, gaps
from twofold.proof.check.crossing import Answer, Played
from twofold.proof.check.naming import named_faults
from twofold.proof.check.report import CheckReport, Power, element
from twofold.proof.check.request import Request
from twofold.proof.check.subject import Subject, right
from twofold.proof.mistakes import Tensors
from twofold.proof.mistakes.base import number

KINK = "at a kink autograd takes another slope of the possible ones than PyTorch's own layer does"
DERIVATIVE = "its way back takes no dy: what it gives was taken for f'(x), and multiplied by dy"
UNDERFLOW = "at large logits its loss is infinite: the logarithm of a probability that rounds to 0"
ONE_BIAS = "it has one bias where PyTorch has two: checked with b_hh = 0"
NEAR = 1e-3
"""A reading with all gaps below this is the one that is meant: another would be wrong by more."""
SINGLE = "it computes in float32: compared within what one unit in the last place of the inputs moves"


class Verdict(NamedTuple):
    """The verdict on one way of reading an object; why it is wrong is worked out only for the best ways."""

    report: CheckReport
    explain: Callable[[], CheckReport]


def _rank(verdict: Verdict) -> tuple[bool, bool, int, int]:
    """What makes a reading worse than another: wrong, nothing given, errors, wrong tensors."""
    report = verdict.report
    nothing = bool(report.gaps) and report.gaps[0].note.endswith("was not given")
    return not report.ok, nothing, len(report.errors or {}), sum(not gap.ok for gap in report.gaps)


def best(verdicts: Sequence[Verdict]) -> Verdict:
    """The reading with the fewest wrong tensors and errors."""
    return min(verdicts, key=_rank)


def told(verdicts: Sequence[Verdict]) -> CheckReport:
    """The report of the best reading; among equals small gaps count first, then that the fault has a name."""
    rank = _rank(best(verdicts))
    alike = [verdict.explain() if rank[0] else verdict.report for verdict in verdicts if _rank(verdict) == rank]
    near = [report for report in alike if all(gap.size < NEAR for gap in report.gaps)]
    return next((report for report in near or alike if report.fault is not None), (near or alike)[0])


def of_another_shape(report: CheckReport) -> bool:
    """Whether the object may be meant for samples of another shape: it fails, gives another shape, or reads oddly."""
    odd = "(N, H, W, C)" in report.reading
    return odd or bool(report.errors) or (report.first is not None and not math.isfinite(report.first.size))


def judged(request: Request, subject: Subject, answer: Answer) -> list[Verdict]:
    """A verdict for each way of reading the object; one where it could not be checked, or ended its process."""
    report = CheckReport(
        request.thing, subject.kind, subject.settings, "unchecked", "", dtype=subject.dtype, printed=answer.printed
    )
    if answer.cannot:
        report = replace(report, summary=answer.cannot)
        return [Verdict(report, lambda: report)]
    if answer.ended:
        report = replace(report, status="wrong", summary=answer.ended, errors={"the process": answer.ended})
        return [Verdict(report, lambda: report)]
    return [_verdict(report, subject, plan, run) for plan, run in zip(answer.plans, answer.tensors, strict=True)]


class _Read(NamedTuple):
    """A run after the allowances for its object were made."""

    subject: Subject
    yours: list[Tensors]
    expected: list[Tensors]
    errors: dict[str, str]
    notes: list[str]
    absent: frozenset[str]
    share: float | None
    """The share that a dropout with masks of its own drops, if that is not p."""


def _read(subject: Subject, plan: Played, run: Run) -> _Read:
    """Make every allowance that a plan's run needs before it is compared."""
    subject = as_played(subject, plan)
    expected, yours = right(subject), [dict(tensors) for tensors in run]
    extra = list[str]()
    share = None
    extra += [KINK] if plan.autograd and at_kinks(subject, yours, expected) else []
    extra += [UNDERFLOW] if underflows(subject, yours, expected) else []
    extra += [DERIVATIVE] if plan.derivative else []
    if subject.kind == "gru" and plan.one_bias:
        extra.append(ONE_BIAS)
        for tensors in (*yours, *expected):
            tensors.pop("db_hh", None)
    if subject.kind == "dropout":
        subject, expected, share = judged_by_its_masks(subject, yours, expected)
    notes, absent = absences(subject, yours, expected, plan)
    errors: dict[str, str] = dict(plan.errors)
    skipped = [*evaluation_skipped(subject, yours, errors), *plan.untold]
    scenes, yours, expected = without_scenes(skipped, subject, yours, expected)
    notes += [*extra, *(f"not checked in {name}: the object has no way of being told" for name in skipped)]
    return _Read(replace(subject, scenes=tuple(scenes)), yours, expected, errors, notes, absent, share)


def _verdict(report: CheckReport, subject: Subject, plan: Played, run: Run) -> Verdict:
    read = _read(subject, plan, run)
    subject, yours, expected = read.subject, read.yours, read.expected
    single = subject.dtype == "float32" or in_single(yours)
    notes = [*read.notes, SINGLE] if single and subject.dtype == "float64" else read.notes
    tolerances = subject.tolerances(expected, single)
    compared = gaps(yours, expected, subject.names, tolerances, read.absent, read.errors)
    shape = tuple(subject.scenes[0].arrays["x"].shape[1:]) if subject.section == "layers" else ()
    base = replace(report, shape=shape, gaps=tuple(compared), reading=plan.plan, notes=tuple(notes),
                   errors=read.errors or None, power=power(subject))  # fmt: skip
    if read.share is not None:
        first, fault = wrong_share(read.share, number(subject.settings, "p", 0.5))
        told = replace(base, status="wrong", summary=fault.sentence, first=first, gaps=(first, *compared), fault=fault,
                       faults=(fault,))  # fmt: skip
        return Verdict(told, lambda: told)
    wrong = [gap for gap in compared if not gap.ok]
    if not wrong and not read.errors:
        agreed = replace(base, status="right", summary="right: every tensor agrees")
        return Verdict(agreed, lambda: agreed)
    parted = replace(base, status="wrong", first=wrong[0] if wrong else None)
    return Verdict(parted, lambda: _faulty(parted, subject, yours, expected, tolerances, wrong))


def _faulty(
    base: CheckReport,
    subject: Subject,
    yours: Run,
    expected: list[Tensors],
    tolerances: Mapping[str, float],
    wrong: list[Gap],
) -> CheckReport:
    first = wrong[0] if wrong else None
    named = named_faults(subject, yours, expected, tolerances, [gap.tensor for gap in wrong])
    if not named and first is not None and first.tensor == "y" and "has shape" in first.note:  # no way back fits it
        alone: list[list[Tensors]] = [
            [{"y": tensors["y"]} if "y" in tensors else {} for tensors in run] for run in (list(yours), expected)
        ]
        named = named_faults(subject, alone[0], alone[1], tolerances, ["y"])
    if not named and base.errors:
        scene, error = next(iter(base.errors.items()))
        summary = f"it fails in {scene}: {error}"
    elif named:
        summary = named[0].sentence
    else:
        summary = f"no known mistake; the first wrong tensor is {element(first)}" if first else "it fails"
    return replace(
        base, status="wrong", summary=summary, first=first, fault=named[0] if named else None, faults=tuple(named)
    )


_POWERS: dict[str, Power] = {}


def power(subject: Subject) -> Power:
    """The power of the check: how many of the kind's known mistakes change a tensor of these scenes."""
    scenes = [(scene.name, scene.facts, digest(scene.arrays)) for scene in subject.scenes]
    key = repr((subject.kind, sorted(subject.settings.items(), key=str), scenes, subject.dtype))
    if key not in _POWERS:
        expected = right(subject)
        tolerances = subject.tolerances(expected, single=False)
        invisible, known = list[str](), 0
        for mistake in subject.mistakes():
            making = mistake.apply(subject.making)
            if making.settings == subject.making.settings and not making.switches:
                continue
            known += 1
            predicted = subject.run(making)
            if all(gap.ok for gap in gaps(predicted, expected, subject.names, tolerances)):
                invisible.append(mistake.id)
        _POWERS[key] = Power(known - len(invisible), known, tuple(invisible))
    return _POWERS[key]
