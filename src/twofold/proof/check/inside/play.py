"""Playing a thing through its scenes by the plans that give tensors of the expected shapes."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypedDict

import numpy as np
from safetensors.numpy import load_file, save_file

from twofold.plain import Plain
from twofold.proof.check.inside.arrays import UnusableError
from twofold.proof.check.inside.call import BindingError
from twofold.proof.check.inside.job import Job
from twofold.proof.check.inside.load import LoadingError, place
from twofold.proof.check.inside.names import RECURRENT
from twofold.proof.check.inside.plans import Plan, Player, plans
from twofold.proof.check.inside.scene import Entry, InsideScene
from twofold.proof.check.inside.theirs import Tensors, Theirs

ENDS = (SystemExit, KeyboardInterrupt)
MOST_PLANS = 3
"""Plans whose results go back."""
CARRIED = ("plan", "errors", "untold", "fits", "constant_rate", "one_bias", "autograd", "derivative")
INPUTS = ("x", "dy", "mask", "running_mean", "running_var")


class Reading(NamedTuple):
    """The result of a plan: tensors by scene, errors with their place, and how well it fits."""

    plan: str
    tensors: list[Tensors]
    errors: dict[str, str]
    untold: list[str]
    """Scenes of evaluation that were skipped because the object cannot be told of it."""
    fits: bool
    """Whether the first tensor of the first scene has the expected shape."""
    failed: bool
    """Whether the first scene raised an error."""
    right_shapes: int
    """Tensors of the expected shape, in all scenes."""
    whole: bool
    """Whether every tensor that the first scene gave has the expected shape."""
    constant_rate: bool
    ambiguous: bool
    """Whether shapes leave more than one way of reading the object."""
    one_bias: bool
    autograd: bool
    derivative: bool


class Item(TypedDict):
    """The keys of a thing in `job.json` that are read here; its `Job` reads the others."""

    scenes: list[Entry]
    scenes_file: str


def played(thing: Theirs, job: Job, scenes: list[InsideScene], path: Path) -> tuple[list[Reading], str]:
    """The results of the plans, best first, and the reason why nothing could be bound, if so."""
    results, reason = list[Reading](), ""
    for tensors in (False, True) if job.get("torch") else (False,):  # arrays first: torch may be there for others
        job["torch"] = tensors
        readings, unbound = _tried(thing, job, scenes, path)
        results += readings
        reason = unbound or reason
        if any(result.fits and not result.errors for result in results):
            break
    if not job["torch"] and _wants_tensors(results):
        importlib.import_module("torch").set_num_threads(1)
        job["torch"] = True
        results += _tried(thing, job, scenes, path)[0]
    results.sort(key=lambda r: (-r.fits, r.failed, -r.right_shapes))
    return results[:MOST_PLANS], reason


def _wants_tensors(results: Sequence[Reading]) -> bool:
    """Whether code that does not import PyTorch needs tensors: it asks arrays for attributes that only these have."""
    errors = [error for reading in results for error in reading.errors.values()]
    played = any(reading.fits and not reading.errors for reading in results)
    lacking = any("'numpy.ndarray' object has no attribute" in error for error in errors)
    return lacking and not played and importlib.util.find_spec("torch") is not None


def _tried(thing: Theirs, job: Job, scenes: list[InsideScene], path: Path) -> tuple[list[Reading], str]:
    """The results of the plans with arrays, or with tensors, until one fits; and why binding failed."""
    results, reason = list[Reading](), ""
    for plan in plans(thing, job):
        job.pop("constant_rate", None)
        _in_double()
        try:
            result = _play(plan, job, scenes, path)
        except BindingError as error:
            reason = reason or str(error)
            continue
        results.append(result)
        if result.fits and sum(r.fits for r in results) >= MOST_PLANS:
            break
        if result.fits and job["section"] == "layers" and result.whole and not result.ambiguous:
            break
    return results, reason


def _play(plan: Plan, job: Job, scenes: list[InsideScene], path: Path) -> Reading:
    record = _through(plan, scenes, path)
    first = record.tensors[0] if record.tensors else {}
    lead = next(iter(scenes[0].shapes))
    fits = bool(first) and lead in first and first[lead].shape == scenes[0].shapes[lead]
    player = record.player
    return Reading(
        plan=plan.name,
        tensors=record.tensors,
        errors=record.errors,
        untold=record.untold,
        fits=fits,
        failed=scenes[0].name in record.errors,
        right_shapes=record.right_shapes,
        whole=bool(first)
        and all(first[name].shape == shape for name, shape in scenes[0].shapes.items() if name in first),
        constant_rate=bool(job.get("constant_rate")),
        ambiguous=bool(getattr(player, "ambiguous", False)) or _either_way(job, scenes, player),
        one_bias=bool(getattr(player, "one_bias", False)),
        autograd=bool(getattr(player, "autograd", False)),
        derivative=bool(getattr(player, "derivative", False)),
    )


@dataclass
class _Played:
    """The results of scenes that were played one after another."""

    player: Player
    tensors: list[Tensors] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    untold: list[str] = field(default_factory=list)
    right_shapes: int = 0


def _through(plan: Plan, scenes: list[InsideScene], path: Path) -> _Played:
    """Play every scene; if the first gives nothing at all, no other is tried."""
    with np.errstate(all="ignore"):
        record = _Played(plan.build())
        for number, scene in enumerate(scenes):
            if number and scene.facts.get("fresh"):
                record.player = plan.build()
            player = record.player
            player.partial = {}
            if not scene.training and not getattr(player, "knows_mode", lambda: True)():
                record.untold.append(scene.name)
                record.tensors.append({})
                continue
            try:
                result = player.play(scene)
            except BindingError:
                raise
            except BaseException as error:
                record.errors[scene.name] = _error_text(error, path)
                record.tensors.append({} if isinstance(error, ENDS) else player.partial)
                if number == 0 and not player.partial and not isinstance(error, ENDS):
                    break
                continue
            record.tensors.append(result)
            record.right_shapes += sum(result[n].shape == shape for n, shape in scene.shapes.items() if n in result)
    return record


def _error_text(error: BaseException, path: Path) -> str:
    """An error with its place in the user's file."""
    if isinstance(error, ENDS):
        return f"the code ends the process: {type(error).__name__}{place(error, path)}"
    kind = "" if isinstance(error, UnusableError) else f"{type(error).__name__}: "
    return f"{kind}{str(error)[:300]}{place(error, path)}"


