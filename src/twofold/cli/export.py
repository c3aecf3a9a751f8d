"""`twofold export`."""

from __future__ import annotations

import tempfile
from enum import StrEnum
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from twofold.cli.output import JsonOption, examples, print_json
from twofold.cli.predict import EngineOption

EXAMPLE = examples(
    "twofold export runs/moons-1 moons.onnx --to onnx",
    "twofold export runs/moons-1 moons --to torch --engine numpy",
    "twofold export runs/moons-1 board --to tensorboard",
)


class FormatChoice(StrEnum):
    """What `--to` takes."""

    onnx = "onnx"
    torch = "torch"
    npz = "npz"
    tensorboard = "tensorboard"
    mlflow = "mlflow"
    wandb_offline = "wandb-offline"


TRACKERS = (FormatChoice.tensorboard, FormatChoice.mlflow, FormatChoice.wandb_offline)


def export(
    source: Annotated[
        str, typer.Argument(metavar="RUN|RECIPE", help="A run folder, or a recipe with the weights it begins with.")
    ],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A new file, or for torch and trackers a new folder.")],
    to: Annotated[
        FormatChoice,
        typer.Option(
            help="`onnx`, `npz`: one file; `torch`: a state dict as safetensors and a module file; `tensorboard`, "
            "`mlflow`, `wandb-offline`: what a run recorded."
        ),
    ] = FormatChoice.onnx,
    engine: EngineOption = None,
    preprocessing: Annotated[
        bool, typer.Option("--preprocessing", help="The ONNX graph takes bytes of images, resizes and scales them.")
    ] = False,
    figures: Annotated[
        bool, typer.Option("--figures/--no-figures", help="With the report's figures, where a tracker is written for.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Write a network for other libraries, with the trained weights of a run; or what a run recorded."""
    from twofold.exchange.exporting import export as write
    from twofold.exchange.files import check_new

    if to in TRACKERS and figures and Path(source).is_dir():
        from twofold.report.exported import write_figures

        check_new(path)
        with tempfile.TemporaryDirectory() as folder:
            drawn = write_figures(source, folder)
            made = write(source, to.value, path, engine=engine, preprocessing=preprocessing, figures=drawn)
    else:
        made = write(source, to.value, path, engine=engine, preprocessing=preprocessing)
    if as_json:
        files = [made] if made.is_file() else sorted(file for file in made.rglob("*") if file.is_file())
        print_json({"to": to.value, "path": str(made), "files": [str(file) for file in files]})
        return
    from twofold.cli.views import console

    kind = "folder" if made.is_dir() else "file"
    console.print(f"{kind}: {made}", markup=False, highlight=False, soft_wrap=True)
    if to is FormatChoice.onnx:
        console.print(f"back again: twofold adopt {quote(str(made))}", markup=False, highlight=False, soft_wrap=True)
