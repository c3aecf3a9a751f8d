"""From a study folder to `report.html`: one file that opens anywhere, without script or network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TypeAlias

from twofold.plain import Parsed
from twofold.report.along import bounded, value_words
from twofold.report.study_pictures import study_pictures
from twofold.report.template import Filled, filled
from twofold.report.text import ENGINES, joined, loss_text, moment, plural, seconds, share
from twofold.runs import write_whole
from twofold.study import SearchResult, StudyResult, cell, metric_name, open_any
from twofold.study.files import dump

MOST_ROWS = 60
"""Settings in the table; of more, the best."""
MOST_FAILED = 40


@dataclass(frozen=True)
class SettingRow:
    """A row of the table of results."""

    values: list[str]
    seeds: str
    failed: str
    mean: str
    half: str
    span: str
    seconds: str
    best: bool


def write_study_report(study: StudyResult | SearchResult | str | Path) -> Path:
    """Write `report.html` from the folder of a study or a search alone, whole or not, and return its path.

    Raises `StudyError` for a folder that is missing or damaged.
    """
    study = open_any(study) if isinstance(study, str | Path) else study
    write_whole(study.report, render_study(study).html.encode())
    return study.report


def render_study(study: StudyResult | SearchResult) -> Filled:
    """The page and its figures."""
    if isinstance(study, SearchResult):
        from twofold.report.search import render_search

        return render_search(study)
    return filled_study(study_facts(study))


def filled_study(facts: dict[str, object]) -> Filled:
    """The page of what `study_facts` tells of a study."""
    return filled("study.html.jinja", {"page": facts})


def study_facts(result: StudyResult) -> dict[str, object]:
    """What the page of a study is filled with."""
    return {
        "title": result.study.heading,
        "when": moment(max(point.finished for point in result.points)) if result.points else "",
        "version": _versions(result).get("twofold", ["?"])[0],
        "missing": result.total - len(result.points),
        "total": result.total,
        "metric": metric_name(result.study.metric) + _on_data(result),
        "lead": _lead(result),
        "axes": result.study.varied,
        "rows": _rows(result),
        "over": "seeds" if result.study.tests == 1 else "folds" if len(result.study.seeds) == 1 else "folds and seeds",
        "repeated": f"{result.study.repeated}s",
        "settings": len(result.summary),
        "most_rows": MOST_ROWS,
        "any_failed": bool(result.failed),
        "findings": _findings(result),
        **study_pictures(result, _on_data(result)),
        "failures": _failures(result)[:MOST_FAILED],
        "failed": result.failed,
        "circumstances": _circumstances(result),
        "toml": dump(result.study),
        "folder": quote(result.path.resolve().name),
    }


def _lead(result: StudyResult) -> str:
    study = result.study
    axes = joined([f"{plural(len(axis.values), 'value')} of {axis.name}" for axis in study.varied])
    repeats = plural(len(study.seeds), "seed")
    repeats = f"{study.tests} folds in turn as the test, each with {repeats}" if study.tests > 1 else repeats
    grid = f"{axes}, each with {repeats}" if axes else repeats
    recipe = "" if any(axis.field == "recipe" for axis in study.varied) else f" of the recipe `{study.recipe}`"
    return f"{plural(result.total, 'training')}{recipe} in {ENGINES[study.engine]}{_on_data(result)}: {grid}."


def _on_data(result: StudyResult) -> str:
    """` on CIFAR-10 (JPEG copies)`: figures measured on published data name them in full."""
    titles = dict.fromkeys(point.data for point in result.points if point.data)
    return f" on {joined(list(titles))}" if titles else ""


def _rows(result: StudyResult) -> list[SettingRow]:
    settings = list(result.summary.to_dict("records"))
    best = _best(result)
    if len(settings) > MOST_ROWS:
        settings = sorted(settings, key=lambda row: _merit(result, row), reverse=True)[:MOST_ROWS]
    return [_row(result, row, best) for row in settings]


Row: TypeAlias = Mapping[str, Parsed]
"""A line of the study's table by column: values of the axes, and what was measured."""


