"""The two pictures of docs/design.md: the rooms in the order of the import contract, and the way of a batch.

    python docs/pictures/design.py

The rooms are read from pyproject.toml, where the contract stands that CI checks, so that the picture cannot differ.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
FONT = "font-family='Helvetica, Arial, sans-serif'"
PURPOSES = {
    "cli": "a command parses, calls one function, prints, returns a status",
    "page": "the local page",
    "estimators": "scikit-learn",
    "report": "facts to figures and self-contained pages",
    "study": "grids and searches; executors train the points, the coordinator writes",
    "exchange": "adopt, export, eject",
    "analysis": "facts from a folder: curves, results, what went wrong",
    "inference": "a trained network in use: predict, evaluate, weights",
    "train": "the loop as events, and who listens: run folder, replicas, signals",
    "probe": "what is asked of an engine: walk, boundary, feature maps",
    "proof": "lock-step, central differences, cases, mistakes, check",
    "setup": "engine, initial state, data and memory that all of these start from",
    "numpy_engine": "the mathematics, line by line",
    "torch_engine": "the witness",
    "engines": "the table of engines by name",
    "foreign": "files that Twofold did not write, opened in one way",
    "memory": "memory, text for a terminal, signals, what comes with the package",
    "runs": "the run folder: record, history, weights, checkpoints",
    "data": "sources, splits, batches, augmentation",
    "engine": "the seam: batch, pass, state; initial parameters; schedules",
    "recipe": "frozen data: model, data, training; a kind of layer answers for itself",
    "errors": "exceptions, drawn as a tree; arrays; randomness as a function of position",
}
FILLS = ["#e8eef7", "#eef4ea", "#fbf1e3", "#f1ecf6", "#ececec"]
"""Who shows, who reads, who trains and proves, engines, what all stand on."""
JOINED = {"errors", "memory"}
"""Rooms of one row that stand in one box, under the first of them that has a purpose."""
GROUPS = [
    {"cli", "page", "estimators", "report"},
    {"study", "exchange", "analysis", "inference"},
    {"train", "probe", "proof", "setup"},
    {"numpy_engine", "torch_engine", "engines"},
]


def rooms() -> list[list[str]]:
    """The rows of the contract, from the top; rooms of one row do not import each other."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    return [row.split(" | ") for row in layers]


def box(x: float, y: float, width: float, height: float, fill: str, title: str, lines: Iterable[str] = ()) -> str:
    """A room or a step: its name, and what it is."""
    texts = [
        f"<rect x='{x}' y='{y}' width='{width}' height='{height}' rx='6' fill='{fill}' stroke='#9aa3ad'/>",
        f"<text x='{x + 12}' y='{y + 20}' font-weight='600' font-size='14' fill='#1d2733'>{escape(title)}</text>",
    ]
    for index, line in enumerate(lines):
        style = "font-size='12' fill='#44505c'"
        texts.append(f"<text x='{x + 12}' y='{y + 38 + 16 * index}' {style}>{escape(line)}</text>")
    return "".join(texts)


def arrow(points: Iterable[tuple[float, float]], dashed: bool = False) -> str:
    """A line through the points, with a head at its end."""
    path = " ".join(f"{x},{y}" for x, y in points)
    dash = " stroke-dasharray='5 4'" if dashed else ""
    return f"<polyline points='{path}' fill='none' stroke='#5b6773' stroke-width='1.5'{dash} marker-end='url(#head)'/>"


def note(x: float, y: float, text: str) -> str:
    """A few words beside an arrow."""
    return f"<text x='{x}' y='{y}' font-size='12' font-style='italic' fill='#5b6773'>{escape(text)}</text>"


def svg(width: int, height: int, label: str, parts: Iterable[str]) -> str:
    """A picture that reads on white and on dark pages: it brings its own ground."""
    head = (
        "<marker id='head' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='8' markerHeight='8' orient='auto'>"
        "<path d='M0,0 L8,4 L0,8 z' fill='#5b6773'/></marker>"
    )
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' height='{height}' "
        f"role='img' aria-label='{escape(label)}' {FONT}><defs>{head}</defs>"
        f"<rect width='{width}' height='{height}' fill='#ffffff'/>{''.join(parts)}</svg>\n"
    )


def draw_rooms() -> str:
    """One row a line of the contract; whatever stands above may import what stands below."""
    width, height, gap = 860, 46, 8
    parts = []
    for index, row in enumerate(rooms()):
        y = 16 + index * (height + gap)
        shown = [name for name in row if name in PURPOSES]
        title_of = {name: ", ".join(row) if name in JOINED else name for name in shown}
        each = (width - 32 - gap * (len(shown) - 1)) / len(shown)
        for place, name in enumerate(shown):
            group = next((k for k, names in enumerate(GROUPS) if name in names), len(GROUPS))
            parts.append(
                box(16 + place * (each + gap), y, each, height, FILLS[group], title_of[name], [PURPOSES[name]])
            )
    rows = len(rooms())
    return svg(
        width, 24 + rows * (height + gap), "The rooms of Twofold; each may import only what lies below it", parts
    )


def draw_batch() -> str:
    """From the recipe to the run folder, through one training step."""
    step: Mapping[str, str] = {"source": FILLS[4], "engine": FILLS[3], "loop": FILLS[2], "reader": FILLS[0]}
    parts = [
        box(16, 16, 190, 74, step["source"], "data, streams", ["order, masks, variants:", "functions of the position"]),
        box(250, 16, 190, 74, step["source"], "Batch", ["x, target, masks, lr, step", "the same for every engine"]),
        box(
            484,
            16,
            250,
            74,
            step["engine"],
            "Engine.gradients(batch)",
            ["forward and backward, by hand or", "by autograd: nothing is changed"],
        ),
        box(
            484,
            132,
            250,
            74,
            step["engine"],
            "Pass",
            ["outputs, loss, ∂loss/∂parameter", "read only where somebody looks"],
        ),
        box(
            484,
            248,
            250,
            74,
            step["engine"],
            "Engine.update(gradients, lr)",
            ["clip, optimizer, moving average:", "the new State"],
        ),
        box(
            16,
            132,
            424,
            74,
            step["loop"],
            "proof",
            [
                "compare two engines: outputs, loss, gradients, state of every step",
                "central differences; a student's own layer or engine",
            ],
        ),
        box(
            16,
            248,
            424,
            74,
            step["loop"],
            "training(engine, batches, plan)",
            [
                "an iterator of events: evaluated, looked closely, checkpoint due,",
                "failed, ended. Not asking pauses, closing stops",
            ],
        ),
        box(
            16,
            364,
            718,
            58,
            step["reader"],
            "who listens",
            ["the command's bar · the run folder's writer · studies · estimators; the report reads only the folder"],
        ),
        arrow([(206, 53), (250, 53)]),
        arrow([(440, 53), (484, 53)]),
        arrow([(609, 90), (609, 132)]),
        arrow([(609, 206), (609, 248)]),
        arrow([(484, 169), (440, 169)]),
        arrow([(484, 285), (440, 285)]),
        arrow([(228, 322), (228, 364)]),
        arrow([(734, 285), (770, 285), (770, 53), (734, 53)], dashed=True),
        note(616, 231, "or gradients from elsewhere"),
        note(616, 343, "then the next batch"),
    ]
    return svg(790, 438, "The way of a batch: gradients, update, events", parts)


def main() -> None:
    """Write both."""
    (FOLDER / "rooms.svg").write_text(draw_rooms(), "utf-8")
    (FOLDER / "batch.svg").write_text(draw_batch(), "utf-8")


if __name__ == "__main__":
    main()
