"""What the analysis names of trainings with a planted fault, and of trainings with none: its confusion table.

    python benchmarks/analysis.py [NAME ...]

With names, only the trainings whose name or cause holds one of these are tried, and no page is written. Exits with
status 1 where fewer than nine in ten causes are named, or a healthy training is said to have a fault.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from textwrap import fill
from typing import Literal, NamedTuple

import tomli_w
from corpus import Training, healthy
from planted import planted
from timing import publish, table

import twofold
from twofold.analysis import findings
from twofold.errors import TrainingDivergedError
from twofold.recipe import loads
from twofold.runs import Run, open_run

GOAL = 0.9
Verdict = Literal["named", "wrong cause", "missed", "false alarm", "no fault"]
VERDICTS: tuple[Verdict, ...] = ("named", "wrong cause", "missed", "false alarm", "no fault")


class Judged(NamedTuple):
    """A training, what is said of it, and whether that is right."""

    training: Training
    verdict: Verdict
    faults: list[str]
    seconds: float


def trained(training: Training, folder: Path) -> Run:
    """The run, also of a training that diverges."""
    recipe = loads(tomli_w.dumps(training.recipe()), "corpus.toml")
    samples = training.samples() if training.samples else None
    try:
        return twofold.run(recipe, data=samples, engines="numpy", out=folder)
    except TrainingDivergedError:
        return open_run(folder)


def judge(training: Training, folder: Path) -> Judged:
    """A cause is named where one of the findings that tell it is there; another fault alone is a wrong cause."""
    started = time.perf_counter()
    told = findings(trained(training, folder))
    faults = list(dict.fromkeys(finding.kind for finding in told if finding.fault))
    kinds = {finding.kind for finding in told}
    if training.cause:
        verdict: Verdict = "named" if kinds & training.told else "wrong cause" if faults else "missed"
    else:
        verdict = "false alarm" if faults else "no fault"
    return Judged(training, verdict, faults, time.perf_counter() - started)


def page(judged: Iterable[Judged]) -> str:
    """The confusion table by kind of fault, and every training with the faults that are said of it."""
    judged = list(judged)
    causes = dict.fromkeys(one.training.cause for one in judged)
    rows = []
    for cause in causes:
        counts = Counter(one.verdict for one in judged if one.training.cause == cause)
        rows.append([cause or "nothing wrong", *(str(counts[verdict] or "–") for verdict in VERDICTS)])
    counts = Counter(one.verdict for one in judged)
    faulty, sound = (sum(bool(one.training.cause) is wrong for one in judged) for wrong in (True, False))
    wrong = [one for one in judged if one.verdict not in ("named", "no fault")]
    lines = [[one.training.name, one.training.cause or "nothing", ", ".join(one.faults) or "none"] for one in judged]
    text = (
        f"{faulty} trainings of seconds with a fault of {len(causes) - 1} kinds, and {sound} with none, half of them "
        f"on real tables, most of which are noisy. The cause is named in {counts['named']} of {faulty}; "
        f"{counts['false alarm']} of {sound} healthy ones are said to have a fault. *Wrong cause*: faults are named, "
        "and not this one. Which findings name which cause stands beside each training in `benchmarks/planted.py`."
    )
    return (
        f"{fill(text, 140)}\n\n{table(['planted', *VERDICTS], rows)}\n\n"
        + (f"Not right: {'; '.join(f'{one.training.name} ({one.verdict})' for one in wrong)}.\n\n" if wrong else "")
        + f"## Every training\n\n{table(['training', 'planted', 'faults that are named'], lines)}"
    )


def main() -> None:
    words = sys.argv[1:]
    judged = list[Judged]()
    with tempfile.TemporaryDirectory() as folder:
        for number, training in enumerate([*planted(), *healthy()]):
            if words and not any(word in (training.name, training.cause) for word in words):
                continue
            one = judge(training, Path(folder) / str(number))
            judged.append(one)
            mark = "" if one.verdict in ("named", "no fault") else "  <--"
            print(
                f"{one.seconds:5.1f} s {one.verdict:12} {training.cause or '-':24} {training.name}: {one.faults}{mark}",
                flush=True,
            )
    if not words:
        publish("analysis", "What the analysis names", page(judged))
    planted_ones = [one for one in judged if one.training.cause]
    named = sum(one.verdict == "named" for one in planted_ones)
    alarms = sum(one.verdict == "false alarm" for one in judged)
    print(f"named {named} of {len(planted_ones)}, {alarms} false alarms of {len(judged) - len(planted_ones)}")
    sys.exit(0 if named >= GOAL * len(planted_ones) and not alarms else 1)


if __name__ == "__main__":
    main()
