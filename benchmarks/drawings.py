"""Digits on paper, photographed badly: how many a network of MNIST still reads through `twofold predict`.

    TWOFOLD_DATA=... python benchmarks/drawings.py [DISTURBANCE ...]

No sheet here was drawn by hand or photographed. Half of the digits are test images of MNIST, which the network never
saw, enlarged to strokes of some twenty pixels and put somewhere on a sheet; half are drawn by this program, from
curves with random slant, proportions and pen. Each is tried as it is and under every disturbance. With names, only
these are measured anew. The network is kept under runs/drawings.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage
from timing import DOCS, publish, table, written

import twofold
from twofold.data import load_data
from twofold.recipe.data import Mnist

RUN = Path("runs/drawings")
PAGE = DOCS / "drawings.md"
EACH = 10
"""Digits of each class, of MNIST and by the program each."""
SHEET = (480, 640)
PAPER, INK = 228.0, 45.0
"""Brightness of the paper and of the pen."""

Page = np.ndarray
"""Brightness (height, width), 0 to 255."""
Rng = np.random.Generator

SKELETONS: dict[int, list[list[tuple[float, float]]]] = {
    0: [[(0.5, 0), (0.1, 0.15), (0.05, 0.6), (0.3, 1), (0.7, 1), (0.95, 0.5), (0.85, 0.1), (0.5, 0)]],
    1: [[(0.35, 0.2), (0.55, 0), (0.53, 0.5), (0.5, 1)]],
    2: [[(0.1, 0.25), (0.35, 0), (0.8, 0.08), (0.8, 0.4), (0.4, 0.75), (0.05, 1)], [(0.05, 1), (0.5, 0.97), (1, 1)]],
    3: [
        [(0.1, 0.1), (0.5, 0), (0.9, 0.15), (0.75, 0.4), (0.4, 0.47)],
        [(0.4, 0.47), (0.85, 0.55), (0.9, 0.85), (0.5, 1), (0.05, 0.9)],
    ],
    4: [[(0.5, 0), (0.3, 0.3), (0.05, 0.65)], [(0.05, 0.65), (0.5, 0.63), (1, 0.6)], [(0.75, 0.25), (0.72, 1)]],
    5: [[(0.9, 0), (0.5, 0.02), (0.2, 0.03)], [(0.2, 0.03), (0.15, 0.4)],
        [(0.15, 0.42), (0.6, 0.38), (0.95, 0.65), (0.65, 0.97), (0.05, 0.95)]],
    6: [[(0.75, 0), (0.3, 0.3), (0.08, 0.7), (0.35, 1), (0.8, 0.9), (0.75, 0.6), (0.4, 0.55), (0.12, 0.75)]],
    7: [[(0.05, 0.05), (0.5, 0.05), (0.95, 0.02)], [(0.95, 0.02), (0.6, 0.5), (0.4, 1)]],
    8: [[(0.8, 0.12), (0.45, 0), (0.15, 0.2), (0.45, 0.45), (0.85, 0.72), (0.5, 1), (0.1, 0.8), (0.45, 0.48),
         (0.8, 0.25), (0.8, 0.12)]],
    9: [[(0.85, 0.2), (0.5, 0), (0.12, 0.2), (0.35, 0.48), (0.8, 0.4), (0.87, 0.15)],
        [(0.87, 0.15), (0.82, 0.6), (0.7, 1)]],
}  # fmt: skip
"""Points of each stroke, across and down in a box of 1 by 1; a curve goes through them."""


def of_mnist(rng: Rng) -> list[tuple[int, Page]]:
    """Ink from 0 to 1 of test images, enlarged 13 to 17 times."""
    test, chosen = load_data(Mnist()).test, []
    for digit in range(10):
        for index in rng.choice(np.flatnonzero(test.y == digit), EACH, replace=False):
            large = ndimage.zoom(test.x[index, 0] / 255.0, float(rng.uniform(13, 17)), order=3)
            chosen.append((digit, _cut(np.clip((ndimage.gaussian_filter(large, 3) - 0.35) / 0.2, 0, 1))))
    return chosen


def by_program(rng: Rng) -> list[tuple[int, Page]]:
    """Ink from 0 to 1 of curves through the points of `SKELETONS`, moved a little, slanted, with a round pen."""
    return [(digit, _stroked(SKELETONS[digit], rng)) for digit in range(10) for _ in range(EACH)]


def _stroked(strokes: list[list[tuple[float, float]]], rng: Rng) -> Page:
    from scipy.interpolate import CubicSpline

    height, pen = rng.uniform(240, 320), rng.uniform(9, 17)
    width, slant = height * rng.uniform(0.5, 0.75), rng.uniform(-0.05, 0.3)
    image = Image.new("L", (800, 600))
    draw = ImageDraw.Draw(image)
    for stroke in strokes:
        points = np.array(stroke) + rng.normal(0, 0.02, (len(stroke), 2))
        curve = CubicSpline(np.linspace(0, 1, len(points)), points)(np.linspace(0, 1, 400)) if len(points) > 2 else (
            np.linspace(points[0], points[-1], 400)
        )  # fmt: skip
        for across, down in curve:
            x, y = 250 + across * width + (1 - down) * slant * height, 150 + down * height
            draw.ellipse((x - pen, y - pen, x + pen, y + pen), fill=255)
    return _cut(np.asarray(image) / 255.0)


def _cut(ink: Page) -> Page:
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def on_paper(ink: Page, rng: Rng, pen: float = INK) -> tuple[Page, Page]:
    """The sheet with the ink somewhere on it, and the ink on its own."""
    whole = np.zeros(SHEET)
    top, left = (int(rng.integers(25, max(26, room - size - 25))) for room, size in zip(SHEET, ink.shape, strict=True))
    ink = ink[: SHEET[0] - top, : SHEET[1] - left]
    whole[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return PAPER + (pen - PAPER) * whole + rng.normal(0, 2, SHEET), whole


def _specks(page: Page, ink: Page, rng: Rng) -> Page:
    """Three dark dots of 4 to 12 pixels away from the ink."""
    away, y, x = np.asarray(ndimage.distance_transform_edt(ink < 0.1)), *np.indices(SHEET)
    for _ in range(3):
        radius = rng.uniform(4, 12)
        rows, columns = np.nonzero(away > radius + 15)
        at = rng.integers(len(rows))
        page = np.where(np.hypot(y - rows[at], x - columns[at]) < radius, 30, page)
    return page


def _on_a_table(page: Page, ink: Page, rng: Rng) -> Page:
    """A dark table is seen around the sheet, 10 to 22 pixels of it on each side."""
    top, left, bottom, right = (int(width) for width in rng.integers(10, 23, 4))
    table = np.full(SHEET, 50.0) + rng.normal(0, 4, SHEET)
    table[top:-bottom, left:-right] = page[top:-bottom, left:-right]
    return table


def _boxed(page: Page, ink: Page, rng: Rng) -> Page:
    """A box drawn around the digit, 8 to 20 pixels away, with a line of 4 pixels."""
    rows, columns = (np.flatnonzero((ink > 0.1).any(axis=axis)) for axis in (1, 0))
    image = Image.fromarray(np.clip(page, 0, 255).astype(np.uint8))
    gap = int(rng.integers(8, 20))
    box = (int(columns[0]) - gap, int(rows[0]) - gap, int(columns[-1]) + gap, int(rows[-1]) + gap)
    ImageDraw.Draw(image).rectangle(box, outline=60, width=4)
    return np.asarray(image, np.float64)


def _lines(along: int, rng: Rng) -> Page:
    """White but for grey lines of two pixels every 40 to 56, which stand across the axis `along`."""
    every = int(rng.integers(40, 57))
    return np.where((np.indices(SHEET)[along] + rng.integers(every)) % every < 2, 130.0, 255.0)


def _ruled(page: Page, ink: Page, rng: Rng) -> Page:
    """Lines of an exercise book, through the digit too."""
    return np.minimum(page, _lines(0, rng))


def _squared(page: Page, ink: Page, rng: Rng) -> Page:
    """Lines both ways."""
    return np.minimum(np.minimum(page, _lines(0, rng)), _lines(1, rng))


def _shadow(page: Page, ink: Page, rng: Rng) -> Page:
    """The shadow of a hand or a telephone over about half of the sheet, with a soft edge."""
    y, x = np.indices(SHEET)
    angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-60, 60)
    side = (y - SHEET[0] / 2) * np.sin(angle) + (x - SHEET[1] / 2) * np.cos(angle) - offset
    return page * (1 - 0.55 / (1 + np.exp(-side / 6)))


def _lamp(page: Page, ink: Page, rng: Rng) -> Page:
    """A lamp on one side: the other has a third of its light."""
    y, x = np.indices(SHEET)
    angle = rng.uniform(0, 2 * np.pi)
    side = (y / SHEET[0] - 0.5) * np.sin(angle) + (x / SHEET[1] - 0.5) * np.cos(angle)
    return page * np.clip(0.67 + 0.6 * side, 0.3, 1)


def _noise(page: Page, ink: Page, rng: Rng) -> Page:
    """A dark room: noise of a tenth of the range, and one pixel in 200 black or white."""
    noisy, struck = page + rng.normal(0, 25, SHEET), rng.random(SHEET)
    return np.where(struck < 0.0025, 0, np.where(struck > 0.9975, 255, noisy))


def _turned(page: Page, ink: Page, rng: Rng) -> Page:
    """The sheet 10 to 15 degrees askew."""
    angle = float(rng.uniform(10, 15) * rng.choice((-1, 1)))
    return ndimage.rotate(page, angle, reshape=False, order=1, mode="nearest")


def _jpeg(page: Page, ink: Page, rng: Rng) -> Page:
    """Sent by a messenger: JPEG of quality 8."""
    file = io.BytesIO()
    Image.fromarray(np.clip(page, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=8)
    return np.asarray(Image.open(file), np.float64)


def _cut_neighbour(page: Page, ink: Page, rng: Rng) -> Page:
    """Half of another stroke at the edge of the picture."""
    image = Image.fromarray(np.clip(page, 0, 255).astype(np.uint8))
    middle = float(rng.uniform(100, SHEET[0] - 100))
    ImageDraw.Draw(image).ellipse((SHEET[1] - 14, middle - 60, SHEET[1] + 60, middle + 60), outline=45, width=14)
    return np.asarray(image, np.float64)


Disturbance = Callable[[Page, Page, Rng], Page]
DISTURBANCES: dict[str, Disturbance] = {
    "none": lambda page, ink, rng: page,
    "dark specks": _specks,
    "a table around the sheet": _on_a_table,
    "a box around the digit": _boxed,
    "ruled paper": _ruled,
    "squared paper": _squared,
    "a shadow": _shadow,
    "a lamp on one side": _lamp,
    "noise": _noise,
    "out of focus": lambda page, ink, rng: ndimage.gaussian_filter(page, 7),
    "askew": _turned,
    "chalk on a board": lambda page, ink, rng: 255 - page,
    "pale pencil": lambda page, ink, rng: PAPER - 40 * ink + rng.normal(0, 4, SHEET),
    "JPEG of quality 8": _jpeg,
    "a stroke at the edge": _cut_neighbour,
    "shadow, ruled paper and noise": lambda page, ink, rng: _noise(_shadow(_ruled(page, ink, rng), ink, rng), ink, rng),
}


def sheets(digits: list[tuple[int, Page]], disturb: Disturbance, folder: Path, seed: int) -> list[Path]:
    """The files of the digits on paper, disturbed."""
    files = []
    for number, (digit, ink) in enumerate(digits):
        rng = np.random.default_rng((seed, number))
        page = disturb(*on_paper(ink, rng), rng)
        files.append(folder / f"{number:03}-{digit}.png")
        Image.fromarray(np.clip(np.rint(page), 0, 255).astype(np.uint8)).save(files[-1])
    return files


def right(run: twofold.Run, digits: list[tuple[int, Page]], files: list[Path]) -> list[bool]:
    """Whether each is answered by its digit."""
    answers = twofold.predict(run, files, engines="torch")
    classes = [answers.answer("torch", index).class_name for index in range(len(files))]
    return [name == str(digit) for name, (digit, _) in zip(classes, digits, strict=True)]


def network() -> twofold.Run:
    """LeNet, five epochs in PyTorch."""
    if not RUN.exists():
        twofold.run("mnist-lenet", overrides={"training.epochs": 5}, engines="torch", out=RUN)
    return twofold.open_run(RUN)


def main() -> None:
    run = network()
    kinds = {"of MNIST": of_mnist(np.random.default_rng(5)), "by program": by_program(np.random.default_rng(6))}
    rows = {row[0]: row for row in written(PAGE)}
    for number, (name, disturb) in enumerate(DISTURBANCES.items()):
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        shares = []
        for digits in kinds.values():
            with tempfile.TemporaryDirectory() as folder:
                answered = right(run, digits, sheets(digits, disturb, Path(folder), number))
            shares.append(f"{sum(answered)} of {len(answered)}")
        rows[name] = [name, *shares]
        print(*rows[name], flush=True)
    test = run.engines["torch"]["test_accuracy"]
    text = (
        f"`mnist-lenet` after {run.recipe.training.epochs} epochs, whose accuracy on MNIST's own test images is "
        f"{test:.4f}, is asked with `twofold predict` about sheets of {SHEET[1]}x{SHEET[0]} pixels.\n"
        "**No sheet was drawn by hand or photographed.** The digits of the first column are test images of MNIST, "
        "enlarged to strokes and put somewhere on a sheet; those of the second\nare curves drawn by the program with "
        "random slant, proportions and pen, which MNIST does not hold. The disturbances are computed, too.\n"
        "The steps that find the ink were written while a twentieth of these sheets was looked at.\n\n"
    )
    header = ["disturbance", *(f"digits {kind}" for kind in kinds)]
    publish("drawings", "Digits on paper", text + table(header, [rows[name] for name in DISTURBANCES if name in rows]))


if __name__ == "__main__":
    main()
