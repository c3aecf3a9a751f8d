"""A network that predicts numbers, as an estimator of scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from pathlib import Path
from typing import ClassVar, Literal, Self, final

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils import Tags, check_array
from sklearn.utils._param_validation import Interval, StrOptions

from twofold.arrays import Array
from twofold.estimators.base import CONSTRAINTS, NetworkEstimator
from twofold.plain import Samples
from twofold.recipe import Recipe
from twofold.recipe.losses import Huber, LossSpec, MeanAbsolute, MeanSquared
from twofold.train.evidence import in_unit

LOSSES = ("mean_squared", "mean_absolute", "huber")


@final
class TwofoldRegressor(RegressorMixin, NetworkEstimator):
    """A network of dense layers, or that of a recipe, which predicts one number or several.

    The targets are standardized inside, and predicted in their own unit.

    >>> from sklearn.datasets import load_diabetes
    >>> from twofold import TwofoldRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> network = TwofoldRegressor(hidden=(16,), epochs=100, lr=0.01, random_state=0).fit(X, y)
    >>> bool(network.score(X, y) > 0.4)
    True

    Parameters
    ----------
    loss : `mean_squared`, `mean_absolute`, or `huber` with `delta` in standard deviations of the targets.

    The others, the methods and the attributes are those of `TwofoldClassifier`, without `class_weight`,
    `label_smoothing`, `classes_` and `predict_proba`.
    """

    _parameter_constraints: ClassVar[dict[str, list[object]]] = {
        **CONSTRAINTS,
        "loss": [StrOptions(set(LOSSES))],
        "delta": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(  # every parameter of an estimator stands in its signature
        self,
        hidden: Sequence[int] | int = (64,),
        *,
        activation: str = "relu",
        loss: str = "mean_squared",
        delta: float = 1.0,
        optimizer: str = "adam",
        lr: float = 0.001,
        weight_decay: float = 0.0,
        epochs: int = 200,
        batch_size: int | Literal["auto"] = "auto",
        engine: str = "numpy",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        recipe: Recipe | str | Path | None = None,
        device: str = "cpu",
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.loss = loss
        self.delta = delta
        self.optimizer = optimizer
        self.lr = lr
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.batch_size = batch_size
        self.engine = engine
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.random_state = random_state
        self.recipe = recipe
        self.device = device

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Samples, y: Samples, sample_weight: Samples = None) -> Self:
        """Train on samples and their numbers, with a weight each where given: 2 counts as two samples, 0 as none."""
        x, y = self._validated(X, y, reset=self._since() is None)
        target = self._encoded(y, reset=self._since() is None)
        return self._fitted(x, target, sample_weight, since=self._since(), epochs=None, seed=self._seed())

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Samples, y: Samples, sample_weight: Samples = None) -> Self:
        """Train one epoch on these samples, on from the weights and moments of the call before.

        Of a `recipe` its length, its early stopping and its validation share are left out, and its schedule begins anew
        in each call.

        `y` is scaled as in the first call. Raises `ValueError` where it holds another number of targets.
        """
        first = not hasattr(self, "_state")
        x, y = self._validated(X, y, reset=first)
        target = self._encoded(y, reset=first)
        self._base = self._seed() if first else getattr(self, "_base", 0)
        self._calls = 0 if first else getattr(self, "_calls", 0) + 1
        since = None if first else self._state
        return self._fitted(x, target, sample_weight, since=since, epochs=1, seed=(self._base + self._calls) % 2**31)

    def predict(self, X: Samples) -> Array:
        """The numbers in their unit, (samples,), or (samples, targets) as `y` was."""
        numbers = in_unit(self._outputs(X), self._scaling)
        return numbers[:, 0] if self._flat else numbers

    def _encoded(self, y: Array, reset: bool) -> Array:
        y = check_array(y, dtype="float64", ensure_2d=False, input_name="y")
        if reset:
            self._flat = y.ndim == 1
            self._targets = y.reshape(len(y), -1).shape[1]
        if y.reshape(len(y), -1).shape[1] != self._targets:
            raise ValueError(f"y must hold {self._targets} numbers a sample, as in the first fit; got {y.shape}.")
        return y.reshape(len(y), -1)

    def _answers(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return (), ("y",) if self._targets == 1 else tuple(f"y{number}" for number in range(1, self._targets + 1))

    def _loss(self) -> LossSpec | None:
        if self.recipe is not None:
            return None
        match self.loss:
            case "mean_absolute":
                return MeanAbsolute()
            case "huber":
                return Huber(delta=float(self.delta))
        return MeanSquared()

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
