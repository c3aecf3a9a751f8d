"""Text as a source of samples: windows of characters, of which the next one is the class."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, field_validator

from twofold.recipe.base import Fields, Shape, unwritten_at
from twofold.recipe.source import DataSpec, Holdout, Share, Task

MOST_CHARACTERS = 1000
"""Different characters of a text, at most."""


BUNDLED_ALPHABET = '\n ",.?AGIOSTWabcdefghiklmnoprstuvwy'
"""The characters of the text that comes along."""


class CharacterText(DataSpec):
    """A text, character by character: the network reads some and answers which one comes next.

    A network that ends with every step answers at each of them; one that ends with the last or the mean answers once a
    window. The text is divided by position: its end is the test, what stands before that the validation.
    """

    source: Literal["text"] = "text"
    path: Annotated[str, Field(min_length=1)] | None = None
    """A file of text in UTF-8; a relative path starts at the recipe's own folder. Left out, a small text that comes
    along."""
    length: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Characters of a window: what the network reads at once."""
    stride: PositiveInt | None = Field(default=None, exclude_if=unwritten_at(None))
    """Characters from the beginning of one window of the training text to that of the next; left out, a window's
    length where every step is answered, else 1."""
    encoding: Literal["one_hot", "index"] = "one_hot"
    """How a character enters: as numbers of which one is 1, all 0 for one that the training text does not hold; or as
    its place in the alphabet for an `embedding`, whose last row is for such characters: num_embeddings is one more than
    the alphabet has."""
    test: Share = 0.1
    """The share of the text, at its end, that is the test."""
    validation: Holdout = 0.0
    """What stands before it and is validated on: a share of the text below 1, or a whole number of characters."""
    alphabet: str | None = Field(default=None, exclude_if=unwritten_at(None))
    """The characters that there are, in their order; those of the training text where left out."""
    each_step: bool = Field(default=False, exclude_if=unwritten_at(False))
    """Whether every step is answered. The network says so: it need not be set."""

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
        """The characters, where the file need not be read to know them."""
        return self.alphabet if self.alphabet or self.path else BUNDLED_ALPHABET

    @property
    def answers_steps(self) -> bool:
        return True

    def asked(self, task: Task, each_step: bool = False) -> CharacterText:
        return self.model_copy(update={"each_step": each_step})
