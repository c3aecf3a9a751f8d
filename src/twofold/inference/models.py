"""A trained network as an object: PyTorch's own module, or one of NumPy that prints and answers alike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, final, overload

import numpy as np

from twofold.arrays import Array
from twofold.data.arrays import class_numbers
from twofold.engine import Engine
from twofold.errors import UserError
from twofold.inference.predicting import held_in_memory, seen, trained
from twofold.plain import Samples
from twofold.recipe import Node, shape_text
from twofold.runs import Run, opened
from twofold.runs.evidence import kept_scaling
from twofold.setup.building import restore
from twofold.setup.outputs import probabilities
from twofold.train.evidence import in_unit
from twofold.train.loop import r_squared

if TYPE_CHECKING:
    from torch import nn


@final
class NumpyModel:
    """A trained network of the NumPy engine that can be called.

    A call takes inputs as the network sees them, (samples, *sample), scaled and standardized, such as
    `twofold.predict(...).inputs`. `predict`, `predict_proba` and `score` take unscaled samples, an array or a data
    frame, and scale them as those of the training were.
    """

    def __init__(self, engine: Engine, run: Run) -> None:
        self._engine = engine
        self._run = run
        self.model = run.recipe.model

    @property
    def classes(self) -> Array:
        """The names of the classes, (classes,): whole numbers where all of them are, else texts."""
        names = self._run.record.data.classes
        whole = all(len(name) < 18 and name.isascii() and name.isdecimal() and str(int(name)) == name for name in names)
        return np.array([int(name) for name in names] if whole else list(names))

    def _network_inputs(self, samples: Samples) -> Array:
        return seen(self._run, held_in_memory(self._run, samples)).floats()

    def __call__(self, x: Array) -> Array:
        """The outputs of the last layer, (samples, classes). Raises `UserError` for samples of another shape.

        Sequences that may differ in length have as many steps as the longest of them; NaN stands after the end of the
        others.
        """
        x = np.asarray(x)
        shape = self.model.network.input_shape
        steps = x.shape[1:2] if self._run.recipe.data.varying else shape[:1]
        if not x.ndim or x.shape[1:] != (*steps, *shape[1:]) or x.dtype.kind not in "fiu":
            raise UserError(f"the network takes numbers of the shape {self._taken}; got {x.dtype} of {x.shape}")
        return self._engine.predict(x)

    @property
    def _taken(self) -> str:
        """The shape of samples in words; of sequences that may differ in length `?` stands for the steps."""
        shape = self.model.network.input_shape
        return shape_text((None, *shape[1:]) if self._run.recipe.data.varying else shape)

    def outputs(self, x: Array) -> dict[str, Array]:
        """The output of each layer, by the layer's name."""
        x = np.asarray(x)
        self(x[:1])
        return dict(zip((node.name for node in self.model.network.nodes), self._engine.outputs(x), strict=True))

    def predict(self, x: Samples) -> Array:
        """The classes answered, (samples,): those of `classes`; or numbers in their unit, or labels."""
        outputs, task = self(self._network_inputs(x)), self._run.record.data.task
        if task == "classification":
            return self.classes[outputs.argmax(axis=-1)]
        if task == "multi_label":
            return (outputs > 0).astype(np.int64)
        numbers = in_unit(outputs.astype(np.float64), kept_scaling(self._run.evidence, "target_scaling"))
        return numbers[..., 0] if numbers.shape[-1] == 1 else numbers

    def score(self, x: Samples, y: Samples) -> float:
        """The share of samples whose class is `y`, or of labels that are right; of numbers R².

        A class is named as in `twofold.evaluate`: by its text, or by its number, as 1.0 or True names `1`.

        Raises `UserError` for another number of classes than samples, `DataError` for a class that is not known.
        """
        answered, right, facts = self.predict(x), np.asarray(y), self._run.record.data
        if facts.task == "regression":
            right = right.reshape(answered.shape) if right.size == answered.size else right
        if right.shape != answered.shape:
            raise UserError(f"`y` must hold a class for each of {len(answered)} samples; got the shape {right.shape}")
        if facts.task == "regression":
            return r_squared(*(numbers.reshape(-1, len(facts.targets)) for numbers in (answered, right)))
        if facts.task == "multi_label":
            return float(np.mean(answered == right))
        codes = class_numbers(right.ravel(), right.size, facts.classes)
        return float(np.mean(answered.ravel() == self.classes[codes]))

    def predict_proba(self, x: Samples) -> Array:
        """The probability of each class, (samples, classes). Raises `UserError` where outputs stand for none."""
        p = probabilities(self.model, self(self._network_inputs(x)))
        if p is None:
            raise UserError("under this loss the outputs are no probabilities; call the model itself, or `predict`")
        return p

    def state_dict(self) -> dict[str, Array]:
        """Parameters and running statistics by PyTorch's names, copied."""
        return self._engine.state().weights()

    def __repr__(self) -> str:
        return "\n".join(["NumpyModel(", *(f"  ({node.name}): {_described(node)}" for node in self._nodes), ")"])

    @property
    def _nodes(self) -> tuple[Node, ...]:
        return self.model.network.nodes


def _described(node: Node) -> str:
    """`dense (N, 2) → (N, 20), weight (20, 2), bias (20)`."""
    held = {**node.parameters, **node.buffers}
    tensors = [f"{name} {shape_text(shape, batch=False)}" for name, shape in held.items()]
    return ", ".join([f"{node.kind} {shape_text(node.input_shape)} → {shape_text(node.output_shape)}", *tensors])


@overload
def load_model(run: Run | str | Path, engine: Literal["torch"] = "torch", device: str = "cpu") -> nn.Module: ...
@overload
def load_model(run: Run | str | Path, engine: Literal["numpy"], device: str = "cpu") -> NumpyModel: ...
def load_model(run: Run | str | Path, engine: str = "torch", device: str = "cpu") -> nn.Module | NumpyModel:
    """The trained network of a run.

    `torch`: an ordinary `nn.Sequential` in evaluation mode, on `device`: save its `state_dict`, train it on, put it
    into a program. `numpy`: a `NumpyModel`, which prints, answers and names its weights alike. Where the recipe
    averages its weights, these are the averages. Both take what a network sees: scaled and standardized samples.

    Raises `RunFolderError` for a run without weights of the engine, `UserError` for another engine.
    """
    run = opened(run)
    (engine,) = trained(run, engine)
    built = restore(run, engine, device)
    if engine != "torch":
        return NumpyModel(built, run)
    from twofold.torch_engine import TorchEngine

    assert isinstance(built, TorchEngine)
    return built.module.eval()
