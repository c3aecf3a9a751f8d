"""What trains in place of the engines in the tests of studies. Processes import it: it is small and takes no time."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from twofold.errors import DataError
from twofold.recipe import Recipe
from twofold.runs import SCORES
from twofold.runs.history import HistoryRow
from twofold.train.points import Point


def accuracy(recipe: Recipe) -> float:
    """Of a point that was never trained: different for every rate, noise and seed."""
    noise = getattr(recipe.data, "noise", 0.0)
    return round(0.9 - recipe.optimizer.lr / 10 - noise / 100 + recipe.training.seed / 1000, 6)


def quick(recipes: Sequence[Recipe], engine: str) -> list[Point]:
    """Scores at once."""
    return [_point(recipe) for recipe in recipes]


def logged(log: Path, recipes: Sequence[Recipe], engine: str) -> list[Point]:
    """Writes down what it trains, and with which threads."""
    for recipe in recipes:
        _write(log, f"{recipe.optimizer.lr} {recipe.training.seed}")
    _write(log.with_suffix(".groups"), str(len(recipes)))
    _write(log.with_suffix(".threads"), os.environ.get("OPENBLAS_NUM_THREADS", "") + os.environ["OMP_NUM_THREADS"])
    return quick(recipes, engine)


def dying(log: Path, rate: float, times: int, recipes: Sequence[Recipe], engine: str) -> list[Point]:
    """Kills its own process, so many times, where the rate is met."""
    if any(recipe.optimizer.lr == rate for recipe in recipes):
        deaths = _write(log, "died") // len("died\n")
        if deaths <= times:
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)
    return quick(recipes, engine)


def slow_once(log: Path, recipes: Sequence[Recipe], engine: str) -> list[Point]:
    """Takes a minute the first time that the rate 0.2 is met."""
    if recipes[0].optimizer.lr == 0.2 and not log.exists():
        _write(log, "slow")
        time.sleep(60)
    return quick(recipes, engine)


def refusing(recipes: Sequence[Recipe], engine: str) -> list[Point]:
    """Raises for one seed, in the way that data do, for another as a fault of the program would."""
    for recipe in recipes:
        print("trying seed", recipe.training.seed)
        if recipe.training.seed == 1:
            raise DataError("line 7 holds no number")
        if recipe.training.seed == 2:
            raise ZeroDivisionError("by nothing")
    return quick(recipes, engine)


def diverging(recipes: Sequence[Recipe], engine: str) -> list[Point]:
    """Seed 1 has no scores; its history ends with a loss that is no number."""
    points = quick(recipes, engine)
    row = HistoryRow(5, 0.1, 0.1, 0.0, float("nan"), 0.5)
    lost = Point({}, 0.5, 5, (row,), "the loss became nan at step 5")
    return [lost if recipe.training.seed == 1 else point for recipe, point in zip(recipes, points, strict=True)]


class Flowing(Point):
    """A point that tells of its gradients through time."""

    flow: dict[str, object]


def flowing(recipes: Sequence[Recipe], engine: str) -> list[Point]:
    """Points of recurrent networks."""
    points = []
    for recipe in recipes:
        point = Flowing(**vars(_point(recipe)))
        rate, seed = recipe.optimizer.lr, recipe.training.seed
        flow = {"carried_before": 10.0 ** (-3 - seed) * rate, "carried_after": rate, "norms": (1.0, float("inf"))}
        object.__setattr__(point, "flow", flow)
        points.append(point)
    return points


def _point(recipe: Recipe) -> Point:
    scores = {name: accuracy(recipe) if "accuracy" in name else 1 - accuracy(recipe) for name in SCORES}
    row = HistoryRow(0, 0.0, recipe.optimizer.lr, 0.0, 0.7, 0.5)
    return Point({**scores, "validation_accuracy": None, "validation_loss": None}, 0.25, 10, (row,))


def _write(log: Path, line: str) -> int:
    """Append a line, and return where it ends: each of several processes then knows what came before its own line."""
    with log.open("ab", buffering=0) as file:
        file.write(f"{line}\n".encode())
        return file.tell()
