"""A recipe's hints to the page: which controls it hides or locks, and a text for the reader."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from twofold.recipe.base import Part

Section = Literal["data", "layers", "loss", "optimizer", "schedule", "initial", "augmentation", "training", "recipe"]
Sections = Annotated[tuple[Section, ...], Field(strict=False)]


class Hints(Part):
    """Hints for `twofold page`, used in lessons: they change nothing of what is trained."""

    hide: Sections = ()
    """Tables whose controls are not shown; `recipe` is the recipe's text."""
    lock: Sections = ()
    """Tables whose controls are shown and cannot be changed."""
    note: Annotated[str, Field(max_length=4000)] = ""
    """A text above the pictures: paragraphs, with `code` between backticks."""
