"""A user's whole engine in a process of its own: states and batches go there, steps come back, as arrays and JSON.

What it prints is kept apart, and its own verdicts do not count: outputs, loss, gradients and states are compared here,
step by step, as those of an engine in this process.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from safetensors.numpy import load, save

from twofold.arrays import Array, Arrays
from twofold.engine import Batch, State, floats
from twofold.errors import UserError
from twofold.plain import Parsed
from twofold.proof.check.sandbox import Limits, environment_of, signal_name
from twofold.recipe import Recipe, dump

MOST_MESSAGE = 1 << 30
"""Bytes of the longest message that is read."""


class EngineFailedError(Exception):
    """The user's engine failed at a step, or its process ended: says how, with the place in the file."""


@dataclass(frozen=True)
class RemoteStep:
    """One step as the user's engine reports it."""

    outputs: Arrays
    loss: float
    gradients: Arrays
    state: State

    @property
    def logits(self) -> Array:
        """The output of the last layer."""
        return list(self.outputs.values())[-1]


class RemoteEngine:
    """`load`, `state` and `step` of an engine that lives in another process, which ends with the `with` block."""

    def __init__(self, file: Path, name: str, recipe: Recipe, limits: Limits) -> None:
        self.limits = limits
        self.closed = False
        self.folder = tempfile.TemporaryDirectory(prefix="twofold-check-")
        self.home = Path(self.folder.name)
        job = {"file": str(file.resolve()), "object": name, "recipe": dump(recipe)}
        (self.home / "job.json").write_text(json.dumps({**job, **vars(limits)}), "utf-8")
        theirs_in, self.to = os.pipe()
        self.back, theirs_out = os.pipe()
        with (self.home / "printed").open("wb") as printed:
            command = [sys.executable, "-m", "twofold.proof.check.inside.engine", *map(str, (theirs_in, theirs_out))]
            self.process = subprocess.Popen(
                command, cwd=self.home, stdin=subprocess.DEVNULL, stdout=printed, stderr=printed,
                env=environment_of(self.home), pass_fds=(theirs_in, theirs_out), start_new_session=True,
            )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)

    def __enter__(self) -> Self:
        """Wait until the engine is built. Raises `UserError` where it cannot be; the process has ended then."""
        try:
            answer, _ = self._receive()
            if "cannot" in answer:
                raise UserError(str(answer["cannot"])[:2000])
        except EngineFailedError as error:
            self.close()
            raise UserError(f"the engine cannot be built: {error}") from error
        except BaseException:  # an interrupt too: without this block's end nothing would end the process
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process and all that it started; only once, since a closed descriptor may be reused by another."""
        if self.closed:
            return
        self.closed = True
        os.close(self.to)
        os.close(self.back)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.folder.cleanup()

    def load(self, state: State) -> None:
        """Load a state into the engine."""
        self._send({"call": "load", "updates": state.updates}, flat(state))
        self._answered()

    def state(self) -> State:
        """The engine's state now."""
        self._send({"call": "state"}, {})
        answer, arrays = self._answered()
        with _readable():
            return state_from(arrays, answer.get("updates", 0))

    def step(self, batch: Batch) -> RemoteStep:
        """One step on a batch. Raises `EngineFailedError` where the user's code fails."""
        x = floats(batch, np.dtype(np.float64))
        held = {"x": x, "target": batch.target} | {f"masks/{name}": mask for name, mask in batch.masks.items()}
        optional = {"weight": batch.weight, "radius": batch.radius}
        held |= {name: array for name, array in optional.items() if array is not None}
        self._send({"call": "step", "lr": float(np.asarray(batch.lr)), "step": batch.step, "ema": batch.ema}, held)
        answer, arrays = self._answered()
        with _readable():
            return RemoteStep(
                under("outputs", arrays, answer.get("outputs", ())),
                float(answer.get("loss", float("nan"))),
                under("gradients", arrays),
                state_from(arrays, answer.get("updates", 0)),
            )

    def _answered(self) -> tuple[dict[str, Parsed], dict[str, Array]]:
        answer, arrays = self._receive()
        if "error" in answer:
            raise EngineFailedError(str(answer["error"])[:2000])
        return answer, arrays

    def _send(self, told: dict[str, Parsed], arrays: Arrays) -> None:
        try:
            write_message(self.to, told, arrays)
        except BrokenPipeError as error:
            raise EngineFailedError(self._how_it_ended()) from error

    def _receive(self) -> tuple[dict[str, Parsed], dict[str, Array]]:
        with _readable():
            message = read_message(self.back, time.monotonic() + self.limits.seconds)
        if message is None:
            raise EngineFailedError(self._how_it_ended())
        return message

    def _how_it_ended(self) -> str:
        """A sentence: how the process ended, or that it still runs beyond its time."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = self.process.wait(0.5)
            if status < 0 and -status in (signal.SIGXCPU, signal.SIGKILL):
                return f"the code took more than {self.limits.seconds:g} seconds of the processor, or too much memory"
            return f"its process crashed ({signal_name(-status)})" if status < 0 else (
                f"its process ended by itself with status {status}"
            )  # fmt: skip
        return f"the code did not answer within {self.limits.seconds:g} seconds: an endless loop, or much too slow"


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """Raises `EngineFailedError` for any error in reading what came back, which the user's code may have written."""
    try:
        yield
    except Exception as error:
        raise EngineFailedError("what its process sent cannot be read") from error


