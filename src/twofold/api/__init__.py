"""The only place that builds engines and hands them to a loop: run a recipe, verify it, restore an engine."""

from twofold.api.building import Overrides, Silent, Watcher, build_engine, prepare, restore
from twofold.api.evaluating import Evaluation, evaluate
from twofold.api.models import NumpyModel, load_model
from twofold.api.points import Point, at_once, train_points
from twofold.api.predicting import Answer, Answers, predict
from twofold.api.running import run
from twofold.api.verifying import Verification, verify
from twofold.api.walking import Passage, pass_through
from twofold.api.weights import export_weights, import_weights, named_weights

__all__ = [
    "Answer",
    "Answers",
    "Evaluation",
    "NumpyModel",
    "Overrides",
    "Passage",
    "Point",
    "Silent",
    "Verification",
    "Watcher",
    "at_once",
    "build_engine",
    "evaluate",
    "export_weights",
    "import_weights",
    "load_model",
    "named_weights",
    "pass_through",
    "predict",
    "prepare",
    "restore",
    "run",
    "train_points",
    "verify",
]
