"""Finding the ink in a picture of a sheet: under uneven light, beside tables, frames, ruled lines and specks.

Each step is told in words, and is skipped where it would leave no ink.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np

from twofold.arrays import Array

LONGEST = 480
"""Pixels of the longer side at which ink is looked for: a stroke is then some three to thirty wide."""
FAINT = 0.06
"""A pixel that differs from the paper by a smaller share of the paper's brightness is no ink."""
WEAK, STRONG = 0.3, 0.6
"""Shares of the strongest ink: parts above the first that contain something above the second are ink."""
SPECK = 0.08
"""Share of the largest part's pixels below which a part is a speck, and no stroke."""
RULE = 0.3
"""Share of the sheet's width or height that a straight line must run to be one of the paper's own."""
THIN = 0.013
"""Share of the sheet's longer side beyond which a line is too thick to be one of the paper's own."""
CORNERS = np.ones((3, 3))
"""The neighbourhood of a pixel: those that touch at a corner belong to the same part."""


class Ink(NamedTuple):
    """The ink of a sheet."""

    strength: Array
    """The ink at each pixel, (height, width): from 0 for paper to 1 where it is strongest."""
    done: list[str]
    """Phrases on what was done to find the ink."""


def find_ink(sheet: Array) -> Ink:
    """The ink of a sheet (height, width) in bytes; all of `strength` is 0 where there is none.

    The paper's brightness is estimated around each pixel by a grey closing wider than any stroke, so that the edge of a
    shadow stays sharp. Ink is what differs from it, with hysteresis: a pale part counts if it is joined to a strong
    one.
    """
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(sheet.astype(np.float64), 1.0 if max(sheet.shape) > 100 else 0.0)
    smooth, turned = _dark_on_light(smooth)
    done = ["dark on light, turned to light on dark"] if turned else []
    paper = _paper(smooth)
    ink = np.clip(1 - smooth / np.maximum(paper, 1), 0, 1)
    if np.ptp(paper[paper > 0.5 * np.median(paper)]) > 0.3 * np.median(paper):
        done.append("uneven light was taken out")
    ink[ink < max(FAINT, 4 * _noise(ink))] = 0
    if not ink.any():
        return Ink(ink, [*done, "no ink was found"])
    mask, cleaned = _strokes(ink)
    strongest = float(np.quantile(ink[mask], 0.9))
    near = ndimage.binary_dilation(mask, CORNERS, iterations=2)
    return Ink(np.where(near, np.clip(ink / strongest, 0, 1), 0), [*done, *cleaned])


