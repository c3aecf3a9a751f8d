"""`twofold adopt`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from twofold.cli.output import JsonOption, examples, print_json
from twofold.errors import UserError

if TYPE_CHECKING:
    from twofold.exchange.adopted import Adopted

EXAMPLE = examples(
    "twofold adopt lenet.onnx --data mnist-lenet --out lenet.toml",
    "twofold adopt mine.py:model --shape 1,28,28",
)


class LossChoice(StrEnum):
    """What `--loss` takes."""

    cross_entropy = "cross_entropy"
    mean_squared = "mean_squared"


def adopt(
    source: Annotated[
        str,
        typer.Argument(metavar="FILE", help="A .onnx or .keras file, or a module of a Python file: mine.py:model."),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the recipe to a new .toml file.", show_default=False)
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the weights to a new .safetensors file; beside the recipe where left out.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="RECIPE",
            help="Take data and training over from this recipe, to train or verify on.",
            show_default=False,
        ),
    ] = None,
    loss: Annotated[LossChoice | None, typer.Option(help="The loss to train with.", show_default=False)] = None,
    shape: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,...", help="The shape of one sample, where the file leaves it open.", show_default=False
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a recipe and weights of another library's model, and prove that they are the same network.

    A module is proved layer by layer, gradient by gradient, over 20 training steps; a file by its outputs. What no
    recipe can express is refused by the layer's name. The recipe begins with the weights: `show`, `walk`, `verify` and
    `run` take it as any other.
    """
    from twofold.exchange.adopting import adopt as take

    if weights is not None and out is None:
        raise UserError("--weights names the file beside the recipe: it wants --out FILE")
    adopted = take(source, shape=_shape(shape), data=data, loss=None if loss is None else loss.value)
    files = adopted.save(out, weights) if out is not None else ()
    if as_json:
        print_json({**adopted.to_json(), "files": [str(file) for file in files]})
        return
    _print(adopted)
    from twofold.cli.views import console

    for file in files:
        console.print(f"file: {file}", markup=False, highlight=False, soft_wrap=True)
    if out is not None:
        console.print(f"next: twofold verify {quote(str(out))}", markup=False, highlight=False, soft_wrap=True)


def _shape(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        sizes = tuple(int(part) for part in text.replace("x", ",").split(","))
    except ValueError:
        sizes = ()
    if not sizes or min(sizes) < 1:
        raise UserError(f"--shape must be whole numbers of at least 1, as 3,32,32; got `{text}`")
    return sizes


def _print(adopted: Adopted) -> None:
    """The layers beside the original's, and the proof."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from twofold.cli.views import console
    from twofold.recipe import shape_text

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("layer", "gives", "original"):
        table.add_column(heading, overflow="fold")
    table.add_column("parameters", justify="right", no_wrap=True)
    for node, origin in zip(adopted.recipe.network.nodes, adopted.origins, strict=True):
        name = f"{node.name} {node.kind}"
        table.add_row(name, shape_text(node.output_shape), Text(origin), f"{node.count:,}" if node.count else "")
    console.print(Text(f"{adopted.recipe.name}: {adopted.recipe.network.count:,} parameters"), table)
    proof = adopted.proof
    gaps = ", ".join(f"{stage} {size:.1e}" for stage, size in proof.largest.items())
    trained = f" and {proof.steps} training steps" if proof.steps else ""
    console.print(Text(f"proved the same in {proof.comparisons} comparisons{trained}, by {proof.witness}"))
    console.print(Text(f"largest relative gaps: {gaps}"))
    for note in proof.notes:
        console.print(Text(f"note: {note}"))
