"""Estimators of scikit-learn: a network fitted to arrays, in either engine, with its proof and its report."""

from twofold.estimators.classifier import TwofoldClassifier
from twofold.estimators.regressor import TwofoldRegressor

__all__ = ["TwofoldClassifier", "TwofoldRegressor"]
