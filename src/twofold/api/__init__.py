"""The only place that builds engines and hands them to a loop: run a recipe, verify it, restore an engine."""

from twofold.api.building import Overrides, Silent, Watcher, build_engine, prepare, restore
from twofold.api.points import Point, at_once, train_points
from twofold.api.running import resume, run
from twofold.api.verifying import Verification, verify

__all__ = [
    "Overrides",
    "Point",
    "Silent",
    "Verification",
    "Watcher",
    "at_once",
    "build_engine",
    "prepare",
    "restore",
    "resume",
    "run",
    "train_points",
    "verify",
]
