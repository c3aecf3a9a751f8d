"""What `twofold study` prints at its end, of a grid or a search."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from twofold.cli.views import console, score_text

if TYPE_CHECKING:
    from twofold.study import SearchResult, StudyResult

MOST_SETTINGS = 20
"""Settings of a study that are shown; of more the best."""
MOST_TRIALS = 10
"""Trials of a search that are shown, the best."""


def print_study(result: StudyResult) -> None:
    """The closing table of a study: the best settings, and where the rest is."""
    study, rows = result.study, result.summary
    ordered = rows.sort_values("mean", ascending=study.metric.endswith("loss"), kind="stable")
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for axis in study.varied:
        table.add_column(axis.name)
    for heading in (f"{study.repeated}s", study.metric.replace("_", " "), "95 %"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in ordered.head(MOST_SETTINGS).to_dict("records"):
        values = [Text(str(row[axis.field])) for axis in study.varied]
        half = row["mean"] - row["low"]
        spread = "–" if math.isnan(half) else f"± {half:.4f}"
        table.add_row(*values, str(row["seeds"]), score_text(None if math.isnan(row["mean"]) else row["mean"]), spread)
    console.print(Text(study.heading, style="bold"), table)
    if len(rows) > MOST_SETTINGS:
        console.print(f"the best {MOST_SETTINGS} of {len(rows):,} settings")
    points = f"{len(result.points):,} points" + (f", {result.failed:,} failed" if result.failed else "")
    for what, value in {"points": points, "table": result.path / "results.csv", "report": result.report}.items():
        console.print(Text(f"{what}: {value}"), soft_wrap=True)


def print_search(result: SearchResult) -> None:
    """The closing table of a search: the best trials, the winner's test, and where the rest is."""
    ranked = result.ranked()[:MOST_TRIALS]
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("trial", justify="right")
    table.add_column(result.search.metric.replace("_", " "), justify="right", no_wrap=True)
    table.add_column("values")
    for point in ranked:
        values = {name: _short(value) for name, value in result.values(point).items()}
        words = Text(", ".join(f"{name} {value}" for name, value in values.items()))
        table.add_row(str(point.trial), score_text(result.score(point)), words)
    console.print(Text(result.study.heading, style="bold"), table)
    best = result.found
    if best is not None and best.winner is not None:
        tested = ", ".join(f"{name.replace('_', ' ')} {score_text(value)}" for name, value in best.test.items())
        console.print(Text(f"winner: trial {best.winner}; tested once: {tested or 'there is no test set'}"))
    pruned = sum(point.status == "pruned" for point in result.trials)
    counts = {"stopped early": pruned, "failed": result.failed}
    extra = "".join(f", {count:,} {what}" for what, count in counts.items() if count)
    trials = f"{len(result.trials):,} trials{extra}"
    places = {
        "trials": trials,
        "best recipe": result.best,
        "table": result.path / "results.csv",
        "report": result.report,
    }
    for what, value in places.items():
        console.print(Text(f"{what}: {value}"), soft_wrap=True)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
