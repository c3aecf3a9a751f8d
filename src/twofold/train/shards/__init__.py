"""Training in several processes, on torch.distributed: one leads and writes, the others compute shards for it.

`torchrun --nproc-per-node 4 -m twofold run RECIPE` starts four processes that find each other. The process of rank 0
trains as it would alone, except that it hands out the shards of each batch and adds up what comes back; the others keep
no state of the training between two orders. So a run in several processes is an ordinary run with the bytes of one
process (`engine/shards.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twofold.engine.shards import ALONE, Group
from twofold.errors import GroupError, UserError
from twofold.recipe import Recipe

STARTED_BY = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""The environment variables that torchrun sets in each process it starts."""


def processes() -> int:
    """How many processes were started together with this one, itself included."""
    return int(os.environ["WORLD_SIZE"]) if all(name in os.environ for name in STARTED_BY) else 1


def follows() -> bool:
    """Whether this process follows another one, which leads."""
    return processes() > 1 and os.environ["RANK"] != "0"


def follow() -> Path | None:
    """Compute for the process that leads until it has ended; the folder of its run, `None` where it has none.

    Raises `GroupError` where it dies.
    """
    from twofold.train.shards.following import follow as compute

    return compute()


def followed() -> Path:
    """The folder of the run that the leading process has trained. Raises `GroupError` where there is none."""
    folder = follow()
    if folder is None:
        raise GroupError("the process of rank 0 ended without a run")
    return folder


def check_processes(recipe: Recipe, count: int) -> None:
    """Raises `UserError` where the recipe cannot be trained in so many processes."""
    shards = recipe.training.shards
    if count > 1 and shards is None:
        raise UserError(
            f"{count} processes share a batch only where it is cut into shards: set training.shards to {count} or a "
            f"multiple of it that divides training.batch_size, {recipe.training.batch_size}; or start one process"
        )
    if shards is not None and count > shards:
        raise UserError(
            f"{count} processes, and training.shards = {shards}: at most one process a shard. Start {shards} or fewer, "
            f"or set training.shards to {count}"
        )


@contextmanager
def process_group() -> Iterator[Group]:
    """A context with the group that computes shards: this process, or all started with it. The others end with it.

    Raises `UserError` where one of them has other versions.
    """
    if processes() == 1:
        yield ALONE
        return
    from twofold.train.shards.leading import Leading

    with Leading.beginning() as group:
        yield group
