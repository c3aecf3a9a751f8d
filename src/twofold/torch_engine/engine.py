"""The engine on PyTorch: an ordinary module, autograd, and an optimizer of `torch.optim`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cached_property
from typing import final

import torch
from torch import Tensor, nn

from twofold.arrays import Array, Arrays
from twofold.engine import (
    Batch,
    Keep,
    Pass,
    Scaling,
    State,
    ThroughTime,
    Trace,
    UpdatedPass,
    check_gradients,
    check_shapes,
)
from twofold.engine.shards import ShardsPassed, Total, Whole
from twofold.recipe import Model
from twofold.recipe.optimizers import Optimizer, Sgd
from twofold.recipe.training import Training
from twofold.recipe.windows import Conv2d
from twofold.torch_engine.adversarial import moved
from twofold.torch_engine.device import compiled, has_narrow_products, resolve_device
from twofold.torch_engine.held import Held
from twofold.torch_engine.modules import build, convolution_of, through
from twofold.torch_engine.passes import THERE, TorchPass, aligned, as_array, as_arrays, as_tensor, told_apart
from twofold.torch_engine.recurrent import Recurrent
from twofold.torch_engine.rules import Loss, each_step, loss_function
from twofold.torch_engine.shards import Shard, TorchShards, alias, running, vectors
from twofold.torch_engine.shards import forward as shards_forward
from twofold.torch_engine.updates import Updates


@final
class TorchEngine:
    """The same network as a user of PyTorch would write it: an ordinary `nn.Sequential`, in `module`.

    `averaged` predicts: a copy of `module` with the moving average of its weights if `training` asks for one, else
    `module` itself. Of `training` the engine reads `ema` and the keys that say how to compute, such as `dtype`.
    """

    name = "torch"

    def __init__(self, model: Model, optimizer: Optimizer = Sgd(), training: Training = Training()) -> None:
        network = model.network
        self._device = resolve_device(training.device)
        self.device = str(self._device)
        self.dtype: torch.dtype = getattr(torch, training.dtype)
        if self._device.type == "cuda":  # by default it rounds the factors of convolutions to 10 bits
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        # PyTorch's convolutions are faster where the channels lie innermost, and in half the bits.
        convolves = any(isinstance(node.spec, Conv2d) for node in network.nodes)
        self._format = torch.channels_last if convolves else torch.contiguous_format
        self._autocast = training.autocast == "bfloat16" and has_narrow_products(self._device)
        self.arithmetic = "bfloat16" if self._autocast else training.dtype
        # As `to_empty` does, which would import symbolic mathematics for a second.
        self.module = build(network, convolution_of(training, self._autocast))._apply(self._zeros)
        self.module.to(memory_format=self._format)  # pyright: ignore[reportCallIssue]
        self.parameters = dict(self.module.named_parameters())
        self.buffers = {name: self.module.get_buffer(name) for name in network.buffers}
        self.averaged = deepcopy(self.module) if training.ema else self.module
        self._pairs = tuple(list(self._held(module).values()) for module in (self.averaged, self.module))
        self._names = [node.name for node in network.nodes]
        self._loss = loss_function(model.loss)
        self._summed = loss_function(model.loss.model_copy(update={"reduction": "sum"}))
        if network.each_step:
            self._loss, self._summed = each_step(self._loss), each_step(self._summed)
        self._sequences = network.sequences
        self._judge = model.loss, network.classes
        self._aliases = list[nn.Sequential]()
        self._updates = Updates(optimizer, self.parameters, network.weights, self._device)
        self._run = compiled(self._forward, self._device) if training.compile else self._forward

    def _zeros(self, t: Tensor) -> Tensor:
        """Zeros of a tensor's shape on the device, in the engine's type if it is a floating-point tensor."""
        return torch.zeros(t.shape, dtype=self.dtype if t.is_floating_point() else t.dtype, device=self._device)

    def load(self, state: State) -> None:
        """Take over a state, copied. Raises `UserError` where names or shapes are not this network's."""
        self._copy({**state.parameters, **state.buffers}, self.module)
        if self.averaged is not self.module:
            self._copy(state.weights(), self.averaged)
        self._updates.load(state.optimizer, state.updates)

    @torch.no_grad()
    def _copy(self, arrays: Arrays, module: nn.Module) -> None:
        """Copy arrays into a module's own memory, whose order of axes may differ from theirs."""
        held = self._held(module)
        check_shapes({name: tuple(tensor.shape) for name, tensor in held.items()}, arrays)
        for name, tensor in held.items():
            tensor.copy_(as_tensor(arrays[name]))

    def _held(self, module: nn.Module) -> dict[str, Tensor]:
        """Parameters and running statistics of the module by name."""
        buffers = {name: module.get_buffer(name) for name in self.buffers}
        return {**dict(module.named_parameters()), **buffers}

    def state(self) -> State:
        """A copy of the state."""
        parameters, buffers = as_arrays(self.parameters), as_arrays(self.buffers)
        average = {} if self.averaged is self.module else as_arrays(self._held(self.averaged))
        return State(parameters, self._updates.moments(), self._updates.count, buffers, average)

    @property
    def threads(self) -> int:
        """The threads that an operation on the processor may use now."""
        return torch.get_num_threads()

    def gradients(self, batch: Batch, keep: Keep = "gradients") -> Pass:
        """Forward, and back by autograd. Running statistics that change on the way are set back."""
        if keep == "everything":
            return self.trace(batch)
        before = self._statistics()
        passed = self._pass(batch)
        passed.statistics = self._statistics()
        self._restore(before)
        return passed

    def update(self, gradients: Pass | Arrays, lr: float | Array, ema: float = 0.0) -> None:
        """Clip, then one step of the optimizer; of a pass also the running statistics."""
        if isinstance(gradients, TorchPass):
            tensors = gradients.tensors
            self._restore(gradients.statistics)
        elif isinstance(gradients, Mapping):
            tensors = self._as_tensors(gradients)
        else:
            tensors = self._as_tensors(gradients.gradients)
            self._restore({name: as_tensor(array) for name, array in gradients.buffers.items()})
        for parameter, tensor in zip(self.parameters.values(), tensors, strict=True):
            parameter.grad = tensor
        self._step_along(tensors, lr, ema)

    def step(self, batch: Batch) -> UpdatedPass:
        """Forward, autograd, one update."""
        passed = self._pass(batch)
        self._step_along(passed.tensors, batch.lr, batch.ema)
        return UpdatedPass(self, passed)

    @cached_property
    def shards(self) -> TorchShards:
        """Batches shard by shard."""
        predicting = list(self._held(self.averaged).values())
        return TorchShards(self._forward_back, self.parameters, predicting, self._judge)

    def _forward_back(self, shards: Sequence[Batch], whole: Whole, total: Total[Tensor]) -> ShardsPassed[Tensor]:
        while len(self._aliases) < len(shards):
            self._aliases.append(alias(self.module))
        placed = [Shard(module, *self._entered(shard)) for module, shard in zip(self._aliases, shards, strict=False)]
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._autocast):
            outputs, statistics = shards_forward(self._names, placed, whole.samples, total, through)
        judged = zip(outputs, shards, strict=True)
        losses = [self._judged(layers[-1], shard, self._summed) / whole.terms for layers, shard in judged]
        after = running(dict(zip(self._names, self.module, strict=True)), statistics)
        return ShardsPassed(vectors(losses, placed), outputs, after)

    def _pass(self, batch: Batch) -> TorchPass:
        """One pass; it leaves each gradient at its parameter, and running statistics as they are after the batch."""
        if not self.module.training:  # asked first: setting it anew costs more than a layer
            self.module.train()
        x, masks = self._entered(batch)
        x = x if batch.radius is None else self._moved(x, masks, batch, batch.radius)
        if self._autocast:
            with torch.autocast(self._device.type, torch.bfloat16):
                outputs = self._run(x, masks)
        else:
            outputs = self._run(x, masks)
        loss = self._judged(outputs[-1], batch)
        for parameter in self.parameters.values():
            parameter.grad = None
        loss.backward()
        gradients = [parameter.grad for parameter in self.parameters.values()]
        return TorchPass(outputs, loss, self.parameters, gradients)

    def _moved(self, x: Tensor, masks: Mapping[str, Tensor], batch: Batch, radius: Array) -> Tensor:
        """The samples, each moved its `radius` towards a higher loss; running statistics stay what they were."""
        before = self._statistics()
        x = x.detach().requires_grad_()
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._autocast):
            outputs = self._run(x, masks)
        (gradient,) = torch.autograd.grad(self._judged(outputs[-1], batch), x)
        self._restore(before)
        return moved(x.detach(), gradient, as_tensor(radius).to(self._device))

    def _judged(self, outputs: Tensor, batch: Batch, loss: Loss | None = None) -> Tensor:
        """The loss of the outputs."""
        loss, target = loss or self._loss, as_tensor(batch.target).to(self._device)
        if batch.weight is None:
            return loss(outputs.to(self.dtype), target)
        return loss(outputs.to(self.dtype), target, as_tensor(batch.weight).to(self._device, self.dtype))

    def _step_along(self, gradients: Sequence[Tensor | None], lr: float | Array, ema: float) -> None:
        """One update along the gradients, which the parameters hold."""
        self._updates.step(gradients, lr)
        if self.averaged is not self.module:
            self._average(ema)

    def _as_tensors(self, gradients: Arrays) -> list[Tensor]:
        """Gradients by name as tensors in the order of the parameters, each with its parameter's order of axes."""
        check_gradients({name: tuple(parameter.shape) for name, parameter in self.parameters.items()}, gradients)
        return [
            torch.empty_like(parameter, requires_grad=False).copy_(as_tensor(gradients[name]))
            for name, parameter in self.parameters.items()
        ]

    def _statistics(self) -> dict[str, Tensor]:
        """A copy of the module's buffers: running statistics, and the count of batches."""
        return {name: buffer.clone() for name, buffer in self.module.named_buffers()}

    def _restore(self, statistics: Mapping[str, Tensor]) -> None:
        """Set the module's buffers, or some of them, back to these values."""
        for name, value in statistics.items():
            self.module.get_buffer(name).copy_(value)

    def trace(self, batch: Batch) -> Trace:
        """The way of a batch forward and back by autograd, kept whole."""
        outputs, states, held = dict[str, Tensor](), dict[str, list[Tensor]](), Held(self.module)
        x, masks = self._entered(batch)
        before = self._statistics()
        self.module.train()
        x = entered = x if batch.radius is None else self._moved(x, masks, batch, batch.radius)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._autocast):
            for name, module in zip(self._names, self.module, strict=True):
                with held.by(name):
                    if isinstance(module, Recurrent):
                        states[name] = module.unroll(x, masks.get(THERE))
                        x = module.read(states[name], masks.get(THERE))
                    else:
                        x = through(name, module, x, masks)
                outputs[name] = x
        loss = self._judged(x, batch)
        wanted = {name: y for name, y in outputs.items() if y.requires_grad}
        hidden = [h for layer in states.values() for h in layer]
        sources = [*wanted.values(), *self.parameters.values(), *hidden]
        derivatives = iter(torch.autograd.grad(loss, sources, materialize_grads=True))
        buffers = as_arrays(self.buffers)
        self._restore(before)  # a batch norm tracks whatever passes in training
        signals = {name: as_array(next(derivatives)) for name in wanted}
        gradients = {name: as_array(next(derivatives)) for name in self.parameters}
        through_time = {
            name: ThroughTime(as_array(torch.stack(layer)), as_array(torch.stack([next(derivatives) for _ in layer])))
            for name, layer in states.items()
        }
        passed = {name: as_array(y) for name, y in outputs.items()}
        return Trace(as_array(entered), passed, loss.item(), signals, gradients, held.bytes, through_time, buffers)

    def _entered(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The samples on the device, and the masks: those of dropout, and that of the steps if some are padding."""
        x, there = told_apart(self._input(batch.x, batch.scaling), self._sequences)
        return x, {name: as_tensor(mask).to(self._device) for name, mask in batch.masks.items()} | there

    @torch.no_grad()
    def _average(self, ema: float) -> None:
        averages, weights = self._pairs
        torch._foreach_lerp_(averages, weights, 1 - ema)  # pyright: ignore

    def predict(self, x: Array) -> Array:
        """The logits in evaluation mode."""
        return self._evaluated(x)[-1]

    def outputs(self, x: Array) -> list[Array]:
        """What each layer gives in evaluation mode."""
        return self._evaluated(x, every=True)

    @torch.inference_mode()
    def _evaluated(self, x: Array, every: bool = False) -> list[Array]:
        """The outputs of every layer, or of the last one alone."""
        self.averaged.eval()
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._autocast):
            y, masks = told_apart(self._input(x), self._sequences)
            if not every and not masks:
                return [as_array(self.averaged(y))]
            outputs = self._forward(y, masks, self.averaged)
        return [as_array(output) for output in (outputs if every else outputs[-1:])]

    def _input(self, x: Array, scaling: Scaling | None = None) -> Tensor:
        """Inputs as a tensor on the device; bytes travel as bytes and are scaled there."""
        inputs = as_tensor(x).to(self._device)
        if scaling is None:
            inputs = inputs.to(self.dtype)
        else:
            shift, divisor = (as_tensor(part).to(self._device, self.dtype) for part in scaling)
            inputs = inputs.to(self.dtype).sub_(shift).div_(divisor)
        inputs = aligned(inputs)
        return inputs.contiguous(memory_format=self._format) if inputs.dim() == 4 else inputs

    def _forward(self, x: Tensor, masks: Mapping[str, Tensor], modules: nn.Sequential | None = None) -> list[Tensor]:
        outputs = []
        for name, module in zip(self._names, modules or self.module, strict=True):
            x = through(name, module, x, masks)
            outputs.append(x)
        return outputs
