"""The answers of a run's engines that the report needs: asked when the run ends, and kept in its folder."""

from __future__ import annotations

import json

import numpy as np

from twofold.arrays import Array
from twofold.errors import RunFolderError, UserError
from twofold.foreign import parse_json
from twofold.probe.walk import Walk
from twofold.probe.walk_json import walk_from_json, walk_json
from twofold.runs import EVIDENCE, Run
from twofold.runs.evidence import MOST_OF_A_RECORD, evidence


def asked(run: Run) -> dict[str, Array]:
    """The arrays of a run's evidence that its restored engines are asked for, beside samples and predictions.

    `ENGINE.boundary`: its outputs over a grid of the plane, where samples are points. `maps.*`: what each layer makes
    of the first held-out image, where the network convolves images. `walk`: one batch forward and back, the UTF-8 of
    its JSON as bytes, none where the samples do not make a batch. `microscope`: that batch and the same before
    training, with all that stands behind their numbers, likewise; none for a network that is not small.
    """
    from twofold.probe.boundary import grid_outputs, points
    from twofold.probe.maps import kept_maps
    from twofold.probe.microscope.kept import record_of

    with np.errstate(all="ignore"):
        arrays = {f"{engine}.boundary": grid_outputs(run, engine) for engine in run.engines} if points(run) else {}
        walk = _walk(run)
        text = json.dumps(walk_json(walk) | {"run": None}) if walk else ""
        record = record_of(run, walk.passage) if walk else ""
        texts = {"walk": text, "microscope": record}
        return (
            arrays | kept_maps(run) | {n: np.frombuffer(json_text.encode(), np.uint8) for n, json_text in texts.items()}
        )


def walk_of(run: Run) -> Walk | None:
    """The walk that the run's folder keeps, of samples in the folder and weights that the first engine trained.

    An older folder keeps none, and its walk is taken now. `None` where the folder keeps no samples, or too few for a
    step of training.

    Raises `RunFolderError` where what it keeps is no such walk.
    """
    if "preview" not in evidence(run):
        return None
    packed = evidence(run).get("walk")
    if packed is None:
        return _walk(run)
    if not packed.size:
        return None
    if packed.dtype != np.uint8:
        raise RunFolderError(f"{run.path / EVIDENCE}: `walk` holds {packed.dtype}, not the bytes of a text")
    try:
        walk = walk_from_json(parse_json(packed.tobytes()))
        walk_json(walk)  # which wants a number wherever a walk has one
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, UserError) as error:
        raise RunFolderError(f"{run.path / EVIDENCE}: `walk` is no record of a walk: {error!r:.200}") from None
    return walk


def microscope_of(run: Run) -> str:
    """The record for the microscope that the folder keeps, JSON; empty where it keeps none.

    Raises `RunFolderError` where what it keeps is no such record.
    """
    packed = evidence(run).get("microscope")
    if packed is None or not len(packed):
        return ""
    if packed.dtype != np.uint8 or packed.size > MOST_OF_A_RECORD:
        raise RunFolderError(f"{run.path / EVIDENCE}: `microscope` is no record of at most {MOST_OF_A_RECORD:,} bytes")
    try:
        record = parse_json(packed.tobytes())
    except (ValueError, UserError) as error:
        raise RunFolderError(f"{run.path / EVIDENCE}: `microscope` is no JSON: {error}") from None
    return json.dumps(record)


def _walk(run: Run) -> Walk | None:
    """A walk in NumPy and the run's engines, or `None`. PyTorch is not imported for a run of NumPy alone."""
    from twofold.probe.walk import walk

    if "preview" not in evidence(run) or not run.engines:
        return None
    engines = ["numpy", *(engine for engine in run.engines if engine != "numpy")]
    try:
        return walk(run, engines=engines)
    except UserError:  # a batch norm wants more than one number a channel, and of large images one is kept
        return None


def asks(run: Run) -> bool:
    """Whether a report must ask the engines of this folder, since it is older and keeps no walk."""
    return bool(run.engines) and "preview" in evidence(run) and "walk" not in evidence(run)
