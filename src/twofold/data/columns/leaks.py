"""What makes a score too good: columns that alone give the label away, and rows in both training and test."""

from __future__ import annotations

import numpy as np

from twofold.arrays import Array
from twofold.data.columns.encoding import FittedColumns
from twofold.data.published import Progress, silent
from twofold.recipe.tables import LEAK

MOST_ROWS = 4000
"""Rows on which a column alone is tried as a predictor."""
MOST_COLUMNS = 300
PLAIN = 0.9
"""The share of the most frequent class from which leaks are not looked for: always to guess it is nearly as good."""
FOLDS, LEAVES, LEAST = 3, 64, 30


def gives_away(
    columns: FittedColumns, x: Array, y: Array, classes: bool, progress: Progress = silent
) -> dict[str, str]:
    """A sentence for each column from which alone a small tree answers nearly every row that it was not fitted to."""
    rows = np.linspace(0, len(y) - 1, min(len(y), MOST_ROWS)).astype(int)
    target = y[rows]
    if len(rows) < LEAST or (classes and np.bincount(target).max() >= PLAIN * len(rows)) or len(np.unique(target)) < 2:
        return {}
    sentences, places = dict[str, str](), list(columns.places())[:MOST_COLUMNS]
    for at, (column, place) in enumerate(places):
        progress("trying each column alone", at, len(places))
        score = alone(x[rows][:, place], target, classes)
        if score >= LEAK:
            what = f"{score:.1%} of rows" if classes else f"an R² of {score:.3f}"
            sentences[column.name] = f"gives the label away: alone it answers {what}"
    progress("trying each column alone", len(places), len(places))
    return sentences


def alone(x: Array, y: Array, classes: bool) -> float:
    """Accuracy or R² of a decision tree of few leaves on rows that it was not fitted to."""
    from sklearn.model_selection import KFold, cross_val_predict
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    kind = DecisionTreeClassifier if classes else DecisionTreeRegressor
    tree = kind(max_leaf_nodes=LEAVES, random_state=0)
    folds = KFold(FOLDS, shuffle=True, random_state=0)
    answered = np.asarray(cross_val_predict(tree, x, y, cv=folds))
    if classes:
        return float(np.mean(answered == y))
    spread = float(((y - y.mean()) ** 2).sum())
    return 1 - float(((y - answered) ** 2).sum()) / spread if spread else 0.0


def repeated_rows(x: Array, y: Array, train: Array, test: Array) -> int:
    """The number of test rows that equal a training row in every feature and in the label."""
    rows = np.ascontiguousarray(np.column_stack([x.astype(np.float64), y.astype(np.float64)]))
    keys = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1])))[:, 0]
    return int(np.isin(keys[test], keys[train]).sum())
