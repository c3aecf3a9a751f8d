"""Trainings with a fault that was planted, at least two of nearly every kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from corpus import MEMORY, SGD, TABLES, Training, dense, flat, told
from planted_samples import contradictions, inputs, labels, leaks, random_labels, table
from planted_samples import sizes as input_sizes

DIGITS: dict[str, Any] = {"source": "digits"}
MOONS: dict[str, Any] = {"source": "moons"}
BLOBS: dict[str, Any] = {"source": "blobs"}
CIRCLES: dict[str, Any] = {"source": "circles", "factor": 0.4}


def rates() -> Iterator[Training]:
    low, high = told("rate_low", "still_learning"), told("rate_high_by_loss", "rate_high_by_units", "diverged_by_steps")
    high |= told("dead", "stuck", "too_wild")
    for name, layers, data, lr in (
        ("moons", dense(16, 2), MOONS, 1e-6),
        ("digits", flat(32, 10), DIGITS, 1e-5),
        ("blobs", dense(8, 8, 3), BLOBS, 1e-6),
    ):
        yield Training(f"rate of {lr:g} on {name}", layers, data, None, "rate too low", low, {"kind": "sgd", "lr": lr})
    for name, layers, data, optimizer in (
        ("moons", dense(16, 2), MOONS, {"kind": "sgd", "lr": 50.0}),
        ("digits", flat(32, 32, 10), DIGITS, {"kind": "adam", "lr": 0.5}),
        ("blobs", dense(8, 3), BLOBS, {"kind": "rmsprop", "lr": 2.0}),
        ("digits with momentum", flat(32, 10), DIGITS, {"kind": "sgd", "lr": 1.0, "momentum": 0.99}),
    ):
        yield Training(f"rate too high on {name}", layers, data, None, "rate too high", high, optimizer)
    for name, layers, data, lr in (("moons", dense(16, 2), MOONS, 1e20), ("digits", flat(64, 64, 10), DIGITS, 1e9)):
        yield Training(
            f"divergence on {name}",
            layers,
            data,
            None,
            "divergence",
            told("stopped", "diverged", "diverged_by_steps"),
            {"kind": "sgd", "lr": lr},
        )
    still = told("still_learning")
    for name, layers, data, training in (
        ("digits", flat(32, 10), DIGITS, {"epochs": 8, "batch_size": 64}),
        ("full batches of circles", dense(16, 2), CIRCLES, {"epochs": 60, "batch_size": "full"}),
        ("iris", dense(16, 3), MEMORY, {"epochs": 7, "batch_size": 32}),
    ):
        given = TABLES["iris"] if data is MEMORY else None
        yield Training(f"too short on {name}", layers, data, given, "too short", still, {"kind": "sgd"}, training)


def sizes() -> Iterator[Training]:
    few = told("under_fits", "learned_nothing")
    yield Training("a line between circles", dense(2), CIRCLES, None, "too small", few)
    yield Training("one unit for digits", flat(1, 10), DIGITS, None, "too small", few)
    x = np.random.default_rng(0).uniform(-1, 1, (600, 2))
    yield Training("a line for an exclusive or", dense(2), MEMORY, table(x, x[:, 0] * x[:, 1] > 0), "too small", few)
    over = told("over_fits", "turned")
    long = {"epochs": 300, "batch_size": 16, "evaluate_every": 25}
    noisy = {"source": "moons", "noise": 0.5, "samples": 120, "test": 0.5}
    yield Training("noisy moons by heart", dense(100, 100, 2), noisy, None, "over-fitting", over, training=long)
    few_digits = {"source": "digits", "test": 0.95}
    yield Training("90 digits by heart", flat(128, 10), few_digits, None, "over-fitting", over, training=long)
    for name in ("affairs", "diabetes above the median"):
        half = MEMORY | {"test": 0.5}
        yield Training(f"{name} by heart", dense(128, 64, 2), half, TABLES[name], "over-fitting", over, training=long)
    unjudged = told("over_fitting_unjudged")
    for name in ("affairs", "wine"):
        classes = len(np.unique(TABLES[name]()[1]))
        none = MEMORY | {"test": 0.0}
        yield Training(f"{name}, none held out", dense(32, classes), none, TABLES[name], "nothing held out", unjudged)


def gradients() -> Iterator[Training]:
    fades, grows = told("fades_in_depth"), told("grows_in_depth", "bursts", "weights_large", "starts_high")
    for name, data, units in (("digits", DIGITS, [32] * 6), ("moons", MOONS, [16] * 8)):
        layers = (flat if data is DIGITS else dense)(*units, 10 if data is DIGITS else 2, act="sigmoid")
        yield Training(f"sigmoids on {name}", layers, data, None, "vanishing in depth", fades, SGD)
    for name, std in (("digits", 4.0), ("moons", 6.0)):
        layers = flat(*[32] * 10, 10) if name == "digits" else dense(*[16] * 10, 2)
        yield Training(
            f"large weights in ten layers on {name}",
            layers,
            {"source": name},
            None,
            "exploding in depth",
            grows,
            {"kind": "sgd", "lr": 1e-6},
            {"epochs": 5},
            {"initial": {"kind": "normal", "std": std}},
        )


def times() -> Iterator[Training]:
    for gain, act, cause, found in (
        (4.0, "tanh", "exploding in time", told("explodes", "explodes_at_start", "overflows", "bursts")),
        (3.0, "relu", "exploding in time", told("explodes", "explodes_at_start", "overflows", "bursts")),
        (2.0, "relu", "exploding in time", told("explodes", "explodes_at_start", "overflows", "bursts")),
        (0.3, "tanh", "vanishing in time", told("vanishes")),
    ):
        cell = {"kind": "rnn", "units": 32, "gain_hh": gain, "initial_hh": "orthogonal", "nonlinearity": act}
        yield Training(
            f"W_hh of gain {gain:g} with {act}",
            [cell, {"kind": "dense", "units": 10}],
            {"source": "palindromes", "length": 24, "encoding": "one_hot"},
            None,
            cause,
            found,
            {"kind": "sgd", "lr": 0.01},
            {"steps": 150, "batch_size": 32},
        )
    yield Training(
        "30 digits to remember",
        [{"kind": "rnn", "units": 32}, {"kind": "dense", "units": 10}],
        {"source": "palindromes", "length": 30, "encoding": "one_hot"},
        None,
        "vanishing in time",
        told("vanishes"),
        {"kind": "sgd", "lr": 0.1},
        {"steps": 150, "batch_size": 32},
    )


def weights() -> Iterator[Training]:
    large = {"initial": {"kind": "normal", "std": 30.0}}
    full = told("saturated_at_start", "weights_large", "stuck")
    yield Training(
        "large weights before tanh", flat(32, 32, 10, act="tanh"), DIGITS, None, "saturated", full, SGD, more=large
    )
    yield Training(
        "large weights before sigmoid",
        flat(24, 24, 24, 10, act="sigmoid"),
        DIGITS,
        None,
        "saturated",
        full,
        SGD,
        more=large,
    )


def units() -> Iterator[Training]:
    dead = told("dead", "rate_high_by_units")
    yield Training("a rate that kills", flat(32, 32, 10), DIGITS, None, "dead units", dead, {"kind": "sgd", "lr": 5.0})
    yield Training(
        "a rate that kills deep down",
        dense(16, 16, 16, 2),
        MOONS,
        None,
        "dead units",
        dead,
        {"kind": "adam", "lr": 5.0},
    )


def beginnings() -> Iterator[Training]:
    small = told("weights_small")
    tiny = {"initial": {"kind": "normal", "std": 0.01}}
    yield Training(
        "tiny weights in four layers",
        flat(32, 32, 32, 10),
        DIGITS,
        None,
        "weights too small",
        small,
        {"kind": "sgd", "lr": 0.05},
        more=tiny,
    )
    yield Training(
        "tiny weights in three layers",
        dense(16, 16, 2),
        MOONS,
        None,
        "weights too small",
        small,
        {"kind": "sgd", "lr": 0.05},
        more=tiny,
    )
    zero = told("weights_zero")
    zeros = {"initial": {"kind": "zeros"}}
    yield Training(
        "all weights 0, tanh", dense(16, 2, act="tanh"), CIRCLES, None, "weights of 0", zero, SGD, more=zeros
    )
    yield Training("all weights 0, relu", flat(32, 10), DIGITS, None, "weights of 0", zero, more=zeros)
    high = told("starts_high", "weights_large")
    huge = {"initial": {"kind": "normal", "std": 20.0}}
    yield Training(
        "large weights on digits",
        flat(32, 32, 10),
        DIGITS,
        None,
        "weights too large",
        high,
        {"kind": "sgd", "lr": 1e-4},
        more=huge,
    )
    yield Training(
        "large weights on blobs",
        dense(16, 16, 3),
        BLOBS,
        None,
        "weights too large",
        high,
        {"kind": "sgd", "lr": 1e-5},
        {"epochs": 5},
        more=huge,
    )


def ends() -> Iterator[Training]:
    for kind in ("softmax", "sigmoid", "relu", "tanh"):
        last = {"kind": kind}
        yield Training(
            f"{kind} before cross-entropy", [*flat(32, 10), last], DIGITS, None, f"{kind} last", told("squashed"), SGD
        )
    drop = {"kind": "dropout", "p": 0.5}
    yield Training(
        "dropout before cross-entropy", [*flat(32, 10), drop], DIGITS, None, "dropout last", told("squashed")
    )
    yield Training(
        "softmax on moons", [*dense(8, 2), {"kind": "softmax"}], MOONS, None, "softmax last", told("squashed")
    )
    yield Training("dropout on moons", [*dense(8, 2), drop], MOONS, None, "dropout last", told("squashed"))


def restraints() -> Iterator[Training]:
    decay = told("decays")
    yield Training("decay of 0.3", flat(32, 10), DIGITS, None, "weight decay", decay, SGD | {"weight_decay": 0.3})
    yield Training(
        "decay of 1 under Adam",
        dense(16, 2),
        CIRCLES,
        None,
        "weight decay",
        decay,
        {"kind": "adam", "lr": 0.01, "weight_decay": 1.0},
    )
    yield Training(
        "decay of 20 under AdamW",
        dense(16, 16, 2),
        CIRCLES,
        None,
        "weight decay",
        decay,
        {"kind": "adamw", "lr": 0.01, "weight_decay": 20.0},
    )


def drops() -> Iterator[Training]:
    named = told("drops_out")
    heavy = {"kind": "dropout", "p": 0.95}
    layers = [
        {"kind": "flatten"},
        {"kind": "dense", "units": 24},
        {"kind": "relu"},
        heavy,
        {"kind": "dense", "units": 24},
    ]
    yield Training(
        "dropout of 0.95",
        [*layers, {"kind": "relu"}, heavy, {"kind": "dense", "units": 10}],
        DIGITS,
        None,
        "dropout",
        named,
    )
    layers = [
        {"kind": "dense", "units": 4},
        {"kind": "relu"},
        {"kind": "dropout", "p": 0.95},
        {"kind": "dense", "units": 2},
    ]
    yield Training("dropout of 0.95 on circles", layers, CIRCLES, None, "dropout", named)


def clipping() -> Iterator[Training]:
    clip = told("clipped")
    yield Training("clipping at 1e-4", flat(32, 10), DIGITS, None, "clipping", clip, SGD | {"max_norm": 1e-4})
    yield Training("clipping at 1e-5", dense(16, 2), CIRCLES, None, "clipping", clip, SGD | {"max_norm": 1e-5})


def others() -> Iterator[Training]:
    wild = told("fell_at_the_end", "rate_high_by_loss", "ended_high", "too_wild")
    yield Training(
        "a rate that comes back at the end",
        flat(32, 10),
        DIGITS,
        None,
        "thrown back at the end",
        wild,
        {"kind": "sgd", "lr": 3.0, "momentum": 0.9},
        {"epochs": 30},
        {"schedule": {"kind": "linear", "start_factor": 0.02, "end_factor": 1.0}},
    )
    numbers = told("digits_as_numbers", "digits_as_numbers_borne")
    for length in (6, 8):
        yield Training(
            f"digits of {length} as numbers",
            [{"kind": "rnn", "units": 24}, {"kind": "dense", "units": 10}],
            {"source": "palindromes", "length": length, "encoding": "number"},
            None,
            "digits as numbers",
            numbers,
            {"kind": "adam", "lr": 0.003},
            {"steps": 200, "batch_size": 64},
        )


def planted() -> Iterator[Training]:
    """All of them, each with weights and batches of its own."""
    groups = (rates, sizes, gradients, times, weights, units, beginnings, ends, restraints, drops, clipping, others)
    samples = (inputs, input_sizes, labels, random_labels, contradictions, leaks)
    for number, training in enumerate(one for group in (*groups, *samples) for one in group()):
        yield replace(training, training=training.training | {"seed": 100 + number})
