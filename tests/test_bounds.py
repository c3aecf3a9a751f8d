"""Numbers that no machine can do are refused at once; a training that ends far above its beginning says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import twofold
from twofold.cli.views import ended_worse
from twofold.errors import RecipeError
from twofold.recipe import load_recipe

CONV = {"kind": "conv2d", "channels": 2, "kernel": 3}
TAIL = [{"kind": "flatten"}, {"kind": "dense", "units": 10}]
TOO_LARGE: dict[str, tuple[str, dict[str, Any], str]] = {
    "steps": ("moons", {"training": {"steps": 10**30}}, "`steps`"),
    "epochs": ("moons", {"training.epochs": 10**13}, "`epochs`"),
    "batch_size": ("moons", {"training.batch_size": 2**63}, "batch_size"),
    "seed": ("moons", {"training.seed": 2**64}, "seed"),
    "units": ("moons", {"layers.0.units": 2**62}, "units"),
    "stride": ("digits", {"layers": [CONV | {"stride": 2**63}, *TAIL]}, "`stride`"),
    "stride below 2^63": ("digits", {"layers": [CONV | {"stride": 2**40}, *TAIL]}, "`stride`"),
    "padding": ("digits", {"layers": [CONV | {"padding": 2**40}, *TAIL]}, "`padding`"),
    "dilation": ("digits", {"layers": [CONV | {"dilation": 2**62}, *TAIL]}, "`dilation`"),
    "kernel": ("digits", {"layers": [CONV | {"kernel": 2**40}, *TAIL]}, "`kernel`"),
    "pooling": ("digits", {"layers": [{"kind": "max_pool2d", "kernel": 2, "stride": 2**50}, *TAIL]}, "`stride`"),
    "samples": ("moons", {"data.samples": 10**12}, "`samples`"),
}


@pytest.mark.parametrize(("name", "overrides", "named"), TOO_LARGE.values(), ids=TOO_LARGE)
def test_a_number_beyond_every_machine_is_refused(name: str, overrides: dict[str, Any], named: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(name, overrides)
    assert named in str(caught.value)
    assert len(str(caught.value)) < 2000


def test_a_training_that_ends_far_above_its_beginning_is_told(tmp_path: Path) -> None:
    adam = {"optimizer": {"kind": "adam", "lr": 1e6}, "training.epochs": 3}
    run = twofold.run("moons", overrides=adam, engines="numpy", out=tmp_path / "run")
    (line,) = ended_worse(run)
    assert line.startswith("numpy: the training loss went from 0.")
    assert "Try a smaller optimizer.lr than 1e+06" in line


def test_a_training_that_learns_is_not(moons_run: twofold.Run) -> None:
    assert ended_worse(moons_run) == []
