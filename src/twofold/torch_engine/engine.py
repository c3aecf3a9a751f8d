"""The engine on PyTorch: an ordinary module, autograd, and an optimizer of `torch.optim`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial, singledispatch
from typing import final

import numpy as np
import torch
import torch._dynamo
from torch import Tensor, nn

from twofold.arrays import Array, Arrays
from twofold.engine import Batch, State, check_shapes
from twofold.errors import UserError
from twofold.recipe import Recipe
from twofold.recipe.training import Adam, Adamw, CrossEntropy, Loss, MeanSquared, Optimizer, Rmsprop, Sgd
from twofold.torch_engine.modules import build


@final
class TorchStep:
    """The record of a step: tensors on their device until a field is read. See `twofold.engine.Step`."""

    __slots__ = ("_engine", "_gradients", "_loss", "_outputs")

    def __init__(
        self, engine: TorchEngine, outputs: list[Tensor], loss: Tensor, gradients: Sequence[Tensor | None]
    ) -> None:
        self._engine = engine
        self._outputs = outputs
        self._loss = loss
        self._gradients = gradients

    @property
    def outputs(self) -> Arrays:
        """The output of each layer by the layer's name."""
        return {str(index): _array(output) for index, output in enumerate(self._outputs)}

    @property
    def logits(self) -> Array:
        """The output of the last layer."""
        return _array(self._outputs[-1])

    @property
    def loss(self) -> float:
        """The loss before the update."""
        return self._loss.item()

    @property
    def gradients(self) -> Arrays:
        """∂loss/∂parameter by name."""
        named = zip(self._engine.parameters, self._gradients, strict=True)
        return {name: _array(gradient) for name, gradient in named if gradient is not None}

    @property
    def state(self) -> State:
        """The engine's state now."""
        return self._engine.state()


@final
class TorchEngine:
    """The same network as a user of PyTorch would write it: an ordinary `nn.Sequential`, in `module`."""

    name = "torch"

    def __init__(self, recipe: Recipe) -> None:
        self.device = resolve_device(recipe.training.device)
        self.dtype: torch.dtype = getattr(torch, recipe.training.dtype)
        self.module = build(recipe.network).to_empty(device=self.device).to(self.dtype)
        self.parameters = dict(self.module.named_parameters())
        with torch.no_grad():
            for parameter in self.parameters.values():
                parameter.zero_()
        self._modules = list(self.module)
        self._loss = _loss(recipe.loss)
        self._max_norm = recipe.optimizer.max_norm
        self._spec = recipe.optimizer
        self._optimizer = _optimizer(self._spec, list(self.parameters.values()))
        self._updates = 0

    def load(self, state: State) -> None:
        """Take over a state, copied. Raises `UserError` where names or shapes are not this network's."""
        tensors = self._tensors(state.parameters)
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(tensors[name])
        self._updates = state.updates
        self._load_moments(state)

    def _load_moments(self, state: State) -> None:
        """This optimizer's own; one that the state lacks starts at 0."""
        held = self._optimizer.state
        # PyTorch counts the updates in a tensor of its own kind, which its fused kernels want on the device.
        device = self.device if self._optimizer.param_groups[0].get("fused") else "cpu"
        for parameter in self.parameters.values():
            held[parameter] = {"step": torch.tensor(float(state.updates), device=device)}
        for moment in MOMENTS[type(self._spec)](self._spec):
            tensors = self._tensors(state.optimizer[moment]) if moment in state.optimizer else {}
            for name, parameter in self.parameters.items():
                held[parameter][moment] = tensors[name] if tensors else torch.zeros_like(parameter)

    def state(self) -> State:
        """A copy of the state."""
        moments = {
            moment: {name: self._moment(parameter, moment) for name, parameter in self.parameters.items()}
            for moment in MOMENTS[type(self._spec)](self._spec)
        }
        parameters = {name: _array(parameter, copy=True) for name, parameter in self.parameters.items()}
        return State(parameters, moments, self._updates)

    def _moment(self, parameter: nn.Parameter, moment: str) -> Array:
        """Moments do not exist before the first update; they are 0 then."""
        held = self._optimizer.state.get(parameter, {}).get(moment)
        return _array(torch.zeros_like(parameter) if held is None else held, copy=True)

    def step(self, batch: Batch) -> TorchStep:
        """Forward, autograd, one update."""
        if not self.module.training:  # asked first: setting it anew costs more than a layer
            self.module.train()
        outputs = self._forward(self._input(batch.x), batch.masks)
        loss = self._loss(outputs[-1], _tensor(batch.target).to(self.device))
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        gradients = [parameter.grad for parameter in self.parameters.values()]
        if self._max_norm:
            self._clip(gradients, self._max_norm)
        self._optimizer.param_groups[0]["lr"] = batch.lr
        self._optimizer.step()
        self._updates += 1
        return TorchStep(self, outputs, loss, gradients)

    def _clip(self, gradients: Sequence[Tensor | None], max_norm: float) -> None:
        """In copies: the step's record keeps the gradients as they were."""
        for parameter, gradient in zip(self.parameters.values(), gradients, strict=True):
            parameter.grad = None if gradient is None else gradient.clone()
        nn.utils.clip_grad_norm_(self.parameters.values(), max_norm)

    @torch.inference_mode()
    def predict(self, x: Array) -> Array:
        """The logits in evaluation mode."""
        self.module.eval()
        return _array(self.module(self._input(x)))

    def _input(self, x: Array) -> Tensor:
        return _tensor(x).to(self.device, self.dtype)

    def _forward(self, x: Tensor, masks: Mapping[str, Array]) -> list[Tensor]:
        outputs = []
        for index, module in enumerate(self._modules):
            if isinstance(module, nn.Dropout):
                x = self._drop(x, masks.get(str(index)), module.p)
            else:
                x = module(x)
            outputs.append(x)
        return outputs

    def _drop(self, x: Tensor, mask: Array | None, p: float) -> Tensor:
        """`nn.Dropout` with the mask of the batch in place of one of its own."""
        return x if mask is None else x * _tensor(mask).to(self.device) / (1 - p)

    def _tensors(self, arrays: Arrays) -> dict[str, Tensor]:
        """A copy of arrays of this network's names and shapes, on the device."""
        check_shapes({name: tuple(parameter.shape) for name, parameter in self.parameters.items()}, arrays)
        return {name: _tensor(arrays[name]).to(self.device, self.dtype, copy=True) for name in self.parameters}


