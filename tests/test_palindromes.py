"""Palindromes: what is drawn, what is held out, what is refused; in recipes and in a loop of one's own in PyTorch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch.utils.data import DataLoader

import twofold
from twofold.arrays import Array
from twofold.data import Batches, Dataset, Split, load_data
from twofold.data.palindromes import SHOWN
from twofold.recipe import Recipe
from twofold.recipe.data import Palindromes
from twofold.setup.building import prepare

LENGTHS = (2, 3, 4, 5, 6, 20, 199, 200)
HELD_OUT = (3, 4, 5, 6, 20)
DRAWN = 20
"""Batches of 128 of data without end that are looked at."""
DENSE = {"kind": "dense", "units": 10}
RNN = {"kind": "rnn", "units": 3}
EVERY = RNN | {"output": "every"}
EMBEDDING = {"kind": "embedding", "num_embeddings": 10, "units": 3}


def loaded(length: int, **settings: Any) -> Dataset:
    return load_data(Palindromes.model_validate({"length": length, **settings}))


def recipe_of(length: int, **settings: Any) -> Recipe:
    """By the keys of the table `data`; other keys with their path."""
    overrides = {key if "." in key else f"data.{key}": value for key, value in settings.items()}
    layers = [EMBEDDING, RNN, DENSE] if settings.get("encoding") == "index" else [RNN, DENSE]
    return twofold.load_recipe("palindrome", {"data.length": length, "layers": layers, **overrides})


def digits(split: Split) -> Array:
    """All digits of palindromes that enter as numbers, (samples, length)."""
    return np.concatenate([split.x.reshape(len(split), -1), split.y[:, None]], axis=1).astype(int)


def different(whole: Array) -> set[tuple[int, ...]]:
    return {tuple(row) for row in whole.tolist()}


def drawn(length: int, batches: int = DRAWN, **settings: Any) -> Split:
    """What so many steps train on."""
    built = recipe_of(length, **settings)
    found = list(islice(Batches(built, load_data(built.data).train), batches))
    return Split(np.concatenate([batch.x for batch in found]), np.concatenate([batch.target for batch in found]))


# Samples


@pytest.mark.parametrize("samples", [None, 50], ids=["without end", "50"])
@pytest.mark.parametrize("length", LENGTHS)
def test_every_sample_reads_alike_from_both_ends(length: int, samples: int | None) -> None:
    dataset = loaded(length, samples=samples, validation=7 * (length > 2))
    parts = dict(dataset.splits()) | ({} if samples else {"drawn": drawn(length, 2)})
    assert parts.keys() >= {"train", "test"}
    for name, split in parts.items():
        whole = digits(split)
        assert whole.shape == (len(split), length), name
        np.testing.assert_array_equal(whole, whole[:, ::-1], err_msg=name)
        np.testing.assert_array_equal(split.y, split.x.reshape(len(split), -1)[:, 0], err_msg=name)
        assert split.y.dtype == np.int64
        assert whole.min() >= 0
        assert whole.max() <= 9


@pytest.mark.parametrize("length", LENGTHS)
def test_encodings_say_the_same_in_their_shapes(length: int) -> None:
    number, one_hot, index = (
        loaded(length, samples=30, encoding=encoding) for encoding in ("number", "one_hot", "index")
    )
    for (name, split), (_, ones), (_, plain) in zip(number.splits(), one_hot.splits(), index.splits(), strict=True):
        assert split.x.shape[1:] == (length - 1, 1), name
        assert ones.x.shape[1:] == (length - 1, 10), name
        assert plain.x.shape[1:] == (length - 1,), name
        np.testing.assert_array_equal(split.x[..., 0], plain.x)
        np.testing.assert_array_equal(ones.x, np.eye(10)[plain.x.astype(int)])
        np.testing.assert_array_equal(split.y, ones.y)
        np.testing.assert_array_equal(split.y, plain.y)
        assert {each.x.dtype for each in (split, ones, plain)} == {np.dtype(np.float32)}


@pytest.mark.parametrize("encoding", ["number", "one_hot", "index"])
def test_what_is_drawn_has_the_shape_that_the_recipe_declares(encoding: str) -> None:
    built = recipe_of(6, encoding=encoding)
    batch = next(iter(Batches(built, load_data(built.data).train)))
    assert batch.x.shape == (128, *built.network.input_shape)


# Held out


@pytest.mark.parametrize("kind", [{}, {"samples": 60}, {"samples": 60, "replacement": False}], ids=str)
@pytest.mark.parametrize("length", HELD_OUT)
def test_what_is_held_out_is_never_trained_on(length: int, kind: dict[str, Any]) -> None:
    dataset = loaded(length, validation=13, **kind)
    test, validation, train = (different(digits(s)) for s in (dataset.test, dataset.validation, dataset.train))
    assert len(test) == len(dataset.test) == min(1000, 10 ** ((length + 1) // 2) // 5)
    assert len(validation) == len(dataset.validation) == 13
    assert not test & validation
    if not kind:
        train |= different(digits(drawn(length, 2 * DRAWN, validation=13)))  # 5,120: of 100 or 1,000, all the others
    assert not train & (test | validation)
    if not kind and length in (3, 4):
        assert len(train) == 100 - 20 - 13


@pytest.mark.parametrize("length", HELD_OUT)
def test_the_test_set_is_the_same_whatever_is_trained_on(length: int) -> None:
    plain = loaded(length).test
    for other in ({"samples": 40}, {"samples": 40, "replacement": False}, {"validation": 9}):
        np.testing.assert_array_equal(loaded(length, **other).test.x, plain.x)
    assert not np.array_equal(loaded(length, seed=43).test.x, plain.x)


def test_of_two_digits_none_can_be_held_out_and_a_note_says_so() -> None:
    dataset = loaded(2, samples=50)
    assert dataset.test.y.tolist() == list(range(10))
    assert not len(dataset.validation)
    assert [note[:47] for note in recipe_of(2).notes] == ["Of palindromes of two digits there are ten, one"]
    assert not recipe_of(3).notes
    assert different(digits(drawn(2))) == {(k, k) for k in range(10)}


def test_held_out_sets_may_be_smaller() -> None:
    dataset = loaded(6, test=5, validation=3)
    assert (len(dataset.test), len(dataset.validation)) == (5, 3)


# Without replacement


@pytest.mark.parametrize("length", [2, 3, 4, 5, 6])
def test_without_replacement_all_that_are_left_come_once(length: int) -> None:
    dataset = loaded(length, replacement=False, validation=4 * (length > 2))
    there = {tuple(int(digit) for digit in f"{k:0{(length + 1) // 2}}") for k in range(10 ** ((length + 1) // 2))}
    held = different(digits(dataset.test)) | different(digits(dataset.validation)) if length > 2 else set()
    train = different(digits(dataset.train))
    assert len(train) == len(dataset.train) == len(there) - len(held)
    assert {whole[: (length + 1) // 2] for whole in train | held} == there


@pytest.mark.parametrize("length", [6, 13, 20, 200])
def test_without_replacement_no_two_are_equal(length: int) -> None:
    dataset = loaded(length, samples=700, replacement=False)
    assert len(different(digits(dataset.train))) == len(dataset.train) == 700


def test_with_replacement_some_are_equal() -> None:
    assert len(different(digits(loaded(6, samples=700).train))) < 700


@pytest.mark.parametrize("length", [2, 3, 4, 5, 6, 7])
def test_as_many_as_there_are_and_not_one_more(length: int) -> None:
    there = 10 ** ((length + 1) // 2)
    held = min(1000, there // 5) if length > 2 else 0
    assert len(loaded(length, samples=there - held, replacement=False).train) == there - held
    with pytest.raises(twofold.RecipeError) as error:
        recipe_of(length, samples=there - held + 1, replacement=False)
    assert str(error.value) == (
        f'overrides["data.samples"]: `samples`: there are {there:,} palindromes of {length} digits, {held:,} of them '
        f"held out: at most {there - held:,} different ones to train on; got {there - held + 1:,}"
    )


# Randomness


@pytest.mark.parametrize("settings", [{}, {"samples": 2560}], ids=["without end", "with an end"])
@pytest.mark.parametrize("length", [6, 20, 199])
def test_every_digit_comes_first_equally_often(length: int, settings: dict[str, Any]) -> None:
    """The held-out palindromes lean to one digit or another: of 1,000 by a few per cent, which 2,560 do not show."""
    split = loaded(length, **settings).train if settings else drawn(length)
    assert len(split) == 2560
    assert chisquare(np.bincount(split.y, minlength=10)).pvalue > 1e-4


def test_the_middle_digits_are_uniform_and_apart_from_each_other() -> None:
    whole = digits(drawn(20))
    for place in range(1, 10):
        assert chisquare(np.bincount(whole[:, place], minlength=10)).pvalue > 1e-4
        pairs = np.bincount(10 * whole[:, place - 1] + whole[:, place], minlength=100)
        assert chisquare(pairs).pvalue > 1e-4


def batches_of(settings: dict[str, Any]) -> Batches:
    built = recipe_of(6, **settings)
    return Batches(built, load_data(built.data).train)


SETTINGS: dict[str, dict[str, Any]] = {
    "without end": {},
    "with an end": {"samples": 300},
    "growing": {"grow": [[3, 0.25], [4, 0.5]], "training.steps": 12},
    "validated": {"validation": 20, "encoding": "one_hot"},
}


@pytest.mark.parametrize("step", [0, 1, 7, 11])
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_a_step_draws_the_same_batch_wherever_iteration_begins(settings: dict[str, Any], step: int) -> None:
    each = list(islice(batches_of(settings), 12))
    (later,) = islice(batches_of(settings).since(step), 1)
    assert later.step == step
    np.testing.assert_array_equal(later.x, each[step].x)
    np.testing.assert_array_equal(later.target, each[step].target)


@pytest.mark.parametrize("other", [{"training.seed": 1}, {"seed": 43, "samples": 300}], ids=str)
def test_another_seed_draws_other_batches(other: dict[str, Any]) -> None:
    plain = {"samples": 300} if "samples" in other else {}
    (first,), (second,) = (islice(batches_of(settings), 1) for settings in (plain, other))
    assert not np.array_equal(first.x, second.x)


@pytest.mark.parametrize("name", ["palindrome-20", "palindrome-long", "palindrome-200"])
def test_no_step_draws_the_batch_of_another_however_they_are_gathered(name: str) -> None:
    """Over many epochs' worth of what is judged on: chunks of them are gathered ahead."""
    recipe = twofold.load_recipe(name, {"training.steps": 60, "training.batch_size": 100})
    drawn = {batch.step: batch.x.tobytes() for batch in Batches(recipe, load_data(recipe.data).train)}
    assert list(drawn) == list(range(60))
    assert len(set(drawn.values())) == 60
    for step in (9, 10, 11, 37, 59):
        first = next(iter(Batches(recipe, load_data(recipe.data).train).since(step)))
        assert first.x.tobytes() == drawn[step]


