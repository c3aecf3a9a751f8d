"""A training that is watched: both engines side by side, and everything that is drawn of them meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import final

from twofold.arrays import gap
from twofold.data import Dataset, at_hand
from twofold.engine import Engine
from twofold.engine.threads import few_threads
from twofold.errors import UserError
from twofold.page import pictures
from twofold.page.course import SideBySide, summary
from twofold.page.curves import Bucket
from twofold.page.duties import CURVES, FRAME, Duty
from twofold.page.microscope import Microscope
from twofold.page.told import Telling
from twofold.plain import finite
from twofold.recipe import Recipe, load_recipe
from twofold.recipe.network import recurrent_nodes
from twofold.setup.building import prepare, training_engine
from twofold.setup.events import Progressed, Watcher
from twofold.setup.needed import check_memory
from twofold.train.events import Evaluated, Failed

Tell = Callable[[str, object], None]
SLOWLY = 0.5
"""Seconds between two pictures that change little from one to the next."""


@final
class Stage:
    """Takes steps with both engines, and tells of them in events of the page."""

    def __init__(self, recipe: Recipe, dataset: Dataset, engines: dict[str, Engine], tell: Tell) -> None:
        self.course = SideBySide(recipe, dataset, engines)
        self.microscope = Microscope(self.course)
        self._tell = tell
        self._telling = Telling(self.course)
        self._bucket = Bucket(len(engines))
        self._losses = dict[str, float]()
        self._sample = 0
        self._began = (0.0, 0)
        self._duties = self._planned()

    @classmethod
    def built(cls, recipe: Recipe, tell: Tell, watch: Watcher, around: ExitStack) -> Stage:
        """The stage of a recipe, data and engines at their initial state, with all pictures before the first step told.

        The limit on threads is entered into `around`, to be closed with the stage. Raises `TwofoldError` where the
        recipe cannot be trained.
        """
        if getattr(recipe.data, "path", None) is None and not at_hand(recipe.data):
            raise UserError(
                f"the data (source `{recipe.data.source}`) are not at hand, and the page fetches nothing; "
                f"`twofold run` does, once: twofold run {recipe.name}"
            )
        recipe, dataset = prepare(load_recipe(recipe, {"training.device": "cpu"}), watch)
        dataset = dataset.astype(recipe.training.dtype)
        check_memory(recipe, recipe.training.engines, *(split for _, split in dataset.splits()), side_by_side=True)
        engines = {name: training_engine(name, recipe) for name in recipe.training.engines}
        around.enter_context(few_threads(recipe, len(dataset.train)))
        stage = cls(recipe, dataset, engines, tell)
        stage.begin()
        return stage

    def begin(self) -> None:
        """Tell everything that is shown before the first step."""
        if pictures.is_plane(self.course.recipe, self.course.dataset):
            self._tell("picture", pictures.points(self.course.dataset))
        for name, event in self.course.begin():
            self._take(name, event)
        self._show_all("paused")

    def advance(self) -> None:
        """One step of every engine, and whatever is due of the pictures."""
        for name, event in self.course.advance():
            self._take(name, event)
        if self._losses:
            self._bucket.add(self.course.taken, [self._losses.get(name, float("nan")) for name in self.course.engines])
            self._losses = {}
        now, used = time.perf_counter(), time.thread_time()
        for duty in self._duties:
            duty.perform(now, used)

    def play(self) -> None:
        """Tell that steps are about to be taken, and measure the pace from here."""
        self._began = (time.perf_counter(), self.course.taken)
        self._tell("job", self._job("playing"))

    def pause(self) -> None:
        """Tell that the training is paused, and show everything as it stands."""
        self._show_all("paused")

    def end(self) -> None:
        """Tell that every engine has ended, and show everything as it stands."""
        self._show_all("ended")

    def look_at(self, sample: int) -> None:
        """Draw another held-out sample. Raises `UserError` where there is none of that number."""
        count = len(self.course.dataset.held_out[1])
        if not 0 <= sample < count:
            raise UserError(f"`sample` counts the {count:,} held-out samples from 0; got {sample}")
        self._sample = sample
        self._show_sample()

    def close(self) -> None:
        """Stop the trainings and remove the scratch folder."""
        self.course.close()
        self._telling.close()

    def _take(self, engine: str, event: object) -> None:
        match event:
            case Progressed(_, loss):
                self._losses[engine] = float("nan") if loss is None else loss
            case Evaluated():
                self._tell("row", {"engine": engine, **summary(event)})
                self._telling.take(engine, event)
            case Failed(outcome):
                failure = outcome.failure
                where = f"step {failure.step}" if failure else ""
                self._tell("note", {"engine": engine, "text": f"the loss stopped being finite at {where}"})
            case _:
                self._telling.take(engine, event)  # type: ignore[arg-type]

    def _planned(self) -> list[Duty]:
        recipe, dataset = self.course.recipe, self.course.dataset
        plans = list[tuple[Callable[[], None], float]]()
        if pictures.is_plane(recipe, dataset):
            self._grid = pictures.grid_of(dataset, recipe.training.dtype)
            self._span = pictures.span_of(dataset) if dataset.targets else None
            plans += [(self._boundary, FRAME), (self._units, 0.1)]
        elif recipe.network.image_shape:
            plans += [(self._maps, 0.1), (self._filters, 0.2)]
        if recurrent_nodes(recipe.network):
            plans += [(self._time, SLOWLY)]
        plans += [(self._gap, 0.1), (self._confusion, SLOWLY), (self._sentences, 1.0)]
        return [Duty(self._frame, FRAME, CURVES), *(Duty(do, period) for do, period in plans)]

    def _show_all(self, status: str) -> None:
        for duty in self._duties:
            duty.insist()
        self._show_sample()
        self._tell("job", self._job(status))

    def _show_sample(self) -> None:
        recipe = self.course.recipe
        self._tell("picture", pictures.image(recipe.network, self.course.dataset, self._sample))
        self._answers()
        if recipe.network.image_shape:
            self._maps()
        if recurrent_nodes(recipe.network):
            self._time()

    def _job(self, status: str) -> dict[str, object]:
        course = self.course
        failures = {name: outcome.failure.step for name, outcome in course.outcomes.items() if outcome.failure}
        return {
            "status": status,
            "step": course.taken,
            "steps": course.batches.steps,
            "epoch": course.epoch,
            "steps_per_epoch": course.batches.steps_per_epoch,
            "engines": list(course.engines),
            "ended": sorted(course.outcomes),
            "diverged": failures,
            "sample": self._sample,
            "held_out": len(course.dataset.held_out[1]),
            "classes": list((course.dataset.targets or course.dataset.classes)[: pictures.MOST_CLASSES]),
            "task": course.recipe.task,
        }

    def _frame(self) -> None:
        clock, step = self._began
        seconds = time.perf_counter() - clock
        pace = (self.course.taken - step) / seconds if seconds > 0 else 0.0
        facts = {"step": self.course.taken, "epoch": self.course.epoch, "pace": pace}
        self._tell("frame", {**facts, "points": self._bucket.take()})

    def _picture(self, picture: pictures.Picture | None) -> None:
        if picture:
            self._tell("picture", {"step": self.course.taken, **picture})

    def _boundary(self) -> None:
        engines = self.course.engines
        if self._span is None:
            self._picture(pictures.boundary(self.course.recipe, engines, self._grid))
        else:
            self._picture(pictures.landscape(engines, self._grid, self._span))

    def _units(self) -> None:
        self._picture(pictures.units(self.course.recipe.network, self.course.engines, self._grid))

    def _maps(self) -> None:
        recipe, (_, held_out) = self.course.recipe, self.course.dataset.held_out
        self._picture(pictures.maps(recipe.network, self._first, held_out, self._sample, recipe.training.dtype))
        self._answers()

    def _answers(self) -> None:
        recipe, (_, held_out) = self.course.recipe, self.course.dataset.held_out
        self._picture(pictures.answers(recipe, self.course.engines, held_out, self._sample))

    def _filters(self) -> None:
        self._picture(pictures.filters(self.course.recipe.network, self._first))

    def _time(self) -> None:
        self._picture(pictures.through_time(self.course.recipe, self._first, self.course.dataset, self._sample))

    def _confusion(self) -> None:
        self._picture(pictures.confusion(self.course.recipe, self.course.engines, self.course.dataset))

    def _gap(self) -> None:
        """Tell in which parameter the engines are farthest apart now."""
        if len(self.course.engines) != 2:
            return
        first, second = (engine.state().parameters for engine in self.course.engines.values())
        gaps = {name: gap(first[name], second[name]) for name in first}
        worst = max(gaps, key=lambda name: gaps[name] if gaps[name] == gaps[name] else float("inf"))
        self._picture({"kind": "gap", "name": worst, "gap": finite(gaps[worst])})

    def _sentences(self) -> None:
        told = self._telling.sentences()
        if told is not None:
            self._tell("sentences", {"step": self.course.taken, "sentences": told})

    @property
    def _first(self) -> Engine:
        return next(iter(self.course.engines.values()))
