"""For Weights & Biases, offline: what `wandb sync FOLDER` would send, and nothing is sent here."""

from __future__ import annotations

import os
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from twofold.errors import MissingExtraError
from twofold.exchange.files import new_folder
from twofold.exchange.trackers.recorded import engines_of, identity, results, scalars, settings
from twofold.runs import Run


def write_wandb(run: Run, folder: Path, figures: Mapping[str, bytes]) -> None:
    """Write a new folder with an offline run for each engine. Raises `MissingExtraError` without wandb."""
    with _silent():
        try:
            import wandb  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise MissingExtraError("wandb", "wandb", "Writing for Weights & Biases") from None
        project = re.sub(r"[/\\#?%:]", "-", run.recipe.name)  # signs that the name of a project must not have
        with new_folder(folder) as filling:
            for engine in engines_of(run):
                options = wandb.Settings(
                    console="off", disable_git=True, save_code=False, x_disable_meta=True, x_disable_stats=True
                )
                wandb_run = wandb.init(
                    mode="offline", dir=str(filling), project=project, name=engine, id=identity(run, engine),
                    config=settings(run) | {"engine": engine}, settings=options, reinit="finish_previous",
                )  # fmt: skip
                rows: dict[int, dict[str, float]] = defaultdict(dict)
                for step, name, value in scalars(run, engine):
                    rows[step][name] = value
                for step, row in rows.items():
                    wandb_run.log(row, step=step)
                with tempfile.TemporaryDirectory() as place:
                    for name, png in figures.items():
                        (Path(place) / f"{name}.png").write_bytes(png)
                        wandb_run.log({f"figures/{name}": wandb.Image(str(Path(place) / f"{name}.png"))})
                wandb_run.summary.update({f"results.{name}": value for name, value in results(run, engine).items()})
                wandb_run.finish()


@contextmanager
def _silent() -> Iterator[None]:
    """Keep wandb from asking, printing and reporting anything while the context lasts."""
    wanted = {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
