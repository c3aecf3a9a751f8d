"""What classifier and regressor have in common: parameters, fitting, pickling, the proof and the report of a fit."""

from __future__ import annotations

import abc
import math
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import Tags, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import (
    _check_sample_weight,  # pyright: ignore[reportAttributeAccessIssue]
    check_is_fitted,
    validate_data,
)

from twofold.arrays import Array
from twofold.engine import Engine, State
from twofold.engines import ENGINES
from twofold.errors import DataError, RecipeError, UserError
from twofold.estimators.fitting import Prepared, fitted, outputs_of, prepared
from twofold.estimators.recipes import ACTIVATIONS, OPTIMIZERS, Asked, Settings, recipe_like, recipe_of
from twofold.estimators.threads import one_thread
from twofold.plain import Samples
from twofold.proof.verify import Verification
from twofold.recipe import Recipe
from twofold.recipe.losses import LossSpec
from twofold.runs import Run
from twofold.setup.building import build_engine

AUTO_BATCH = 200
"""Samples of a step where the batch is `auto`, as in scikit-learn's networks; all of them where there are fewer."""
SPARSE = ("csr", "csc", "coo")
"""Sparse formats that are taken; scikit-learn converts others to the first of them."""
NOT_KEPT = ("_engine", "_samples", "_run")
"""Attributes that a pickle leaves out: the engine, the training samples, and a run folder that may not be there."""

