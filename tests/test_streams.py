"""Randomness as a function of position."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from twofold.streams import stream

POSITIONS = [
    (seed, purpose, index)
    for seed in (0, 1, 2**40)
    for purpose in ("shuffle", "dropout 3", "dropout 31")
    for index in (0, 1, 2, 10**6)
]


def test_a_position_gives_the_same_numbers_whatever_was_drawn_before() -> None:
    expected = stream(3, "shuffle", 7).normal(size=5)
    stream(3, "shuffle", 6).normal(size=1000)
    stream(3, "shuffle", 7).normal(size=1000)
    np.testing.assert_array_equal(stream(3, "shuffle", 7).normal(size=5), expected)


def test_positions_share_no_number() -> None:
    drawn = [stream(*position).bit_generator.random_raw(64).tolist() for position in POSITIONS]
    numbers = list(itertools.chain.from_iterable(drawn))
    assert len(set(numbers)) == len(numbers)


def test_positions_are_independent() -> None:
    """The correlation of 4,000 pairs is within 5 / √4000, for each pair of positions."""
    drawn = np.stack([stream(*position).normal(size=4000) for position in POSITIONS])
    correlation = np.corrcoef(drawn) - np.eye(len(POSITIONS))
    assert np.abs(correlation).max() < 5 / np.sqrt(4000)


def test_index_0_is_the_default() -> None:
    assert stream(5, "initial 0").random() == stream(5, "initial 0", 0).random()


@pytest.mark.parametrize(
    ("position", "raw", "uniform", "normal", "order"),
    [
        (
            (0, "shuffle", 0),
            17340659442217360762,
            0.9400390319791668,
            -0.7777801986910239,
            [5, 1, 0, 4, 3, 2],
        ),
        ((0, "shuffle", 1), 6503898113309370021, 0.35257702320371953, 1.47652451448417, [4, 3, 0, 1, 2, 5]),
        (
            (42, "dropout 3", 812),
            3874635022389374831,
            0.21004438544314896,
            -0.9668828160905217,
            [2, 5, 0, 3, 1, 4],
        ),
        (
            (0, "initial 0", 0),
            11034758046084030954,
            0.5981954323208103,
            -2.0181403753886578,
            [3, 1, 0, 4, 5, 2],
        ),
    ],
)
def test_the_numbers_stay_what_they_are(
    position: tuple[int, str, int], raw: int, uniform: float, normal: float, order: list[int]
) -> None:
    """A change here means that no run recorded so far can be repeated: say so in the changelog."""
    assert int(stream(*position).bit_generator.random_raw()) == raw
    assert stream(*position).random() == uniform
    # A logarithm of the C library stands in its rare path.
    assert stream(*position).normal() == pytest.approx(normal, rel=1e-15)
    assert stream(*position).permutation(6).tolist() == order
