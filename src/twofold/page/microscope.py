"""The batch at which a training is paused, on its way through both engines: what the microscope is asked about."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import final

import numpy as np
from threadpoolctl import threadpool_limits

from twofold.data import Masks
from twofold.engine import Batch, Trace
from twofold.errors import UserError
from twofold.page.course import SideBySide
from twofold.probe.passage import MOST_SAMPLES, Passage, block

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
        return self._passed("train", 0, 0, batch)

    def _held_out(self, sample: int) -> Passage:
        """The block of held-out samples that holds one of them, with the masks of the first step, as in a walk."""
        recipe, (name, split) = self._course.recipe, self._course.dataset.held_out
        if sample >= len(split):
            raise UserError(f"`sample` counts the {len(split):,} {name} samples from 0; got {sample}")
        usual = recipe.training.batch_size
        first, part = block(split, sample, MOST_SAMPLES if usual == "full" else min(usual, MOST_SAMPLES))
        masks = Masks(recipe.network, recipe.training.seed)(0, len(part))
        x = part.floats().astype(recipe.training.dtype)
        return self._passed(name, sample, first, Batch(x, part.y, 0.0, masks, 0))

    def _passed(self, split: str, sample: int, first: int, batch: Batch) -> Passage:
        course, traces = self._course, dict[str, Trace]()
        for name, engine in course.engines.items():
            with threadpool_limits(1), np.errstate(all="ignore"):  # as in a walk, to the last digit
                traces[name] = engine.trace(batch)
        parameters = next(iter(course.engines.values())).state().parameters
        weights = "initial" if not course.taken else next(iter(course.engines))
        return Passage(course.recipe, "", weights, "real", split, sample, first, batch, parameters, traces)


def _whole(query: Mapping[str, str], key: str, default: int) -> int:
    """The whole number under `key` in the query. Raises `UserError` for anything else."""
    text = query.get(key, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 12):
        raise UserError(f"`{key}` must be a whole number of at least 0; got `{text[:60]}`")
    return int(text)
