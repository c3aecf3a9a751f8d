"""`twofold page`: a local page where one watches both engines learn, stops, steps, and keeps the recipe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twofold.cli.output import examples, say
from twofold.errors import MissingExtraError
from twofold.interrupts import heard

if TYPE_CHECKING:
    from twofold.recipe import Recipe
    from twofold.setup.events import Watcher

EXAMPLE = examples("twofold page", "twofold page moons", "twofold page my.toml", "twofold page runs")
RUNS = Path("runs")


def page(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[RECIPE|RUN|RUNS]",
            help="A built-in recipe, a .toml file, a link of the page, a run folder, or a folder of runs.",
            show_default=False,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Set one key of the recipe by its path; may be given again."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, metavar="N", help="The port; 8712 or a free one where left out.", show_default=False
        ),
    ] = None,
    open_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Whether to open the page in the browser.")
    ] = True,
) -> None:
    """Open a page on this machine: both engines learn side by side, and every number can be looked into."""
    with _needed():
        from twofold.page.desk import Desk
        from twofold.page.opening import opening_of
        from twofold.page.serving import Serving
    serving = Serving(Desk(opening_of(source, settings or (), RUNS)), port)

    def ready() -> None:
        say(f"{serving.address}\nThe page answers on this machine alone. Ctrl-C ends it.")
        if open_browser:
            import webbrowser

            webbrowser.open(serving.address)

    with heard("flag"):
        serving.run(ready)


@contextmanager
def watched(wanted: bool, recipe: Recipe, watcher: Watcher) -> Iterator[Watcher]:
    """A watcher that passes each event to `watcher` and to a page, open while the context lasts.

    Where no page is `wanted`, `watcher` itself. Raises `MissingExtraError` without the libraries of the page.
    """
    if not wanted:
        yield watcher
        return
    from twofold.cli.views import print_note

    with _needed():
        from twofold.page.serving import live_page
    with live_page(recipe, RUNS) as (address, page):
        print_note(f"the run is shown, while it lasts, at {address}")

        def both(event: object) -> None:
            watcher(event)
            page(event)

        yield both


@contextmanager
def _needed() -> Iterator[None]:
    """Turn a failed import of a library of the page into an error that names the extra to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] in ("starlette", "uvicorn", "h11", "anyio"):
            raise MissingExtraError(error.name, "page", "the page") from error
        raise
