"""A user's code in a process of its own: a time limit, a memory limit, a temporary folder, its output kept apart.

Only arrays in safetensors and JSON pass between the processes, never pickles; nothing that the process says of itself
counts. `ENFORCED` names the limits that the operating system enforces, `NOT_ENFORCED` what nothing enforces.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NotRequired, TypedDict

import numpy as np
from safetensors.numpy import load, save_file

from twofold.arrays import Array
from twofold.plain import Parsed
from twofold.proof.check.request import Limits
from twofold.proof.mistakes import Scene, Tensors
from twofold.proof.mistakes.base import Settings

ENFORCED = "processor time, wall time, memory (Linux), the size of what is written, the length of what is printed"
NOT_ENFORCED = (
    "reading other files of this user, and the network: where submissions are not trusted, run the check in a "
    "container or under an account of its own"
)
MOST_PRINTED = 4_000
"""Characters kept of what the code prints."""
MOST_RESULT = 60_000_000


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
    def read(cls, plan: Parsed) -> Played:
        """A plan from the other process's JSON. Raises `KeyError`, `TypeError` or `ValueError` for anything else."""
        flags = {name: bool(plan[name]) for name in ("fits", "constant_rate", "one_bias", "autograd", "derivative")}
        errors = {str(scene): str(error) for scene, error in plan["errors"].items()}
        return cls(str(plan["plan"]), errors, [str(s) for s in plan["untold"]], scenes=int(plan["scenes"]), **flags)


@dataclass(frozen=True)
class Answer:
    """The result of one item: tensors by plan and scene, errors by scene; or why there are none."""

    cannot: str = ""
    """Why nothing could be checked: the file does not import, the object is not there, no call fits."""
    ended: str = ""
    """How the process ended where it did not give an answer: a limit, a crash, an exit."""
    plans: Sequence[Played] = ()
    tensors: Sequence[Sequence[Mapping[str, Array]]] = ()
    reason: str = ""
    printed: str = field(default="", repr=False)


def run_file(file: Path, items: Sequence[Item], limits: Limits) -> list[Answer]:
    """Run the items of a file, each an object with its scenes, in one process of its own."""
    with tempfile.TemporaryDirectory(prefix="twofold-check-") as name:
        folder = Path(name)
        work = {"file": str(file.resolve()), "seconds": limits.seconds, "megabytes": limits.megabytes}
        _write(folder, work, items)
        command = [sys.executable, "-m", "twofold.proof.check.inside", str(folder)]
        return _read(folder, run_apart(command, folder, limits.seconds), len(items), limits)


def run_apart(command: Sequence[str], folder: Path, seconds: float) -> int | str:
    """Run a command in a session and a home of its own, with one thread; its status, or `time` if it ran too long.

    What it prints is written to `stdout` and `stderr` in the folder. Processes that it started are ended with it.
    """
    home = folder / "home"
    home.mkdir()
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        process = subprocess.Popen(
            list(command),
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=environment_of(home),
            start_new_session=True,
        )
        return _wait(process, seconds)


def run_here(play: Callable[[Path], None], items: Sequence[Item], limits: Limits) -> list[Answer]:
    """Run the items of an object that lives in this process: in a fork of the process, which then ends."""
    with tempfile.TemporaryDirectory(prefix="twofold-check-") as name:
        folder = Path(name)
        _write(folder, {"seconds": limits.seconds}, items)
        if not hasattr(os, "fork"):
            play(folder)
            return _read(folder, 0, len(items), limits)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            sys.stdout.flush()
            sys.stderr.flush()
            pid = os.fork()
        if pid == 0:
            _play_apart(play, folder, limits)
        return _read(folder, _wait_pid(pid, limits.seconds), len(items), limits)


