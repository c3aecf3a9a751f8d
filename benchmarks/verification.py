"""The proof in full: every built-in recipe in float64 on real data, 200 steps in both modes.

    TWOFOLD_DATA=... python benchmarks/verification.py [RECIPE ...]

Of networks with convolutions 50 steps of 8 samples, of the largest re-synchronised only. Exits with status 1 where a
recipe does not agree at 1e-9 re-synchronised, or where its data were not at hand. With names, only the rows of these
are measured anew.
"""

from __future__ import annotations

import sys
from typing import get_args

from timing import DOCS, publish, table, written

from twofold.proof.lockstep import Mode
from twofold.proof.verify import verify
from twofold.recipe import load_recipe, titles
from twofold.recipe.windows import Conv2d

PAGE = DOCS / "verification.md"
STEPS = 200
FEW_STEPS, FEW_SAMPLES = 50, 8
"""Of networks with convolutions or many parameters."""
MANY_PARAMETERS = 5_000_000
STAGES = ["forward", "loss", "gradient", "state"]


def main() -> None:
    rows, failed = {(row[0], row[1]): row for row in written(PAGE)} if sys.argv[1:] else {}, []
    for name in sys.argv[1:] or titles():
        recipe = load_recipe(name)
        many = (recipe.network.count or 0) > MANY_PARAMETERS
        few = many or any(isinstance(layer, Conv2d) for layer in recipe.layers)
        overrides = {"training.batch_size": FEW_SAMPLES} if few else {}
        for mode in get_args(Mode)[: 1 if many else 2]:
            found = verify(name, overrides=overrides, steps=FEW_STEPS if few else STEPS, mode=mode)
            sizes = [f"{size:.1e}" for size in found.verdict.largest.values()]
            differences = max(projection.size for projection in found.projections)
            agrees = "yes" if found.agrees else "no"
            row = [name, mode, str(found.verdict.steps), found.data, agrees, *sizes, f"{differences:.1e}"]
            rows[name, mode] = row
            print(*row, flush=True)
            if (not found.agrees and mode == "resync") or found.data != "real":  # drift is no fault
                failed.append(f"{name}, {mode}")
        _write(rows)
    sys.exit(f"failed: {'; '.join(failed)}" if failed else 0)


def _write(rows: dict[tuple[str, str], list[str]]) -> None:
    """The page, after each recipe."""
    header = ["recipe", "mode", "steps", "data", "agrees at 1e-9", *STAGES, "central differences"]
    text = (
        "Largest relative gap of each stage between the NumPy engine and PyTorch in float64.\n"
        "`resync`: every step from the same state: the proof. `free`: from the same start only, where rounding may "
        "grow,\nas it does in recurrent networks.\n"
        f"Networks with convolutions, or with more than {MANY_PARAMETERS:,} parameters: batches of {FEW_SAMPLES}.\n"
        "Last column: the NumPy engine's gradients against central differences (allowed: 1e-5).\n\n"
    )
    publish("verification", "Both engines compute the same", text + table(header, [rows[key] for key in sorted(rows)]))


if __name__ == "__main__":
    main()
