"""Arrays from the results of a user's code, and the conversion between our layout of arrays and theirs."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import NamedTuple, TypeGuard

import numpy as np

from twofold.proof.check.inside.names import gradient_role, names_input_gradient
from twofold.proof.check.inside.theirs import Theirs, Values


class UnusableError(Exception):
    """A result that should be an array is none; the message says what it is."""


def torch() -> ModuleType | None:
    """PyTorch if the user's code imported it, else `None`."""
    return sys.modules.get("torch")


def loaded_torch() -> ModuleType:
    """PyTorch, once it is known that the user's code has imported it."""
    return sys.modules["torch"]


def is_tensor(value: object) -> TypeGuard[Theirs]:
    """Whether a value is a tensor of PyTorch."""
    library = torch()
    return library is not None and isinstance(value, library.Tensor)


def array(value: object, what: str) -> np.ndarray:
    """A value as an array of numbers. Raises `UnusableError`."""
    if is_tensor(value):
        value = value.detach().cpu().numpy()
    if value is None:
        raise UnusableError(f"{what} is None, where an array is expected")
    try:
        result = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise UnusableError(f"{what} is {type(value).__name__}, where an array is expected") from error
    if result.dtype.kind not in "fiub":
        raise UnusableError(f"{what} is {type(value).__name__}, where an array of numbers is expected")
    return np.array(result, dtype=result.dtype if result.dtype in (np.float32, np.float64) else np.float64)


def as_tensors(values: Mapping[str, object]) -> Values:
    """Values with arrays made tensors of PyTorch; others are unchanged."""
    return {name: loaded_torch().tensor(v) if isinstance(v, np.ndarray) else v for name, v in values.items()}


def arrays_in(value: object) -> list[Theirs]:
    """The members of a tuple or list, or the value alone."""
    return list(value) if isinstance(value, tuple | list) else [value]


def shape_of(value: object) -> tuple[int, ...] | None:
    """The shape of an array or tensor; `None` for anything else, such as NumPy itself, whose `shape` is a function."""
    shape = getattr(value, "shape", None)
    return tuple(int(size) for size in shape) if isinstance(shape, tuple) else None


class Layout(NamedTuple):
    """The layout of a user's arrays, as it differs from ours."""

    name: str
    transposed: bool = False
    """Weights as (in, out), kernels as (height, width, in, out)."""
    channels_last: bool = False
    """Images as (N, H, W, C)."""
    time_first: bool = False
    """Sequences as (T, N, features)."""
    features_first: bool = False
    """Vectors as columns: (features, N)."""
    flat_bias: bool = True
    """Biases as (out,), not (1, out)."""
    gated: bool = False
    """Whether keys of a dictionary are read as gates first: `W_i` is the input gate's matrix, not the input's."""
    joined: str = "xh"
    """Which comes first, x or h, in a matrix over both the input and the hidden state."""

    def weight(self, value: np.ndarray) -> np.ndarray:
        """A weight of ours in the user's layout."""
        if self.transposed and value.ndim == 2:
            return np.ascontiguousarray(value.T)
        if self.transposed and value.ndim == 4:
            return np.ascontiguousarray(value.transpose(2, 3, 1, 0))
        if value.ndim == 1 and not self.flat_bias:
            return value[:, None] if self.features_first else value[None]
        return value

    def weight_back(self, value: np.ndarray) -> np.ndarray:
        """A user's weight in our layout."""
        if self.transposed and value.ndim == 2 and (self.flat_bias or 1 not in value.shape):
            return value.T
        if self.transposed and value.ndim == 4:
            return value.transpose(3, 2, 0, 1)
        if not self.flat_bias and value.ndim == 2 and 1 in value.shape:
            return value.reshape(-1)
        return value

    def data(self, value: np.ndarray) -> np.ndarray:
        """x or dy in the user's layout."""
        if self.channels_last and value.ndim == 4:
            return np.ascontiguousarray(value.transpose(0, 2, 3, 1))
        if self.time_first and value.ndim == 3:
            return np.ascontiguousarray(value.swapaxes(0, 1))
        if self.features_first and value.ndim == 2:
            return np.ascontiguousarray(value.T)
        return value

    def data_back(self, value: np.ndarray) -> np.ndarray:
        """A user's y or dx in our layout."""
        if self.channels_last and value.ndim == 4:
            return value.transpose(0, 3, 1, 2)
        if self.time_first and value.ndim == 3:
            return value.swapaxes(0, 1)
        if self.features_first and value.ndim == 2:
            return value.T
        return value


