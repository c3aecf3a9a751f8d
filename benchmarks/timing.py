"""What the benchmarks share: contestants take turns in one process, and the table says what it was measured on."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from statistics import median

DOCS = Path(__file__).parents[1] / "docs" / "benchmarks"


def take_turns(contestants: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Each contestant's figure, `rounds` times, in turn: what disturbs the machine disturbs them all."""
    figures: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds):
        for name, measure in contestants.items():
            figures[name].append(measure())
            print(f"  round {number + 1} of {rounds}: {name} {figures[name][-1]:.4g}", flush=True)
    return figures


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def ratio(figures: Mapping[str, list[float]], name: str, base: str) -> float:
    """The median over the rounds of one contestant's figure over another's in the same round."""
    return median(a / b for a, b in zip(figures[name], figures[base], strict=True))


def spread(values: list[float], form: str = ".3g") -> list[str]:
    """Two cells: the median over the rounds, and the lowest and the highest."""
    return [f"{median(values):{form}}", f"{min(values):{form}}–{max(values):{form}}"]


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---", *("---:" for _ in header[1:])], *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def apart(
    script: str, contestants: Mapping[str, list[str]], rounds: int
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Contestants take turns, each in a process of its own: their seconds, and the most MiB each had resident."""
    memory: dict[str, float] = {}

    def contestant(name: str) -> Callable[[], float]:
        def measure() -> float:
            found = elsewhere(script, *contestants[name])
            memory[name] = found["memory"]
            return found["seconds"]

        return measure

    return take_turns({name: contestant(name) for name in contestants}, rounds), memory


def elsewhere(script: str, *words: str) -> dict[str, float]:
    """What the script, called with these words, prints as JSON in its last line."""
    done = subprocess.run([sys.executable, script, *words], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def tell(seconds: float) -> None:
    """Called in a process of its own: its figure, and the most memory that was resident."""
    import resource

    print(json.dumps({"seconds": seconds, "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def written(page: Path) -> list[list[str]]:
    """The cells of each row of a page's table, without its head; none where there is no page."""
    lines = page.read_text("utf-8").splitlines() if page.is_file() else []
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")]
    return rows[2:]


def machine() -> str:
    """What a figure depends on."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "torch", "scikit-learn"))
    return f"Python {platform.python_version()}, {libraries}, {platform.system()} {platform.machine()}, {processors()}"


def processors() -> str:
    """How many processors this process may use."""
    import os

    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{count} processor{'' if count == 1 else 's'}"


def publish(name: str, title: str, text: str, script: str | None = None) -> None:
    """Print a result and write it where the docs quote it; `script` where the page is not of its name."""
    DOCS.mkdir(parents=True, exist_ok=True)
    written_by = f"Written by `python benchmarks/{script or name}.py`."
    page = f"# {title}\n\n{written_by}\n\n{text}\n\nMeasured with {machine()}.\n"
    (DOCS / f"{name}.md").write_text(page, "utf-8")
    print(f"\n{page}")
