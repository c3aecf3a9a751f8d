"""Checkpoints: what it takes to go on with a run as if it had never stopped.

    checkpoints/000007.safetensors   the arrays: parameters, moments, statistics, averages, the best weights so far
    checkpoints/000007.json          the manifest, written last: what the arrays belong to, and the seal of every file
    checkpoints/numpy.safetensors    the arrays of an engine that has ended, as evidence.safetensors will hold them

A manifest is one line of JSON and, in a second line, the SHA-256 of the first. The newest two checkpoints are kept: the
one before goes only when a newer one has been read back. A finished run has none.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal, final

from pydantic import BaseModel, ConfigDict, ValidationError

from twofold.arrays import Arrays
from twofold.errors import RunFolderError
from twofold.foreign import read_foreign
from twofold.runs.lines import Lines, begins_with
from twofold.runs.packing import packed
from twofold.runs.part import EngineName
from twofold.runs.record import Result
from twofold.runs.tensors import read_tensors
from twofold.runs.whole import Seal, seal, sweep, write_whole

CHECKPOINTS = "checkpoints"
KEPT = 2
_NAME = re.compile(r"(\d{6,12})\.(?:json|safetensors)")


class Checkpoint(BaseModel):
    """A manifest that was read, and whose files are what it says."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    format: Literal[1] = 1
    number: int
    recipe: Seal
    engine: str | None
    """The engine in training; `None` between two."""
    facts: dict[str, object]
    """The state of the training other than arrays."""
    arrays: Seal | None
    results: dict[EngineName, Result]
    """Results of the engines that have ended, as the record will hold them."""
    weights: dict[EngineName, Seal]
    evidence: dict[EngineName, Seal]
    grown: dict[str, Seal]
    """Size and checksum that the growing files had at this checkpoint."""

    @property
    def name(self) -> str:
        """Name of its files."""
        return f"{self.number:06d}"


@final
class Checkpoints:
    """The checkpoints of a run in the making, written in a thread of their own, from copies, while training goes on."""

    def __init__(self, folder: Path, recipe: Seal, since: Checkpoint | None = None) -> None:
        """Checkpoints after `since` are refused or unfinished; they are removed."""
        self.folder, self._recipe = folder / CHECKPOINTS, recipe
        self._number = since.number if since else 0
        self._evidence = dict[str, Seal](since.evidence) if since else {}
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        _remove(self.folder, lambda number: number > self._number)
        sweep(self.folder)

    def keep_evidence(self, engine: str, arrays: Arrays) -> None:
        """Note the evidence of an engine that has ended. The manifests from now on hold its seal."""
        self._evidence[engine] = write_whole(self._existing_folder() / f"{engine}.safetensors", *packed(arrays))

    def write(
        self,
        engine: str | None,
        facts: Mapping[str, object],
        arrays: Arrays,
        results: Mapping[EngineName, Result],
        weights: Mapping[str, Seal],
        lines: Mapping[str, Lines],
    ) -> None:
        """Begin to write the next checkpoint; `arrays` must not change any more. Waits for the one before."""
        self.wait()
        self._number += 1
        manifest = {
            "format": 1,
            "number": self._number,
            "recipe": self._recipe.model_dump(),
            "engine": engine,
            "facts": dict(facts),
            "results": {engine: result.to_json() for engine, result in results.items()},
            "weights": {engine: sealed.model_dump() for engine, sealed in weights.items()},
            "evidence": {engine: sealed.model_dump() for engine, sealed in self._evidence.items()},
            "grown": {name: file.sealed().model_dump() for name, file in lines.items()},
        }
        self._thread = threading.Thread(
            target=self._write, args=(self._number, manifest, arrays, tuple(lines.values()))
        )
        self._thread.start()

    def wait(self) -> None:
        """Wait until the last checkpoint is on the disk. Raises what prevented it, a `RunFolderError` as a rule."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _write(self, number: int, manifest: dict[str, object], arrays: Arrays, lines: tuple[Lines, ...]) -> None:
        _step_back()
        try:
            folder, name = self._existing_folder(), f"{number:06d}"
            sealed = write_whole(folder / f"{name}.safetensors", *packed(arrays)) if arrays else None
            for file in lines:
                file.sync()
            write_whole(folder / f"{name}.json", dumped(manifest | {"arrays": sealed and sealed.model_dump()}))
            with suppress(OSError):  # an earlier one that stays costs space alone
                _remove(folder, lambda earlier: earlier <= number - KEPT)
        except OSError as error:
            self._error = RunFolderError(f"cannot write a checkpoint into {self.folder}: {error.strerror or error}")
        except BaseException as error:  # raised by `wait`, in the thread that trains
            self._error = error

    def _existing_folder(self) -> Path:
        """The folder of the checkpoints, made where it is missing."""
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise RunFolderError(f"cannot make {self.folder}: {error.strerror}") from error
        return self.folder


def _step_back() -> None:
    """Give this thread the lowest priority: a training that keeps every processor busy would lose several times as much
    to it as it takes. A training that waits for it leaves it a processor."""
    if sys.platform == "linux":  # elsewhere the number of a thread may be that of a process
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)


def dumped(manifest: Mapping[str, object]) -> bytes:
    """The two lines of a manifest."""
    line = json.dumps(manifest, sort_keys=True).encode()
    return line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n"


def newest(folder: Path, recipe: Seal) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that is whole, and a sentence about each newer one, which is not."""
    refusals = list[str]()
    checkpoints = folder / CHECKPOINTS
    for number in sorted(_numbers(checkpoints), reverse=True):
        name = f"{number:06d}"
        if not (checkpoints / f"{name}.json").exists():
            refusals.append(f"checkpoint {name} was not finished")
            continue
        try:
            return _checked(folder, number, recipe), refusals
        except _RefusedError as refused:
            refusals.append(f"checkpoint {name} is refused: {refused}")
    return None, refusals


