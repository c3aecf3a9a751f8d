"""Prints what networks that were trained on a text write, and their perplexity."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from twofold.cli.output import EngineChoice, print_json
from twofold.printable import printable

if TYPE_CHECKING:
    from twofold.runs import Run


def print_text_of(run: Run) -> None:
    """Print the perplexity, and what the first engine wrote at the end of its training; nothing for other data."""
    from twofold.cli.views import console

    if not run.sample:
        return
    engines = (run.metrics or {}).get("engines", {})
    perplexities = [f"{engine} {metrics['perplexity']['value']:.3f}" for engine, metrics in engines.items()]
    if perplexities:
        console.print(f"perplexity: {', '.join(perplexities)}", markup=False, highlight=False)
    for engine, text in list(run.sample["texts"].items())[:1]:
        console.print(f"{engine} writes, at temperature {run.sample['temperature']}:", style="dim")
        console.print(printable(text), markup=False, highlight=False)


def print_text(run: Path, start: str, how: tuple[int, float, int], engine: EngineChoice | None, as_json: bool) -> None:
    """Print how each engine continues `start`; `how` is the number of characters, the temperature and the seed."""
    from twofold.cli.views import console
    from twofold.inference.writing import write_text
    from twofold.runs.reading import as_a_whole

    characters, temperature, seed = how
    with as_a_whole(run):
        texts = write_text(run, characters, start=start, temperature=temperature, seed=seed, engines=engine)
    if as_json:
        print_json({"run": str(run), "start": start, "temperature": temperature, "seed": seed, "texts": texts})
        return
    for name, text in texts.items():
        console.print(f"{name}:", style="bold")
        console.print(printable(start + text), markup=False, highlight=False)
