"""Playing a thing through its scenes: the first plan that gives tensors of the expected shapes, others beside it."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from twofold.proof.check.inside.call import BindingError
from twofold.proof.check.inside.job import Job
from twofold.proof.check.inside.load import LoadingError, place
from twofold.proof.check.inside.names import RECURRENT
from twofold.proof.check.inside.plans import plans

MOST_PLANS = 3
CARRIED = ("plan", "errors", "untold", "fits", "constant_rate", "one_bias", "autograd", "derivative")
INPUTS = ("x", "dy", "mask", "running_mean", "running_var")


class InsideScene:
    """A scene as the process of the user's code gets it: inputs, facts, and the shapes of what is expected."""

    def __init__(self, entry: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        self.name: str = entry["name"]
        self.facts: Mapping[str, Any] = entry["facts"]
        self.arrays = dict(arrays)
        self.shapes = {name: tuple(shape) for name, shape in entry["shapes"].items()}
        self.names: Mapping[str, str] = entry.get("gradients") or {}
        self.parameters = [name for name in self.arrays if name in self.names]

    @property
    def training(self) -> bool:
        """Whether it is a pass of training."""
        return bool(self.facts.get("training", True))

    def gradient(self, parameter: str) -> str:
        """What the gradient of a parameter is called."""
        return self.names[parameter]


def played(thing: Any, job: Job, scenes: list[InsideScene], path: Path) -> tuple[list[dict[str, Any]], str]:
    """What each plan gave, best first: tensors by scene, errors with their place; and why nothing could be bound."""
    results, reason = list[dict[str, Any]](), ""
    for tensors in (False, True) if job.get("torch") else (False,):  # arrays first: torch may be there for others
        job["torch"] = tensors
        found, unbound = _tried(thing, job, scenes, path)
        results += found
        reason = reason or unbound
        if any(result["fits"] and not result["errors"] for result in results):
            break
    results.sort(key=lambda r: (-r["fits"], r["failed"], -r["right_shapes"]))
    return results[:MOST_PLANS], reason


def _tried(thing: Any, job: Job, scenes: list[InsideScene], path: Path) -> tuple[list[dict[str, Any]], str]:
    """The plans of one kind of inputs, until one fits."""
    results, reason = list[dict[str, Any]](), ""
    for plan in plans(thing, job):
        job.pop("constant_rate", None)
        try:
            result = _play(plan, job, scenes, path)
        except BindingError as error:
            reason = reason or str(error)
            continue
        results.append(result)
        if result["fits"] and sum(r["fits"] for r in results) >= MOST_PLANS:
            break
        if result["fits"] and job["section"] == "layers" and result["whole"] and not result["ambiguous"]:
            break
    return results, reason


def _play(plan: Any, job: Job, scenes: list[InsideScene], path: Path) -> dict[str, Any]:
    tensors, errors, right, player = list[dict[str, Any]](), dict[str, str](), 0, None
    untold = list[str]()
    with np.errstate(all="ignore"):
        for number, scene in enumerate(scenes):
            if player is None or scene.facts.get("fresh"):
                player = plan.build()
            player.partial = {}
            if not scene.training and not getattr(player, "knows_mode", lambda: True)():
                untold.append(scene.name)
                tensors.append({})
                continue
            try:
                given = player.play(scene)
            except BindingError:
                raise
            except (SystemExit, KeyboardInterrupt) as error:
                errors[scene.name] = f"the code ends the process: {type(error).__name__}{place(error, path)}"
                tensors.append({})
                continue
            except BaseException as error:
                errors[scene.name] = f"{type(error).__name__}: {str(error)[:300]}{place(error, path)}"
                tensors.append(player.partial)
                if number == 0 and not player.partial:
                    break
                continue
            tensors.append(given)
            right += sum(given[name].shape == shape for name, shape in scene.shapes.items() if name in given)
    first = tensors[0] if tensors else {}
    lead = next(iter(scenes[0].shapes))
    fits = bool(first) and lead in first and first[lead].shape == scenes[0].shapes[lead]
    return {
        "plan": plan.name,
        "tensors": tensors,
        "errors": errors,
        "untold": untold,
        "fits": fits,
        "failed": scenes[0].name in errors,
        "right_shapes": right,
        "whole": bool(first)
        and all(first[name].shape == shape for name, shape in scenes[0].shapes.items() if name in first),
        "constant_rate": bool(job.get("constant_rate")),
        "ambiguous": bool(getattr(player, "ambiguous", False)) or _either_way(job, scenes),
        "one_bias": bool(getattr(player, "one_bias", False)),
        "autograd": bool(getattr(player, "autograd", False)),
        "derivative": bool(getattr(player, "derivative", False)),
    }


def _either_way(job: Job, scenes: Sequence[InsideScene]) -> bool:
    """Whether a loop over time that gives every state may go along either axis: the shapes are the same."""
    return job.kind in RECURRENT and len(scenes[0].shapes.get("y", ())) == 3


@contextlib.contextmanager
def quiet_threads() -> Iterator[None]:
    """One thread for PyTorch: small arrays gain nothing from more."""
    library = sys.modules.get("torch")
    if library is not None:
        library.set_num_threads(1)
        library.manual_seed(0)
    yield


def answered(
    items: Sequence[dict[str, Any]],
    find: Callable[[Job], Any],
    job_type: type[Job],
    path: Path,
    folder: Path,
    torch_is_there: bool,
) -> None:
    """Play every item, and leave what came back in the folder."""
    answers, arrays = list[dict[str, Any]](), dict[str, np.ndarray]()
    for number, item in enumerate(items):
        job = job_type(item, torch=torch_is_there)
        given = load_file(folder / item["scenes_file"])
        scenes = [
            InsideScene(entry, {name: given[f"{i}/{name}"] for name in entry["arrays"]})
            for i, entry in enumerate(item["scenes"])
        ]
        try:
            results, reason = played(find(job), job, scenes, path)
        except LoadingError as error:
            answers.append({"cannot": str(error)})
            continue
        if not results:
            answers.append({"cannot": reason or "no way of calling the object was found"})
            continue
        plans = []
        for place_of_plan, result in enumerate(results):
            for index, tensors in enumerate(result["tensors"]):
                for name, tensor in tensors.items():
                    arrays[f"{number}/{place_of_plan}/{index}/{name}"] = np.array(tensor, order="C")
            plans.append({key: result[key] for key in CARRIED} | {"scenes": len(result["tensors"])})
        answers.append({"plans": plans, "reason": reason})
    write(folder, {"items": answers}, arrays)


def write(folder: Path, answer: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """The result: arrays, and beside them what they are."""
    save_file(arrays, folder / "result.safetensors")
    (folder / "result.json").write_text(json.dumps(answer), "utf-8")
