"""What the commands print: tables for people, plain values for programs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from twofold.cli.terminal import Terminal
from twofold.printable import one_line

if TYPE_CHECKING:
    from twofold.proof.verify import Verification
    from twofold.recipe import Network, Node, Recipe
    from twofold.runs import Result, Run

console = Terminal()
errors = Terminal(stderr=True)


def print_recipes(titles: Mapping[str, str]) -> None:
    """Print the built-in recipes, titles by name."""
    _print_titles(titles)
    console.print(Text("\ntwofold show NAME for the settings, twofold run NAME to train", style="dim"))


def print_studies(titles: Mapping[str, str]) -> None:
    """Print the built-in studies, titles by name."""
    console.print("\nStudies:\n")
    _print_titles(titles)
    console.print(Text("\ntwofold study NAME to run one", style="dim"))


def _print_titles(titles: Mapping[str, str]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, title in titles.items():
        table.add_row(name, Text(title))
    console.print(table)


def recipe_json(recipe: Recipe) -> dict[str, object]:
    """The resolved recipe and its layers; a size that waits for the data is null."""
    network = recipe.network
    return {
        "recipe": recipe.model_dump(mode="json"),
        "layers": [_layer_json(node) for node in network.nodes],
        "parameters": network.count,
        "notes": recipe.notes,
    }


def _layer_json(node: Node) -> dict[str, object]:
    """Gradients have the shapes of what they are gradients of: ∂L/∂x that of the input."""
    return {
        "name": node.name,
        "kind": node.kind,
        "input": node.input_shape,
        "output": node.output_shape,
        "parameters": {f"{node.name}.{name}": shape for name, shape in node.parameters.items()},
        "count": node.count,
        "gradients": {"output": node.output_shape, "input": node.input_shape, **node.parameters},
    }


def print_recipe(recipe: Recipe) -> None:
    """The resolved recipe as TOML, and the layer table."""
    from rich.syntax import Syntax

    from twofold.recipe import dump

    console.print(Syntax(dump(recipe), "toml", theme="ansi_dark", background_color="default", word_wrap=True))
    console.print("N is the batch. Forward, x → y, and the parameters that take part:")
    console.print(_forward_table(recipe.network))
    console.print("Backward, dy → dx, where dx is the gradient of the loss with respect to x:")
    console.print(_backward_table(recipe.network))
    for note in recipe.notes:
        print_note(note)


def _forward_table(network: Network) -> Table:
    from twofold.recipe import shape_text

    table = Table("layer", "x", "y", "parameters", box=SIMPLE_HEAD)
    table.add_column("count", justify="right")
    for node in network.nodes:
        parameters = [f"{node.name}.{name} {shape_text(shape, batch=False)}" for name, shape in node.parameters.items()]
        table.add_row(_label(node), *_shapes(node), "\n".join(parameters), _count(node.count))
    table.add_section()
    table.add_row("total", "", "", "", _count(network.count))
    return table


def _backward_table(network: Network) -> Table:
    from twofold.recipe import shape_text

    table = Table("layer", "dy", "dx", "gradients of the parameters", box=SIMPLE_HEAD)
    for node in reversed(network.nodes):
        x, y = _shapes(node)
        gradients = [
            f"d {node.name}.{name} {shape_text(shape, batch=False)}" for name, shape in node.parameters.items()
        ]
        table.add_row(_label(node), y, x, "\n".join(gradients))
    return table


def _label(node: Node) -> str:
    return f"{node.name} {node.kind}"


def _shapes(node: Node) -> tuple[str, str]:
    from twofold.recipe import shape_text

    return shape_text(node.input_shape), shape_text(node.output_shape)


def _count(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"


def print_note(note: str) -> None:
    """Print a note on standard error: what a user should know although it is no error."""
    errors.print(noted(note))


def noted(note: str) -> Text:
    """A note as it is printed."""
    return Text.assemble(("note: ", "yellow"), note)


WORSE = 10.0
"""A training that ends above this many times its loss before training, or this loss itself, has diverged."""


def ended_worse(run: Run) -> list[str]:
    """A line on each engine whose training loss ended far above what it was before training: no number is infinite, but
    nothing was learned either."""
    lines, table = list[str](), run.evaluations
    for engine in run.engines:
        loss = table.where(table["engine"] == engine)["train_loss"]
        if len(loss) > 1 and loss[-1] > WORSE * max(loss[0], 1.0):
            lines.append(
                f"{engine}: the training loss went from {loss[0]:.4g} to {loss[-1]:,.6g}: the training diverged, "
                "though no number is infinite; the run is whole. "
                f"Try a smaller optimizer.lr than {run.recipe.optimizer.lr:g}."
            )
    return lines


def print_faults(run: Run) -> None:
    """What the analysis found wrong, by the titles of its sentences; the report has the sentences."""
    from twofold.analysis import findings

    titles = list(dict.fromkeys(finding.statement.title for finding in findings(run) if finding.fault))
    if titles:
        console.print(Text(f"analysis: {', '.join(titles)}: see the report"), soft_wrap=True)


def print_results(run: Run, report: Path) -> None:
    """The closing table of a run."""
    from twofold.runs import QUALITY_TITLES

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), title=one_line(run.record.title or run.name))
    table.title_justify = "left"
    table.add_column("\nengine", no_wrap=True, min_width=6)
    for heading in (
        f"{QUALITY_TITLES[run.record.data.quality]}\ntrain",
        "\nvalid.",
        "\ntest",
        "loss\ntrain",
        "\nvalid.",
        "\ntest",
        "training\nseconds",
        "a step\nms",
    ):
        table.add_column(heading, justify="right", no_wrap=True, min_width=6)
    splits = ("train", "validation", "test")
    for engine, result in run.record.engines.items():
        scores = [score_text(score(split)) for score in (result.quality, result.loss) for split in splits]
        table.add_row(engine, *scores, f"{result.seconds:.2f}", _milliseconds(result))
    console.print(table)
    print_faults(run)
    console.print(Text(f"report: {report}"), soft_wrap=True)


def _milliseconds(result: Result) -> str:
    """The time of a step; none was taken where weights were loaded."""
    from twofold.report.text import decimal

    return decimal(result.seconds / result.steps * 1e3) if result.steps else "–"


def score_text(value: float | None) -> str:
    """A score to four digits; a dash where there is none."""
    return "–" if value is None else f"{value:.4f}"


def print_verification(verification: Verification) -> None:
    """The verdict in one line, then the largest gap of each stage."""
    _print_verdict(verification)
    if verification.cause:
        console.print(Text(f"why: {verification.cause}"))
    table = Table("stage")
    table.add_column("largest relative gap", justify="right")
    for stage, size in verification.verdict.largest.items():
        table.add_row(stage, f"{size:.2e}")
    if verification.gradient_gap is not None:
        table.add_section()
        table.add_row("gradients against central differences", f"{verification.gradient_gap:.2e}")
    console.print(table)
    for tie in verification.ties:
        console.print(
            f"In {tie} two numbers are the largest but for rounding, and each engine sends the gradient to another "
            "one: both are right there, and central differences measure something between. Smaller batches hold fewer "
            "such windows."
        )
    for wrong in verification.wrong_gradients:
        console.print(
            Text.assemble(
                ("wrong gradient", "red"),
                " of ",
                (wrong.name, "bold"),
                f" in the NumPy engine: along a random direction {wrong.computed:.6g}, by central differences "
                f"{wrong.measured:.6g}",
            )
        )


def _print_verdict(verification: Verification) -> None:
    verdict = verification.verdict
    first = verdict.first_divergence
    data = (
        "real data"
        if verification.data == "real"
        else "random inputs of the declared shape (the recipe's data are not at hand)"
    )
    if first is None:
        console.print(
            Text("agree", style="green"),
            f"over {verdict.steps} steps at {verdict.tolerance:g}, {verification.mode}, {verification.dtype}, {data}",
        )
    else:
        console.print(
            Text.assemble(
                ("part", "red"),
                f" at step {first.step}: {first.stage} of ",
                (first.name, "bold"),
                f", gap {first.size:.3g} where {verdict.tolerance:g} is allowed "
                f"({verification.mode}, {verification.dtype}, {data})",
            )
        )
