"""The check: a thing, what it should be like, and a report."""

from __future__ import annotations

import inspect
import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from twofold.errors import UserError
from twofold.proof.check.allowances import (
    absences,
    as_played,
    at_kinks,
    evaluation_skipped,
    in_single,
    judged_by_its_masks,
    without_scenes,
)
from twofold.proof.check.compared import Gap, Run, gaps
from twofold.proof.check.naming import named_faults
from twofold.proof.check.report import CheckReport, Power, element
from twofold.proof.check.request import Adapter, Request
from twofold.proof.check.sandbox import Answer, Limits, run_file, run_here
from twofold.proof.check.subject import Subject, right, subjects
from twofold.proof.mistakes import Tensors

if TYPE_CHECKING:
    from twofold.proof.check.engines import EngineReport


def check(
    thing: Any,
    like: Any,
    *,
    adapter: Adapter | None = None,
    float32: bool = False,
    shape: Sequence[int] | None = None,
    seconds: float = 20.0,
    **settings: Any,
) -> CheckReport | EngineReport:
    """Whether a user's code computes what a layer, loss, optimizer, clipping or schedule computes; else what is wrong.

    `thing` is a pair of functions, a class or an object, a `torch.nn.Module` or `torch.autograd.Function`, a function,
    or the place of one in a file: `"mine.py:MyDense"`. `like` is what it should be: `"dense"`,
    `{"kind": "dense", "units": 3}`; what a kind must have and is left out takes a small size. It runs in a process of
    its own: see `twofold.proof.check.sandbox`.

    A whole engine with `load`, `state` and `step` is held against a recipe: `check(engine, like="moons")`; see
    `twofold.proof.check.engines.check_engine`.

    Raises `UserError` for an unknown kind or setting, or a file that is not there.
    """
    if all(callable(getattr(thing, name, None)) for name in ("load", "state", "step")):
        from twofold.proof.check.engines import check_engine

        return check_engine(thing, like)
    return check_thing(thing, like, adapter, float32, shape, seconds, settings)


def check_thing(
    thing: Any,
    like: Any,
    adapter: Adapter | None,
    float32: bool,
    shape: Sequence[int] | None,
    seconds: float,
    settings: Mapping[str, Any],
) -> CheckReport:
    """As `check`, of anything but an engine."""
    dtype = "float32" if float32 else "float64"
    if isinstance(thing, str | os.PathLike):
        file, name = _place(os.fspath(thing))
        request = Request(
            f"{file.name}:{name}" if name else file.name, name, like, settings, dtype, shape, adapter or Adapter()
        )
        return check_file(file, [request], Limits(seconds))[0]
    name = getattr(thing, "__qualname__", None) or type(thing).__qualname__
    if isinstance(thing, tuple | list):
        name = ", ".join(getattr(member, "__name__", "?") for member in thing)
    request = Request(name, "", like, settings, dtype, shape, adapter or Adapter())
    return _checked([request], lambda items: run_here(_player(thing, items), items, Limits(seconds)))[0]


def check_file(file: Path, requests: Sequence[Request], limits: Limits) -> list[CheckReport]:
    """Several things of one file, in one process of its own."""
    return _checked(requests, lambda items: run_file(file, items, limits))


def _place(text: str) -> tuple[Path, str]:
    file, _, name = text.rpartition(":") if ".py:" in text else (text, "", "")
    path = Path(file)
    if not path.is_file():
        raise UserError(f"no file {path}; give FILE.py or FILE.py:NAME")
    return path, name


def _player(thing: Any, items: Sequence[Mapping[str, Any]]) -> Any:
    """Plays a thing of this process's own in a copy of the process."""

    def play(folder: Path) -> None:
        import sys

        from twofold.proof.check.inside.job import Job
        from twofold.proof.check.inside.load import find_its_way_back
        from twofold.proof.check.inside.plans import paired
        from twofold.proof.check.inside.play import answered, quiet_threads

        work = json.loads((folder / "job.json").read_text("utf-8"))
        path = Path(inspect.getsourcefile(_code(thing)) or "") if _has_source(thing) else Path("")
        with quiet_threads():
            found = find_its_way_back(paired(thing))
            answered(work["items"], lambda job: found, Job, path, folder, "torch" in sys.modules)

    return play


def _code(thing: Any) -> Any:
    member = thing[0] if isinstance(thing, tuple | list) else thing
    return member if inspect.isclass(member) or inspect.isroutine(member) else type(member)


def _has_source(thing: Any) -> bool:
    try:
        return inspect.getsourcefile(_code(thing)) is not None
    except TypeError:
        return False


def _checked(requests: Sequence[Request], run: Any) -> list[CheckReport]:
    started = time.perf_counter()
    choices = [subjects(r.like, r.settings, r.dtype, r.shape) for r in requests]
    items = [item_of(request, found[0]) for request, found in zip(requests, choices, strict=True)]
    answers: list[Answer] = run(items)
    reports = []
    for request, found, answer in zip(requests, choices, answers, strict=True):
        verdicts = _judged(request, found[0], answer)
        for other in found[1:]:
            report = _best(verdicts).report
            if report.ok or answer.ended or answer.cannot or not _of_another_shape(report):
                break
            verdicts += _judged(request, other, run([item_of(request, other)])[0])
        reports.append(replace(_told(verdicts), seconds=time.perf_counter() - started))
    return reports


