"""How many trials random search takes for what TPE finds in forty, on the digits, five times over.

    python benchmarks/search.py [--short]

The table is what came out, whichever way. Then the first of these searches again, killed by SIGKILL ten times on its
way: the same trials with the same scores. `--short` takes 8 trials once, kills twice and writes no page. Exits with
status 1 where the killed search differs.
"""

from __future__ import annotations

import os
import sys

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import subprocess
import tempfile
import time
from pathlib import Path

import pandas as pd
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


def killed(room: Path, times: int) -> tuple[int, bool]:
    """The first search in a folder of its own, killed so many times: how often, and whether its table is the same."""
    command = [sys.executable, "-m", "twofold", "study", str(room / "tpe-0.toml"), "--out", str(room / "killed")]
    kills = 0
    for number in range(1, times + 1):
        process = subprocess.Popen([*command, "--on", "local:2", "--quiet"])
        wanted = TRIALS * number // (times + 1)
        while process.poll() is None and len(list((room / "killed" / "points").glob("*.json"))) < wanted:
            time.sleep(0.01)
        kills += process.poll() is None
        process.kill()
        process.wait()
    subprocess.run([*command, "--on", "local:2", "--quiet"], check=True)
    whole, again = (
        pd.read_csv(room / name / "results.csv").drop(columns="seconds").to_csv() for name in ("tpe-0", "killed")
    )
    return kills, whole == again


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
        kills, same = killed(Path(name), 2 if SHORT else 10)
    told = f"Killed by SIGKILL {kills} times on its way, the first of the searches with TPE ends with "
    told += "the same trials and scores." if same else "other trials or scores: a fault."
    print(told)
    if not SHORT:
        header = [
            "repetition",
            f"TPE, {TRIALS} trials",
            f"random, {TRIALS}",
            f"random, {LIMIT}",
            "random reaches TPE's after",
        ]
        text = f"{machine()}\n\nBest validation accuracy on the digits, over rate, momentum, width and batch.\n\n"
        publish("search", "TPE against random search", text + table(header, rows) + f"\n\n{told}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
