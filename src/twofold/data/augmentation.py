"""Random variants of images, applied to whole batches outside the engines.

What an image becomes is a function of the seed, of the step or epoch, and of the image's place: a run that was resumed
in the middle of an epoch sees what it would have seen without the interruption. Images that are bytes stay bytes, so
that a batch stays as small as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, Self, final

import numpy as np

from twofold.arrays import Array
from twofold.data.dataset import Split
from twofold.recipe.augmentation import Augmentation
from twofold.recipe.training import Training
from twofold.streams import stream


@final
class Augmenter:
    """The augmentation of a recipe for the samples of `train`."""

    def __init__(self, spec: Augmentation, seed: int, train: Split, steps: int) -> None:
        """`steps`: the length of the training, of which the image sizes take their shares."""
        self.spec = spec
        self.seed = seed
        self.samples = len(train)
        self.neutral = _neutral(train)
        ends = np.cumsum([share for _, share in spec.grow]) * steps
        self.sizes = [(round(end), size) for end, (size, _) in zip(ends, spec.grow, strict=True)]

    def __call__(self, x: Array, chosen: Array, epoch: int, step: int) -> Array:
        """The variants of a batch of images (n, channels, height, width), whose places among the samples are `chosen`.

        x itself may be changed.
        """
        spec = self.spec
        if spec.flip != "none":
            turned = self._mirrored(chosen, epoch)
            x[turned] = mirrored(x[turned])
        if spec.translate:
            offsets = stream(self.seed, "translate", step).integers(0, 2 * spec.translate + 1, (len(x), 2))
            x = translated(x, offsets, spec.translate, spec.padding)
        if spec.resamples:
            x = self._resampled(x, step)
        if spec.cutout:
            self._cut(x, stream(self.seed, "cutout", step))
        size = next((size for end, size in self.sizes if step < end), None)
        return x if size is None else resized(x, size)

    def _mirrored(self, chosen: Array, epoch: int) -> Array:
        """Which images are mirrored, (n,). `alternating`: those that were not mirrored in the epoch before."""
        alternates = self.spec.flip == "alternating"
        draw = _coins(self.seed, self.samples, 0 if alternates else epoch)
        return draw[chosen] ^ bool(alternates and epoch % 2)

    def _resampled(self, x: Array, step: int) -> Array:
        spec, rng = self.spec, stream(self.seed, "resample", step)
        angles = np.radians(rng.uniform(-spec.rotate, spec.rotate, len(x)))
        shifts = rng.uniform(-spec.shift, spec.shift, (len(x), 2))
        scales = 1 + rng.uniform(-spec.zoom, spec.zoom, len(x))
        places = affine_places(angles, scales, shifts, x.shape[2], x.shape[3])
        if spec.elastic:
            places += spec.elastic * bent(rng, len(x), x.shape[2], x.shape[3], spec.elastic_scale)
        return resampled(x, places)

    def _cut(self, x: Array, rng: np.random.Generator) -> None:
        side = self.spec.cutout
        rows, columns = (rng.integers(0, size, len(x)) - side // 2 for size in x.shape[2:])
        for image, row, column in zip(x, rows, columns, strict=True):
            image[:, max(row, 0) : row + side, max(column, 0) : column + side] = self.neutral


@lru_cache(maxsize=2)
def _coins(seed: int, samples: int, epoch: int) -> Array:
    """One toss of a coin for each sample: the same for every batch of an epoch."""
    return stream(seed, "flip", epoch).random(samples) < 0.5


def translated(x: Array, offsets: Array, most: int, padding: str) -> Array:
    """Each image's own cut, at `offsets` from 0 to 2 `most`, out of the image with `most` pixels around it."""
    height, width = x.shape[2:]
    around = ((0, 0), (0, 0), (most, most), (most, most))
    wide = np.pad(x, around, mode="reflect" if padding == "reflect" else "constant")
    cuts = np.lib.stride_tricks.sliding_window_view(wide, (height, width), axis=(2, 3))
    return cuts[np.arange(len(x)), :, offsets[:, 0], offsets[:, 1]]


def affine_places(angles: Array, scales: Array, shifts: Array, height: int, width: int) -> Array:
    """The place in the old image of each pixel of the new one: (n, 2, height, width), rows then columns, in pixels."""
    rows = np.arange(height, dtype=np.float32)[:, None] - (height - 1) / 2
    columns = np.arange(width, dtype=np.float32) - (width - 1) / 2
    cos, sin = ((scales * f(angles)).astype(np.float32)[:, None, None] for f in (np.cos, np.sin))
    places = np.stack([cos * rows - sin * columns, sin * rows + cos * columns], axis=1)
    centre = np.array([(height - 1) / 2, (width - 1) / 2])
    places += (centre + shifts).astype(np.float32)[:, :, None, None]
    return places


