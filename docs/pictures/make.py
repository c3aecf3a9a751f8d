"""The README's pictures, taken from the report of a run of the moons: python docs/pictures/make.py."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import twofold

PICTURES = {
    "moons-numpy.svg": "The points by class and split and the decision boundary of NumPy",
    "moons-torch.svg": "The points by class and split and the decision boundary of PyTorch",
}


def main() -> None:
    """Train, write the report, and keep two of its figures."""
    with tempfile.TemporaryDirectory() as folder:
        page = twofold.write_report(twofold.run("moons", out=folder)).read_text("utf-8")
    for name, label in PICTURES.items():
        (figure,) = re.findall(rf'<svg[^>]*aria-label="{re.escape(label)}".*?</svg>', page, re.DOTALL)
        (Path(__file__).parent / name).write_text(figure, "utf-8")


if __name__ == "__main__":
    main()
