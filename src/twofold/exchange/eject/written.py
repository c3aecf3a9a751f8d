"""How a script's source is written: double quotes, lines of at most 120 characters, nothing that nobody reads."""

from __future__ import annotations

import ast
import io
import tokenize


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


def without_unread(tree: ast.FunctionDef) -> bool:
    """Remove assignments that nobody reads, except those of calls, which may have effects; whether any were removed."""
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    read = {node.id for node in names if not isinstance(getattr(node, "ctx", None), ast.Store)}
    grown = (node.target for node in ast.walk(tree) if isinstance(node, ast.AugAssign))
    read |= {target.id for target in grown if isinstance(target, ast.Name)}  # an array that others hold, too
    changed = False
    for owner in ast.walk(tree):
        for field in ("body", "orelse"):
            block = getattr(owner, field, None)
            if not isinstance(block, list):
                continue
            parts = [_read_part(node, read) for node in block]
            if any(a is not b for a, b in zip(parts, block, strict=True)):
                changed = True
                setattr(owner, field, [node for node in parts if node is not None] or [ast.Pass()])
    return changed


def without_overwritten(tree: ast.FunctionDef) -> None:
    """Remove top-level assignments whose names are assigned anew before anybody reads them."""
    lines = list[ast.stmt]()
    for index, node in enumerate(tree.body):
        names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and _is_stored(part)}
        lasting = {name for name in names if not _is_overwritten(name, tree.body[index + 1 :])}
        part = _read_part(node, lasting)
        lines += [part] if part is not None else []
    tree.body = lines


def _is_overwritten(name: str, following: list[ast.stmt]) -> bool:
    """Whether the first of the plain lines that mention it assigns it and does not read it."""
    for node in following:
        if not isinstance(node, ast.Assign | ast.Expr):
            return False
        mentions = [part for part in ast.walk(node) if isinstance(part, ast.Name) and part.id == name]
        if mentions:
            return all(map(_is_stored, mentions))
    return False


def _is_stored(name: ast.Name) -> bool:
    return isinstance(getattr(name, "ctx", None), ast.Store)


def _read_part(node: ast.stmt, read: set[str]) -> ast.stmt | None:
    """An assignment without the names that nobody reads; `None` where none is left."""
    if not (isinstance(node, ast.Assign) and len(node.targets) == 1):
        return node
    target, value = node.targets[0], node.value
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        pairs = [(a, b) for a, b in zip(target.elts, value.elts, strict=True) if not _is_unread(a, b, read)]
        if len(pairs) == len(target.elts):
            return node
        if not pairs:
            return None
        if len(pairs) == 1:
            return ast.Assign([pairs[0][0]], pairs[0][1], lineno=0)
        names, values = ast.Tuple([a for a, _ in pairs], ast.Store()), ast.Tuple([b for _, b in pairs], ast.Load())
        return ast.Assign([names], values, lineno=0)
    return None if _is_unread(target, value, read) else node


def _is_unread(target: ast.expr, value: ast.expr, read: set[str]) -> bool:
    calls = any(isinstance(node, ast.Call) for node in ast.walk(value))
    return isinstance(target, ast.Name) and target.id not in read and not calls
