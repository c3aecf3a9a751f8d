"""Metrics of answers, by task, each with the interval in which it would vary over new samples like these.

A metric is a function of a weight for each sample. With all weights 1 it is the metric itself; with the number of times
that each sample is drawn it is the metric of a bootstrap sample (Efron & Tibshirani, An Introduction to the Bootstrap,
1993). The interval is from the 2.5th to the 97.5th percentile of the draws, the same ones each time.

    accuracy           the share of samples, or labels, answered right
    balanced_accuracy  the mean over the classes of the share of each that is answered right
    macro_f1           the mean over the classes of 2 TP / (2 TP + FP + FN)
    roc_auc            the chance that a sample of a class gets a higher probability of it than one of another class;
                       of more than two classes the mean over them, each against the rest, without those that no
                       sample or every sample has; of more than a hundred left out
    log_loss           the mean of −log p of the right class, in nats; of labels over all of them
    brier              the mean squared distance of the probabilities from 1 and 0; of two classes that of one of them
    calibration        the mean distance of the probability of what is answered from the share that is right, in ten
                       bins of that probability (expected calibration error, Guo et al. 2017)
    r2, rmse, mae      the share of variance predicted; root of the mean squared, and mean absolute, error in the
                       target's unit, the mean over several targets
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from twofold.arrays import Array
from twofold.runs import QUALITY
from twofold.setup.outputs import SMALLEST
from twofold.streams import stream

CONFIDENCE = 0.95
RESAMPLES = 1000
FEWEST = 200
"""Bootstrap samples, at least: enough for an interval, few enough to take little time with many samples."""
NUMBERS = 5_000_000
"""Weights of all bootstrap samples together, above which fewer than `RESAMPLES` are drawn."""
AT_ONCE = 1 << 21
"""Weights in memory at once: 16 MiB."""
ROUNDING = 1e-12
"""The share of a sum of squares below which what is left of it is rounding: then all targets drawn are equal."""
BINS = 10
MOST_CURVES = 100
"""Classes up to which each has a ROC curve: every one of them sorts all samples."""
FEW_CLASSES = 64
"""Classes up to which weights are summed by a dense table of zeros and ones; with more it is sparse."""

Metric = Callable[[Array], Array]
"""From weights (draws, samples) to a number for each draw."""


class Measured(NamedTuple):
    """A metric, and its 95 % interval; NaN where the samples have only one class, for instance."""

    value: float
    low: float
    high: float


def measured(task: str, answers: Array, target: Array) -> dict[str, Measured]:
    """Every metric of a task by its name.

    `answers` are probabilities (samples, classes), or of labels (samples, labels), or numbers (samples, targets), each
    in the unit of `target`.
    """
    with np.errstate(all="ignore"):  # squares may be too large
        metrics = metrics_of(task, np.asarray(answers, np.float64), target)
        plain = {name: float(metric(np.ones((1, len(target))))[0]) for name, metric in metrics.items()}
        drawn: dict[str, list[Array]] = {name: [] for name in metrics}
        for weights in _draws(len(target)):
            for name, metric in metrics.items():
                drawn[name].append(metric(weights))
    return {name: _interval(plain[name], np.concatenate(parts)) for name, parts in drawn.items()}


def difference(task: str, answers: Array, others: Array, target: Array) -> Measured:
    """Accuracy or R² of one model's answers less that of another's, over the same samples and the same draws of them.

    Both models miss the hard samples: the difference is known far better than either of the two.
    """
    once_each = np.ones((1, len(target)))
    with np.errstate(all="ignore"):
        pair = [metrics_of(task, np.asarray(y, np.float64), target)[QUALITY[task]] for y in (answers, others)]
        value = float((pair[0](once_each) - pair[1](once_each))[0])
        drawn = [pair[0](weights) - pair[1](weights) for weights in _draws(len(target))]
    return _interval(value, np.concatenate(drawn))


def measured_mean(terms: Array) -> Measured:
    """The mean of a number for each sample, and its interval."""
    metric = _mean(terms)
    return _interval(float(terms.mean()), np.concatenate([metric(weights) for weights in _draws(len(terms))]))


def _interval(value: float, drawn: Array) -> Measured:
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return Measured(value, float("nan"), float("nan"))
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Measured(value, float(low), float(high))


def _draws(samples: int) -> Iterator[Array]:
    """How often each sample is drawn in each bootstrap sample, (draws, samples), some draws at a time."""
    rng = stream(0, "bootstrap")
    left = max(FEWEST, min(RESAMPLES, NUMBERS // samples))
    while left:
        count = min(left, max(1, AT_ONCE // samples))
        yield rng.multinomial(samples, np.full(samples, 1 / samples), size=count).astype(np.float64)
        left -= count


def metrics_of(task: str, answers: Array, target: Array) -> dict[str, Metric]:
    """The metrics of a task as functions of the samples' weights."""
    match task:
        case "regression":
            return _of_numbers(answers, target.astype(np.float64))
        case "multi_label":
            return _of_labels(answers, target)
    return _of_classes(answers, target)


def _mean(terms: Array) -> Metric:
    return lambda weights: weights @ terms / weights.sum(axis=1)


