"""Recurrent networks, replicas and studies against what a user of PyTorch would write, in turn in one run.

    python benchmarks/recurrent.py

A step of the palindromes (T = 20, 128 units, batch 128, RMSprop, clipped): forward, backward, clipping, update, on
batches that were drawn before. Replicas: several networks of one shape at once, over one; and, with one thread each as
in a study, over the same thing written with batched products in PyTorch. A study of 20 seeds, as `twofold study` runs
it with its processes, table and evaluations, over 20 plain PyTorch runs one after another, which evaluate nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from timing import publish, ratio, seconds, spread, table, take_turns
from torch import Tensor, nn

from twofold.data import Batches, load_data
from twofold.engine import Batch
from twofold.engine.threads import few_threads
from twofold.numpy_engine import NumpyEngine
from twofold.recipe import Recipe, load_recipe
from twofold.setup.building import build_engine, initial_state
from twofold.train.replicas import StackedBatches, stacked

ROUNDS = 7
STEPS = 60
MOONS_STEPS = 3000
REPLICAS = 10
SEEDS = 20
EPOCHS = 1500
"""The recipe's own: a study has to start its processes, however short it is."""
SEQUENCES = load_recipe("palindrome-20")
POINTS = load_recipe("moons")
STEP = ("ms a step (median)", "range")
STEP_OF_ALL = ("ms a step of all (median)", "range")


def batches(recipe: Recipe, steps: int) -> list[Batch]:
    return list(Batches(recipe, load_data(recipe.data).astype("float32").train, steps))


def engine(name: str, recipe: Recipe) -> Callable[[], float]:
    drawn = batches(recipe, STEPS)

    def measure() -> float:
        built = build_engine(name, recipe)
        built.load(initial_state(recipe.model))
        with few_threads(recipe, 1000):
            return _each(drawn, lambda batch: built.step(batch).loss)

    return measure


class Loop(nn.Module):
    """As the assignment has it."""

    def __init__(self) -> None:
        super().__init__()
        self.hx, self.hh, self.ph = nn.Linear(1, 128), nn.Linear(128, 128, bias=False), nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros(len(x), 128)
        for t in range(x.shape[1]):
            h = torch.tanh(self.hx(x[:, t]) + self.hh(h))
        return self.ph(h)


