"""The check of a user's layer, loss, optimizer, clipping or schedule against a kind of Twofold's."""

from __future__ import annotations

import inspect
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from twofold.errors import UserError
from twofold.proof.check.crossing import Answer, Item
from twofold.proof.check.gate_order import order_of, stacked_as_ours, stacked_as_theirs
from twofold.proof.check.inside.theirs import Function
from twofold.proof.check.judging import best, judged, of_another_shape, told
from twofold.proof.check.report import CheckReport
from twofold.proof.check.request import Adapter, Request
from twofold.proof.check.sandbox import Limits, run_file, run_here
from twofold.proof.check.subject import CLIPPING, Subject, kinds, right, subjects
from twofold.proof.mistakes.base import Settings

if TYPE_CHECKING:
    from twofold.engine import Engine
    from twofold.proof.check.engines import EngineReport
    from twofold.recipe import Recipe


def check(
    thing: object,
    like: object,
    *,
    adapter: Adapter | None = None,
    float32: bool = False,
    shape: Sequence[int] | None = None,
    seconds: float = 20.0,
    **settings: object,
) -> CheckReport | EngineReport:
    """Check whether a user's code computes what a layer, loss, optimizer, clipping or schedule computes.

    `thing` is a pair of functions, a class or an object, a `torch.nn.Module` or `torch.autograd.Function`, a function,
    or the place of one in a file: `"mine.py:MyDense"`. `like` is what it should be: `"dense"`,
    `{"kind": "dense", "units": 3}`. Further keywords are settings of the kind; required ones that are left out take
    small sizes. `adapter` says what names mean that do not tell it themselves, `shape` is the shape of one sample of a
    layer, without the batch; with `float32` both sides are compared in single precision. The report tells whether
    `thing` is right, and else what is wrong. It runs in a process of its own, for at most `seconds`: see
    `twofold.proof.check.sandbox`.

    A whole engine with `load`, `state` and `step` is held against a recipe in this process: `check(engine,
    like="moons", steps=50)`. It takes no other argument; see `twofold.proof.check.engines.check_engine`.

    Raises `UserError` for an unknown kind or setting, an argument that does not apply, or a file that is not there.
    """
    if _is_engine(thing, like):
        used = {
            "adapter": adapter is not None,
            "float32": float32,
            "shape": shape is not None,
            "seconds": seconds != 20,
        }
        others = [name for name, is_used in used.items() if is_used]
        return _checked_engine(thing, like, settings, others)
    dtype = "float32" if float32 else "float64"
    wanted = Request("", "", like, settings, dtype, shape, adapter or Adapter())
    return check_thing(thing, wanted, seconds)


def _is_engine(thing: object, like: object) -> bool:
    """Whether a thing is an engine: it has the members of one, and `like` names no kind."""
    return like not in (*kinds(), *CLIPPING) and all(
        callable(getattr(thing, name, None)) for name in ("load", "state", "step")
    )


def _checked_engine(thing: object, like: object, settings: Settings, others: Sequence[str]) -> EngineReport:
    """The report on an engine of this process; `others` are arguments that it does not take."""
    from twofold.proof.check.engines import check_engine

    refused = [*others, *(name for name in settings if name != "steps")]
    if refused:
        names = ", ".join(f"`{name}`" for name in refused)
        raise UserError(f"a whole engine is checked in float64 with `like` and `steps` alone; leave out {names}")
    steps = settings.get("steps", 50)
    return check_engine(cast("Engine", thing), cast("str | Path | Recipe", like), steps=cast("int", steps))


def check_thing(thing: object, wanted: Request, seconds: float) -> CheckReport:
    """As `check`, for anything but an engine; `wanted` is completed with the name of the thing."""
    if isinstance(thing, str | os.PathLike):
        file, name = place_of(os.fspath(thing))
        request = replace(wanted, thing=f"{file.name}:{name}" if name else file.name, object=name)
        return check_file(file, [request], Limits(seconds))[0]
    name = getattr(thing, "__qualname__", None) or type(thing).__qualname__
    if isinstance(thing, tuple | list):
        name = ", ".join(getattr(member, "__name__", "?") for member in thing)
    return _checked([replace(wanted, thing=name)], lambda items: run_here(_player(thing), items, Limits(seconds)))[0]


