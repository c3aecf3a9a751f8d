"""Which executor: what `--on` says, and what a study asks of its workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import NamedTuple

from twofold.engines import libraries
from twofold.errors import StudyError, did_you_mean
from twofold.study.executors.prints import fingerprints
from twofold.study.executors.seam import Executor
from twofold.study.executors.work import worker_versions
from twofold.study.grid import Planned


class Kind(NamedTuple):
    """An executor, and what may follow its name."""

    module: str
    """The module below `twofold.study.executors`; its function `start(after, jobs)` gives an `Executor`."""
    after: str
    """What may follow the colon, for people."""


KINDS: dict[str, Kind] = {
    "local": Kind("local", "how many processes: local:4"),
    "dask": Kind("dask", "the address of a scheduler: dask:tcp://10.0.0.1:8786"),
    "ray": Kind("ray", "the address of a cluster: ray:10.0.0.1:6379"),
    "slurm": Kind("slurm", "a partition: slurm:short"),
}
COMPARED = ("twofold", "code", *libraries())
"""Versions that decide the numbers of a training."""


@dataclass(frozen=True)
class Workers:
    """Where the points of a study are trained."""

    on: str = "local"
    """`local[:N]`, `dask[:ADDRESS]`, `ray[:ADDRESS]` or `slurm[:PARTITION]`."""
    jobs: int | None = None
    """Tasks at a time; `None`: one for each core, or for each worker of a cluster."""
    allow_different: bool = False
    """Take workers with other versions of Twofold, NumPy or PyTorch; a point's file names its own."""

    def __post_init__(self) -> None:
        if self.jobs is not None and self.jobs < 1:
            raise StudyError(f"`jobs` must be at least 1; got {self.jobs}")
        kind, after = self._parts()
        if kind not in KINDS:
            raise StudyError(f"`on` names no engine `{kind}`; {did_you_mean(kind, KINDS)}")
        if kind == "local" and after:
            if not after.isdecimal() or int(after) < 1:
                raise StudyError(f"`on` must be local:N with a whole number of at least 1; got local:{after}")
            if self.jobs not in (None, int(after)):
                raise StudyError(f"`on` is local:{after} and `jobs` is {self.jobs}; give one of them")

    def executor(self) -> Executor:
        """Start the executor. Raises `StudyError` where nobody answers, `MissingExtraError` without its library."""
        kind, after = self._parts()
        start = import_module(f"twofold.study.executors.{KINDS[kind].module}").start
        executor: Executor = start(after, self.jobs)
        return executor

    def demands(self, planned: Sequence[Planned], engine: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """The versions and the fingerprints of data that a worker must have; empty for processes of this machine."""
        if self._parts()[0] == "local":
            return {}, {}
        installed = worker_versions(engine)
        versions = {} if self.allow_different else {name: installed[name] for name in COMPARED if name in installed}
        return versions, fingerprints({id(point.setting): point.setting for point in planned}.values())

    def _parts(self) -> tuple[str, str]:
        kind, _, after = self.on.partition(":")
        return kind, after
