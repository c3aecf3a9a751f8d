"""The work of a process of rank 1 or more: it is sent weights and shards, gives back sums, and writes nothing."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import final

import numpy as np
from threadpoolctl import threadpool_limits

from twofold.arrays import Array
from twofold.engine import Batch, Scaling
from twofold.engine.shards import ShardedEngine, ShardEngine, Whole
from twofold.engine.tree import cut
from twofold.interrupts import Handler
from twofold.recipe.files import loads
from twofold.setup.building import training_engine
from twofold.train.shards.lines import Lines, Order


def follow() -> Path | None:
    """Do what the leading process says until it ends; the folder of its run, where it has one.

    Raises `GroupError` where that process is lost. Ctrl-C in a terminal reaches every process: the leading one answers
    it, and this one ends with it.
    """
    before = dict[int, Handler]()
    if threading.current_thread() is threading.main_thread():
        answers = {signal.SIGINT: signal.SIG_IGN, signal.SIGTERM: signal.SIG_DFL}
        before = {number: signal.signal(number, answer) for number, answer in answers.items()}
    try:
        with np.errstate(all="ignore"):  # overflow is found in the loss
            return _Follower(Lines()).obey()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@final
class _Follower:
    """Carries out the leading process's orders; holds the engines built so far, and the outputs of the last pass."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        lines.all_versions()
        self._engines: dict[str, ShardEngine] = {}
        self._outputs: list[list[Array]] = []

    def obey(self) -> Path | None:
        """Carry out orders until the last one, with one thread, as the leading process does. Returns the folder."""
        while True:
            order = self.lines.ordered()
            match order["do"]:
                case "end":
                    self.lines.close()
                    return Path(order["folder"]) if order["folder"] else None
                case "build":
                    self._build(order)
                case "pass":
                    with threadpool_limits(1):
                        self._pass(self._engines[order["engine"]], order)
                case "predict":
                    with threadpool_limits(1):
                        self._predict(self._engines[order["engine"]], order)
                case "outputs":
                    for shard in self._outputs:
                        for output in shard:
                            self.lines.send(output, 0)

    def _build(self, order: Order) -> None:
        recipe = loads(order["recipe"])
        engine = training_engine(order["engine"], recipe)
        assert isinstance(engine, ShardedEngine)
        self._shards = engine.shards
        self._engines[order["engine"]] = engine.inner

    def _pass(self, engine: ShardEngine, order: Order) -> None:
        lines, way, whole = self.lines, engine.shards, Whole(*order["whole"])
        parts = cut(whole.samples, self._shards)
        count = len(parts)
        lines.share(way.memory(averaged=False))
        shards = [self._shard(parts[index], order) for index in lines.computed(count)]
        passed = way.forward_back(shards, whole, lines.total(count))
        self._outputs = [[*map(way.as_array, shard)] for shard in passed.outputs][: len(lines.own(count))]
        lines.gathered(passed.vectors, count)

    def _shard(self, part: slice, order: Order) -> Batch:
        """One shard, in the order in which the leading process sends its arrays."""
        size = part.stop - part.start

        def rows(dtype: str, shape: list[int]) -> Array:
            return self.lines.receive(dtype, (size, *shape), 0)

        x, target = rows(*order["x"]), rows(*order["target"])
        weight = rows(*order["weight"]) if "weight" in order else None
        masks = {name: rows(*form) for name, form in order["masks"].items()}
        scaling = [self.lines.receive(dtype, shape, 0) for dtype, shape in order["scaling"]]
        return Batch(x, target, 0.0, masks, 0, 0.0, Scaling(*scaling) if scaling else None, weight)

    def _predict(self, engine: ShardEngine, order: Order) -> None:
        lines, parts = self.lines, cut(order["samples"], self._shards)
        lines.share(engine.shards.memory(averaged=True))
        dtype, shape = order["x"]
        own = [parts[index] for index in lines.own(len(parts))]
        xs = [lines.receive(dtype, (part.stop - part.start, *shape), 0) for part in own]
        for x in xs:
            lines.send(engine.predict(x), 0)
