"""Writes docs/benchmarks/check.md: code of students, wrong and right, as `twofold check` and four other ways see it;
every mistake of the catalogue, seen and named; and how long a layer and a class take.

The others, on the first batch: the mean of each tensor within 1e-2; one sampled element of each within 1e-2; minimum,
maximum, mean and norm of each within 1e-2; central differences of the student's own pass against their gradients.
"""

from __future__ import annotations

import re
import sys
import time
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from check_catalogue import CLASS, ITEMS, catalogue, catalogue_rows, class_seconds, layer_seconds

from twofold.arrays import Array
from twofold.proof.check.checking import CheckReport, check_file, item_of
from twofold.proof.check.inside.job import Job
from twofold.proof.check.inside.load import find, load
from twofold.proof.check.inside.plans import Plan, plans
from twofold.proof.check.inside.scene import Entry, InsideScene
from twofold.proof.check.request import Request
from twofold.proof.check.sandbox import Limits, run_file
from twofold.proof.check.subject import Subject, subjects

ROOT = Path(__file__).parents[1]
ALLOWED = 1e-2
STEP = 1e-5
Pair = tuple[Mapping[str, Array], Mapping[str, Array]]


class Case(NamedTuple):
    """A case of the corpus, its report, its tensors of the first batch beside the right ones."""

    file: Path
    wanted: Mapping[str, Any]
    report: CheckReport
    tensors: Pair
    subject: Subject


def cases(corpus: str) -> list[Case]:
    folder = ROOT / "tests" / corpus
    table = tomllib.loads((folder / "cases.toml").read_text("utf-8"))["case"]
    found = []
    for name in dict.fromkeys(case["file"] for case in table):
        chosen = [case for case in table if case["file"] == name]
        requests = [Request(case["object"], case["object"], case["like"]) for case in chosen]
        reports = check_file(folder / name, requests, Limits(300))
        alike = [
            subjects(case["like"], {}, shape=tuple(report.shape) or None)[0]
            for case, report in zip(chosen, reports, strict=True)
        ]
        items = [item_of(request, subject) for request, subject in zip(requests, alike, strict=True)]
        answers = run_file(folder / name, items, Limits(300))
        for case, report, subject, answer in zip(chosen, reports, alike, answers, strict=True):
            mine = answer.tensors[0][0] if answer.tensors and answer.tensors[0] else {}
            found.append(Case(folder / name, case, report, (mine, subject.run()[0]), subject))
    return found


def by_mean(case: Case) -> bool:
    return not _all(case.tensors, lambda a, b: abs(a.mean() - b.mean()) <= ALLOWED)


def by_element(case: Case) -> bool:
    def alike(a: Array, b: Array) -> bool:
        place = np.random.default_rng(0).integers(b.size)
        return bool(a.size > place and abs(a.flat[place] - b.flat[place]) <= ALLOWED)

    return not _all(case.tensors, alike)


def by_statistics(case: Case) -> bool:
    def alike(a: Array, b: Array) -> bool:
        pairs = [(f(a), f(b)) for f in (np.min, np.max, np.mean, np.linalg.norm)]
        return all(abs(x - y) <= ALLOWED for x, y in pairs)

    return not _all(case.tensors, alike)


def _all(tensors: Pair, alike: Callable[[Array, Array], bool]) -> bool:
    mine, right = tensors
    given = [name for name in right if name in mine]
    return all(bool(alike(np.asarray(mine[name], float), right[name])) for name in given)


def by_differences(case: Case) -> bool:
    """Whether the gradients are not those of the student's own pass. Nothing but layers and losses has gradients."""
    subject = case.subject
    if subject.section not in ("layers", "loss") or subject.kind == "dropout":
        return False
    item = item_of(Request("", case.wanted["object"], case.wanted["like"]), subject)
    arrays = dict(subject.scenes[0].arrays)
    entry: Entry = {
        "name": "first",
        "facts": {name: float(fact) for name, fact in subject.scenes[0].facts.items() if isinstance(fact, int | float)},
        "arrays": list(arrays),
        "shapes": {name: list(np.shape(t)) for name, t in item["expected"][0].items()},
        "gradients": item["gradients"],
    }
    plan = _plan_that_plays(case, item, InsideScene(entry, arrays))
    if plan is None:
        return False
    value = (lambda t: float((t["y"] * arrays["dy"]).sum())) if "dy" in arrays else (lambda t: float(t["loss"]))
    names = {"x": "dx", "outputs": "dz", **item["gradients"]}
    mine = case.tensors[0]
    if "dy" in arrays and "y" in mine and mine["y"].shape != arrays["dy"].shape:
        return True  # dy does not fit
    for name, gradient in names.items():
        if name not in arrays or gradient not in mine or mine[gradient].shape != arrays[name].shape:
            continue
        if subject.kind == "embedding" and name == "x":
            continue
        v = np.random.default_rng(1).normal(size=arrays[name].shape)
        up, down = (
            value(plan.build().play(InsideScene(entry, {**arrays, name: arrays[name] + sign * STEP * v})))
            for sign in (1, -1)
        )
        measured, computed = (up - down) / (2 * STEP), float((mine[gradient] * v).sum())
        if abs(measured - computed) > 1e-4 * max(1.0, abs(measured)):
            return True
    return False


