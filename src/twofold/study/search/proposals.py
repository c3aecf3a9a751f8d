"""Optuna's ask-and-tell, with a storage in memory that is rebuilt from what the trials reached.

The order of asking and telling is a function of the search alone: before trial t is asked for, the first t − n + 1
trials have been told, n being `at_a_time`, however many have finished. So the same trials are proposed whatever workers
there are and however often the search was killed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, final

from twofold.errors import MissingExtraError
from twofold.study.search.space import propose
from twofold.study.search.spec import Dimension, Search

if TYPE_CHECKING:
    import optuna
    from optuna.samplers import BaseSampler


@final
class Proposals:
    """The trials of a search, asked for and told in turn."""

    def __init__(self, search: Search) -> None:
        library = _optuna()
        self.search = search
        self.asked = 0
        self.told = 0
        with _without_warnings():
            sampler = _SAMPLERS[search.sampler](library, search)
            direction = "maximize" if search.maximizes else "minimize"
            self._study: optuna.Study = library.create_study(direction=direction, sampler=sampler)
        # After its last combination the grid stops a loop of Optuna's own, which there is none of here.
        self._study.stop = lambda: None
        self._trials: list[optuna.Trial] = []

    @property
    def version(self) -> str:
        """The version of Optuna; another may propose other trials."""
        return _optuna().__version__

    def ask(self) -> dict[str, object]:
        """The values of the next trial."""
        with _without_warnings():
            trial = self._study.ask()
            values = propose(self.search, lambda name, dimension: self._suggest(trial, name, dimension))
        self._trials.append(trial)
        self.asked += 1
        return values

    def tell(self, value: float | None, pruned_at: int | None = None) -> None:
        """Tell what the next trial in the order of asking reached, `None` where it failed.

        `pruned_at` is the number of the evaluation at which it was stopped early.
        """
        states = _optuna().trial.TrialState
        trial = self._trials[self.told]
        with _without_warnings():
            if value is None:
                self._study.tell(trial, state=states.FAIL)
            elif pruned_at is not None:
                trial.report(value, pruned_at)
                self._study.tell(trial, state=states.PRUNED)
            else:
                self._study.tell(trial, value)
        self.told += 1

    def importance(self) -> dict[str, float]:
        """The share of the metric's variance that each parameter explains, by functional ANOVA; largest first."""
        optuna = _optuna()
        with _without_warnings():
            try:
                evaluator = optuna.importance.FanovaImportanceEvaluator(seed=self.search.seed)
                return dict(optuna.importance.get_param_importances(self._study, evaluator=evaluator))
            except (ValueError, RuntimeError):  # fewer than two trials, or all with the same value
                return {}

    def _suggest(self, trial: optuna.Trial, name: str, dimension: Dimension) -> object:
        """A value for a parameter. A choice is proposed by its place: Optuna takes no tables as choices."""
        if dimension.choices is not None:
            return dimension.choices[trial.suggest_categorical(name, list(range(len(dimension.choices))))]
        assert dimension.low is not None  # what has no choices has both ends
        assert dimension.high is not None
        if dimension.whole:
            return trial.suggest_int(name, int(dimension.low), int(dimension.high), log=dimension.log)
        return trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log)


def _tpe(optuna: ModuleType, search: Search) -> BaseSampler:
    return optuna.samplers.TPESampler(seed=search.seed, constant_liar=True)


def _random(optuna: ModuleType, search: Search) -> BaseSampler:
    return optuna.samplers.RandomSampler(seed=search.seed)


def _grid(optuna: ModuleType, search: Search) -> BaseSampler:
    space = {name: _values(dimension) for name, dimension in search.space.items()}
    return optuna.samplers.GridSampler(space, seed=search.seed)


def _cmaes(optuna: ModuleType, search: Search) -> BaseSampler:
    return optuna.samplers.CmaEsSampler(seed=search.seed, warn_independent_sampling=False)


def _gp(optuna: ModuleType, search: Search) -> BaseSampler:
    return optuna.samplers.GPSampler(seed=search.seed, deterministic_objective=True)


_SAMPLERS: dict[str, Callable[[ModuleType, Search], BaseSampler]] = {
    "tpe": _tpe,
    "random": _random,
    "grid": _grid,
    "cmaes": _cmaes,
    "gp": _gp,
}


def _values(dimension: Dimension) -> list[int]:
    """The values of a grid's dimension, choices by their place."""
    if dimension.choices is not None:
        return list(range(len(dimension.choices)))
    return list(range(int(dimension.low or 0), int(dimension.high or 0) + 1))


def _optuna() -> ModuleType:
    try:
        import optuna
    except ImportError:
        raise MissingExtraError("optuna", "search", "a search") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _without_warnings() -> warnings.catch_warnings[None]:
    """Silence Optuna's warnings that parts of it are experimental."""
    return warnings.catch_warnings(action="ignore")
