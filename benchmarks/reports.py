"""The report of every built-in recipe: its size, and the seconds that writing it takes.

    TWOFOLD_DATA=... python benchmarks/reports.py [RECIPE ...]

Each recipe is trained for a few steps on few samples; the report of the run is written anew in a process of its own.
Exits with status 1 where a report is 3 MB or more, or names anything in the network.
With names, only the rows of these are measured anew.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from timing import DOCS, elsewhere, publish, table, tell, written

import twofold
from twofold.recipe import titles

PAGE = DOCS / "reports.md"
MOST = 3_000_000
"""Bytes of a report."""
STEPS = {"training.steps": 3, "training.evaluate_every": 3, "training.evaluate_samples": 500}
SAMPLES = {"data.samples": 200}
FETCHED = re.compile(r"""(?:\bsrc|<link[^>]*\bhref|xlink:href|\burl)\s*[=(]\s*["']?(?:https?:)?//|@import""")
"""What a browser would ask the network for."""


def main() -> None:
    rows = {row[0]: row for row in written(PAGE)} if sys.argv[1:] else {}
    failed = []
    for name in sys.argv[1:] or titles():
        with TemporaryDirectory() as folder:
            run = Path(folder) / name
            twofold.run(name, overrides=STEPS | _cut(name), out=run)
            started = time.perf_counter()
            cpu = elsewhere(__file__, "--one", str(run))["seconds"]
            wall = time.perf_counter() - started
            page = (run / "report.html").read_text("utf-8")
        size, fetched = len(page.encode()), len(FETCHED.findall(page))
        rows[name] = [name, f"{size / 1024:,.0f}", f"{cpu:.1f}", f"{wall:.1f}", str(fetched)]
        print(*rows[name], flush=True)
        if size >= MOST or fetched:
            failed.append(name)
        _write(rows)
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


def _cut(name: str) -> dict[str, int]:
    """Few samples where the data have a number of them, and are not drawn without end."""
    data = twofold.load_recipe(name).data
    return SAMPLES if "samples" in type(data).model_fields and not getattr(data, "grow", None) else {}


def _write(rows: dict[str, list[str]]) -> None:
    header = ["recipe", "KiB", "processor seconds", "seconds", "requests"]
    publish(
        "reports",
        "The size of the reports, and the time to write them",
        f"Each recipe trained for {STEPS['training.steps']} steps, on {SAMPLES['data.samples']} samples where its data "
        "can be cut; the report of the run written in a process of its own, whose start and imports are part of the "
        "time. Processor "
        f"seconds are those of the process; wall-clock seconds depend on what else the machine did. A report is to "
        f"be below {MOST / 1e6:g} MB; requests are the references in the page that a browser would fetch.\n\n"
        + table(header, list(rows.values())),
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        twofold.write_report(sys.argv[2])
        tell(time.process_time())
    else:
        main()
