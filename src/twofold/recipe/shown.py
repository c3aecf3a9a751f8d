"""How a recipe shows itself in a notebook: its title and its layers, forward and backward."""

from __future__ import annotations

from html import escape

from twofold.recipe.base import Shape
from twofold.recipe.network import Network, Node, shape_text

HEAD = ("layer", "x", "y", "parameters", "count", "gradient dy → dx")


def recipe_html(heading: str, network: Network, notes: list[str]) -> str:
    """A table with one row a layer; N is the batch."""
    rows = [_row(node) for node in network.nodes]
    rows.append(["total", "", "", "", _count(network.count), ""])
    head = "".join(f"<th>{name}</th>" for name in HEAD)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    paragraphs = "".join(f"<p>Note: {escape(note)}</p>" for note in notes)
    return f"<b>{escape(heading)}</b><table><tr>{head}</tr>{body}</table>{paragraphs}"


def _row(node: Node) -> list[str]:
    x, y = shape_text(node.input_shape), shape_text(node.output_shape)
    parameters = "<br>".join(_parameter(node, name, shape) for name, shape in node.parameters.items())
    return [f"{node.name} {node.kind}", x, y, parameters, _count(node.count), f"{y} → {x}"]


def _parameter(node: Node, name: str, shape: Shape) -> str:
    return f"<code>{node.name}.{name}</code> {shape_text(shape, batch=False)}"


def _count(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"
