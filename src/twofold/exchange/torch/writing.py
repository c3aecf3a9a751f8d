"""A network as PyTorch has it: a state dict in safetensors, and a module file that takes it, without Twofold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from twofold.arrays import Array, Arrays
from twofold.exchange import kinds
from twofold.exchange.files import new_folder, write_new, write_weights
from twofold.recipe import Recipe
from twofold.recipe.network import Node, shape_text

STATE, MODULE = "model.safetensors", "model.py"
HEAD = '''"""{title}

Written by `twofold export --to torch`. A sample is {sample}; `load()` gives the module with its weights.
"""

from pathlib import Path

{imports}
'''
STATES = '''

class States(nn.Module):
    """A recurrent layer that gives its states alone: the last one, their mean, or every one."""

    def __init__(self, rnn: nn.RNNBase, output: str) -> None:
        super().__init__()
        self.rnn = rnn
        self.output = output

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.rnn(x)
        if self.output == "mean":
            return states.mean(1)
        return states[:, -1] if self.output == "last" else states
'''
COLUMNS = '''

class EmbedColumns(nn.ModuleList):
    """An `nn.Embedding` for the code in each of the first columns; the other columns stand behind their vectors."""

    def forward(self, x: Tensor) -> Tensor:
        vectors = [table(x[..., place].long()) for place, table in enumerate(self)]
        return torch.cat([*vectors, x[..., len(self) :]], dim=-1)
'''
BODY = '''

def model() -> nn.Sequential:
    """The network, with weights of PyTorch's own choice."""
    return nn.Sequential(
{layers}
    )


def load(path: Path = Path(__file__).with_name("model.safetensors")) -> nn.Sequential:
    """The network with its weights, ready to predict."""
    module = model()
    module.load_state_dict(load_file(path), strict=False)  # batch norms count their batches beside
    return module.eval()
