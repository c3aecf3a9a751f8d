"""From an engine's layer to plain functions for one network: what is known is filled in, the rest is left out.

The arithmetic is the engine's, operation by operation: a script computes the same bits. What goes is what one network
does not need: types, replicas, options that it has not set, the branches that they would take.
"""

from __future__ import annotations

import ast
import inspect
import io
import textwrap
import tokenize
from collections.abc import Mapping
from types import FunctionType
from typing import Any, final

import numpy as np

PACKAGE = "twofold."
IMPORTS = {
    "np": "import numpy as np",
    "math": "import math",
    "hashlib": "import hashlib",
    "sliding_window_view": "from numpy.lib.stride_tricks import sliding_window_view",
    "NamedTuple": "from typing import NamedTuple",
    "lru_cache": "from functools import lru_cache",
}
"""What a script may need, by the name that it is used under."""

SINGLE = {"target.ndim == 1": True, "terms.ndim == 1": True, "g.ndim == 1": True, "W.ndim == 2": True}
"""One network, no stack of replicas."""
SHORTENED = ("self.cell", "self.spec")
"""Parts of `self` that a method gives a short name."""
DOCS = {
    "length_at": "The length that is trained on, at a share of the training.",
    "rate": "The rate at step k, counted from 0.",
    "between": "From a to b, of which a share is done.",
    "augmented_resampled": "Each image turned, moved, zoomed and bent, by numbers drawn for it.",
    "augmented_cut": "A square of each image becomes what the network sees as 0.",
    "_key": "The key of a generator: a checksum of seed and purpose.",
}
"""What functions say of themselves that say nothing in the engine, where a class speaks for them."""
Known = Mapping[str, Any]
"""Values by the text of what stands for them: `self.eps`, `reduction`, `schedule.gamma`."""


