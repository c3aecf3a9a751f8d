"""`twofold.adopt`: a model of another library, whatever its form, as a recipe, weights and a proof."""

from __future__ import annotations

from pathlib import Path
from typing import cast, get_args

from twofold.errors import AdoptError, UserError
from twofold.exchange.adopted import Adopted, LossName, Wanted
from twofold.exchange.samples import check_name, checked_shape
from twofold.plain import Parsed, Samples
from twofold.recipe import Recipe

FORMS = "a PyTorch module, a .onnx or .keras file, or a Python file's object as mine.py:model"
PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".bin", ".ckpt", ".joblib")


def adopt(
    model: object,
    *,
    sample: Samples | None = None,
    shape: tuple[int, ...] | None = None,
    data: str | Path | Recipe | None = None,
    loss: LossName | None = None,
    name: str = "",
) -> Adopted:
    """A model of another library as a recipe, weights and the proof that they are the same.

    `model` is a `torch.nn.Module` that is a chain of layers, as `nn.Sequential` or as a class; a `.onnx` file;
    a `.keras` file, where Keras is installed; or `mine.py:model`, an object of a Python file, which runs in a process
    of its own. `sample` is a batch of inputs, (N, ...); a module needs it, or `shape`, the shape of one sample without
    N, and so does a file that leaves its shape open. For `mine.py:model` the file itself may define `sample`, and the
    argument is refused. `data` is a recipe whose data and training are taken over; `loss` is `cross_entropy` or
    `mean_squared`; `name` is the recipe's name.

    A module is proved in float64 against itself: every layer's output, the loss, every gradient, and 20 training
    steps, to 1e-9. So is a Keras file, on the backend of PyTorch. An ONNX file is proved forward, to 1e-6.

    Raises `AdoptError` for what no recipe can express, naming the layer, its type, the reason and the nearest thing
    that can be adopted, and where the proof fails; `UserError` for arguments that are wrong; `MissingExtraError` where
    the library that reads the file is not installed.
    """
    if loss is not None and loss not in get_args(LossName):
        raise UserError(f"`loss` must be `cross_entropy` or `mean_squared`; got {loss!r}")
    check_name(name)
    shape, wanted = checked_shape(shape), Wanted(name, loss, data)
    if not isinstance(model, str | Path):
        return _module(model, sample, shape, wanted)
    text = str(model)
    file, _, attribute = text.rpartition(":")
    if file.endswith(".py"):
        from twofold.exchange.script import adopt_script

        if sample is not None:
            raise UserError(f"`sample` is not handed to another process; define `sample` in {file}, or name `shape`")
        return adopt_script(Path(file), attribute, shape, wanted)
    path = Path(text)
    if path.suffix == ".onnx":
        from twofold.exchange.onnx.adopting import adopt_onnx

        return adopt_onnx(path, wanted, shape=shape, sample=sample)
    if path.suffix == ".keras":
        from twofold.exchange.keras.adopting import adopt_keras

        return adopt_keras(path, wanted, shape=shape, sample=sample)
    raise _refusal(path)


def _module(model: object, sample: Samples | None, shape: tuple[int, ...] | None, wanted: Wanted) -> Adopted:
    if not any(kind.__module__.startswith("torch.nn") for kind in type(model).__mro__):
        raise UserError(f"`model` must be {FORMS}; got {type(model).__name__}")
    from twofold.exchange.torch.adopting import adopt_module, random_sample

    return adopt_module(cast(Parsed, model), random_sample(shape) if sample is None and shape else sample, wanted)


def _refusal(path: Path) -> UserError:
    if path.suffix == ".py":
        return UserError(f"name the object of the file: {path}:model")
    if path.suffix in PICKLES:
        return AdoptError(
            f"{path} is a pickle, which may run any code when it is opened; nothing here opens one. Where you trust "
            "it, make it safetensors, and give adopt the module itself:\n"
            f'    state = torch.load("{path.name}", weights_only=True)\n'
            f'    safetensors.torch.save_file(state, "{path.stem}.safetensors")'
        )
    if path.suffix in (".h5", ".hdf5"):
        return AdoptError(f"{path} is of an older form of Keras", nearest="Write it anew: model.save('NAME.keras')")
    return UserError(f"`model` must be {FORMS}; got {path}")
