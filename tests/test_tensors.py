"""The reader of weight files: whatever is malformed is refused, by one exception, at once, without memory for it."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from malformed import DATA, GOOD, MALFORMED, one, raw
from mutations import EXPECTED, SOUND, mutated
from twofold.errors import RunFolderError, WeightsError
from twofold.runs.tensors import read_tensors

SPARED = 1 << 20
"""Bytes beside twice the file: what ten thousand names of small arrays take as objects."""

ARRAYS = {
    "0.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "0.weight (exp_avg)": np.full((2, 3), 0.5, np.float64),
    "1.running_var": np.ones(4, np.float16),
    "empty": np.zeros((0, 3), np.float32),
    "scalar": np.array(7, np.int64),
    "kept": np.array([True, False]),
    "pixels": np.arange(256, dtype=np.uint8).reshape(2, 128),
    "größe": np.array([1, -1], np.int16),
}


def _written(folder: Path, content: bytes) -> Path:
    path = folder / "numpy.safetensors"
    path.write_bytes(content)
    return path


def test_what_the_library_writes_is_read_bit_for_bit(tmp_path: Path) -> None:
    found = read_tensors(_written(tmp_path, save(ARRAYS, {"format": "np"})))
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape), name
        assert found[name].tobytes() == array.tobytes(), name
        assert found[name].flags.writeable, name


def test_what_another_writer_may_write_is_read(tmp_path: Path) -> None:
    sorted_and_spaced = '{"w": {"data_offsets": [0, 24], "dtype": "F32", "shape": [2, 3]}}' + " " * 63
    assert read_tensors(_written(tmp_path, raw(sorted_and_spaced)))["w"].tobytes() == DATA
    behind = (
        '{"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    )
    assert list(read_tensors(_written(tmp_path, raw(behind, DATA[:8])))) == ["a", "b"]
    assert read_tensors(_written(tmp_path, raw("{}", b""))) == {}
    most = ['"__metadata__":{}', *(f'"{{{i}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}' for i in range(10_000))]
    assert len(read_tensors(_written(tmp_path, raw("{" + ",".join(most) + "}", b"")))) == 10_000


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_file_is_refused_by_name_and_without_memory_for_it(kind: str, tmp_path: Path) -> None:
    content, message = MALFORMED[kind]
    path = _written(tmp_path, content)
    tracemalloc.start()
    try:
        with pytest.raises(RunFolderError) as caught:
            read_tensors(path)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert type(caught.value) is WeightsError
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "Nothing was loaded: the file is damaged or no safetensors file; take another copy." in str(caught.value)
    assert len(str(caught.value)) < 500
    assert most < 2 * len(content) + SPARED


def test_there_are_at_least_33_kinds_and_their_base_is_sound(tmp_path: Path) -> None:
    assert len(MALFORMED) >= 33
    assert read_tensors(_written(tmp_path, GOOD))["w"].tobytes() == DATA


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ({"w": ((2, 3), "float32")}, None),
        ({"w": ((2, 3), "float64")}, "'w' is (2, 3) of float32, the recipe's is (2, 3) of float64."),
        ({"w": ((3, 2), "float32")}, "'w' is (2, 3) of float32, the recipe's is (3, 2) of float32."),
        ({}, "'w' is (2, 3) of float32, the recipe's is missing."),
        ({"w": ((2, 3), "float32"), "b": ((2,), "float32")}, "'b' is missing, the recipe's is (2,) of float32."),
    ],
)
def test_weights_of_another_network_are_refused(expected: Any, message: str | None, tmp_path: Path) -> None:
    path = _written(tmp_path, GOOD)
    if message is None:
        assert read_tensors(path, expected)["w"].shape == (2, 3)
        return
    with pytest.raises(WeightsError) as caught:
        read_tensors(path, expected)
    assert str(caught.value).startswith(f"{path}: these weights are of another network: {message}")


def test_another_network_is_refused_before_anything_is_allocated(tmp_path: Path) -> None:
    path, size = tmp_path / "large.safetensors", 1 << 28
    head = one(b"", shape=[size // 4], data_offsets=[0, size])
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + size)  # takes no room on the disk
    tracemalloc.start()
    with pytest.raises(WeightsError, match="of another network"):
        read_tensors(path, {"w": ((3,), "float32")})
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < SPARED


def test_what_is_not_finite_is_read_where_it_may_be(tmp_path: Path) -> None:
    path = _written(tmp_path, MALFORMED["NaN"][0])
    assert np.isnan(read_tensors(path, finite=False)["w"][1, 0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no file {path}; name one that ends in .safetensors."),
        (lambda path: path.mkdir(), "{path} is no file; name one that ends in .safetensors."),
        (lambda path: os.mkfifo(path), "{path} is no file; name one that ends in .safetensors."),
    ],
    ids=["missing", "a folder", "a pipe"],
)
def test_what_is_no_file_is_refused(make: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    make(path)
    with pytest.raises(WeightsError) as caught:
        read_tensors(path)
    assert str(caught.value) == message.format(path=path)


@settings(max_examples=500, deadline=None)
@given(seed=st.integers(0, 2**63))
def test_a_mutated_file_is_refused_or_other_numbers_alone_are_read(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content, sound = mutated(seed)
    path = _written(tmp_path_factory.getbasetemp(), content)
    try:
        found = read_tensors(path, EXPECTED)
    except WeightsError:
        return
    assert sound(found)


def test_what_is_mutated_is_sound_before(tmp_path: Path) -> None:
    assert read_tensors(_written(tmp_path, SOUND), EXPECTED).keys() == EXPECTED.keys()
