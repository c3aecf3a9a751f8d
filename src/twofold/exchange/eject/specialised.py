"""One function of an engine with the known values filled in: a walk over its syntax tree.

The arithmetic is the engine's, operation by operation: a script computes the same bits. What goes is what one network
does not need: types, replicas, options that it has not set, the branches that they would take.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import TYPE_CHECKING, TypeAlias

from twofold.exchange.eject.known import DOCS, IMPORTS, PACKAGE, SHORTENED, Known
from twofold.exchange.eject.syntax import COMPARED, COMPUTED, inside, literal, parsed
from twofold.exchange.eject.written import without_overwritten, without_unread

if TYPE_CHECKING:
    from twofold.exchange.eject.source import Parts


Replaced: TypeAlias = "ast.AST | list[ast.stmt] | None"
"""What stands in a node's place: another, several statements, nothing."""


class Specialised(ast.NodeTransformer):
    """One function with the known values filled in."""

    def __init__(
        self,
        parts: Parts,
        owner: type | None,
        known: Known,
        prefix: str,
        extra: tuple[str, ...],
        names: Mapping[str, object],
    ) -> None:
        self.parts = parts
        self.owner = owner
        self.known = known
        self.prefix = prefix
        self.extra = extra
        self.names = names
        self.local: set[str] = set()
        """Names that are the function's own."""

    def function(self, tree: ast.FunctionDef, label: str) -> ast.FunctionDef:
        """The function without types, decorators and what is known of its parameters."""
        arguments = tree.args
        self.local = {argument.arg for argument in arguments.args}
        dropped = {"self", "mode"} | {name for name in self.known if name in self.local}
        if self.owner is None and tree.args.args and tree.args.args[0].arg == "self" and "self" not in self.known:
            dropped = set()  # a method of a record stays one
        first = len(arguments.args) - len(arguments.defaults)
        left = [
            (argument, arguments.defaults[index - first] if index >= first else None)
            for index, argument in enumerate(arguments.args)
            if argument.arg not in dropped
        ]
        arguments.args = [ast.arg(argument.arg) for argument, _ in left] + [ast.arg(name) for name in self.extra]
        arguments.defaults = [] if self.extra else [default for _, default in left if default is not None]
        if label in DOCS and ast.get_docstring(tree) is None:
            tree.body[:0] = [ast.Expr(ast.Constant(DOCS[label]))]
        tree.name = label
        tree.returns = None
        tree.body = self._block(tree.body)
        if isinstance(tree.body[-1], ast.Return) and tree.body[-1].value is None and len(tree.body) > 1:
            tree.body.pop()
        without_overwritten(tree)
        while without_unread(tree):
            pass
        self._drop_unread(tree)
        tree.decorator_list = [d for d in tree.decorator_list if "lru_cache" in ast.unparse(d)]
        if tree.decorator_list:
            self.parts.imports.add("lru_cache")
        self.parts.signatures[label] = [argument.arg for argument in tree.args.args]
        return ast.fix_missing_locations(tree)

    def _drop_unread(self, tree: ast.FunctionDef) -> None:
        """Drop the parameters that every layer is handed and this one does not read."""
        read = {node.id for statement in tree.body for node in ast.walk(statement) if isinstance(node, ast.Name)}
        loose = {"params", "wants_dx", "dy", "x", "h", "memory", "dmemory", *self.extra}
        arguments, defaults = list[ast.arg](), list[ast.expr]()
        first = len(tree.args.args) - len(tree.args.defaults)
        for index, argument in enumerate(tree.args.args):
            if argument.arg in read or argument.arg not in loose or self.owner is None:
                arguments.append(argument)
                defaults += [tree.args.defaults[index - first]] if index >= first else []
        tree.args.args, tree.args.defaults = arguments, defaults

    def _block(self, body: list[ast.stmt]) -> list[ast.stmt]:
        made = list[ast.stmt]()
        for statement in body:
            result = self.visit(statement)
            made += result if isinstance(result, list) else [] if result is None else [result]
            if made and isinstance(made[-1], ast.Return):
                break
        return [statement for statement in made if not isinstance(statement, ast.Pass)] or [ast.Pass()]

    def visit_If(self, node: ast.If) -> Replaced:
        """Take the branch whose condition is known; leave out a `raise` about settings, which the recipe checks."""
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

    def visit_IfExp(self, node: ast.IfExp) -> Replaced:
        """Take the branch whose condition is known."""
        test = self.visit(node.test)
        if isinstance(test, ast.Constant):
            return self.visit(node.body if test.value else node.orelse)
        return ast.IfExp(test, self.visit(node.body), self.visit(node.orelse))

    def visit_Attribute(self, node: ast.Attribute) -> Replaced:
        """Write a known setting as its value."""
        text = ast.unparse(node)
        if text in self.known:
            return literal(self.known[text])
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> Replaced:
        """Write a known value; leave a local name; add what else the module has under the name."""
        if node.id in self.known and isinstance(node.ctx, ast.Load):
            return literal(self.known[node.id])
        if isinstance(node.ctx, ast.Load) and node.id not in self.local:
            return self._global(node)
        self.local.add(node.id)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Replaced:
        """Write a function inside this one without types."""
        self.local |= {argument.arg for argument in node.args.args}
        for argument in node.args.args:
            argument.annotation = None
        node.returns = None
        if node.name in DOCS and ast.get_docstring(node) is None:
            node.body[:0] = [ast.Expr(ast.Constant(DOCS[node.name]))]
        node.body = self._block(node.body)
        return node

    def visit_Lambda(self, node: ast.Lambda) -> Replaced:
        """Its parameters are local names."""
        self.local |= {argument.arg for argument in node.args.args}
        return self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> Replaced:
        """Its targets are local names."""
        self.local |= {name.id for name in ast.walk(node.target) if isinstance(name, ast.Name)}
        return self.generic_visit(node)

    def visit_ListComp(self, node: ast.ListComp) -> Replaced:
        """The targets first, then what is made of them."""
        return self._comprehension(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> Replaced:
        """The targets first, then what is made of them."""
        return self._comprehension(node)

    def visit_DictComp(self, node: ast.DictComp) -> Replaced:
        """The targets first, then what is made of them."""
        return self._comprehension(node)

    def _comprehension(self, node: ast.ListComp | ast.GeneratorExp | ast.DictComp) -> Replaced:
        node.generators = [self.visit(generator) for generator in node.generators]
        return self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> Replaced:
        """Write True or False where both sides are known."""
        text = ast.unparse(node)
        if text in self.known:
            return literal(self.known[text])
        self.generic_visit(node)
        sides = [node.left, *node.comparators]
        if all(isinstance(side, ast.Constant) for side in sides):
            values = [side.value for side in sides if isinstance(side, ast.Constant)]
            pairs = zip(values, node.ops, values[1:], strict=False)
            return ast.Constant(all(COMPARED[type(op)](left, right) for left, op, right in pairs))
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> Replaced:
        """Leave out known values of `and` and `or`, unless one decides the whole."""
        self.generic_visit(node)
        final = isinstance(node.op, ast.Or)
        rest = [v for v in node.values if not (isinstance(v, ast.Constant) and bool(v.value) != final)]
        if any(isinstance(v, ast.Constant) and bool(v.value) == final for v in rest):
            return ast.Constant(final)
        return ast.Constant(not final) if not rest else rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Replaced:
        """Write `not` of a known value as a value."""
        self.generic_visit(node)
        if isinstance(node.op, ast.Not) and isinstance(node.operand, ast.Constant):
            return ast.Constant(not node.operand.value)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> Replaced:
        """Compute with two known numbers."""
        self.generic_visit(node)
        left, right = (side.value if isinstance(side, ast.Constant) else None for side in (node.left, node.right))
        if type(left) in (int, float) and type(right) in (int, float) and type(node.op) in COMPUTED:
            return ast.Constant(COMPUTED[type(node.op)](left, right))
        return node

    def visit_Assign(self, node: ast.Assign) -> Replaced:
        """Leave out a short name for a part of `self`, as `cell = self.cell`: its own parts are known."""
        target = node.targets[0]
        if len(node.targets) > 1:
            return self.generic_visit(node)
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = zip(target.elts, node.value.elts, strict=True)
            left = [(name, value) for name, value in pairs if ast.unparse(value) not in SHORTENED]
            if len(left) == 1 and len(target.elts) > 1:
                node = ast.Assign([left[0][0]], left[0][1], lineno=0)
            else:
                target.elts, node.value.elts = [name for name, _ in left], [value for _, value in left]
        elif ast.unparse(node.value) in SHORTENED:
            return None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Replaced:
        """Write an annotated assignment as a plain one."""
        assert node.value is not None
        return ast.Assign([node.target], self.visit(node.value), lineno=0)

    def visit_Subscript(self, node: ast.Subscript) -> Replaced:
        """Write `list[Array]()` and `dict[str, Array]()` as plain lists and dictionaries."""
        if (text := ast.unparse(node)) in self.known:
            return literal(self.known[text])
        if isinstance(node.value, ast.Name) and node.value.id in ("list", "dict", "set", "frozenset", "tuple"):
            return node.value
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> Replaced:
        """Call a method as the function that it has become, which takes what the method read from `self`."""
        function = node.func
        if "swapaxes" in self.known and isinstance(function, ast.Attribute) and function.attr == "swapaxes":
            return ast.Attribute(self.visit(function.value), "T")
        if isinstance(function, ast.Attribute) and self.owner is not None:
            owner = ast.unparse(function.value)
            if owner == "self":
                label = self.parts.method(self.owner, function.attr, self.known, self.prefix, self.extra)
                return self._called(node, label)
            kind = self.known.get(f"type({owner})")
            if isinstance(kind, type):
                label = self.parts.method(kind, function.attr, inside(self.known, owner), f"{self.prefix}_step")
                return self._called_with(node, label, getattr(kind, function.attr))
        return self.generic_visit(node)

    def _called(self, node: ast.Call, label: str) -> ast.Call:
        arguments = [self.visit(argument) for argument in node.args]
        extra = [ast.Name(name) for name in self.extra if name in self.parts.signatures.get(label, self.extra)]
        return ast.Call(ast.Name(label), [*arguments, *extra], node.keywords)

    def _called_with(self, node: ast.Call, label: str, method: Callable[..., object]) -> ast.Call:
        """The call of another object's method as a function, with only the arguments that the function reads."""
        names = [argument.arg for argument in parsed(method).args.args if argument.arg != "self"]
        read = self.parts.signatures[label]
        return ast.Call(
            ast.Name(label), [self.visit(a) for a, name in zip(node.args, names, strict=False) if name in read], []
        )

    def _global(self, node: ast.Name) -> Replaced:
        """Add what a name of the module stands for to the parts: a helper, an import or a constant."""
        name = node.id
        if name in IMPORTS:
            self.parts.imports.add(name)
            return node
        value = self.names.get(name)
        if isinstance(value, FunctionType) and value.__module__.startswith(PACKAGE):
            return ast.Name(self.parts.function(value))
        if callable(value) and hasattr(value, "cache_info") and getattr(value, "__module__", "").startswith(PACKAGE):
            return ast.Name(self.parts.function(value))
        if isinstance(value, type) and value.__module__.startswith(PACKAGE):
            return ast.Name(self.parts.record(value))
        if isinstance(value, int | float | str | tuple) and name.isupper():
            self.parts.constants[name] = repr(value)
        return node
