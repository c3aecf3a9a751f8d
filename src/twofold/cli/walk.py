"""The command `walk`, and the tables it prints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from twofold.cli.output import JsonOption, examples, print_json
from twofold.engines import TITLES

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from twofold.probe.rows import Row
    from twofold.probe.walk import Line, Walk
    from twofold.probe.window import Window

EXAMPLE = examples("twofold walk digits --sample 3", "twofold walk moons --number '2.weight[1,3]'")
MOST_STEPS = 20
"""Steps of time that are printed for a layer."""
WIDEST_KERNEL = 5
"""Columns of the widest kernel that is printed number by number; of a wider one only the sum is."""
MOST_CHARACTERS = 8
"""Characters of a number: three numbers and the engine's name fit beside the largest counts in 80 columns."""
TIMES = "   ·"


def walk(
    source: Annotated[
        str, typer.Argument(metavar="RECIPE|RUN", help="A built-in name, a .toml file, or a run folder.")
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Set one key of the recipe by its path; may be given again."),
    ] = None,
    sample: Annotated[
        int, typer.Option(min=0, metavar="N", help="The held-out sample, from 0, whose numbers are shown.")
    ] = 0,
    batch: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Samples in the batch: the recipe's, 32 at most; of a run those in its folder.",
            show_default=False,
        ),
    ] = None,
    number: Annotated[
        str | None,
        typer.Option(
            "--number",
            metavar="LAYER.ARRAY[PLACE]",
            help="Write out one number as the sum that it is: '2.weight\\[3,5]', the gradient of that weight, with its "
            "update; '0.y\\[0,3]', an output; '2.dx\\[0,5]'; 'loss.L'.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Walk one batch through the network and back: equations, shapes, work, memory and numbers of every operation.

    As in training, without the update, in both engines with the same weights: of a recipe its initial ones, of a run
    the trained ones. The batch is of held-out samples, or of random inputs where the data are not at hand.
    """
    from twofold.cli import progress
    from twofold.probe.walk import walk as take
    from twofold.runs.reading import as_a_whole

    with as_a_whole(source), progress.shown(not as_json) as watcher:
        walked = take(source, sample=sample, batch=batch, overrides=settings or (), watcher=watcher)
    if number is not None:
        from twofold.cli.microscope import number_json, print_number

        written = walked.number(number)
        print_json(number_json(walked, written)) if as_json else print_number(walked, written)
    elif as_json:
        print_json(walked.to_json())
    else:
        _print(walked)


def _print(walk: Walk) -> None:
    from rich.text import Text

    from twofold.cli.views import console

    console.print(Text(_head(walk)))
    forward, left_out = walk.lines("forward", MOST_STEPS)
    backward, _ = walk.lines("backward", MOST_STEPS)
    console.print("\nForward, x → y:", _table(forward, "bytes\nkept"))
    for window in walk.windows:
        console.print(_window(window, console.width))
    console.print("Backward, dy → dx, where dx is the gradient of the loss with respect to x:")
    console.print(_table(backward, "\nnorm"))
    if left_out:
        console.print(f"{left_out:,} steps of time are left out each way; --json has every one.")
    console.print(Text(_totals(walk)))


def _head(walk: Walk) -> str:
    about = walk.about
    if about.data == "random":
        what = f"{about.samples} random inputs of the declared shape (the data are not at hand)"
    else:
        what = f"the {about.split} samples {about.first} to {about.last}"
    weights = (
        "the initial weights" if about.weights == "initial" else f"the weights that {TITLES[about.weights]} trained"
    )
    if isinstance(about.target, int):
        answer = f"class {about.target}"
    else:  # a step without an answer has NaN
        answer = f"target {', '.join('–' if math.isnan(number) else str(number) for number in about.target)}"
    return (
        f"{about.run or about.recipe}: {what}, N = {about.samples}, with {weights}, in both engines. Numbers of y, h "
        f"and their gradients are those of sample {about.sample}, of {answer}; norms and the gradients of "
        "parameters are the batch's."
    )


def _table(lines: Sequence[Line], size: str) -> Table:
    """A row for each operation: its equation, and below it the shapes and a few numbers of both engines."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("\nlayer")
    table.add_column("\noperation", ratio=1)
    table.add_column("multiply-\nadds", justify="right", no_wrap=True)
    table.add_column(size, justify="right", no_wrap=True)
    for index, line in enumerate(lines):
        if line.begins and index:
            table.add_section()
        row, layer = line.row, Text("")
        if line.begins:
            layer = Text(f"loss\n{row.kind}" if row.layer == "loss" else f"{row.layer} {row.kind}".strip())
        if line.layer and line.layer.parameters:
            layer.append(f"\n{line.layer.parameters:,}\nparameters", style="dim")
        last = "" if line.size is None else f"{line.size:,}" if line.layer else f"{line.size:.4g}"
        table.add_row(layer, _operation(row), f"{row.multiply_adds:,}" if row.multiply_adds else "", last)
    return table


def _operation(row: Row) -> Text:
    from rich.text import Text

    text = Text(row.equation).append(f"\n{row.shapes}", style="dim")
    if row.numbers:
        text.append(f"\n{row.numbers.name}, gap {_gap(row.numbers.gap)}")
        for engine, few in row.numbers.few.items():
            text.append(f"\n{TITLES[engine]:8}", style="dim").append("".join(f"{_short(x):>9}" for x in few))
    return text


def _short(number: float) -> str:
    """Three digits, or two where the power of ten wants the room."""
    text = f"{number + 0.0:.3g}"
    return text if len(text) <= MOST_CHARACTERS else f"{number:.2g}"


def _gap(gap: float | None) -> str:
    return f"{gap:.0e}" if gap else "0"


def _window(window: Window, columns: int) -> Text:
    """One pixel of a convolution: what the window sees, times the kernel, and the rest of the sum."""
    from rich.text import Text

    pixel = ", ".join(map(str, (window.channel, *window.place)))
    text = Text(f"  One pixel of layer {window.layer}, y[{pixel}]", style="bold")
    height, width = window.kernel.shape
    (row, column), shown_part = window.corner, f"x[{window.shown}]"
    text.append(f": {shown_part} from row {row}, column {column}, times the kernel", style="not bold")
    if width <= WIDEST_KERNEL:
        patch = [
            "".join(f"{_short(value) if here else 'pad':>9}" for value, here in zip(*pair, strict=True))
            for pair in zip(window.window, window.inside, strict=True)
        ]
        weights = ["".join(f"{_short(weight):>9}" for weight in row) for row in window.kernel]
        if 2 * len(patch[0]) + len(TIMES) <= columns:
            lines = [f"{left}{TIMES}{right}" for left, right in zip(patch, weights, strict=True)]
        else:
            lines = [*patch, TIMES, *weights]
        text.append("\n" + "\n".join(lines), style="not bold")
    others = window.inputs - 1
    terms = [f"Σ of these {height} × {width} products {window.part:.6g}"]
    terms += [f"of the {others} other channel{'s' * (others != 1)} {window.rest:.6g}"] if others else []
    terms += [f"bias {window.bias:.6g}"]
    outputs = ", ".join(f"{TITLES[engine]} {y:.6g}" for engine, y in window.outputs.items())
    text.append(f"\n    {' + '.join(terms)} = {window.total:.6g}", style="not bold")
    text.append(f"\n    y in {outputs}; gap {_gap(window.gap)}\n", style="not bold")
    return text


def _totals(walk: Walk) -> str:
    work = walk.multiply_adds
    held = " and ".join(f"{TITLES[engine]} {count:,}" for engine, count in walk.held.items())
    return (
        f"{walk.parameters:,} parameters; {work['forward']:,} multiply-adds forward and {work['backward']:,} back, of "
        f"the products alone; bytes kept for the way back: {held}, of a layer those beyond what an earlier one keeps; "
        f"the largest gap between the engines is {_gap(walk.gap)} of the array's size, in {walk.about.dtype}."
        f"{_ties(walk)}"
    )


def _ties(walk: Walk) -> str:
    """A sentence on why dx differs in a few places; empty where it does not."""
    where = ", ".join(map(str, walk.ties))
    return (
        f"\nIn {where} the largest number stands there more than once but for rounding, and each engine sends the "
        f"gradient to another of them: dx differs there, by up to {_gap(walk.moved_gap)}. Both are right, and no "
        "parameter's gradient is another for it."
        if where
        else ""
    )