def _row(result: StudyResult, row: Row, best: Row | None) -> SettingRow:
    metric, fields = result.study.metric, [axis.field for axis in result.study.varied]
    half = row["mean"] - row["low"]
    return SettingRow(
        values=[value_words(row[field]) for field in fields],
        seeds=str(row["seeds"]),
        failed=str(row["failed"] or ""),
        mean=score(metric, row["mean"]),
        half="–" if math.isnan(half) else f"± {score(metric, half)}",
        span="–" if math.isnan(row["mean"]) else f"{score(metric, row['lowest'])} – {score(metric, row['highest'])}",
        seconds=seconds(row["seconds"]),
        best=best is not None and all(row[field] == best[field] for field in fields) and len(result.summary) > 1,
    )


def score(metric: str, value: float) -> str:
    """A value of the metric as it is written."""
    if math.isnan(value):
        return "–"
    return share(value) if bounded(metric) else loss_text(value)


def _merit(result: StudyResult, row: Row) -> float:
    if math.isnan(row["mean"]):
        return -math.inf
    return -row["mean"] if result.study.metric.endswith("loss") else row["mean"]


def _best(result: StudyResult) -> Row | None:
    rows = [row for row in result.summary.to_dict("records") if not math.isnan(row["mean"])]
    return max(rows, key=lambda row: _merit(result, row), default=None)


def _findings(result: StudyResult) -> list[str]:
    """What a reader would look for in the table."""
    study, best, sentences = result.study, _best(result), list[str]()
    if best is not None and len(result.summary) > 1:
        sentences.append(_best_sentence(result, best))
        rivals = _rivals(result, best)
        if rivals is not None:
            others, have = plural(len(result.summary) - 1, "other setting"), "has" if rivals == 1 else "have"
            sentences.append(f"Of the {others}, {rivals or 'none'} {have} an interval that overlaps with this one’s.")
        if study.metric.startswith("test"):
            sentences.append(
                "The best is chosen by the same test samples that it is measured on: on others expect a little less."
            )
    if len(study.seeds) * study.tests == 1:
        sentences.append("Each setting has one seed: there is no interval, and small differences may be chance.")
    if result.failed:
        are = "is" if result.failed == 1 else "are"
        sentences.append(f"{plural(result.failed, 'training')} failed and {are} left out.")
    return sentences


def _best_sentence(result: StudyResult, best: Row) -> str:
    metric = result.study.metric
    where = joined([f"{axis.name} {value_words(best[axis.field])}" for axis in result.study.varied])
    half = best["mean"] - best["low"]
    spread = "" if math.isnan(half) else f" ± {score(metric, half)} over {plural(best['seeds'], result.study.repeated)}"
    return f"The best mean {metric_name(metric)}, {score(metric, best['mean'])}{spread}, is that of {where}."


def _rivals(result: StudyResult, best: Row) -> int | None:
    """How many other settings' intervals overlap the best one's; `None` where a setting has no interval."""
    rows = result.summary.dropna(subset=["low"])
    if math.isnan(best["low"]) or len(rows) < len(result.summary):
        return None
    return int(((rows["low"] <= best["high"]) & (rows["high"] >= best["low"])).sum()) - 1


def _failures(result: StudyResult) -> list[tuple[list[str], int, str]]:
    return [
        ([value_words(cell(value)) for value in point.values], point.seed, point.failure)
        for point in result.points
        if point.status == "failed"
    ]


def _versions(result: StudyResult) -> dict[str, list[str]]:
    """The versions of each library that points were trained with."""
    by_library: dict[str, list[str]] = {}
    for point in result.points:
        for name, number in point.versions.items():
            if number not in by_library.setdefault(name, []):
                by_library[name].append(number)
    return by_library


def _circumstances(result: StudyResult) -> list[tuple[str, str]]:
    times = sorted(point.finished for point in result.points)
    rows = [
        ("Points", f"{len(result.points):,} of {result.total:,}; {result.failed:,} failed"),
        ("Engine", f"{ENGINES[result.study.engine]}, one BLAS thread a process"),
        ("Training", f"{seconds(sum(point.seconds for point in result.points))} in all, over all processes"),
        ("Versions", ", ".join(f"{name} {' and '.join(numbers)}" for name, numbers in _versions(result).items())),
    ]
    if times:
        rows.append(("First and last point", f"{moment(times[0])} – {moment(times[-1])}"))
    return rows
