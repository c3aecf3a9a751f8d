"""Two trainings side by side: each engine takes the same step before any takes the next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import final

from twofold.data import Batches, Dataset
from twofold.engine import Engine
from twofold.plain import finite
from twofold.recipe import Recipe
from twofold.setup.building import initial_state
from twofold.setup.events import Evaluated, Progressed
from twofold.train.course import validation_of
from twofold.train.events import Ended, Event, Failed, LookedClosely, Outcome
from twofold.train.loop import Plan, training
from twofold.train.scoring import scorer


@final
class SideBySide:
    """The trainings of a recipe's engines: they stand still while nobody asks for the next events."""

    def __init__(self, recipe: Recipe, dataset: Dataset, engines: Mapping[str, Engine]) -> None:
        self.recipe, self.dataset, self.engines = recipe, dataset, engines
        self.batches = Batches(recipe, dataset.train)
        self.outcomes = dict[str, Outcome]()
        """How each engine that has ended came to its end."""
        self.taken = 0
        """Steps taken so far by every engine that still trains."""
        state = initial_state(recipe.model, dataset.train)
        plan = Plan(scorer(recipe, dataset), validation_of(recipe), look_closely=True, watch_seconds=0.0)
        for engine in engines.values():
            engine.load(state)
        self._events = {name: training(engine, self.batches, plan) for name, engine in engines.items()}

    @property
    def over(self) -> bool:
        """Whether every engine has ended."""
        return not self._events

    @property
    def epoch(self) -> float:
        """Passes over the training samples so far."""
        return self.taken / self.batches.steps_per_epoch

    def begin(self) -> Iterator[tuple[str, Event]]:
        """The events before the first step, each with its engine's name."""
        yield from self._each(None)

    def advance(self) -> Iterator[tuple[str, Event]]:
        """One step of every engine, with what is due after it."""
        self.taken += 1
        yield from self._each(self.taken)

    def _each(self, step: int | None) -> Iterator[tuple[str, Event]]:
        for name in list(self._events):
            for event in self._until(name, step):
                if isinstance(event, Failed | Ended):
                    self.outcomes[name] = event.outcome
                    del self._events[name]
                yield name, event

    def _until(self, name: str, step: int | None) -> Iterator[Event]:
        """One engine's events up to the last that belongs to the step."""
        closely = step is None or step == 1 or self._evaluates(step)
        for event in self._events[name]:
            yield event
            last = step == self.batches.steps  # after which the iterator says how it ended
            if isinstance(event, LookedClosely) and not last:
                return
            if isinstance(event, Progressed) and not closely:
                return

    def _evaluates(self, step: int) -> bool:
        return step % self.batches.evaluate_every == 0 or step == self.batches.steps

    def close(self) -> None:
        """Stop every training."""
        self._events.clear()


def summary(event: Evaluated) -> dict[str, float | None]:
    """An evaluation as plain values; what is not finite is `None`."""
    return {key: finite(value) for key, value in event.row._asdict().items()}
