"""Weights out of a run, as NumPy's `.npz`, and into a new one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from twofold.arrays import Array
from twofold.data import Dataset
from twofold.engine import Engine, State
from twofold.engine.threads import few_threads
from twofold.errors import WeightsError
from twofold.inference.evaluating import same_data
from twofold.inference.predicting import trained
from twofold.plain import Parsed
from twofold.printable import one_line
from twofold.probe.kept import asked
from twofold.recipe import Network, Recipe, load_recipe
from twofold.recipe.dense import Dense
from twofold.runs import (
    EVIDENCE,
    Beginning,
    Imported,
    Result,
    Run,
    RunWriter,
    create_run_folder,
    open_run,
    opened,
    seal,
    weights_name,
)
from twofold.runs.history import HistoryRow
from twofold.runs.npz import read_names, read_npz, write_npz
from twofold.setup.building import initial_state, state_of, training_engine
from twofold.setup.events import Watcher, watching
from twofold.train.circumstances import circumstances
from twofold.train.evidence import answers, kept_answers, kept_samples, previewed
from twofold.train.loop import bad_split, by_column
from twofold.train.scoring import scorer, scores_of

TWO_LAYERS = ("W1", "b1", "W2", "b2")
"""y = W2 f(W1 x + b1) + b2: the names of a network of two dense layers. W is (out, in), as in PyTorch."""


def npz_names(network: Network) -> dict[str, str]:
    """The name of each tensor in an `.npz` file, by its PyTorch name.

    `W1 b1 W2 b2` in a network whose only parameters are those of two dense layers, else the PyTorch names themselves.
    """
    names = [*network.parameters, *network.buffers]
    holders = [node for node in network.nodes if node.parameters or node.buffers]
    two = len(holders) == 2 and all(isinstance(node.spec, Dense) and node.spec.bias for node in holders)
    return dict(zip(names, TWO_LAYERS if two else names, strict=True))


def export_weights(run: Run | str | Path, file: str | Path, *, engine: str | None = None) -> dict[str, Array]:
    """Write the trained weights of one engine, by default the run's first, to a new `.npz` file.

    Returns the arrays by name: `W1 b1 W2 b2` for a network of two dense layers, W (out, in), else PyTorch's names.

    Raises `UserError` for a file that exists, `RunFolderError` for a run without weights.
    """
    _, arrays = named_weights(run, engine)
    write_npz(Path(file), arrays)
    return arrays


def named_weights(run: Run | str | Path, engine: str | None = None) -> tuple[str, dict[str, Array]]:
    """The engine, by default the run's first, and its trained weights by their names in an `.npz` file."""
    run = opened(run)
    engine, *_ = trained(run, engine)
    weights = run.weights(engine)
    return engine, {name: weights[key] for key, name in npz_names(run.recipe.network).items()}


def import_weights(
    run: Run | str | Path,
    file: str | Path,
    *,
    out: str | Path | None = None,
    engines: str | Iterable[str] | None = None,
    watcher: Watcher | None = None,
) -> Run:
    """A new run with the weights of an `.npz` file in place of trained ones, judged on the data of `run`'s recipe.

    Its engines are those of the recipe, or `engines`; nothing is trained. Names are `W1 b1 W2 b2` for a network of two
    dense layers, or PyTorch's. `out` is a new folder, by default `runs/NAME-N`.

    Raises `WeightsError` for weights of another network, for other types than floating-point numbers and for numbers
    that are not finite, before anything is written.
    """
    run, path = opened(run), Path(file)
    chosen = run.recipe.training.engines if engines is None else [engines] if isinstance(engines, str) else [*engines]
    recipe = load_recipe(run.recipe, {"training.engines": list(chosen)})
    weights = _read(path, recipe)
    dataset = same_data(run, watching(watcher))
    built = {name: training_engine(name, recipe) for name in recipe.training.engines}
    evidence, rows = kept_samples(recipe, dataset), dict[str, HistoryRow]()
    with few_threads(recipe, len(dataset.train)), np.errstate(all="ignore"):
        for name, engine in built.items():
            rows[name], answers = _judged(engine, weights, recipe, dataset)
            evidence |= {f"{name}.{what}": array for what, array in answers.items()}
            if bad := bad_split(rows[name]):
                raise WeightsError(f"{path}: with these weights the loss of the {bad[1]} set is {bad[0]}")
    imported = Imported(file=one_line(path.name), sha256=seal(path).sha256)
    beginning = Beginning(data=run.record.data, circumstances=circumstances(built), imported=imported)
    writer = RunWriter(create_run_folder(out, recipe.name), recipe, beginning)
    for name, engine in built.items():
        writer.add_row(name, rows[name]._asdict())
        writer.save(weights_name(name), engine.state().weights())
        scores: Parsed = scores_of(rows[name])
        writer.add_result(name, Result(**scores, seconds=0.0, steps=0, kept_step=0))
    writer.save(EVIDENCE, evidence)
    writer.save(EVIDENCE, evidence | asked(Run(writer.folder, writer.record)))
    writer.finish("finished")
    return open_run(writer.folder)


def _read(path: Path, recipe: Recipe) -> State:
    """The weights in a file as a state; their names are the short ones if it holds any of these, else PyTorch's."""
    network = recipe.network
    shapes = {**network.parameters, **network.buffers}
    named = npz_names(network)
    sizes = [tuple(size or 0 for size in shape) for shape in shapes.values()]
    if not set(read_names(path, sizes)) & set(named.values()):
        named = {name: name for name in named}
    wanted = {named[name]: tuple(size or 0 for size in shape) for name, shape in shapes.items()}
    arrays_read = read_npz(path, wanted, recipe.training.dtype)
    arrays = {name: arrays_read[short] for name, short in named.items()}
    return state_of(arrays, network)


def _judged(engine: Engine, weights: State, recipe: Recipe, dataset: Dataset) -> tuple[HistoryRow, dict[str, Array]]:
    """The evaluation of an engine with the weights, and the answers that a run keeps."""
    held_out = dataset.held_out[1]
    engine.load(initial_state(recipe.model, dataset.train))
    before = answers(engine, previewed(held_out), recipe)
    engine.load(weights)
    row = HistoryRow(0, 0.0, 0.0, 0.0, **by_column(scorer(recipe, dataset)(engine)))
    return row, kept_answers(engine, before, held_out, recipe, dataset.target_scaling)