def _play_apart(play: Callable[[Path], None], folder: Path, limits: Limits) -> None:
    status = 1
    try:
        for number, name in ((1, "stdout"), (2, "stderr")):
            file = os.open(folder / name, os.O_WRONLY | os.O_CREAT)
            os.dup2(file, number)
        sys.stdout, sys.stderr = (open(folder / name, "w") for name in ("stdout", "stderr"))  # noqa: SIM115
        os.chdir(folder)
        seconds = int(limits.seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_RESULT, MOST_RESULT))
        play(folder)
        status = 0
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(status)


def environment_of(home: Path) -> dict[str, str]:
    """Environment variables for the user's code: paths to find packages, and one thread."""
    passed_on = {
        name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "VIRTUAL_ENV") if name in os.environ
    }
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {
        **passed_on,
        **threads,
        "HOME": str(home),
        "TMPDIR": str(home),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _wait(process: subprocess.Popen[bytes], seconds: float) -> int | str:
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return "time"
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_pid(pid: int, seconds: float) -> int | str:
    end, pause = time.monotonic() + seconds, 0.001
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(pause)
        pause = min(0.05, pause * 1.5)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "time"


def _write(folder: Path, work: dict[str, str | float], items: Sequence[Item]) -> None:
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


def _read(folder: Path, status: int | str, count: int, limits: Limits) -> list[Answer]:
    printed = _printed(folder)
    result, arrays_file = folder / "result.json", folder / "result.safetensors"
    size = arrays_file.stat().st_size if arrays_file.is_file() else 0
    if not result.is_file() or size > MOST_RESULT or result.stat().st_size > MOST_RESULT:
        return [Answer(ended=_how(status, limits, _text(folder / "stderr")), printed=printed)] * count
    try:
        answer = json.loads(result.read_text("utf-8"))
        arrays = load(arrays_file.read_bytes())
        return _answers(answer, arrays, count, printed)
    except Exception:  # whatever the process left there
        return [Answer(ended="what the process left cannot be read", printed=printed)] * count


def _answers(answer: Parsed, arrays: Mapping[str, Array], count: int, printed: str) -> list[Answer]:
    if "cannot" in answer:
        return [Answer(cannot=str(answer["cannot"])[:2_000], printed=printed)] * count
    answers = []
    for number, item in enumerate(answer["items"]):
        if "cannot" in item:
            answers.append(Answer(cannot=str(item["cannot"])[:2_000], printed=printed))
            continue
        tensors = []
        plans = [Played.read(plan) for plan in item["plans"]]
        for place, plan in enumerate(plans):
            scenes: list[dict[str, Array]] = [{} for _ in range(plan.scenes)]
            head = f"{number}/{place}/"
            for key, array in arrays.items():
                if key.startswith(head):
                    index, name = key[len(head) :].split("/", 1)
                    scenes[int(index)][name] = array
            tensors.append(scenes)
        answers.append(Answer("", "", plans, tensors, str(item.get("reason", "")), printed))
    return answers


def _how(status: int | str, limits: Limits, errors: str) -> str:
    if status == "time":
        return f"the code did not end within {limits.seconds:g} seconds: an endless loop, or much too slow"
    if status == -signal.SIGXCPU or status == -signal.SIGKILL:
        return f"the code took more than {limits.seconds:g} seconds of the processor, or more memory than it may"
    if "MemoryError" in errors:
        return f"the code took more than {limits.megabytes:,} MB of memory"
    if isinstance(status, int) and status < 0:
        return f"the process crashed ({signal.Signals(-status).name})"
    last = errors.strip().splitlines()[-1][:300] if errors.strip() else ""
    return f"the process ended by itself with status {status}" + (f": {last}" if last else "")


def _text(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return file.read(MOST_PRINTED).decode("utf-8", "replace")


def _printed(folder: Path) -> str:
    text = "\n".join(part for part in (_text(folder / "stdout"), _text(folder / "stderr")) if part)
    safe = "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)
    cut = sum((folder / name).stat().st_size for name in ("stdout", "stderr") if (folder / name).is_file())
    return safe + (
        f"\n... cut: {cut:,} bytes were printed" if cut > 2 * MOST_PRINTED or len(text) >= MOST_PRINTED else ""
    )
