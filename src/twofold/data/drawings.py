"""A drawing or a photograph of a handwritten digit, made into what the published digits are: light ink on black.

LeCun et al., 1998: MNIST's digits fill a box of 20x20 pixels in the middle of 28x28, by their centre of mass. Those of
scikit-learn fill their 8x8 pixels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from twofold.arrays import Array
from twofold.data.folders import on_white, upright

BOXES = {28: 20, 8: 8}
"""Height and width of the box that the ink fills, by those of the image."""
LIGHT = 127
"""Paper is lighter than this."""
INK = 0.2
"""Share of the strongest ink: what is weaker may be a shadow or a mark of compression."""
SPECK = 0.1
"""Share of the largest part's pixels below which a part is a speck, and no stroke."""
FAINT = 16
"""Ink that stands out from the paper by less is none."""


def drawn(file: Path, side: int) -> tuple[Array, list[str]]:
    """The digit as bytes (1, side, side), and what was done to it: nothing to an image that is as the published are.

    Ink that is darker than the border is turned light. An image of another size is cut to its ink, which is shrunk to
    the box and put where the published digits have theirs.
    """
    from PIL import Image

    pixels = np.asarray(on_white(upright(file)).convert("L"))
    done = []
    # Of a small image the border is paper; a photograph may have a frame, and is paper for the most part.
    paper = _border(pixels) if pixels.shape == (side, side) else pixels
    if np.median(paper) > LIGHT:
        pixels = 255 - pixels
        done.append("dark on light, turned to light on dark")
    if pixels.shape == (side, side):
        return pixels[None], done if np.ptp(pixels) else [*done, "no ink was found: all its pixels are alike"]
    ink, cleaned = _clean(np.clip(pixels - float(np.median(pixels)), 0, None))
    done += cleaned
    if ink.max() < FAINT:
        plain = Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR)
        return np.asarray(plain)[None], [*done, "no ink was found"]
    done.append("cut to the ink and centred")
    return _placed(_cut(ink * (255 / ink.max())), side, BOXES[side])[None], done


def _clean(ink: Array) -> tuple[Array, list[str]]:
    """The ink without what is no stroke of a digit: a shadow, a frame or ruled lines at the edge, specks; and what was
    done. Nothing is taken away that would leave no ink.

    A shadow is paler than ink and wider than any stroke: what is left of it under a grey opening of a quarter of the
    image is paper. Parts are what hangs together, corners too, above `INK` of the strongest ink.
    """
    from scipy import ndimage

    done, side = list[str](), max(3, min(ink.shape) // 4)
    paper = ndimage.gaussian_filter(ndimage.grey_opening(ink, (side, side)), side / 4)
    if paper.max() >= FAINT:
        level = np.clip(ink - paper, 0, None)
        if level.max() >= max(FAINT, 0.5 * float(paper.max())):
            ink = level
            done.append("a shadow was taken away")
    labelled: tuple[Array, int] = ndimage.label(ink > INK * ink.max(), np.ones((3, 3)))  # pyright: ignore[reportAssignmentType]
    parts, count = labelled
    if count < 2:
        return ink, done
    numbers = np.arange(1, count + 1)
    sizes = ndimage.sum_labels(np.ones_like(ink), parts, numbers)
    at_edge = np.isin(numbers, _border(parts))
    inside = numbers[~at_edge]
    if len(inside) and sizes[inside - 1].max() >= SPECK * sizes.max() and at_edge.any():
        ink = np.where(np.isin(parts, numbers[at_edge]), 0, ink)
        done.append("what reaches the edge was taken away")
    else:
        inside = numbers
    large = inside[sizes[inside - 1] >= SPECK * sizes[inside - 1].max()]
    if len(large) < len(inside):
        ink = np.where((parts == 0) | np.isin(parts, large), ink, 0)
        done.append(f"{len(inside) - len(large)} specks were taken away")
    near = ndimage.binary_dilation(np.isin(parts, large), iterations=2)
    return np.where(near, ink, 0) if done else ink, done


def _border(pixels: Array) -> Array:
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])


def _cut(ink: Array) -> Array:
    """The smallest part that holds all ink."""
    rows, columns = (np.flatnonzero((ink > INK * ink.max()).any(axis=axis)) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _placed(ink: Array, side: int, box: int) -> Array:
    """Shrunk to the box as it is long, its centre of mass in the middle as far as the image reaches."""
    from PIL import Image

    factor = box / max(ink.shape)
    height, width = (max(1, round(size * factor)) for size in ink.shape)
    small = np.asarray(
        Image.fromarray(np.rint(ink).astype(np.uint8)).resize((width, height), Image.Resampling.BILINEAR)
    )
    image = np.zeros((side, side), np.uint8)
    weights = small.astype(np.float64) + 1e-9
    top, left = (
        min(
            max(round((side - 1) / 2 - float(np.average(np.arange(size), weights=weights.sum(axis=axis)))), 0),
            side - size,
        )
        for size, axis in ((height, 1), (width, 0))
    )
    image[top : top + height, left : left + width] = small
    return image
