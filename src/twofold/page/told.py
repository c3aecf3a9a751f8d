"""The report's sentences on a training that still goes on: what the report would say if it ended now."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import final

from twofold.analysis import findings
from twofold.arrays import Array
from twofold.data.limits import limits
from twofold.page.course import SideBySide
from twofold.plain import Parsed
from twofold.report.findings import sentences
from twofold.runs import EVIDENCE, Beginning, Circumstances, DataFacts, Result, Run, RunWriter
from twofold.runs.history import HistoryRow
from twofold.runs.names import SIGNALS
from twofold.runs.whole import seal
from twofold.train.events import Evaluated, Event, LookedClosely
from twofold.train.evidence import answers, kept_samples
from twofold.train.scoring import scores_of
from twofold.train.signals import Signals, as_row

MOST_JUDGED = 3000
"""Held-out samples up to which the engines are asked about all of them during training; of more, about none."""


@final
class Telling:
    """Writes a training into a scratch run folder, and reads from it what the report would say."""

    def __init__(self, course: SideBySide) -> None:
        self._course = course
        self._scratch = tempfile.TemporaryDirectory(prefix="twofold-page-", ignore_cleanup_errors=True)
        self._writer: RunWriter | None = None
        self._rows = dict[str, HistoryRow]()
        self._signals = {
            name: Signals(engine, course.recipe.network, course.batches, course.dataset.train)
            for name, engine in course.engines.items()
        }
        self._told_step = 0

    def take(self, engine: str, event: Event) -> None:
        """One event of one engine's training."""
        if self._writer is None:
            self._writer = RunWriter(Path(self._scratch.name), self._course.recipe, self._beginning())
        match event:
            case Evaluated(row):
                self._writer.add_row(engine, row._asdict())
                self._rows[engine] = row
            case LookedClosely(moment):
                self._writer.add_signals(engine, map(as_row, self._signals[engine].of(moment)))

    def sentences(self) -> list[dict[str, object]] | None:
        """The report's sentences, faults first; `None` before the first step, or where no evaluation is new."""
        step = min((row.step for row in self._rows.values()), default=0)
        if self._writer is None or step == self._told_step or len(self._rows) < len(self._course.engines):
            return None
        self._told_step = step
        told = sentences(findings(self._run(self._writer)), ())
        return [{"title": sentence.title, "text": sentence.text, "fault": sentence.fault} for sentence in told]

    def close(self) -> None:
        """Remove the scratch folder."""
        if self._writer is not None:
            with suppress(OSError):  # what it holds goes with it
                self._writer.close()
        self._scratch.cleanup()

    def _run(self, writer: RunWriter) -> Run:
        writer.save(EVIDENCE, self._evidence())
        files = {**writer.record.files, SIGNALS: seal(writer.folder / SIGNALS)}
        results = {name: _result(row) for name, row in self._rows.items()}
        return Run(writer.folder, writer.record.changed(engines=results, files=files))

    def _evidence(self) -> dict[str, Array]:
        recipe, (_, held_out) = self._course.recipe, self._course.dataset.held_out
        samples = kept_samples(recipe, self._course.dataset)
        if len(held_out) > MOST_JUDGED or recipe.task != "classification":
            return samples
        engines = self._course.engines.items()
        return samples | {
            f"{name}.predicted": answers(engine, held_out, recipe).argmax(axis=-1) for name, engine in engines
        }

    def _beginning(self) -> Beginning:
        recipe, dataset = self._course.recipe, self._course.dataset
        data = DataFacts(
            source=recipe.data.source,
            fingerprint="",
            samples={name: len(split) for name, split in dataset.splits()},
            held_out=dataset.held_out[0],
            classes=dataset.classes,
            features=dataset.features,
            **({} if recipe.task == "classification" else {"task": recipe.task, "targets": dataset.targets}),
            **{name: value for name, value in limits(dataset)._asdict().items() if value is not None},
        )
        here = Circumstances(versions={}, platform="", processors=None, blas_threads=1, devices={})
        return Beginning(data=data, circumstances=here)


def _result(row: HistoryRow) -> Result:
    scores: dict[str, Parsed] = scores_of(row)
    return Result(**scores, seconds=row.seconds, steps=row.step, kept_step=row.step)
