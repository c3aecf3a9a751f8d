"""`twofold.export`: a run's trained network, or a recipe's initial one, in other libraries' formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.data.drawn import random_inputs
from twofold.engine import Scaling
from twofold.engines import ENGINES
from twofold.errors import RunFolderError, UserError
from twofold.exchange.files import check_new, check_suffix
from twofold.exchange.trackers.recorded import figures_in
from twofold.inference.predicting import scaling_of, trained
from twofold.inference.weights import npz_names
from twofold.recipe import Recipe, load_recipe
from twofold.runs import Run, open_run
from twofold.runs.npz import write_npz
from twofold.setup.building import build_engine, initial_state, state_of
from twofold.streams import stream

Tracker = Literal["tensorboard", "mlflow", "wandb-offline"]
Format = Literal["onnx", "torch", "npz", "tensorboard", "mlflow", "wandb-offline"]
VECTORS = 2
"""Samples of the test vector that goes with an ONNX file."""


@dataclass(frozen=True)
class Network:
    """What is exported: a recipe with weights, and what a run knows beside them."""

    recipe: Recipe
    weights: Arrays
    engine: str
    """The engine that trained the weights, or whose initial ones they are."""
    classes: tuple[str, ...] = ()
    scaling: Scaling | None = None
    """How the bytes of the run's images become numbers; `None` for other samples."""

    def vector(self) -> tuple[Array, Array]:
        """The test vector: a few random samples as the first layer takes them, and what the engine answers.

        It computes in float64: over a long loop the rounding of float32 depends on the processor.
        """
        network, dtype = self.recipe.network, self.recipe.training.dtype
        shape = (VECTORS, *(size or 1 for size in network.input_shape))
        x = random_inputs(self.recipe.layers[0], shape, stream(0, "test vector"))
        plain = {"training.ema": 0.0, "training.compile": False, "training.autocast": "none", "training.device": "cpu"}
        built = build_engine(self.engine, load_recipe(self.recipe, {**plain, "training.dtype": "float64"}))
        built.load(state_of({name: weight.astype(np.float64) for name, weight in self.weights.items()}, network))
        x = x.astype(dtype)
        return x, built.predict(x.astype(np.float64)).astype(dtype)


def export(
    source: Run | Recipe | str | Path,
    to: Format,
    path: str | Path,
    *,
    engine: str | None = None,
    preprocessing: bool = False,
    figures: str | Path | None = None,
) -> Path:
    """Write a network, or what a run recorded, for another library; gives the path.

    `source` is a run, with its trained weights, or a recipe, with those it begins with. `to` is `onnx` (one file),
    `torch` (a folder: `model.safetensors` with PyTorch's names and `model.py`), `npz` (one file), or, for a run,
    `tensorboard`, `mlflow`, `wandb-offline` (a folder with every number, setting and result, and the figures of the
    folder `figures`, as `twofold report RUN --figures FOLDER` writes it). `engine` is one of the run's; its first where
    left out. With `preprocessing` an ONNX graph of images takes bytes, resizes and scales them.

    Raises `UserError` for a path that exists or has another ending, and for settings that do not fit, `RunFolderError`
    for a run without weights, `MissingExtraError` where the library is not installed.
    """
    path = Path(path)
    if to not in get_args(Format):
        raise UserError(f"`to` must be one of {', '.join(get_args(Format))}; got {to!r}")
    if preprocessing and to != "onnx":
        raise UserError(f"preprocessing stands in an ONNX graph only; got `{to}`")
    check_new(path)
    if to in get_args(Tracker):
        _tracked(_run(source, to), to, path, figures_in(figures))
        return path
    if figures is not None:
        raise UserError(f"figures go to {', '.join(get_args(Tracker))}; got `{to}`")
    if to != "torch":
        check_suffix(path, f".{to}")
    network = network_of(source, engine)
    match to:
        case "onnx":
            _onnx(network, path, preprocessing)
        case "torch":
            from twofold.exchange.torch.writing import write_torch

            write_torch(network.recipe, network.weights, path)
        case _:
            names = npz_names(network.recipe.network)
            write_npz(path, {names[name]: array for name, array in network.weights.items()})
    return path


def network_of(source: Run | Recipe | str | Path, engine: str | None = None) -> Network:
    """The network of a run folder or of a recipe."""
    if isinstance(source, Run) or (not isinstance(source, Recipe) and Path(source).is_dir()):
        run = source if isinstance(source, Run) else open_run(source)
        name, *_ = trained(run, engine)
        scaling = scaling_of(run) if len(run.recipe.network.input_shape) == 3 else None
        return Network(run.recipe, run.weights(name), name, tuple(run.record.data.classes), scaling)
    from twofold.exchange.onnx.writing import known_shape

    recipe = load_recipe(source)
    known_shape(recipe.network)
    if engine is not None and engine not in ENGINES:
        raise UserError(f"`engine` must be one of {', '.join(ENGINES)}; got {engine!r}")
    name = engine or recipe.training.engines[0]
    weights = initial_state(recipe.model).weights()
    typed = {key: array.astype(recipe.training.dtype) for key, array in weights.items()}
    return Network(recipe, typed, name)


def _tracked(run: Run, to: str, path: Path, figures: Mapping[str, bytes]) -> None:
    """Write what a run recorded for a tracker; each library is imported only where it is asked for."""
    match to:
        case "tensorboard":
            from twofold.exchange.trackers.tensorboard import write_tensorboard as write
        case "mlflow":
            from twofold.exchange.trackers.mlflow import write_mlflow as write
        case _:
            from twofold.exchange.trackers.wandb import write_wandb as write
    write(run, path, figures)


def _run(source: Run | Recipe | str | Path, to: str) -> Run:
    if isinstance(source, Run):
        return source
    if isinstance(source, Recipe) or not Path(source).is_dir():
        raise UserError(f"`{to}` shows what a run recorded: name a run folder; got {source}")
    return open_run(source)


def _onnx(network: Network, path: Path, preprocessing: bool) -> None:
    from twofold.exchange.onnx.writing import onnx_model, write_onnx

    if preprocessing and network.scaling is None:
        raise RunFolderError(
            "preprocessing is for a run on images, which keeps how their bytes are scaled; this is none. Leave it out"
        )
    scaling = network.scaling.astype(np.float64) if preprocessing and network.scaling else None
    model = onnx_model(
        network.recipe, network.weights, classes=network.classes, vector=network.vector(), scaling=scaling
    )
    write_onnx(model, path)
