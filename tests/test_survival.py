"""What runs survive, in a short form: `make torture` does all of it (docs/benchmarks/survival.md)."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

import surviving
from surviving import Failures, Twin
from torture import short_form
from twofold.arrays import Arrays
from twofold.train import running

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="forks"),
    pytest.mark.filterwarnings("ignore:.*was not finished"),
]


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Twin:
    room = tmp_path_factory.mktemp("survival")
    surviving.warm(room)
    return Twin(room, "numpy")


CASES: dict[str, Callable[[Twin], Failures]] = {
    "killed twice": lambda twin: surviving.twice(twin, (9, 24, 40)),
    "killed while it calls the system": lambda twin: surviving.at_calls(twin, 60),
    "killed while it saves": lambda twin: surviving.saving(twin.room, 10),
    "cut and turned": lambda twin: surviving.damaged(twin.room),
    "file size limit": lambda twin: surviving.file_limit(twin, (16, 27), (100, 20_000)),
    "folder read-only": lambda twin: surviving.read_only(twin, (27,)),
    "file without permission": lambda twin: surviving.no_permission(twin, ("record.json", surviving.NEWEST)),
    "two processes": lambda twin: surviving.raced(twin, 2),
    "hash seeds and folders": lambda twin: surviving.reproduced(twin.room, "numpy", ("0", "123")),
}


@pytest.mark.parametrize("cases", CASES.values(), ids=CASES)
def test_a_run_survives(cases: Callable[[Twin], Failures], twin: Twin) -> None:
    faults = list(cases(twin))
    assert len(faults) > 1
    assert not [fault for fault in faults if fault]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounts a file system")
def test_a_full_disk(twin: Twin) -> None:
    assert list(surviving.disk_full(twin, (27,), (8192,))) == [None]


# That the comparison can fail


def _altered(change: Callable[[str], bool]) -> Callable[[], None]:
    """Arrays of the checkpoint that are 0 when the run goes on."""
    real = running.arrays_of

    def arrays_of(*given: Any) -> Arrays:
        return {name: array * 0 if change(name) else array for name, array in real(*given).items()}

    return lambda: setattr(running, "arrays_of", arrays_of)


def _facts(**facts: Any) -> Callable[[], None]:
    """Something else in the facts of the checkpoint."""
    real = running.course_of
    return lambda: setattr(running, "course_of", lambda found, arrays: real({**found, **facts}, arrays))


PLANTED: dict[str, Callable[[], None]] = {
    "moments": _altered(lambda name: "exp_avg_sq/5.bias" in name),
    "running statistics": _altered(lambda name: name.startswith("state/buffers")),
    "the average": _altered(lambda name: name.startswith("state/average")),
    "the best weights": _altered(lambda name: name.startswith("best/")),
    "where it was": _facts(taken=40),
    "updates": _facts(updates=40),
}


@pytest.mark.parametrize("planted", short_form(PLANTED, {"moments", "where it was"}))
def test_a_run_that_goes_on_with_something_else_is_found_out(planted: str, twin: Twin) -> None:
    assert twin.killed(55)
    assert twin.fault(PLANTED[planted]) == "other bytes"
    assert twin.killed(55)
    assert twin.fault() is None