def _dark_on_light(sheet: Array) -> tuple[Array, bool]:
    """The sheet, inverted if its paper was dark, and whether its paper was light as it came.

    Ink is small in area but differs from the paper by much. So the sign of the sum of cubed differences from the paper,
    within the inner part of the sheet, says whether the ink is darker: cubes weigh few large differences above many
    small ones.
    """
    from scipy import ndimage

    height, width = sheet.shape
    inner = sheet[height // 12 : height - height // 12, width // 12 : width - width // 12]
    few = inner[:: max(1, height // 60), :: max(1, width // 60)]
    away = few - ndimage.median_filter(few, max(3, min(few.shape) // 2))
    dark = float((away**3).sum()) < 0 if np.ptp(away) else float(np.median(sheet)) > 127
    return (sheet, True) if dark else (255 - sheet, False)


def _paper(sheet: Array) -> Array:
    """The brightness of the paper under each pixel of a light sheet."""
    from scipy import ndimage

    size = max(3, min(sheet.shape) // 4)
    return ndimage.gaussian_filter(ndimage.grey_closing(sheet, (size, size)), size / 12)


def _noise(ink: Array) -> float:
    """The standard deviation of the paper's brightness, estimated by the median, which strokes do not move."""
    return float(np.median(np.abs(ink - np.median(ink)))) / 0.6745


def _strokes(ink: Array) -> tuple[Array, list[str]]:
    """A mask of the strokes, without pale marks, ruled lines, frames, specks and what reaches the edge; and notes."""
    top = float(np.quantile(ink[ink > 0], 0.95))
    weak = ink > WEAK * top
    parts, _ = _parts(weak)
    mask = np.isin(parts, np.unique(parts[ink > STRONG * top])) & weak
    pale = weak.sum() - mask.sum() > SPECK * mask.sum()
    done = ["pale marks were taken away"] if pale else []
    for what, remove in (
        ("lines of the paper were taken away", _without_lines),
        ("what reaches the edge was taken away", _without_edge),
        ("a frame was taken away", _without_frame),
        ("{} specks were taken away", _without_specks),
    ):
        remaining, count = remove(mask)
        if count and remaining.any():
            mask = remaining
            done.append(what.format(count) if count > 1 else what.format("a").replace("specks were", "speck was"))
    return mask, done


def _without_lines(mask: Array) -> tuple[Array, int]:
    """The mask without thin lines that cross a large part of the sheet, in any direction; and how many were removed.

    If strokes are thicker than lines, every thin and long part is removed. If the pen is thin, only what is straight
    along an axis is; where a stroke crosses a line, the mask is thicker than the line, and stays.
    """
    from scipy import ndimage

    thick = max(3, round(THIN * max(mask.shape)))
    body = _opened(mask, thick, thick)
    thin = mask & ~np.asarray(ndimage.binary_dilation(body, CORNERS, iterations=thick // 2), bool)
    parts, _ = _parts(thin)
    long = [
        number
        for number, (rows, columns) in enumerate(ndimage.find_objects(parts), 1)
        if rows.stop - rows.start > RULE * mask.shape[0] or columns.stop - columns.start > RULE * mask.shape[1]
    ]
    if body.sum() > 2e-3 * mask.size:
        return mask & ~np.isin(parts, long), min(1, len(long))
    left = mask & ~_straight(mask, thick) & ~_straight(mask.T, thick).T
    return left, int(left.sum() < mask.sum())


def _straight(mask: Array, thick: int) -> Array:
    """The pixels of straight lines along the second axis, except where something crosses them."""
    from scipy import ndimage

    line = _opened(ndimage.binary_closing(mask, np.ones((1, 5))), 1, round(RULE * mask.shape[1]))
    crossing = _opened(mask, thick + 2, 1)
    return ndimage.binary_dilation(line, np.ones((3, 1))) & ~crossing


def _opened(mask: Array, height: int, width: int) -> Array:
    """The morphological opening of a mask: the pixels that a rectangle of this size covers while inside it."""
    from scipy import ndimage

    opened = mask.astype(np.uint8)
    for axis, size in enumerate((height, width)):
        opened = ndimage.minimum_filter1d(opened, size, axis, mode="constant")
    for axis, size in enumerate((height, width)):
        # Centred the other way round where the size is even.
        opened = ndimage.maximum_filter1d(opened, size, axis, mode="constant", origin=-1 + size % 2)
    return np.asarray(opened, bool)


def _parts(mask: Array) -> tuple[Array, Array]:
    """The number of the connected part that each pixel is in, 0 for none; and how many pixels each part has."""
    from scipy import ndimage

    parts, count = cast(tuple[Array, int], ndimage.label(mask, CORNERS))
    return parts, np.bincount(parts.ravel(), minlength=count + 1)[1:]


def _without_edge(mask: Array) -> tuple[Array, int]:
    """The mask without parts that reach the edge, such as a table or a cut neighbour, if a large part does not."""
    parts, sizes = _parts(mask)
    edge = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
    outer = np.unique(edge[edge > 0])
    inner = np.setdiff1d(np.arange(1, len(sizes) + 1), outer)
    if not len(outer) or not len(inner) or sizes[inner - 1].max() < 1e-3 * mask.size:
        return mask, 0
    return np.isin(parts, inner), 1


def _without_frame(mask: Array) -> tuple[Array, int]:
    """The mask without a part that surrounds another large one: a box that was drawn around the digit."""
    from scipy import ndimage

    parts, sizes = _parts(mask)
    for number in np.flatnonzero(sizes > SPECK * sizes.max()) + 1:
        part = parts == number
        inside = ndimage.binary_fill_holes(part) & ~part & mask
        if inside.sum() > 0.15 * part.sum() and _parts(inside)[1].max() > SPECK * sizes.max():
            return inside, 1
    return mask, 0


def _without_specks(mask: Array) -> tuple[Array, int]:
    """The mask without parts that are small beside the largest, and how many were removed."""
    parts, sizes = _parts(mask)
    large = np.flatnonzero(sizes >= SPECK * sizes.max()) + 1
    return np.isin(parts, large), len(sizes) - len(large)
