"""For TensorBoard: a folder of events for each engine."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from twofold.errors import MissingExtraError
from twofold.exchange.files import new_folder
from twofold.exchange.trackers.recorded import engines_of, recipe_text, results_table, scalars, started
from twofold.runs import Run

SETTINGS, RESULTS, FIGURES = "recipe", "results", "figures"


def write_tensorboard(run: Run, folder: Path, figures: Mapping[str, bytes]) -> None:
    """Write a new folder with the curves and results of each engine, the recipe as a text, and the figures.

    TensorBoard keeps numbers in 32 bits. Raises `MissingExtraError` where it is not installed.
    """
    try:
        from tensorboard.compat.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]
        from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError:
        raise MissingExtraError("tensorboard", "tensorboard", "Writing for TensorBoard") from None
    began = started(run)
    with new_folder(folder) as filling:
        for engine in engines_of(run):
            with closing(EventFileWriter(str(filling / engine))) as writer:
                for step, name, value in scalars(run, engine):
                    summary = Summary(value=[Summary.Value(tag=name, simple_value=value)])
                    writer.add_event(Event(wall_time=began, step=step, summary=summary))
                for name, text in ((SETTINGS, recipe_text(run)), (RESULTS, results_table(run, engine))):
                    writer.add_event(Event(wall_time=began, step=0, summary=Summary(value=[_text(name, text)])))
        if figures:
            with closing(EventFileWriter(str(filling / FIGURES))) as writer:
                for name, png in figures.items():
                    writer.add_event(Event(wall_time=began, step=0, summary=Summary(value=[_image(name, png)])))


def _text(name: str, text: str) -> object:
    """A text as TensorBoard's own plugin for texts reads it."""
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata  # pyright: ignore[reportAttributeAccessIssue]
    from tensorboard.compat.proto.tensor_pb2 import TensorProto  # pyright: ignore[reportAttributeAccessIssue]

    plugin = SummaryMetadata.PluginData(plugin_name="text")
    tensor = TensorProto(dtype="DT_STRING", string_val=[text.encode("utf-8")])
    return Summary.Value(tag=name, metadata=SummaryMetadata(plugin_data=plugin), tensor=tensor)


def _image(name: str, png: bytes) -> object:
    """A PNG file as it is, with the size that its header names."""
    from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]

    width, height = struct.unpack(">II", png[16:24])
    return Summary.Value(
        tag=name, image=Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=png)
    )
