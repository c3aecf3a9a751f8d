"""The process of a user's code: `python -m twofold.proof.check.inside FOLDER`.

The folder holds `job.json` and `scenes-*.safetensors`.
What is printed comes from the user's code; the results are `result.json` and `result.safetensors` in the same folder.
"""

from __future__ import annotations

import json
import math
import random
import resource
import sys
import warnings
from pathlib import Path

import numpy as np

from twofold.proof.check.inside.job import Job
from twofold.proof.check.inside.load import LoadingError, find, load
from twofold.proof.check.inside.play import answered, quiet_threads, write


def limit(job: Job) -> None:
    """Limit processor seconds, memory and file size, as far as the system enforces that."""
    seconds, megabytes = math.ceil(job["seconds"]), int(job["megabytes"])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000_000, 50_000_000))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform.startswith("linux"):
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))


def main(folder: Path) -> None:
    """Load the file, play every item, write what came back."""
    work = json.loads((folder / "job.json").read_text("utf-8"))
    limit(Job(work))
    warnings.simplefilter("ignore")
    random.seed(0)
    np.random.seed(0)
    path = Path(work["file"])
    try:
        module = load(path)
    except LoadingError as error:
        write(folder, {"cannot": str(error)}, {})
        return
    with quiet_threads():
        answered(
            work["items"], lambda job: find(module, job["object"], job.kind), Job, path, folder, "torch" in sys.modules
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
