"""CIFAR-10 from the folder `cifar-10-batches-py` that torchvision, or the set's own page, leaves on a disk."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np

FOLDER = "cifar-10-batches-py"
TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST = ("test_batch",)
HARMLESS = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}
"""What the files need to make arrays; a pickle could otherwise run any code."""


class ArraysOnly(pickle.Unpickler):
    """Refuses whatever is no array."""

    def find_class(self, module: str, name: str) -> object:
        """The constructors of NumPy's arrays, and no others."""
        if (module, name) not in HARMLESS:
            raise pickle.UnpicklingError(f"it holds {module}.{name}, which is no array")
        return super().find_class(module, name)


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 3, 32, 32) as bytes, and classes (N,)."""
    with path.open("rb") as file:
        content = ArraysOnly(file, encoding="bytes").load()
    return content[b"data"].reshape(-1, 3, 32, 32), np.array(content[b"labels"])


def load(data_dir: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x_train (50000, 3, 32, 32) as bytes, y_train, x_test (10000, 3, 32, 32), y_test.

    Raises `FileNotFoundError`, and `ValueError` for a file that is not of the set.
    """
    given = Path(data_dir).expanduser()
    folder = given / FOLDER if (given / FOLDER).is_dir() else given
    splits = []
    for names in (TRAIN, TEST):
        paths = [folder / name for name in names if (folder / name).is_file()]
        if not paths:
            raise FileNotFoundError(
                f"no {names[0]} in {folder}: --data_dir is the folder that holds {FOLDER}, as torchvision leaves it. "
                "`torchvision.datasets.CIFAR10(DATA_DIR, download=True)` puts it there"
            )
        try:
            batches = [read(path) for path in paths]
        except (pickle.UnpicklingError, KeyError, ValueError, EOFError, AttributeError) as error:
            raise ValueError(f"{folder} does not hold CIFAR-10 as torchvision leaves it: {error}") from error
        splits += [np.concatenate(parts) for parts in zip(*batches, strict=True)]
    return tuple(splits)
