"""From several run folders to one page that puts them side by side."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import join, quote

from twofold.analysis import results
from twofold.analysis.comparison import all_curves, common_splits, common_unit, names, same_task
from twofold.analysis.curves import SPLITS as ALL_SPLITS
from twofold.analysis.differences import ABSENT, Difference, differences, subject
from twofold.errors import RunFolderError, UserError
from twofold.report import comparison_words as words
from twofold.report import tables
from twofold.report.comparison_curves import curves_caption, curves_picture, gap_caption, gap_picture
from twofold.report.template import Filled, filled
from twofold.report.text import ENGINES, SPLITS, moment, quality_words, value_text
from twofold.runs import Run, opened, write_whole
from twofold.runs.names import STUDY

COMPARISON = "comparison.html"
MOST = 8
"""Runs in one comparison: as many as can be told by colour."""


@dataclass(frozen=True)
class ComparedRow:
    """A row of the table of results: an engine of a run. The first of a run says over how many rows its name goes."""

    name: str
    rows: int
    result: tables.ResultRow


def write_comparison(runs: Sequence[Run | str | Path], out: str | Path = COMPARISON) -> Path:
    """Put two to eight runs in one page, `out`, and return its path.

    What their recipes set differently, their curves, their results, and in sentences which is better and by how much.
    The same folders and the same name of the page give the same bytes.

    Raises `RunFolderError` for a folder that is missing, half-written or damaged, or where the page cannot be written,
    and `UserError` for fewer than two runs or more than eight, for one run twice and for a study.
    """
    path = checked_out(out)
    write_whole(path, render_comparison(compared(runs), path).html.encode())
    return path


def compared(runs: Sequence[Run | str | Path]) -> list[Run]:
    """The runs of a comparison; raises as `write_comparison` does."""
    if not 2 <= len(runs) <= MOST:
        raise UserError(f"a comparison takes 2 to {MOST} runs; got {len(runs)}")
    paths = [run.path if isinstance(run, Run) else Path(run) for run in runs]
    folders = set[str]()
    for path in paths:
        if (path / STUDY).is_file():
            raise UserError(
                f"{path} is a study folder, and a comparison takes runs; `twofold report {quote(str(path))}` writes "
                "the study’s own report"
            )
        real = os.path.realpath(path)  # raises nothing for a circle of links, which opening tells of
        if real in folders:
            raise UserError(f"{path} is given twice; name each run of a comparison once")
        folders.add(real)
    return [opened(run) for run in runs]


def checked_out(out: str | Path) -> Path:
    """The path of the page. Raises `RunFolderError` where no page can be written to it."""
    path = Path(out)
    if path.suffix.lower() not in (".html", ".htm"):
        raise RunFolderError(f"--out names the page to be written, a file that ends in .html; got {out}")
    if path.is_dir():
        raise RunFolderError(f"{out} is a folder; --out names the page to be written, {path / COMPARISON} say")
    if not path.parent.is_dir():
        raise RunFolderError(f"cannot write {out}: there is no folder {path.parent}; make it, or choose another --out")
    return path


def render_comparison(runs: Sequence[Run], out: str | Path = COMPARISON) -> Filled:
    """The page that is written to `out`, and its figures."""
    return filled("comparison.html.jinja", {"page": comparison_facts(runs) | {"again": _again(runs, Path(out))}})


def comparison_facts(runs: Sequence[Run]) -> dict[str, object]:
    """What the parts of a comparison in `compared.html.jinja` are filled with."""
    return {**_facts(runs), **_figures(runs)}


def _again(runs: Sequence[Run], out: Path) -> str:
    """The command that writes the page; of a whole path the name alone, so that it lies in any folder as it is."""
    page = Path(out.name) if out.is_absolute() else out
    named = [] if page == Path(COMPARISON) else ["--out", str(page)]
    return join(["twofold", "report", *(str(run.path) for run in runs), *named])


def _facts(runs: Sequence[Run]) -> dict[str, object]:
    run_names, differing = names(runs), differences([run.recipe for run in runs])
    about = subject(runs, differing)
    unlike = [
        ("Runs", _each_run(runs)),
        ("Settings", [_setting(difference) for difference in differing if not difference.idle]),
        (
            "Settings that change only what is recorded, or where",
            [_setting(idle_difference) for idle_difference in differing if idle_difference.idle],
        ),
        ("Data and machine", _circumstances(runs)),
    ]
    return {
        "title": words.heading(about, run_names),
        "when": moment(max(run.record.finished for run in runs)),
        "version": max(run.record.circumstances.version for run in runs),
        "names": run_names,
        "lead": words.lead(runs, run_names, about, differing),
        "rows": _rows(runs, run_names),
        "splits": [split for split in ALL_SPLITS if any(run.record.data.samples.get(split) for run in runs)],
        "quality": quality_words(runs),
        "findings": words.findings(runs, run_names),
        "unlike": [(part, rows) for part, rows in unlike if rows],
        "unfinished": [name for name, run in zip(run_names, runs, strict=True) if run.status != "finished"],
    }


def _rows(runs: Sequence[Run], run_names: Sequence[str]) -> list[ComparedRow]:
    splits = [split for split in ALL_SPLITS if any(run.record.data.samples.get(split) for run in runs)]
    table_rows = []
    for run, name in zip(runs, run_names, strict=True):
        rows = [tables.result_row(result, splits) for result in results(run)]
        table_rows += [ComparedRow(name, 0 if index else len(rows), row) for index, row in enumerate(rows)]
    return table_rows


def _setting(difference: Difference) -> tuple[str, list[str]]:
    return difference.path, [_value(value) for value in difference.values]


def _value(value: object) -> str:
    return "–" if value is ABSENT else value if isinstance(value, str) else value_text(value)


def _each_run(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    counts = [run.recipe.network.count for run in runs]
    return _unlike(
        [
            ("recipe", [run.name for run in runs]),
            ("parameters", ["?" if count is None else f"{count:,}" for count in counts]),
        ]
    )


def _unlike(rows: Sequence[tuple[str, list[str]]]) -> list[tuple[str, list[str]]]:
    """The rows whose values are not all the same."""
    return [(what, values) for what, values in rows if len(set(values)) > 1]


def _circumstances(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    facts = [(run.record.data, run.record.circumstances) for run in runs]
    versions = dict.fromkeys(name for _, machine in facts for name in machine.versions)
    shared = [engine for engine in ENGINES if all(engine in machine.devices for _, machine in facts)]
    rows = [
        *((f"{SPLITS[s]} samples", [f"{data.samples.get(s, 0):,}" for data, _ in facts]) for s in SPLITS),
        ("fingerprint of the data", [data.fingerprint[:12] for data, _ in facts]),
        ("status", [run.status for run in runs]),
        *((f"version of {name}", [machine.versions.get(name, "–") for _, machine in facts]) for name in versions),
        *((f"device of {engine}", [machine.devices[engine] for _, machine in facts]) for engine in shared),
        *(
            (key.replace("_", " "), [_text(getattr(machine, key)) for _, machine in facts])
            for key in ("platform", "processors", "blas_threads", "torch_threads", "torch_arithmetic")
        ),
    ]
    return _unlike(rows)


def _text(value: object) -> str:
    return "–" if value is None else str(value)


def _figures(runs: Sequence[Run]) -> dict[str, object]:
    curves_of_runs, run_names, unit = all_curves(runs), names(runs), common_unit(runs)
    if not all(curves_of_runs):
        return {"curves": None, "gap": None}
    splits, against = common_splits(runs), words.against_sentence(runs, run_names)
    caption = curves_caption(runs, splits, against)
    quality = quality_words(runs)
    gap = gap_picture(curves_of_runs, run_names, unit, gap_caption(runs, splits), quality) if same_task(runs) else None
    return {"curves": curves_picture(curves_of_runs, run_names, splits, unit, caption, quality), "gap": gap}
