"""Training as an iterator of events: their order, pauses, stops, and whoever watches."""

from __future__ import annotations

import math
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twofold
from cases import assert_bits
from engines import numpy_engine
from twofold.arrays import Array
from twofold.data import Batches, load_data
from twofold.numpy_engine import NumpyEngine
from twofold.recipe import Recipe, load_recipe
from twofold.setup.building import initial_state
from twofold.setup.events import Evaluated, Noted, Prepared, Progressed, Started, warn_of_notes, watching
from twofold.train.course import Validation
from twofold.train.events import CheckpointDue, Ended, Failed, LookedClosely
from twofold.train.loop import Plan, Score, train, training
from twofold.train.replicas import ReplicaEvent, Scores, StackedBatches, stacked, training_replicas

RECIPE = load_recipe("blobs", {"data.samples": 100, "training.steps": 7, "training.evaluate_every": 3})
SCORES = {"train": Score(1.0, 0.5)}


def begun(recipe: Recipe = RECIPE) -> tuple[NumpyEngine, Batches]:
    engine = numpy_engine(recipe)
    engine.load(initial_state(recipe.model))
    return engine, Batches(recipe, load_data(recipe.data).astype(recipe.training.dtype).train)


def plan(**options: Any) -> Plan:
    return Plan(lambda _: SCORES, **options)


def arrays(engine: NumpyEngine) -> dict[str, Array]:
    return engine.state().arrays()


def told(events: Any) -> list[tuple[str, int]]:
    """Each event's kind, and the step at which it happened; without progress."""
    steps = {
        Evaluated: lambda e: e.row.step,
        LookedClosely: lambda e: e.moment.taken,
        CheckpointDue: lambda e: e.course.mark.taken,
        Ended: lambda e: e.outcome.steps,
        Failed: lambda e: e.outcome.steps,
    }
    return [(type(event).__name__, steps[type(event)](event)) for event in events if not isinstance(event, Progressed)]


def test_events_come_in_the_order_of_the_steps() -> None:
    assert told(training(*begun(), plan(look_closely=True, checkpoint_every=2))) == [
        ("Evaluated", 0),
        ("LookedClosely", 0),
        ("LookedClosely", 1),
        ("CheckpointDue", 2),
        ("Evaluated", 3),
        ("LookedClosely", 3),
        ("CheckpointDue", 4),
        ("Evaluated", 6),
        ("LookedClosely", 6),
        ("CheckpointDue", 6),
        ("Evaluated", 7),
        ("LookedClosely", 7),
        ("Ended", 7),
    ]
    assert told(training(*begun(), plan())) == [("Evaluated", n) for n in (0, 3, 6, 7)] + [("Ended", 7)]


def test_progress_comes_after_every_step_where_it_is_asked_for() -> None:
    progress = [event for event in training(*begun(), plan(watch_seconds=0)) if isinstance(event, Progressed)]
    assert [event.step for event in progress] == [1, 2, 3, 4, 5, 6, 7]
    engine, batches = begun()
    assert [event.loss for event in progress] == [engine.step(batch).loss for batch in batches]


@pytest.mark.parametrize("seconds", [0.0, math.inf])
def test_progress_brings_the_losses_of_all_steps_however_seldom_it_comes(seconds: float) -> None:
    progress = [event for event in training(*begun(), plan(watch_seconds=seconds)) if isinstance(event, Progressed)]
    assert [event.step for event in progress] == ([1, 2, 3, 4, 5, 6, 7] if seconds == 0 else [3, 6, 7])
    engine, batches = begun()
    assert [loss for event in progress for loss in event.losses] == [engine.step(batch).loss for batch in batches]


def test_not_asking_for_the_next_event_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """No step is taken, and the time of the pause is not counted: by a clock that goes on only between two events."""
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    engine, batches = begun()
    for event in training(engine, batches, plan(watch_seconds=0, look_closely=True, checkpoint_every=2)):
        before = arrays(engine)
        clock[0] += 60.0
        assert_bits(arrays(engine), before)
        if isinstance(event, Evaluated):
            assert event.row.seconds == 0.0
    assert isinstance(event, Ended)
    assert event.outcome.seconds == 0.0


