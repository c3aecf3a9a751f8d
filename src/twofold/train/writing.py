"""Text that a network writes by predicting the next character, character by character."""

from __future__ import annotations

import json

import numpy as np

from twofold.arrays import Array
from twofold.data.text import codes_of, encoded_characters
from twofold.engine import Engine
from twofold.recipe import Recipe
from twofold.recipe.text import CharacterText
from twofold.runs import Run
from twofold.setup.building import restore
from twofold.setup.outputs import probabilities
from twofold.streams import stream

SMALLEST = 1e-30
"""Probabilities are raised to at least this before their logarithm is taken."""
CHARACTERS, TEMPERATURE = 300, 0.8
"""Length and temperature of the text that is written at the end of a training."""


def sample_of(run: Run) -> str:
    """The text of `sample.json`: what each engine that has ended writes; empty where the data are no text."""
    if not isinstance(run.recipe.data, CharacterText):
        return ""
    texts = {
        name: written(restore(run, name, device="cpu"), run.recipe, CHARACTERS, "", (TEMPERATURE, 0))
        for name in run.engines
    }
    content = {"temperature": TEMPERATURE, "seed": 0, "texts": texts}
    return json.dumps(content, indent=2, ensure_ascii=False)


def written(engine: Engine, recipe: Recipe, characters: int, start: str, how: tuple[float, int]) -> str:
    """The `characters` that an engine writes after `start`; `how` is the temperature and the seed of the draws."""
    data, (temperature, seed) = recipe.data, how
    assert isinstance(data, CharacterText)
    alphabet = data.alphabet or ""
    rng = stream(seed, "a text")
    codes = list(codes_of(start or ("\n" if "\n" in alphabet else alphabet[0]), alphabet))
    begin = len(codes)
    for _ in range(characters):
        window = np.array(codes[-data.length :], np.int64)
        outputs = engine.predict(encoded_characters(window[None], len(alphabet), data.encoding))
        last = outputs[0, -1] if outputs.ndim == 3 else outputs[0]
        codes.append(_drawn(_chances(recipe, last, temperature), rng))
    return "".join(alphabet[code] for code in codes[begin:])


def _chances(recipe: Recipe, outputs: Array, temperature: float) -> Array:
    p = probabilities(recipe.model, outputs[None])
    p = np.maximum(outputs.astype(np.float64), 0) if p is None else p[0]
    if temperature == 0:
        return (np.arange(len(p)) == p.argmax()).astype(np.float64)
    logarithms = np.log(np.maximum(p, SMALLEST)) / temperature
    chances = np.exp(logarithms - logarithms.max())
    return chances / chances.sum()


def _drawn(chances: Array, rng: np.random.Generator) -> int:
    """A code drawn with these chances: where their running sum passes a number drawn from 0 to 1."""
    return int(min(np.searchsorted(np.cumsum(chances), rng.random(), side="right"), len(chances) - 1))
