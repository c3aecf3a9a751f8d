"""`twofold eject`."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from twofold.cli.output import JsonOption, examples, print_json

EXAMPLE = examples("twofold eject moons --out moons-scripts", "twofold eject runs/digits-1 --out digits-scripts")


def eject(
    source: Annotated[
        str, typer.Argument(metavar="RECIPE|RUN", help="A recipe, or a run whose weights the scripts then come to.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="A new folder.")],
    samples: Annotated[
        bool | None,
        typer.Option(
            "--samples/--no-samples",
            help="Write the samples beside the scripts; of MNIST and CIFAR-10, which are large, only when asked.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the network as plain scripts: one in NumPy alone, one in PyTorch, their data, and what they must come to.

    The scripts need no Twofold. Forward and backward pass are written out for exactly this network, in the engines' own
    operations; each script ends by saying whether it was the same run.
    """
    from twofold.exchange.eject.ejecting import eject as write

    folder = write(source, out, samples=samples)
    files = sorted(file.name for file in folder.iterdir())
    if as_json:
        print_json({"folder": str(folder), "files": files})
        return
    from twofold.cli.views import console, print_note

    console.print(f"folder: {folder}: {', '.join(files)}", markup=False, highlight=False, soft_wrap=True)
    following = f"cd {quote(str(folder))} && python train_numpy.py"
    if "samples.npz" not in files:
        print_note("the scripts read samples.npz, which is not there; --samples writes it where the data are at hand")
        following = (
            "" if samples else f"twofold eject {quote(str(source))} --out {quote(f'{folder}-with-samples')} --samples"
        )
    if following:
        console.print(f"next: {following}", markup=False, highlight=False, soft_wrap=True)
