"""Run built-in recipes, and put what was measured beside what the documents report.

    TWOFOLD_DATA=... python benchmarks/results.py [RECIPE[:ENGINE] ...]

Without names: every recipe that takes minutes, in its own engines. The rows of a recipe that is not run stay as they
are in docs/results.md, so that the page grows by what was measured. Keeps the runs under runs/results; one that is
there is not run again: remove the folder to measure anew. A run that was interrupted there gives its row as it stands,
which says how far it came; `twofold resume runs/results/RECIPE` goes on with it.
"""

from __future__ import annotations

import sys
from datetime import datetime
from math import isnan
from pathlib import Path
from statistics import mean

from timing import machine, table, written

import twofold
from twofold.recipe import titles

FOLDER = Path("runs/results")
PAGE = Path(__file__).parents[1] / "docs" / "results.md"
SEEDS = {
    "cifar10-vgg-short": 3, "mnist-lenet": 3, "mnist-lenet:numpy": 1, "mnist-lenet-best": 3, "mnist-mlp-best": 3,
    "palindrome": 5, "palindrome-long": 5,
}  # fmt: skip
"""How often, by recipe, or by recipe and engine; once where left out."""
NARROW: dict[str, object] = {"training.autocast": "bfloat16", "training.convolution": "winograd"}
"""Products of 16 bits where the machine has them, elsewhere minimal filtering."""
SHORTENED: dict[str, dict[str, object]] = {
    "cifar10-cnn5-adam": {"training.epochs": 20},
    "cifar10-cnn5-sgd": {"training.epochs": 20},
    "cifar10-vgg": NARROW,
    "cifar10-vgg-bn": {"training.epochs": 60, **NARROW},
}
"""Settings for recipes whose own training takes many hours."""
HOURS = {*SHORTENED, "palindrome-1000"}
"""Run by name only."""
BESIDE = {
    "mnist-mlp-deform", "palindrome-gru-long", "palindrome-lstm-long", "cifar10-cnn5-adam", "cifar10-cnn5-sgd",
    "cifar10-mlp-best", "cifar10-vgg", "cifar10-vgg-bn", "mnist-lenet:numpy", "mnist-lenet-best", "mnist-mlp-best",
    "palindrome-1000",
}  # fmt: skip
"""Trained beside other work, or with one thread beside another training: the page marks their seconds."""
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
    "mnist-mlp-deform": "public: 0.9965 with elastic deformations",
    "mnist-lenet-baseline": "training 0.9 after 10 epochs",
    "mnist-lenet": "test 0.9868, training 0.99, validation 0.98; 87.66 s",
    "mnist-lenet-2000": "training 0.9, validation 0.85; 6.16 s",
    "mnist-lenet-best": "public: above 0.994 for small networks",
    "cifar10-mlp": "training 0.90, test 0.50",
    "cifar10-mlp-100-50": "training 0.88, test 0.50",
    "cifar10-mlp-dropout-step": "poor",
    "cifar10-mlp-deep": "low, over-fits",
    "cifar10-mlp-best": "public: 0.53 plain, 0.62 to 0.65 deep, 0.786 with 256 million parameters",
    "cifar10-vgg": "training 1.0, test far below",
    "cifar10-vgg-bn": "training 1.0, test 0.80 to 0.84 (400 epochs)",
    "cifar10-vgg-short": "the best of the documents: 0.84",
    "cifar10-vgg-best": "public: 0.942 (VGG-16, lossless images)",
    "cifar10-cnn5-adam": "over-fits (100 epochs)",
    "cifar10-cnn5-sgd": "generalises better (100 epochs)",
    "palindrome": "accuracy near 1.0",
    "palindrome-4": "1.0",
    "palindrome-10": "falls beyond 10; public: mean 0.87 over ten seeds",
    "palindrome-12": "falls beyond 10",
    "palindrome-19": "near chance",
    "palindrome-20": "near chance; public: mean 0.46 over ten seeds, 1.0 for the luckiest",
    "palindrome-lstm": "public: 1.0 to length 18, 0.77 to 0.82 beyond",
    "palindrome-gru": "named as a remedy",
    "palindrome-long": "public: 50 is the longest, in one run",
    "palindrome-200": "nothing public",
    "palindrome-1000": "nothing public",
    "palindrome-lstm-long": "nothing public",
    "palindrome-gru-long": "nothing public",
}
SPLITS = ("train", "validation", "test")
HEADER = ["recipe", "engine", "seeds", "train", "validation", "test", "s of training", "s in all", "reported"]