@final
class Parts:
    """The functions and classes collected for a script, in the order in which they are needed."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.constants: dict[str, str] = {}
        self.imports: set[str] = set()
        self.functions: dict[str, Any] = {}
        self.signatures: dict[str, list[str]] = {}
        """The parameters of every function, without those that it does not read."""

    def method(self, owner: type, name: str, known: Known, prefix: str, extra: tuple[str, ...] = ()) -> str:
        """A method as a function `prefix_name`; gives its name. `extra` are parameters that it takes beside its own."""
        label = f"{prefix}_{name.strip('_')}"
        if label not in self.texts:
            self.texts[label] = ""  # a method may call itself
            tree = _parsed(getattr(owner, name))
            if name == "forward" and owner.__doc__:
                whole = prefix.endswith("_evaluation")
                tree.body[:1] = [
                    _docstring("The same in evaluation, with the running statistics." if whole else owner.__doc__)
                ]
            made = _Specialised(self, owner, known, prefix, extra, _globals(owner)).function(tree, label)
            self._place(label, made)
        return label

    def function(self, function: Any, known: Known | None = None, label: str = "") -> str:
        """A function of a module, under its own name or `label`."""
        function = inspect.unwrap(function)  # a test checks its types while it runs
        label = label or function.__name__
        if self.functions.setdefault(label, function) is not function:  # two modules have helpers of this name
            label = f"_{function.__module__.rpartition('.')[2]}{label}"
        if label not in self.texts:
            self.texts[label] = ""
            tree = _parsed(function)
            whole = {**SINGLE, **(known or {})}
            made = _Specialised(self, None, whole, "", (), function.__globals__).function(tree, label)
            self._place(label, made)
        return label

    def tree(self, tree: ast.FunctionDef, known: Known, label: str, names: Mapping[str, Any], doc: str = "") -> str:
        """A function that stands inside another, such as an optimizer's update."""
        if doc:
            tree.body[:0] = [_docstring(doc)]
        self._place(label, _Specialised(self, None, known, "", (), names).function(tree, label))
        return label

    def record(self, kind: type) -> str:
        """A named tuple, with its methods."""
        label = kind.__name__
        if label not in self.texts:
            self.texts[label] = ""
            (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
            assert isinstance(tree, ast.ClassDef)
            plain = _Specialised(self, None, {}, "", (), _globals(kind))
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
        """A class as it stands, without types."""
        label = kind.__name__
        if label not in self.texts:
            self.texts[label] = ""
            (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
            assert isinstance(tree, ast.ClassDef)
            plain = _Specialised(self, None, known, "", (), _globals(kind))
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
        """All of it, ready to stand in a script: plain constants, functions and classes, constants made of them."""
        lines = {name: f"{name} = {value}" for name, value in self.constants.items()}
        made = [line for name, line in lines.items() if "(" in self.constants[name][1:]]
        plain = [line for line in lines.values() if line not in made]
        blocks = ["\n".join(plain), *self.texts.values(), "\n".join(made)]
        return "\n\n\n".join(block for block in blocks if block)


class _Specialised(ast.NodeTransformer):
    """One function with the known values filled in."""

    def __init__(
        self,
        parts: Parts,
        owner: type | None,
        known: Known,
        prefix: str,
        extra: tuple[str, ...],
        names: Mapping[str, Any],
    ) -> None:
        self.parts, self.owner, self.known, self.prefix, self.extra, self.names = (
            parts,
            owner,
            known,
            prefix,
            extra,
            names,
        )
        self.local: set[str] = set()

    def function(self, tree: ast.FunctionDef, label: str) -> ast.FunctionDef:
        """The function without types, decorators and what is known of its parameters."""
        arguments = tree.args
        self.local = {argument.arg for argument in arguments.args}
        dropped = {"self", "mode"} | {name for name in self.known if name in self.local}
        if self.owner is None and tree.args.args and tree.args.args[0].arg == "self" and "self" not in self.known:
            dropped = set()  # a method of a record stays one
        first = len(arguments.args) - len(arguments.defaults)
        kept = [
            (argument, arguments.defaults[index - first] if index >= first else None)
            for index, argument in enumerate(arguments.args)
            if argument.arg not in dropped
        ]
        arguments.args = [ast.arg(argument.arg) for argument, _ in kept] + [ast.arg(name) for name in self.extra]
        arguments.defaults = [] if self.extra else [default for _, default in kept if default is not None]
        if label in DOCS and ast.get_docstring(tree) is None:
            tree.body[:0] = [ast.Expr(ast.Constant(DOCS[label]))]
        tree.name = label
        tree.returns = None
        tree.body = self._block(tree.body)
        if isinstance(tree.body[-1], ast.Return) and tree.body[-1].value is None and len(tree.body) > 1:
            tree.body.pop()
        while _without_unread(tree):
            pass
        self._drop_unread(tree)
        tree.decorator_list = [d for d in tree.decorator_list if "lru_cache" in ast.unparse(d)]
        if tree.decorator_list:
            self.parts.imports.add("lru_cache")
        self.parts.signatures[label] = [argument.arg for argument in tree.args.args]
        return ast.fix_missing_locations(tree)

    def _drop_unread(self, tree: ast.FunctionDef) -> None:
        """Parameters that every layer is handed, and this one does not read."""
        read = {node.id for statement in tree.body for node in ast.walk(statement) if isinstance(node, ast.Name)}
        loose = {"params", "wants_dx", "dy", "x", "h", "memory", "dmemory", *self.extra}
        kept, defaults = list[ast.arg](), list[ast.expr]()
        first = len(tree.args.args) - len(tree.args.defaults)
        for index, argument in enumerate(tree.args.args):
            if argument.arg in read or argument.arg not in loose or self.owner is None:
                kept.append(argument)
                defaults += [tree.args.defaults[index - first]] if index >= first else []
        tree.args.args, tree.args.defaults = kept, defaults

    def _block(self, body: list[ast.stmt]) -> list[ast.stmt]:
        made = list[ast.stmt]()
        for statement in body:
            result = self.visit(statement)
            made += result if isinstance(result, list) else [] if result is None else [result]
            if made and isinstance(made[-1], ast.Return):
                break
        return made or [ast.Pass()]

    def visit_If(self, node: ast.If) -> Any:
        """A branch that is known is taken or left out; a complaint about settings has been made before."""
        if isinstance(node.body[0], ast.Raise):
            return None
        test = self.visit(node.test)
        if isinstance(test, ast.Constant):
            return (
                self._block(node.body if test.value else node.orelse)
                if (node.body if test.value else node.orelse)
                else None
            )
        return ast.If(test, self._block(node.body), self._block(node.orelse) if node.orelse else [])

    def visit_IfExp(self, node: ast.IfExp) -> Any:
        test = self.visit(node.test)
        if isinstance(test, ast.Constant):
            return self.visit(node.body if test.value else node.orelse)
        return ast.IfExp(test, self.visit(node.body), self.visit(node.orelse))

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        text = ast.unparse(node)
        if text in self.known:
            return _literal(self.known[text])
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> Any:
        if node.id in self.known and isinstance(node.ctx, ast.Load):
            return _literal(self.known[node.id])
        if isinstance(node.ctx, ast.Load) and node.id not in self.local:
            return self._global(node)
        self.local.add(node.id)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        self.local |= {argument.arg for argument in node.args.args}
        for argument in node.args.args:
            argument.annotation = None
        node.returns = None
        if node.name in DOCS and ast.get_docstring(node) is None:
            node.body[:0] = [ast.Expr(ast.Constant(DOCS[node.name]))]
        node.body = self._block(node.body)
        return node

    def visit_Lambda(self, node: ast.Lambda) -> Any:
        self.local |= {argument.arg for argument in node.args.args}
        return self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> Any:
        self.local |= {name.id for name in ast.walk(node.target) if isinstance(name, ast.Name)}
        return self.generic_visit(node)

    def visit_ListComp(self, node: ast.ListComp) -> Any:
        return self._comprehension(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> Any:
        return self._comprehension(node)

    def visit_DictComp(self, node: ast.DictComp) -> Any:
        return self._comprehension(node)

    def _comprehension(self, node: Any) -> Any:
        node.generators = [self.visit(generator) for generator in node.generators]
        return self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> Any:
        text = ast.unparse(node)
        if text in self.known:
            return _literal(self.known[text])
        self.generic_visit(node)
        sides = [node.left, *node.comparators]
        if all(isinstance(side, ast.Constant) for side in sides):
            return ast.Constant(eval(ast.unparse(node), {}))
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> Any:
        self.generic_visit(node)
        final = isinstance(node.op, ast.Or)
        rest = [v for v in node.values if not (isinstance(v, ast.Constant) and bool(v.value) != final)]
        if any(isinstance(v, ast.Constant) and bool(v.value) == final for v in rest):
            return ast.Constant(final)
        return ast.Constant(not final) if not rest else rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Any:
        self.generic_visit(node)
        if isinstance(node.op, ast.Not) and isinstance(node.operand, ast.Constant):
            return ast.Constant(not node.operand.value)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        self.generic_visit(node)
        whole = all(
            isinstance(side, ast.Constant) and type(side.value) in (int, float) for side in (node.left, node.right)
        )
        return ast.Constant(eval(ast.unparse(node), {})) if whole else node

    def visit_Assign(self, node: ast.Assign) -> Any:
        """A short name for a part of `self` whose parts are known is not needed."""
        target = node.targets[0]
        if len(node.targets) > 1:
            return self.generic_visit(node)
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = zip(target.elts, node.value.elts, strict=True)
            kept = [(name, value) for name, value in pairs if ast.unparse(value) not in SHORTENED]
            if len(kept) == 1 and len(target.elts) > 1:
                node = ast.Assign([kept[0][0]], kept[0][1], lineno=0)
            else:
                target.elts, node.value.elts = [name for name, _ in kept], [value for _, value in kept]
        elif ast.unparse(node.value) in SHORTENED:
            return None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        assert node.value is not None
        return ast.Assign([node.target], self.visit(node.value), lineno=0)

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        """`list[Array]()` and `dict[str, Array]()` are plain lists and dictionaries."""
        if (text := ast.unparse(node)) in self.known:
            return _literal(self.known[text])
        if isinstance(node.value, ast.Name) and node.value.id in ("list", "dict", "set", "frozenset", "tuple"):
            return node.value
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> Any:
        """A method of the layer is a function by now, and takes what it read of `self`."""
        function = node.func
        if "swapaxes" in self.known and isinstance(function, ast.Attribute) and function.attr == "swapaxes":
            return ast.Attribute(self.visit(function.value), "T")
        if isinstance(function, ast.Attribute) and self.owner is not None:
            owner = ast.unparse(function.value)
            if owner == "self":
                label = self.parts.method(self.owner, function.attr, self.known, self.prefix, self.extra)
                return self._called(node, label)
            kind = self.known.get(f"type({owner})")
            if kind is not None:
                label = self.parts.method(kind, function.attr, _inside(self.known, owner), f"{self.prefix}_step")
                return self._called_with(node, label, getattr(kind, function.attr))
        return self.generic_visit(node)

    def _called(self, node: ast.Call, label: str) -> ast.Call:
        arguments = [self.visit(argument) for argument in node.args]
        extra = [ast.Name(name) for name in self.extra if name in self.parts.signatures.get(label, self.extra)]
        return ast.Call(ast.Name(label), [*arguments, *extra], node.keywords)

    def _called_with(self, node: ast.Call, label: str, method: Any) -> ast.Call:
        """A call of another object's method: only what the function reads is handed over."""
        names = [argument.arg for argument in _parsed(method).args.args if argument.arg != "self"]
        read = self.parts.signatures[label]
        return ast.Call(
            ast.Name(label), [self.visit(a) for a, name in zip(node.args, names, strict=False) if name in read], []
        )

    def _global(self, node: ast.Name) -> Any:
        """A name of the module: a helper is taken along, a library imported, a constant written down."""
        name = node.id
        if name in IMPORTS:
            self.parts.imports.add(name)
            return node
        value = self.names.get(name)
        if isinstance(value, FunctionType) and value.__module__.startswith(PACKAGE):
            return ast.Name(self.parts.function(value))
        if hasattr(value, "cache_info") and getattr(value, "__module__", "").startswith(PACKAGE):
            return ast.Name(self.parts.function(value))
        if isinstance(value, type) and value.__module__.startswith(PACKAGE):
            return ast.Name(self.parts.record(value))
        if isinstance(value, int | float | str | tuple) and name.isupper():
            self.parts.constants[name] = repr(value)
        return node


def _without_unread(tree: ast.FunctionDef) -> bool:
    """Take out what is assigned and never read; whether anything was. What a call gives stays: it may do something."""
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    read = {node.id for node in names if not isinstance(getattr(node, "ctx", None), ast.Store)}
    changed = False
    for owner in ast.walk(tree):
        for field in ("body", "orelse"):
            block = getattr(owner, field, None)
            if not isinstance(block, list):
                continue
            kept = [_read_part(node, read) for node in block]
            if any(a is not b for a, b in zip(kept, block, strict=True)):
                changed = True
                setattr(owner, field, [node for node in kept if node is not None] or [ast.Pass()])
    return changed


def _read_part(node: Any, read: set[str]) -> Any:
    """An assignment without the names that nobody reads; `None` where none is left."""
    if not (isinstance(node, ast.Assign) and len(node.targets) == 1):
        return node
    target, value = node.targets[0], node.value
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        pairs = [(a, b) for a, b in zip(target.elts, value.elts, strict=True) if not _unread(a, b, read)]
        if len(pairs) == len(target.elts):
            return node
        if not pairs:
            return None
        if len(pairs) == 1:
            return ast.Assign([pairs[0][0]], pairs[0][1], lineno=0)
        names, values = ast.Tuple([a for a, _ in pairs], ast.Store()), ast.Tuple([b for _, b in pairs], ast.Load())
        return ast.Assign([names], values, lineno=0)
    return None if _unread(target, value, read) else node


def _unread(target: ast.expr, value: ast.expr, read: set[str]) -> bool:
    calls = any(isinstance(node, ast.Call) for node in ast.walk(value))
    return isinstance(target, ast.Name) and target.id not in read and not calls


def _parsed(function: Any) -> ast.FunctionDef:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(tree, ast.FunctionDef)
    return tree


def inner_function(function: Any, name: str) -> ast.FunctionDef:
    """The function of that name that stands inside another one's body."""
    tree = _parsed(function)
    return next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name)


def _inside(known: Known, owner: str) -> dict[str, Any]:
    """What is known of an object, seen from within its own methods."""
    return {
        f"self.{key.removeprefix(owner + '.')}": value for key, value in known.items() if key.startswith(f"{owner}.")
    }


def _globals(owner: type) -> dict[str, Any]:
    return dict(vars(inspect.getmodule(owner)))


def _docstring(text: str) -> ast.Expr:
    """The first paragraph of a docstring, and the equations where they follow."""
    lines = inspect.cleandoc(text).splitlines()
    end = next((k for k, line in enumerate(lines) if not line.strip()), len(lines))
    indented = [k for k, line in enumerate(lines) if line.startswith("    ")]
    if indented and indented[0] == end + 1:  # the equations
        end = next((k for k in range(end + 1, len(lines)) if not lines[k].strip()), len(lines))
    body = lines[:end]
    joined = "\n    ".join(line if line.strip() else "" for line in body)
    joined = "\n".join(line.rstrip() for line in joined.split("\n"))
    return ast.Expr(ast.Constant(joined if len(body) == 1 else f"{joined}\n    "))


def _literal(value: Any) -> ast.expr:
    """A known value as it would be typed; a name where it is the text of one."""
    if isinstance(value, Named):
        return ast.Name(value.name)
    return ast.parse(repr(value.item() if isinstance(value, np.generic) else value), mode="eval").body


class Named(str):
    """The name under which a value stands in the script."""

    @property
    def name(self) -> str:
        """The text itself."""
        return str(self)


def written(tree: ast.AST) -> str:
    """The source, with double quotes, and tuples without brackets where they stand alone."""
    return "\n".join(broken(_unwrapped(line)) for line in double_quoted(ast.unparse(tree)).split("\n"))


def broken(line: str, width: int = 120) -> str:
    """A long line with the parts of its last brackets on lines of their own."""
    if len(line) <= width or not line.endswith((")", "]", "}")):
        return line
    depth, at = 0, len(line) - 1
    for at in range(len(line) - 1, -1, -1):
        depth += (line[at] in ")]}") - (line[at] in "([{")
        if not depth:
            break
    indent = " " * (len(line) - len(line.lstrip()))
    parts = [f"{indent}    {part.strip()}," for part in _at_commas(line[at + 1 : -1])]
    return "\n".join([line[: at + 1], *(broken(part[:-1], width) + "," for part in parts), indent + line[-1]])


def _at_commas(text: str) -> list[str]:
    """The parts between commas that stand in no brackets and no text."""
    parts, depth, quoted = [""], 0, False
    for sign in text:
        quoted ^= sign == '"'
        depth += 0 if quoted else (sign in "([{") - (sign in ")]}")
        if sign == "," and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += sign
    return [part for part in parts if part.strip()]


def _unwrapped(line: str) -> str:
    """`return a, b` for `return (a, b)`, `a, b = c, d` for `a, b = (c, d)`."""
    for opening in ("return (", "= ("):
        at = line.find(opening)
        if at < 0 or not line.endswith(")"):
            continue
        inner = line[at + len(opening) : -1]
        try:
            plain = ast.parse(f"({inner})", mode="eval").body
        except SyntaxError:
            continue
        starred = isinstance(plain, ast.Tuple) and any(isinstance(e, ast.Starred) for e in plain.elts)
        if isinstance(plain, ast.Tuple) and len(plain.elts) > 1 and not starred and "\n" not in inner:
            return line[: at + len(opening) - 1] + inner
    return line


def double_quoted(text: str) -> str:
    """The same source with texts in double quotes."""
    lines = text.splitlines(keepends=True)
    changes = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        plain = token.type == tokenize.STRING and token.string[:1] == "'" and '"' not in token.string
        if plain and token.start[0] == token.end[0]:
            changes.append((token.start, token.end, f'"{token.string[1:-1]}"'))
    for (row, begin), (_, end), string in reversed(changes):
        line = lines[row - 1]
        lines[row - 1] = line[:begin] + string + line[end:]
    return "".join(lines)
