"""`twofold resume`."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from twofold.cli.interrupts import interruptible
from twofold.cli.output import JsonOption, QuietOption, complain, print_json, say
from twofold.cli.processes import ProcessesOption, join_or_start
from twofold.interrupts import heard

if TYPE_CHECKING:
    from twofold.runs import Run

EXAMPLE = "Example: `twofold resume runs/digits-1`"


def resume(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run that was killed or interrupted.")],
    processes: ProcessesOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Go on with a run that was killed or interrupted, from its newest checkpoint, to the same bytes.

    Without a checkpoint it begins anew; engines that have ended are kept. A finished run is left as it is.
    """
    from twofold.cli import progress, views
    from twofold.report import write_report
    from twofold.runs import read_record, sealed_recipe
    from twofold.runs.reading import as_a_whole
    from twofold.train.running import resume as go_on

    join_or_start(processes, lambda: sealed_recipe(run, read_record(run)))
    finished = run.is_dir() and read_record(run).status == "finished"
    with interruptible(), as_a_whole(run), progress.shown(not (quiet or as_json)) as watcher:
        result = go_on(run, watcher=watcher)
    report = result.report
    with (
        as_a_whole(run),
        heard("end", f"; the run is whole: `twofold report {quote(str(result.path))}` writes its page"),
    ):
        if not (finished and report.is_file()):
            report = write_report(result)
    if as_json:
        print_json(result.to_json())
    elif not quiet:
        say(f"{run} is finished: there is nothing to go on with." if finished else _from_where(result))
        views.print_results(result, report)
    for line in (worse := views.ended_worse(result)):
        complain(line)
    if worse:
        raise typer.Exit(1)


def _from_where(run: Run) -> str:
    last = run.record.resumed[-1]
    if last.engine:
        return f"{run.path} went on after step {last.step} of the {last.engine} engine."
    return f"{run.path} went on at the beginning of an engine."
