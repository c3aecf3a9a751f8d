"""What passes between the check and the process of a user's code: items with their scenes, and the answers to them.

Only arrays in safetensors and JSON, never pickles. What comes back is read as untrusted: the code may have written it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NotRequired, TypedDict

import numpy as np
from safetensors.numpy import load, save_file

from twofold.arrays import Array
from twofold.foreign import read_foreign
from twofold.plain import Parsed
from twofold.proof.mistakes import Scene, Tensors
from twofold.proof.mistakes.base import Settings

MOST_RESULT = 60_000_000
"""Bytes of the longest file of results that is read."""
MOST_TOLD = 2_000
"""Characters kept of a reason or an error."""
RESULT, ARRAYS = "result.json", "result.safetensors"


class Item(TypedDict):
    """One object to be run, with its scenes. `expected` never reaches the process of the user's code."""

    object: str
    kind: str
    section: str
    settings: Settings
    float32: bool
    scenes: Sequence[Scene]
    expected: Sequence[Tensors]
    gradients: Mapping[str, str]
    arguments: Mapping[str, str]
    transposed: NotRequired[bool]


@dataclass(frozen=True)
class Played:
    """One plan of calling an object, and what running it by that plan showed, as reported by its process."""

    plan: str
    errors: Mapping[str, str]
    untold: Sequence[str]
    """Scenes outside training for which the object offers no way to say so."""
    fits: bool
    """Whether the first tensor of the first scene has the right shape."""
    constant_rate: bool
    """Whether an optimizer cannot be told of another rate."""
    one_bias: bool
    autograd: bool
    derivative: bool
    """Whether the way back takes no dy: its result was taken for f'(x), and multiplied by dy."""
    scenes: int

    @classmethod
    def read(cls, plan: Parsed, scenes: Sequence[Scene]) -> Played:
        """A plan for these scenes from the other process's JSON. Raises any error for anything else."""
        flags = {name: bool(plan[name]) for name in ("fits", "constant_rate", "one_bias", "autograd", "derivative")}
        errors = {str(scene): str(error)[:MOST_TOLD] for scene, error in plan["errors"].items()}
        untold, count = [str(scene) for scene in plan["untold"]], int(plan["scenes"])
        evaluated = {scene.name for scene in scenes if not scene.training}
        if not (1 <= count <= len(scenes) and {*errors} <= {scene.name for scene in scenes} and {*untold} <= evaluated):
            raise ValueError("another number of scenes, or others, than were to be played")
        return cls(str(plan["plan"]), errors, untold, scenes=count, **flags)


@dataclass(frozen=True)
class Answer:
    """The result of one item: tensors by plan and scene, errors by scene; or why there are none."""

    cannot: str = ""
    """Why nothing could be checked: the file does not import, the object is not there, no call fits."""
    ended: str = ""
    """How the process ended where it did not give an answer: a limit, a crash, an exit."""
    plans: Sequence[Played] = ()
    tensors: Sequence[Sequence[Mapping[str, Array]]] = ()
    printed: str = field(default="", repr=False)


def write_items(folder: Path, work: dict[str, str | float], items: Sequence[Item]) -> None:
    """Write what the process is to play: `job.json`, and the arrays of each item's scenes."""
    listed = []
    for number, item in enumerate(items):
        name = f"scenes-{number}.safetensors"
        arrays = {
            f"{i}/{key}": np.array(array, order="C")
            for i, scene in enumerate(item["scenes"])
            for key, array in scene.arrays.items()
        }
        save_file(arrays, folder / name)
        scenes = [
            {
                "name": scene.name,
                "facts": dict(scene.facts),
                "arrays": list(scene.arrays),
                "shapes": {key: list(np.shape(tensor)) for key, tensor in expected.items()},
                "gradients": item["gradients"],
            }
            for scene, expected in zip(item["scenes"], item["expected"], strict=True)
        ]
        entry = {key: value for key, value in item.items() if key not in ("scenes", "expected", "gradients")}
        listed.append({**entry, "scenes": scenes, "scenes_file": name})
    (folder / "job.json").write_text(json.dumps({**work, "items": listed}), "utf-8")


def read_answers(folder: Path, items: Sequence[Item], printed: str) -> list[Answer]:
    """The answer to each item, from what the process left. Raises whatever error its files give, of any type."""
    answer = json.loads(read_foreign(folder / RESULT, MOST_RESULT))
    arrays = load(read_foreign(folder / ARRAYS, MOST_RESULT))
    if "cannot" in answer:
        return [Answer(cannot=str(answer["cannot"])[:MOST_TOLD], printed=printed)] * len(items)
    if any(array.dtype.kind not in "fiub" for array in arrays.values()):
        raise ValueError("an array that holds no real numbers")
    numbered = enumerate(zip(items, answer["items"], strict=True))
    return [_answer(item, told, _of_item(number, arrays), printed) for number, (item, told) in numbered]


def _of_item(number: int, arrays: Mapping[str, Array]) -> dict[str, Array]:
    head = f"{number}/"
    return {name.removeprefix(head): array for name, array in arrays.items() if name.startswith(head)}


def _answer(item: Item, told: Parsed, arrays: Mapping[str, Array], printed: str) -> Answer:
    if "cannot" in told:
        return Answer(cannot=str(told["cannot"])[:MOST_TOLD], printed=printed)
    plans = [Played.read(plan, item["scenes"]) for plan in told["plans"]]
    if not plans:
        raise ValueError("no plan")
    tensors = [[dict[str, Array]() for _ in range(plan.scenes)] for plan in plans]
    for key, array in arrays.items():
        plan, scene, name = key.split("/", 2)
        tensors[int(plan)][int(scene)][name] = array
    return Answer("", "", plans, tensors, printed)
