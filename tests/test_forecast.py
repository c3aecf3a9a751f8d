"""How long a command will take, told once from its first steps."""

from __future__ import annotations

import io
from collections.abc import Iterable

import pytest
from rich.console import Console
from rich.progress import Progress

from twofold.cli.forecast import Forecast, duration
from twofold.cli.progress import Bars
from twofold.runs.history import HistoryRow
from twofold.setup.events import Began, Evaluated, PointDone, Progressed, Started


class Clock:
    """Stands until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def told(events: Iterable[tuple[float, object]]) -> list[str]:
    """What is told of events, each so many seconds after the one before."""
    clock = Clock()
    forecast, lines = Forecast(clock), list[str]()
    for seconds, event in events:
        clock.now += seconds
        lines += filter(None, [forecast(event)])
    return lines


ROW = Evaluated(HistoryRow(0, 0.0, 0.1, 0.0, 1.0, 0.5))


def course(pace: float, evaluation: float = 0.0, steps: int = 1000) -> list[tuple[float, object]]:
    """The first hundred steps of a training whose first two words of progress take ten times as long."""
    first: list[tuple[float, object]] = [(0.0, Started("torch", steps, 10)), (evaluation, ROW)]
    slow = [(10 * pace, Progressed(step)) for step in (1, 2)]
    return first + slow + [(pace, Progressed(step)) for step in range(3, 101)]


def test_a_training_of_minutes_is_told_once_from_its_settled_pace() -> None:
    # 4 steps of 1 s, the clock above 3 s at step 5: 995 steps are left
    assert told(course(1.0)) == ["torch: about 17 minutes to go, at the pace of its first 3 steps"]


def test_evaluations_that_follow_count() -> None:
    # 995 s, and 9.95 evaluations of a minute
    assert told(course(1.0, evaluation=60.0)) == ["torch: about 27 minutes to go, at the pace of its first 3 steps"]


def test_what_takes_under_a_minute_is_not_told() -> None:
    assert told(course(0.05)) == []
    assert told(course(1.0, steps=60)) == []


def test_nothing_is_told_before_a_start() -> None:
    assert told([(10.0, Progressed(step)) for step in range(1, 9)]) == []


def test_a_study_is_told_at_most() -> None:
    points = [(0.0, Began(20, 100)), *((6.0, PointDone(done, "")) for done in range(21, 60))]
    assert told(points) == ["points: at most about 8 minutes to go, at the pace of the first ones"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (61, "1 minute"),
        (150, "2 minutes"),
        (3590, "1 hour"),
        (4900, "1 hour 20 minutes"),
        (7200, "2 hours"),
        (40_000, "11 hours"),
        (260_000, "3 days"),
    ],
)
def test_a_duration_is_rounded_as_people_do(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_the_bars_print_it_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, written = Clock(), io.StringIO()
    monkeypatch.setattr("twofold.cli.progress.Forecast", lambda: Forecast(clock))
    bars = Bars(Progress(console=Console(file=written, width=100)))
    for seconds, event in course(1.0):
        clock.now += seconds
        if not isinstance(event, Evaluated):
            bars(event)
    assert "note: torch: about 17 minutes to go" in written.getvalue()
