"""Recurrent parameters that a user keeps in pieces: a matrix for each gate, or one over [x, h].

Ours are stacked as PyTorch's are: `weight_ih` (gates · units, inputs), `weight_hh` (gates · units, units). A piece is a
block of rows of one of them, or of both side by side. Which gate it is its name says (`W_i`, `b_f`, `xo.weight`,
`forget_gate`), which of the two its shape.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from twofold.proof.check.inside.theirs import Tensors

Shape = tuple[int, ...]
Arrays = Mapping[str, np.ndarray]

GATES = {"rnn": ("",), "lstm": ("i", "f", "g", "o"), "gru": ("r", "z", "n")}
LETTERS = {
    "lstm": {"i": "i", "f": "f", "o": "o", "g": "g", "c": "g", "n": "g", "a": "g"},
    "gru": {"r": "r", "z": "z", "u": "z", "n": "n", "h": "n", "c": "n", "g": "n"},
    "rnn": {},
}
WORDS = {
    "lstm": {"input": "i", "in": "i", "ig": "i", "forget": "f", "fg": "f", "output": "o", "out": "o", "og": "o",
             "cell": "g", "candidate": "g", "cand": "g", "modulation": "g", "tilde": "g", "gate": "g", "ct": "g"},
    "gru": {"reset": "r", "rg": "r", "update": "z", "zg": "z", "new": "n", "candidate": "n", "cand": "n",
            "hidden": "n", "tilde": "n", "ng": "n", "hh": "n"},
    "rnn": {},
}  # fmt: skip


class Sizes(NamedTuple):
    """The layer's sizes."""

    inputs: int
    units: int


class Piece(NamedTuple):
    """A user's array as a block of rows of our parameters: of one, of two side by side, or of two added biases."""

    parameters: tuple[str, ...]
    rows: slice
    shape: Shape
    turned: bool = False
    """Whether the array is (in, out)."""

    def value(self, ours: Arrays) -> np.ndarray:
        """The user's array, cut from ours."""
        blocks = [ours[name][self.rows] for name in self.parameters]
        joined = sum(blocks[1:], blocks[0]) if blocks[0].ndim == 1 else np.concatenate(blocks, axis=1)
        return np.array(joined.T if self.turned else joined).reshape(self.shape)

    def put(self, gradient: np.ndarray, ours: Mapping[str, np.ndarray]) -> None:
        """Write the user's gradient into the block of ours."""
        if ours[self.parameters[0]].ndim == 1:
            for name in self.parameters:
                ours[name][self.rows] = gradient.reshape(-1)
            return
        laid = gradient.T if self.turned else gradient
        ends = np.cumsum([ours[name].shape[1] for name in self.parameters])[:-1]
        for name, block in zip(self.parameters, np.split(laid, ends, axis=1), strict=True):
            ours[name][self.rows] = block


def rows_of(gate: str, kind: str, units: int) -> slice:
    """A gate's block of rows."""
    place = GATES[kind].index(gate)
    return slice(place * units, (place + 1) * units)


def parses(name: str, kind: str) -> Iterator[tuple[str, str]]:
    """The gates that a name may stand for, each with the rest of the name."""
    low = name.lower()
    for match in re.finditer(r"[a-z]+", low):
        gate = WORDS[kind].get(match.group())
        if gate:
            yield f"{low[: match.start()]}?{low[match.end() :]}", gate
    for place, letter in enumerate(low):
        if letter in LETTERS[kind]:
            yield f"{low[:place]}?{low[place + 1 :]}", LETTERS[kind][letter]


def groups(shapes: Mapping[str, Shape], kind: str) -> list[dict[str, str]]:
    """The names of each full set of gates, by gate: names that differ in nothing but the gate, and are of one shape."""
    tables: dict[tuple[str, Shape], dict[str, str]] = defaultdict(dict)
    for name, shape in shapes.items():
        for rest, gate in parses(name, kind):
            tables[rest, shape].setdefault(gate, name)
    wanted, complete, used = set(GATES[kind]), list[dict[str, str]](), set[str]()
    for (_, shape), table in tables.items():
        (missing, *others) = sorted(wanted - set(table)) or [""]
        if missing and not others and len(wanted) > 2:  # the candidate is often called otherwise
            free = [name for name, other in shapes.items() if other == shape and name not in table.values()]
            odd = [name for name in free if missing in [gate for _, gate in parses(name, kind)]]
            table = table | ({missing: odd[0]} if len(odd) == 1 else {})
        names = set(table.values())
        if set(table) == wanted and len(names) == len(wanted) and not names & used:
            complete.append(table)
            used |= names
    return complete


