"""`twofold study`."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from twofold.cli.interrupts import interruptible
from twofold.cli.output import EngineChoice, JsonOption, QuietOption, print_json

EXAMPLE = (
    "Example: `twofold study moons --axis optimizer.lr=0.01,0.1 --axis data.noise=0.1,0.2 --seeds 5 "
    "--set training.epochs=50`"
)


def study(
    source: Annotated[
        str, typer.Argument(metavar="STUDY", help="A built-in study or a study's file; or a recipe, with --axis.")
    ],
    axes: Annotated[
        list[str] | None,
        typer.Option(
            "--axis",
            metavar="FIELD=A,B,...",
            help="Vary one key of the recipe, named by its path, or `recipe`; may be given again. Adds an axis to a "
            "study's file, or replaces the values of one.",
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(metavar="N", help="How many seeds each setting gets, or a list: `3,4,5`.", show_default=False),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Set one key of the recipe for every point; may be given again."
        ),
    ] = None,
    engine: Annotated[
        EngineChoice | None,
        typer.Option(
            help="Which engine trains: `numpy` where the study says nothing.",
            show_default=False,
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(metavar="SCORE", help="What is compared; `test_accuracy` where left out.", show_default=False),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Cross-validation: N parts of the data, each the test in turn; their mean is told.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The study's folder; `studies/NAME` where left out.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Processes at a time; where left out, one a core.", show_default=False),
    ] = None,
    on: Annotated[
        str,
        typer.Option(
            metavar="ENGINE", help="Where to train: local[:N], dask[:ADDRESS], ray[:ADDRESS] or slurm[:PARTITION]."
        ),
    ] = "local",
    allow_different: Annotated[
        bool,
        typer.Option("--allow-different", help="Take workers with another version of Twofold, NumPy or PyTorch."),
    ] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train every point of a grid over keys of a recipe and seeds, in parallel; write table and report.

    Stop it when you like: the same command goes on where it was. A point that fails is recorded and the rest go on.
    Exit status 1 when every point failed.
    """
    from twofold.cli import progress, study_views
    from twofold.report.study import write_study_report
    from twofold.study import load_study
    from twofold.study.executors.choice import Workers
    from twofold.study.running import run_source
    from twofold.study.search.running import search_source

    then = f". The same command goes on:\n  {shlex.join(['twofold', *sys.argv[1:]])}"
    with interruptible(then, waits=True), progress.shown(not (quiet or as_json)) as watcher:
        workers = Workers(on, jobs, allow_different)
        asked = load_study(
            source,
            axes=axes or (),
            seeds=seeds,
            overrides=settings or (),
            engine=engine,
            metric=metric,
            folds=folds,
        )
        if asked.study.search:
            result = search_source(asked, out=out, workers=workers, watcher=watcher)
            show = partial(study_views.print_search, result)
        else:
            result = run_source(asked, out=out, workers=workers, watcher=watcher)
            show = partial(study_views.print_study, result)
        write_study_report(result)
    if as_json:
        print_json(result.to_json())
    elif not quiet:
        show()
    raise typer.Exit(1 if result.failed == result.total else 0)
