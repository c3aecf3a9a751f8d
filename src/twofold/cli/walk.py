"""The command `walk`, and the tables it prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from twofold.cli.output import JsonOption, print_json

if TYPE_CHECKING:
    from twofold.probe.rows import Row
    from twofold.probe.walk import Walk
    from twofold.probe.window import Window

EXAMPLE = "Example: `twofold walk digits --sample 3`"
MOST_STEPS = 20
"""Steps of time that are printed of a layer."""
WIDEST_KERNEL = 5
"""Numbers side by side: a wider window is told by its sum alone."""
MOST_CHARACTERS = 8
"""Of a number: three of them and the engine's name stand in a terminal of 80 columns beside the largest counts."""
TIMES = "   ·"
NAMES = {"numpy": "NumPy", "torch": "PyTorch"}


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
    as_json: JsonOption = False,
) -> None:
    """Walk one batch through the network and back: equations, shapes, work, memory and numbers of every operation.

    As in training, without the update, in both engines with the same weights: of a recipe its initial ones, of a run
    the trained ones. The batch is of held-out samples, or of random inputs where the data are not at hand.
    """
    from twofold.cli import progress
    from twofold.probe.walk import walk as take

    with progress.shown(not as_json) as watcher:
        found = take(source, sample=sample, batch=batch, overrides=settings or (), watcher=watcher)
    if as_json:
        print_json(found.to_json())
    else:
        _print(found)


def _print(found: Walk) -> None:
    from twofold.cli.views import console
    from twofold.probe.rows import few_steps

    console.print(Text(_head(found)))
    forward, left_out = few_steps(found.forward, MOST_STEPS)
    backward, _ = few_steps(found.backward, MOST_STEPS)
    console.print("\nForward, x → y:", _table(found, forward, back=False))
    for window in found.windows:
        console.print(_window(window, console.width))
    console.print("Backward, dy → dx, where dx is the gradient of the loss with respect to x:")
    console.print(_table(found, backward, back=True))
    if left_out:
        console.print(f"{left_out:,} steps of time are left out each way; --json has every one.")
    console.print(Text(_totals(found)))


def _head(found: Walk) -> str:
    passage, n = found.passage, len(found.passage.batch.target)
    if passage.data == "random":
        what = f"{n} random inputs of the declared shape (the data are not at hand)"
    else:
        what = f"the {passage.split} samples {passage.first} to {passage.first + n - 1}"
    weights = (
        "the initial weights" if passage.weights == "initial" else f"the weights that {NAMES[passage.weights]} trained"
    )
    return (
        f"{passage.run or passage.recipe.name}: {what}, N = {n}, with {weights}, in both engines. Numbers of y, h and "
        f"their gradients are those of sample {passage.sample}, of class {int(passage.batch.target[passage.place])}; "
        "norms and the gradients of parameters are the batch's."
    )


def _table(found: Walk, rows: list[Row], *, back: bool) -> Table:
    """A row an operation; below its equation the shapes, and what comes of it in both engines."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("\nlayer")
    table.add_column("\noperation", ratio=1)
    table.add_column("multiply-\nadds", justify="right", no_wrap=True)
    table.add_column("\nnorm" if back else "bytes\nkept", justify="right", no_wrap=True)
    facts = {layer.name: layer for layer in found.layers}
    for index, row in enumerate(rows):
        new = index == 0 or rows[index - 1].layer != row.layer
        if new and index:
            table.add_section()
        name = f"loss\n{row.kind}" if row.layer == "loss" else f"{row.layer} {row.kind}".strip()
        layer = Text(name if new else "")
        fact = facts.get(row.layer)
        if new and not back and fact and fact.parameters:
            layer.append(f"\n{fact.parameters:,}\nparameters", style="dim")
        last = ""
        if back:
            last = f"{next(iter(row.numbers.norm.values())):.4g}" if row.numbers else ""
        elif new and fact:
            last = f"{fact.held['numpy']:,}"
        table.add_row(layer, _operation(row), f"{row.multiply_adds:,}" if row.multiply_adds else "", last)
    return table


def _operation(row: Row) -> Text:
    text = Text(row.equation).append(f"\n{row.shapes}", style="dim")
    if row.numbers:
        text.append(f"\n{row.numbers.name}, gap {_gap(row.numbers.gap)}")
        for engine, few in row.numbers.few.items():
            text.append(f"\n{NAMES[engine]:8}", style="dim").append("".join(f"{_short(x):>9}" for x in few))
    return text


def _short(number: float) -> str:
    """Three digits, or two where the power of ten wants the room."""
    text = f"{number + 0.0:.3g}"
    return text if len(text) <= MOST_CHARACTERS else f"{number:.2g}"


def _gap(gap: float) -> str:
    return f"{gap:.0e}" if gap else "0"


def _window(window: Window, columns: int) -> Text:
    """One pixel of a convolution: what the window sees, times the kernel, and the rest of the sum."""
    pixel = ", ".join(map(str, (window.channel, *window.place)))
    text = Text(f"  One pixel of layer {window.layer}, y[{pixel}]", style="bold")
    height, width = window.kernel.shape
    (row, column), of = window.corner, f"x[{window.shown}]"
    text.append(f": {of} from row {row}, column {column}, times the kernel", style="not bold")
    if width <= WIDEST_KERNEL:
        seen = [
            "".join(f"{_short(value) if here else 'pad':>9}" for value, here in zip(*pair, strict=True))
            for pair in zip(window.window, window.inside, strict=True)
        ]
        weights = ["".join(f"{_short(weight):>9}" for weight in row) for row in window.kernel]
        if 2 * len(seen[0]) + len(TIMES) <= columns:
            lines = [f"{left}{TIMES}{right}" for left, right in zip(seen, weights, strict=True)]
        else:
            lines = [*seen, TIMES, *weights]
        text.append("\n" + "\n".join(lines), style="not bold")
    others = window.inputs - 1
    terms = [f"Σ of these {height} × {width} products {window.part:.6g}"]
    terms += [f"of the {others} other channel{'s' * (others != 1)} {window.rest:.6g}"] if others else []
    terms += [f"bias {window.bias:.6g}"]
    outputs = ", ".join(f"{NAMES[engine]} {y:.6g}" for engine, y in window.outputs.items())
    text.append(f"\n    {' + '.join(terms)} = {window.total:.6g}", style="not bold")
    text.append(f"\n    y in {outputs}; gap {_gap(window.gap)}\n", style="not bold")
    return text


def _totals(found: Walk) -> str:
    forward, backward = (sum(row.multiply_adds for row in rows) for rows in (found.forward, found.backward))
    held = " and ".join(f"{NAMES[engine]} {count:,}" for engine, count in found.held.items())
    return (
        f"{found.parameters:,} parameters; {forward:,} multiply-adds forward and {backward:,} back, of the products "
        f"alone; bytes kept for the way back: {held}, of a layer those beyond what an earlier one keeps; the largest "
        f"gap between the engines is {_gap(found.gap)} of the array's size, in "
        f"{found.passage.recipe.training.dtype}.{_ties(found)}"
    )


def _ties(found: Walk) -> str:
    """Why dx differs in a few places, where it does."""
    where = ", ".join(map(str, found.ties))
    return (
        f"\nIn {where} the largest number stands there more than once but for rounding, and each engine sends the "
        f"gradient to another of them: dx differs there, by up to {_gap(found.moved_gap)}. Both are right, and no "
        "parameter's gradient is another for it."
        if where
        else ""
    )
