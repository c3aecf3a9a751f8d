"""The dictionary of parameters that a user's functions read: by PyTorch's names, or by the user's own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from twofold.proof.check.inside import names as n
from twofold.proof.check.inside.arrays import Layout, array, arrays_in, is_tensor, loaded_torch
from twofold.proof.check.inside.gates import Piece, assembled, parses, rows_of
from twofold.proof.check.inside.job import Job, setting_values
from twofold.proof.check.inside.scene import InsideScene
from twofold.proof.check.inside.theirs import Tensors, Theirs, Values


class Table(Values):
    """Parameters by our names; other keys are understood, too: `W`, `gamma`, `W_xi`, `eps`."""

    def __init__(self, held: Mapping[str, Theirs], job: Job, scene: InsideScene | None, layout: Layout) -> None:
        super().__init__(held)
        self.job, self.layout = job, layout
        self.aliases: dict[str, str] = {}
        self.pieces: dict[str, Piece] = {}
        self.units = 0 if scene is None or job.kind not in n.RECURRENT else scene.arrays["weight_hh"].shape[1]
        self.ours = {} if scene is None else {name: scene.arrays[name] for name in scene.parameters}

    def holding(self, held: Mapping[str, Theirs]) -> Table:
        """A table like this one of other arrays."""
        other = Table(held, self.job, None, self.layout)
        other.units, other.ours, other.pieces = self.units, self.ours, self.pieces
        return other

    def __missing__(self, key: str) -> Theirs:
        piece = self._piece(key) if self.layout.gated else None
        role = None if piece else n.parameter_role(self.job.kind, key, list(self))
        if role is not None:
            self.aliases[key] = role
            return self[role]
        if piece is not None:
            self.pieces[key] = piece
            self[key] = self._like_others(piece.value(self.ours))
            return self[key]
        settings = setting_values(self.job.settings)
        name = next((s for s in settings if n.plain(key) in {n.plain(s)} | n.words(n.SETTINGS.get(s, ""))), None)
        if name is None:
            raise KeyError(key)
        return settings[name]

    def get(self, key: str, default: Theirs = None) -> Theirs:
        """As `self[key]`."""
        try:
            return self[key]
        except KeyError:
            return default

    def now(self, name: str) -> Theirs:
        """A running statistic as it is now, under whichever key it was put."""
        alias = next((a for a, role in self.aliases.items() if role == name and a in self), None)
        return self[alias or name]

    def _like_others(self, value: np.ndarray) -> Theirs:
        first = next(iter(self.values()))
        return loaded_torch().tensor(value).requires_grad_(first.requires_grad) if is_tensor(first) else value

    def _piece(self, key: str) -> Piece | None:
        """A gate's block, by its name: `W_xi`, `U_f`, `b_o`."""
        if not self.units or not self.ours:
            return None
        for rest, gate in parses(key, self.job.kind):
            left = n.plain(rest)
            rows = rows_of(gate, self.job.kind, self.units)
            if left.startswith("b"):
                single = left == "b"
                of = ("bias_ih", "bias_hh") if single else ("bias_hh",) if left[1:] in ("h", "hh") else ("bias_ih",)
                return Piece(of, rows, (self.units,))
            if left in ("w", "wx", "xw", "wi", "x", "weightx", "weightih", "wih"):
                return self._matrix(("weight_ih",), rows)
            if left in ("u", "wh", "hw", "h", "r", "weighth", "weighthh", "whh"):
                return self._matrix(("weight_hh",), rows)
        return None

    def _matrix(self, of: tuple[str, ...], rows: slice) -> Piece:
        shape = self.ours[of[0]][rows].shape
        turned = self.layout.transposed
        return Piece(of, rows, shape[::-1] if turned else shape, turned)

    def gradients(self, result: Theirs, scene: InsideScene) -> Tensors:
        """The gradients of our parameters, from those of pieces in the result of `backward` by the same keys."""
        tables = [member for member in arrays_in(result) if isinstance(member, Mapping)]
        gradients = {
            key: array(t[k], f"the gradient of {key}")
            for key in self.pieces
            for t in tables
            for k in (key, f"d{key}", f"grad_{key}", f"{key}_grad")
            if k in t
        }
        return {scene.gradient(name): g for name, g in assembled(gradients, self.pieces, self.ours).items()}