class _Verdict(NamedTuple):
    """What came of one way of reading an object; why it is wrong is asked for the best ways alone."""

    report: CheckReport
    explain: Callable[[], CheckReport]


def _rank(verdict: _Verdict) -> tuple[bool, int, int]:
    report = verdict.report
    return not report.ok, len(report.errors or {}), sum(not gap.ok for gap in report.gaps)


def _best(verdicts: Sequence[_Verdict]) -> _Verdict:
    return min(verdicts, key=_rank)


def _told(verdicts: Sequence[_Verdict]) -> CheckReport:
    """The best reading; of several that are as good, the first whose fault has a name."""
    rank = _rank(_best(verdicts))
    alike = [verdict.explain() if rank[0] else verdict.report for verdict in verdicts if _rank(verdict) == rank]
    return next((report for report in alike if report.fault is not None), alike[0])


def _of_another_shape(report: CheckReport) -> bool:
    """Whether the object may be meant for samples of another shape: it fails, gives another shape, or reads oddly."""
    odd = "(N, H, W, C)" in report.reading
    return odd or bool(report.errors) or (report.first is not None and not math.isfinite(report.first.size))


def item_of(request: Request, subject: Subject) -> dict[str, Any]:
    """What the process of the user's code is told: no right number, but the shapes of what is expected."""
    expected = right(subject)
    return {
        "object": request.object,
        "kind": subject.kind,
        "section": subject.section,
        "settings": {k: v for k, v in subject.settings.items() if k != "kind"},
        "float32": subject.dtype == "float32",
        "scenes": subject.scenes,
        "expected": expected,
        "gradients": subject.gradients,
        **request.adapter.job(),
    }


def _judged(request: Request, subject: Subject, answer: Answer) -> list[_Verdict]:
    report = CheckReport(
        request.thing, subject.kind, subject.settings, "unchecked", "", dtype=subject.dtype, printed=answer.printed
    )
    if answer.cannot:
        report = replace(report, summary=answer.cannot)
        return [_Verdict(report, lambda: report)]
    if answer.ended:
        report = replace(report, status="wrong", summary=answer.ended, errors={"the process": answer.ended})
        return [_Verdict(report, lambda: report)]
    return [_verdict(report, subject, plan, run) for plan, run in zip(answer.plans, answer.tensors, strict=True)]


def _verdict(report: CheckReport, subject: Subject, plan: Mapping[str, Any], run: Run) -> _Verdict:
    subject = as_played(subject, plan)
    expected = right(subject)
    yours = [dict(tensors) for tensors in run]
    extra = list[str]()
    if plan.get("autograd") and at_kinks(subject, yours, expected):
        extra.append("at a kink autograd takes another slope of the possible ones than PyTorch's own layer does")
    if plan.get("derivative"):
        extra.append("its way back takes no dy: what it gives was taken for f'(x), and multiplied by dy")
    if subject.kind == "gru" and plan.get("one_bias"):
        extra.append("it has one bias where PyTorch has two: checked with b_hh = 0")
        for tensors in (*yours, *expected):
            tensors.pop("db_hh", None)
    if subject.kind == "dropout":
        subject, expected = judged_by_its_masks(subject, yours, expected)
    notes, absent = absences(subject, yours, expected, plan)
    errors: dict[str, str] = dict(plan["errors"])
    notes += extra
    skipped = [*evaluation_skipped(subject, yours, errors), *plan["untold"]]
    scenes, yours, expected = without_scenes(skipped, subject, yours, expected)
    subject = replace(subject, scenes=tuple(scenes))
    notes += [f"not checked in {name}: the object has no way of being told" for name in skipped]
    single = subject.dtype == "float32" or in_single(yours)
    tolerances = subject.tolerances(expected, single)
    compared = gaps(yours, expected, subject.names, tolerances, absent, errors)
    if single and subject.dtype == "float64":
        notes.append("it computes in float32: compared within what one unit in the last place of the inputs moves")
    wrong = [gap for gap in compared if not gap.ok]
    shape = tuple(subject.scenes[0].arrays["x"].shape[1:]) if subject.section == "layers" else ()
    base = replace(
        report,
        shape=shape,
        gaps=tuple(compared),
        reading=str(plan["plan"]),
        notes=tuple(notes),
        errors=errors or None,
        power=power(subject),
    )
    if not wrong and not errors:
        agreed = replace(base, status="right", summary="right: every tensor agrees")
        return _Verdict(agreed, lambda: agreed)
    parted = replace(base, status="wrong", first=wrong[0] if wrong else None)
    return _Verdict(parted, lambda: _faulty(parted, subject, yours, expected, tolerances, wrong))


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
    """How many of the kind's known mistakes change a tensor of these scenes."""
    key = repr((subject.kind, sorted(subject.settings.items(), key=str), subject.names, subject.dtype))
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
