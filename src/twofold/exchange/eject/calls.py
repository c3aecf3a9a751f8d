"""How each layer of a network is called in the NumPy script: forward, back and in evaluation, written out."""

from __future__ import annotations

import inspect
import textwrap
from collections import defaultdict

from twofold.exchange.eject.known import Named
from twofold.exchange.eject.source import Parts
from twofold.numpy_engine.cells import Cell
from twofold.numpy_engine.dense import Dense
from twofold.numpy_engine.layers import build_layer
from twofold.numpy_engine.windows import Windows
from twofold.recipe.network import Node, shape_text


class Calls:
    """How each layer of the network is called: what it reads of parameters, cache and settings."""

    def __init__(self, parts: Parts, nodes: tuple[Node, ...]) -> None:
        self.parts, self.nodes = parts, nodes
        self.layers = {node.name: build_layer(node.spec) for node in nodes}
        groups = defaultdict(list)
        for node in nodes:
            groups[type(self.layers[node.name])].append(node)
        self.known: dict[type, dict[str, object]] = {}
        self.extra: dict[type, tuple[str, ...]] = {}
        self.values: dict[str, dict[str, str]] = {node.name: {} for node in nodes}
        for kind, members in groups.items():
            self._settle(kind, members)
        self.first = next(index for index, node in enumerate(nodes) if node.parameters)
        self.caches = [f"{node.kind}_{node.name}" for node in nodes]

    def _settle(self, kind: type, members: list[Node]) -> None:
        """Sort the settings of a class's layers: what all share is filled in, what differs becomes an argument."""
        known: dict[str, object] = {"mean is None": False, "cache.mean is None": False, "cache.variance is None": False}
        known |= {"mode.lead": 0, "mode.training": True, "mode.mask is None": False, "lead": 0}
        known |= {"mode.lengths is None": True, "there is None": True, "there is not None": False, "cache.there": None}
        extra = list[str]()
        settings = [vars(self.layers[node.name]) for node in members]
        for name in settings[0]:
            values = [setting[name] for setting in settings]
            same = all(repr(value) == repr(values[0]) for value in values) or name == "cell"
            if name == "cell":
                known |= _cell(values[0])
            elif name == "windows":
                constants = [self._windows(value) for value in values]
                if same:
                    known["self.windows"] = Named(constants[0])
                else:
                    known["self.windows"] = Named("geometry")
                    extra.append("geometry")
                    for node, constant in zip(members, constants, strict=True):
                        self.values[node.name]["geometry"] = constant
            elif same:
                known[f"self.{name}"] = values[0]
            else:
                known[f"self.{name}"] = Named(name)
                extra.append(name)
                for node, value in zip(members, values, strict=True):
                    self.values[node.name][name] = repr(value)
        if kind is Dense and all(len(node.input_shape) == 1 for node in members):
            known |= {"swapaxes": True}
        for name in {name for node in members for name in (*node.parameters, "bias", "weight", "bias_ih", "bias_hh")}:
            presences = {name in node.parameters for node in members}
            if len(presences) == 1:
                known[f"'{name}' in params"] = presences.pop()
        if "mode.mask" in inspect.getsource(kind):
            known["mode.mask"] = Named("mask")
            extra.append("mask")
            for node in members:
                self.values[node.name]["mask"] = f'masks["{node.name}"]'
        self.known[kind], self.extra[kind] = known, tuple(extra)

    def _windows(self, windows: Windows) -> str:
        """The name of a constant for the sizes of a window."""
        self.parts.record(type(windows))
        text = f"Windows({', '.join(repr(part) for part in windows)})"
        names = {value: name for name, value in self.parts.constants.items()}
        if text not in names:
            names[text] = f"WINDOWS_{1 + sum(name.startswith('WINDOWS_') for name in names.values())}"
            self.parts.constants[names[text]] = text
        return names[text]

    def _label(self, node: Node, method: str, **more: object) -> str:
        kind = type(self.layers[node.name])
        prefix = node.kind + ("_evaluation" if more else "")
        return self.parts.method(kind, method, self.known[kind] | more, prefix, self.extra[kind])

    def _call(self, node: Node, label: str, **values: str) -> str:
        values = {"params": f'params["{node.name}"]', **values, **self.values[node.name]}
        names = self.parts.signatures[label]
        if "wants_dx" in names and names[-1] != "wants_dx":  # settings stand behind it, and it has no default
            values.setdefault("wants_dx", "True")
            return f"{label}({', '.join(values[name] for name in names)})"
        parts = [values[name] for name in names if name != "wants_dx"]
        parts += ["wants_dx=False"] if "wants_dx" in names and values.get("wants_dx") == "False" else []
        return f"{label}({', '.join(parts)})"

    def _is_skipped(self, node: Node) -> bool:
        """Whether the layer is left out: a dropout that drops nothing."""
        return node.kind == "dropout" and not node.spec.mask_shape(node.input_shape)

    def forward(self) -> str:
        """The source of `forward`: the network written out, layer by layer."""
        first, last = shape_text(self.nodes[0].input_shape), shape_text(self.nodes[-1].output_shape)
        lines = [
            "def forward(params, x, masks):",
            f'    """{first} → {last}, and what each layer keeps for the way back."""',
        ]
        caches = list[str]()
        for node, cache in zip(self.nodes, self.caches, strict=True):
            if self._is_skipped(node):
                continue
            call = self._call(node, self._label(node, "forward"), x="x")
            lines.append(f"    x, {cache} = {call}  # {shape_text(node.output_shape)}")
            caches.append(cache)
        self.kept = caches
        lines.append(_wrapped("    return x, [", caches, "]"))
        return "\n".join(lines)

    def backward(self) -> str:
        """The source of `backward`, from the last layer to the first with parameters; call it after `forward`."""
        lines = [
            "def backward(params, caches, dy):",
            '    """∂loss/∂parameter of every parameter, as one vector in the order of SHAPES."""',
        ]
        lines.append(_wrapped("    [", self.kept, "] = caches"))
        lines.append("    grads = {}")
        for index in range(len(self.nodes) - 1, self.first - 1, -1):
            node = self.nodes[index]
            if self._is_skipped(node):
                continue
            label = self._label(node, "backward")
            wants = {"wants_dx": "False"} if index == self.first else {}
            call = self._call(node, label, cache=self.caches[index], dy="dy", **wants)
            lines.append(f'    dy, grads["{node.name}"] = {call}')
        lines.append("    return np.concatenate([grads[layer][name].reshape(-1) for layer, name, _ in SHAPES])")
        return "\n".join(lines)

    def input_gradient(self) -> str:
        """The source of `input_gradient`, from the last layer to the samples; call it after `forward`."""
        lines = ["def input_gradient(params, caches, dy):", '    """∂loss/∂x of every sample."""']
        lines.append(_wrapped("    [", self.kept, "] = caches"))
        for node, cache in zip(reversed(self.nodes), reversed(self.caches), strict=True):
            if not self._is_skipped(node):
                lines.append(f"    dy, _ = {self._call(node, self._label(node, 'backward'), cache=cache, dy='dy')}")
        return "\n".join([*lines, "    return dy"])

    def predict(self) -> str:
        """The source of `predict`: forward in evaluation, without dropout and with running statistics."""
        lines = ["def predict(params, x):", '    """The outputs in evaluation."""']
        for node in self.nodes:
            if node.kind == "dropout":
                continue
            more = {"mode.training": False} if node.buffers else {}
            label = self._label(node, "forward", **more)
            lines.append(f"    x, _ = {self._call(node, label, x='x')}")
        return "\n".join([*lines, "    return x"])

    def running(self) -> str:
        """The lines that update the running statistics after a step; empty where there are none."""
        lines = []
        for node in self.nodes:
            if node.buffers:
                cache = f"caches[{self.kept.index(f'{node.kind}_{node.name}')}]"
                call = self._call(node, self._label(node, "running"), cache=cache)
                lines.append(
                    f"        for name, value in {call}.items():\n"
                    f'            params["{node.name}"][name][...] = value\n'
                )
        return "".join(lines)


def _wrapped(before: str, names: list[str], after: str) -> str:
    """A list of names between two texts, on as many lines as it takes."""
    text = f"{before}{', '.join(names)}{after}"
    if len(text) <= 110:
        return text
    inner = textwrap.fill(", ".join(names) + ",", 110, initial_indent=" " * 8, subsequent_indent=" " * 8)
    return f"{before}\n{inner}\n    {after}"


def _cell(cell: Cell) -> dict[str, object]:
    """What is known of the cell of a recurrent layer."""
    known: dict[str, object] = {"type(self.cell)": type(cell), "type(cell)": type(cell)}
    settings = {name: getattr(cell, name) for name in ("gates", "apart")} | vars(cell)
    for name, value in settings.items():
        known |= {f"self.cell.{name}": value, f"cell.{name}": value}
    return known
