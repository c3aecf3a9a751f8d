"""Augmentation of training images: each epoch sees another variant of every image, evaluation the images themselves."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt

from twofold.recipe.base import Fields, Part

Stage = Annotated[tuple[Annotated[int, Field(ge=1)], Annotated[float, Field(gt=0, le=1)]], Field(strict=False)]
"""Pixels a side, share of the training."""


class Augmentation(Part):
    """Variants of the training images, drawn by step and place: the same for every engine, and after a resumption.

    How far `adversarial` moves an image is drawn likewise; the direction is that of each engine's own gradient.
    """

    flip: Literal["none", "random", "alternating"] = "none"
    """Mirror images left to right: each with probability 1/2, or `alternating`, half of them in even epochs and the
    other half in odd ones, so that two epochs show every image both ways."""
    translate: NonNegativeInt = 0
    """Shift by a whole number of pixels, at most this many, along each axis."""
    padding: Literal["zeros", "reflect"] = "zeros"
    """What fills the pixels that a translated image leaves free: zeros of the data as they are stored (for bytes:
    black), or the image mirrored at its border."""
    cutout: NonNegativeInt = 0
    """Side of a square of the image that is set to what the network sees as 0; its centre lies anywhere."""
    shift: NonNegativeFloat = 0.0
    """Shift by any number of pixels, at most this many, along each axis. `shift`, `rotate`, `zoom` and `elastic` are
    one resampling together, linear between pixels, 0 beyond the border."""
    rotate: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Rotate about the centre, by at most this many degrees."""
    zoom: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Look at the image from a distance that is at most this share shorter or longer."""
    elastic: NonNegativeFloat = 0.0
    """Bend the image: every pixel comes from this many pixels away along each axis (root mean square)."""
    elastic_scale: Annotated[float, Field(ge=2)] = 7.0
    """Pixels between the points at which the bending is drawn; between these it is smooth."""
    adversarial: NonNegativeFloat = 0.0
    """Move each image towards a higher loss: x + r g / ‖g‖, g = ∂loss/∂x of the image that the network sees, r drawn
    for each image between 0 and this. A step then takes a second pass forward and back, which finds g."""
    grow: Annotated[tuple[Stage, ...], Field(strict=False)] = ()
    """`[[24, 0.5]]`: images of 24 x 24 pixels for the first half of the training, then whole ones: the first steps,
    which learn coarse features, cost less. Several pairs follow each other. For networks that take images of any
    size."""

    @classmethod
    def conflicts(cls, values: Fields) -> list[str]:
        total = sum(share for _, share in values.get("grow", ()))
        return [f"the shares of `grow` must add up to at most 1; got {total:g}"] if total > 1 else []

    @property
    def any(self) -> bool:
        """Whether images are varied at all."""
        return self.varies or self.adversarial > 0

    @property
    def varies(self) -> bool:
        """Whether variants of images are drawn before an engine gets them."""
        unset = {name: getattr(self, name) for name in ("padding", "elastic_scale", "adversarial")}
        return self != Augmentation(**unset)

    @property
    def resamples(self) -> bool:
        """Whether pixels of a variant are interpolated between pixels of the image."""
        return bool(self.shift or self.rotate or self.zoom or self.elastic)