def arrays_of(folder: Path, checkpoint: Checkpoint) -> Arrays:
    """The arrays of a checkpoint that was found whole."""
    path = folder / CHECKPOINTS / f"{checkpoint.name}.safetensors"
    return read_tensors(path, finite=False) if checkpoint.arrays else {}


def evidence_of(folder: Path, engine: str) -> Arrays:
    """The evidence that was kept of an engine that had ended."""
    return read_tensors(folder / CHECKPOINTS / f"{engine}.safetensors", finite=False)


def remove_checkpoints(folder: Path) -> None:
    """Remove every checkpoint of a run folder."""
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)


def _numbers(folder: Path) -> set[int]:
    """The numbers of the checkpoints of which the folder has at least one file."""
    matches = (_NAME.fullmatch(path.name) for path in folder.glob("*"))
    return {int(match[1]) for match in matches if match}


def _remove(folder: Path, which: Callable[[int], bool]) -> None:
    """Remove the chosen checkpoints, manifests first: there is never one without its arrays."""
    for number in filter(which, _numbers(folder)):
        for kind in ("json", "safetensors"):
            (folder / f"{number:06d}.{kind}").unlink(missing_ok=True)


class _RefusedError(Exception):
    """The reason why a run cannot go on from a checkpoint."""


def _checked(folder: Path, number: int, recipe: Seal) -> Checkpoint:
    """A checkpoint of this recipe, all of whose files are what it says. Raises `_RefusedError`."""
    manifest = _read(folder / CHECKPOINTS / f"{number:06d}.json")
    if manifest.number != number:
        raise _RefusedError(f"its manifest is that of checkpoint {manifest.number:06d}")
    if manifest.recipe != recipe:
        raise _RefusedError("it belongs to another recipe")
    whole = {f"{engine}.safetensors": sealed for engine, sealed in manifest.weights.items()}
    whole |= {f"{CHECKPOINTS}/{engine}.safetensors": sealed for engine, sealed in manifest.evidence.items()}
    whole |= {f"{CHECKPOINTS}/{manifest.name}.safetensors": manifest.arrays} if manifest.arrays else {}
    try:
        for name, sealed in whole.items():
            path = folder / name
            if path.stat().st_size != sealed.bytes or seal(path) != sealed:
                raise _RefusedError(f"{name} is not what the run wrote: size or checksum differ")
        for name, sealed in manifest.grown.items():
            if Path(name).name != name or not begins_with(folder / name, sealed):
                raise _RefusedError(f"{name} does not begin with what the run wrote")
    except FileNotFoundError as error:
        raise _RefusedError(f"{Path(error.filename).relative_to(folder)} is missing") from None
    except OSError as error:
        raise _RefusedError(f"{error.filename} cannot be read: {error.strerror}") from None
    return manifest


def _read(path: Path) -> Checkpoint:
    try:
        content = read_foreign(path)
        line, _, rest = content.partition(b"\n")
        if rest != hashlib.sha256(line).hexdigest().encode() + b"\n":
            raise _RefusedError(f"{path.name} is not what the run wrote: its checksum differs")
        return Checkpoint.model_validate_json(line)
    except OSError as error:
        raise _RefusedError(f"{path.name} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        raise _RefusedError(f"{path.name} is of another version of Twofold: {error.errors()[0]['msg']}") from None