class Library(nn.Module):
    """PyTorch's own layer."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.layer, self.ph = getattr(nn, kind)(1, 128, batch_first=True), nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.ph(self.layer(x)[0][:, -1])


def plain(module: Callable[[], nn.Module]) -> Callable[[], float]:
    drawn = [(torch.from_numpy(each.x), torch.from_numpy(each.target)) for each in batches(SEQUENCES, STEPS)]

    def measure() -> float:
        model, criterion = module(), nn.CrossEntropyLoss()
        optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)

        def step(batch: tuple[Tensor, Tensor]) -> float:
            loss = criterion(model(batch[0]), batch[1])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 10.0)
            optimizer.step()
            return loss.item()

        return _each(drawn, step)

    return measure


def _each(items: Sequence[Any], step: Callable[[Any], float]) -> float:
    """Milliseconds a step, after some that warm up."""
    for item in items[:10]:
        step(item)
    return seconds(lambda: [step(item) for item in items[10:]]) / (len(items) - 10) * 1e3


# Replicas


def numpy_replicas(recipe: Recipe, count: int, steps: int) -> Callable[[], float]:
    """The training loop without its evaluations: drawing, stacking, stepping."""
    recipes = [load_recipe(recipe, {"training.seed": seed}) for seed in range(count)]
    train = load_data(recipe.data).astype("float32").train

    def measure() -> float:
        built = NumpyEngine(recipe.model, recipe.optimizer, recipe.training, replicas=count)
        built.load(stacked([initial_state(each.model) for each in recipes]))
        drawn = StackedBatches([Batches(each, train, steps) for each in recipes])

        def loop() -> None:
            for batch in drawn:
                assert np.isfinite(built.step(batch).loss).all()

        return seconds(loop) / steps * 1e3

    return measure


def numpy_lone(recipe: Recipe, steps: int) -> Callable[[], float]:
    train = load_data(recipe.data).astype("float32").train

    def measure() -> float:
        built = NumpyEngine(recipe.model, recipe.optimizer, recipe.training)
        built.load(initial_state(recipe.model))

        def loop() -> None:
            for batch in Batches(recipe, train, steps):
                assert np.isfinite(built.step(batch).loss)

        return seconds(loop) / steps * 1e3

    return measure


def one_after_another(recipe: Recipe, count: int, steps: int) -> Callable[[], float]:
    """As many lone networks: one, times their number."""
    lone = numpy_lone(recipe, steps)
    return lambda: count * lone()


class Stacked(nn.Module):
    """Several networks at once in PyTorch, with batched products: two dense layers, or a recurrent and a dense one."""

    def __init__(self, recipe: Recipe, count: int) -> None:
        super().__init__()
        shapes = recipe.network.parameters
        drawn = {name: torch.rand(count, *(size or 0 for size in shape)) * 0.1 for name, shape in shapes.items()}
        self.p = nn.ParameterDict({name.replace(".", "_"): nn.Parameter(each) for name, each in drawn.items()})
        self.recurrent = recipe.layers[0].kind == "rnn"

    def forward(self, x: Tensor) -> Tensor:
        p = self.p
        if not self.recurrent:
            h = torch.relu(torch.baddbmm(p["0_bias"][:, None], x, p["0_weight"].mT))
        else:
            h = x.new_zeros(*x.shape[:2], p["0_weight_hh"].shape[-1])
            inputs, bias = p["0_weight_ih"].mT, (p["0_bias_ih"] + p["0_bias_hh"])[:, None]
            for t in range(x.shape[2]):
                h = torch.tanh(torch.baddbmm(x[:, :, t] * inputs + bias, h, p["0_weight_hh"].mT))
        last = "1" if self.recurrent else "2"
        return torch.baddbmm(p[f"{last}_bias"][:, None], h, p[f"{last}_weight"].mT)


def torch_replicas(recipe: Recipe, count: int, steps: int) -> Callable[[], float]:
    recipes = [load_recipe(recipe, {"training.seed": seed}) for seed in range(count)]
    train = load_data(recipe.data).astype("float32").train

    def measure() -> float:
        model = Stacked(recipe, count)
        rules = {"sgd": torch.optim.SGD, "rmsprop": torch.optim.RMSprop}
        optimizer: Any = rules[recipe.optimizer.kind](model.parameters(), lr=recipe.optimizer.lr)
        drawn = StackedBatches([Batches(each, train, steps) for each in recipes])

        def loop() -> None:
            for batch in drawn:
                logits = model(torch.from_numpy(np.ascontiguousarray(batch.x)))
                target = torch.from_numpy(np.ascontiguousarray(batch.target))
                # The sum over networks of each one's mean: every network gets its own gradient.
                loss = nn.functional.cross_entropy(logits.flatten(0, 1), target.flatten()) * count
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                assert np.isfinite(loss.item())

        return seconds(loop) / steps * 1e3

    return measure


@contextmanager
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(before)


# A study


def study() -> float:
    """Seconds of the command, from nothing to its report."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "twofold", "study", "moons", "--seeds", str(SEEDS), "--out", f"{folder}/study"]
        words += ["--set", f"training.epochs={EPOCHS}", "--json"]
        started = time.perf_counter()
        done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
        assert json.loads(done.stdout)
        return time.perf_counter() - started