def _of_classes(p: Array, target: Array) -> dict[str, Metric]:
    classes, answer = p.shape[1], p.argmax(axis=1)
    right = (answer == target).astype(np.float64)
    of_class, answered, hits = (
        _by_class(names, classes, counted) for names, counted in ((target, None), (answer, None), (target, right))
    )

    def balanced(weights: Array) -> Array:
        samples = of_class(weights)
        return _mean_where(hits(weights) / np.where(samples > 0, samples, np.nan))

    def macro_f1(weights: Array) -> Array:
        every = of_class(weights) + answered(weights)
        return _mean_where(2 * hits(weights) / np.where(every > 0, every, np.nan))

    metrics: dict[str, Metric] = {"accuracy": _mean(right), "balanced_accuracy": balanced, "macro_f1": macro_f1}
    if classes <= MOST_CURVES:
        areas = [_area(p[:, c], target == c) for c in ([1] if classes == 2 else range(classes))]
        metrics["roc_auc"] = _mean_area(areas)
    chosen = p[np.arange(len(p)), target]
    return metrics | {
        "log_loss": _mean(-np.log(np.maximum(chosen, SMALLEST))),
        "brier": _mean(_squares(p, target, chosen) / (2 if classes == 2 else 1)),
        "calibration": _calibration(p.max(axis=1), right),
    }


def _squares(p: Array, target: Array, chosen: Array) -> Array:
    """The squared distance Σ (p − onehot(target))² of each sample; `chosen` is p of its class."""
    if p.shape[1] <= FEW_CLASSES:
        return np.square(p - np.eye(p.shape[1])[target]).sum(axis=1)
    return np.einsum("nc,nc->n", p, p) - np.square(chosen) + np.square(1 - chosen)


def _by_class(names: Array, classes: int, counted: Array | None) -> Metric:
    """From weights to their sum over the samples of each class, (draws, classes); `counted` weighs the samples."""
    if classes <= FEW_CLASSES:
        table = np.eye(classes)[names] if counted is None else np.eye(classes)[names] * counted[:, None]
        return lambda weights: weights @ table
    from scipy.sparse import csr_array

    ones = np.ones(len(names)) if counted is None else counted
    sparse = csr_array((ones, (names, np.arange(len(names)))), shape=(classes, len(names)))
    return lambda weights: (sparse @ weights.T).T


def _of_labels(p: Array, target: Array) -> dict[str, Metric]:
    t = target.astype(np.float64)
    right = ((p > 0.5) == (t > 0.5)).astype(np.float64)
    likelihood = np.maximum(np.where(t > 0.5, p, 1 - p), SMALLEST)
    areas = [_area(p[:, c], t[:, c] > 0.5) for c in range(p.shape[1])]
    hits, every = (p > 0.5) * t, (p > 0.5) + t

    def macro_f1(weights: Array) -> Array:
        counts = weights @ every
        return _mean_where(2 * (weights @ hits) / np.where(counts > 0, counts, np.nan))

    return {
        "accuracy": _mean(right.mean(axis=1)),
        "macro_f1": macro_f1,
        "roc_auc": _mean_area(areas),
        "log_loss": _mean(-np.log(likelihood).mean(axis=1)),
        "brier": _mean(np.square(p - t).mean(axis=1)),
    }


def _of_numbers(y: Array, t: Array) -> dict[str, Metric]:
    errors = np.square(t - y)
    centred = t - t.mean(axis=0)  # so that the difference of two large sums is none

    def r2(weights: Array) -> Array:
        total = weights.sum(axis=1, keepdims=True)
        squares = weights @ np.square(centred)
        spread = squares - np.square(weights @ centred) / total
        varies = spread > ROUNDING * squares
        return (1 - weights @ errors / np.where(varies, spread, np.nan)).mean(axis=1)

    def rmse(weights: Array) -> Array:
        return np.sqrt(weights @ errors / weights.sum(axis=1, keepdims=True)).mean(axis=1)

    return {"r2": r2, "rmse": rmse, "mae": _mean(np.abs(t - y).mean(axis=1))}


def _mean_where(shares: Array) -> Array:
    """The mean over the classes whose share is finite: those that have samples."""
    finite = np.isfinite(shares)
    return np.where(finite, shares, 0).sum(axis=1) / np.maximum(finite.sum(axis=1), 1)


def _area(score: Array, positive: Array) -> Metric:
    """The area under the ROC curve: pairs in the right order over all pairs, equal scores as half a pair."""
    order = np.argsort(score, kind="stable")
    score, positive = score[order], positive[order]
    _, first = np.unique(score, return_index=True)

    def area(weights: Array) -> Array:
        sorted_weights = weights[:, order]
        above = np.add.reduceat(sorted_weights * positive, first, axis=1)
        below = np.add.reduceat(sorted_weights * ~positive, first, axis=1)
        pairs = above.sum(axis=1) * below.sum(axis=1)
        lower = np.cumsum(below, axis=1) - below / 2
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(pairs > 0, (above * lower).sum(axis=1) / pairs, np.nan)

    return area


def _mean_area(areas: Sequence[Metric]) -> Metric:
    """The mean over the classes or labels that have an area; NaN where none has: where one is all or nothing."""

    def mean(weights: Array) -> Array:
        shares = np.stack([area(weights) for area in areas], axis=1)
        return np.where(np.isfinite(shares).any(axis=1), _mean_where(shares), np.nan)

    return mean


def _calibration(confidence: Array, right: Array) -> Metric:
    place = np.eye(BINS)[np.minimum((confidence * BINS).astype(int), BINS - 1)]
    difference = place * (confidence - right)[:, None]
    return lambda weights: np.abs(weights @ difference).sum(axis=1) / weights.sum(axis=1)