CONSTRAINTS: dict[str, list[object]] = {
    "hidden": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions(set(ACTIVATIONS))],
    "optimizer": [StrOptions(set(OPTIMIZERS))],
    "lr": [Interval(Real, 0, None, closed="neither")],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "epochs": [Interval(Integral, 1, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "engine": [StrOptions(set(ENGINES))],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
    "warm_start": ["boolean"],
    "random_state": ["random_state"],
    "recipe": [None, str, Path, Recipe],
    "device": [StrOptions({"auto", "cpu", "cuda"})],
}
"""What each parameter may be; scikit-learn words the errors."""


class NetworkEstimator(BaseEstimator, abc.ABC):
    """A network of a recipe, fitted to arrays. Its final classes are the classifier and the regressor."""

    _parameter_constraints: ClassVar[dict[str, list[object]]] = CONSTRAINTS

    # Parameters, set by the constructors of the final classes:
    hidden: Any
    activation: str
    optimizer: str
    lr: float
    weight_decay: float
    epochs: int
    batch_size: Any
    engine: str
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int
    warm_start: bool
    random_state: Any
    recipe: Any
    device: str

    # Set by a fit:
    n_features_in_: int
    recipe_: Recipe
    loss_curve_: list[float]
    validation_loss_curve_: list[float] | None
    loss_: float
    n_iter_: int
    _state: State

    @abc.abstractmethod
    def _encoded(self, y: Array, reset: bool) -> Array:
        """Targets as the engines take them: indices of classes (samples,), or numbers or labels (samples, targets).

        With `reset` classes and targets are taken from `y`; without, `y` must fit those of the first fit. Raises
        `ValueError`.
        """

    @abc.abstractmethod
    def _answers(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The names of the classes, and the names of the numbers or labels to predict; one of the two is empty."""

    @abc.abstractmethod
    def _loss(self) -> LossSpec | None:
        """The loss that the parameters ask for; `None` stands for the recipe's own."""

    def _fitted(
        self, X: Samples, y: Samples, sample_weight: Samples, *, since: State | None, epochs: int | None, seed: int
    ) -> Self:
        """Train from the beginning, or on from the state `since`; `y` is encoded already.

        `epochs` takes the place of the parameter and leaves out early stopping. Raises `ValueError` where the recipe or
        the data do not fit.
        """
        x, target, weight = self._checked(X, y, sample_weight)
        classes, targets = self._answers()
        names = tuple(getattr(self, "feature_names_in_", ()))
        dtype = "float32" if x.dtype == np.float32 else "float64"
        asked = Asked(x.shape[1], names, classes, targets, self.engine, dtype, seed, self.device)
        try:
            if self.recipe is None:
                recipe = recipe_of(self._settings(len(x), epochs), asked, cast(LossSpec, self._loss()))
            else:
                recipe = recipe_like(self.recipe, asked, self._loss(), epochs)
            samples = prepared(recipe, x, target, weight, None if since is None else self._scaling)
            with one_thread(self.engine):
                result = fitted(samples, self.engine, since)
        except (DataError, RecipeError, UserError) as error:
            raise ValueError(str(error)) from error
        self.recipe_ = samples.recipe
        self.loss_curve_ = list(result.losses)
        self.validation_loss_curve_ = list(result.validation) or None
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else math.nan
        self.n_iter_ = len(result.losses)
        self._scaling = samples.dataset.target_scaling
        self._engine, self._state, self._samples = result.engine, result.engine.state(), samples
        self._run: Run | None = None
        return self

    def _checked(self, X: Samples, y: Array, sample_weight: Samples) -> tuple[Array, Array, Array | None]:
        """Samples, targets, and the weights checked. Raises `ValueError` where a weight is negative or all are 0."""
        if sample_weight is None:
            return X, y, None
        weight = _check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)
        if not weight.any():
            raise ValueError("Invalid weights: at least one of `sample_weight` must be greater than 0.")
        return X, y, weight

    def _validated(self, X: Samples, y: Samples, *, reset: bool) -> tuple[Array, Array]:
        """Samples and targets, checked; a sparse matrix is filled in."""
        x, y = validate_data(
            self, X, y, reset=reset, accept_sparse=SPARSE, multi_output=True, dtype=[np.float64, np.float32]
        )
        return _dense(x), _dense(y)

    def _settings(self, samples: int, epochs: int | None) -> Settings:
        hidden = [self.hidden] if isinstance(self.hidden, Integral) else list(self.hidden)
        if not all(isinstance(units, Integral) for units in hidden):
            raise ValueError(f"`hidden` holds the units of each hidden layer, whole numbers; got {self.hidden!r}.")
        if any(units < 1 for units in hidden):
            raise ValueError(f"`hidden` holds the units of each hidden layer, at least 1; got {self.hidden!r}.")
        size = min(AUTO_BATCH, samples) if self.batch_size == "auto" else min(int(self.batch_size), samples)
        return Settings(
            [int(units) for units in hidden],
            self.activation,
            self.optimizer,
            float(self.lr),
            float(self.weight_decay),
            int(self.epochs if epochs is None else epochs),
            size,
            bool(self.early_stopping) and epochs is None,
            float(self.validation_fraction),
            int(self.n_iter_no_change),
        )

    def _seed(self) -> int:
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _since(self) -> State | None:
        """The state from which a warm start goes on; `None` for a fit from the beginning."""
        return self._state if self.warm_start and hasattr(self, "_state") else None

    def _outputs(self, X: Samples) -> Array:
        """The outputs of the last layer, (samples, outputs)."""
        check_is_fitted(self)
        x = _dense(validate_data(self, X, reset=False, accept_sparse=SPARSE, dtype=[np.float64, np.float32]))
        with one_thread(self.recipe_.training.engines[0]):
            return outputs_of(self._restored(), self.recipe_, x)

    def _restored(self) -> Engine:
        """The engine of the fit; one built from the fitted weights where this estimator came out of a pickle."""
        if (engine := self.__dict__.get("_engine")) is not None:
            return engine
        engine = build_engine(self.recipe_.training.engines[0], self.recipe_)
        engine.load(State(self._state.parameters, buffers=self._state.buffers, average=self._state.average))
        return engine

    def _training_samples(self, call: str) -> Prepared:
        check_is_fitted(self)
        samples = self.__dict__.get("_samples")
        if samples is None:
            raise ValueError(
                f"`{call}` wants the training samples, which a pickled estimator does not hold. Fit it again."
            )
        return samples

    def verify(self, steps: int = 200) -> Verification:
        """The proof for this fit: both engines in lock-step over its recipe and samples, in float64 at 1e-9.

        Raises `ValueError` for an estimator out of a pickle, which holds no samples.
        """
        from twofold.proof.verify import verify

        recipe, dataset = self._training_samples("verify")
        return verify(recipe, data=dataset, steps=steps)

    @property
    def run_(self) -> Run:
        """The run folder of this fit, `runs/estimator-N`: trained once more into it, to the same weights.

        Raises `ValueError` after `partial_fit` or a warm start, whose course no recipe describes, and for an estimator
        out of a pickle, which holds no samples.
        """
        samples = self._training_samples("run_")
        if self._run is None:
            self._run = self._recorded(samples)
        return self._run

    def _recorded(self, samples: Prepared) -> Run:
        from twofold.train.running import run

        recipe, dataset = samples
        if recipe.training.epochs:
            often = recipe.training.model_copy(update={"evaluate_every": 1})
            recipe = recipe.model_copy(update={"training": often})
        with one_thread(self.engine):
            made = run(recipe, data=dataset)
        weights = made.weights(self.recipe_.training.engines[0])
        if any(not np.array_equal(weights[name], array) for name, array in self._state.weights().items()):
            raise ValueError(
                "this estimator was fitted in several parts (`partial_fit` or `warm_start`); the run in "
                f"{made.path} is its last part from the beginning, and not the same. Fit it at once."
            )
        return made

    def report(self, path: str | Path) -> Path:
        """Write the report of this fit, a page in one file, to `path`, and give the path back."""
        from twofold.report.page import render
        from twofold.runs import write_whole

        write_whole(Path(path), render(self.run_).html.encode())
        return Path(path)

    def __getstate__(self) -> dict[str, object]:
        state = cast(Mapping[str, object], super().__getstate__())
        return {name: value for name, value in state.items() if name not in NOT_KEPT}

    def __setstate__(self, state: Mapping[str, object]) -> None:
        super().__setstate__(dict(state))
        self._run = None

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.non_deterministic = False
        return tags


def _dense(x: Samples) -> Array:
    """The samples with every number written out, where they are a sparse matrix."""
    return x.toarray() if hasattr(x, "toarray") else np.asarray(x)
