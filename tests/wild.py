"""Recipes and CSV files drawn at random, and the command line that is given them.

`tests/test_fuzz.py` takes a few, `benchmarks/fuzz.py` ten thousand recipes and as many tables.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import re
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import tomli_w
from hypothesis import strategies as st

from twofold.cli import main
from twofold.recipe.files import builtin

WILD = st.one_of(
    st.integers(-3, 40),
    st.sampled_from([0.0, -1.0, 1e-3, 0.5, 1e30, 1e308, float("nan"), float("inf"), 2**31, 2**63, 10**30]),
    st.booleans(),
    st.text(max_size=4),
    st.lists(st.integers(-1, 3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(-1, 3), max_size=2),
)
UNITS = st.one_of(st.integers(1, 6), WILD)
LAYER = st.one_of(
    st.fixed_dictionaries({"kind": st.just("dense"), "units": UNITS}),
    st.fixed_dictionaries(
        {"kind": st.sampled_from(["relu", "tanh", "flatten", "softmax", "batch_norm", "layer_norm", "max_pool2d"])}
    ),
    st.fixed_dictionaries({"kind": st.just("dropout"), "p": WILD}),
    st.fixed_dictionaries({"kind": st.just("conv2d"), "channels": UNITS, "kernel": UNITS}),
    st.fixed_dictionaries({"kind": st.sampled_from(["rnn", "lstm", "gru", "embedding"]), "units": UNITS}),
    st.dictionaries(st.sampled_from(["kind", "units", "p"]), WILD, max_size=2),
)
SOURCE = st.fixed_dictionaries(
    {"source": st.sampled_from(["moons", "blobs", "circles", "nowhere"])},
    optional={"samples": st.one_of(st.integers(2, 60), WILD), "noise": WILD, "test": WILD, "validation": WILD},
)
RECIPES = st.fixed_dictionaries(
    {
        "layers": st.lists(LAYER, max_size=3).map(lambda layers: [*layers, {"kind": "dense", "units": 2}]),
        "data": SOURCE,
        "training": st.fixed_dictionaries(
            {"steps": st.just(2)}, optional={"batch_size": WILD, "patience": WILD, "ema": WILD, "keep": WILD}
        ),
    },
    optional={
        "optimizer": st.fixed_dictionaries({"kind": st.sampled_from(["sgd", "adam", "none"]), "lr": WILD}),
        "loss": st.fixed_dictionaries({"kind": st.sampled_from(["cross_entropy", "mean_squared", 1])}),
        "schedule": st.fixed_dictionaries({"kind": st.sampled_from(["constant", "step", "cosine"])}),
        "initial": st.dictionaries(st.sampled_from(["kind", "std", "gain"]), WILD, max_size=2),
    },
).map(lambda content: tomli_w.dumps(content).encode("utf-8", "replace"))

DRAWN = (
    "moons",
    "moons-adam",
    "blobs",
    "circles",
    "classification",
    "palindrome-4",
    "palindrome-gru",
    "palindrome-lstm",
)
"""Built-in recipes that need no images, so that what is made of them can be trained in no time."""
VALUES = st.sampled_from(
    [
        *("0", "1", "-1", "2", "7", "0.5", "-0.0", "1e30", "1e-30", "nan", "inf", "99999999999999999999", "0x10"),
        *("true", "false", "1979-05-27", '""', '"adam"', '"relu"', '"ß"', "'''x'''", '"../../etc/passwd"', '"\\u0000"'),
        *("[]", "[1]", "[1,2]", "[[]]", "{}", "{a=1}", '{kind="relu"}'),
    ]
)


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    """The text of a built-in recipe after one to four faults."""
    lines = builtin()[draw(st.sampled_from(DRAWN))].splitlines()
    for _ in range(draw(st.integers(1, 4))):
        at, other = (draw(st.integers(0, max(len(lines) - 1, 0))) for _ in range(2))
        line = lines[at] if lines else ""
        match draw(st.sampled_from(["delete", "double", "swap", "value", "key", "character", "insert"])):
            case "delete":
                del lines[at : at + draw(st.integers(1, 3))]
            case "double":
                lines[at:at] = lines[other : other + draw(st.integers(1, 3))]
            case "swap" if lines:
                lines[at], lines[other] = lines[other], line
            case "value" if lines:
                lines[at] = re.sub(r"(?<== ).*|(?<== )[\w.\"]+", lambda _: draw(VALUES), line, count=1)
            case "key" if lines:
                lines[at] = re.sub(
                    r"\w+", lambda _: draw(st.sampled_from(["kind", "units", "lr", "seed", "x"])), line, count=1
                )
            case "character" if lines:
                where = draw(st.integers(0, len(line)))
                lines[at] = line[:where] + draw(st.text(max_size=2)) + line[where + draw(st.integers(0, 2)) :]
            case _:
                lines.insert(at, draw(st.text(max_size=8)))
    return "\n".join(lines).encode("utf-8", "replace")


CELL = st.one_of(
    st.integers(-9, 9).map(str),
    st.sampled_from(
        ["", "nan", "1e30", "-1e308", "1e999", "a", '"', '""', '"a', "1,5", "ß", "\0", "0x1", "1_0", "١", " "]
    ),
    st.text(max_size=3),
)
HEADERS = st.one_of(
    st.just(["x", "z", "y"]),
    st.sampled_from(
        [["y"], ["x", "y"], ["x", "x", "y"], ["y", "y", "y"], ["x", "", "y"], ["x", "z", "Y"], [], ['"x', "y"]]
    ),
    st.lists(st.text(max_size=3), max_size=4),
)
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "utf-7")


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """A CSV file: half of them sound but for a few cells, the others of any cells; then bytes of some encoding."""
    header, count = draw(HEADERS), draw(st.integers(0, 30))
    if draw(st.booleans()):
        header, rows = ["x", "z", "y"], [[str(i % 5), str(i * 0.5), "ab"[i % 2]] for i in range(count)]
        for _ in range(draw(st.integers(0, 2)) if rows else 0):
            rows[draw(st.integers(0, count - 1))][draw(st.integers(0, 2))] = draw(CELL)
    else:
        rows = draw(st.lists(st.lists(CELL, max_size=4), max_size=count))
    between, end = draw(st.sampled_from([",", ",", ",", ";", "\t"])), draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    text = end.join(map(between.join, [header, *rows])) + draw(st.sampled_from(["", end, '"', "\x1a"]))
    content = text.encode(draw(st.sampled_from(["utf-8", *ENCODINGS])), "replace")
    before, behind = draw(
        st.sampled_from([(b"", b"")] * 6 + [(codecs.BOM_UTF8, b""), (b"\xff\xfe", b""), (b"", b"\xff\0")])
    )
    return before + content + behind


OF_A_TABLE = b"""layers = [{ kind = "dense", units = 2 }]
data = { source = "csv", path = "data.csv", label = "y" }
training = { steps = 2 }
"""


class Ended(NamedTuple):
    """How a command ended; `error` is an exception that came out of it, which none may."""

    status: int | None
    said: str
    error: BaseException | None

    @property
    def fault(self) -> str:
        """What should not be; empty where all is well.

        A status other than 0 comes with a message; 1 is a diverged training's.
        """
        if self.error is not None:
            return f"{type(self.error).__name__}: {self.error}"
        if self.status not in (0, 1, 2):
            return f"status {self.status}"
        if self.status and not self.said.strip():
            return f"status {self.status} and no message"
        if self.status == 1 and "the loss" not in self.said:
            return f"status 1 that is no diverged training's: {self.said}"
        return "a traceback or a warning" if re.search(r"Traceback|Warning:", self.said) else ""


def commanded(*words: str) -> Ended:
    """The command line in this process."""
    out, err, status, error = io.StringIO(), io.StringIO(), 0, None
    with (
        mock.patch.object(sys, "argv", ["twofold", *words]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as exit_:
            status = exit_.code if isinstance(exit_.code, int) else 0 if exit_.code is None else None
        except Exception as raised:  # what it is, is the result
            error = raised
    return Ended(status, err.getvalue(), error)


SMALL = ("--engine", "numpy", "--quiet", "--set", "training.steps=2")


def shown(recipe: bytes) -> Ended:
    """`twofold show` of it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.toml")
        path.write_bytes(recipe)
        return commanded("show", str(path))


def trained(recipe: bytes, table: bytes | None = None) -> Ended:
    """`twofold run` of it, two steps by the NumPy engine; a table lies beside it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.toml")
        path.write_bytes(recipe)
        if table is not None:
            Path(folder, "data.csv").write_bytes(table)
        return commanded("run", str(path), "--out", f"{folder}/run", *SMALL)
