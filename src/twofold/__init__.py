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
    from twofold.analysis import Walk, walk
    from twofold.api import (
        Answers,
        Evaluation,
        NumpyModel,
        Verification,
        evaluate,
        export_weights,
        import_weights,
        load_model,
        predict,
        run,
        verify,
    )
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
    from twofold.report import sections, write_comparison, write_figures, write_report, write_study_report
    from twofold.runs import Run, open_run
    from twofold.study import StudyResult, open_study, run_study
    from twofold.torch_engine.palindromes import PalindromeDataset
    from twofold.torch_engine.stack import torch_module

# Where each public name lives. They are imported when first asked for, so that `import twofold` and
# `twofold --help` take a fraction of a second.
_HOMES = {
    "Answers": "api",
    "DataError": "errors",
    "Evaluation": "api",
    "MissingExtraError": "errors",
    "NumpyModel": "api",
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
    "Walk": "analysis",
    "WeightsError": "errors",
    "evaluate": "api",
    "export_weights": "api",
    "import_weights": "api",
    "load_model": "api",
    "load_recipe": "recipe",
    "open_run": "runs",
    "open_study": "study",
    "predict": "api",
    "run": "api",
    "run_study": "study",  # `twofold.study` is the room
    "sections": "report",
    "torch_module": "torch_engine.stack",
    "verify": "api",
    "walk": "analysis",
    "write_comparison": "report",
    "write_figures": "report",
    "write_report": "report",
    "write_study_report": "report",
}

__all__ = [
    "Answers",
    "DataError",
    "Evaluation",
    "MissingExtraError",
    "NumpyModel",
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
    "Walk",
    "WeightsError",
    "evaluate",
    "export_weights",
    "import_weights",
    "load_model",
    "load_recipe",
    "open_run",
    "open_study",
    "predict",
    "run",
    "run_study",
    "sections",
    "torch_module",
    "verify",
    "walk",
    "write_comparison",
    "write_figures",
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
