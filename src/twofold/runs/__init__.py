"""The run folder: a plain folder that can be copied anywhere and opened.

    recipe.toml              the recipe, with every default written out
    record.json              status, results, versions, and size and SHA-256 of every other file; written last
    history.csv              one line an evaluation; times.csv has the seconds until then
    signals.csv              norms of gradients, updates and weights, shares of units that pass no gradient
    numpy.safetensors        weights, one file an engine, by PyTorch's names
    torch.safetensors
    columns.json             of a table: what was fitted to its columns
    metrics.json             of a table or a text: metrics with their intervals, of the engines and of simpler models
    table.json               of a table: which columns the answers rest on and how, the worst rows, drift
    sample.json              of a text: what the engines write
    evidence.safetensors     what the report draws: predictions, a few samples
    report.html              made from the rest, and made again by `twofold report`
    checkpoints/             until the run is finished: what it takes to go on

While it is being written its status is `running`; it is taken for whole only when `record.json` says otherwise
and every file it lists has the size and checksum it lists.
"""

from twofold.runs.checkpoints import Checkpoint, arrays_of, evidence_of, newest
from twofold.runs.folders import claim_run_folder, create_run_folder, tidy
from twofold.runs.lock import HOLDER, LOCK, locked
from twofold.runs.names import (
    ALL_SCORES,
    COLUMNS,
    EVIDENCE,
    HISTORY,
    METRICS,
    QUALITY,
    QUALITY_TITLES,
    RECIPE,
    REPORT,
    SAMPLE,
    SCORES,
    TABLE,
    scores_beside,
    scores_of_task,
    weights_name,
)
from twofold.runs.part import EngineName
from twofold.runs.reading import peek_recipe, read_record, sealed_recipe
from twofold.runs.record import (
    Beginning,
    Circumstances,
    Failure,
    Imported,
    Record,
    Result,
    Resumed,
)
from twofold.runs.run import Run, open_run, opened
from twofold.runs.samples import DataFacts
from twofold.runs.whole import now, seal, sweep, sync_folder, write_burst, write_whole
from twofold.runs.writer import RunWriter

__all__ = [
    "ALL_SCORES",
    "COLUMNS",
    "EVIDENCE",
    "HISTORY",
    "HOLDER",
    "LOCK",
    "METRICS",
    "QUALITY",
    "QUALITY_TITLES",
    "RECIPE",
    "REPORT",
    "SAMPLE",
    "SCORES",
    "TABLE",
    "Beginning",
    "Checkpoint",
    "Circumstances",
    "DataFacts",
    "EngineName",
    "Failure",
    "Imported",
    "Record",
    "Result",
    "Resumed",
    "Run",
    "RunWriter",
    "arrays_of",
    "claim_run_folder",
    "create_run_folder",
    "evidence_of",
    "locked",
    "newest",
    "now",
    "open_run",
    "opened",
    "peek_recipe",
    "read_record",
    "scores_beside",
    "scores_of_task",
    "seal",
    "sealed_recipe",
    "sweep",
    "sync_folder",
    "tidy",
    "weights_name",
    "write_burst",
    "write_whole",
]
