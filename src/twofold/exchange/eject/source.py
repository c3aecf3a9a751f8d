"""The functions, records and constants of which a script is made, each added when it is first needed."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from typing import final

from twofold.exchange.eject.known import SINGLE, Known
from twofold.exchange.eject.specialised import Specialised
from twofold.exchange.eject.syntax import docstring, globals_of, parsed
from twofold.exchange.eject.written import written


@final
class Parts:
    """The functions and classes collected for a script, in the order in which they are needed."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.constants: dict[str, str] = {}
        self.imports: set[str] = set()
        self.functions: dict[str, Callable[..., object]] = {}
        self.signatures: dict[str, list[str]] = {}
        """The parameters of every function, without those that it does not read."""

    def method(self, owner: type, name: str, known: Known, prefix: str, extra: tuple[str, ...] = ()) -> str:
        """Add a method as a function `prefix_name`; returns its name. `extra` are parameters beside its own."""
        label = f"{prefix}_{name.strip('_')}"
        if label not in self.texts:
            self.texts[label] = ""  # a method may call itself
            tree = parsed(getattr(owner, name))
            if name == "forward" and owner.__doc__:
                whole = prefix.endswith("_evaluation")
                tree.body[:1] = [
                    docstring("The same in evaluation, with the running statistics." if whole else owner.__doc__)
                ]
            made = Specialised(self, owner, known, prefix, extra, globals_of(owner)).function(tree, label)
            self._place(label, made)
        return label

    def function(self, function: Callable[..., object], known: Known | None = None, label: str = "") -> str:
        """Add a function of a module under its own name or `label`; returns the name."""
        function = inspect.unwrap(function)  # tests wrap functions to check their types
        label = label or function.__name__
        if self.functions.setdefault(label, function) is not function:  # two modules have helpers of this name
            label = f"_{function.__module__.rpartition('.')[2]}{label}"
        if label not in self.texts:
            self.texts[label] = ""
            tree = parsed(function)
            whole = {**SINGLE, **(known or {})}
            made = Specialised(self, None, whole, "", (), function.__globals__).function(tree, label)
            self._place(label, made)
        return label

    def tree(self, tree: ast.FunctionDef, known: Known, label: str, names: Mapping[str, object], doc: str = "") -> str:
        """Add a function that is defined inside another one, as an optimizer's update; returns its name."""
        if doc:
            tree.body[:0] = [docstring(doc)]
        self._place(label, Specialised(self, None, known, "", (), names).function(tree, label))
        return label

    def record(self, kind: type) -> str:
        """Add a named tuple with its methods; returns its name."""
        label = kind.__name__
        if label not in self.texts:
            self.texts[label] = ""
            (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
            assert isinstance(tree, ast.ClassDef)
            plain = Specialised(self, None, {}, "", (), globals_of(kind))
            for index, node in enumerate(tree.body):
                if isinstance(node, ast.FunctionDef):
                    tree.body[index] = plain.function(node, node.name)
                elif isinstance(node, ast.AnnAssign):
                    node.annotation = ast.Name("object")
                    node.value = None if node.value is None else plain.visit(node.value)
            first, *rest = tree.body
            tree.body = [first, *(node for node in rest if not isinstance(node, ast.Expr))]
            tree.decorator_list = []
            self.imports.add("NamedTuple")
            self._place(label, tree)
        return label

    def whole(self, kind: type, known: Known) -> str:
        """Add a class as it is, without types; returns its name."""
        label = kind.__name__
        if label not in self.texts:
            self.texts[label] = ""
            (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
            assert isinstance(tree, ast.ClassDef)
            plain = Specialised(self, None, known, "", (), globals_of(kind))
            tree.body = [
                plain.function(node, node.name) if isinstance(node, ast.FunctionDef) else node for node in tree.body
            ]
            tree.decorator_list = []
            self._place(label, ast.fix_missing_locations(tree))
        return label

    def _place(self, label: str, tree: ast.AST) -> None:
        self.texts.pop(label, None)
        self.texts[label] = written(tree)

    def text(self) -> str:
        """The source of all parts: plain constants, functions and classes, then constants made by calling these."""
        lines = {name: f"{name} = {value}" for name, value in self.constants.items()}
        made = [line for name, line in lines.items() if "(" in self.constants[name][1:]]
        plain = [line for line in lines.values() if line not in made]
        blocks = ["\n".join(plain), *self.texts.values(), "\n".join(made)]
        return "\n\n\n".join(block for block in blocks if block)
