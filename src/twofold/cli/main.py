"""The commands. What they need is imported when they run, so that `--help` is there at once."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from twofold.cli import (
    adopt,
    check,
    columns,
    eject,
    evaluate,
    export,
    handin,
    page,
    predict,
    report,
    resume,
    study,
    walk,
    weights,
)
from twofold.cli.interrupts import interruptible
from twofold.cli.output import EnginesChoice, JsonOption, QuietOption, complain, print_json
from twofold.cli.page import watched
from twofold.cli.processes import ProcessesOption, join_or_start
from twofold.engines import COMPARED
from twofold.errors import TwofoldError
from twofold.interrupts import heard, listening
from twofold.plain import Parsed
from twofold.printable import printable

if TYPE_CHECKING:
    from twofold.data import Dataset
    from twofold.recipe import Recipe

WrongWordsError: type[Exception] = typer.BadParameter.__mro__[2]
"""Raised for a wrong command line: click's `ClickException`, found through typer, which may have its own click."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train a small network twice from one recipe, in NumPy and in PyTorch; prove that both agree; "
    "write the report.\n\nBegin with `twofold run digits`.",
)


class ModeChoice(StrEnum):
    """What `--mode` takes."""

    resync = "resync"
    free = "free"


class DtypeChoice(StrEnum):
    """What `--dtype` takes."""

    float64 = "float64"
    float32 = "float32"


RecipeArgument = Annotated[str, typer.Argument(metavar="RECIPE", help="A built-in name, or a file that ends in .toml.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set one key of the recipe by its path; may be given again."),
]


@app.command("list", epilog="Example: `twofold list`")
def list_recipes(as_json: JsonOption = False) -> None:
    """List the built-in recipes and studies."""
    from twofold.builtin import builtin_titles
    from twofold.cli import views

    recipes = builtin_titles("recipe")
    if as_json:
        print_json([{"name": name, "title": title} for name, title in recipes.items()])
    else:
        views.print_recipes(recipes)
        views.print_studies(builtin_titles("study"))


@app.command(epilog="Example: `twofold show mnist-mlp --set layers.1.units=128`")
def show(recipe: RecipeArgument, settings: SetOption = None, as_json: JsonOption = False) -> None:
    """Show a recipe with every default, and what each layer takes, gives and holds. Needs no data."""
    from twofold.cli import views
    from twofold.recipe import load_recipe

    loaded = load_recipe(recipe, settings or ())
    if as_json:
        print_json(views.recipe_json(loaded))
    else:
        views.print_recipe(loaded)