def resolve_device(device: str) -> torch.device:
    """`auto` is CUDA where there is one. Raises `UserError` where CUDA is asked for and missing."""
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError('training.device = "cuda", and PyTorch finds no CUDA device; use "auto" or "cpu"')
    return torch.device("cuda" if device == "cuda" or (device == "auto" and torch.cuda.is_available()) else "cpu")


def _tensor(array: Array) -> Tensor:
    """The array's own memory, where PyTorch can take it; a copy of an array that is read-only or strided."""
    plain = array.flags.writeable and array.flags.c_contiguous
    return torch.from_numpy(array if plain else np.array(array, order="C"))


def _array(tensor: Tensor, copy: bool = False) -> Array:
    return tensor.detach().to("cpu", copy=copy).numpy()


@singledispatch
def _loss(spec: Loss) -> Callable[[Tensor, Tensor], Tensor]:
    raise TypeError(f"no loss {spec!r}")


@_loss.register
def _(spec: CrossEntropy) -> Callable[[Tensor, Tensor], Tensor]:
    return partial(nn.functional.cross_entropy, reduction=spec.reduction)


@_loss.register
def _(spec: MeanSquared) -> Callable[[Tensor, Tensor], Tensor]:
    def loss(outputs: Tensor, target: Tensor) -> Tensor:
        onehot = nn.functional.one_hot(target, outputs.shape[-1]).to(outputs.dtype)
        return nn.functional.mse_loss(outputs, onehot, reduction=spec.reduction)

    return loss


MOMENTS = {
    Sgd: lambda spec: ("momentum_buffer",) if spec.momentum else (),
    Adam: lambda spec: ("exp_avg", "exp_avg_sq"),
    Adamw: lambda spec: ("exp_avg", "exp_avg_sq"),
    Rmsprop: lambda spec: ("square_avg",),
}
"""PyTorch's names for what each optimizer remembers; they do not exist there before the first update."""


def _optimizer(spec: Optimizer, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    # A fused kernel passes the memory once; for a few numbers it costs more to call than what it replaces.
    fused = any(parameter.is_cuda for parameter in parameters) or sum(p.numel() for p in parameters) > 20_000
    lr, decay = spec.lr, spec.weight_decay
    match spec:
        case Sgd(momentum=momentum, nesterov=nesterov):
            return torch.optim.SGD(parameters, lr, momentum, 0, decay, nesterov, foreach=False, fused=fused)
        case Adam(betas=betas, eps=eps):
            return torch.optim.Adam(parameters, lr, betas, eps, decay, fused=True)
        case Adamw(betas=betas, eps=eps):
            return torch.optim.AdamW(parameters, lr, betas, eps, decay, fused=True)
        case Rmsprop(alpha=alpha, eps=eps):
            return torch.optim.RMSprop(parameters, lr, alpha, eps, decay)
