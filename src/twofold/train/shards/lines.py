"""Communication in a group of processes: orders as JSON, arrays as bytes, sums in the fixed tree. No pickles."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, final

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from twofold.arrays import Array
from twofold.engine.tree import added, nodes_within, owned
from twofold.errors import GroupError
from twofold.plain import Parsed
from twofold.setup.versions import code, versions

PATIENCE = timedelta(days=30)
"""A process that waits for an order may wait for an evaluation of hours. One that dies is noticed at once."""
HEAD = 1024
"""Bytes of an order that go with its length; a longer one takes a second message."""

Order = dict[str, Parsed]
"""An order: `do` says what is to be done, the other keys are its arguments."""


@final
class Lines:
    """The connections of one process to all of its group."""

    def __init__(self) -> None:
        """Join the group that torchrun has set up. Raises `GroupError` where that fails."""
        cards, local_processes = torch.cuda.device_count(), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        if cards:
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % cards)
        self._cards = cards >= local_processes and dist.is_nccl_available()
        """Whether each process has a card of its own: two on one card are refused by NCCL."""
        with lost():
            dist.init_process_group("cpu:gloo,cuda:nccl" if self._cards else "gloo", timeout=PATIENCE)
        self.rank, self.processes = dist.get_rank(), dist.get_world_size()

    def close(self) -> None:
        """Leave the group."""
        dist.destroy_process_group()

    def own(self, shards: int, rank: int | None = None) -> range:
        """The shards of a rank; of a batch with few samples a rank may have none."""
        return owned(shards, self.rank if rank is None else rank, self.processes)

    def computed(self, shards: int, rank: int | None = None) -> range:
        """The shards that a rank computes: its own; if it has none, the last one, whose sums it does not count."""
        return self.own(shards, rank) or range(shards - 1, shards)

    def order(self, order: Order) -> None:
        """Send an order to all other processes."""
        text = json.dumps(order).encode()
        head = torch.zeros(HEAD, dtype=torch.uint8)
        head[:8] = torch.frombuffer(bytearray(len(text).to_bytes(8, "little")), dtype=torch.uint8)
        first = text[: HEAD - 8]
        head[8 : 8 + len(first)] = torch.frombuffer(bytearray(first), dtype=torch.uint8)
        with lost():
            dist.broadcast(head, 0)
            if len(text) > len(first):
                dist.broadcast(torch.frombuffer(bytearray(text[len(first) :]), dtype=torch.uint8), 0)

    def ordered(self) -> Order:
        """The next order of the leading process; waits for it."""
        head = torch.zeros(HEAD, dtype=torch.uint8)
        with lost():
            dist.broadcast(head, 0)
            data = head.numpy().tobytes()
            length = int.from_bytes(data[:8], "little")
            text = data[8 : 8 + length]
            if length > len(text):
                rest = torch.zeros(length - len(text), dtype=torch.uint8)
                dist.broadcast(rest, 0)
                text += rest.numpy().tobytes()
        return json.loads(text)

    def send(self, array: Array, rank: int) -> None:
        """Send an array's bytes to one process."""
        data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        with lost():
            if data.size:
                dist.send(torch.from_numpy(data if data.flags.writeable else data.copy()), rank)

    def receive(self, dtype: str, shape: Sequence[int], rank: int) -> Array:
        """The next array from one process; waits for it."""
        array = np.empty(tuple(shape), dtype)
        with lost():
            if array.size:
                dist.recv(torch.from_numpy(array.reshape(-1).view(np.uint8)), rank)
        return array

    @torch.no_grad()
    def share(self, memory: Sequence[Array | Tensor]) -> None:
        """Write the leading process's numbers into the same memory of all others."""
        tensors = [torch.from_numpy(m) if isinstance(m, np.ndarray) else m for m in memory]
        flat = tensors[0] if len(tensors) == 1 else torch.cat([tensor.reshape(-1) for tensor in tensors])
        wire = self._wire(flat)
        with lost():
            dist.broadcast(wire, 0)
        if self.rank and (len(tensors) > 1 or wire is not flat):
            pieces = wire.split([tensor.numel() for tensor in tensors])
            for tensor, piece in zip(tensors, pieces, strict=True):
                tensor.copy_(piece.view(tensor.shape))

    def total(self, shards: int) -> Any:
        """The function that gives every process the sum over all `shards`, from the summands that each computes."""
        whole, most = range(shards), max(len(self._nodes(shards, rank)) for rank in range(self.processes))

        def total(parts: Sequence[Any]) -> Any:
            mine = self._here(parts, shards)
            first = mine[0] if mine else as_tensor(parts[0])
            stacked = torch.stack([*mine, *[torch.zeros_like(first)] * (most - len(mine))])
            wire = self._wire(stacked)
            gathered = [torch.empty_like(wire) for _ in range(self.processes)]
            with lost():
                dist.all_gather(gathered, wire)
            known = {
                node: sums.to(first.device)
                for rank in range(self.processes)
                for node, sums in zip(self._nodes(shards, rank), gathered[rank], strict=False)
            }
            return like(added(known, whole), parts[0])

        return total

    def gathered(self, parts: Sequence[Any], shards: int) -> Any:
        """The sum over all `shards`, in the leading process; `None` in the others. `parts` are those computed here."""
        mine = self._here(parts, shards)
        with lost():
            if self.rank:
                for tensor in mine:
                    dist.send(self._wire(tensor), 0)
                return None
            known = dict(zip(self._nodes(shards, 0), mine, strict=True))
            for rank in range(1, self.processes):
                for node in self._nodes(shards, rank):
                    wire = torch.empty_like(self._wire(mine[0]))
                    dist.recv(wire, rank)
                    known[node] = wire.to(mine[0].device)
        return like(added(known, range(shards)), parts[0])

    def all_versions(self) -> list[dict[str, str]]:
        """The versions that each process has, by rank; every process must call it."""
        here = {**{name: version for name, version in versions("torch").items() if name in COMPARED}, "code": code()}
        text = json.dumps(here).encode().ljust(HEAD)
        wire = torch.frombuffer(bytearray(text), dtype=torch.uint8)
        gathered = [torch.empty_like(wire) for _ in range(self.processes)]
        with lost():
            dist.all_gather(gathered, wire)
        return [json.loads(tensor.numpy().tobytes()) for tensor in gathered]

    def _nodes(self, shards: int, rank: int) -> list[range]:
        return list(nodes_within(self.own(shards, rank), range(shards)))

    def _here(self, parts: Sequence[Any], shards: int) -> list[Tensor]:
        """The sums over the nodes of the tree that are wholly in this process."""
        known = {range(s, s + 1): as_tensor(part) for s, part in zip(self.own(shards), parts, strict=False)}
        return [added(known, node) for node in self._nodes(shards, self.rank)]

    def _wire(self, tensor: Tensor) -> Tensor:
        """A tensor, contiguous, where it can be sent from: on its card, or on the processor. A copy only if need be."""
        return (tensor if self._cards else tensor.cpu()).contiguous()


COMPARED = ("twofold", "numpy", "torch")
"""Versions that decide the numbers of a training, beside the code of Twofold itself."""


def as_tensor(value: Array | Tensor) -> Tensor:
    """A value as a tensor that shares its memory."""
    return torch.from_numpy(np.ascontiguousarray(value)) if isinstance(value, np.ndarray) else value


def like(value: Tensor, model: Array | Tensor) -> Array | Tensor:
    """The tensor as an array if `model` is one, else itself."""
    return value.numpy() if isinstance(model, np.ndarray) else value


@contextmanager
def lost() -> Iterator[None]:
    """A context that turns the errors of a lost connection into `GroupError`."""
    try:
        yield
    except (RuntimeError, dist.DistError) as error:
        died = "by peer" in str(error)  # connection closed, or reset
        why = "" if died else f": {(str(error).splitlines() or [type(error).__name__])[0][:200]}"
        raise GroupError(f"another process of this training has ended{why}") from error
