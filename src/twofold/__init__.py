"""Twofold trains a small neural network twice from one recipe, in NumPy and in PyTorch, and proves that both agree.

>>> import twofold
>>> run = twofold.run("digits")  # doctest: +SKIP
>>> twofold.verify("digits").agrees  # doctest: +SKIP
True
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twofold.api import Verification, resume, run, verify
    from twofold.errors import (
        DataError,
        MissingExtraError,
        RecipeError,
        RunFolderError,
        StudyError,
        TrainingDivergedError,
        TwofoldError,
        UnknownNameError,
        UserError,
        WeightsError,
    )
    from twofold.recipe import Recipe, load_recipe
    from twofold.report import write_report, write_study_report
    from twofold.runs import Run, open_run
    from twofold.study import StudyResult, open_study, run_study
    from twofold.torch_engine.palindromes import PalindromeDataset

# Where each public name lives. They are imported when first asked for, so that `import twofold` and
# `twofold --help` take a fraction of a second.
_HOMES = {
    "DataError": "errors",
    "MissingExtraError": "errors",
    "PalindromeDataset": "torch_engine.palindromes",
    "Recipe": "recipe",
    "RecipeError": "errors",
    "Run": "runs",
    "RunFolderError": "errors",
    "StudyError": "errors",
    "StudyResult": "study",
    "TrainingDivergedError": "errors",
    "TwofoldError": "errors",
    "UnknownNameError": "errors",
    "UserError": "errors",
    "Verification": "api",
    "WeightsError": "errors",
    "load_recipe": "recipe",
    "open_run": "runs",
    "open_study": "study",
    "resume": "api",
    "run": "api",
    "run_study": "study",  # `twofold.study` is the room
    "verify": "api",
    "write_report": "report",
    "write_study_report": "report",
}

__all__ = [
    "DataError",
    "MissingExtraError",
    "PalindromeDataset",
    "Recipe",
    "RecipeError",
    "Run",
    "RunFolderError",
    "StudyError",
    "StudyResult",
    "TrainingDivergedError",
    "TwofoldError",
    "UnknownNameError",
    "UserError",
    "Verification",
    "WeightsError",
    "load_recipe",
    "open_run",
    "open_study",
    "resume",
    "run",
    "run_study",
    "verify",
    "write_report",
    "write_study_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'twofold' has no attribute {name!r}")
    value = getattr(import_module(f"twofold.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
