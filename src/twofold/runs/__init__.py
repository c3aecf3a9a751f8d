"""The run folder: a plain folder that can be copied anywhere and opened.

    recipe.toml              the recipe, with every default written out
    record.json              status, results, versions, and size and SHA-256 of every other file; written last
    history.csv              one line an evaluation; times.csv has the seconds until then
    signals.csv              norms of gradients, updates and weights, shares of units that pass no gradient
    numpy.safetensors        weights, one file an engine, by PyTorch's names
    torch.safetensors
    evidence.safetensors     what the report draws: predictions, a few samples
    report.html              made from the rest, and made again by `twofold report`

While it is being written its status is `running`; it is taken for whole only when `record.json` says otherwise
and every file it lists has the size and checksum it lists.
"""

from twofold.runs.folders import create_run_folder
from twofold.runs.names import ENGINES, EVIDENCE, HISTORY, REPORT, SCORES
from twofold.runs.run import Run, open_run, peek_recipe
from twofold.runs.whole import write_whole
from twofold.runs.writer import RunWriter

__all__ = [
    "ENGINES",
    "EVIDENCE",
    "HISTORY",
    "REPORT",
    "SCORES",
    "Run",
    "RunWriter",
    "create_run_folder",
    "open_run",
    "peek_recipe",
    "write_whole",
]
