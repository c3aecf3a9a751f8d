"""Recipes that train as they should: what the analysis says of them. It should find no fault.

    TWOFOLD_DATA=... python benchmarks/healthy.py [RECIPE ...]

With names, only the rows of these are measured anew. Every training has a seed of its own, for weights and batches
and, where the data are drawn, for the data: it served to choose no threshold of the analysis. Exits with status 1
where a healthy training is said to have a fault, or a known fault is not found.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from timing import DOCS, publish, table, written

import twofold
from twofold.analysis import findings, signal_curves
from twofold.runs import Run

PAGE = DOCS / "healthy.md"
SEED = 7
TEN: dict[str, Any] = {"data.length": 10, "training.evaluate_every": 50}
HEALTHY: dict[str, dict[str, Any]] = {
    "blobs": {},
    "circles": {},
    "classification": {},
    "digits": {},
    "mnist-lenet": {"training.epochs": 2},
    "mnist-lenet-baseline": {"training.epochs": 20},
    "mnist-lenet-best": {"training.epochs": 2},
    "mnist-mlp": {"training.epochs": 10},
    "mnist-mlp-baseline": {"training.epochs": 10},
    "moons": {},
    "moons-adam": {},
    "palindrome": {},
    "palindrome-4": {},
    "palindrome-gru": TEN,
    "palindrome-long": TEN,
    "palindrome-lstm": TEN,
}
"""What is set differently, so that a training takes at most a minute or so."""
KNOWN: dict[str, tuple[dict[str, Any], set[str]]] = {
    "mnist-mlp-2000": ({}, {"over_fits"}),
    "palindrome-20": ({"training.steps": 200}, {"vanishes"}),
}
"""Recipes with a fault that must be found: two thousand images; twenty digits after 200 steps."""
ENGINES: dict[str, str] = dict.fromkeys(("mnist-lenet", "mnist-lenet-baseline", "mnist-lenet-best"), "torch")
"""Of the others the NumPy engine."""


def measured(name: str, overrides: dict[str, Any], folder: Path) -> tuple[list[str], set[str]]:
    """The row of a training, and its faults."""
    seeds = {"training.seed": SEED} | ({} if _published(name) else {"data.seed": SEED})
    run = twofold.run(name, overrides=overrides | seeds, engines=ENGINES.get(name, "numpy"), out=folder / name)
    (result,), split = run.engines.values(), run.record.data.held_out
    faults = {finding.kind for finding in findings(run) if finding.fault}
    changed = ", ".join(f"{key} = {value}" for key, value in overrides.items())
    row = [f"`{name}`", changed or "nothing", f"{result['train_accuracy']:.4f}", f"{result[f'{split}_accuracy']:.4f}"]
    return [*row, _largest_dead(run), ", ".join(sorted(faults)) or "none"], faults


def _published(name: str) -> bool:
    """Whether the samples are those of a published set, and not drawn."""
    return name.startswith("mnist")


def _largest_dead(run: Run) -> str:
    """The largest share of a hidden layer's units that pass no gradient, at the end."""
    last = run.recipe.network.nodes[-1].name
    shares = [float(curve.value[-1]) for curve in signal_curves(run, "dead") if curve.layer != last]
    return f"{max(shares):.3f}" if shares else "–"


def main() -> None:
    names, failed = sys.argv[1:] or [*HEALTHY, *KNOWN], []
    rows = {row[0].strip("`"): row for row in written(PAGE) if row[0].startswith("`")}
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            overrides, wanted = KNOWN.get(name) or (HEALTHY[name], set())
            rows[name], faults = measured(name, overrides, Path(folder))
            print(*rows[name], flush=True)
            if not (wanted <= faults if wanted else not faults):
                failed.append(name)
            _write(rows)
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


def _write(rows: dict[str, list[str]]) -> None:
    """The page, after each recipe."""
    header = ["recipe", "set differently", "training accuracy", "held out", "largest share of dead units", "faults"]
    healthy, known = ([rows[name] for name in names if name in rows] for names in (HEALTHY, KNOWN))
    without = sum(row[-1] == "none" for row in healthy)
    text = (
        f"Trainings in which nothing is wrong: the analysis finds no fault in {without} of {len(healthy)}. Weights, "
        f"batches and, where they\nare drawn, data have seed {SEED}, which served to choose no "
        "[threshold](../analysis.md).\n\n"
        f"{table(header, healthy)}\n\n"
        "Trainings with a fault that is known, which must be found:\n\n"
        f"{table(header, known)}"
    )
    publish("healthy", "Healthy trainings have no fault", text)


if __name__ == "__main__":
    main()
