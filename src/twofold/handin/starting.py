"""The file that `twofold handin --init` writes: the assignment's three parts, to be filled in."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from twofold.errors import UserError
from twofold.printable import one_line

START = '''# One document for the whole assignment. `twofold handin {name}` trains what is missing, writes report.html
# and report.pdf, and packs NUMBER_assignment2.zip. Every text is Markdown and yours to write; a text may also be the
# name of a file, "introduction.md". What is trained is kept under handin/ and not trained again.

title = "Assignment 2"
assignment = "assignment2"     # the ZIP file is called NUMBER_assignment2.zip
course = ""

[student]
name = "Your Name"
number = "12345678"

# Part I ---------------------------------------------------------------------------------------------------------------

[[part]]
title = "Multilayer perceptrons, by hand and in PyTorch"
recipes = ["moons", "circles"]          # `twofold list` shows all; a file of your own may stand here too
runs = []                               # folders of runs that you have already: ["runs/moons-1"]

[part.text]
introduction = """
What the task was, in your own words.
"""
structure = ""                          # beside the tables of layers, shapes and parameters
procedure = ""                          # beside the walk of one batch forward and back
results = ""                            # beside the curves and the comparison of the runs
analysis = ""                           # beside what was measured of the training
conclusion = """
What you take from it.
"""

# Part II --------------------------------------------------------------------------------------------------------------

[[part]]
title = "A convolutional network on CIFAR-10"
recipes = ["cifar10-vgg"]               # 15 epochs: one to two hours on two cores
# set = {{ "training.steps" = 500, "training.evaluate_every" = 100 }}   # shorter

[part.text]
introduction = ""
conclusion = ""

# Part III -------------------------------------------------------------------------------------------------------------

[[part]]
title = "A recurrent network on palindromes"
recipes = ["palindrome", "palindrome-20"]
studies = []                            # ["palindrome-lengths"]: accuracy against length, 20 to 40 minutes

[part.text]
introduction = ""
conclusion = ""
'''


def write_start(path: str | Path) -> Path:
    """Write the file to begin with. Raises `UserError` for one that is there, and where it cannot be written."""
    path = Path(path)
    if path.suffix != ".toml":
        raise UserError(f"a hand-in is described by a file that ends in .toml; got {path}")
    if path.exists():
        raise UserError(f"{path} is there already; `twofold handin {quote(str(path))}` makes the document")
    try:
        path.write_bytes(START.format(name=one_line(quote(str(path)))).encode())  # a name may be no UTF-8
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
    return path
