"""The assignment's own files: the network, the training and the data, with NumPy and PyTorch alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from twofold.errors import UserError, did_you_mean

BY_PART = (
    ("modules.py", "mlp_numpy.py", "pytorch_mlp.py", "points.py", "pytorch_train_mlp.py"),
    ("cnn_model.py", "cifar10.py", "cnn_train.py"),
    ("vanilla_rnn.py", "dataset.py", "train.py"),
)
"""Files by the number of the part."""
SHARED = ("script.py",)
"""What the training scripts of every part import."""


def code_folder() -> Path:
    """Where the files lie: in the installed package, or in a checkout under `examples/`."""
    packaged = Path(__file__).parent / "cs324"
    folder = packaged if packaged.is_dir() else Path(__file__).parents[3] / "examples" / "cs324"
    if not folder.is_dir():
        raise UserError(f"the assignment's files are missing from this installation: no folder {packaged}")
    return folder


def code_files() -> list[Path]:
    """Every file that runs without Twofold."""
    return [code_folder() / name for name in dict.fromkeys([*(name for part in BY_PART for name in part), *SHARED])]


def part_code(index: int, wanted: Sequence[str] | None) -> list[tuple[str, str]]:
    """Names and texts of a part's files: those that were asked for, else the part's own.

    Raises `UserError` for a file that the assignment does not have.
    """
    known = [path.name for path in code_files()]
    names = list(wanted) if wanted is not None else list(BY_PART[index]) if index < len(BY_PART) else []
    for name in names:
        if name not in known:
            raise UserError(f"the assignment has no file `{name}`; {did_you_mean(name, known)}")
    return [(name, (code_folder() / name).read_text("utf-8")) for name in names]
