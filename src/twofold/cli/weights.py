"""`twofold weights`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twofold.cli.output import JsonOption, examples, print_json
from twofold.cli.predict import EngineOption, RunArgument
from twofold.errors import UserError

EXAMPLE = examples(
    "twofold weights runs/moons-1 --npz moons.npz",
    "twofold weights runs/moons-1 --from moons.npz --out again",
)


def weights(
    run: RunArgument,
    npz: Annotated[Path | None, typer.Option(metavar="FILE", help="Write them to a new file of NumPy's.")] = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Make a new run with the weights of an .npz file, judged again."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder of the new run; `runs/NAME-N` where left out.")
    ] = None,
    engine: EngineOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the trained weights, write them as .npz, or put such a file in place of trained weights.

    A network of two dense layers has W1 b1 W2 b2, where W is (out, in); others have PyTorch's names.
    """
    if npz is not None and source is not None:
        raise UserError("choose --npz or --from, not both")
    if out is not None and source is None:
        raise UserError("--out names the folder of a new run: it wants --from FILE")
    if source is not None:
        _import(run, source, out, engine, as_json)
    else:
        _export(run, npz, engine, as_json)


def _import(run: Path, source: Path, out: Path | None, engine: str | None, as_json: bool) -> None:
    from twofold.cli import progress, views
    from twofold.inference.weights import import_weights
    from twofold.report import write_report
    from twofold.runs.reading import as_a_whole

    with as_a_whole(run, source), progress.shown(not as_json) as watcher:
        made = import_weights(run, source, out=out, engines=engine, watcher=watcher)
    report = write_report(made)
    if as_json:
        print_json(made.to_json())
    else:
        views.print_results(made, report)


def _export(run: Path, npz: Path | None, engine: str | None, as_json: bool) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from twofold.cli.views import console
    from twofold.inference.weights import export_weights, named_weights
    from twofold.runs.reading import as_a_whole

    with as_a_whole(run):
        engine, arrays = named_weights(run, engine)
        if npz is not None:
            export_weights(run, npz, engine=engine)
    if as_json:
        tensors = {name: {"shape": array.shape, "dtype": str(array.dtype)} for name, array in arrays.items()}
        print_json({"run": str(run), "engine": engine, "file": npz and str(npz), "tensors": tensors})
        return
    table = Table("tensor", "shape", "type", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("mean", "standard deviation", "largest size"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, array in arrays.items():
        sizes = (array.mean(), array.std(), abs(array).max())
        table.add_row(name, str(array.shape), str(array.dtype), *(f"{float(size):.4g}" for size in sizes))
    console.print(f"weights of the {engine} engine", table)
    if npz is not None:
        console.print(f"file: {npz}", soft_wrap=True)
