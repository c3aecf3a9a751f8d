"""The proof in full: every built-in recipe in float64, both modes, on real data: 200 steps, of convolutions 50.

    TWOFOLD_DATA=... python benchmarks/verification.py

Exits with status 1 where a recipe does not agree at 1e-9, or where its data were not at hand.
"""

from __future__ import annotations

import sys

from timing import publish, table

from twofold.api import verify
from twofold.recipe import load_recipe, titles
from twofold.recipe.windows import Conv2d

STEPS = 200
CONVOLVED_STEPS = 50


def main() -> None:
    rows, failed = [], []
    for name in titles():
        for mode in ("resync", "free"):
            convolves = any(isinstance(layer, Conv2d) for layer in load_recipe(name).layers)
            few = {"training.batch_size": 8} if convolves else {}
            found = verify(name, overrides=few, steps=CONVOLVED_STEPS if convolves else STEPS, mode=mode)
            sizes = [f"{size:.1e}" for size in found.verdict.largest.values()]
            differences = max(projection.size for projection in found.projections)
            rows.append(
                [
                    name,
                    mode,
                    str(found.verdict.steps),
                    found.data,
                    "yes" if found.agrees else "no",
                    *sizes,
                    f"{differences:.1e}",
                ]
            )
            print(*rows[-1], flush=True)
            if not found.agrees or found.data != "real":
                failed.append(f"{name}, {mode}")
    header = [
        "recipe",
        "mode",
        "steps",
        "data",
        "agrees at 1e-9",
        "forward",
        "loss",
        "gradient",
        "state",
        "central differences",
    ]
    text = (
        "Largest relative gap of each stage between the NumPy engine and PyTorch in float64.\n"
        "`resync`: every step from the same state. `free`: from the same start only, so that gaps may grow.\n"
        "Last column: the NumPy engine's gradients against central differences (allowed: 1e-5).\n\n"
    )
    publish("verification", "Both engines compute the same", text + table(header, rows))
    sys.exit(f"failed: {'; '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