def plain_runs() -> float:
    """Seconds of as many runs, one after another, in one process that has imported everything."""
    train = load_data(POINTS.data).astype("float32").train
    x, y = torch.from_numpy(train.x), torch.from_numpy(train.y)

    def run(seed: int) -> None:
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(2, 20), nn.ReLU(), nn.Linear(20, 2))
        optimizer, criterion = torch.optim.SGD(model.parameters(), lr=0.01), nn.CrossEntropyLoss()
        for _ in range(EPOCHS):
            order = torch.randperm(len(x))
            for start in range(0, len(x), 32):
                chosen = order[start : start + 32]
                optimizer.zero_grad()
                criterion(model(x[chosen]), y[chosen]).backward()
                optimizer.step()

    return seconds(lambda: [run(seed) for seed in range(SEEDS)])


def _row(figures: dict[str, list[float]], name: str, *bases: str) -> list[str]:
    return [name, *spread(figures[name]), *(f"{ratio(figures, name, base):.2f}" for base in bases)]


def main() -> None:
    peers = {"plain PyTorch loop": plain(Loop), "`torch.nn.RNN`": plain(lambda: Library("RNN"))}
    ours = {"NumPy engine": engine("numpy", SEQUENCES), "torch engine": engine("torch", SEQUENCES)}
    figures = take_turns({**ours, **peers}, ROUNDS)
    parts = [
        "## A step through time\n",
        table(
            ["rnn, T = 20, 128 units, batch 128", *STEP, "over the plain loop", "over `torch.nn.RNN`"],
            [_row(figures, name, *peers) for name in figures],
        ),
    ]
    gated: dict[str, Callable[[], float]] = {}
    for kind in ("lstm", "gru"):
        recipe = load_recipe(f"palindrome-{kind}")
        gated |= {f"NumPy engine, {kind}": engine("numpy", recipe), f"torch engine, {kind}": engine("torch", recipe)}
        gated[f"`torch.nn.{kind.upper()}`"] = plain(lambda kind=kind: Library(kind.upper()))
    figures = take_turns(gated, ROUNDS)
    rows = [_row(figures, name, f"`torch.nn.{name.split()[-1].upper()}`") for name in figures if "nn." not in name]
    rows += [[name, *spread(figures[name]), "1.00"] for name in figures if "nn." in name]
    parts += ["", table(["T = 20, 128 units, batch 128", *STEP, "over `torch.nn`"], rows)]
    replicas = {"one network": numpy_lone(POINTS, MOONS_STEPS)}
    replicas |= {f"{n} replicas": numpy_replicas(POINTS, n, MOONS_STEPS) for n in (REPLICAS, 2 * REPLICAS)}
    with one_thread():
        figures = take_turns(replicas, ROUNDS)
        parts += ["", "## Replicas\n"]
        header = ["NumPy engine, `moons`, batch 32", *STEP_OF_ALL, "over one"]
        parts.append(table(header, [_row(figures, name, "one network") for name in figures]))
        rows = []
        cases = (("`moons`", POINTS, MOONS_STEPS), ("`palindrome-20`", SEQUENCES, 20))
        for what, recipe, steps in cases:
            figures = take_turns(
                {
                    "NumPy": numpy_replicas(recipe, REPLICAS, steps),
                    "NumPy, one after another": one_after_another(recipe, REPLICAS, steps),
                    "PyTorch": torch_replicas(recipe, REPLICAS, steps),
                },
                ROUNDS,
            )
            for name in figures:
                rows.append([f"{what}, {name}", *_row(figures, name, "PyTorch")[1:]])
        header = [f"{REPLICAS} replicas, one thread", *STEP_OF_ALL, "over PyTorch"]
        parts += ["", table(header, rows)]
    figures = take_turns({"the study": study, "plain PyTorch runs": plain_runs}, 1)
    parts += ["", f"## A study of {SEEDS} seeds\n"]
    header = [f"`moons`, {EPOCHS} epochs, {SEEDS} seeds", "seconds", "over the plain runs"]
    rows = [
        [name, f"{took:.3g}", f"{ratio(figures, name, 'plain PyTorch runs'):.2f}"] for name, (took,) in figures.items()
    ]
    parts.append(table(header, rows))
    publish("recurrent", "Recurrent networks, replicas and studies", "\n".join(parts))


if __name__ == "__main__":
    main()
