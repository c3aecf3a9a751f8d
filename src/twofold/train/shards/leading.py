"""The process of rank 0: it trains as it would alone, and hands the shards of each batch out."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Self, final

import numpy as np

from twofold.arrays import Array
from twofold.engine import Batch, Pass
from twofold.engine.shards import ShardedPass, ShardEngine, Whole, joined, shards_of
from twofold.engine.tree import cut
from twofold.errors import GroupError, UserError
from twofold.recipe import Recipe
from twofold.recipe.files import dump
from twofold.train.shards import check_processes
from twofold.train.shards.lines import Lines, Order


@final
class Leading:
    """The group of several processes, as the one of rank 0 uses it. See `twofold.engine.shards.Group`."""

    def __init__(self, lines: Lines) -> None:
        self.processes = lines.processes
        self._recipe = ""
        self._folder = ""
        self._lines = lines
        self._built = set[str]()
        self._last: weakref.ref[ShardedPass] | None = None

    @classmethod
    @contextmanager
    def beginning(cls) -> Iterator[Self]:
        """A context with the group, which ends with it. Raises `UserError` where a process has other versions."""
        lines = Lines()
        group = cls(lines)
        try:
            _check_versions(lines)
            yield group
        finally:
            with suppress(GroupError):
                lines.order({"do": "end", "folder": group._folder})
            lines.close()

    def begin(self, recipe: Recipe) -> None:
        """See `Group`."""
        check_processes(recipe, self.processes)
        self._recipe = dump(recipe)

    def end(self, folder: Path) -> None:
        """See `Group`."""
        self._folder = str(folder.resolve())

    def gradients(self, engine: ShardEngine, batch: Batch, shards: int) -> Pass:
        """See `Group`."""
        if self._last and (last := self._last()):
            last.collect()  # somebody still looks at it, and the others forget it now
        parts, lines = shards_of(batch, shards), self._lines
        way, count = engine.shards, len(parts)
        whole = Whole(len(batch.target), way.terms(batch))
        self._order(engine, {"do": "pass", "whole": whole, **_forms(batch)})
        lines.share(way.memory(averaged=False))
        for rank in range(1, lines.processes):
            for index in lines.computed(count, rank):
                for array in _arrays(parts[index]):
                    lines.send(array, rank)
        passed = way.forward_back([parts[index] for index in lines.own(count)], whole, lines.total(count))
        vector = lines.gathered(passed.vectors, count)
        here = [[*map(way.as_array, shard)] for shard in passed.outputs]
        sharded = ShardedPass(way.whole_pass(vector, passed), partial(self._outputs, here, whole.samples, count))
        self._last = weakref.ref(sharded)
        return sharded

    def predict(self, engine: ShardEngine, x: Array, shards: int) -> Array:
        """See `Group`."""
        parts, lines = cut(len(x), shards), self._lines
        self._order(engine, {"do": "predict", "samples": len(x), "x": [str(x.dtype), x.shape[1:]]})
        lines.share(engine.shards.memory(averaged=True))
        owns = [lines.own(len(parts), rank) for rank in range(lines.processes)]
        for rank, own in enumerate(owns[1:], 1):
            for index in own:
                lines.send(x[parts[index]], rank)
        logits = [engine.predict(x[parts[index]]) for index in owns[0]]
        dtype, shape = str(logits[0].dtype), logits[0].shape[1:]
        for rank, own in enumerate(owns[1:], 1):
            for index in own:
                part = parts[index]
                logits.append(lines.receive(dtype, (part.stop - part.start, *shape), rank))
        return np.concatenate(logits)

    def _outputs(self, here: list[list[Array]], samples: int, count: int) -> list[Array]:
        """Every layer's outputs of the whole batch."""
        lines, parts = self._lines, cut(samples, count)
        lines.order({"do": "outputs"})
        outputs = list(here)
        for rank in range(1, lines.processes):
            for index in lines.own(count, rank):
                size = parts[index].stop - parts[index].start
                outputs.append([lines.receive(str(y.dtype), (size, *y.shape[1:]), rank) for y in here[0]])
        return joined(outputs)

    def _order(self, engine: ShardEngine, order: Order) -> None:
        """Send an order for an engine to the others, which build the engine when they first hear of it."""
        if engine.name not in self._built:
            self._built.add(engine.name)
            self._lines.order({"do": "build", "engine": engine.name, "recipe": self._recipe})
        self._lines.order({**order, "engine": engine.name})


def _forms(batch: Batch) -> Order:
    """Type and shape, without the samples, of every array that goes with a shard."""
    rows = {"x": batch.x, "target": batch.target}
    if batch.weight is not None:
        rows["weight"] = batch.weight
    return {
        **{name: [str(array.dtype), array.shape[1:]] for name, array in rows.items()},
        "masks": {name: [str(mask.dtype), mask.shape[1:]] for name, mask in batch.masks.items()},
        "scaling": [[str(part.dtype), part.shape] for part in batch.scaling or ()],
    }


def _arrays(shard: Batch) -> Iterator[Array]:
    """The arrays of a shard, in the order in which the other process reads them."""
    yield from (shard.x, shard.target)
    if shard.weight is not None:
        yield shard.weight
    yield from shard.masks.values()
    yield from shard.scaling or ()


def _check_versions(lines: Lines) -> None:
    """Raises `UserError` where a process has other versions than this one: its numbers may differ."""
    mine, *others = lines.all_versions()
    for rank, versions in enumerate(others, 1):
        for name, wanted in mine.items():
            if (installed := versions.get(name)) != wanted:
                what = "another code of Twofold" if name == "code" else f"{name} {installed}"
                here = wanted[:12] if name == "code" else f"{name} {wanted}"
                raise UserError(
                    f"the process of rank {rank} has {what}, that of rank 0 has {here}: their numbers may differ. "
                    "Install the same on both"
                )
