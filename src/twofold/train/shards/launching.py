"""Start a command in several processes of this machine, with torchrun."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING

from twofold.errors import GroupError
from twofold.interrupts import deafen

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError


def launch(count: int, words: Sequence[str]) -> int:
    """Run `python -m twofold WORDS` in `count` processes until all have ended; returns the exit status of rank 0's.

    Raises `GroupError` where that one was killed; if another was, it tells so itself.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as torchrun sets it, with a warning
    deafen(signal.SIG_DFL)  # torchrun hands signals on
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import elastic_launch
    from torch.distributed.run import config_from_args, parse_args

    for name in [name for name in logging.root.manager.loggerDict if name.startswith("torch.distributed")]:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what happened is told by the command
    # What `torchrun --standalone` does: a meeting point of their own, at a port that is free.
    meeting = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", "--rdzv-id", str(os.getpid())]
    arguments = [*meeting, "--nproc-per-node", str(count), "-m", "twofold", *words]
    config, command, rest = config_from_args(parse_args(arguments))
    try:
        elastic_launch(config, command)(*rest)
    except ChildFailedError as error:
        return _status(error)
    except SignalException as error:
        return 128 + int(error.sigval)
    return 0


def _status(error: ChildFailedError) -> int:
    leading = error.failures.get(0)
    if leading is None:  # the leading process has said that another one died
        return 1
    if leading.exitcode < 0:
        name = signal.Signals(-leading.exitcode).name
        raise GroupError(
            f"the process of rank 0 was killed by {name}; `twofold resume RUN` goes on from the newest checkpoint of "
            "its folder, alone or with --processes N"
        )
    return int(leading.exitcode)
