"""Write each notebook beside its source and execute it: python notebooks/make.py [part1_points_in_the_plane ...].

With TWOFOLD_SHORT=1 every training takes a few steps: a test of the notebooks, no results.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import jupytext
from nbclient import NotebookClient

FOLDER = Path(__file__).parent
MOST_SECONDS = 6 * 3600
"""Of one cell."""
STARTUP_SECONDS = 300
"""Of a kernel, on a busy machine."""


def sources() -> list[Path]:
    """The notebooks as percent scripts, in order."""
    return sorted(FOLDER.glob("part*.py"))


def executed(source: Path, folder: Path) -> Any:
    """The notebook of a source with its outputs; its runs go below `folder`.

    Raises `nbclient.exceptions.CellExecutionError` at the first cell that fails.
    """
    notebook = jupytext.read(source)
    resources = {"metadata": {"path": str(folder)}}
    limits = {"timeout": MOST_SECONDS, "startup_timeout": STARTUP_SECONDS}
    NotebookClient(notebook, kernel_name="python3", resources=resources, **limits).execute()
    return notebook


def main(names: list[str]) -> None:
    """Of all sources, or of those named."""
    for source in [*sources(), FOLDER / "breaking_a_layer.py"]:
        if not names or source.stem in names:
            print(f"{source.name} ...", flush=True)
            jupytext.write(executed(source, FOLDER), source.with_suffix(".ipynb"))


if __name__ == "__main__":
    main(sys.argv[1:])