@app.command(epilog="Example: `twofold run moons --set training.batch_size=1 --set training.epochs=100`")
def run(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE|TABLE", help="A built-in name, a file that ends in .toml, or a table.")
    ],
    settings: SetOption = None,
    label: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="The column of a table to predict; a recipe is found for it.", show_default=False
        ),
    ] = None,
    engine: Annotated[
        EnginesChoice | None, typer.Option(help="Which engines to train, in place of the recipe's.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A new folder for the run; `runs/NAME-N` where left out.")
    ] = None,
    checkpoint_every: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Write a checkpoint every N steps, from which `twofold resume` goes on.",
            show_default=False,
        ),
    ] = None,
    reuse: Annotated[
        bool,
        typer.Option("--reuse", help="Take a finished run of the same recipe, data and code where there is one."),
    ] = False,
    processes: ProcessesOption = None,
    as_page: Annotated[
        bool, typer.Option("--page", help="Show the curves of the run in a page on this machine, while it lasts.")
    ] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train each engine on identical data, order, initial weights and masks; write the run and its report."""
    from twofold.cli import progress, texts, views
    from twofold.report.beside import report_writer

    engines = list(COMPARED) if engine == "both" else engine
    join_or_start(processes, lambda: _recipe_and_data(recipe, label, settings or (), progress.shown(False))[0])
    loaded, data = _recipe_and_data(recipe, label, settings or (), progress.shown(not (quiet or as_json)))
    for note in loaded.notes:
        views.print_note(note)
    with report_writer() as writer:
        with (
            interruptible(),
            progress.shown(not (quiet or as_json)) as bars,
            watched(as_page, loaded, bars) as watcher,
        ):
            from twofold.train.running import run as train  # imported while the process that draws figures starts

            result = train(
                loaded,
                data=data,
                engines=engines,
                out=out,
                checkpoint_every=checkpoint_every,
                reuse=reuse,
                watcher=watcher,
            )
        with heard("end", f"; the run is whole: `twofold report {quote(str(result.path))}` writes its page"):
            report = result.report if result.reused and result.report.is_file() else writer.write(result)
    if as_json:
        print_json(result.to_json() | ({"reused": result.reused} if reuse else {}))
    elif not quiet:
        if result.reused:
            views.print_note(f"nothing was trained: {result.path} has the same recipe, data and code")
        views.print_results(result, report)
        texts.print_text_of(result)
    for line in (worse := views.ended_worse(result)):
        complain(line)
    if worse:
        raise typer.Exit(1)


def _recipe_and_data(
    recipe: str, label: str | None, settings: Sequence[str], bars: AbstractContextManager[object]
) -> tuple[Recipe, Dataset | None]:
    """The recipe, and its data where they had to be read to make it: a recipe for a table."""
    from twofold.recipe import load_recipe
    from twofold.setup.defaults import is_table, table_recipe
    from twofold.setup.events import watching

    if label is None and not is_table(recipe):
        return load_recipe(recipe, settings), None
    with interruptible(), bars as watcher:
        return table_recipe(recipe, label, settings, watching(watcher))


@app.command(epilog="Example: `twofold verify mnist-mlp --steps 50 --mode free`")
def verify(
    recipe: RecipeArgument,
    settings: SetOption = None,
    steps: Annotated[int, typer.Option(min=1, help="Training steps to compare.")] = 200,
    mode: Annotated[
        ModeChoice,
        typer.Option(
            help="`resync`: every step from the same state, the proof; `free`: from the same start, shows drift."
        ),
    ] = ModeChoice.resync,
    dtype: Annotated[
        DtypeChoice, typer.Option(help="`float64` is the test, `float32` a demonstration.")
    ] = DtypeChoice.float64,
    tolerance: Annotated[
        float | None, typer.Option(help="Largest relative gap; 1e-9 in float64, 1e-4 in float32.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare both engines at every stage of every step. Exit status 0 when they agree, 1 when they do not."""
    from twofold.cli import progress, views
    from twofold.proof.verify import verify as compare

    with progress.shown(not as_json) as watcher:
        verification = compare(
            recipe,
            overrides=settings or (),
            steps=steps,
            mode=mode.value,
            dtype=dtype.value,
            tolerance=tolerance,
            watcher=watcher,
        )
    if as_json:
        print_json(verification.to_json())
    else:
        views.print_verification(verification)
    raise typer.Exit(0 if verification.passed else 1)


app.command(epilog=check.EXAMPLE)(check.check)
app.command(epilog=resume.EXAMPLE)(resume.resume)
app.command(epilog=walk.EXAMPLE)(walk.walk)
app.command(epilog=study.EXAMPLE)(study.study)
app.command(epilog=page.EXAMPLE)(page.page)
app.command(epilog=predict.EXAMPLE, context_settings={"ignore_unknown_options": True})(predict.predict)
app.command(epilog=evaluate.EXAMPLE)(evaluate.evaluate)
app.command(epilog=columns.EXAMPLE)(columns.columns)
app.command(epilog=weights.EXAMPLE)(weights.weights)
app.command(epilog=adopt.EXAMPLE)(adopt.adopt)
app.command(epilog=export.EXAMPLE)(export.export)
app.command(epilog=eject.EXAMPLE)(eject.eject)
app.command(epilog=report.EXAMPLE)(report.report)
app.command(epilog=handin.EXAMPLE)(handin.handin)


@app.callback(invoke_without_command=True)
def _global(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"twofold {installed('twofold')}")
        raise typer.Exit


def main() -> None:
    """The entry point: a user's mistake ends in a message and a status, never in a traceback."""
    for stream in (sys.stdout, sys.stderr):  # a terminal without → or ∂ shows a question mark
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    with listening():
        _run_command()


def _run_command() -> None:
    """Run the command, and turn what Twofold raises on purpose into a message and a status."""
    try:
        sys.exit(app(standalone_mode=False))
    except typer.Abort:
        sys.exit(1)
    except WrongWordsError as error:
        from typer.rich_utils import rich_format_error

        wrong: Parsed = error
        wrong.message = printable(wrong.message)
        rich_format_error(wrong)
        sys.exit(wrong.exit_code)
    except TwofoldError as error:
        complain(str(error))
        sys.exit(error.exit_status)
    except BrokenPipeError:  # the reader of a pipe has gone: nothing more to say, and nobody to say it to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:  # a full disk, a vanished folder
        complain(str(error))
        sys.exit(1)
