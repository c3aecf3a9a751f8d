"""Looking for a leak: a column that alone answers nearly everything, while all others together do not.

In an easy table several columns tell the same; a column that knows the answer is far better than all the rest.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from twofold.arrays import Array
from twofold.data import Dataset
from twofold.data.columns.leaks import FOLDS, LEAST, MOST_ROWS, PLAIN, alone
from twofold.probe.table.judge import Variable
from twofold.recipe.tables import LEAK
from twofold.runs.table import Alone

TREES = 50


def standing_alone(dataset: Dataset, columns: Iterable[Variable], task: str) -> list[Alone]:
    """Columns that each let a small tree answer nearly every row, with a forest's score from all other columns."""
    train = dataset.train
    rows = np.linspace(0, len(train) - 1, min(len(train), MOST_ROWS)).astype(int)
    x, y, classes = train.x[rows], train.y[rows].reshape(len(rows), -1), task == "classification"
    if task == "multi_label" or y.shape[1] != 1 or len(rows) < LEAST or len(np.unique(y)) < 2:
        return []
    y = y[:, 0]
    if classes and np.bincount(y).max() >= PLAIN * len(rows):
        return []
    scores = [(column, alone(x[:, column.place], y, classes)) for column in columns]
    telling = [(column, score) for column, score in scores if score >= LEAK]
    others = np.ones(x.shape[1], bool)
    for column, _ in telling:
        others[column.place] = False
    rest = _forest(x[:, others], y, classes) if telling and others.any() else None
    return [Alone(column=column.name, alone=score, others=rest) for column, score in telling]


def _forest(x: Array, y: Array, classes: bool) -> float:
    """Accuracy or R² of a forest on rows that it was not fitted to."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.model_selection import KFold, cross_val_predict

    forest = (RandomForestClassifier if classes else RandomForestRegressor)(TREES, random_state=0)
    folds = KFold(FOLDS, shuffle=True, random_state=0)
    answered = np.asarray(cross_val_predict(forest, x, y, cv=folds))
    if classes:
        return float(np.mean(answered == y))
    return 1 - float(np.square(y - answered).sum() / np.square(y - y.mean()).sum())
