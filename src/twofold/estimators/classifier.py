"""A network that tells classes apart, as an estimator of scikit-learn."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import ClassVar, Literal, Self, final

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils import Tags, column_or_1d, compute_class_weight
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels
from sklearn.utils.validation import check_is_fitted

from twofold.arrays import Array
from twofold.estimators.base import CONSTRAINTS, NetworkEstimator
from twofold.estimators.recipes import loaded
from twofold.plain import Samples
from twofold.recipe import Recipe
from twofold.recipe.losses import BinaryCrossEntropy, CrossEntropy, LossSpec
from twofold.setup.outputs import probabilities


@final
class TwofoldClassifier(ClassifierMixin, NetworkEstimator):
    """A network of dense layers, or that of a recipe, which tells classes apart.

    With y of ones and zeros, (samples, labels), it answers which of several labels a sample has.

    >>> from sklearn.datasets import load_iris
    >>> from twofold import TwofoldClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> network = TwofoldClassifier(hidden=(16,), random_state=0).fit(X, y)
    >>> bool(network.score(X, y) > 0.9)
    True
    >>> network.verify(steps=20).agrees
    True

    Parameters
    ----------
    hidden : units of each hidden layer, `(64,)`; `()` is logistic regression.
    activation : `relu`, `leaky_relu`, `elu`, `gelu`, `silu`, `sigmoid` or `tanh`, after each of them.
    optimizer : `adam`, `adamw`, `sgd` or `rmsprop`.
    lr : the learning rate.
    weight_decay : the optimizer's, on weights and biases.
    epochs : passes over the samples; with `early_stopping` at most so many.
    batch_size : samples of a step; `auto` is 200, or all where there are fewer.
    engine : `numpy` or `torch`.
    class_weight : `balanced`, or a mapping from classes to weights, with PyTorch's meaning: the mean over a batch is
        divided by the sum of the weights of its samples.
    label_smoothing : ε of the target distribution.
    early_stopping : hold `validation_fraction` of the samples out, stop after `n_iter_no_change` epochs without a lower
        loss on them, and keep the weights of the best epoch.
    warm_start : `fit` goes on from the weights of the fit before.
    random_state : the seed of initial weights, order and the samples held out.
    recipe : a `Recipe`, a file or a built-in name, whose network, loss, optimizer and training take the place of all of
        the above but `engine`, `class_weight`, `warm_start` and `random_state`.
    device : where PyTorch computes.

    Attributes
    ----------
    classes_, n_features_in_, feature_names_in_ : as everywhere in scikit-learn; of several labels their numbers.
    loss_curve_ : the mean loss of each epoch's steps; `loss_` the last, `n_iter_` their number.
    validation_loss_curve_ : the loss on the samples held out after each epoch; `None` without `early_stopping`.
    recipe_ : what was trained, as a recipe; `run_` a run folder of it, written when it is first asked for.
    """

    _parameter_constraints: ClassVar[dict[str, list[object]]] = {
        **CONSTRAINTS,
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
    }
    classes_: Array
    _several: bool

    def __init__(  # every parameter of an estimator stands in its signature
        self,
        hidden: Sequence[int] | int = (64,),
        *,
        activation: str = "relu",
        optimizer: str = "adam",
        lr: float = 0.001,
        weight_decay: float = 0.0,
        epochs: int = 200,
        batch_size: int | Literal["auto"] = "auto",
        engine: str = "numpy",
        class_weight: Mapping[Hashable, float] | Literal["balanced"] | None = None,
        label_smoothing: float = 0.0,
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
        self.optimizer = optimizer
        self.lr = lr
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.batch_size = batch_size
        self.engine = engine
        self.class_weight = class_weight
        self.label_smoothing = label_smoothing
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.random_state = random_state
        self.recipe = recipe
        self.device = device

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Samples, y: Samples, sample_weight: Samples = None) -> Self:
        """Train on samples and their classes, with a weight each where given: 2 counts as two samples, 0 as none."""
        x, y = self._validated(X, y, reset=self._since() is None)
        target = self._encoded(y, reset=self._since() is None)
        return self._fitted(x, target, sample_weight, since=self._since(), epochs=None, seed=self._seed())

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Samples, y: Samples, classes: Samples = None, sample_weight: Samples = None) -> Self:
        """Train one epoch on these samples, on from the weights and moments of the call before.

        Of a `recipe` its length, its early stopping and its validation share are left out, and its schedule begins anew
        in each call.

        The first call must name all `classes`. Raises `ValueError` where it does not, or a later one names others.
        """
        first = not hasattr(self, "_state")
        x, y = self._validated(X, y, reset=first)
        if first:
            if classes is None:
                raise ValueError("classes must be passed on the first call to partial_fit.")
            self.classes_ = unique_labels(np.asarray(classes))
            self._base = self._seed()
        elif classes is not None and not np.array_equal(self.classes_, unique_labels(np.asarray(classes))):
            raise ValueError(f"`classes={classes!r}` is not the same as on last call to partial_fit: {self.classes_!r}")
        target = self._encoded(y, reset=False)
        self._calls = 0 if first else getattr(self, "_calls", 0) + 1
        seed = (getattr(self, "_base", 0) + self._calls) % 2**31
        return self._fitted(x, target, sample_weight, since=None if first else self._state, epochs=1, seed=seed)

    def predict(self, X: Samples) -> Array:
        """The class of the largest output of each sample; of labels, (samples, labels), 1 for a probability above ½."""
        outputs = self._outputs(X)
        if self._several:
            return (outputs > 0).astype(np.int64)
        return self.classes_[outputs.argmax(axis=1)]

    def predict_proba(self, X: Samples) -> Array:
        """The probability of each class or label, (samples, classes), in the order of `classes_`.

        Raises `ValueError` for a recipe whose outputs stand for none: one of `mean_squared` without a softmax.
        """
        check_is_fitted(self)
        p = probabilities(self.recipe_.model, self._outputs(X))
        if p is None:
            raise ValueError("the outputs of this recipe stand for no probabilities; train it with `cross_entropy`.")
        return p

    def _encoded(self, y: Array, reset: bool) -> Array:
        wide = y.ndim == 2 and y.shape[1] > 1
        if wide and type_of_target(y, input_name="y") == "multilabel-indicator":
            return self._labels(y, reset)
        if not reset and getattr(self, "_several", False):
            raise ValueError(f"y must hold {len(self.classes_)} labels of 0 and 1 a sample, as in the first fit.")
        self._several = False
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        if reset:
            self.classes_ = np.unique(y)
            if len(self.classes_) < 2:
                raise ValueError(
                    "Classifier can't train when only one class is present: y holds "
                    f"{self.classes_[0]} only. Give samples of at least two classes."
                )
        if len(unknown := np.setdiff1d(y, self.classes_)):
            raise ValueError(f"y holds a class that the first fit did not: {unknown[0]!r}; it had {self.classes_!r}.")
        return np.searchsorted(self.classes_, y).astype(np.int64)

    def _labels(self, y: Array, reset: bool) -> Array:
        """The labels as floats 0 and 1, (samples, labels). Raises `ValueError` where the first fit had others."""
        several = hasattr(self, "classes_") and not reset
        if several and (y.shape[1] != len(self.classes_) or not getattr(self, "_several", True)):
            raise ValueError(f"y holds {y.shape[1]} labels a sample; the first fit had {self.classes_!r}.")
        self._several, self.classes_ = True, np.arange(y.shape[1])
        return y.astype(np.float64)

    def _answers(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        if self._several:
            return (), tuple(f"y{number}" for number in range(1, len(self.classes_) + 1))
        return tuple(map(str, self.classes_)), ()

    def _loss(self) -> LossSpec | None:
        if self._several and (self.class_weight is not None or self.label_smoothing):
            name = "label_smoothing" if self.class_weight is None else "class_weight"
            raise ValueError(f"`{name}` is of classes; y holds several labels a sample. Leave it out.")
        if self.recipe is not None and self.class_weight is None:
            if self._several:
                self._refuse_numbers()
            return None
        if self._several:
            return BinaryCrossEntropy()
        weights = self.class_weight
        if isinstance(weights, Mapping):
            by_class = compute_class_weight(dict(weights), classes=self.classes_, y=self.classes_)
            weights = tuple(map(float, by_class))
        if self.recipe is not None:
            return self._weighted(weights)
        return CrossEntropy(class_weight=weights, label_smoothing=float(self.label_smoothing))

    def _weighted(self, weights: str | tuple[float, ...] | None) -> LossSpec:
        """The recipe's own loss with weights of the classes. Raises `ValueError` for a loss that has none."""
        loss = loaded(self.recipe).loss
        if not isinstance(loss, CrossEntropy):
            raise ValueError(
                f"`class_weight` weighs the classes of `cross_entropy`; `recipe` has the loss `{loss.kind}`. Leave it "
                "out, or train the recipe with `cross_entropy`."
            )
        return loss.model_copy(update={"class_weight": weights})

    def _refuse_numbers(self) -> None:
        """Raises `ValueError` where the recipe's loss predicts numbers: its outputs are then no labels' logits."""
        loss = loaded(self.recipe).loss
        if "numbers" in loss.targets:
            raise ValueError(
                f"`recipe` has the loss `{loss.kind}`, which predicts numbers; y holds several labels a sample. "
                "Train it with `binary_cross_entropy`."
            )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
