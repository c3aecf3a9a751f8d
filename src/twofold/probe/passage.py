"""One batch through the engines, forward and back, with the same weights: what a walk shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from twofold.arrays import Arrays
from twofold.data import Masks, Split, at_hand
from twofold.engine import Batch, State, Trace, lengths_of
from twofold.engines import COMPARED
from twofold.errors import UserError
from twofold.plain import whole
from twofold.recipe import Recipe, load_recipe
from twofold.recipe.columns import Table
from twofold.recipe.files import builtin
from twofold.recipe.overrides import Overrides
from twofold.runs import EVIDENCE, Run, open_run
from twofold.runs.evidence import kept_scaling
from twofold.setup.building import build_engine, initial_state, state_of
from twofold.setup.events import Watcher, watching
from twofold.setup.samples import data_again, found_data

FEWEST = 2
"""Samples of a batch, at least: a batch norm needs more than one."""
MOST_SAMPLES = 32
"""Samples of a recipe's batch, at most, unless another number is asked for: a walk is for reading."""


@dataclass(frozen=True)
class Passage:
    """A batch and its traces through engines that hold the same weights."""

    recipe: Recipe
    run: str
    """The run's folder; empty for a recipe."""
    weights: str
    """`initial`, or the engine that trained them."""
    data: str
    """`real`, or `random` where the data are not at hand."""
    split: str
    """The split of the samples: the one that is judged on, the test set if there is one."""
    sample: int
    """The sample whose numbers are shown: its place in the split, from 0."""
    first: int
    """The place of the batch's first sample in the split."""
    batch: Batch
    parameters: Arrays
    traces: Mapping[str, Trace]
    """The trace of each engine, by name."""
    buffers: Arrays = field(default_factory=dict)
    """Running statistics before the batch."""
    rate: float | None = None
    """The learning rate of the next step of a training that is paused here; `None` where there is no such training."""

    @property
    def place(self) -> int:
        """The sample's place in the batch."""
        return self.sample - self.first


@dataclass(frozen=True)
class _Chosen:
    """The samples chosen for the batch, and where they are from."""

    recipe: Recipe
    data: str
    name: str
    first: int
    split: Split
    train: Split | None = None
    """Training samples for a whitening first layer; `None` for a run, whose filters are trained."""


@dataclass(frozen=True)
class Wanted:
    """The batch that a user asks for: the one with sample number `sample` of the split, counted from 0."""

    sample: int = 0
    batch: int | None = None
    """How many samples; left out, as many as the recipe trains on, `MOST_SAMPLES` at most, or as a run keeps."""
    data: object = None
    """A pair `(X, y)` in place of the recipe's data, or again the one on which a run was trained."""

    def checked(self) -> Wanted:
        """The same with Python's own numbers. Raises `UserError` where there can be no such batch."""
        sample, batch = whole(self.sample), whole(self.batch)
        if sample is None or sample < 0:
            raise UserError(f"`sample` must be a whole number of at least 0; got {self.sample}")
        if self.batch is not None and (batch is None or batch < 1):
            raise UserError(f"`batch` must be a whole number of at least 1; got {self.batch}")
        return replace(self, sample=sample, batch=batch)


FIRST = Wanted()


def pass_through(
    source: str | Path | Recipe | Run,
    wanted: Wanted = FIRST,
    *,
    overrides: Overrides = (),
    watcher: Watcher | None = None,
    engines: Sequence[str] = COMPARED,
) -> Passage:
    """Take a batch forward and back in the engines, as in training, without the update.

    Samples are held-out ones: for a recipe from its data, else random ones; for a run from its folder, else from its
    data. All engines hold the same weights: for a recipe the initial ones, for a run those that its first engine
    trained. They compute in the recipe's type on the CPU, with dropout's mask of the first step.

    Raises `UserError` where the sample is out of range or cannot be had, `RunFolderError` for a damaged folder,
    `UnknownNameError` where there is neither such a recipe nor such a folder.
    """
    wanted = wanted.checked()
    run, chosen = _chosen(source, overrides, wanted, watching(watcher))
    weights = "initial" if run is None else next(iter(run.engines), "")
    recipe = load_recipe(chosen.recipe, {"training.device": "cpu", "training.ema": 0.0})
    if (part := alone(recipe, chosen.split, wanted.sample - chosen.first)) is not None:
        recipe, chosen = part[0], replace(chosen, split=part[1], first=wanted.sample)
    state = initial_state(recipe.model, chosen.train) if run is None else state_of(run.weights(weights), recipe.network)
    batch_taken, traces = _traced(recipe, chosen.split, state, engines)
    return Passage(
        recipe=recipe,
        run="" if run is None else str(run.path),
        weights=weights,
        data=chosen.data,
        split=chosen.name,
        sample=wanted.sample,
        first=chosen.first,
        batch=batch_taken,
        parameters=state.parameters,
        buffers=state.buffers,
        traces=traces,
    )


def _chosen(
    source: str | Path | Recipe | Run, overrides: Overrides, wanted: Wanted, watch: Watcher
) -> tuple[Run | None, _Chosen]:
    """The run that the source names, `None` where it names a recipe, and the samples."""
    run = _run(source)
    if run is None:
        assert not isinstance(source, Run)
        return None, _of_recipe(load_recipe(source, overrides), wanted, watch)
    if overrides:
        raise UserError(f"--set changes a recipe; `{source}` is a run, whose weights belong to its own settings")
    return run, _of_run(run, wanted, watch)


