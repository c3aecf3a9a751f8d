"""How many trials random search takes for what TPE finds in forty, on the digits, five times over.

    python benchmarks/search.py [--short]

The table is what came out, whichever way. `--short` takes 8 trials once and writes no page.
"""

from __future__ import annotations

import os
import sys

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import tempfile
from pathlib import Path

import tomli_w
from timing import machine, publish, table

from twofold.study.executors.choice import Workers
from twofold.study.search.running import run_search

SHORT = "--short" in sys.argv
TRIALS, LIMIT, REPETITIONS = (8, 12, 1) if SHORT else (40, 120, 5)
SPACE = {
    "optimizer.lr": {"low": 1e-4, "high": 1.0, "log": True},
    "optimizer.momentum": {"low": 0.0, "high": 0.99},
    "layers.1.units": {"low": 4, "high": 128, "log": True},
    "training.batch_size": {"choices": [16, 32, 64, 128]},
}


def best_so_far(room: Path, sampler: str, trials: int, seed: int) -> list[float]:
    """The best validation accuracy after each trial."""
    search = {"sampler": sampler, "trials": trials, "leaders": 1, "seed": seed, "space": SPACE}
    settings = {"training.epochs": 5, "training.evaluate_every": 5, "data.validation": 0.2}
    file = room / f"{sampler}-{seed}.toml"
    file.write_text(tomli_w.dumps({"recipe": "digits", "set": settings, "search": search}))
    result = run_search(file, out=room / file.stem, workers=Workers("local:2"))
    scores = [result.score(point) or 0.0 for point in result.trials]
    return [max(scores[: index + 1]) for index in range(len(scores))]


def main() -> int:
    """Both samplers, with the same seeds of the proposals."""
    rows = list[list[str]]()
    with tempfile.TemporaryDirectory() as name:
        for seed in range(REPETITIONS):
            tpe = best_so_far(Path(name), "tpe", TRIALS, seed)
            chance = best_so_far(Path(name), "random", LIMIT, seed)
            taken = next((str(index + 1) for index, best in enumerate(chance) if best >= tpe[-1]), f"more than {LIMIT}")
            rows.append([str(seed), f"{tpe[-1]:.4f}", f"{chance[len(tpe) - 1]:.4f}", f"{chance[-1]:.4f}", taken])
            print(*rows[-1], flush=True)
    if not SHORT:
        header = [
            "repetition",
            f"TPE, {TRIALS} trials",
            f"random, {TRIALS}",
            f"random, {LIMIT}",
            "random reaches TPE's after",
        ]
        text = f"{machine()}\n\nBest validation accuracy on the digits, over rate, momentum, width and batch.\n\n"
        publish("search", "TPE against random search", text + table(header, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