def bent(rng: np.random.Generator, n: int, height: int, width: int, scale: float) -> Array:
    """Smooth random displacements, (n, 2, height, width), of root mean square 1 over images.

    Drawn as N(0, 1) on a coarse grid, `scale` pixels from point to point, and joined by cubic B-splines, which need
    two small matrix products. Simard et al., Best practices for convolutional neural networks (2003), draw a number for
    every pixel and filter.
    """
    down, across = _splines(height, scale), _splines(width, scale)
    grid = rng.standard_normal((n, 2, down.shape[1], across.shape[1]), dtype=np.float32)
    return down @ grid @ across.T


def _splines(size: int, scale: float) -> Array:
    """Weights of the grid's points for each pixel, (size, points); their squares add up to 1."""
    count = int(np.ceil((size - 1) / scale)) + 3
    distance = np.abs(np.arange(size)[:, None] / scale - (np.arange(count) - 1))
    near, far = 2 / 3 - distance**2 + distance**3 / 2, np.clip(2 - distance, 0, None) ** 3 / 6
    weights = np.where(distance < 1, near, far)
    return (weights / np.sqrt((weights**2).sum(axis=1, keepdims=True))).astype(np.float32)


def resampled(x: Array, places: Array) -> Array:
    """Images with the values of `places`, linear between pixels, 0 beyond the border, in the type of x."""
    from scipy.ndimage import map_coordinates

    n, channels, height, width = x.shape
    samples = np.broadcast_to(np.arange(n, dtype=np.float32)[:, None, None], (n, height, width))
    where = np.stack([samples, places[:, 0], places[:, 1]])
    values = np.stack(
        [map_coordinates(x[:, channel], where, output=np.float32, order=1) for channel in range(channels)], axis=1
    )
    return (np.rint(values) if x.dtype == np.uint8 else values).astype(x.dtype)


def resized(x: Array, size: int) -> Array:
    """Images of `size` by `size` pixels, in the type of x: each pixel a weighted mean of those it covers."""
    down, across = (_triangles(old, size) for old in x.shape[2:])
    values = down @ x.astype(np.float32) @ across.T
    return (np.rint(values) if x.dtype == np.uint8 else values).astype(x.dtype)


@lru_cache(maxsize=8)
def _triangles(old: int, new: int) -> Array:
    """Weights of the old pixels for each new one, (new, old): a triangle two new pixels wide; rows add up to 1."""
    ratio = old / new
    centres = (np.arange(new) + 0.5) * ratio - 0.5
    weights = np.clip(1 - np.abs(np.arange(old) - centres[:, None]) / max(ratio, 1), 0, None)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _neutral(train: Split) -> Array:
    """The pixel that the network sees as 0, broadcast against a sample: the mean of standardized images, else black."""
    if train.scaling is None:
        return np.zeros((1, 1, 1), train.x.dtype)
    return np.rint(train.scaling.shift.mean(axis=(1, 2), keepdims=True)).astype(train.x.dtype)


def mirrored(x: Array) -> Array:
    """Images with left and right exchanged: a view."""
    return x[..., ::-1]


class Views(NamedTuple):
    """The views of an image that a network is asked about in an evaluation: as it is, mirrored, moved."""

    mirror: bool = False
    """Whether the mirrored image is asked about too."""
    shift: int = 0
    """Also moved by so many pixels up and left, and down and right, each with half the weight of the image itself."""

    @classmethod
    def of(cls, training: Training) -> Self:
        """The views that a recipe asks for."""
        return cls(training.flip_test, training.shift_test)

    def judged(self, predict: Callable[[Array], Array], x: Array) -> Array:
        """The weighted mean of `predict` over all views of the images `x`."""
        outputs = predict(x)
        if self.shift:
            height, width = x.shape[2:]
            around = (self.shift, self.shift)
            wide = np.pad(x, ((0, 0), (0, 0), around, around), mode="reflect")
            ends = (0, 2 * self.shift)
            moved = [np.ascontiguousarray(wide[..., end : end + height, end : end + width]) for end in ends]
            outputs = (2 * outputs + sum(predict(part) for part in moved)) / 4
        if self.mirror:
            outputs = (outputs + self._replace(mirror=False).judged(predict, mirrored(x))) / 2
        return outputs
