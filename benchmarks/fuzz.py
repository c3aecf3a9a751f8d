"""Random recipes and CSV files on the command line, in full: how each command ends.

    python benchmarks/fuzz.py [EXAMPLES]

Every recipe goes through `twofold show`, one in ten and every table through `twofold run`, in this process. Exits with
status 1 where a command ends in anything but status 0, status 2 with a message, or status 1 with that of a diverged
training.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from timing import DOCS, table

sys.path.append(str(Path(__file__).parents[1] / "tests"))
os.environ.setdefault("COLUMNS", "80")

from wild import OF_A_TABLE, RECIPES, Ended, mutants, shown, tables, trained  # pyright: ignore[reportMissingImports]

PAGE = DOCS / "fuzz.md"
EXAMPLES = 10_000
OF_A_KIND = 2
"""Recipes come in so many kinds."""
TRAINED = 10
"""One recipe in so many is trained as well."""


def drawn(inputs: st.SearchStrategy[bytes], count: int, end: Callable[[bytes], Ended]) -> tuple[Counter[str], set[str]]:
    """How often each end was met, and the faults; the inputs are the same at every call."""
    ends, faults, done = Counter[str](), set[str](), set[bytes]()

    @settings(
        max_examples=count, deadline=None, database=None, derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )  # fmt: skip
    @given(content=inputs)
    def each(content: bytes) -> None:
        done.add(content)
        found = end(content)
        ends["fault" if found.fault else str(found.status)] += 1
        if found.fault and found.fault not in faults:
            faults.add(found.fault)
            print(f"{found.fault}\n    {content!r}", flush=True)
        if sum(ends.values()) % 500 == 0:
            print(f"  {dict(ends)}", flush=True)

    each()
    ends["different"] = len(done)
    return ends, faults


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLES
    trained_ones = count // OF_A_KIND // TRAINED
    warnings.simplefilter("error")
    kinds: dict[str, tuple[st.SearchStrategy[bytes], int, Callable[[bytes], Ended]]] = {
        "recipes of random keys and values, `show`": (RECIPES, count // OF_A_KIND, shown),
        "built-in recipes with one to four faults in their text, `show`": (mutants(), count // OF_A_KIND, shown),
        "recipes of random keys and values, `run`": (RECIPES, trained_ones, trained),
        "built-in recipes with one to four faults in their text, `run`": (mutants(), trained_ones, trained),
        "CSV files, `run`": (tables(), count, lambda content: trained(OF_A_TABLE, content)),
    }
    rows, faults = [], 0
    for name, (inputs, number, end) in kinds.items():
        print(name, flush=True)
        ends, found = drawn(inputs, number, end)
        rows.append([name, *(f"{ends[key]:,}" for key in ("different", "0", "2", "1")), f"{ends['fault']:,}"])
        faults += len(found)
    header = ["inputs, command", "different", "status 0", "status 2, a message", "status 1, diverged", "anything else"]
    PAGE.write_text(
        "# Random recipes and CSV files\n\nWritten by `python benchmarks/fuzz.py`.\n\nInputs drawn by Hypothesis, each "
        "given to the command line; a run takes two steps of the NumPy engine and writes its report. Anything else: a "
        "traceback, another exception, a warning, another status, or a status other than 0 without a message.\n\n"
        f"{table(header, rows)}\n",
        "utf-8",
    )
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
