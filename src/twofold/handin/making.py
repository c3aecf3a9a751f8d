"""`twofold.hand_in`: train what is missing, write the report, print it, pack it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from twofold.errors import RunFolderError, UserError
from twofold.handin.spec import Part, load_handin
from twofold.handin.trainings import TrainedPart, train_parts
from twofold.setup.events import Noted, Prepared, Watcher, watching

STAGES = ("report", "PDF", "scripts", "ZIP file")
"""The stages that follow the trainings, in order."""


@dataclass(frozen=True)
class HandedIn:
    """The files of a hand-in."""

    report: Path
    pdf: Path | None
    """None where no Chromium is installed or the PDF was not wanted."""
    archive: Path

    def to_json(self) -> dict[str, str | None]:
        """Paths as texts."""
        return {"report": str(self.report), "pdf": str(self.pdf) if self.pdf else None, "archive": str(self.archive)}


def hand_in(
    path: str | Path, *, out: str | Path | None = None, pdf: bool = True, watcher: Watcher | None = None
) -> HandedIn:
    """Make the whole document of a hand-in's file: `report.html`, `report.pdf` and `NUMBER_assignment2.zip`.

    `out` is the folder of the document and its runs, `handin` beside the file where left out. What it holds is not
    trained again: a hand-in that was stopped goes on with the same call, at the step of its last checkpoint.

    Raises `UserError` before anything is trained for a file with faults, each at its line, and for recipes, runs and
    studies that are wrong; then as `run` and `run_study` do.
    """
    from twofold.handin.archive import SCRIPTS, left_out, pack
    from twofold.handin.document import page_facts, write_document
    from twofold.runs import write_whole

    source = load_handin(path)
    folder = _made(Path(out) if out is not None else source.folder / "handin")
    watch = watching(watcher)
    _check_code(source.handin.part)
    parts = train_parts(source, folder, watch)
    stages = _stages(watch)
    report = folder / "report.html"
    stages("report")
    facts = page_facts(parts)
    write_document(source, parts, facts, report)
    stages("PDF")
    printed = _printed(report, watch) if pdf else None
    stages("scripts")
    _eject(parts, folder / SCRIPTS, watch)
    stages("ZIP file")
    archive = folder / f"{source.handin.archive}.zip"
    write_whole(archive, pack(source, parts, facts, folder))
    for name in left_out(parts, folder):
        watch(Noted(f"{folder / SCRIPTS / name} is not packed: the weights that it begins with are too large for that"))
    return HandedIn(report, printed, archive)


def _stages(watch: Watcher) -> Callable[[str], None]:
    """A function that tells the watcher which stage the document has come to."""

    def at(stage: str) -> None:
        watch(Prepared("document", STAGES.index(stage) + 1, len(STAGES)))

    return at


def _check_code(parts: Sequence[Part]) -> None:
    """Raises `UserError` for a file that the assignment does not have."""
    from twofold.handin.code import part_code

    for index, part in enumerate(parts):
        part_code(index, part.code)


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"cannot make the folder {folder}: {error.strerror}; choose another --out") from error
    return folder


def _printed(report: Path, watch: Watcher) -> Path | None:
    from twofold.handin.printing import print_pdf

    pdf = report.with_suffix(".pdf")
    pdf.unlink(missing_ok=True)
    if reason := print_pdf(report, pdf):
        watch(Noted(reason))
        return None
    return pdf


def _eject(parts: Sequence[TrainedPart], folder: Path, watch: Watcher) -> None:
    """Write every run as plain scripts; one that scripts cannot express is left out, with a note.

    Scripts of this very run stay; those of one that was trained before under its name, or half of them, are replaced.
    """
    from twofold.exchange.eject.ejecting import eject, scripts_of

    for part in parts:
        for name, run in part.runs.items():
            if scripts_of(run, folder / name):
                continue
            folder.mkdir(exist_ok=True)
            if (folder / name).exists():
                shutil.rmtree(folder / name)
            try:
                eject(run, folder / name)
            except UserError as error:
                watch(Noted(f"no plain scripts of {name}: {error}"))
