"""A module's operations in the order in which they run, with the sizes of a sample filled in.

torch.fx records what happens to a stand-in for the input. Ours knows the sizes of the sample: `x.view(x.size(0), -1)`,
`x.shape[2:]` and loops over sizes, all usual in `forward`, come out as plain numbers.
"""

from __future__ import annotations

import copy
import inspect
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from traceback import extract_tb
from typing import final

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate
from torch.nn import functional as F  # noqa: N812  (PyTorch's usual name)

from twofold.arrays import Array
from twofold.errors import AdoptError
from twofold.exchange.torch.call import Value
from twofold.exchange.torch.checking import check_module
from twofold.exchange.torch.doubled import InDouble

POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class _Shaped(fx.Proxy):
    """A stand-in that knows the value for which it stands, computed from the sample."""

    value: Value = None

    @property
    def shape(self) -> Value:
        return self.value.shape

    @property
    def ndim(self) -> int:
        return self.value.ndim

    @property
    def device(self) -> Value:
        return self.value.device

    @property
    def dtype(self) -> Value:
        return self.value.dtype

    def size(self, dim: int | None = None) -> Value:
        return self.value.shape if dim is None else self.value.shape[dim]

    def dim(self) -> int:
        return self.value.ndim

    def numel(self) -> int:
        return self.value.numel()

    def __len__(self) -> int:
        return len(self.value)


class _Tracer(fx.Tracer):
    """Runs every operation on the sample as it is recorded."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.x = x
        self._running = False

    def create_args_for_root(self, root_fn: Value, is_module: bool, concrete_args: Value = None) -> Value:
        """Arguments that have a default, as `hidden=None`, keep it; the others are inputs."""
        parameters = list(inspect.signature(root_fn).parameters.values())[1:]
        wanted = [p for p in parameters if p.default is p.empty]
        if parameters and not any(p.kind in POSITIONAL for p in parameters):
            names = ", ".join(f"`{p.name}`" for p in parameters)
            nearest = "The nearest is one input by position, forward(self, x)"
            raise AdoptError(f"its forward takes {names} by name only, or any number of inputs", nearest=nearest)
        if len(wanted) == 1 and wanted[0].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD:
            return super().create_args_for_root(lambda root, x: root_fn(root, x), is_module, concrete_args)
        return super().create_args_for_root(root_fn, is_module, concrete_args)

    def call_module(self, m: nn.Module, forward: Value, args: Value, kwargs: Value) -> Value:
        """While a module is run on the sample, torch.fx must not record what it calls."""
        return forward(*args, **kwargs) if self._running else super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Value, parameter_proxy_cache: dict[str, Value]) -> Value:
        """While a module is run on the sample, torch.fx must not record which parameters it reads."""
        return attr_val if self._running else super().getattr(attr, attr_val, parameter_proxy_cache)

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _Shaped(node, self)

    def create_proxy(self, kind: str, target: Value, args: Value, kwargs: Value, *rest: Value, **more: Value) -> Value:
        proxy: Value = super().create_proxy(kind, target, args, kwargs, *rest, **more)
        self._running = True
        try:
            proxy.value = self._run(kind, target, map_aggregate(args, _value), map_aggregate(kwargs, _value))
        finally:
            self._running = False
        return proxy

    def _run(self, kind: str, target: Value, args: Value, kwargs: Value) -> Value:
        """The output of an operation for the sample."""
        match kind:
            case "placeholder":
                return self.x
            case "call_module":
                return self.root.get_submodule(target)(*args, **kwargs)
            case "call_function":
                return target(*args, **kwargs)
            case "call_method":
                return getattr(args[0], target)(*args[1:], **kwargs)
            case "get_attr":
                return _attribute(self.root, target)
        return None


def _value(argument: Value) -> Value:
    return argument.value if isinstance(argument, _Shaped) else argument


def _attribute(root: nn.Module, target: str) -> Value:
    path, _, name = target.rpartition(".")
    return getattr(root.get_submodule(path), name)


def _line_of(error: BaseException) -> str:
    """The line of the user's own code at which the forward pass ended, where it is known."""
    libraries = (str(Path(torch.__file__).parent), str(Path(__file__).parents[2]), sysconfig.get_path("stdlib"))
    frames = extract_tb(error.__traceback__)
    lines = [frame.line for frame in frames if frame.line and not frame.filename.startswith(libraries)]
    return f" at `{lines[-1]}`" if lines else ""


def trace(module: nn.Module, x: Tensor, *, training: bool) -> fx.GraphModule:
    """The operations of a forward pass; the module is left as it is.

    Raises `AdoptError` where which operations run depends on the values of the input.
    """
    state = copy.deepcopy(module.state_dict())
    module = copy.deepcopy(module).train(training)
    tracer = _Tracer(x)
    with torch.no_grad(), InDouble():
        try:
            graph = tracer.trace(module)
        except AdoptError:
            raise
        except Exception as error:  # whatever the user's forward raises
            message = str(error).strip().splitlines()[0] if str(error) else repr(error)
            raise AdoptError(
                f"its forward pass cannot be traced{_line_of(error)}: {message}",
                operator=type(module).__name__,
                nearest="Give adopt the part of it that is a chain of layers and takes no decisions",
            ) from error
    traced = fx.GraphModule(tracer.root, graph, type(module).__name__)
    traced.graph.eliminate_dead_code()
    traced.load_state_dict(state, strict=False)  # a batch norm tracked the sample
    return traced


