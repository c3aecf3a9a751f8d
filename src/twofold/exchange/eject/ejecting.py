"""`twofold.eject`: a recipe or a run as plain scripts, with what they must come to."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import numpy as np

from twofold.arrays import Array, digest
from twofold.data import Batches, Dataset, at_hand
from twofold.data.images import training_count
from twofold.engine.threads import few_threads
from twofold.errors import UserError
from twofold.exchange.eject.data_script import data_script
from twofold.exchange.eject.deciding import check_decided, decides
from twofold.exchange.eject.numpy_script import numpy_scripts
from twofold.exchange.eject.torch_script import torch_script
from twofold.exchange.files import check_new, new_folder, write_new
from twofold.foreign import read_json
from twofold.plain import Plain
from twofold.recipe import Recipe, load_recipe
from twofold.recipe.data import Palindromes, PublishedImages
from twofold.recipe.losses import BinaryCrossEntropy, CrossEntropy, Huber, MeanAbsolute, MeanSquared
from twofold.recipe.network import shape_text
from twofold.recipe.optimizers import Adam, Adamw, Rmsprop, Sgd
from twofold.runs import Run, open_run
from twofold.setup.building import build_engine, initial_state, prepare
from twofold.setup.events import Watcher, watching

EXPECTED = "expected.json"
"""The file of a folder of scripts that says what they must come to."""
FIRST = 3
"""How many first losses the scripts compare: each is computed here, which takes time."""
LOSSES = (CrossEntropy, MeanSquared, MeanAbsolute, Huber, BinaryCrossEntropy)
OPTIMIZERS = (Sgd, Adam, Adamw, Rmsprop)
"""The losses and optimizers that the scripts have lines for."""
PLAIN = {
    "training.autocast": "none",
    "training.convolution": "direct",
    "training.compile": False,
    "training.shards": None,
    "training.device": "cpu",
}
"""Settings with which an engine computes in the plain way of the scripts."""
ROUNDED = (
    "The last bits differ with the versions of NumPy and PyTorch, the processor, and the number of threads: "
    "OMP_NUM_THREADS=1 is what the scripts take."
)
OTHERWISE = "The run computed by a faster way that rounds otherwise ({ways}); the scripts take the plain one. "


def eject(
    source: Run | Recipe | str | Path,
    out: str | Path,
    *,
    samples: bool | None = None,
    watcher: Watcher | None = None,
) -> Path:
    """Write a network as scripts that need NumPy, or NumPy and PyTorch, and no Twofold; gives the folder.

    `source` is a recipe, or a run, whose final weights the scripts then expect. The new folder holds `train_numpy.py`
    (of larger networks `layers_numpy.py` and `windows_numpy.py` beside it), `train_torch.py`, `data.py`, `start.npz`
    with the weights that they begin with, `samples.npz`, and `expected.json`. Samples are written where they are at
    hand; of MNIST and CIFAR-10, which are large, only with `samples=True`.

    Raises `UserError` for a folder that exists and for settings that the scripts do not know.
    """
    run = _run(source)
    recipe = run.recipe if run else load_recipe(source)  # pyright: ignore[reportArgumentType]
    if None in recipe.network.input_shape:
        raise UserError("how many features a sample has is not known without the data; eject a run of the recipe")
    _check_known(recipe)
    folder = Path(out)
    check_new(folder)
    wanted = not isinstance(recipe.data, PublishedImages) if samples is None else samples
    dataset = None
    counted = run or recipe.training.steps is not None or isinstance(recipe.data, PublishedImages)
    if at_hand(recipe.data) and (wanted or _whitens(recipe) or not counted):
        recipe, dataset = prepare(recipe, watching(watcher))
    check_decided(recipe, dataset is not None and wanted)
    scripts = {**numpy_scripts(recipe), "train_torch.py": torch_script(recipe), "data.py": data_script(recipe)}
    expected, start = _expected(recipe, dataset if wanted else None, run, dataset)
    with new_folder(folder) as filling:
        for name, text in scripts.items():
            write_new(filling / name, text)
        np.savez(filling / "start.npz", allow_pickle=False, **start)
        if dataset is not None and wanted:
            np.savez(filling / "samples.npz", allow_pickle=False, **_samples(recipe, dataset))
        write_new(filling / EXPECTED, json.dumps(expected, indent=2, ensure_ascii=False) + "\n")
    return folder


def scripts_of(run: Run, folder: Path) -> bool:
    """Whether a folder holds the scripts of this very run: whole, and expecting its weights."""
    try:
        return read_json(folder / EXPECTED)["weights_sha256"] == _weights_sha256(run)
    except (OSError, ValueError, TypeError, KeyError, UserError):
        return False


def _weights_sha256(run: Run) -> dict[str, str]:
    return {name: digest(run.weights(name)) for name in run.engines}


def _run(source: Recipe | Run | str | Path) -> Run | None:
    if isinstance(source, Run):
        return source
    return open_run(source) if not isinstance(source, Recipe) and Path(source).is_dir() else None


def _check_known(recipe: Recipe) -> None:
    """Raises `UserError` for what the scripts have no lines for."""
    if getattr(recipe.loss, "class_weight", None) or _has_weights(recipe):
        raise UserError(
            "the scripts know no weights; a network that is trained with them is written by `twofold export`"
        )
    if recipe.data.varying:
        raise UserError(
            "the scripts read sequences of one length; a network of sequences that differ in length is written with "
            "`twofold export`"
        )
    for part, known in ((recipe.loss, LOSSES), (recipe.optimizer, OPTIMIZERS)):
        if not isinstance(part, known):
            names = ", ".join(kind.model_fields["kind"].default for kind in known)
            raise UserError(
                f"the scripts know {names}; got `{part.kind}`. Set another, or write the network with `twofold export`"
            )


def _has_weights(recipe: Recipe) -> bool:
    """Whether a column holds weights of the samples."""
    return getattr(recipe.data, "weight", None) is not None


def _whitens(recipe: Recipe) -> bool:
    return bool(getattr(recipe.layers[0], "whitens", False))


def _expected(
    recipe: Recipe, samples: Dataset | None, run: Run | None, dataset: Dataset | None
) -> tuple[dict[str, Plain], dict[str, Array]]:
    """What the scripts must come to, and the weights that they begin with."""
    plain = load_recipe(recipe, PLAIN)
    if _whitens(recipe) and dataset is None:
        raise UserError("its first layer begins as the whitening of the training images, which are not at hand")
    state = initial_state(recipe.model, None if dataset is None else dataset.train)
    start = {name: array.astype(recipe.training.dtype) for name, array in state.weights().items()}
    losses, steps, every = list[float](), _steps(recipe, run, dataset), 0
    if samples is not None:
        train = samples.astype(recipe.training.dtype).train
        batches = Batches(plain, train)
        every = batches.evaluate_every
        engine = build_engine("numpy", plain)
        engine.load(state)
        with few_threads(recipe, len(train)), np.errstate(all="ignore"):
            losses = [float(engine.step(batch).loss) for batch in islice(batches, min(FIRST, steps))]
    ways = [
        f"{key} = {value}"
        for key, value in dict(recipe.training).items()
        if PLAIN.get(f"training.{key}", value) != value
    ]
    ways = [way for way in ways if not way.startswith("device")]
    expected: dict[str, Plain] = {
        "recipe": recipe.name,
        "samples": shape_text(recipe.network.input_shape),
        "steps": steps,
        **({"evaluate_every": every} if decides(recipe) else {}),
        "losses": losses,
        "tolerance": 1e-9 if recipe.training.dtype == "float64" else 1e-3,
        "weights_sha256": _weights_sha256(run) if run else {},
        "why": (OTHERWISE.format(ways=", ".join(ways)) if ways else "") + ROUNDED,
    }
    if run:
        expected["versions"] = dict(run.record.circumstances.versions)
    return expected, start


def _steps(recipe: Recipe, run: Run | None, dataset: Dataset | None) -> int:
    """The steps of the training. Raises `UserError` where it takes epochs of samples that nobody has counted."""
    if recipe.training.steps is not None:
        return recipe.training.steps
    if run is not None:
        return recipe.training.length(run.record.data.samples["train"])
    if dataset is not None:
        return recipe.training.length(len(dataset.train))
    if isinstance(recipe.data, PublishedImages):
        return recipe.training.length(training_count(recipe.data))
    raise UserError(
        f"how many steps `training.epochs` = {recipe.training.epochs} takes is not known without the samples, which "
        "are not at hand; set `training.steps`"
    )


def _samples(recipe: Recipe, dataset: Dataset) -> dict[str, Array]:
    """The arrays of `samples.npz`: bytes with their scaling, or numbers of the recipe's type."""
    from twofold.data.palindromes import held_out_halves

    typed = dataset if dataset.train.scaling else dataset.astype(recipe.training.dtype)
    _, test = typed.held_out
    arrays = {"x_test": test.x, "y_test": test.y}
    if isinstance(recipe.data, Palindromes) and recipe.data.endless:
        arrays["held_out"] = held_out_halves(recipe.data)
    else:
        arrays |= {"x_train": typed.train.x, "y_train": typed.train.y}
    if decides(recipe):
        arrays |= {"x_validation": typed.validation.x, "y_validation": typed.validation.y}
    if scaling := typed.train.scaling:
        arrays |= {"shift": scaling.shift, "divisor": scaling.divisor}
    return arrays