def _plan_that_plays(case: Case, item: Mapping[str, Any], scene: InsideScene) -> Plan | None:
    """How the student's code was read: with arrays, or with tensors where it does not take them."""
    sys.path.insert(0, str(case.file.parent))
    thing = find(load(case.file), case.wanted["object"], case.subject.kind)
    told = {key: value for key, value in item.items() if key not in ("scenes", "expected", "gradients")}
    for tensors in (False, True) if "import torch" in case.file.read_text("utf-8") else (False,):
        for plan in plans(thing, Job(told, torch=tensors)):
            if plan.name == case.report.reading and _plays(plan, scene):
                return plan
    return None


def _plays(plan: Plan, scene: InsideScene) -> bool:
    try:
        plan.build().play(scene)
    except Exception:  # a student's code may raise anything where it is given what it does not take
        return False
    return True


WAYS: dict[str, Callable[[Case], bool]] = {
    "mean of each tensor within 1e-2": by_mean,
    "one sampled element of each tensor within 1e-2": by_element,
    "minimum, maximum, mean and norm within 1e-2": by_statistics,
    "central differences alone": by_differences,
}


def main() -> None:
    started = time.perf_counter()
    wrong, right = cases("wrong"), cases("right")
    seconds = time.perf_counter() - started
    caught = sum(not case.report.ok for case in wrong)
    first = sum(case.report.first is not None and case.report.first.tensor == case.wanted["first"] for case in wrong)
    named = sum(
        case.report.fault is not None and bool(re.search(case.wanted["name"], case.report.fault.name)) for case in wrong
    )
    accused = sum(not case.report.ok for case in right)
    rows = [f"| `twofold check` | {caught} | {first} | {named} | {accused} |"]
    with np.errstate(all="ignore"):
        for name, way in WAYS.items():
            rows.append(f"| {name} | {sum(map(way, wrong))} | – | – | {sum(map(way, right))} |")
    tried = catalogue()
    for t in tried:
        if t.visible and not t.named:
            print(f"seen and not named: {t.mistake} in {t.kind}")
    median, largest, with_start = layer_seconds()
    graded = class_seconds()
    page = (
        "# Wrong code, caught and named\n\nWritten by `python benchmarks/check.py`.\n\n"
        f"{len(wrong)} wrong implementations ([tests/wrong](../../tests/wrong)) and {len(right)} right ones "
        "([tests/right](../../tests/right)), as functions, classes and\nin PyTorch: layers, losses, optimizers, "
        "clipping and schedules. The other ways see the same inputs, of the first batch.\n\n"
        f"| way | caught of {len(wrong)} | first wrong tensor right | named right | "
        f"accused of {len(right)} right ones |\n"
        "| --- | ---: | ---: | ---: | ---: |\n" + "\n".join(rows) + "\n\n"
        f"All checks together took {seconds:.0f} s, each file in a process of its own, each thing twice.\n\n"
        "## The catalogue\n\nEvery mistake of [the catalogue](../mistakes.md) is planted in every kind in which it can "
        "be made. A name is right where its\nnumbers are the planted ones in every tensor of every batch: what has the "
        "same numbers is the same mistake.\n\n| | |\n| --- | ---: |\n" + "\n".join(catalogue_rows(tried)) + "\n\n"
        "## Time\n\n"
        f"A layer takes {median:.1f} s in the median and {largest:.1f} s at most in a process that stands, "
        f"{with_start:.1f} s at most as a command with its start.\nA class of {CLASS} submissions of {ITEMS} items, "
        f"every second with mistakes, is graded with `--jobs 2` in {graded:.0f} s.\n"
    )
    (ROOT / "docs" / "benchmarks" / "check.md").write_text(page, "utf-8")
    print(page)


if __name__ == "__main__":
    main()
