"""`train_torch.py`: the same network as an ordinary module, autograd, an optimizer of `torch.optim`."""

from __future__ import annotations

from twofold.exchange import kinds
from twofold.exchange.eject.deciding import COPIED, begun, decides, kept, looked
from twofold.exchange.eject.known import Named
from twofold.exchange.eject.numpy_script import title_of
from twofold.exchange.eject.source import Parts
from twofold.exchange.eject.written import broken
from twofold.exchange.torch.writing import module_expression
from twofold.recipe import Recipe
from twofold.recipe.losses import CrossEntropy, Huber
from twofold.recipe.network import Node, shape_text
from twofold.recipe.optimizers import Adam, Adamw, Rmsprop, Sgd
from twofold.torch_engine import embedding, recurrent
from twofold.torch_engine.adversarial import TINY, moved

FUSED_FROM = 20_000
"""Parameters from which the engine takes PyTorch's fused kernel of SGD, which rounds otherwise."""
HEAD = '''"""{title}

The network of train_numpy.py in PyTorch: the same layers, weights, order, masks and rates, gradients by autograd.
Run it with `python train_torch.py`. It ends by comparing itself with expected.json.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import data

torch.set_num_threads(1)
DTYPE = np.{dtype}
FORMAT = torch.{format}
'''
MODEL = '''def model():
    """Samples {samples}; what each layer gives stands beside it."""
    return nn.Sequential(
{layers}
    )


def begin({start}):
    """The module with the weights that both scripts begin with{or_others}."""
    module = model().to({torch_dtype}).to(memory_format=FORMAT)
    held = {{**dict(module.named_parameters()), **dict(module.named_buffers())}}
    with torch.no_grad():
        for name, array in {weights}.items():
            held[name].copy_(torch.from_numpy(array))
    return module


def tensor(x):
    """Samples as a tensor. Images lie with their channels innermost where the network convolves."""
    inputs = torch.from_numpy(np.ascontiguousarray(x))
    if inputs.data_ptr() % 64:  # products round otherwise elsewhere in memory
        inputs = inputs.clone()
    return inputs.contiguous(memory_format=FORMAT) if inputs.dim() == 4 else inputs


def forward(module, x, masks):
    """Layer by layer; dropout takes the step's mask, none of its own."""
    for name, layer in module.named_children():
        if isinstance(layer, nn.Dropout):
            x = x * torch.from_numpy(masks[name]) / (1 - layer.p) if name in masks else x
        else:
            x = layer(x)
    return x


def loss_of(outputs, target):
    """The loss of a batch."""
{loss}


def named(module):
    """Parameters and running statistics by name, as arrays."""
    held = {{**dict(module.named_parameters()), **dict(module.named_buffers())}}
    return {{name: held[name].detach().numpy() for name in data.START}}


{adversarial}{copied}def train(steps=data.STEPS):
    """Every step: forward, loss, autograd, update. Gives the losses and the module."""
    module, losses = begin(), []
    module.train()
    {optimizer}
{ema_start}{begun}    for step, (x, target, lr, masks) in enumerate(data.batches(DTYPE, steps)):
{moved}        loss = loss_of(forward(module, {inputs}, masks), torch.from_numpy(target))
        optimizer.zero_grad()
        loss.backward()
{clip}        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()
{ema_step}        losses.append(loss.item())
        data.progress(step, steps, losses[-1])
{looked}    return losses, {kept}


@torch.no_grad()
def predict(module, x):
    """The outputs in evaluation."""
    return module.eval()(tensor(x)).numpy()


def main():
    """Train, judge the network on the held-out samples, compare with what was expected."""
    losses, module = train()
    data.judge(lambda x: predict(module, x), DTYPE)
    data.compare("torch", losses, named(module))


if __name__ == "__main__":
    main()
'''


def torch_script(recipe: Recipe) -> str:
    """The source of `train_torch.py`."""
    parts, network = Parts(), recipe.network
    lines = [f"        {_module(parts, node)},  # {shape_text(node.output_shape)}" for node in network.nodes]
    convolves = network.convolves
    dtype = recipe.training.dtype
    ema, adversarial = bool(recipe.training.ema), bool(recipe.augmentation.adversarial)
    if adversarial:
        parts.function(moved, {"normalize": Named("F.normalize"), "TINY": TINY})
    model = MODEL.format(
        samples=shape_text(network.input_shape),
        layers="\n".join(lines),
        torch_dtype=f"torch.{dtype}",
        loss=_loss(recipe),
        optimizer=_optimizer(recipe),
        clip=f"        nn.utils.clip_grad_norm_(module.parameters(), {recipe.optimizer.max_norm!r})\n"
        if recipe.optimizer.max_norm
        else "",
        ema_start="    averaged = begin()\n"
        "    pairs = [[m.state_dict()[n] for n in data.START] for m in (averaged, module)]\n"
        if ema
        else "",
        ema_step="        torch._foreach_lerp_(*pairs, 1 - data.averaging(step))\n" if ema else "",
        kept=kept(recipe, "torch"),
        begun=begun(recipe, "torch"),
        looked=looked(recipe, "torch"),
        moved=MOVED if adversarial else "",
        inputs="inputs" if adversarial else "tensor(x)",
        adversarial=ADVERSARIAL if adversarial else "",
        copied=COPIED if decides(recipe) else "",
        start="weights=data.START" if decides(recipe) else "",
        weights="weights" if decides(recipe) else "data.START",
        or_others=", or others" if decides(recipe) else "",
    )
    head = HEAD.format(
        title=title_of(recipe), dtype=dtype, format="channels_last" if convolves else "contiguous_format"
    )
    return "\n\n\n".join(part for part in (head.rstrip("\n"), parts.text(), model) if part)