'''


def write_torch(recipe: Recipe, weights: Arrays, folder: Path) -> None:
    """Write a new folder with the state dict and the module file."""
    text = module_text(recipe)
    with new_folder(folder) as filling:
        write_weights(filling / STATE, state_dict(recipe, weights))
        write_new(filling / MODULE, text)


def state_dict(recipe: Recipe, weights: Arrays) -> dict[str, Array]:
    """The weights by the names that the module file's modules give them."""
    named = {}
    for node in recipe.network.nodes:
        for name in (*node.parameters, *node.buffers):
            named[f"{node.name}.{_named(node.spec, name)}"] = weights[f"{node.name}.{name}"]
    return named


def _named(spec: kinds.LayerSpec, name: str) -> str:
    """What the module file calls a tensor of a layer."""
    if isinstance(spec, kinds.EmbedColumns):
        return f"{name.removeprefix('weight_')}.weight"
    return f"rnn.{name}_l0" if isinstance(spec, kinds.Recurrent) else name


def module_text(recipe: Recipe) -> str:
    """The module file: an `nn.Sequential` of PyTorch's own modules."""
    network = recipe.network
    lines = [f"        {module_expression(node)},  # {shape_text(node.output_shape)}" for node in network.nodes]
    recurrent = any(isinstance(node.spec, kinds.Recurrent) for node in network.nodes)
    columns = any(isinstance(node.spec, kinds.EmbedColumns) for node in network.nodes)
    imports = [
        *(["import torch"] if columns else []),
        "from safetensors.torch import load_file",
        f"from torch import {'Tensor, nn' if recurrent or columns else 'nn'}",
    ]
    title = json.dumps(recipe.title or recipe.name, ensure_ascii=False)[1:-1].replace('"', "'")
    head = HEAD.format(
        title=title.rstrip(".") + ".", sample=shape_text(network.input_shape), imports="\n".join(imports)
    )
    if network.nodes and isinstance(network.nodes[0].spec, kinds.Embedding):
        head = head.replace("A sample is", "A sample holds whole numbers (int64),")
    own = (COLUMNS if columns else "") + (STATES if recurrent else "")
    return head + own + BODY.format(layers="\n".join(lines))


def module_expression(node: Node) -> str:
    """The expression that makes the module of a layer."""
    spec = node.spec
    channels, features = (node.input_shape or (0,))[0], (node.input_shape or (0,))[-1]
    match spec:
        case kinds.Dense():
            return _call("Linear", features, spec.units, bias=(spec.bias, True))
        case kinds.Conv2d():
            window = {"stride": (spec.stride, 1), "padding": (spec.padding, 0), "dilation": (spec.dilation, 1)}
            rest = {"groups": (spec.groups, 1), "bias": (spec.bias, True)}
            return _call("Conv2d", channels, spec.channels, spec.kernel, **window, **rest)
        case kinds.MaxPool2d():
            window = {"stride": (spec.stride, None), "padding": (spec.padding, 0), "dilation": (spec.dilation, 1)}
            return _call("MaxPool2d", spec.kernel, **window, ceil_mode=(spec.ceil_mode, False))
        case kinds.AvgPool2d():
            counted = (spec.count_include_pad, True)
            window = {"stride": (spec.stride, None), "padding": (spec.padding, 0)}
            return _call("AvgPool2d", spec.kernel, **window, count_include_pad=counted)
        case kinds.GlobalAvgPool2d():
            return "nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())"
        case kinds.BatchNorm():
            kind = "BatchNorm2d" if len(node.input_shape) == 3 else "BatchNorm1d"
            options = {"eps": (spec.eps, 1e-5), "momentum": (spec.momentum, 0.1), "affine": (spec.affine, True)}
            return _call(kind, channels, **options)
        case kinds.LayerNorm():
            shape = node.input_shape[-spec.axes :] if spec.axes else node.input_shape
            return _call("LayerNorm", list(shape), eps=(spec.eps, 1e-5), elementwise_affine=(spec.affine, True))
        case kinds.GroupNorm():
            return _call("GroupNorm", spec.num_groups, channels, eps=(spec.eps, 1e-5), affine=(spec.affine, True))
        case kinds.Recurrent():
            nonlinearity = (getattr(spec, "nonlinearity", "tanh"), "tanh")
            options = {"bias": (spec.bias, True), "batch_first": (True, False), "nonlinearity": nonlinearity}
            rnn = _call(node.kind.upper(), features, spec.units, **options)
            return f'States({rnn}, output="{spec.output}")'
        case kinds.Embedding():
            return _call("Embedding", spec.num_embeddings, spec.units)
        case kinds.EmbedColumns():
            sizes = zip(spec.num_embeddings, spec.units, strict=True)
            return f"EmbedColumns([{', '.join(_call('Embedding', rows, units) for rows, units in sizes)}])"
    return _elementwise(spec)


def _elementwise(spec: kinds.LayerSpec) -> str:
    """The expression of a layer that needs no sizes of its input: an activation, dropout, flatten."""
    match spec:
        case kinds.LeakyRelu():
            return _call("LeakyReLU", negative_slope=(spec.negative_slope, 0.01))
        case kinds.Prelu():
            return _call("PReLU", num_parameters=(spec.num_parameters, 1))
        case kinds.Elu():
            return _call("ELU", alpha=(spec.alpha, 1.0))
        case kinds.Gelu():
            return _call("GELU", approximate=(spec.approximate, "none"))
        case kinds.Dropout():
            return f"nn.Dropout({spec.p!r})"
    return SIMPLE[type(spec)]


SIMPLE: Mapping[type[kinds.LayerSpec], str] = {
    kinds.Relu: "nn.ReLU()",
    kinds.Silu: "nn.SiLU()",
    kinds.Sigmoid: "nn.Sigmoid()",
    kinds.Tanh: "nn.Tanh()",
    kinds.Softmax: "nn.Softmax(dim=-1)",
    kinds.Flatten: "nn.Flatten()",
}


def _call(name: str, *arguments: object, **options: tuple[object, object]) -> str:
    """An expression as `nn.Linear(2, 20)`; an option is (value, PyTorch's default) and written where these differ."""
    parts = [_text(argument) for argument in arguments]
    parts += [f"{key}={_text(value)}" for key, (value, default) in options.items() if value != default]
    return f"nn.{name}({', '.join(parts)})"


def _text(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)
