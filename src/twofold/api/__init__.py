"""The only place that builds engines and hands them to a loop: run a recipe, verify it, restore an engine."""

from twofold.api.building import Overrides, Silent, Watcher, build_engine, prepare, restore
from twofold.api.points import Point, at_once, train_points
from twofold.api.running import run
from twofold.api.verifying import Verification, verify
from twofold.api.walking import Passage, pass_through

__all__ = [
    "Overrides",
    "Passage",
    "Point",
    "Silent",
    "Verification",
    "Watcher",
    "at_once",
    "build_engine",
    "pass_through",
    "prepare",
    "restore",
    "run",
    "train_points",
    "verify",
]
