"""What a run recorded, written for TensorBoard after the fact: from the folder alone, never while training."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from twofold.errors import MissingExtraError
from twofold.recipe import dump
from twofold.runs import Run

NOT_SCALARS = ("engine", "step")
SETTINGS, RESULTS = "recipe", "results"


def write_tensorboard(run: Run, folder: Path) -> None:
    """A new folder with one set of curves an engine, its results, and the recipe as a text.

    TensorBoard keeps numbers in 32 bits. Raises `MissingExtraError` where it is not installed.
    """
    try:
        from tensorboard.compat.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]
        from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError:
        raise MissingExtraError("tensorboard", "tensorboard", "Writing for TensorBoard") from None
    started = datetime.fromisoformat(str(run.record.started)).timestamp()
    for engine in dict.fromkeys(run.history["engine"]):
        writer = EventFileWriter(str(folder / str(engine)))
        for step, name, value in scalars(run, str(engine)):
            summary = Summary(value=[Summary.Value(tag=name, simple_value=value)])
            writer.add_event(Event(wall_time=started, step=step, summary=summary))
        for name, text in ((SETTINGS, f"```toml\n{dump(run.recipe)}```"), (RESULTS, _results(run, str(engine)))):
            writer.add_event(Event(wall_time=started, step=0, summary=Summary(value=[_text(name, text)])))
        writer.close()


def scalars(run: Run, engine: str) -> Iterator[tuple[int, str, float]]:
    """Step, name and value of every number of an engine's history that was measured."""
    history = run.history
    rows: Any = history[history["engine"] == engine]
    for row in rows.to_dict("records"):
        for name, value in row.items():
            if name not in NOT_SCALARS and isinstance(value, int | float) and not math.isnan(value):
                yield int(row["step"]), str(name), float(value)


def _results(run: Run, engine: str) -> str:
    """The results of an engine as a table in Markdown; empty where it did not end."""
    results = run.engines.get(engine, {})
    rows = [f"| {name} | {value} |" for name, value in dict(results).items()]
    return "\n".join(["| result | value |", "| --- | --- |", *rows])


def _text(name: str, text: str) -> Any:
    """A text as TensorBoard's own plugin for texts reads it."""
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata  # pyright: ignore[reportAttributeAccessIssue]
    from tensorboard.compat.proto.tensor_pb2 import TensorProto  # pyright: ignore[reportAttributeAccessIssue]

    plugin = SummaryMetadata.PluginData(plugin_name="text")
    tensor = TensorProto(dtype="DT_STRING", string_val=[text.encode("utf-8")])
    return Summary.Value(tag=name, metadata=SummaryMetadata(plugin_data=plugin), tensor=tensor)
