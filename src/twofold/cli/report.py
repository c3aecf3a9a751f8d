"""`twofold report`: the page of a run, of a study, or of several runs side by side; and its figures as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twofold.cli.output import examples, say
from twofold.errors import UserError

EXAMPLE = examples(
    "twofold report runs/digits-1",
    "twofold report cnn5-sgd cnn5-adam --out adam-or-sgd.html",
    "twofold report runs/digits-1 --figures figures",
)


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="A run folder, or a study's; or several runs.")],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html",
            help="Where a comparison of several runs is written; `comparison.html` in this folder where left out.",
            show_default=False,
        ),
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write every figure of the page into this folder as well, as SVG, PDF and PNG, the captions as "
            "`captions.md` and `figures.tex`, and every table as CSV and LaTeX.",
            show_default=False,
        ),
    ] = None,
    image: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="The held-out image, from 0, to be shown layer by layer where there are convolutions.",
            show_default=False,
        ),
    ] = None,
    author: Annotated[
        str, typer.Option(metavar="NAME", help="Stands under the title of a run's report.", show_default=False)
    ] = "",
) -> None:
    """Write report.html again from a run folder or a study folder; put several runs side by side in one page."""
    from twofold.report.exported import check_owner, open_folder, owner, rendered, write_pictures
    from twofold.runs import write_whole
    from twofold.runs.reading import as_a_whole

    several = len(runs) > 1
    if several and image is not None:
        raise UserError(f"--image shows an image of one run; got {len(runs)} runs")
    if not several and out is not None:
        raise UserError(
            f"--out is for a comparison of several runs; the report of {runs[0]} is written into its folder"
        )
    subject = runs if several else runs[0]
    with as_a_whole(*runs):
        if figures is not None:
            check_owner(figures, owner(subject))
        if several:
            from twofold.report.comparison import COMPARISON, checked_out

            path = checked_out(out or COMPARISON)
            page = rendered(runs, out=path)
        else:
            opened = open_folder(runs[0])
            path, page = opened.report, rendered(opened, image, author=author, halves=True)
        if figures is not None:
            figures = write_pictures(page, figures, owner(subject))
        write_whole(path, page.html.encode())
    say(str(path))
    if figures is not None:
        say(str(figures))
