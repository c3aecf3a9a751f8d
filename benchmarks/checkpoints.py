"""What a checkpoint every 100 steps costs the training of the reduced VGG network, with Adam's moments.

    TWOFOLD_DATA=... python benchmarks/checkpoints.py

The 50 steps after a checkpoint, in which it is copied and written, are compared with the 50 before the next one, in
which nothing is: what is more is the cost of that checkpoint. Beside it what a user would write: `torch.save` of the
same tensors, brought to the disk, while training waits.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from timing import elsewhere, publish, seconds, table, tell

RECIPE, EVERY = "cifar10-vgg-bn", 100
STEPS = {32: 800, 128: 500}


def _recipe(batch: int, steps: int) -> Any:
    from twofold.recipe import load_recipe

    training = {"epochs": None, "steps": steps, "batch_size": batch, "evaluate_every": steps, "evaluate_samples": 100}
    return load_recipe(RECIPE, {f"training.{name}": value for name, value in training.items()})


def _times(batch: int, steps: int, every: int | None) -> list[float]:
    """When each step of a run ended; it is evaluated on few samples."""
    from twofold.data import load_data
    from twofold.engine.threads import few_threads
    from twofold.runs import Beginning, RunWriter
    from twofold.setup.building import build_engine
    from twofold.setup.events import warn_of_notes
    from twofold.train.circumstances import circumstances
    from twofold.train.running import facts_of
    from twofold.train.session import Session, train_engine

    recipe = _recipe(batch, steps)
    dataset = load_data(recipe.data).astype("float32")
    dataset = replace(dataset, test=dataset.test[:100])
    engine, ended = build_engine("torch", recipe), list[float]()
    step = engine.step

    def timed(batch: Any) -> Any:
        done = step(batch)
        _ = done.loss  # waits for the device
        ended.append(time.perf_counter())
        return done

    engine.step = timed
    with tempfile.TemporaryDirectory() as room, few_threads(recipe, len(dataset.train)):
        beginning = Beginning(data=facts_of(recipe, dataset), circumstances=circumstances({}), checkpoint_every=every)
        writer = RunWriter(Path(room), recipe, beginning)
        train_engine("torch", engine, Session(recipe, dataset, writer, warn_of_notes))
        writer.finish("finished")
    return ended


def measure(batch: int) -> dict[str, float]:
    """The cost of a checkpoint and of `torch.save`, seconds; the time of 100 steps without one."""
    ended, half = _times(batch, STEPS[batch], EVERY), EVERY // 2
    spans = [ended[step + half - 1] - ended[step - 1] for step in range(EVERY, STEPS[batch] - half + 1, half)]
    written, plain = spans[0::2], spans[1::2]
    cost = median(after - before for after, before in zip(written, plain, strict=False))
    return {"cost": cost, "plain": 2 * median(plain), "saved": median(_saved() for _ in range(5))}


def _saved() -> float:
    import torch

    from twofold.setup.building import build_engine, initial_state

    recipe = _recipe(32, 1)
    engine = build_engine("torch", recipe)
    engine.load(initial_state(recipe.model))
    tensors = {name: torch.from_numpy(array.copy()) for name, array in engine.state().arrays().items()}

    def save() -> None:
        with tempfile.TemporaryFile() as file:
            torch.save(tensors, file)
            file.flush()
            os.fsync(file.fileno())

    return seconds(save)


def held(batch: int, every: int | None) -> None:
    """In a process of its own: the most memory of a short run."""
    _times(batch, 30, every)
    tell(0.0)


def main() -> None:
    rows = []
    for batch in STEPS:
        found = elsewhere(__file__, "cost", str(batch))
        memory = {every: elsewhere(__file__, "memory", str(batch), every)["memory"] for every in ("", "10")}
        rows.append(
            [
                f"{batch}", f"{found['plain']:.1f}", f"{found['cost']:.2f}", f"{found['cost'] / found['plain']:.2%}",
                f"{found['saved']:.2f}", f"{found['saved'] / found['plain']:.2%}", f"{memory['10'] - memory['']:.0f}",
            ]
        )  # fmt: skip
    columns = [
        f"`{RECIPE}`, batch", "100 steps, s", "a checkpoint, s", "its share", "`torch.save` and fsync, s", "its share",
        "memory for checkpoints, MiB",
    ]  # fmt: skip
    text = (
        f"{table(columns, rows)}\n\nA checkpoint holds 9 million parameters, both moments of Adam and the running "
        "statistics; it is copied, then written by a thread beside the training, brought to the disk, read back and "
        "checked. Medians over the checkpoints of a run, a share below 0 being less than the machine's noise; "
        "`torch.save` writes the same tensors, unchecked."
    )
    publish("checkpoints", "What checkpoints cost", text)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["cost", batch]:
            print(json.dumps(measure(int(batch))))
        case ["memory", batch, every]:
            held(int(batch), int(every) if every else None)
        case _:
            main()
