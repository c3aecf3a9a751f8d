"""The batch at which a training is paused, on its way through both engines: what the microscope is asked about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import final

import numpy as np
from threadpoolctl import threadpool_limits

from twofold.data import Masks
from twofold.engine import Batch, Engine, Trace, lengths_of
from twofold.errors import UserError
from twofold.page.course import SideBySide
from twofold.probe.passage import MOST_SAMPLES, Passage, alone, block
from twofold.recipe import Recipe
from twofold.setup.building import build_engine

BATCHES = ("training", "held-out")


@final
class Microscope:
    """Answers questions about the step at which the training stands; the last batch asked about is kept."""

    def __init__(self, course: SideBySide) -> None:
        self._course = course
        self._passages = dict[tuple[int, str, int], Passage]()

    def answer(self, query: Mapping[str, str]) -> tuple[int, bytes]:
        """A status and JSON. Raises `UserError` for a question that has no answer."""
        course = self._course
        step = _whole(query, "step", course.taken)
        if step != course.taken:
            return 409, json.dumps(
                {"fault": f"the training stands at step {course.taken}", "step": course.taken}
            ).encode()
        passage = self._passage(query)
        from twofold.probe.microscope import answer  # not before somebody looks

        states = {name: engine.state() for name, engine in course.engines.items()}
        return 200, json.dumps(answer(passage, states, query), allow_nan=False).encode()

    def _passage(self, query: Mapping[str, str]) -> Passage:
        which = query.get("batch", "training")
        if which not in BATCHES:
            raise UserError(f"`batch` must be `training` or `held-out`; got `{which[:60]}`")
        key = (self._course.taken, which, _whole(query, "sample", 0))
        if key not in self._passages:
            self._passages = {key: self._training() if which == "training" else self._held_out(key[2])}
        return self._passages[key]

    def _training(self) -> Passage:
        """The batch that the next step takes."""
        course = self._course
        batch = next(iter(course.batches.since(course.taken)), None)
        if batch is None:
            raise UserError("the training has ended: there is no next batch; choose `batch=held-out`")
        if course.recipe.network.sequences and lengths_of(batch.x) is not None:
            raise UserError(
                "the next batch holds sequences shorter than the longest, and the microscope knows no padding; choose "
                "the held-out samples (`batch=held-out`), of which it shows one sequence at a time, whole"
            )
        return self._passed(course.recipe, course.engines, batch, "train")

    def _held_out(self, sample: int) -> Passage:
        """The block of held-out samples that holds one of them, with the masks of the first step, as in a walk.

        A sequence of data in which these differ in length goes by itself, cut to its own length.
        """
        recipe, (name, split) = self._course.recipe, self._course.dataset.held_out
        if sample >= len(split):
            raise UserError(f"`sample` counts the {len(split):,} {name} samples from 0; got {sample}")
        engines = self._course.engines
        if (part := alone(recipe, split, sample)) is not None:
            (recipe, split), first = part, sample
            engines = {name: _of_another_length(engine, recipe) for name, engine in engines.items()}
        else:
            usual = recipe.training.batch_size
            first, split = block(split, sample, MOST_SAMPLES if usual == "full" else min(usual, MOST_SAMPLES))
        masks = Masks(recipe.network, recipe.training.seed)(0, len(split))
        x = split.floats().astype(recipe.training.dtype)
        return self._passed(recipe, engines, Batch(x, split.y, 0.0, masks, 0), name, sample, first)

    def _passed(
        self, recipe: Recipe, engines: Mapping[str, Engine], batch: Batch, split: str, sample: int = 0, first: int = 0
    ) -> Passage:
        course, traces = self._course, dict[str, Trace]()
        for name, engine in engines.items():
            with threadpool_limits(1), np.errstate(all="ignore"):  # as in a walk, to the last digit
                traces[name] = engine.trace(batch)
        parameters = next(iter(engines.values())).state().parameters
        weights, rate = "initial" if not course.taken else next(iter(engines)), course.batches.rate(course.taken)
        return Passage(recipe, "", weights, "real", split, sample, first, batch, parameters, traces, rate=rate)


def _of_another_length(engine: Engine, recipe: Recipe) -> Engine:
    """An engine with the same state for sequences as long as those of the recipe."""
    copy = build_engine(engine.name, recipe)
    copy.load(engine.state())
    return copy


def _whole(query: Mapping[str, str], key: str, default: int) -> int:
    """The whole number under `key` in the query. Raises `UserError` for anything else."""
    text = query.get(key, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 12):
        raise UserError(f"`{key}` must be a whole number of at least 0; got `{text[:60]}`")
    return int(text)
