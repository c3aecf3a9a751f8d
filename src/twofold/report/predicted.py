"""A drawing of images that a network was asked about: the picture, the ink on it, what the network sees."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from twofold.arrays import Array
from twofold.data.drawings import Drawing, as_seen
from twofold.data.pictures import guarded, on_white, upright
from twofold.errors import UserError
from twofold.inference.predicting import Answers
from twofold.recipe.data import Digits, Images, PublishedImages
from twofold.report.drawing import printable, styled
from twofold.report.images import draw_image

MOST = 24
"""Images that are drawn; of more the first."""
ROW, WIDTH = 1.7, 9.0
"""Height of an image's row and width of the whole, in inches."""
HEADINGS = ("the picture", "ink that was found", "what the network sees")
FORMATS = ("png", "svg", "pdf")
LONGEST = 480
"""Pixels of a picture's longer side, as drawn."""


def check_shown(path: Path, data: object) -> None:
    """Raises `UserError` where the file is there, is of no known kind, or the network takes no images."""
    if path.suffix.lower().lstrip(".") not in FORMATS:
        raise UserError(f"--show draws {', '.join(FORMATS)}; got `{path.name}`")
    if path.exists():
        raise UserError(f"{path} exists; choose another --show")
    if not isinstance(data, Digits | PublishedImages | Images):
        raise UserError("--show draws what became of images; this network takes none. Leave it out.")


def draw_predicted(answers: Answers, form: str = "png") -> bytes:
    """A drawing with a row for each image, at most `MOST`, in the format `form`, one of `FORMATS`.

    Each row has the picture, the ink that was found where ink is looked for, what the network is given before it is
    standardized, and in words what was done to it and what is answered.
    """
    names = answers.names[:MOST]
    with styled({}), guarded():
        figure = Figure(figsize=(WIDTH, ROW * len(names) + 0.35), layout="constrained")
        rows = figure.subplots(len(names), 4, squeeze=False, width_ratios=(1.3, 1.3, 1, 1.9))
        for axes, heading in zip(rows[0], HEADINGS, strict=False):
            axes.set_title(heading, loc="left")
        for index, row in enumerate(rows):
            _draw(row, answers, index)
        file = io.BytesIO()
        figure.savefig(file, format=form, dpi=110)
    return file.getvalue()


def _draw(row: Sequence[Axes], answers: Answers, index: int) -> None:
    path = Path(answers.names[index])
    drawing = as_seen(answers.run.data)(path)
    picture = on_white(upright(path)).convert("RGB")
    picture.thumbnail((LONGEST, LONGEST))
    draw_image(row[0], np.asarray(picture).transpose(2, 0, 1), "gray")
    if drawing.ink is None:
        row[1].text(0.5, 0.5, "not looked for", ha="center", va="center", fontsize=8)
        _bare(row[1])
    else:
        draw_image(row[1], _bytes(drawing.ink), "gray")
    draw_image(row[2], drawing.image, "gray")
    _bare(row[3])
    row[3].text(0, 1, _words(answers, index, drawing), va="top", fontsize=8, linespacing=1.4)


def _bytes(ink: Array) -> Array:
    return np.rint(ink * 255).astype(np.uint8)[None]


def _bare(axes: Axes) -> None:
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)


def _words(answers: Answers, index: int, drawing: Drawing) -> str:
    """The file, what was done to it, and each engine's answer."""
    name = printable(Path(answers.names[index]).name, index + 1, 34)
    lines = [name, *(textwrap.fill(what, 36, initial_indent="· ", subsequent_indent="  ") for what in drawing.done)]
    for engine in answers.outputs:
        answer = answers.answer(engine, index)
        lines.append(f"{engine}: {printable(answer.class_name, index, 16)}, {answers.measure} {answer.value:.3f}")
    if expected := answers.expected[index]:
        lines.append(f"expected: {printable(expected, index, 20)}")
    return "\n".join(lines)