def test_closing_stops_and_the_engine_stays_where_it_is() -> None:
    engine, batches = begun()
    running = training(engine, batches, plan(watch_seconds=0))
    *_, last = islice(running, 4)
    assert last == Progressed(3, last.loss)  # pyright: ignore[reportAttributeAccessIssue]
    running.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert list(running) == []
    other, again = begun()
    for batch in islice(again, 3):
        other.step(batch)
    assert_bits(arrays(engine), arrays(other))


def test_from_a_checkpoint_it_ends_with_the_same_bytes() -> None:
    whole, batches = begun()
    courses = [e.course for e in training(whole, batches, plan(checkpoint_every=2)) if isinstance(e, CheckpointDue)]
    for course in courses:
        engine, batches = begun()
        events = list(training(engine, batches, plan(since=course)))
        assert told(events)[-1] == ("Ended", 7)
        assert_bits(arrays(engine), arrays(whole))


def test_a_loss_that_is_not_finite_is_the_last_event() -> None:
    diverging = load_recipe(RECIPE, {"optimizer.lr": 1e30, "training.steps": 50})
    *_, last = training(*begun(diverging), plan())
    assert isinstance(last, Failed)
    assert last.outcome.failure is not None
    assert last.outcome.failure.step == last.outcome.steps


def test_patience_ends_it_and_no_checkpoint_follows() -> None:
    scores = {"train": Score(1.0, 0.5), "validation": Score(1.0, 0.5)}
    patient = Plan(lambda _: scores, Validation(patience=1), checkpoint_every=3)
    assert told(training(*begun(), patient)) == [("Evaluated", 0), ("Evaluated", 3), ("Ended", 3)]


def test_train_takes_every_event_and_gives_the_outcome() -> None:
    events: list[object] = []
    outcome = train(*begun(), plan(), events.append)
    assert events[-1] == Ended(outcome)
    assert outcome.steps == 7


# Replicas


def test_replicas_tell_the_events_of_each_and_the_progress_of_all() -> None:
    recipes = [load_recipe(RECIPE, {"optimizer.lr": lr, "training.steps": 50}) for lr in (0.1, 1e30)]
    train_split = load_data(RECIPE.data).astype("float32").train
    engine = NumpyEngine(recipes[0].model, recipes[0].optimizer, recipes[0].training, replicas=2)
    engine.load(stacked([initial_state(recipe.model) for recipe in recipes]))
    batches = StackedBatches([Batches(recipe, train_split) for recipe in recipes])
    ones = np.ones(2)
    events = list(training_replicas(engine, batches, lambda _: {"train": Scores(ones, ones)}))
    assert [type(e.event) for e in events if e.replica == 1][-1] is Failed
    assert [type(e.event) for e in events if e.replica == 0][-1] is Ended
    steps = [e.event.row.step for e in events if e.replica == 0 and isinstance(e.event, Evaluated)]
    assert steps == [*range(0, 50, 3), 50]
    assert [e for e in events if e.replica is None] == [ReplicaEvent(None, Progressed(step)) for step in steps[1:]]


# Whoever watches


def test_a_run_tells_one_callable_everything(tmp_path: Path) -> None:
    events: list[object] = []
    settings = {"data.samples": 100, "training.epochs": 2}
    twofold.run("blobs", overrides=settings, engines="numpy", out=tmp_path / "run", watcher=events.append)
    kinds = [type(event) for event in events if not isinstance(event, Prepared | Progressed)]
    assert kinds[:3] == [Started, Evaluated, LookedClosely]
    assert kinds[-1] is Ended


def test_an_object_with_methods_is_told_by_those_that_it_has() -> None:
    class Listener:
        def __init__(self) -> None:
            self.calls: list[tuple[Any, ...]] = []

        def started(self, what: str, steps: int) -> None:
            self.calls.append(("started", what, steps))

        def stepped(self, step: int, loss: float | None = None) -> None:
            self.calls.append(("stepped", step, loss))

    listener = Listener()
    watch = watching(listener)
    for event in (Started("numpy", 7), Progressed(3, 0.5), Noted("a text"), Ended(None)):  # pyright: ignore
        watch(event)
    assert listener.calls == [("started", "numpy", 7), ("stepped", 3, 0.5)]


def test_where_nobody_watches_a_note_is_a_warning() -> None:
    assert watching() is warn_of_notes
    with pytest.warns(UserWarning, match="begun with other threads"):
        watching()(Noted("begun with other threads"))
    warn_of_notes(Progressed(1))
