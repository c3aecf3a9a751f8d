"""What a recipe says to the page: which controls it hides or locks, and a text for whoever opens it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from twofold.recipe.base import Part

Section = Literal["data", "layers", "loss", "optimizer", "schedule", "initial", "augmentation", "training", "recipe"]
Sections = Annotated[tuple[Section, ...], Field(strict=False)]


class Hints(Part):
    """For `twofold page`, in lessons: it changes nothing of what is trained."""

    hide: Sections = ()
    """Tables whose controls are not shown; `recipe` is the text itself."""
    lock: Sections = ()
    """Tables whose controls are shown and cannot be changed."""
    note: Annotated[str, Field(max_length=4000)] = ""
    """A text above the pictures: paragraphs, with `code` between backticks."""