def alone(recipe: Recipe, split: Split, place: int) -> tuple[Recipe, Split] | None:
    """The recipe and one sequence of its own length; `None` if the data's sequences do not differ in length."""
    data = recipe.data
    if not (isinstance(data, Table) and data.sequential):
        return None
    split = split[place : place + 1]
    lengths = lengths_of(split.x)
    steps = split.x.shape[1] if lengths is None else int(lengths[0])
    y = split.y[:, :steps] if split.each_step else split.y
    recipe = recipe.model_copy(update={"data": data.model_copy(update={"longest": steps})})
    return recipe, replace(split, x=split.x[:, :steps], y=y)


def _run(source: str | Path | Recipe | Run) -> Run | None:
    """The run that the source names, `None` where it names a recipe."""
    if isinstance(source, Run):
        return source
    if isinstance(source, Recipe) or str(source) in builtin() or str(source).endswith(".toml"):
        return None
    path = Path(source)
    return open_run(path) if path.is_dir() or len(path.parts) > 1 else None


def _of_recipe(recipe: Recipe, wanted: Wanted, watch: Watcher) -> _Chosen:
    usual = recipe.training.batch_size
    size = wanted.batch or (MOST_SAMPLES if usual == "full" else min(usual, MOST_SAMPLES))
    recipe, dataset, origin = found_data(recipe, watch, max(size, MOST_SAMPLES), wanted.data)
    dataset = dataset.astype(recipe.training.dtype)
    name, split = dataset.held_out
    _check(wanted.sample, len(split), "random" if origin == "random" else name)
    first, part = block(split, wanted.sample, size)
    return _Chosen(recipe, origin, name, first, part, dataset.train)


def _of_run(run: Run, wanted: Wanted, watch: Watcher) -> _Chosen:
    """Samples from the run's folder if they are enough, else from its data, else random ones."""
    if not run.engines:
        raise UserError(
            f"{run.path} holds no trained weights: the run is {run.status}. "
            "`twofold walk RECIPE` takes the initial ones."
        )
    name, sample = run.record.data.held_out, wanted.sample
    _check(sample, run.record.data.samples[name], name)
    samples = _kept(run)
    count = 0 if samples is None else len(samples)
    if samples is not None and max(sample + 1, wanted.batch or 1) <= count:
        first, part = block(samples, sample, wanted.batch or count)
        return _Chosen(run.recipe, "real", name, first, part)
    size = wanted.batch or max(count, FEWEST)
    if wanted.data is not None or at_hand(run.recipe.data):
        recipe, dataset = data_again(run.recipe, watch, wanted.data, run.path, "walk")
        if dataset.fingerprint == run.record.data.fingerprint:
            first, part = block(dataset.astype(recipe.training.dtype).held_out[1], sample, size)
            return _Chosen(recipe, "real", name, first, part)
        missing = "the data at hand are not those of the run: their fingerprint is another"
    else:
        missing = f"the data (source `{run.recipe.data.source}`) are not at hand"
    if not count and not sample:
        recipe, dataset, _ = found_data(run.recipe, watch, size)
        return _Chosen(recipe, "random", "train", 0, dataset.astype(recipe.training.dtype).train)
    raise UserError(
        f"{run.path} keeps {count} {name} samples, from 0, too few for sample {sample}"
        f"{'' if wanted.batch is None else f' in a batch of {wanted.batch}'}, and {missing}."
    )


def _check(sample: int, samples: int, name: str) -> None:
    if sample >= samples:
        raise UserError(f"--sample counts the {samples:,} {name} samples from 0 to {samples - 1}; got {sample}")


def _kept(run: Run) -> Split | None:
    """The samples that the run's folder keeps; `None` if a network cannot be given them."""
    arrays = run.evidence if (run.path / EVIDENCE).is_file() else {}
    x, target = arrays.get("preview"), arrays.get("target")
    if x is None or target is None or x.shape[1:] != run.recipe.network.input_shape:
        return None
    y = arrays.get("preview.y", target[: len(x)])
    if scaling := kept_scaling(arrays, "target_scaling"):  # kept in their own unit
        y = ((y - scaling.shift) / scaling.divisor).astype(run.recipe.training.dtype)
    return Split(x, y, kept_scaling(arrays))


def block(split: Split, sample: int, size: int) -> tuple[int, Split]:
    """The first place and the samples of the batch with `sample`: batches of `size` follow each other from 0."""
    first = max(0, min(sample // size * size, len(split) - size))
    return first, split[slice(first, first + size)]


def _traced(recipe: Recipe, split: Split, state: State, engines: Sequence[str]) -> tuple[Batch, dict[str, Trace]]:
    """The batch and its trace in each engine; with one thread, so that numbers do not depend on how many there are."""
    x = split.floats().astype(recipe.training.dtype)  # a copy: what a layer keeps of it is the batch, not the data
    batch, traces = (
        Batch(x, split.y, 0.0, Masks(recipe.network, recipe.training.seed)(0, len(split)), 0),
        dict[str, Trace](),
    )
    for name in engines:
        with threadpool_limits(1):
            engine = build_engine(name, recipe)
        engine.load(state)
        with threadpool_limits(1), np.errstate(all="ignore"):  # building may have loaded PyTorch's threads
            traces[name] = engine.trace(batch)
    return batch, traces
