"""Where each key of a TOML file stands, so that a fault can point at it. Parsing is tree-sitter's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from twofold.recipe.toml import parse_toml

if TYPE_CHECKING:
    from tree_sitter import Node

KeyPath: TypeAlias = tuple[str | int, ...]
"""`("layers", 0, "units")`."""


class Place(NamedTuple):
    """The place of a key's value, or of a table's header: `line` counts from 1, `column` from 0."""

    line: int
    column: int


def places(text: str) -> dict[KeyPath, Place]:
    """The place of every table and every value in the file."""
    import tree_sitter
    import tree_sitter_toml

    source = text.encode()
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_toml.language()))
    by_path: dict[KeyPath, Place] = {(): Place(1, 0)}
    counts: dict[KeyPath, int] = {}
    for node in parser.parse(source).root_node.named_children:
        if node.type == "pair":
            by_path.update(_pair((), node))
        elif node.type in {"table", "table_array_element"}:
            key, *pairs = (child for child in node.named_children if child.type != "comment")
            path = _resolve(_key(key), counts, grows=node.type == "table_array_element")
            by_path[path] = _place(node)
            for pair in pairs:
                by_path.update(_pair(path, pair))
    return _in_characters(by_path, source)


def _in_characters(by_path: dict[KeyPath, Place], source: bytes) -> dict[KeyPath, Place]:
    """The places with columns in characters, as a marker under a line needs them; tree-sitter counts bytes."""
    lines = source.split(b"\n")
    return {
        path: Place(place.line, len(lines[place.line - 1][: place.column].decode(errors="replace")))
        for path, place in by_path.items()
    }


def _resolve(key: tuple[str, ...], counts: dict[KeyPath, int], grows: bool) -> KeyPath:
    """The path of a table's header: the third `[[layers]]` is `("layers", 2)`, and `[layers.x]` then lies under it."""
    path: KeyPath = ()
    for depth, part in enumerate(key, start=1):
        path = (*path, part)
        if grows and depth == len(key):
            counts[path] = counts.get(path, 0) + 1
        if path in counts:
            path = (*path, counts[path] - 1)
    return path


def _pair(prefix: KeyPath, node: Node) -> Iterator[tuple[KeyPath, Place]]:
    if node.type != "pair" or len(node.named_children) < 2:
        return
    key, value = node.named_children[0], node.named_children[-1]
    yield from _value((*prefix, *_key(key)), value)


def _value(path: KeyPath, node: Node) -> Iterator[tuple[KeyPath, Place]]:
    yield path, _place(node)
    if node.type == "inline_table":
        for pair in node.named_children:
            yield from _pair(path, pair)
    elif node.type == "array":
        items = (child for child in node.named_children if child.type != "comment")
        for index, item in enumerate(items):
            yield from _value((*path, index), item)


def _key(node: Node) -> tuple[str, ...]:
    if node.type == "dotted_key":
        return tuple(part for child in node.named_children for part in _key(child))
    text = (node.text or b"").decode()
    return tuple(parse_toml(f"{text} = 0", text)) if node.type == "quoted_key" else (text,)


def _place(node: Node) -> Place:
    return Place(node.start_point.row + 1, node.start_point.column)
