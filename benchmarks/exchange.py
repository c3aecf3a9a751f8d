"""Every built-in recipe as ONNX, in both engines, against onnxruntime; and as scripts: how close, how long.

python benchmarks/exchange.py
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

import twofold
from twofold.arrays import Array
from twofold.exchange.exporting import Network, network_of
from twofold.exchange.onnx.writing import onnx_model
from twofold.recipe import titles
from twofold.setup.building import build_engine, state_of

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "exchange.md"
LINES: list[str] = []
HEAD = """# Models in and out

Written by `python benchmarks/exchange.py`. A gap is the largest difference of two answers, over the largest answer
where that is above 1, in 32 bits, on random samples with initial weights; in the third column that of onnxruntime's
32 bits and NumPy's 64, with the same weights. No recipe may have more than 1e-6.

| recipe | onnxruntime, NumPy | onnxruntime, PyTorch | onnxruntime, 64 bits | ONNX written, s | scripts written, s |
| --- | --- | --- | --- | --- | --- |"""
MOST = 1e-6
"""The largest gap that an exported network may have."""
RUNS: dict[str, dict[str, Any]] = {
    "moons": {"training.epochs": 5},
    "moons-adam": {"training.epochs": 20},
    "digits": {"training.epochs": 3},
    "palindrome": {"training.steps": 20},
    "palindrome-long": {"training.steps": 10},
    "palindrome-lstm": {"training.steps": 10},
    "palindrome-gru": {"training.steps": 10},
    "text-lstm": {"training.steps": 20},
    "mnist-mlp-2000": {"training.epochs": 1},
    "mnist-mlp-best": {"training.epochs": 1, "data.samples": 500},
    "mnist-lenet": {"training.epochs": 1, "data.samples": 500},
    "mnist-lenet-best": {"training.epochs": 1, "data.samples": 500, "training.autocast": "none"},
}
SCRIPTS = """
Runs whose scripts were then run, each on one thread: what they said of the weights at the end.

| recipe | NumPy | PyTorch |
| --- | --- | --- |"""


def main() -> None:
    """Both tables; ends with status 1 where a gap or a run is not as it must be."""
    _say(HEAD)
    wrong = [name for name in titles() if not _row(name)]
    _say(SCRIPTS)
    wrong += [name for name, short in RUNS.items() if not _ran(name, short)]
    if wrong:
        sys.exit(f"not as they must be: {', '.join(wrong)}")
    PAGE.write_text("\n".join(LINES) + "\n", "utf-8")


def _say(text: str) -> None:
    LINES.append(text)
    print(text, flush=True)


def _row(name: str) -> bool:
    recipe = twofold.load_recipe(name)
    if getattr(recipe.layers[0], "whitens", False):  # it would look at the images
        recipe = twofold.load_recipe(recipe, {"layers.0.initial": "recipe"})
    gaps = {}
    seconds = 0.0
    for engine in ("numpy", "torch"):
        network = network_of(recipe, engine)
        x, y = network.vector()
        start = time.perf_counter()
        text = onnx_model(network.recipe, network.weights, vector=(x, y)).SerializeToString()
        seconds = time.perf_counter() - start
        (theirs,) = onnxruntime.InferenceSession(text).run(None, {"input": x})
        gaps[engine] = _gap(theirs, y)
        gaps["64 bits"] = max(gaps.get("64 bits", 0.0), _gap(theirs, _in_double(network, x)))
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        twofold.eject(recipe, Path(folder) / "out", samples=False)
        ejected = time.perf_counter() - start
    shown = " | ".join(f"{gaps[column]:.1e}" for column in ("numpy", "torch", "64 bits"))
    _say(f"| `{name}` | {shown} | {seconds:.2f} | {ejected:.2f} |")
    return max(gaps.values()) <= MOST


def _gap(a: object, b: Array) -> float:
    """The largest difference, over the largest answer where that is above 1."""
    return float(np.abs(np.asarray(a, float) - b).max() / max(1.0, np.abs(b).max()))


def _in_double(network: Network, x: Array) -> Array:
    """What the NumPy engine gives of the same weights in 64 bits."""
    recipe = twofold.load_recipe(network.recipe, {"training.dtype": "float64", "training.autocast": "none"})
    engine = build_engine("numpy", recipe)
    engine.load(state_of({name: array.astype(float) for name, array in network.weights.items()}, recipe.network))
    return engine.predict(x.astype(float))


def _ran(name: str, short: dict[str, Any]) -> bool:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    verdicts = []
    with tempfile.TemporaryDirectory() as folder:
        run = twofold.run(name, overrides={**short, "training.engines": ["numpy", "torch"]}, out=Path(folder) / "run")
        scripts = twofold.eject(run, Path(folder) / "out", samples=True)
        for engine in ("numpy", "torch"):
            command = [sys.executable, f"train_{engine}.py"]
            ran = subprocess.run(command, cwd=scripts, env=environment, capture_output=True, text=True, check=False)
            verdicts.append((ran.stdout.splitlines() or ["it failed"])[-1])
    _say(f"| `{name}` | {verdicts[0]} | {verdicts[1]} |")
    return verdicts == ["the same run, to the last bit"] * 2


if __name__ == "__main__":
    main()