def main() -> None:
    rows = _written()
    for name in sys.argv[1:] or [title for title in titles() if title not in HOURS]:
        recipe, *engines = name.split(":")
        rows = {key: row for key, row in rows.items() if engines or key[0] != recipe}  # an engine that it had before
        rows |= _measured(recipe, *engines)
        _write(rows)


def _written() -> dict[tuple[str, str], list[str]]:
    """The rows of the page by recipe and engine."""
    return {(row[0].split("`")[1], row[1]): row for row in written(PAGE)}


def _write(rows: dict[tuple[str, str], list[str]]) -> None:
    ordered = [rows[key] for key in sorted(rows)]
    text = (
        "# Results of the built-in recipes\n\nWritten by `python benchmarks/results.py`: accuracy of the weights that "
        "the run keeps; over several seeds the mean, and the\nlowest and highest test accuracy; seconds of training, "
        "and with evaluation and everything else. Both engines get the same data,\norder, initial weights, masks and "
        "variants of images. CIFAR-10 here is CIFAR-10 (JPEG copies): expect a point or two more on the\n"
        "lossless images. †: beside other work, or with one thread beside another training.\n\n"
        f"{table(HEADER, ordered)}\n\nMeasured with {machine()}.\n"
    )
    PAGE.write_text(text, "utf-8")
    print(text)


def _measured(name: str, *engines: str) -> dict[tuple[str, str], list[str]]:
    """One row an engine, over the seeds."""
    seeds = SEEDS.get(":".join([name, *engines]), SEEDS.get(name, 1))
    runs = [_run(name, seed, engines) for seed in range(seeds)]
    return {(name, engine): _row(name, engine, runs) for engine in runs[0].engines or runs[0].recipe.training.engines}


def _run(name: str, seed: int, engines: tuple[str, ...]) -> twofold.Run:
    folder = FOLDER / "-".join([name, *engines, *([f"seed{seed}"] if seed else [])])
    if folder.exists():
        return twofold.open_run(folder)
    settings = {"training.seed": seed, **SHORTENED.get(name, {})}
    run = twofold.run(name, engines=engines or None, overrides=settings, out=folder)
    twofold.write_report(run)
    print(run, flush=True)
    return run


def _row(name: str, engine: str, runs: list[twofold.Run]) -> list[str]:
    last = [_last(run, engine) for run in runs]
    tests = [evaluation["test_accuracy"] for evaluation in last]
    spread = f" ({min(tests):.4f} to {max(tests):.4f})" if len(runs) > 1 else ""
    scores = [_score([evaluation[f"{split}_accuracy"] for evaluation in last]) for split in SPLITS]
    seconds = mean(evaluation["seconds"] for evaluation in last)
    alone = len(runs[0].recipe.training.engines) == 1 and all(run.record.status == "finished" for run in runs)
    whole = f"{mean(map(_seconds, runs)):.0f}" if alone else ""
    beside = " †" if {name, f"{name}:{engine}"} & BESIDE else ""
    return [
        f"`{name}`{_share(name, last[0])}", engine, str(len(runs)), *scores[:2], scores[2] + spread,
        f"{seconds:.1f}{beside}", whole, REPORTED.get(name, ""),
    ]  # fmt: skip


def _last(run: twofold.Run, engine: str) -> dict[str, float]:
    """The last evaluation; of a run that finished, what it kept."""
    evaluation = run.history[run.history.engine == engine].iloc[-1].to_dict()
    return evaluation | dict(run.engines.get(engine, {}))


def _share(name: str, evaluation: dict[str, float]) -> str:
    """How many of the recipe's own epochs were trained, where not all of them were."""
    own = twofold.load_recipe(name).training.epochs
    done = evaluation["epoch"]
    return f", {done:.0f} of {own} epochs" if own and round(done) < own else ""


def _seconds(run: twofold.Run) -> float:
    """From the beginning to the end, evaluation included."""
    began, ended = map(datetime.fromisoformat, (run.record.started, run.record.finished))
    return (ended - began).total_seconds()


def _score(values: list[float | None]) -> str:
    known = [value for value in values if value is not None and not isnan(value)]
    return f"{mean(known):.4f}" if known else "–"


if __name__ == "__main__":
    main()
