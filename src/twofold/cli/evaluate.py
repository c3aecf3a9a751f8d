"""`twofold evaluate`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twofold.cli.output import JsonOption, print_json
from twofold.cli.predict import EngineOption, RunArgument
from twofold.errors import UserError
from twofold.printable import one_line

if TYPE_CHECKING:
    from twofold.analysis import Confusion
    from twofold.inference.evaluating import Evaluation

EXAMPLE = "Example: `twofold evaluate runs/digits-1 --confusion`"
WORST = 5
"""Mistakes that are named below a confusion matrix."""
MANY = 20
"""Mistakes that are named where there are too many classes for a matrix."""
MOST_COLUMNS = 25
"""Classes up to which a matrix is printed."""
NARROWEST = 60
"""Width in characters up to which the columns have names, however narrow the terminal is."""


class SplitChoice(StrEnum):
    """What `--split` takes."""

    train = "train"
    validation = "validation"
    test = "test"


def evaluate(
    run: RunArgument,
    split: Annotated[
        SplitChoice | None,
        typer.Option(help="Which part of the recipe's data; the held-out one where left out.", show_default=False),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Other samples: a CSV file with the label's column, or a folder of images by class."
        ),
    ] = None,
    engine: EngineOption = None,
    confusion: Annotated[
        bool, typer.Option("--confusion", help="Also show which classes are taken for which.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Judge the trained networks again. Exit status 1 when the recorded scores are not found again."""
    from twofold.cli import progress
    from twofold.inference.evaluating import evaluate as judge
    from twofold.runs.reading import as_a_whole

    with as_a_whole(run), progress.shown(not as_json) as watcher:
        evaluation = judge(run, split=split, data=data, engines=engine, watcher=watcher)
    if confusion and not evaluation.classes:
        raise UserError("--confusion counts classes; this run predicts numbers or labels. Leave it out.")
    if as_json:
        print_json(evaluation.to_json(confusion))
    else:
        _print(evaluation, confusion)
    raise typer.Exit(1 if evaluation.agrees is False else 0)


def _print(evaluation: Evaluation, confusion: bool) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from twofold.cli.views import console, print_note
    from twofold.runs import QUALITY_TITLES

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("engine")
    word = QUALITY_TITLES[evaluation.run.record.data.quality]
    for heading in (word, "loss", *((f"recorded {word}", "recorded loss") if evaluation.recorded else ())):
        table.add_column(heading, justify="right", no_wrap=True)
    for engine, score in evaluation.scores.items():
        score_recorded = [evaluation.recorded[engine].score] if engine in evaluation.recorded else []
        table.add_row(engine, *(f"{value:.6g}" for s in (score, *score_recorded) for value in (s.quality, s.loss)))
    console.print(Text(f"{evaluation.data}: {len(evaluation.target):,} samples"), table)
    if evaluation.recorded:
        wrong = [engine for engine, recorded in evaluation.recorded.items() if not recorded.agrees]
        if wrong:
            console.print(Text.assemble(("not what the run recorded", "red"), f": {', '.join(wrong)}"))
        else:
            console.print(
                Text.assemble(("as recorded", "green"), f": the same {word}, and the same loss but for rounding")
            )
    if evaluation.of_a_table and evaluation.metrics:
        _print_metrics(evaluation)
    if confusion:
        for matrix in _matrices(evaluation):
            _print_confusion(matrix)
    for note in evaluation.notes:
        print_note(note)


def _print_metrics(evaluation: Evaluation) -> None:
    """Print a row for each metric, and for each engine its value and its 95 % interval."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from twofold.cli.views import console
    from twofold.runs.names import METRIC_TITLES

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("metric")
    for engine in evaluation.metrics:
        table.add_column(engine, justify="right", no_wrap=True)
        table.add_column("95 %", justify="right", no_wrap=True)
    first = next(iter(evaluation.metrics.values()))
    for name in first:
        metrics = [evaluation.metrics[engine][name] for engine in evaluation.metrics]
        texts = [text for m in metrics for text in (f"{m.value:.4g}", f"{m.low:.4g} to {m.high:.4g}")]
        table.add_row(METRIC_TITLES[name], *texts)
    console.print(table)


def _matrices(evaluation: Evaluation) -> list[Confusion]:
    """The confusion matrices; engines with the same answers share one."""
    from twofold.analysis import Confusion

    groups = dict[bytes, list[str]]()
    for engine, predicted in evaluation.predicted.items():
        groups.setdefault(predicted.tobytes(), []).append(engine)
    return [
        Confusion(tuple(engines), evaluation.classes, evaluation.confusion(engines[0])) for engines in groups.values()
    ]


def _print_confusion(matrix: Confusion) -> None:
    """Print a confusion matrix, a row for each true class, and below it the most frequent mistakes.

    Columns have the names of the classes where these fit, else their numbers. With more than MOST_COLUMNS classes only
    the mistakes are printed.
    """
    from rich.box import SIMPLE_HEAD
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    from twofold.cli.views import console

    names = [one_line(name) for name in matrix.classes]
    widest = max(map(cell_len, names))
    named = widest + sum(2 + max(cell_len(name), 4) for name in names) <= max(console.width, NARROWEST)
    if len(names) <= MOST_COLUMNS:
        table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column(f"{', '.join(matrix.engines)}: true class", overflow="fold")
        for number, name in enumerate(names, start=1):
            table.add_column(Text(name if named else str(number)), justify="right", no_wrap=True)
        for number, (name, row) in enumerate(zip(names, matrix.counts.tolist(), strict=True), start=1):
            table.add_row(Text(name if named else f"{number} {name}"), *map(str, row))
        console.print(table)
    else:
        console.print(f"{', '.join(matrix.engines)}: {len(names):,} classes are too many to be shown side by side")
    for mistake in matrix.worst(WORST if len(names) <= MOST_COLUMNS else MANY):
        console.print(
            Text(f"{mistake.count:,} of {mistake.samples:,} `{mistake.true}` are taken for `{mistake.taken}`")
        )