@final
class Original:
    """The user's module in float64: a copy, run operation by operation with dropout's masks given."""

    def __init__(self, module: nn.Module, x: Tensor) -> None:
        check_module(module)
        self.name = type(module).__name__
        self.x = x.to(torch.float64) if x.is_floating_point() else x
        self._whole = copy.deepcopy(module).to("cpu", torch.float64)
        _check_masks(trace(self._whole, self.x, training=False))
        self.traced = trace(self._whole, self.x, training=True)
        self.parameters = dict(self.traced.named_parameters())
        self.dropouts = {
            node.name: dropout_rate(self.traced, node)
            for node in self.traced.graph.nodes
            if is_dropout(self.traced, node) and dropout_rate(self.traced, node)
        }
        """The share that each dropout zeroes, by its node's name."""
        self.declared = {name: tuple(parameter.shape) for name, parameter in module.named_parameters()}

    def evaluated(self, x: Tensor) -> dict[str, Value]:
        """What every operation gives in evaluation, by the node's name, as arrays."""
        self.traced.eval()
        run = _Run(self.traced, {})
        with torch.no_grad(), InDouble():
            run.run(x)
        return {name: _arrays(value) for name, value in run.values.items()}

    def check_trace(self) -> None:
        """Raises `AdoptError` where the traced operations and the module itself give other outputs."""
        with torch.no_grad(), InDouble():
            traced = _Run(self.traced.eval(), {}).run(self.x)
            whole = copy.deepcopy(self._whole).eval()(self.x)
        if isinstance(whole, Tensor) and not torch.isfinite(whole).all():
            raise AdoptError("the outputs are not finite", operator=self.name)
        if isinstance(traced, Tensor) and not (isinstance(whole, Tensor) and torch.equal(traced, whole)):
            raise AdoptError(
                "in evaluation it gives other outputs than the operations that were traced of it: its forward pass is "
                "not the same every time",
                operator=self.name,
            )

    def trained(self, x: Tensor, masks: Mapping[str, Array]) -> tuple[Tensor, dict[str, Value]]:
        """The output in training with these masks by the dropout's node, and what every operation gives."""
        self.traced.train()
        run = _Run(self.traced, masks)
        with InDouble():
            y = run.run(x)
        return y, {name: _arrays(value) for name, value in run.values.items()}


class _Run(fx.Interpreter):
    """Runs the traced operations and keeps a copy of every output: an operation in place would overwrite it."""

    def __init__(self, module: fx.GraphModule, masks: Mapping[str, Array]) -> None:
        super().__init__(module)
        self.masks = masks
        self.values: dict[str, Value] = {}

    def run_node(self, n: fx.Node) -> Value:
        if is_dropout(self.module, n):
            x = self.env[n.all_input_nodes[0]]
            result = x
            if n.name in self.masks:
                result = x * torch.from_numpy(self.masks[n.name]) / (1 - dropout_rate(self.module, n))
        else:
            result = super().run_node(n)
        self.values[n.name] = _copied(result)
        return result


def is_dropout(root: nn.Module, node: fx.Node) -> bool:
    """Whether a node draws a dropout mask, which the proof hands it instead."""
    if node.op == "call_module":
        return type(root.get_submodule(str(node.target))) is nn.Dropout
    return node.op == "call_function" and node.target is F.dropout


def dropout_rate(root: nn.Module, node: fx.Node) -> float:
    """The share of elements that a dropout node zeroes in training, as the original states it."""
    if node.op == "call_module":
        return float(root.get_submodule(str(node.target)).p)  # pyright: ignore
    if not _argument(node, 2, "training", True):
        return 0.0
    return float(_argument(node, 1, "p", 0.5))


def _argument(node: fx.Node, position: int, name: str, default: Value) -> Value:
    if name in node.kwargs:
        return node.kwargs[name]
    return node.args[position] if len(node.args) > position else default


def _check_masks(evaluation: fx.GraphModule) -> None:
    for node in evaluation.graph.nodes:
        if node.op == "call_function" and node.target is F.dropout and dropout_rate(evaluation, node):
            raise AdoptError(
                "it drops in evaluation as well: F.dropout was called without `training=self.training`",
                layer=node.name,
                operator="F.dropout",
                nearest="Use nn.Dropout, or pass training=self.training",
            )


def _copied(value: Value) -> Value:
    if isinstance(value, Tensor):
        return value.detach().clone()
    return tuple(map(_copied, value)) if isinstance(value, tuple | list) else value


def _arrays(value: Value) -> Value:
    if isinstance(value, Tensor):
        return value.numpy()
    return tuple(map(_arrays, value)) if isinstance(value, tuple) else value
