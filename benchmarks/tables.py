"""How long a table of 100,000 rows by 50 columns takes one processor to become samples, and how much memory.

Written to docs/benchmarks/tables.md: python benchmarks/tables.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

ROWS = 100_000
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "tables.md"
MEASURE = """
import json, resource, sys, time
import pandas, scipy.sparse, sklearn.preprocessing
from twofold.data.columns.table import load_table
from twofold.recipe.columns import Table
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.process_time()
data = load_table(Table(path=sys.argv[1], label="y"))
seconds = time.process_time() - start
memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
print(json.dumps([seconds, memory, data.train.x.shape[1]]))
"""


def tables(rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    """Numbers alone; and numbers among words, dates and holes."""
    numbers = pd.DataFrame({f"x{at}": rng.normal(size=ROWS).round(4) for at in range(49)})
    numbers["y"] = rng.choice(["a", "b", "c"], ROWS)
    mixed = numbers.iloc[:, :39].copy()
    for at in range(4):
        mixed[f"word{at}"] = rng.choice([f"level {level}" for level in range(4 + at)], ROWS)
    for at in range(2):
        mixed[f"day{at}"] = (pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 2000, ROWS), "D")).astype(str)
    mixed["town"] = rng.choice([f"town {level}" for level in range(40)], ROWS)
    mixed["count"] = rng.integers(0, 1000, ROWS)
    mixed["ok"] = rng.choice(["yes", "no"], ROWS)
    mixed["hole"] = np.where(rng.random(ROWS) < 0.2, np.nan, rng.normal(size=ROWS).round(3))
    mixed["y"] = numbers["y"]
    return {"numbers": numbers, "numbers, words, dates, holes": mixed}


def measured(path: Path) -> tuple[float, float, int]:
    """The least of three processes: seconds and bytes beyond the libraries, and the numbers of a row."""
    runs = []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True)
        runs.append(json.loads(done.stdout))
    return min(run[0] for run in runs), min(run[1] for run in runs), runs[0][2]


def page() -> str:
    lines = [
        "# Tables",
        "",
        "Written by `python benchmarks/tables.py`: 100,000 rows by 50 columns, from the file to samples that are",
        "split, fitted and encoded. Seconds of the processor, of which one works at it, and memory: the least of three",
        "processes, beyond what the libraries take; memory is told in sizes of the unpacked file. Goal: under 3 s and",
        "3 times the file.",
        "",
        "| table | file | columns become | seconds | memory | times the file |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        for name, frame in tables(rng).items():
            text = 0
            for ending in (".csv", ".csv.gz"):
                path = Path(folder) / f"table{ending}"
                frame.to_csv(path, index=False)
                text = max(text, path.stat().st_size)
                seconds, memory, width = measured(path)
                lines.append(
                    f"| {name}{', gzip' if ending == '.csv.gz' else ''} | {path.stat().st_size / 1e6:.1f} MB | {width} "
                    f"| {seconds:.2f} | {memory / 1e6:.0f} MB | {memory / text:.1f} |"
                )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
