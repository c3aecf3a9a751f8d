"""What an adopted model is: a recipe, weights, and the proof that both are the original's."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from twofold.arrays import Array, Arrays, digest
from twofold.errors import AdoptError
from twofold.exchange.chain import Chain, weights_of
from twofold.exchange.proof import Proof
from twofold.numpy_engine import NumpyEngine
from twofold.plain import Plain
from twofold.recipe import Model, Recipe, dump, load_recipe
from twofold.recipe.data import Arrays as InMemory
from twofold.recipe.network import kind_of
from twofold.recipe.optimizers import Optimizer, Sgd
from twofold.recipe.training import Training
from twofold.setup.building import state_of

LossName = Literal["cross_entropy", "mean_squared"]


@dataclass(frozen=True)
class Wanted:
    """What the user asks for beside the model."""

    name: str = ""
    """The recipe's name; the model's own where left out."""
    loss: LossName | None = None
    """Left out, it is the loss that the model's last operation belongs to, else `cross_entropy`."""
    data: str | Path | Recipe | None = None
    """A recipe from which everything but name, layers, loss and dtype is taken over."""

    def named(self, name: str) -> Wanted:
        """A copy named after `name`, in at most 100 small letters, digits and hyphens, if the user gave no name."""
        short = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:100]
        return self if self.name else replace(self, name=short or "adopted")


@dataclass(frozen=True, eq=False)
class Adopted:
    """A model of another library as a recipe and weights, proved to be the same. In a notebook it shows the proof."""

    recipe: Recipe
    weights: Mapping[str, Array]
    """Parameters and running statistics by our names, `0.weight`: those of PyTorch's `nn.Sequential`."""
    proof: Proof
    origins: tuple[str, ...]
    """The original's name and type of each layer: `features.0 (Conv2d)`."""

    def save(self, recipe: str | Path, weights: str | Path | None = None) -> tuple[Path, Path]:
        """Write the recipe, which begins with the weights, and the weights beside it as safetensors.

        `weights` is the recipe's name with the ending .safetensors where left out. Raises `UserError` where a file
        exists, has another ending, or its folder is missing.
        """
        from twofold.exchange.files import check_new, check_suffix, write_new, write_weights

        path = Path(recipe)
        file = Path(weights) if weights is not None else path.with_suffix(".safetensors")
        for target, suffix in ((path, ".toml"), (file, ".safetensors")):
            check_suffix(target, suffix)
            check_new(target)
        write_weights(file, self.weights)
        seal = hashlib.sha256(file.read_bytes()).hexdigest()
        initial = {"initial": {"kind": "file", "path": str(file.resolve()), "sha256": seal}}
        try:
            write_new(path, dump(load_recipe(self.recipe, {f"initial.{k}": v for k, v in initial["initial"].items()})))
        except BaseException:  # without the recipe nothing stays, so that the next call may write both
            file.unlink()
            raise
        return path, file

    def to_json(self) -> dict[str, Plain]:
        """Plain values: what `twofold adopt --json` prints."""
        layers = [
            {"kind": kind_of(spec), "original": origin}
            for spec, origin in zip(self.recipe.layers, self.origins, strict=True)
        ]
        return {
            "recipe": self.recipe.name,
            "layers": layers,
            "parameters": self.recipe.network.count,
            "weights_sha256": digest(self.weights),
            "proof": self.proof.to_json(),
        }

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(origin)}</td><td>{kind_of(spec)}</td></tr>"
            for spec, origin in zip(self.recipe.layers, self.origins, strict=True)
        )
        return f"<b>{html.escape(self.recipe.name)}</b><table>{rows}</table>{self.proof._repr_html_()}"


def adopted(
    chain: Chain, wanted: Wanted, prove: Callable[[Model], Proof], dtype: str, recipe: Recipe | None = None
) -> Adopted:
    """The adopted model of a chain, once its proof has passed. Raises `AdoptError` where it fails.

    `recipe` is the one that the model carries with it, where it is one of ours.
    """
    recipe = recipe or recipe_of(chain, wanted, dtype)
    proof = prove(model_of(chain, wanted))
    if not proof.passed:
        raise AdoptError(
            f"the proof failed: {proof.first_failure}",
            operator=wanted.name,
            nearest="Nothing was adopted; please report this model",
        )
    weights = {name: array.astype(dtype, copy=False) for name, array in weights_of(chain.links).items()}
    origins = tuple(f"{link.label} ({link.operator})" for link in chain.links)
    return Adopted(recipe, weights, proof, origins)


def recipe_of(chain: Chain, wanted: Wanted, dtype: str) -> Recipe:
    """The recipe of a chain: its layers and loss; the rest is from the user's recipe, else the default."""
    layers = tuple(link.spec for link in chain.links)
    loss = {"kind": _loss(chain, wanted)}
    if wanted.data is not None:
        base = load_recipe(wanted.data)
        tables = [{"kind": kind_of(spec), **dict(spec)} for spec in layers]
        overrides = {"layers": tables, "loss": loss, "name": wanted.name, "training.dtype": dtype}
        return load_recipe(base, overrides)
    data = InMemory(shape=chain.x.shape[1:], classes=chain.shape[0])
    return Recipe.model_validate(
        {"name": wanted.name or "adopted", "data": data, "layers": layers, "loss": loss, "training": {"dtype": dtype}}
    )


def model_of(chain: Chain, wanted: Wanted) -> Model:
    """The layers of a chain, for samples as its first layer takes them, with the loss."""
    layers = tuple(link.spec for link in chain.links)
    return Model.model_validate({"layers": layers, "shape": chain.x.shape[1:], "loss": {"kind": _loss(chain, wanted)}})


def loaded_engine(model: Model, weights: Arrays, optimizer: Optimizer | None = None) -> NumpyEngine:
    """The NumPy engine of a model in float64, with these weights."""
    engine = NumpyEngine(model, optimizer or Sgd(), Training(dtype="float64"))
    engine.load(state_of(weights, model.network))
    return engine


def _loss(chain: Chain, wanted: Wanted) -> str:
    """The loss of the recipe. Raises `AdoptError` where the user's is not the one that the model's end belongs to."""
    if wanted.loss and chain.loss and wanted.loss != chain.loss:
        raise AdoptError(
            f"its last operation is a part of `{chain.loss}`, and `loss` is `{wanted.loss}`",
            operator=wanted.name,
            nearest="Leave `loss` out, or adopt the model without the softmax at its end",
        )
    return wanted.loss or chain.loss or "cross_entropy"
