"""Text as a source of samples: windows of characters, with the next character as the class."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, field_validator

from twofold.recipe.base import Fields, Shape, unwritten_at
from twofold.recipe.source import DataSpec, Holdout, Share, Task

MOST_CHARACTERS = 1000
"""Different characters of a text, at most."""


BUNDLED_ALPHABET = '\n ",.?AGIOSTWabcdefghiklmnoprstuvwy'
"""The characters of the built-in text."""


class CharacterText(DataSpec):
    """A text, character by character: the network reads a window of characters and predicts the next one.

    A network whose last recurrent layer gives every step answers at every step; one that gives the last or the mean
    answers once a window. The text is split by position: its end is the test, the part before that the validation.
    """

    source: Literal["text"] = "text"
    path: Annotated[str, Field(min_length=1)] | None = None
    """A file of text in UTF-8; a relative path starts at the recipe's own folder. Left out, a small built-in text."""
    length: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Characters of a window: what the network reads at once."""
    stride: PositiveInt | None = Field(default=None, exclude_if=unwritten_at(None))
    """Characters from the beginning of one window of the training text to that of the next; left out, `length` if every
    step is answered, else 1."""
    encoding: Literal["one_hot", "index"] = "one_hot"
    """How a character enters the network: one-hot, all 0 for one that the training text does not hold; or as its place
    in the alphabet, for an `embedding`, whose last row is for unknown characters: num_embeddings is one more than the
    alphabet has characters."""
    test: Share = 0.1
    """The share of the text, at its end, that is the test."""
    validation: Holdout = 0.0
    """The part before the test that is validated on: a share of the text below 1, or a whole number of characters."""
    alphabet: str | None = Field(default=None, exclude_if=unwritten_at(None))
    """The characters that the network knows, in their order; left out, those of the training text."""
    each_step: bool = Field(default=False, exclude_if=unwritten_at(False))
    """Whether every step is answered. It need not be set: the network tells it."""

    @field_validator("alphabet")
    @classmethod
    def _different(cls, alphabet: str | None) -> str | None:
        if alphabet is not None and (len(set(alphabet)) != len(alphabet) or len(alphabet) < 2):
            raise ValueError(f"`alphabet` must hold two characters or more, each once; got {alphabet[:40]!r}")
        return alphabet

    @classmethod
    def conflicts(cls, values: Fields) -> list[str]:
        if values.get("standardize", "none") == "none":
            return []
        return ["`standardize` is for quantities; characters have none: leave it out"]

    @property
    def sample_shape(self) -> Shape:
        return (self.length,) if self.encoding == "index" else (self.length, self.class_count)

    @property
    def class_count(self) -> int | None:
        return None if self.known is None else len(self.known)

    @property
    def known(self) -> str | None:
        """The alphabet if it is known without reading the file, else `None`."""
        return self.alphabet if self.alphabet or self.path else BUNDLED_ALPHABET

    @property
    def answers_steps(self) -> bool:
        return True

    def asked(self, task: Task, each_step: bool = False) -> CharacterText:
        return self.model_copy(update={"each_step": each_step})
