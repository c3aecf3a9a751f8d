"""Text as samples: windows of characters with the characters that follow, split by position in the text."""

from __future__ import annotations

from importlib import resources

import numpy as np

from twofold.arrays import Array
from twofold.data.dataset import Dataset, Split
from twofold.data.room import check_room
from twofold.data.splits import held_count
from twofold.engine import NO_ANSWER
from twofold.errors import DataError
from twofold.foreign import read_foreign
from twofold.recipe.text import MOST_CHARACTERS, CharacterText

BUNDLED = "harbour.txt"
"""A text that comes with Twofold."""
MOST_BYTES = 1 << 28
NAMED = {" ": "space", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
"""The names of characters that cannot be seen."""


def character_name(character: str) -> str:
    """A character as the name of a class."""
    if character in NAMED:
        return NAMED[character]
    return character if character.isprintable() else f"U+{ord(character):04X}"


def read_text(spec: CharacterText) -> str:
    """The whole text, line ends as `\\n`. Raises `DataError` for what is no text, with the line."""
    if spec.path is None:
        return (resources.files("twofold") / "data" / "texts" / BUNDLED).read_text("utf-8")
    try:
        content = read_foreign(spec.path, MOST_BYTES)
    except FileNotFoundError as error:
        raise DataError(f"no file {spec.path}; set data.path, or leave it out for the text that comes along") from error
    except OSError as error:
        raise DataError(f"cannot read {spec.path[:200]}: {error.strerror or error}") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(f"{spec.path}:{line}: not UTF-8 text; save the file as UTF-8") from error
    if (at := text.find("\0")) >= 0:
        raise DataError(f"{spec.path}:{text[:at].count(chr(10)) + 1}: the file holds a zero byte: it is no text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def load_text(spec: CharacterText) -> Dataset:
    """The windows of a text. Raises `DataError` where it is too short, or holds too few or too many characters."""
    source, parts = spec.path or "the text", text_parts(spec)
    alphabet = spec.known or "".join(sorted(set(parts["train"])))
    _check_alphabet(alphabet, source)
    splits = {name: _windows(spec, part, alphabet, training=name == "train") for name, part in parts.items()}
    unknown = {character for part in parts.values() for character in part} - set(alphabet)
    notes = ()
    if unknown:
        few = " ".join(character_name(character) for character in sorted(unknown)[:10])
        phrase = f"{len(unknown)} characters that the {'alphabet' if spec.known else 'training text'} does not hold"
        notes = (f"{source}: {phrase} ({few}) are read as an unknown one, and never asked for",)
    classes = tuple(map(character_name, alphabet))
    return Dataset(splits["train"], splits["validation"], splits["test"], classes, notes=notes, alphabet=alphabet)


def text_parts(spec: CharacterText) -> dict[str, str]:
    """The parts of the text by position: train, validation, test. Raises `DataError` for one that is too short."""
    text, source = read_text(spec), spec.path or "the text"
    if not text:
        raise DataError(f"{source}: the file is empty; it must hold a text.")
    held = {"test": held_count("test", spec.test, len(text)), "validation": 0}
    held["validation"] = held_count("validation", spec.validation, len(text))
    end = len(text) - held["test"]
    middle = end - held["validation"]
    parts = {"train": text[: max(middle, 0)], "validation": text[max(middle, 0) : end], "test": text[end:]}
    for name, part in parts.items():
        if len(part) <= spec.length and (part or name == "train"):
            remedy = "Set data.length lower" + (f", or hold out more in `{name}`." if name != "train" else ".")
            raise DataError(
                f"{source}: the {name} part holds {len(part):,} of {len(text):,} characters, too few for a window of "
                f"{spec.length} and the one that follows. {remedy}"
            )
    return parts


def _check_alphabet(alphabet: str, source: str) -> None:
    if len(alphabet) < 2:
        raise DataError(f"{source}: the text holds one character only, {alphabet!r}: nothing is to be learned.")
    if len(alphabet) > MOST_CHARACTERS:
        raise DataError(
            f"{source}: the training text holds {len(alphabet):,} different characters; at most {MOST_CHARACTERS:,} "
            "are taken. Name those that matter in data.alphabet; others are read as an unknown one."
        )


def codes_of(text: str, alphabet: str) -> Array:
    """The place of each character in the alphabet; for one that is not in it, the size of the alphabet."""
    points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    known = np.frombuffer(alphabet.encode("utf-32-le"), np.uint32)
    order = np.argsort(known)
    at = np.minimum(np.searchsorted(known[order], points), len(known) - 1)
    places = order[at]
    return np.where(known[places] == points, places, len(known)).astype(np.int64)


def encoded_characters(codes: Array, size: int, encoding: str) -> Array:
    """Characters (..., steps) as inputs of a network: as their codes, or one-hot."""
    if encoding == "index":
        return codes.astype(np.float32)
    return np.vstack([np.eye(size, dtype=np.float32), np.zeros(size, np.float32)])[codes]


def _windows(spec: CharacterText, text: str, alphabet: str, *, training: bool) -> Split:
    """The windows of a part of the text; in validation and test, no character is asked for twice."""
    codes, length, size = codes_of(text, alphabet), spec.length, len(alphabet)
    usual = length if spec.each_step else 1
    stride = (spec.stride or usual) if training else usual
    begins = np.arange(0, max(len(codes) - length, 0), stride)
    numbers = len(begins) * length * (1 if spec.encoding == "index" else size)
    check_room("the windows of the text", numbers * 4, 'Set data.stride higher, or data.encoding = "index".')
    places = begins[:, None] + np.arange(length)
    x = encoded_characters(codes[places], size, spec.encoding)
    if spec.each_step:
        following = codes[places + 1]
        return Split(x, np.where(following < size, following, NO_ANSWER))
    y = codes[begins + length]
    return Split(x[y < size], y[y < size])
