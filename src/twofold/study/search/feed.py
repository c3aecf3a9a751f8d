"""What a search trains next: trials as they are proposed, then the best of them with other seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import final

from twofold.errors import RecipeError
from twofold.recipe import Recipe
from twofold.study.grid import Planned, planned_point
from twofold.study.kept import Kept
from twofold.study.search.proposals import Proposals
from twofold.study.search.pruning import Curve, Stop, stop_of
from twofold.study.search.space import names, recipe_of
from twofold.study.spec import Study
from twofold.study.summary import mean


@final
class Feed(Iterator[Sequence[Planned]]):
    """The points of a search, one at a time, each when what it depends on is there.

    `known` holds the points that have finished, and is filled from outside. A trial that is proposed twice, or that was
    trained before the search was stopped, is not trained again.
    """

    def __init__(self, study: Study, base: Recipe, proposals: Proposals, known: dict[str, Kept]) -> None:
        assert study.search is not None
        self.study = study
        self.search = study.search
        self.base = base
        self.known = known
        self.points = list[Planned | None]()
        """The point of each trial; `None`: the values make no recipe."""
        self.order: dict[str, int] = {}
        """The place of every point's row in the table."""
        self.stops: dict[str, Stop | None] = {}
        self._proposals = proposals
        self.columns = names(self.search)
        self._handed: set[str] = set()
        self._repeats: list[Planned] | None = None

    @property
    def total(self) -> int:
        """The most points that are trained."""
        return self.search.most + min(self.search.leaders, self.search.most) * (len(self.study.seeds) - 1)

    def __next__(self) -> Sequence[Planned]:
        """The next point, in a group of its own; `StopIteration` where results must come first, or all is done."""
        while (point := self._trial()) is not None or (point := self._repeat()) is not None:
            if point.id not in self.known and point.id not in self._handed:
                self._handed.add(point.id)
                return [point]
        raise StopIteration

    def leaders(self) -> list[Planned]:
        """The best trials, the best first, each once: one that was proposed again is the first of its name."""
        finished = dict[str, Planned]()
        for point in self.points:
            if point and (result := self.known.get(point.id)) and self._counts(result):
                finished.setdefault(point.id, point)
        best = sorted(finished.values(), key=lambda point: self._merit(self.known[point.id]), reverse=True)
        return best[: self.search.leaders]

    def winner(self) -> Planned | None:
        """The leader with the best mean over its seeds that have ended; of equal ones the one with the better trial."""
        leaders = self.leaders()
        return max(leaders, key=self._mean, default=None)

    def _mean(self, leader: Planned) -> float:
        same = [self._point(leader.values, seed, leader.setting, leader.trial) for seed in self.study.seeds]
        merits = [self._merit(self.known[point.id]) for point in same if point.id in self.known]
        return mean(merits) if all(map(math.isfinite, merits)) else -math.inf

    def _counts(self, result: Kept) -> bool:
        """Whether a training ended as it should, with the score that is searched for."""
        return result.status == "ok" and self._score(result) is not None

    def _merit(self, result: Kept) -> float:
        score = self._score(result)
        if result.status != "ok" or score is None:
            return -math.inf
        return score if self.search.maximizes else -score

    def _score(self, result: Kept) -> float | None:
        return result.scores.get(self.search.metric)

    def _trial(self) -> Planned | None:
        """The point of the next trial, `None` where none may be proposed yet; the order is that of `proposals`."""
        asked = self._proposals.asked
        while asked < self.search.most and self._told(asked - self.search.at_a_time + 1):
            values = self._proposals.ask()
            asked += 1
            point = self._proposed(values, asked - 1)
            self.points.append(point)
            if point is not None:
                return point
        return None

    def _proposed(self, values: dict[str, object], trial: int) -> Planned | None:
        try:
            recipe = recipe_of(self.base, self.search, values)
        except RecipeError:
            return None
        point = self._point(tuple(values.get(name) for name in self.columns), self.study.seeds[0], recipe, trial)
        self.order.setdefault(point.id, trial)
        if point.id not in self.stops:
            self.stops[point.id] = stop_of(self.search, trial, self._curves())
        return point

    def _point(self, values: tuple[object, ...], seed: int, recipe: Recipe, trial: int | None) -> Planned:
        return planned_point(self.study.engine, values, seed, recipe, trial)

    def _told(self, wanted: int) -> bool:
        """Tell `proposals` what the first `wanted` trials reached; whether that is known of all of them."""
        while self._proposals.told < wanted:
            point = self.points[self._proposals.told]
            if point is None:
                self._proposals.tell(None)
                continue
            result = self.known.get(point.id)
            if result is None:
                return False
            score = self._score(result) if result.status != "failed" else None
            evaluations = len(result.history["step"]) - 1 if result.status == "pruned" else None
            self._proposals.tell(score, evaluations)
        return True

    def _curves(self) -> list[Curve]:
        """The evaluations of the trials that have been told."""
        curves = list[Curve]()
        for number, point in enumerate(self.points[: self._proposals.told]):
            result = self.known.get(point.id) if point else None
            if result is not None and result.status != "failed" and result.history:
                column = [math.nan if value is None else value for value in result.history[self.search.metric][1:]]
                curves.append(Curve(number, column, result.status == "ok"))
        return curves

    def _repeat(self) -> Planned | None:
        """The next point of a leader with another seed, once every trial has ended."""
        if self._repeats is None:
            if self._proposals.asked < self.search.most or not self._told(self.search.most):
                return None
            self._repeats = [
                self._point(leader.values, seed, leader.setting, leader.trial)
                for leader in self.leaders()
                for seed in self.study.seeds[1:]
            ]
            for point in self._repeats:
                self.order.setdefault(point.id, len(self.order) + self.search.most)
            self._repeats.reverse()
        return self._repeats.pop() if self._repeats else None
