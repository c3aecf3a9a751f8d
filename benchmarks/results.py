"""Run every built-in recipe in both engines, and put what was measured beside what the documents report.

    TWOFOLD_DATA=... python benchmarks/results.py [RECIPE ...]

Keeps the runs under runs/results, and a recipe that has one there is not run again: remove the folder to measure anew.
"""

from __future__ import annotations

import sys
from pathlib import Path

from timing import machine, table

import twofold
from twofold.recipe import titles

FOLDER = Path("runs/results")
PAGE = Path(__file__).parents[1] / "docs" / "results.md"
REPORTED = {
    "moons": "1.0 in both; 103.9 s NumPy, 438.4 s PyTorch (batches of 1)",
    "moons-adam": "both similar",
    "circles": "0.795 NumPy, 0.82 PyTorch",
    "blobs": "both similar",
    "classification": "0.94 NumPy, 0.95 PyTorch",
    "mnist-mlp-baseline": "training 0.925",
    "mnist-mlp": "test 0.9528, training 0.98, validation 0.95; 87.94 s",
    "mnist-mlp-2000": "training 0.98, validation 0.88; 5.55 s",
    "mnist-mlp-best": "public: 0.9943 for an MLP that does not know the plane",
}


def main() -> None:
    names = sys.argv[1:] or list(titles())
    rows = [row for name in names for row in _rows(name)]
    header = ["recipe", "engine", "train", "validation", "test", "s of training", "reported"]
    text = (
        "# Results of the built-in recipes\n\nWritten by `python benchmarks/results.py`: accuracy at the last step, "
        "seconds of training without evaluation.\nThe engines get the same data, order, initial weights and masks.\n\n"
        f"{table(header, rows)}\n\nMeasured with {machine()}.\n"
    )
    print(text)
    if not sys.argv[1:]:
        PAGE.write_text(text, "utf-8")


def _rows(name: str) -> list[list[str]]:
    folder = FOLDER / name
    run = twofold.open_run(folder) if folder.exists() else twofold.run(name, out=folder)
    twofold.write_report(run)
    print(run, flush=True)
    return [
        [
            f"`{name}`", engine,
            *(_score(result[f"{split}_accuracy"]) for split in ("train", "validation", "test")),
            f"{result['seconds']:.1f}", REPORTED.get(name, ""),
        ]
        for engine, result in run.engines.items()
    ]  # fmt: skip


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


if __name__ == "__main__":
    main()
