"""Adopt an object of a Python file: the file runs in a process of its own, and arrays and JSON come back.

The module is traced, converted and proved over there, where it is. What comes back is read as untrusted: the recipe and
the weights by the readers of any file, and the network's answers are computed again on this side and compared.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from twofold.arrays import Arrays
from twofold.errors import AdoptError, UserError
from twofold.exchange.adopted import Adopted, LossName, Wanted, loaded_engine
from twofold.exchange.proof import STAGES, Proof, gap_of_same_form
from twofold.foreign import read_foreign, read_json
from twofold.plain import Parsed
from twofold.proof.check.sandbox import run_apart
from twofold.recipe import Recipe, dump, load_recipe, loads
from twofold.runs.tensors import read_tensors

SECONDS = 300
"""Seconds that the other process may take."""
ORDER = "order.json"
MOST_TEXT = 1 << 20
"""Bytes of a JSON file, or of what the process printed, that are read."""
TOLERANCE = 1e-9
RECIPE, WEIGHTS, ANSWERS, PROOF, REFUSAL = (
    "recipe.toml",
    "weights.safetensors",
    "answers.safetensors",
    "proof.json",
    "refusal.json",
)


class Order(NamedTuple):
    """What the other process is asked for."""

    file: str
    attribute: str
    shape: tuple[int, ...] | None
    name: str
    loss: LossName | None
    data: str | None
    """A recipe as TOML, whose data and training are taken over."""
    out: str
    """The folder in which it answers."""


def adopt_script(file: Path, attribute: str, shape: tuple[int, ...] | None, wanted: Wanted) -> Adopted:
    """The recipe, weights and proof of the object `attribute` of a file; see `twofold.adopt`.

    The object is a module, or a function or class that gives one when it is called. The file may define `sample`, a
    batch; else `shape` says what one sample is like.
    """
    if not file.is_file():
        raise UserError(f"no file {file}")
    if not attribute.isidentifier():
        raise UserError(f"name the object of the file: {file}:model; got `{attribute}`")
    with tempfile.TemporaryDirectory(prefix="twofold-adopt-") as folder:
        out = Path(folder)
        data = dump(load_recipe(wanted.data)) if wanted.data is not None else None
        order = Order(str(file.resolve()), attribute, shape, wanted.name, wanted.loss, data, folder)
        _run(order, file)
        if (out / REFUSAL).is_file():
            refusal = _json(out / REFUSAL, ("reason", "layer", "operator", "nearest"))
            raise AdoptError(**{key: str(value) for key, value in refusal.items()})
        if not (out / PROOF).is_file():  # which is written last
            raise AdoptError(
                f"{file} ended its process before its module was adopted",
                nearest="Let it only build the model, without sys.exit()",
            )
        return _received(out)


def _run(order: Order, file: Path) -> None:
    """Run the other process, set apart like that of `check`. Raises `AdoptError` where it fails or takes too long."""
    out = Path(order.out)
    (out / ORDER).write_text(json.dumps(order._asdict()), "utf-8")
    status = run_apart([sys.executable, "-m", "twofold.exchange.inside", str(out / ORDER)], out, SECONDS)
    if status == "time":
        raise AdoptError(f"{file} has not ended after {SECONDS} s", nearest="Let it only build the model")
    if status:
        with (out / "stderr").open("rb") as printed:
            printed.seek(-min(MOST_TEXT, (out / "stderr").stat().st_size), 2)
            text = printed.read(MOST_TEXT).decode("utf-8", "replace")
        lines = [line for line in text.splitlines() if line.strip()]
        last_words = "".join(c if c.isprintable() else "?" for c in lines[-1][:300]) if lines else "nothing"
        raise AdoptError(f"{file} ended with status {status}; it said: {last_words}")


def _received(out: Path) -> Adopted:
    """The adopted model that the other process wrote, checked as any file is; its answers are computed again."""
    recipe = _recipe(out / RECIPE)
    network, dtype = recipe.network, recipe.training.dtype
    shapes = {**network.parameters, **network.buffers}
    expected = {name: (tuple(size or 0 for size in shape), dtype) for name, shape in shapes.items()}
    weights = dict(read_tensors(out / WEIGHTS, expected))
    proof, origins = _proof(_json(out / PROOF, ("witness", "steps", "comparisons", "largest", "origins")))
    if len(origins) != len(recipe.layers):
        raise AdoptError("the proof that came back is of another number of layers")
    answers = read_tensors(out / ANSWERS)
    _check_answers(recipe, answers)
    return Adopted(recipe, weights, proof, origins)


def _proof(facts: Mapping[str, Parsed]) -> tuple[Proof, tuple[str, ...]]:
    """The proof of checked facts and the original's name of each layer. Raises `AdoptError` for one that failed."""
    try:
        largest = {str(stage): float(size) for stage, size in dict(facts["largest"]).items() if stage in STAGES}
        origins = tuple(_printable(origin) for origin in list(facts["origins"]))
        steps, comparisons = int(facts["steps"]), int(facts["comparisons"])
    except (TypeError, ValueError, OverflowError) as error:
        raise AdoptError(f"{PROOF} that came back is not what was asked for") from error
    if set(largest) != set(STAGES) or not all(size <= TOLERANCE for size in largest.values()):
        raise AdoptError("the proof that came back is not one that passed")
    tolerances: dict[str, float] = dict.fromkeys(STAGES, TOLERANCE)
    return Proof(_printable(facts["witness"]), steps, comparisons, largest, tolerances, None), origins


def _check_answers(recipe: Recipe, answers: Arrays) -> None:
    """Raises `AdoptError` where the adopted network, in float64, answers otherwise here than the module did there."""
    weights = {name.removeprefix("weight "): array for name, array in answers.items() if name.startswith("weight ")}
    try:
        engine = loaded_engine(recipe.model, weights)
        size = gap_of_same_form(engine.predict(answers["x"].astype(np.float64)), answers["y"])
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise AdoptError(f"{ANSWERS} that came back is of another network: {error}") from error
    if not size <= TOLERANCE:
        raise AdoptError(f"computed again here, its answers differ: relative gap {size:.1e}, {TOLERANCE:g} allowed")


def _recipe(path: Path) -> Recipe:
    try:
        return loads(read_foreign(path, MOST_TEXT).decode("utf-8"), "the adopted recipe")
    except (OSError, UnicodeDecodeError) as error:
        raise AdoptError(f"{path.name} that came back cannot be read: {error}") from error


def _json(path: Path, keys: tuple[str, ...]) -> dict[str, Parsed]:
    try:
        fields = read_json(path, MOST_TEXT)
    except (OSError, ValueError) as error:
        raise AdoptError(f"{path.name} that came back cannot be read: {error}") from error
    if not isinstance(fields, dict) or set(fields) != set(keys):
        raise AdoptError(f"{path.name} that came back is not what was asked for")
    return {key: _printable(value) if isinstance(value, str) else value for key, value in fields.items()}


def _printable(text: object) -> str:
    """The text with `?` for control characters, which a terminal would obey, and at most 2,000 characters."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in str(text)[:2000])
