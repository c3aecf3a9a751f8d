"""Text written by a network that was trained to predict the next character."""

from __future__ import annotations

import math
from pathlib import Path

from twofold.engine.threads import few_threads
from twofold.errors import UserError
from twofold.inference.predicting import trained
from twofold.recipe.text import CharacterText
from twofold.runs import Run, opened
from twofold.setup.building import restore
from twofold.train.writing import written

MOST_CHARACTERS = 100_000
"""Characters that one call may write."""


def write_text(
    run: Run | str | Path,
    characters: int = 200,
    *,
    start: str = "",
    temperature: float = 1.0,
    seed: int = 0,
    engines: str | None = None,
) -> dict[str, str]:
    """The continuation of `start` that each engine of a run writes, `characters` long, by engine.

    Each character is drawn from the probabilities p of the next one, given as many before it as the network was trained
    on: P(k) ∝ p(k)^(1 / temperature). Below 1 the likely ones become likelier; at 0 the likeliest is taken. The same
    `seed` draws the same, in both engines. Without a `start` it begins after a line end, where the text holds some.

    Raises `UserError` for a run of other data, for a start with a character that the text does not hold, and for
    `characters` or `temperature` out of range.
    """
    run = opened(run)
    data = run.recipe.data
    if not isinstance(data, CharacterText):
        raise UserError(f"{run.path} was not trained on a text (source `{data.source}`); it writes none")
    if not 1 <= characters <= MOST_CHARACTERS:
        raise UserError(f"`sample` is a number of characters, 1 to {MOST_CHARACTERS:,}; got {characters}")
    if not (math.isfinite(temperature) and temperature >= 0):
        raise UserError(f"`temperature` must be a number of 0 or more; got {temperature}")
    alphabet = data.alphabet or ""
    unknown = sorted(set(start) - set(alphabet))
    if unknown:
        known = "".join(alphabet).replace("\n", "\\n")
        raise UserError(f"the text that was trained on holds no {unknown[0]!r}; it holds {known!r}")
    chosen = trained(run, engines)
    with few_threads(run.recipe, 1):
        return {
            name: written(restore(run, name, device="cpu"), run.recipe, characters, start, (temperature, seed))
            for name in chosen
        }
