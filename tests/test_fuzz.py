"""Random recipes and CSV files: a command ends with a status and a message, never with a traceback.

`TWOFOLD_FUZZ=10000` takes so many examples in place of a few.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import twofold
from twofold.errors import TrainingDivergedError, UserError

EXAMPLES = int(os.environ.get("TWOFOLD_FUZZ", "60"))
LENIENT = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))

WILD = st.one_of(
    st.integers(-3, 40),
    st.sampled_from([0.0, -1.0, 1e-3, 0.5, 1e30, float("nan"), float("inf")]),
    st.booleans(),
    st.text(max_size=4),
)
UNITS = st.one_of(st.integers(1, 6), WILD)
LAYER = st.one_of(
    st.fixed_dictionaries({"kind": st.just("dense"), "units": UNITS}),
    st.fixed_dictionaries(
        {"kind": st.sampled_from(["relu", "tanh", "flatten", "softmax", "batch_norm", "layer_norm"])}
    ),
    st.fixed_dictionaries({"kind": st.just("dropout"), "p": WILD}),
    st.fixed_dictionaries({"kind": st.just("conv2d"), "channels": UNITS, "kernel": UNITS}),
    st.dictionaries(st.sampled_from(["kind", "units", "p"]), WILD, max_size=2),
)
SOURCE = st.fixed_dictionaries(
    {"source": st.sampled_from(["moons", "blobs", "circles", "nowhere"])},
    optional={"samples": st.one_of(st.integers(2, 60), WILD), "noise": WILD, "test": WILD, "validation": WILD},
)
RECIPE = st.fixed_dictionaries(
    {
        "layers": st.lists(LAYER, max_size=3).map(lambda layers: [*layers, {"kind": "dense", "units": 2}]),
        "data": SOURCE,
        "training": st.fixed_dictionaries(
            {"steps": st.just(2), "engines": st.just(["numpy"])}, optional={"batch_size": WILD, "patience": WILD}
        ),
    },
    optional={
        "optimizer": st.fixed_dictionaries({"kind": st.sampled_from(["sgd", "adam", "none"]), "lr": WILD}),
        "loss": st.fixed_dictionaries({"kind": st.sampled_from(["cross_entropy", "mean_squared", 1])}),
    },
)
CELL = st.one_of(
    st.integers(-9, 9).map(str),
    st.sampled_from(["", "nan", "1e30", "1e308", "a", '"', "1,5", "ß", "\0"]),
    st.text(max_size=3),
)
CSV = """
layers = [{ kind = "dense", units = 2 }]
data = { source = "csv", path = "data.csv", label = "y" }
training = { steps = 2, engines = ["numpy"] }
"""


def _tried(recipe: Path) -> None:
    """Train it: it succeeds, or ends in one of the errors that a command turns into status 2 or 1."""
    try:
        run = twofold.run(recipe, out=recipe.parent / "run")
    except (UserError, TrainingDivergedError):
        return
    assert all(result["train_loss"] == result["train_loss"] for result in run.engines.values())


@LENIENT
@given(content=RECIPE)
def test_a_random_recipe_ends_in_a_status(content: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.toml")
        path.write_text(tomli_w.dumps(content), "utf-8", errors="replace")
        _tried(path)


@LENIENT
@given(rows=st.lists(st.lists(CELL, min_size=2, max_size=3), max_size=25), sound=st.booleans())
def test_a_random_table_ends_in_a_status(rows: list[list[str]], sound: bool) -> None:
    rows = [[str(i % 5), *row[:1], "ab"[i % 2]] if sound else row for i, row in enumerate(rows)]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "data.csv").write_text(
            "\n".join(map(",".join, [["x", "z", "y"], *rows])), "utf-8", errors="replace"
        )
        path = Path(folder, "a.toml")
        path.write_text(CSV)
        _tried(path)