def layouts(kind: str) -> list[Layout]:
    """The layouts to try, PyTorch's first."""
    choices = [Layout("PyTorch's layout")]
    if kind in ("dense", "conv2d", "rnn", "lstm", "gru"):
        choices.append(Layout("weights (in, out)", transposed=True))
    if kind in ("dense", "batch_norm", "layer_norm"):
        choices.append(Layout("biases (1, out)", flat_bias=False))
        choices.append(Layout("weights (in, out), biases (1, out)", transposed=kind == "dense", flat_bias=False))
    if kind == "dense":
        choices.append(Layout("columns for samples", features_first=True, flat_bias=False))
        choices.append(Layout("columns for samples, weights (in, out)", True, features_first=True, flat_bias=False))
    if kind in ("conv2d", "max_pool2d", "avg_pool2d", "global_avg_pool2d", "batch_norm", "group_norm"):
        choices.append(Layout("images (N, H, W, C)", kind == "conv2d", channels_last=True))
        if kind == "conv2d":
            choices.append(Layout("images (N, H, W, C), kernels (out, in, H, W)", channels_last=True))
    if kind in ("rnn", "lstm", "gru"):
        choices.append(Layout("sequences (T, N, features)", time_first=True))
        choices.append(Layout("sequences (T, N, features), weights (in, out)", True, time_first=True))
        choices.append(Layout("matrices over [h, x]", joined="hx"))
        choices.append(Layout("a matrix for each gate", gated=True))
        choices.append(Layout("a matrix (in, out) for each gate", transposed=True, gated=True))
    return choices


def gradients(
    result: object, kind: str, wanted: Mapping[str, tuple[int, ...]], x_shape: tuple[int, ...], order: Sequence[str]
) -> tuple[Theirs, Values]:
    """dx and the parameters' gradients in the result of a backward pass: by key, by place, by shape."""
    if isinstance(result, Mapping):
        dx = next((value for name, value in result.items() if names_input_gradient(str(name))), None)
        grads = {gradient_role(kind, str(n), wanted): v for n, v in result.items() if not names_input_gradient(str(n))}
        return dx, {str(role): value for role, value in grads.items() if role}
    members = arrays_in(result)
    tables = [member for member in members if isinstance(member, Mapping)]
    single = [member for member in members if not isinstance(member, Mapping)]
    nested = [member for member in single if isinstance(member, tuple | list)]
    if nested and len(single) == 2:
        single = [single[0], *nested[0]] if nested[0] is single[1] else [single[1], *nested[0]]
    if tables:
        _, grads = gradients(tables[0], kind, wanted, x_shape, order)
        named_dx, _ = gradients(tables[0], kind, wanted, x_shape, order)
        return (single[0] if single else named_dx), grads
    names = [role for role in order if role in wanted]
    if len(single) == 1:
        alone = len(names) == 1 and shape_of(single[0]) == wanted[names[0]] and shape_of(single[0]) != x_shape
        return (None, {names[0]: single[0]}) if alone else (single[0], {})
    if len(single) == len(names) and shape_of(single[0]) != x_shape:
        return None, dict(zip(names, single, strict=True))
    dx, rest = single[0], single[1:]
    if shape_of(dx) != x_shape and any(shape_of(value) == x_shape for value in rest):
        place = next(i for i, value in enumerate(single) if shape_of(value) == x_shape)
        dx, rest = single[place], single[:place] + single[place + 1 :]
    grads = dict(zip(names, rest, strict=False))
    fits = all(shape_of(value) == wanted[name] for name, value in grads.items())
    if not fits:
        grads = _by_shape(rest, names, wanted) or grads
    return dx, grads


def _by_shape(values: Sequence[Theirs], names: Sequence[str], wanted: Mapping[str, tuple[int, ...]]) -> Values | None:
    """The gradients by the names of parameters of the same shape; `None` unless shapes leave one possibility."""
    by_name: Values = {}
    for value in values:
        fitting = [name for name in names if wanted[name] == shape_of(value) and name not in by_name]
        if len(fitting) != 1:
            return None
        by_name[fitting[0]] = value
    return by_name


def without_ones(value: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """An array reshaped to `shape` if it differs only by axes of one element: (N, C, 1, 1), (1, C, 1, 1)."""
    other = tuple(size for size in value.shape if size != 1) == tuple(size for size in shape if size != 1)
    return value.reshape(tuple(shape)) if other else value


def read_states(states: Theirs, settings: Mapping[str, object]) -> Theirs:
    """The output of a recurrent layer of these settings from all states (n, steps, h): their mean, or the last one."""
    return states.mean(1) if settings.get("output") == "mean" else states[:, -1]


def to_states(dy: np.ndarray, steps: int, settings: Mapping[str, object]) -> np.ndarray:
    """The gradient of the output as the gradient of all states, (n, steps, h)."""
    full = np.zeros((len(dy), steps, dy.shape[-1]))
    if settings.get("output") == "mean":
        full[:] = dy[:, None] / steps
    else:
        full[:, -1] = dy
    return full