def pieces(shapes: Mapping[str, Shape], kind: str, sizes: Sizes, biased: bool, order: str) -> dict[str, Piece] | None:
    """Every array of a user's layer as a piece of ours; `None` if names and shapes do not make a whole layer.

    `order` is "xh" or "hx": which comes first in a matrix over both x and h.
    """
    matrices: dict[str, Piece] = {}
    count = len(GATES[kind])
    tables = [{gate: table[gate] for gate in GATES[kind]} for table in groups(shapes, kind)] if count > 1 else []
    stacked = [name for name in shapes if not any(name in table.values() for table in tables)]
    biases = list[list[tuple[str, slice]]]()
    for names in [*tables, *({"": name} for name in stacked)]:
        units = sizes.units if "" not in names else count * sizes.units
        shape = shapes[next(iter(names.values()))]
        blocks = [(name, rows_of(gate, kind, sizes.units) if gate else slice(None)) for gate, name in names.items()]
        if int(np.prod(shape)) == units and max(shape, default=0) == units:
            biases.append(blocks)
            continue
        matrix = _matrix(shape, units, sizes, order)
        if matrix is None:
            continue
        for name, rows in blocks:
            matrices[name] = Piece(matrix[0], rows, shape, matrix[1])
    return _with_biases(_laid_alike(matrices), biases, shapes, biased)


def _matrix(shape: Shape, units: int, sizes: Sizes, order: str) -> tuple[tuple[str, ...], bool] | None:
    """The parameters that a matrix of this shape covers, and whether it is (in, out); `None` if it covers none."""
    both = ("weight_ih", "weight_hh") if order == "xh" else ("weight_hh", "weight_ih")
    widths = {sizes.inputs + sizes.units: both, sizes.inputs: ("weight_ih",), sizes.units: ("weight_hh",)}
    for width, parameters in widths.items():
        if shape == (units, width):
            return parameters, False
        if shape == (width, units):
            return parameters, True
    return None


def _laid_alike(laid: dict[str, Piece]) -> dict[str, Piece]:
    """The pieces, all (in, out) if one is: the layout of a square matrix shows only in the others."""
    turned = any(piece.turned for piece in laid.values())
    return {name: piece._replace(turned=turned) for name, piece in laid.items()}


def _with_biases(
    all_pieces: dict[str, Piece],
    biases: Sequence[Sequence[tuple[str, slice]]],
    shapes: Mapping[str, Shape],
    biased: bool,
) -> dict[str, Piece] | None:
    covered = [(p, piece.rows.start) for piece in all_pieces.values() for p in piece.parameters]
    whole = {parameter for parameter, _ in covered} == {"weight_ih", "weight_hh"}
    if not whole or len(covered) != len(set(covered)) or len(biases) > 2 or bool(biases) != biased:
        return None
    for number, blocks in enumerate(_hidden_last(biases, all_pieces)):
        of = ("bias_ih", "bias_hh") if len(biases) == 1 else (("bias_ih",), ("bias_hh",))[number]
        for name, rows in blocks:
            all_pieces[name] = Piece(of, rows, shapes[name])
    return all_pieces


def _hidden_last(
    biases: Sequence[Sequence[tuple[str, slice]]], matrices: Mapping[str, Piece]
) -> Sequence[Sequence[tuple[str, slice]]]:
    """The biases in order; of two, the one named like the hidden state's matrix comes second."""
    holders = {name.rpartition(".")[0] for name, piece in matrices.items() if piece.parameters == ("weight_hh",)}

    def hidden(blocks: Sequence[tuple[str, slice]]) -> bool:
        name = blocks[0][0]
        return name.rpartition(".")[0] in holders if "." in name else "h" in name.lower() or "u" in name.lower()

    return sorted(biases, key=hidden)


def one_bias(all_pieces: Mapping[str, Piece]) -> bool:
    """Whether the layer has one bias where PyTorch has two."""
    return any(piece.parameters == ("bias_ih", "bias_hh") for piece in all_pieces.values())


def joined(all_pieces: Mapping[str, Piece]) -> bool:
    """Whether a matrix covers both x and h: its shape does not tell which comes first."""
    return any(
        len(piece.parameters) == 2 and len(piece.shape) == 2 and 1 not in piece.shape for piece in all_pieces.values()
    )


def assembled(gradients: Mapping[str, np.ndarray], all_pieces: Mapping[str, Piece], ours: Arrays) -> Tensors:
    """Gradients of pieces as those of our parameters; a parameter of which a piece has none is left out."""
    result = {name: np.full(array.shape, np.nan) for name, array in ours.items()}
    for name, gradient in gradients.items():
        all_pieces[name].put(gradient, result)
    lacking = {p for name, piece in all_pieces.items() if name not in gradients for p in piece.parameters}
    return {name: array for name, array in result.items() if name not in lacking}
