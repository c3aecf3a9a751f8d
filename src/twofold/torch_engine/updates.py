"""Updates by an optimizer of `torch.optim`: its moments by name, the clipping before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from functools import cached_property
from typing import final

import torch
from torch import Tensor, nn

from twofold.arrays import Array, Arrays
from twofold.engine import check_shapes
from twofold.recipe.optimizers import Optimizer
from twofold.torch_engine.passes import as_array, as_tensor
from twofold.torch_engine.rules import optimizer, update


@final
class Updates:
    """The optimizer over an engine's parameters, and how many updates it has made.

    The optimizer is made when it is first needed: PyTorch imports much for it, and predictions need none.
    """

    def __init__(
        self, spec: Optimizer, parameters: Mapping[str, nn.Parameter], weights: Set[str], device: torch.device
    ) -> None:
        self._spec = spec
        self._parameters = parameters
        self._weights = weights
        self._device = device
        self.count = 0

    @cached_property
    def _optimizer(self) -> torch.optim.Optimizer:
        made = optimizer(self._spec, self._parameters, self._weights)
        self._fill(made, {})
        return made

    @cached_property
    def _update(self) -> Callable[[], None]:
        """One step of the optimizer with the gradients and the rate that it holds."""
        return update(self._optimizer)

    def step(self, gradients: Sequence[Tensor | None], lr: float | Array) -> None:
        """Clip, then one update along the gradients, which the parameters hold."""
        if self._spec.max_norm:
            self._clip(gradients, self._spec.max_norm)
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        self._update()
        self.count += 1

    def _clip(self, gradients: Sequence[Tensor | None], max_norm: float) -> None:
        """Clip copies of the gradients: the step's record keeps the gradients as they were."""
        for parameter, gradient in zip(self._parameters.values(), gradients, strict=True):
            parameter.grad = None if gradient is None else gradient.clone()
        nn.utils.clip_grad_norm_(self._parameters.values(), max_norm)

    def load(self, moments: Mapping[str, Arrays], count: int) -> None:
        """Take over moments by name, copied; one that is not there starts at 0."""
        self.count = count
        if moments or "_optimizer" in vars(self):
            self._fill(self._optimizer, moments)

    def _fill(self, made: torch.optim.Optimizer, moments: Mapping[str, Arrays]) -> None:
        held = made.state
        # PyTorch counts the updates in a tensor of its own kind, which its fused kernels want on the device.
        device = self._device if made.param_groups[0].get("fused") else "cpu"
        for parameter in self._parameters.values():
            held[parameter] = {"step": torch.tensor(float(self.count), device=device)}
        shapes = {name: tuple(parameter.shape) for name, parameter in self._parameters.items()}
        for moment in self._spec.moments:
            arrays = moments.get(moment)
            if arrays is not None:
                check_shapes(shapes, arrays)
            for name, parameter in self._parameters.items():
                # In the parameter's order of axes: fused kernels walk through both memories side by side.
                memory = torch.zeros_like(parameter, requires_grad=False)
                held[parameter][moment] = memory if arrays is None else memory.copy_(as_tensor(arrays[name]))

    def moments(self) -> dict[str, dict[str, Array]]:
        """A copy of every moment by name."""
        return {
            moment: {name: self._moment(parameter, moment) for name, parameter in self._parameters.items()}
            for moment in self._spec.moments
        }

    def _moment(self, parameter: nn.Parameter, moment: str) -> Array:
        """A copy of one moment; 0 if PyTorch has dropped it."""
        held = self._optimizer.state.get(parameter, {}).get(moment)
        return as_array(torch.zeros_like(parameter) if held is None else held, copy=True)
