"""The engine on PyTorch: an ordinary module, autograd, and an optimizer of `torch.optim` over one flat tensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial, singledispatch
from typing import final

import numpy as np
import torch
import torch._dynamo  # noqa: F401  (torch.optim imports it in its first step: seconds that are not training)
from torch import Tensor, nn

from twofold.arrays import Array, Arrays
from twofold.engine import Batch, State
from twofold.errors import UserError
from twofold.recipe import Recipe
from twofold.recipe.training import Adam, Adamw, CrossEntropy, Loss, MeanSquared, Optimizer, Rmsprop, Sgd
from twofold.torch_engine.layout import Layout
from twofold.torch_engine.modules import build


@final
class TorchStep:
    """The record of a step: tensors on their device until a field is read. See `twofold.engine.Step`."""

    __slots__ = ("_engine", "_gradient", "_loss", "_outputs")

    def __init__(self, engine: TorchEngine, outputs: list[Tensor], loss: Tensor, gradient: Tensor) -> None:
        self._engine = engine
        self._outputs = outputs
        self._loss = loss
        self._gradient = gradient

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
        return self._engine.layout.arrays(self._gradient)

    @property
    def state(self) -> State:
        """The engine's state now."""
        return self._engine.state()


@final
class TorchEngine:
    """The same network in PyTorch. `module` is an ordinary `nn.Sequential` whose parameters share one tensor."""

    name = "torch"

    def __init__(self, recipe: Recipe) -> None:
        self.device = resolve_device(recipe.training.device)
        self.dtype: torch.dtype = getattr(torch, recipe.training.dtype)
        self.module = build(recipe.network)
        self.layout = Layout(self.module, self.dtype, self.device)
        self._modules = list(self.module)
        self._loss = _loss(recipe.loss)
        self._max_norm = recipe.optimizer.max_norm
        self._spec = recipe.optimizer
        self._optimizer = _optimizer(self._spec, self.layout.vector)
        self._updates = 0

    def load(self, state: State) -> None:
        """Take over a state, copied. Raises `UserError` where names or shapes are not this network's."""
        self._fill(self.layout.vector.detach(), state.parameters)
        self._optimizer = _optimizer(self._spec, self.layout.vector)
        self._updates = state.updates
        names = MOMENTS[type(self._spec)](self._spec)
        moments = {name: self._tensor(state.optimizer.get(name)) for name in names}
        # PyTorch counts the updates in a tensor of its own kind, which its fused kernels want on the device.
        fused = self._optimizer.param_groups[0].get("fused")
        count = torch.tensor(float(state.updates), device=self.device if fused else "cpu")
        self._optimizer.state[self.layout.vector] = {"step": count, **moments}

    def state(self) -> State:
        """A copy of the state."""
        held = self._optimizer.state.get(self.layout.vector, {})
        moments = {
            name: self.layout.arrays(held[name]) if isinstance(held.get(name), Tensor) else self._zeros()
            for name in MOMENTS[type(self._spec)](self._spec)
        }
        return State(self.layout.arrays(self.layout.vector), moments, self._updates)

    def step(self, batch: Batch) -> TorchStep:
        """Forward, autograd, one update."""
        if not self.module.training:  # asked first: setting it anew costs more than a layer
            self.module.train()
        outputs = self._forward(self._input(batch.x), batch.masks)
        target = _shared(batch.target).to(self.device, non_blocking=True)
        loss = self._loss(outputs[-1], target)
        gradient = self.layout.join(torch.autograd.grad(loss, self.layout.parameters))
        self.layout.vector.grad = gradient
        if self._max_norm:
            self.layout.vector.grad = gradient.clone()
            nn.utils.clip_grad_norm_(self.layout.vector, self._max_norm)
        self._optimizer.param_groups[0]["lr"] = batch.lr
        self._optimizer.step()
        self._updates += 1
        return TorchStep(self, outputs, loss, gradient)

    @torch.inference_mode()
    def predict(self, x: Array) -> Array:
        """The logits in evaluation mode."""
        self.module.eval()
        return _array(self.module(self._input(x)))

    def _input(self, x: Array) -> Tensor:
        return _shared(x).to(self.device, self.dtype, non_blocking=True)

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
        return x if mask is None else x * (_shared(mask).to(self.device, x.dtype) / (1 - p))

    def _fill(self, vector: Tensor, arrays: Arrays) -> None:
        shapes = {name: tuple(shape) for name, shape in self.layout.shapes.items()}
        given = {name: array.shape for name, array in arrays.items()}
        if shapes != given:
            name = min(name for name in shapes.keys() | given.keys() if shapes.get(name) != given.get(name))
            raise UserError(
                f"these weights are of another network: `{name}` is {given.get(name, 'missing')}, "
                f"the recipe's is {shapes.get(name, 'missing')}"
            )
        with torch.no_grad():
            for name, view in self.layout.views(vector).items():
                view.copy_(_shared(arrays[name]))

    def _tensor(self, arrays: Arrays | None) -> Tensor:
        vector = torch.zeros_like(self.layout.vector.detach())
        if arrays is not None:
            self._fill(vector, arrays)
        return vector

    def _zeros(self) -> dict[str, Array]:
        return self.layout.arrays(torch.zeros_like(self.layout.vector))


def resolve_device(device: str) -> torch.device:
    """`auto` is CUDA where there is one. Raises `UserError` where CUDA is asked for and missing."""
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError('training.device = "cuda", and PyTorch finds no CUDA device; use "auto" or "cpu"')
    return torch.device("cuda" if device == "cuda" or (device == "auto" and torch.cuda.is_available()) else "cpu")


def _shared(array: Array) -> Tensor:
    """A tensor in the array's memory, copied where PyTorch cannot take it: strided or read-only."""
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))


def _array(tensor: Tensor) -> Array:
    return tensor.detach().cpu().numpy()


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


def _optimizer(spec: Optimizer, vector: nn.Parameter) -> torch.optim.Optimizer:
    common = {"lr": spec.lr, "weight_decay": spec.weight_decay}
    match spec:
        case Sgd():
            # One fused kernel passes the memory once, and costs more to call than the few operations it replaces.
            fused = vector.is_cuda or vector.numel() > 20_000
            settings = {"momentum": spec.momentum, "nesterov": spec.nesterov, "fused": fused, "foreach": False}
            return torch.optim.SGD([vector], **settings, **common)
        case Adam():
            return torch.optim.Adam([vector], betas=spec.betas, eps=spec.eps, fused=True, **common)
        case Adamw():
            return torch.optim.AdamW([vector], betas=spec.betas, eps=spec.eps, fused=True, **common)
        case Rmsprop():
            return torch.optim.RMSprop([vector], alpha=spec.alpha, eps=spec.eps, foreach=False, **common)
