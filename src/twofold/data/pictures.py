"""Image files, decoded by Pillow: upright, with 8 bits a channel and without transparency."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from twofold.arrays import Array
from twofold.data.published import Progress
from twofold.foreign import open_foreign

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "PPM", "WEBP")
"""The formats that Pillow decodes by itself: for some others it starts a program."""

MOST_IMAGE = 1 << 30
"""Bytes of a file that is opened as an image, at most."""
BITS = (8, 10, 12, 14, 16)
"""How many of the 16 bits of a pixel may be in use: a camera's 10, 12 or 14 are the lower ones."""


@contextmanager
def guarded() -> Iterator[None]:
    """A context for decoding images: a file that would fill memory is an error, other warnings are ignored."""
    import PIL.Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
        yield


def decoded(file: Path, shape: tuple[int, int, int], bits: int | None = None) -> Array:
    """One image as bytes of the shape (channels, height, width).

    `bits`: how many of 16 bits a pixel are in use, for a file that has 16; by default as many as its brightest pixel
    takes.
    """
    from PIL import Image

    channels, height, width = shape
    plain = _with_ink(upright(file, bits)).convert("L" if channels == 1 else "RGB")
    pixels = np.asarray(plain.resize((width, height), Image.Resampling.BILINEAR))
    return pixels.reshape(height, width, channels).transpose(2, 0, 1)


def _with_ink(image: Picture) -> Picture:
    """The image; an icon that is drawn in transparency alone is laid on paper that it stands out from.

    The visible pixels of such an icon have one colour, so that without its transparency nothing would be left of it.
    """
    from PIL import Image

    if not image.has_transparency_data:
        return image
    image = image.convert("RGBA")
    pixels = np.asarray(image)
    colours, alpha = pixels[..., :3], pixels[..., 3]
    visible = colours[alpha > 0]
    if not len(visible) or np.ptp(visible, axis=0).any() or not np.ptp(alpha):
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white" if visible.mean() < 128 else "black"), image)


def on_white(image: Picture) -> Picture:
    """The drawing, with white paper where it is transparent."""
    from PIL import Image

    if not image.has_transparency_data:
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


def upright(file: Path, bits: int | None = None) -> Picture:
    """The image of a file, turned as the camera says, with 8 bits a channel; `bits` as for `decoded`."""
    from PIL import ImageOps

    with _opened(file) as opened:
        image = ImageOps.exif_transpose(opened)
    return _eight_bits(image, bits) if _is_wide(image) else image


def used_bits(files: Sequence[Path], progress: Progress) -> int | None:
    """The number of bits of the brightest pixel among files with 16 bits a pixel; `None` if there is no such file.

    Of other files only the header is read. Files that cannot be decoded are passed over: decoding them later says so.
    """
    brightest = list[int]()
    with guarded():
        for at, file in enumerate(files):
            if at % 1000 == 999:  # fewer take no time
                progress("looking for 16 bits", at, len(files))
            # On damaged files, decoders raise whatever they stumble over.
            with suppress(Exception), _opened(file) as image:
                if _is_wide(image):
                    brightest.append(int(_checked_pixels(image).max()))
    return _bits_holding(max(brightest)) if brightest else None


@contextmanager
def _opened(file: Path) -> Iterator[Picture]:
    """A context with the image of a file, of which Pillow has read the header; it reads pixels when asked for them."""
    from PIL import Image

    with open_foreign(file, MOST_IMAGE) as content, Image.open(content, formats=FORMATS) as opened:
        yield opened


def _is_wide(image: Picture) -> bool:
    """Whether a pixel may take more than 8 bits."""
    return image.mode == "F" or image.mode.startswith("I")


def _eight_bits(image: Picture, bits: int | None) -> Picture:
    """An image of 16 bits a pixel with 8: Pillow's own conversion would turn all above 255 into white."""
    from PIL import Image

    pixels = _checked_pixels(image)
    bits = bits or _bits_holding(int(pixels.max()))
    return Image.fromarray(np.minimum(pixels >> (bits - 8), 255).astype(np.uint8))


def _checked_pixels(image: Picture) -> Array:
    if image.mode == "F":
        raise _RefusedError("holds fractions, of a range that is not known; save it with 8 bits a channel")
    pixels = np.asarray(image)
    if pixels.min() < 0 or pixels.max() >= 1 << 16:
        raise _RefusedError("holds more than 16 bits a pixel; save it with 8 bits a channel")
    return pixels


def _bits_holding(brightest: int) -> int:
    """The fewest of `BITS` that hold a pixel of this brightness."""
    return next(bits for bits in BITS if brightest < 1 << bits)


class _RefusedError(Exception):
    """A rule that an image breaks."""


def image_rule(error: Exception) -> str:
    """The rule that a file breaks, from the error of decoding it."""
    from PIL import Image, UnidentifiedImageError

    match error:
        case _RefusedError():
            return str(error)
        case UnidentifiedImageError():
            return f"is no image of a known format ({', '.join(FORMATS)}); remove or convert it"
        case Image.DecompressionBombWarning() | Image.DecompressionBombError():
            return f"is too large to be opened safely: {str(error).split(',')[0]}; save a smaller copy"
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"is damaged or cannot be read: {reason[:200]}; replace or remove it"