def test_two_steps_draw_two_batches() -> None:
    first, second = islice(batches_of({}), 2)
    assert not np.array_equal(first.x, second.x)


def test_a_batch_may_be_larger_than_what_is_judged_on() -> None:
    (batch,) = islice(batches_of({"training.batch_size": SHOWN + 500}), 1)
    assert len(batch.x) == len(batch.target) == SHOWN + 500


GROWTH = {
    "one stage": ([[3, 0.5]], 12, [3] * 6 + [6] * 6),
    "two stages": ([[3, 0.25], [4, 0.5]], 12, [3] * 3 + [4] * 6 + [6] * 3),
    "tenths, which no sum of floating-point numbers hits": ([[2, 0.1], [3, 0.1], [4, 0.1]], 10, [2, 3, 4] + [6] * 7),
    "down again": ([[5, 0.3], [2, 0.3]], 10, [5] * 3 + [2] * 3 + [6] * 4),
}


@pytest.mark.parametrize("encoding", ["number", "one_hot", "index"])
@pytest.mark.parametrize(("grow", "steps", "lengths"), GROWTH.values(), ids=GROWTH)
def test_lengths_grow_by_the_step(grow: list[Any], steps: int, lengths: list[int], encoding: str) -> None:
    built = recipe_of(6, **{"grow": grow, "encoding": encoding, "training.steps": steps})
    batches = list(Batches(built, load_data(built.data).train))
    assert [batch.x.shape[1] + 1 for batch in batches] == lengths
    if encoding != "one_hot":
        for batch in batches:
            whole = digits(Split(batch.x, batch.target))
            np.testing.assert_array_equal(whole, whole[:, ::-1])