def _either_way(job: Job, scenes: Sequence[InsideScene], player: Player) -> bool:
    """Whether shapes leave open along which axis time runs, since every state is the output, or is given for it."""
    every = len(scenes[0].shapes.get("y", ())) == 3 or bool(getattr(player, "every", False))
    return job.kind in RECURRENT and every


def _in_double() -> None:
    """What a user's code makes of tensors is float64 like the inputs, unless it says otherwise."""
    library = sys.modules.get("torch")
    if library is not None:
        library.set_default_dtype(library.float64)


@contextlib.contextmanager
def quiet_threads() -> Iterator[None]:
    """One thread for PyTorch: small arrays gain nothing from more."""
    library = sys.modules.get("torch")
    if library is not None:
        library.set_num_threads(1)
        library.manual_seed(0)
    yield


def answered(
    items: Sequence[Item],
    find: Callable[[Job], Theirs],
    job_type: type[Job],
    path: Path,
    folder: Path,
    torch_is_there: bool,
) -> None:
    """Play every item, and write the results into the folder."""
    answers, arrays = list[dict[str, Plain]](), Tensors()
    for number, item in enumerate(items):
        job = job_type(item, torch=torch_is_there)
        inputs = load_file(folder / item["scenes_file"])
        scenes = [
            InsideScene(entry, {name: inputs[f"{i}/{name}"] for name in entry["arrays"]})
            for i, entry in enumerate(item["scenes"])
        ]
        try:
            results, reason = played(find(job), job, scenes, path)
        except (LoadingError, BindingError) as error:
            answers.append({"cannot": str(error)})
            continue
        if not results:
            answers.append({"cannot": reason or "no way of calling the object was found"})
            continue
        plans = []
        for place_of_plan, result in enumerate(results):
            for index, tensors in enumerate(result.tensors):
                for name, tensor in tensors.items():
                    arrays[f"{number}/{place_of_plan}/{index}/{name}"] = np.array(tensor, order="C")
            plans.append({key: getattr(result, key) for key in CARRIED} | {"scenes": len(result.tensors)})
        answers.append({"plans": plans, "reason": reason})
    write(folder, {"items": answers}, arrays)


def write(folder: Path, answer: dict[str, Plain], arrays: Tensors) -> None:
    """Write the results: arrays, and a JSON file that describes them."""
    save_file(arrays, folder / "result.safetensors")
    (folder / "result.json").write_text(json.dumps(answer), "utf-8")
