"""A drawing or a photograph of a handwritten digit, made to look like the published digits: light ink on black.

LeCun et al., 1998: MNIST's digits fill a box of 20x20 pixels in the middle of 28x28, by their centre of mass. Those of
scikit-learn fill their 8x8 pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from twofold.arrays import Array
from twofold.data.ink import LONGEST, find_ink
from twofold.data.pictures import decoded, on_white, upright
from twofold.recipe.data import DataSpec, Digits, FashionMnist, Images, Kmnist, Mnist

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

BOXES = {28: 20, 8: 8}
"""The side of the box that the ink fills, in pixels, by the side of the image."""
LIGHT = 127
"""The brightness above which the border of a small image is taken for white paper."""
CUT = 0.2
"""The strength, as a share of the strongest ink, above which a pixel counts as ink when an image is cut to it."""
PEN = 1 / 11
"""Width of a stroke over the longer side of the digit, below which strokes are thickened: MNIST's are an eighth."""


class Drawing(NamedTuple):
    """The image of a digit, and how it was made from a picture."""

    image: Array
    """The image that a network is given: bytes (1, side, side)."""
    done: list[str]
    """Phrases on what was done to the picture; empty for an image like the published ones."""
    ink: Array | None = None
    """The ink of the picture from 0 to 1, (height, width), at most `LONGEST` pixels long; `None` if it was not looked
    for."""


def drawn(file: Path, side: int) -> Drawing:
    """The digit of a picture, `side` pixels high and wide.

    An image of that size is taken as it is; one that is dark on light is turned. In a picture of another size the ink
    is found, cut out, shrunk to the box and placed as in the published digits.
    """
    picture = on_white(upright(file)).convert("L")
    sheet = np.asarray(_shrunk(picture))
    if sheet.shape == (side, side):
        done = list[str]()
        # Of a small image the border is paper.
        if np.median(border(sheet)) > LIGHT:
            sheet = 255 - sheet
            done.append("dark on light, turned to light on dark")
        done += [] if np.ptp(sheet) else ["no ink was found: all its pixels are alike"]
        return Drawing(sheet[None], done)
    ink, done = find_ink(sheet)
    if not ink.any():
        plain = picture.resize((side, side), _bilinear())
        return Drawing(np.asarray(plain)[None], done, ink)
    cut, thickened = _thick_enough(_cut(ink), side)
    done = [*done, *(["thin strokes were thickened"] if thickened else []), "cut to the ink and centred"]
    return Drawing(_placed(cut * 255, side, BOXES[side])[None], done, ink)


def _shrunk(picture: Picture) -> Picture:
    """The picture, shrunk so that it is at most `LONGEST` pixels long."""
    factor = LONGEST / max(picture.size)
    if factor >= 1:
        return picture
    width, height = (max(1, round(size * factor)) for size in picture.size)
    return picture.resize((width, height), _bilinear())


def _bilinear() -> int:
    from PIL import Image

    return Image.Resampling.BILINEAR


def border(pixels: Array) -> Array:
    """The outermost pixels of an image (height, width)."""
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])


def _cut(ink: Array) -> Array:
    """The smallest rectangle of the image that holds all ink."""
    rows, columns = (np.flatnonzero((ink > CUT).any(axis=axis)) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _thick_enough(ink: Array, side: int) -> tuple[Array, bool]:
    """The ink, and whether thin strokes were thickened to `PEN`, so that they do not fade when the digit shrinks.

    The width of a stroke is four times the mean distance of its pixels to the paper.
    """
    from scipy import ndimage

    mask = np.pad(ink > 0.5, 1)
    if side != 28 or max(ink.shape) < 2 * side or not mask.any():
        return ink, False
    width = 4 * float(np.asarray(ndimage.distance_transform_edt(mask))[mask].mean())
    missing = round(PEN * max(ink.shape) - width)
    if missing < 2:
        return ink, False
    wide = np.pad(ink, missing)
    disc = np.hypot(*np.indices((missing + 1, missing + 1)) - missing / 2) <= missing / 2
    return _cut(ndimage.grey_dilation(wide, footprint=disc)), True


def _placed(ink: Array, side: int, box: int) -> Array:
    """An image with the ink shrunk to the box by its longer side, and its centre of mass as near the middle as fits."""
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


ImageReader = Callable[[Path], Drawing]
"""A function that makes the file of an image into a network's input."""


def as_seen(data: DataSpec) -> ImageReader:
    """The function by which an image file becomes a sample of these data."""
    channels, height, width = (size or 0 for size in data.sample_shape)
    if isinstance(data, Mnist | Digits):
        return lambda file: drawn(file, height)
    bits = data.bits if isinstance(data, Images) else None
    return lambda file: _picture(
        decoded(file, (channels, height, width), bits), isinstance(data, FashionMnist | Kmnist)
    )


def _picture(x: Array, on_black: bool) -> Drawing:
    """The image, turned to light on dark if it is dark on light and the data have a black border (`on_black`)."""
    done = list[str]()
    if not np.ptp(x, axis=(1, 2)).any():
        done.append("the image is blank: all its pixels are alike")
    elif on_black and np.median(border(x[0])) > LIGHT:
        x = 255 - x
        done.append("dark on light, turned to light on dark")
    return Drawing(x, done)
