"""The answers of simpler models of scikit-learn to the samples that a network of a table is judged on.

They are fitted to the same training samples, as the network sees them. A network that is no better than a straight
line, or far behind trees, is seen at once. One that cannot be fitted is left out, and a note says why: a training that
has ended does not fail for it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np

from twofold.arrays import Array
from twofold.data import Dataset, Split
from twofold.engine import answered
from twofold.runs.names import BOOSTING, CONSTANT
from twofold.setup.events import Noted, Prepared, Watcher
from twofold.streams import stream
from twofold.train.evidence import in_unit

MOST_ROWS = 20_000
"""Training samples that a model is fitted to, at most; of more, a random choice."""
MOST_LEVELS = 64
"""Levels of an embedded column that simpler models get as one-hot numbers: the most frequent ones."""
MOST_OUTPUTS = 20
"""Targets up to which models are fitted, one to each target."""
MOST_CLASSES = 100
"""Classes up to which a model is fitted: trees are grown for each of them."""
LONGEST = 300
"""Characters of an error of scikit-learn in a note."""
LEAST_ASIDE = 2
"""The fewest rows of a class from which scikit-learn can set some aside, as it does class by class."""


def baselines(task: str, dataset: Dataset, watch: Watcher) -> Iterator[tuple[str, Array]]:
    """Each model's name and its answers for the samples held out: probabilities, or numbers in their unit."""
    _, held_out = dataset.held_out
    train = dataset.train
    if len(train) > MOST_ROWS:
        train = train[np.sort(stream(0, "baselines").permutation(len(train))[:MOST_ROWS])]
    x, held = (_rows(dataset, split) for split in (train, held_out))
    yield CONSTANT[task], _constant(task, dataset, len(held))
    models = _models(task)
    for number, (name, model) in enumerate(models.items()):
        watch(Prepared("simpler models", number, len(models)))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                answers = _answered(task, model, (x, train.answers, train.weights), held, len(dataset.classes))
        except Exception as error:  # scikit-learn's, for samples that it does not take
            watch(Noted(f"{name} is left out of the simpler models: {type(error).__name__}: {str(error)[:LONGEST]}"))
            continue
        if answers is not None:
            yield name, in_unit(answers, dataset.target_scaling) if task == "regression" else answers
    watch(Prepared("simpler models", len(models), len(models)))


def _rows(dataset: Dataset, split: Split) -> Array:
    """The inputs of a model that knows no order of steps, one row for each answer, (answers, numbers).

    A sequence becomes its length, and the mean and the last value of each number; a step with an answer of its own
    stays as it is.
    """
    x = _spread(dataset, split.floats().astype(np.float64))
    if not dataset.sequences:
        return x.reshape(len(split), -1)
    codes = x.ndim == 2
    if split.each_step:
        x = x[answered(split.y)]
        return x[:, None] if codes else x
    lengths = np.count_nonzero(~np.isnan(x if codes else x[..., 0]), axis=1)
    if codes:
        symbols = range(1 + int(max(np.nanmax(part.x) for _, part in dataset.splits())))
        counts = np.stack([np.count_nonzero(x == symbol, axis=1) for symbol in symbols], axis=1)
        return np.column_stack([lengths, counts / lengths[:, None]])
    return np.column_stack([lengths, np.nanmean(x, axis=1), x[np.arange(len(x)), lengths - 1]])


def _spread(dataset: Dataset, x: Array) -> Array:
    """Inputs with each code one-hot, for the levels that are most frequent in training."""
    columns = list[Array]()
    for place in range(dataset.code_columns):
        training_codes = dataset.train.x[..., place]
        levels, counts = np.unique(training_codes[~np.isnan(training_codes)], return_counts=True)
        frequent = levels[np.argsort(-counts, kind="stable")[:MOST_LEVELS]]
        codes = x[..., place, None]
        columns.append(np.where(np.isnan(codes), np.nan, codes == frequent))
    return np.concatenate([*columns, x[..., len(columns) :]], axis=-1) if columns else x


def _constant(task: str, dataset: Dataset, samples: int) -> Array:
    """The best constant answer: shares of the classes or labels in training as probabilities, or mean numbers."""
    y, weight = dataset.train.answers, dataset.train.weights
    if task == "classification":
        counts = np.bincount(y, weight, len(dataset.classes))
        return np.broadcast_to(counts / counts.sum(), (samples, len(counts)))
    constant = np.average(y.astype(np.float64), axis=0, weights=weight)
    if task == "regression":
        constant = in_unit(constant, dataset.target_scaling)
    return np.broadcast_to(constant, (samples, len(constant)))


Predictor: TypeAlias = Any
"""A model of scikit-learn, whose classes have no base with `fit` and `predict`."""
Samples: TypeAlias = tuple[Array, Array, Array | None]
"""Rows, answers and, where there are any, weights."""


def _models(task: str) -> dict[str, Callable[[], Predictor]]:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if task == "regression":
        return {
            "ridge regression": lambda: make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 3, 13))),
            BOOSTING: lambda: HistGradientBoostingRegressor(random_state=0),
        }
    return {
        "logistic regression": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)),
        BOOSTING: lambda: HistGradientBoostingClassifier(random_state=0),
    }


def _answered(task: str, model: Callable[[], Predictor], samples: Samples, held: Array, classes: int) -> Array | None:
    """The answers of a model fitted to `samples`, or of one for each target; `None` where there are too many."""
    x, y, weight = samples
    if task == "classification":
        if len(np.unique(y)) > MOST_CLASSES:
            return None
        return _probabilities(model(), samples, held, classes)
    if y.shape[1] > MOST_OUTPUTS:
        return None
    columns = []
    for target in y.T:
        if task == "multi_label":
            columns.append(_probabilities(model(), (x, target.astype(np.int64), weight), held, 2)[:, 1])
        else:
            columns.append(_fitted(model(), x, target.astype(np.float64), weight).predict(held))
    return np.column_stack(columns)


def _probabilities(model: Predictor, samples: Samples, held: Array, classes: int) -> Array:
    """The probabilities of all classes, (rows, classes): 0 for those that `samples` lack, 1 for one that is alone."""
    x, y, weight = samples
    p = np.zeros((len(held), classes))
    if len(present := np.unique(y)) == 1:  # logistic regression takes no fewer than two
        p[:, present] = 1
        return p
    fitted = _fitted(_sparing(model, y), x, y, weight)
    p[:, fitted.classes_] = fitted.predict_proba(held)
    return p


def _sparing(model: Predictor, y: Array) -> Predictor:
    """The model, without early stopping if a class has too few rows for setting some aside."""
    counts = np.bincount(y)
    if hasattr(model, "early_stopping") and counts[counts > 0].min() < LEAST_ASIDE:
        model.early_stopping = False
    return model


def _fitted(model: Predictor, x: Array, y: Array, weight: Array | None) -> Predictor:
    if weight is None:
        return model.fit(x, y)
    last = f"{model.steps[-1][0]}__sample_weight" if hasattr(model, "steps") else "sample_weight"
    return model.fit(x, y, **{last: weight})