def test_shorter_palindromes_hold_nothing_out() -> None:
    assert len(different(digits(drawn(6, 30, **{"grow": [[3, 0.9]], "training.steps": 100})))) == 100


@pytest.mark.parametrize("encoding", ["number", "one_hot"])
@pytest.mark.parametrize("how", ["global", "feature"])
def test_what_is_drawn_is_standardized_as_what_is_held(how: str, encoding: str) -> None:
    settings = {"encoding": encoding, "validation": 9}
    raw, done = loaded(6, **settings), loaded(6, standardize=how, **settings)
    axis = None if how == "global" else 0
    mean, std = raw.train.x.mean(axis), raw.train.x.std(axis)
    for before, after in zip(raw.splits(), done.splits(), strict=True):
        np.testing.assert_allclose(after[1].x, (before[1].x - mean) / std, rtol=1e-5, atol=1e-5)
    plain, changed = drawn(6, 2, **settings), drawn(6, 2, standardize=how, **settings)
    np.testing.assert_allclose(changed.x, (plain.x - mean) / std, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(changed.y, plain.y)


def test_drawn_batches_come_in_the_type_of_the_recipe() -> None:
    for dtype in ("float32", "float64"):
        (batch,) = islice(batches_of({"training.dtype": dtype}), 1)
        assert batch.x.dtype == dtype


def test_the_fingerprint_tells_data_apart() -> None:
    same = [loaded(6).fingerprint, loaded(6, grow=[[3, 0.5]]).fingerprint]
    settings = [{"seed": 43}, {"encoding": "index"}, {"validation": 5}, {"samples": 40}, {"length": 7}]
    others = [load_data(Palindromes.model_validate({"length": 6, **other})).fingerprint for other in settings]
    assert same[0] == same[1]
    assert len({*same, *others}) == 1 + len(settings)


# Faults

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "too short": ({"data.length": 1}, "`length` must be greater than or equal to 2; got 1"),
    "too long": ({"data.length": 1001}, "`length` must be less than or equal to 1000; got 1001"),
    "too many": (
        {"data.samples": 801, "data.replacement": False},
        "`samples`: there are 1,000 palindromes of 5 digits, 200 of them held out: at most 800 different ones to train "
        "on; got 801",
    ),
    "too many of those that validation leaves": (
        {"data.samples": 701, "data.replacement": False, "data.validation": 100},
        "`samples`: there are 1,000 palindromes of 5 digits, 300 of them held out: at most 700 different ones",
    ),
    "all of too many": (
        {"data.length": 200, "data.replacement": False},
        "`samples` must say how many of the 10^100 palindromes to train on; none is drawn again",
    ),
    "nothing to validate on": (
        {"data.length": 2, "data.validation": 3, "training.keep": "best"},
        "`validation`: of palindromes of two digits there are ten, one a class: none can be held out",
    ),
    "an unknown encoding": (
        {"data.encoding": "digits"}, '`encoding` must be "number", "one_hot" or "index"; got "digits"',
    ),
    "growing to its own length": (
        {"data.grow": [[3, 0.2], [5, 0.2]]}, "every length of `grow` must be below `length`, 5; got 5",
    ),
    "growing for ever": (
        {"data.grow": [[3, 0.5], [4, 0.5]]},
        "the shares of `grow` must add up to less than 1, so that some steps train on `length`",
    ),
    "growing from samples": (
        {"data.grow": [[3, 0.5]], "data.samples": 100},
        "`grow` draws palindromes anew at every step: leave `samples` and `replacement` out",
    ),
    "growing without replacement": (
        {"data.grow": [[3, 0.5]], "data.replacement": False},
        "`grow` draws palindromes anew at every step: leave `samples` and `replacement` out",
    ),
    "growing from one digit": ({"data.grow": [[1, 0.5]]}, "`grow[0][0]` must be greater than or equal to 2; got 1"),
    "growing, standardized digit by digit": (
        {"data.grow": [[3, 0.5]], "data.standardize": "feature"},
        '`grow` changes how many digits there are to standardize one by one; got `standardize = "feature"`',
    ),
    "growing into another network": (
        {"data.grow": [[3, 0.5]], "layers": [EVERY, {"kind": "flatten"}, DENSE]},
        "`grow`: palindromes of 3 digits do not go through the same network\n"
        '  End with `output = "last"`.',
    ),
    "epochs without end": (
        {"training.epochs": 3},
        "palindromes without end have no epochs\n"
        "  Set training.steps in place of epochs, or data.samples.",
    ),
    "evaluations by the epoch without end": (
        {"training.evaluate_unit": "epoch"},
        'palindromes without end have no epochs\n  Set it to "step", or data.samples.',
    ),
    "a rate that falls by the epoch without end": (
        {"schedule": {"kind": "step", "step_size": 30}},
        'palindromes without end have no epochs\n  Set it to "step", or data.samples.',
    ),
    "masks of one length": (
        {"data.grow": [[3, 0.5]], "layers": [EVERY, {"kind": "dropout"}, RNN, DENSE]},
        "`grow`: palindromes of 3 digits do not go through the same network: dropout's masks are drawn for sequences "
        "of one length\n  Drop out after the last step only.",
    ),
    "a share of none": (
        {"data.length": 3, "data.validation": 0.004}, "`validation = 0.004` of 100 palindromes is none at all",
    ),
    "far too long": ({"data.length": 10**9}, "`length` must be less than or equal to 1000; got 1000000000"),
    "a bias that is not there": (
        {"layers.0": {"kind": "lstm", "units": 4, "bias": False, "forget_bias": 1.0}},
        "`forget_bias` is added to a bias; got 1.0 and `bias = false`",
    ),
    "times of a bias that is not there": (
        {"layers.0": {"kind": "gru", "units": 4, "bias": False, "chrono": 20}},
        "`chrono` sets a bias; got 20 and `bias = false`",
    ),
    "two beginnings of one bias": (
        {"layers.0": {"kind": "lstm", "units": 4, "forget_bias": 1.0, "chrono": 20}},
        "`chrono` sets what `forget_bias` adds to; got 20 and 1.0",
    ),
    "an embedding in the middle": (
        {"layers": [EVERY, EMBEDDING, {"kind": "flatten"}, DENSE]},
        "`embedding` takes whole numbers: no layer may stand before it\n  Make it the first layer.",
    ),
    "vectors": (
        {"layers": [RNN, {"kind": "lstm", "units": 4}, DENSE]},
        "`lstm` takes sequences (N, steps, features); it gets (N, 3)\n"
        '  It reads the data, an `embedding` of whole numbers, or a recurrent layer with `output = "every"`.',
    ),
    "vectors of ten": (
        {"data.encoding": "one_hot", "layers": [EMBEDDING, RNN, DENSE]},
        "`rnn` takes sequences (N, steps, features); it gets (N, 4, 10, 3)",
    ),
    "a class for every step": (
        {"layers": [EVERY, DENSE]}, "the last layer must give one axis of classes; it gives (N, 4, 10)",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("settings", "message"), WRONG.values(), ids=WRONG)
def test_a_recipe_that_cannot_be_says_why(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(twofold.RecipeError) as error:
        twofold.load_recipe("palindrome", settings)
    assert message in str(error.value)
    assert "--set" not in str(error.value)  # Python's own words


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_a_recurrent_layer_refuses_images(kind: str) -> None:
    with pytest.raises(twofold.RecipeError) as error:
        twofold.load_recipe("digits", {"layers": [{"kind": kind, "units": 3}, DENSE]})
    assert f"`{kind}` takes sequences (N, steps, features); it gets (N, 1, 8, 8)" in str(error.value)
    assert "output" not in str(error.value)


NUMBERS: dict[str, tuple[dict[str, Any], str]] = {
    "too few vectors": (
        {"layers.0.num_embeddings": 9},
        "layer 0 (embedding) takes whole numbers from 0 to 8; the train set holds 9. Set its num_embeddings, or leave "
        "data.standardize out.",
    ),
    "standardized": (
        {"data.standardize": "global"}, "layer 0 (embedding) takes whole numbers from 0 to 9; the train set holds ",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("settings", "message"), NUMBERS.values(), ids=NUMBERS)
def test_an_embedding_is_given_numbers_that_it_has(settings: dict[str, Any], message: str) -> None:
    indexed = twofold.load_recipe("palindrome", {"data.encoding": "index", "layers": [EMBEDDING, RNN, DENSE]})
    prepare(indexed)
    with pytest.raises(twofold.DataError) as error:
        prepare(twofold.load_recipe(indexed, settings))
    assert str(error.value).startswith(message)


COMMANDS = {
    "too short": ["--set", "data.length=1"],
    "too many": ["--set", "data.samples=801", "--set", "data.replacement=false"],
    "growing to its own length": ["--set", "data.grow=[[3, 0.2], [5, 0.2]]"],
    "epochs without end": ["--set", "training.epochs=3"],
    "vectors": ["--set", 'layers=[{kind="rnn", units=3}, {kind="lstm", units=4}, {kind="dense", units=10}]'],
}


@pytest.mark.parametrize("verb", ["run", "show", "verify"])
@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_line_says_the_same_and_ends_with_2(command, in_tmp, name: str, verb: str) -> None:
    done = command(verb, "palindrome", *COMMANDS[name])
    assert done.status == 2
    assert WRONG[name][1] in done.err
    assert "Traceback" not in done.err
    assert not list(in_tmp.iterdir())


def test_a_number_without_a_vector_ends_with_2_before_there_is_a_folder(command, in_tmp) -> None:
    layers = 'layers=[{kind="embedding", num_embeddings=9, units=3}, {kind="rnn", units=3}, {kind="dense", units=10}]'
    done = command("run", "palindrome", "--set", "data.encoding=index", "--set", layers)
    assert done.status == 2
    assert NUMBERS["too few vectors"][1] in done.err.replace("\n", " ")
    assert not list(in_tmp.iterdir())


def test_the_note_of_two_digits_is_printed(command, in_tmp) -> None:
    settings = ["data.length=2", "training.steps=2", "layers.0.units=3"]
    words = [word for setting in settings for word in ("--set", setting)]
    done = command("run", "palindrome", "--engine", "numpy", "--quiet", *words)
    assert done.status == 0
    assert "note: Of palindromes of two digits there are ten" in done.err


# A loop of one's own


def test_the_set_is_a_public_name_that_costs_nothing_until_it_is_used() -> None:
    code = "import sys, twofold; assert 'PalindromeDataset' in dir(twofold); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def batches(dataset: Any, count: int = 3, size: int = 4) -> list[Sequence[torch.Tensor]]:
    return list(islice(DataLoader(dataset, batch_size=size, num_workers=0, shuffle=False), count))


@pytest.mark.parametrize("total", [None, 12], ids=["without end", "with an end"])
@pytest.mark.parametrize("length", LENGTHS)
def test_a_plain_loader_gives_digits_and_classes(length: int, total: int | None) -> None:
    found = batches(twofold.PalindromeDataset(length, total))
    assert len(found) == 3
    for x, y in found:
        assert (x.shape, x.dtype) == ((4, length - 1), torch.float32)
        assert (y.shape, y.dtype) == ((4,), torch.int64)
        whole = torch.cat([x, y[:, None].float()], dim=1)
        assert torch.equal(whole, whole.flip(1))


def test_an_item_is_the_same_whenever_it_is_asked_for() -> None:
    first, second = twofold.PalindromeDataset(7), twofold.PalindromeDataset(7)
    later = second[10**12][0].tolist()
    assert len({tuple(first[k][0]) for k in range(50)}) > 40
    assert all(np.array_equal(first[k][0], second[k][0]) for k in range(20))
    assert first[10**12][0].tolist() == later
    other = twofold.PalindromeDataset(7, seed=1)
    assert any(not np.array_equal(first[k][0], other[k][0]) for k in range(5))


def test_one_hot_says_the_same() -> None:
    plain, ones = (twofold.PalindromeDataset(6, 20, one_hot=one_hot) for one_hot in (False, True))
    for k in range(20):
        (x, y), (o, target) = plain[k], ones[k]
        assert o.shape == (5, 10)
        assert (o.dtype, type(target)) == (np.float32, int)
        assert y == target
        np.testing.assert_array_equal(o, np.eye(10)[x.astype(int)])


@pytest.mark.parametrize("train", [True, False], ids=["train", "test"])
def test_a_whole_palindrome_is_the_item_and_its_class(train: bool) -> None:
    dataset = twofold.PalindromeDataset(5, train=train)
    for k in range(10):
        x, y = dataset[k]
        whole = dataset.generate_palindrome(k)
        assert (whole.shape, whole.dtype) == ((5,), np.float32)
        assert whole.tolist() == [*x.tolist(), y]
    some = dataset.generate_palindrome()
    assert some.tolist() == some[::-1].tolist()


def wholes(dataset: Any, count: int | None = None) -> list[tuple[float, ...]]:
    return [(*x.tolist(), float(y)) for x, y in islice(dataset, count)]


@pytest.mark.parametrize("total", [1, 37, 80])
def test_without_replacement_no_two_items_are_equal(total: int) -> None:
    dataset = twofold.PalindromeDataset(4, total, replacement=False)
    assert len(dataset) == len(set(wholes(dataset))) == total
    assert len(set(wholes(twofold.PalindromeDataset(4, 80)))) < 80


def test_without_replacement_and_number_all_that_are_left_come_once() -> None:
    dataset = twofold.PalindromeDataset(4, replacement=False)
    held = set(wholes(twofold.PalindromeDataset(4, train=False)))
    assert len(dataset) == len(set(wholes(dataset)) - held) == 80


@pytest.mark.parametrize("seed", [42, 7])
@pytest.mark.parametrize("length", HELD_OUT)
def test_the_test_items_are_the_recipes_and_never_trained_on(length: int, seed: int) -> None:
    test = twofold.PalindromeDataset(length, train=False, seed=seed)
    held = set(wholes(test))
    assert wholes(test) == [tuple(map(float, row)) for row in digits(loaded(length, seed=seed, validation=5).test)]
    assert len(test) == len(held) == min(1000, 10 ** ((length + 1) // 2) // 5)
    for train in (
        wholes(twofold.PalindromeDataset(length, seed=seed), 2000),
        wholes(twofold.PalindromeDataset(length, 60, replacement=False, seed=seed)),
    ):
        assert not held & set(train)
    assert wholes(twofold.PalindromeDataset(length, 5, train=False, seed=seed)) == wholes(test, 5)


def test_the_length_of_a_set_and_what_ends_a_loop_over_it() -> None:
    assert len(twofold.PalindromeDataset(5)) == sys.maxsize
    dataset = twofold.PalindromeDataset(5, 12)
    assert len(dataset) == len(list(dataset)) == 12
    for index in (12, -1):
        with pytest.raises(IndexError, match=rf"there are 12 palindromes; got index {index}"):
            dataset[index]
        with pytest.raises(IndexError, match=rf"there are 12 palindromes; got index {index}"):
            dataset.generate_palindrome(index)


REFUSED: dict[str, tuple[tuple[Any, ...], dict[str, Any], str]] = {
    "too short": ((1,), {}, "`seq_length` must be a whole number of at least 2; got 1"),
    "too long": ((1001,), {}, "`seq_length` must be a whole number of at most 1000; got 1001"),
    "a text": (("5",), {}, "`seq_length` must be a whole number of at least 2; got '5'"),
    "no number": ((None,), {}, "`seq_length` must be a whole number of at least 2; got None"),
    "half a digit": ((5.5,), {}, "`seq_length` must be a whole number of at least 2; got 5.5"),
    "no item": ((5, 0), {}, "`total_len` must be a whole number of at least 1; got 0"),
    "a text of items": ((5, "9"), {}, "`total_len` must be a whole number of at least 1; got '9'"),
    "too many": (
        (5, 801),
        {"replacement": False},
        "there are 1,000 palindromes of 5 digits, 200 of them held out: `total_len` is at most 800 without "
        "replacement; got 801",
    ),
    "all of too many": (
        (200,), {"replacement": False}, "`total_len` must say how many of the 10^100 palindromes; none is drawn again",
    ),
    "none held out": (
        (2,), {"train": False}, "of palindromes of two digits there are ten, one a class: none can be held out",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("words", "options", "message"), REFUSED.values(), ids=REFUSED)
def test_a_set_that_cannot_be_says_why(words: tuple[Any, ...], options: dict[str, Any], message: str) -> None:
    with pytest.raises(twofold.UserError) as error:
        twofold.PalindromeDataset(*words, **options)
    assert str(error.value) == message
