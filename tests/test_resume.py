"""Exact resume: whatever the moment at which a run is killed, it ends with the bytes of the run that was not."""

from __future__ import annotations

import numpy as np
import pytest

from cases import assert_bits, dense, recipe
from twofold.api.building import build_engine, initial_state
from twofold.arrays import Array
from twofold.engine import Batch

# Where a batch lies


def placed(a: Array, offset: int) -> Array:
    """The same numbers, so many bytes behind a multiple of 64."""
    memory = np.empty(a.nbytes + 128, np.uint8)
    start = -memory.ctypes.data % 64 + offset
    there = memory[start : start + a.nbytes].view(a.dtype).reshape(a.shape)
    there[...] = a
    return there


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_where_a_batch_lies_in_memory_changes_no_bit(engine: str) -> None:
    """A run that goes on gathers its batches elsewhere. PyTorch's products begin at whatever is aligned."""
    for samples, units, seed in [(5, 11, 0), (29, 7, 1), (31, 13, 2), (37, 17, 3)]:
        built = recipe([dense(units), dense(3)], inputs=53, training={"seed": seed, "dtype": "float32"})
        x = np.random.default_rng(seed).standard_normal((samples, 53), dtype=np.float32)
        states = []
        for offset in (0, 4, 16, 40):
            trained = build_engine(engine, built)
            trained.load(initial_state(built))
            trained.step(Batch(placed(x, offset), np.arange(samples) % 2, 0.1, {}, 0))
            states.append(trained.state().arrays() | {"logits": trained.predict(placed(x, offset))})
        for state in states[1:]:
            assert_bits(states[0], state)