def check_file(file: Path, requests: Sequence[Request], limits: Limits) -> list[CheckReport]:
    """Check several things of one file, in one process of its own."""
    return _checked(requests, lambda items: run_file(file, items, limits))


def place_of(text: str) -> tuple[Path, str]:
    """The file and the name in it of `FILE.py:NAME`; the name is empty if left out.

    Raises `UserError` where there is no such file.
    """
    file, _, name = text.rpartition(":") if ".py:" in text else (text, "", "")
    path = Path(file)
    if not path.is_file():
        raise UserError(f"no file {path}; give FILE.py or FILE.py:NAME")
    return path, name


def _player(thing: object) -> Callable[[Path], None]:
    """A function that plays a thing of this process; it is called in a copy (fork) of the process."""

    def play(folder: Path) -> None:
        import sys

        from twofold.proof.check.inside.job import Job
        from twofold.proof.check.inside.load import find_its_way_back
        from twofold.proof.check.inside.plans import paired
        from twofold.proof.check.inside.play import answered, quiet_threads

        work = json.loads((folder / "job.json").read_text("utf-8"))
        path = Path(inspect.getsourcefile(_code(thing)) or "") if _has_source(thing) else Path("")
        with quiet_threads():
            mine = find_its_way_back(paired(thing))
            answered(work["items"], lambda job: mine, Job, path, folder, "torch" in sys.modules)

    return play


def _code(thing: object) -> Function:
    """The function or class whose source tells the file of a thing."""
    member = thing[0] if isinstance(thing, tuple | list) and thing else thing
    return member if inspect.isclass(member) or inspect.isroutine(member) else type(member)


def _has_source(thing: object) -> bool:
    try:
        return inspect.getsourcefile(_code(thing)) is not None
    except TypeError:
        return False


def _checked(requests: Sequence[Request], run: Callable[[Sequence[Item]], list[Answer]]) -> list[CheckReport]:
    """A report for each request; `run` plays items in another process. A layer may need samples of another shape."""
    started = time.perf_counter()
    choices = [subjects(r.like, r.settings, r.dtype, r.shape) for r in requests]
    items = [item_of(request, choice[0]) for request, choice in zip(requests, choices, strict=True)]
    answers = run(items)
    reports = []
    for request, choice, answer in zip(requests, choices, answers, strict=True):
        order = order_of(choice[0].kind, request.adapter.gates)
        verdicts = judged(request, choice[0], stacked_as_ours(answer, choice[0], order) if order else answer)
        for other in choice[1:]:
            report = best(verdicts).report
            if report.ok or answer.ended or answer.cannot or not of_another_shape(report):
                break
            verdicts += judged(request, other, run([item_of(request, other)])[0])
        reports.append(replace(told(verdicts), seconds=time.perf_counter() - started))
    return reports


def item_of(request: Request, subject: Subject) -> Item:
    """The task for the process of the user's code: no right numbers, but the shapes of the expected tensors."""
    expected, order = right(subject), order_of(subject.kind, request.adapter.gates)
    item: Item = {
        "object": request.object,
        "kind": subject.kind,
        "section": subject.section,
        "settings": {k: v for k, v in subject.settings.items() if k != "kind"},
        "float32": subject.dtype == "float32",
        "scenes": [stacked_as_theirs(scene, order) for scene in subject.scenes] if order else subject.scenes,
        "expected": expected,
        "gradients": subject.gradients,
        "arguments": request.adapter.declared(),
    }
    if request.adapter.transposed is not None:
        item["transposed"] = request.adapter.transposed
    return item