def flat(state: State) -> dict[str, Array]:
    """A state's arrays under one name each: `parameters/0.weight`, `optimizer/exp_avg/0.weight`."""
    parts = {"parameters": state.parameters, "buffers": state.buffers, "average": state.average}
    held = {f"{part}/{name}": array for part, arrays in parts.items() for name, array in arrays.items()}
    return held | {f"optimizer/{m}/{name}": a for m, arrays in state.optimizer.items() for name, a in arrays.items()}


def under(part: str, arrays: Arrays, order: Iterable[object] = ()) -> dict[str, Array]:
    """The arrays of a part by their names, in `order` if it is given."""
    held = {name.removeprefix(f"{part}/"): array for name, array in arrays.items() if name.startswith(f"{part}/")}
    return {str(name): held[str(name)] for name in order if str(name) in held} | held


def state_from(arrays: Arrays, updates: int) -> State:
    """A state from its arrays."""
    moments: dict[str, dict[str, Array]] = {}
    for name, array in under("optimizer", arrays).items():
        moment, _, parameter = name.partition("/")
        moments.setdefault(moment, {})[parameter] = array
    return State(under("parameters", arrays), moments, int(updates), under("buffers", arrays), under("average", arrays))


def write_message(end: int, told: dict[str, Parsed], arrays: Arrays) -> None:
    """Send a message: JSON and arrays, each preceded by its length."""
    text = json.dumps(told).encode()
    content = save({name: np.array(array, order="C") for name, array in arrays.items()})
    view = memoryview(struct.pack("<QQ", len(text), len(content)) + text + content)
    while view:
        view = view[os.write(end, view) :]


def read_message(end: int, deadline: float | None = None) -> tuple[dict[str, Parsed], dict[str, Array]] | None:
    """The next message of the other side; `None` if it has ended or the time is over."""
    head = _read(end, 16, deadline)
    if head is None:
        return None
    sizes = struct.unpack("<QQ", head)
    if max(sizes) > MOST_MESSAGE:
        return None
    text, content = _read(end, sizes[0], deadline), _read(end, sizes[1], deadline)
    if text is None or content is None:
        return None
    return dict(json.loads(text)), dict(load(content))


def _read(end: int, count: int, deadline: float | None) -> bytes | None:
    parts = bytearray()
    while len(parts) < count:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and (left <= 0 or not select.select([end], [], [], left)[0]):
            return None
        part = os.read(end, min(1 << 20, count - len(parts)))
        if not part:
            return None
        parts += part
    return bytes(parts)