def _module(parts: Parts, node: Node) -> str:
    """The expression of a layer; a loop over time and a table of rows are modules of their own."""
    spec = node.spec
    if isinstance(spec, kinds.Recurrent):
        step = recurrent.STEPS[spec.nonlinearity if isinstance(spec, kinds.Rnn) else node.kind]
        label = parts.function(step)
        known = {"STEPS[self.step]": Named("self.step"), "linear": Named("F.linear")}
        parts.whole(recurrent.Recurrent, known | {"there is None": True, "there is not None": False})
        inputs, gates = node.input_shape[-1], len(spec.gates)
        last = f"{inputs}, {spec.units}, {gates}, {label}, {spec.output!r}, {spec.bias}"
        return f'Recurrent({last}, "cpu")'
    if isinstance(spec, kinds.Embedding):
        parts.whole(embedding.Embedding, {})
        return f"Embedding({spec.num_embeddings}, {spec.units})"
    if isinstance(spec, kinds.EmbedColumns):
        parts.whole(embedding.EmbedColumns, {})
        return f"EmbedColumns({spec.num_embeddings}, {spec.units})"
    return module_expression(node)


MOVED = """        radius = torch.from_numpy(data.radius(step, len(x), DTYPE))
        inputs = adversarial(module, tensor(x), masks, torch.from_numpy(target), radius)
"""
"""The lines that move the samples of a step towards a higher loss."""
ADVERSARIAL = '''def adversarial(module, x, masks, target, radius):
    """The samples, each moved its radius towards a higher loss; running statistics stay what they were."""
    before = [buffer.clone() for buffer in module.buffers()]
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(loss_of(forward(module, x, masks), target), x)
    for buffer, value in zip(module.buffers(), before):
        buffer.copy_(value)
    return moved(x.detach(), gradient, radius)


'''
"""The function that they call."""
OF_NUMBERS = {
    "mean_squared": "mse_loss",
    "mean_absolute": "l1_loss",
    "huber": "huber_loss",
    "binary_cross_entropy": "binary_cross_entropy_with_logits",
}
"""PyTorch's losses of numbers and of labels, by our kinds."""


ANSWERED = """    there = {there}
    outputs, target = outputs[there], target[there]
"""
"""The lines that leave out steps without an answer."""


def _loss(recipe: Recipe) -> str:
    if not recipe.network.each_step:
        return _plain_loss(recipe)
    there = "target >= 0" if recipe.task == "classification" else "~target.isnan().any(dim=-1)"
    return ANSWERED.format(there=there) + _plain_loss(recipe)


def _plain_loss(recipe: Recipe) -> str:
    spec = recipe.loss
    if recipe.task != "classification":
        delta = f", delta={spec.delta!r}" if isinstance(spec, Huber) else ""
        return f'    return F.{OF_NUMBERS[spec.kind]}(outputs, target, reduction="{spec.reduction}"{delta})'
    if isinstance(spec, CrossEntropy):
        smoothing = f", label_smoothing={spec.label_smoothing!r}" if spec.label_smoothing else ""
        return f'    return F.cross_entropy(outputs, target, reduction="{spec.reduction}"{smoothing})'
    onehot = "    onehot = F.one_hot(target, outputs.shape[-1]).to(outputs.dtype)\n"
    return f'{onehot}    return F.mse_loss(outputs, onehot, reduction="{spec.reduction}")'


def _optimizer(recipe: Recipe) -> str:
    """The line that makes the optimizer, after those that make groups where not all parameters decay."""
    spec, network = recipe.optimizer, recipe.network
    parameters, lines = "module.parameters()", list[str]()
    if spec.decayed == "weights" and network.weights != network.parameters.keys():
        names = repr(sorted(network.weights)).replace("'", '"')
        lines += [broken(f"    decayed = {names}").lstrip(), "named_parameters = list(module.named_parameters())"]
        lines.append("with_decay = [p for name, p in named_parameters if name in decayed]")
        lines.append("without = [p for name, p in named_parameters if name not in decayed]")
        parameters = '[{"params": with_decay}, {"params": without, "weight_decay": 0.0}]'
    lr, decay = repr(spec.lr), repr(spec.weight_decay)
    match spec:
        case Sgd():
            fused = (network.count or 0) > FUSED_FROM
            rest = f"{spec.momentum!r}, 0, {decay}, {spec.nesterov}, foreach=False, fused={fused}"
            made = f"torch.optim.SGD({parameters}, {lr}, {rest})"
        case Adam():
            made = f"torch.optim.Adam({parameters}, {lr}, {tuple(spec.betas)!r}, {spec.eps!r}, {decay}, fused=True)"
        case Adamw():
            made = f"torch.optim.AdamW({parameters}, {lr}, {tuple(spec.betas)!r}, {spec.eps!r}, {decay}, fused=True)"
        case Rmsprop():
            made = f"torch.optim.RMSprop({parameters}, {lr}, {spec.alpha!r}, {spec.eps!r}, {decay})"
        case _:
            raise TypeError(f"no line for {spec!r}")
    return "\n    ".join([*lines, broken(f"    optimizer = {made}").lstrip()])
