"""Recipes: round trips, defaults, shapes, and every fault with its place, its rule and its remedy."""

from __future__ import annotations

import itertools
import math
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

import twofold
from twofold.recipe import Recipe, dump, load_recipe, loads, shape_text, titles
from twofold.recipe.data import Palindromes
from twofold.recipe.dense import Dense
from twofold.recipe.faults import PLAIN as PLAIN_TABLES
from twofold.recipe.faults import TAGS, UNIONS, members
from twofold.recipe.files import checked
from twofold.recipe.places import places
from twofold.recipe.stack import stacked
from twofold.recipe.windows import Conv2d

PLANE = 'layers = [{ kind = "dense", units = 2 }]\n[data]\nsource = "moons"\n'


@pytest.mark.parametrize("name", titles())
def test_a_built_in_recipe_survives_its_own_dump(name: str) -> None:
    recipe = load_recipe(name)
    assert loads(dump(recipe)) == recipe
    assert recipe.name == name
    assert recipe.title


def test_the_built_in_recipes_are_those_of_the_documents() -> None:
    assert set(titles()) == {
        "digits", "moons", "moons-adam", "circles", "blobs", "classification",
        "mnist-mlp-baseline", "mnist-mlp", "mnist-mlp-2000", "mnist-mlp-best", "mnist-mlp-deform",
        "mnist-lenet-baseline", "mnist-lenet", "mnist-lenet-2000", "mnist-lenet-best",
        "cifar10-mlp", "cifar10-mlp-100-50", "cifar10-mlp-dropout-step", "cifar10-mlp-deep", "cifar10-mlp-best",
        "cifar10-vgg", "cifar10-vgg-bn", "cifar10-cnn5-adam", "cifar10-cnn5-sgd", "cifar10-vgg-best",
        "cifar10-vgg-short",
        "palindrome", "palindrome-4", "palindrome-10", "palindrome-12", "palindrome-19", "palindrome-20",
        "palindrome-lstm", "palindrome-gru", "palindrome-long", "palindrome-200", "palindrome-1000",
        "palindrome-lstm-long", "palindrome-gru-long", "text-lstm",
    }  # fmt: skip


def _named(table: dict[str, Any]) -> dict[str, Any]:
    """Samples in memory have as many numbers as names of features."""
    return table | {"shape": [len(table["features"])]} if {"features", "shape"} <= table.keys() else table


def _tables(section: str) -> st.SearchStrategy[dict[str, Any]]:
    """Any table of a section, with the values that its JSON schema admits for a few of its keys."""

    def table(kind: str) -> st.SearchStrategy[dict[str, Any]]:
        tag = "source" if section == "data" else "kind"
        keys = {
            "units": st.integers(1, 9), "bias": st.booleans(), "p": st.floats(0, 0.9), "lr": st.floats(1e-6, 10),
            "momentum": st.floats(0.1, 0.99), "weight_decay": st.floats(0, 1), "max_norm": st.floats(0.1, 10),
            "betas": st.lists(st.floats(0, 0.999), min_size=2, max_size=2), "eps": st.floats(1e-12, 1e-3),
            "alpha": st.floats(0.01, 0.99), "gamma": st.floats(0.01, 1), "step_size": st.integers(1, 9),
            "unit": st.sampled_from(["epoch", "step"]), "t_max": st.integers(1, 99), "std": st.floats(0.1, 2),
            "gain": st.floats(0.1, 2), "distribution": st.sampled_from(["uniform", "normal"]),
            "samples": st.integers(10, 99), "noise": st.floats(0, 1), "seed": st.integers(0, 9),
            "test": st.floats(0, 0.5), "validation": st.one_of(st.floats(0, 0.4), st.integers(1, 99)),
            "path": st.just("/a.csv"), "label": st.text(min_size=1), "reduction": st.sampled_from(["mean", "sum"]),
            "label_smoothing": st.floats(0, 0.9), "negative_slope": st.floats(0, 1),
            "approximate": st.sampled_from(["none", "tanh"]), "affine": st.booleans(), "root": st.just("/data"),
            "size": st.one_of(st.integers(1, 9), st.tuples(st.integers(1, 9), st.integers(1, 9))),
            "classes": st.just(2), "shape": st.lists(st.integers(1, 9), min_size=1, max_size=3),
            "features": st.lists(st.text(min_size=1), min_size=1, max_size=3), "delimiter": st.sampled_from(",;\t|"),
        }  # fmt: skip
        fields = members(section)[kind].model_fields
        required = {name: keys[name] for name, field in fields.items() if field.is_required()}
        optional = {name: keys[name] for name in fields if name in keys and name not in required}
        return st.fixed_dictionaries({tag: st.just(kind), **required}, optional=optional).map(_named)

    # Samples are flattened first: windows over the plane, and sequences, have tests of their own.
    shaped = {
        "conv2d",
        "max_pool2d",
        "avg_pool2d",
        "global_avg_pool2d",
        "rnn",
        "lstm",
        "gru",
        "embedding",
        "embed_columns",
        "group_norm",
    }
    return st.sampled_from(sorted(members(section).keys() - shaped - {"palindromes", "text"})).flatmap(table)


@given(
    title=st.text(), hidden=st.lists(_tables("layers"), max_size=4), data=_tables("data"),
    rest=st.fixed_dictionaries({}, optional={s: _tables(s) for s in UNIONS if s not in {"layers", "data"}}),
)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_any_recipe_survives_its_own_dump(title: str, hidden: list, data: dict, rest: dict) -> None:
    layers = [{"kind": "flatten"}, *hidden, {"kind": "flatten"}]
    classes = {"blobs": 3, "digits": 10, "mnist": 10, "fashion_mnist": 10, "kmnist": 10, "cifar10": 10}.get(
        data["source"], 2
    )
    numbers = rest.get("loss", {}).get("kind") in {"mean_absolute", "huber", "binary_cross_entropy"}
    if numbers and data["source"] != "csv":
        data = {"source": "csv", "path": "some.csv", "label": "y"}
    if data["source"] == "arrays":
        data = {"classes": 2, **data}
    if numbers:
        data.pop("classes", None)
    layers.append({"kind": "dense", "units": 1 if numbers else classes})
    recipe = loads(tomli_w.dumps({"title": title, "layers": layers, "data": data, **rest}))
    assert loads(dump(recipe)) == recipe


@given(
    kinds=st.lists(st.sampled_from(["rnn", "lstm", "gru"]), min_size=1, max_size=3), every=st.booleans(),
    encoding=st.sampled_from(["number", "one_hot", "index"]), length=st.integers(2, 1000),
    samples=st.one_of(st.none(), st.integers(1, 10**8)), replacement=st.booleans(), bias=st.booleans(),
    initial_hh=st.sampled_from(["recipe", "orthogonal", "identity"]),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_any_recipe_of_sequences_survives_its_own_dump(
    kinds: list[str], every: bool, encoding: str, length: int, replacement: bool, samples: int | None, **options: Any
) -> None:
    data = {"source": "palindromes", "length": length, "encoding": encoding, "replacement": replacement}
    layers: list[dict[str, Any]] = [{"kind": "embedding", "num_embeddings": 10, "units": 3}] * (encoding == "index")
    layers += [{"kind": kind, "units": 4, "output": "every", **options} for kind in kinds]
    layers += [{"kind": "flatten"}] if every else [{"kind": "gru", "units": 2}]
    layers.append({"kind": "dense", "units": 10})
    known = {"samples": samples} if samples else {}
    text = tomli_w.dumps({"layers": layers, "data": data | known, "training": {"steps": 3}})
    if Palindromes.conflicts({**data, **known}):  # more different palindromes than there are
        assert not replacement
        with pytest.raises(twofold.RecipeError, match="`samples`"):
            loads(text)
    else:
        assert loads(dump(loads(text))) == loads(text)


IMAGES = '[data]\nsource = "digits"\n'


def _window(layer: str) -> str:
    """A recipe of 8 x 8 pixels with the layer in line 2."""
    return f'layers = [\n{layer},\n{{ kind = "flatten" }},\n{{ kind = "dense", units = 10 }},\n]\n{IMAGES}'


WINDOWS = {
    "a window larger than the image": (
        '{ kind = "conv2d", channels = 4, kernel = 11 }',
        "`conv2d` with kernel 11, stride 1, padding 0 does not fit: its window spans 11 of the height, and the input "
        "with its padding has 8; it gets (N, 1, 8, 8)",
        "The smallest change that fits: set `padding` to 2, or set `kernel` to at most 8.",
    ),
    "a window too wide": (
        '{ kind = "conv2d", channels = 4, kernel = [3, 20], padding = 1 }',
        "its window spans 20 of the width, and the input with its padding has 10",
        "set `padding` to 6, or set `kernel` to at most 10",
    ),
    "a dilated window": (
        '{ kind = "conv2d", channels = 4, kernel = 3, dilation = 5 }',
        "with kernel 3, stride 1, padding 0, dilation 5 does not fit: its window spans 11 of the height",
        "set `padding` to 2, or set `kernel` to at most 2",
    ),
    "a pooling larger than the image": (
        '{ kind = "max_pool2d", kernel = 9 }',
        "`max_pool2d` with kernel 9, stride 9, padding 0 does not fit",
        "set `padding` to 1, or set `kernel` to at most 8; or take the layer out.",
    ),
    "more padding than a pooling may have": (
        '{ kind = "max_pool2d", kernel = 2, padding = 2 }',
        "`padding` must be at most half of `kernel`; got 2 and 2",
        "",
    ),
    "groups that do not divide the outputs": (
        '{ kind = "conv2d", channels = 4, kernel = 3, groups = 3 }',
        "`groups` must divide `channels`; got 3 and 4",
        "",
    ),
    "whitening in groups": (
        '{ kind = "conv2d", channels = 4, kernel = 3, groups = 2, initial = "whitening" }',
        '`initial = "whitening"` wants `groups` 1: its filters see whole patches; got 2',
        "",
    ),
    "whitening of patches larger than the image": (
        '{ kind = "conv2d", channels = 4, kernel = [3, 5], dilation = [1, 2], padding = 3, initial = "whitening" }',
        '`conv2d` with `initial = "whitening"` wants a window within the image: it spans 9 of the width, and the image '
        "has 8; it gets (N, 1, 8, 8)",
        "Set `kernel` to at most 4, or leave `initial` out.",
    ),
    "whitening behind a layer": (
        '{ kind = "relu" }, { kind = "conv2d", channels = 4, kernel = 3, initial = "whitening" }',
        '`conv2d` with `initial = "whitening"` begins with filters of the images: no layer may stand before it',
        "Make it the first layer.",
    ),
    "groups that do not divide the inputs": (
        '{ kind = "conv2d", channels = 6, kernel = 3, groups = 2 }',
        "`conv2d` with groups 2 takes a number of channels that it divides; it gets (N, 1, 8, 8)",
        "Set `groups` to 1.",
    ),
    "a kernel of three sizes": (
        '{ kind = "conv2d", channels = 4, kernel = [3, 3, 3] }',
        "`kernel` must be a whole number or a list of at most 2 values; got [3, 3, 3]",
        "Height and width of the window: one number, or two.",
    ),
    "a convolution of vectors": (
        '{ kind = "flatten" }, { kind = "conv2d", channels = 4, kernel = 3 }',
        "`conv2d` takes images (N, channels, height, width); it gets (N, 64)",
        "Put it before `flatten` and dense layers.",
    ),
    "groups of channels that do not divide them": (
        '{ kind = "conv2d", channels = 6, kernel = 3 }, { kind = "group_norm", num_groups = 4 }',
        "`group_norm` with num_groups 4 takes a number of channels that it divides; it gets (N, 6, 6, 6)",
        "Set `num_groups` to 2, or to another divisor of 6.",
    ),
    "groups of channels where there is one": (
        '{ kind = "group_norm", num_groups = 2 }',
        "`group_norm` with num_groups 2 takes a number of channels that it divides; it gets (N, 1, 8, 8)",
        "Set `num_groups` to 1.",
    ),
    "groups of one number": (
        '{ kind = "flatten" }, { kind = "group_norm", num_groups = 64 }',
        "`group_norm` with num_groups 64 takes groups of more than one number, which has no variance; it gets (N, 64)",
        "Set `num_groups` to a smaller divisor of 64.",
    ),
    "slopes that are not the channels": (
        '{ kind = "conv2d", channels = 6, kernel = 3 }, { kind = "prelu", num_parameters = 4 }',
        "`prelu` with num_parameters 4 takes as many channels (axis 1); it gets (N, 6, 6, 6)",
        "Set `num_parameters` to 6, or to 1 for one slope in all channels.",
    ),
    "slopes of one channel": (
        '{ kind = "prelu", num_parameters = 4 }',
        "`prelu` with num_parameters 4 takes as many channels (axis 1); it gets (N, 1, 8, 8)",
        "Set `num_parameters` to 1.",
    ),
    "a normalization over axes that are not there": (
        '{ kind = "layer_norm", axes = 4 }',
        "`layer_norm` over 4 axes takes samples of at least as many; it gets (N, 1, 8, 8)",
        "Set `axes` to at most 3.",
    ),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_layers_that_do_not_fit_say_the_smallest_change_that_does(name: str) -> None:
    layer, rule, remedy = WINDOWS[name]
    with pytest.raises(twofold.RecipeError) as error:
        loads(_window(layer), "f.toml")
    assert str(error.value).startswith("f.toml:2: ")
    assert rule in str(error.value)
    assert remedy in str(error.value)


@pytest.mark.parametrize("size", range(1, 12))
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_the_padding_of_a_remedy_fits_and_one_less_does_not(size: int, kernel: int, dilation: int) -> None:
    conv = Conv2d(channels=1, kernel=kernel, dilation=dilation)
    refusal = conv.refuses((1, size, size))
    if refusal is None:
        return
    padding = int(refusal.remedy.partition("`padding` to ")[2].partition(",")[0])
    assert Conv2d(channels=1, kernel=kernel, dilation=dilation, padding=padding).refuses((1, size, size)) is None
    less = Conv2d(channels=1, kernel=kernel, dilation=dilation, padding=padding - 1)
    assert less.refuses((1, size, size)) is not None
    fitting = int(refusal.remedy.partition("at most ")[2].rstrip("."))
    assert Conv2d(channels=1, kernel=fitting, dilation=dilation).refuses((1, size, size)) is None
    assert Conv2d(channels=1, kernel=fitting + 1, dilation=dilation).refuses((1, size, size)) is not None


FAULTS = {
    "a rate below 0": (
        PLANE + '[optimizer]\nkind = "sgd"\nlr = -0.01\n',
        'f.toml:6: `lr` must be greater than 0; got -0.01\n    lr = -0.01\n         ^\n'
        "  `lr`: Learning rate η; the schedule multiplies it. The default is 0.01.",
    ),
    "a misspelt kind": (
        PLANE.replace("dense", "dens"), "f.toml:1: unknown layer kind `dens`; did you mean `dense`?",
    ),
    "a misspelt source": (PLANE.replace("moons", "moon"), "f.toml:3: unknown source `moon`; did you mean `moons`?"),
    "a misspelt key": (PLANE + "nois = 1\n", "f.toml:4: unknown key `nois`; did you mean `noise`?"),
    "a misspelt table": (PLANE + "[optimiser]\n", "f.toml:4: unknown key `optimiser`; did you mean `optimizer`?"),
    "a missing key": (PLANE.replace(", units = 2", ""), "f.toml:1: `layers[0]` lacks `units`"),
    "a missing kind": (PLANE.replace('kind = "dense", ', ""), "f.toml:1: `layers[0]` lacks `kind`; known: `dense`"),
    "non-ASCII text before the fault": (
        PLANE + '"ü日本" = 1\n'.replace("\n", ""), "f.toml:4: unknown key `ü日本`",
    ),
    "no data": ('layers = [{ kind = "dense", units = 2 }]', "f.toml:1: `recipe` lacks `data`"),
    "no layers": ('layers = []\n[data]\nsource = "moons"', "f.toml:1: `layers` must not be empty"),
    "a text for a number": (PLANE + 'noise = "high"\n', 'f.toml:4: `noise` must be a number; got "high"'),
    "a fraction for a count": (PLANE + "samples = 9.5\n", "f.toml:4: `samples` must be a whole number; got 9.5"),
    "a number for a flag": (
        PLANE.replace("units = 2", "units = 2, bias = 1"), "f.toml:1: `bias` must be true or false; got 1",
    ),
    "NaN": (PLANE + "noise = nan\n", "f.toml:4: `noise` must be a finite number; got nan"),
    "a value beside the choices": (
        PLANE + '[training]\ndtype = "float23"\n',
        'f.toml:5: `dtype` must be "float32" or "float64"; got "float23"; did you mean `float32`?',
    ),
    "neither a number nor full": (
        PLANE + "[training]\nbatch_size = 0\n", 'f.toml:5: `batch_size` must be greater than 0 or "full"; got 0',
    ),
    "too many betas": (
        PLANE + '[optimizer]\nkind = "adam"\nbetas = [0.9, 0.99, 0.999]\n',
        "f.toml:6: `betas` must be a list of at most 2 values; got [0.9, 0.99, 0.999]",
    ),
    "two lengths": (
        PLANE + "[training]\nepochs = 1\nsteps = 2\n", "f.toml:4: give `epochs` or `steps`, not both; got 1 and 2",
    ),
    "an engine twice": (
        PLANE + '[training]\nengines = ["numpy", "numpy"]\n',
        "f.toml:4: `engines` names each engine once; got ['numpy', 'numpy']",
    ),
    "nesterov alone": (
        PLANE + '[optimizer]\nkind = "sgd"\nnesterov = true\n',
        "f.toml:4: `nesterov` wants a `momentum` greater than 0; got 0",
    ),
    "three numbers for two classes": (
        PLANE.replace("units = 2", "units = 3"),
        "f.toml:1: the last layer must give 2 numbers, one for each class; it gives 3",
    ),
    "an image without flatten": (
        PLANE.replace("moons", "digits"),
        "f.toml:1: the last layer must give one axis of classes; it gives (N, 1, 8, 2)",
    ),
    "shards that do not divide a huge batch": (
        PLANE + "[training]\nshards = 7\nbatch_size = 1_000_000_000_000\n",
        "f.toml:4: `shards` must divide `batch_size`; got 7 and 1000000000000. A batch of 999999999999 or "
        "1000000000006 fits 7 shards, 5 or 8 shards fit a batch of 1000000000000",
    ),
    "a fault below a line separator of Unicode": (
        '# one\u2028line, \x85 too\n' + PLANE + "nois = 1\n",
        "f.toml:5: unknown key `nois`; did you mean `noise`?\n    nois = 1\n           ^",
    ),
    "a key without escapes": (
        PLANE + "'a\\unit' = 1\n", "f.toml:4: unknown key `a\\unit`",
    ),
    "no TOML": ("layers = [\n", "f.toml:1: not valid TOML:"),
    "a key twice": ("title = 1\ntitle = 2\n", "f.toml:2: not valid TOML: Cannot overwrite a value"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), FAULTS.values(), ids=FAULTS)
def test_a_fault_names_place_argument_rule_and_value(text: str, message: str, in_tmp: Path) -> None:
    Path("f.toml").write_text(text)
    with pytest.raises(twofold.RecipeError) as error:
        load_recipe("f.toml")
    assert str(error.value).startswith(message)
    assert len(error.value.faults) == 1


def test_two_missing_keys_are_two_faults_and_the_layers_are_judged_all_the_same() -> None:
    with pytest.raises(twofold.RecipeError) as error:
        loads('[data]\nsource = "csv"\n')
    rules = {fault.rule for fault in error.value.faults}
    assert rules == {"`recipe` lacks `layers`", "`data` lacks `path`", "`data` lacks `label`"}
    with pytest.raises(twofold.RecipeError) as error:
        load_recipe("moons", ["data.noise=-1", "layers.2.units=3"])
    assert [fault.place for fault in error.value.faults] == ["--set data.noise", "--set layers.2.units"]


def test_a_byte_order_mark_is_no_fault(in_tmp: Path) -> None:
    Path("f.toml").write_text("\ufeff" + PLANE, "utf-8")
    assert load_recipe("f.toml").data.source == "moons"


def test_every_fault_is_told_at_once_in_the_order_of_the_file(in_tmp: Path) -> None:
    text = """\
title = 3
layers = [
    { kind = "dense", unit = 3 },
    { kind = "relus" },
]

[data]
source = "moons"
noise = -1

[training]
epochs = 1
steps = 1
batch_size = "all"
"""
    Path("f.toml").write_text(text)
    with pytest.raises(twofold.RecipeError) as error:
        load_recipe("f.toml")
    assert [(fault.place, fault.rule.partition(";")[0]) for fault in error.value.faults] == [
        ("f.toml:1", "`title` must be a text"),
        ("f.toml:3", "`layers[0]` lacks `units`"),
        ("f.toml:3", "unknown key `unit`"),
        ("f.toml:4", "unknown layer kind `relus`"),
        ("f.toml:9", "`noise` must be greater than or equal to 0"),
        ("f.toml:11", "give `epochs` or `steps`, not both"),
        ("f.toml:14", '`batch_size` must be a whole number or "full"'),
    ]


def test_numpy_s_numbers_are_numbers() -> None:
    three, tenth = np.int64(3), np.float32(0.125)
    settings = {"training.steps": three, "lr": tenth, "layers": [Dense(units=three), {"kind": "dense", "units": three}]}
    plain = {"training.steps": 3, "lr": 0.125, "layers": [{"kind": "dense", "units": 3}] * 2, "data.centers": 3}
    assert load_recipe("blobs", settings | {"data.centers": three}) == load_recipe("blobs", plain)
    assert stacked([{"kind": "dense", "units": three}], (three,)).nodes[0].spec == Dense(units=3)


def test_an_unknown_recipe_offers_the_nearest_names() -> None:
    with pytest.raises(twofold.UnknownNameError, match=r"no recipe `mons`; did you mean `moons` or `moons-adam`\?"):
        load_recipe("mons")


def test_a_file_that_cannot_be_read_is_named(in_tmp: Path) -> None:
    with pytest.raises(twofold.UserError, match=r"cannot read the recipe none\.toml: No such file"):
        load_recipe("none.toml")
    Path("latin.toml").write_bytes(b'title = "\xe9"')
    with pytest.raises(twofold.UserError, match=r"cannot read the recipe latin\.toml: it is not UTF-8 text"):
        load_recipe("latin.toml")


SETTINGS = {
    "a table without its kind": ("initial={}", lambda r: r.initial.kind == "default"),
    "a number": ("optimizer.lr=0.5", lambda r: r.optimizer.lr == 0.5),
    "a text without quotes": ("training.batch_size=full", lambda r: r.training.batch_size == "full"),
    "a layer by its index": ("layers.0.units=7", lambda r: r.layers[0].units == 7),
    "a list": ('training.engines=["numpy"]', lambda r: r.training.engines == ("numpy",)),
    "another kind starts its table anew": ("optimizer.kind=adam", lambda r: r.optimizer.lr == 0.001),
    "and what counted its units": ("training.steps=9", lambda r: r.training.evaluate_every == 1),
    "a training in steps is evaluated twenty times": (
        "training.steps=200",
        lambda r: (r.training.evaluate_every, r.training.evaluation_unit) == (10, "step"),
    ),
    "another length takes the old one away": ("training.steps=9", lambda r: r.training.epochs is None),
    "a table that was left out": ("schedule.kind=cosine", lambda r: r.schedule.kind == "cosine"),
}


@pytest.mark.parametrize(("text", "holds"), SETTINGS.values(), ids=SETTINGS)
def test_set_names_a_key_by_its_path(text: str, holds: Any) -> None:
    assert holds(load_recipe("moons", [text]))


def test_a_length_is_set_before_what_counts_its_units() -> None:
    recipe = load_recipe("moons", ["training.evaluate_every=3", "training.steps=90"])
    assert (recipe.training.evaluate_every, recipe.training.steps) == (3, 90)
    kept = load_recipe("moons", ["training.evaluate_unit=epoch", "training.steps=90"])
    assert (kept.training.evaluate_every, kept.training.evaluation_unit) == (
        load_recipe("moons").training.evaluate_every,
        "epoch",
    )


def test_a_kind_is_set_before_the_keys_of_its_table() -> None:
    recipe = load_recipe("moons", ["optimizer.lr=0.5", "optimizer.kind=adam"])
    assert (recipe.optimizer.kind, recipe.optimizer.lr) == ("adam", 0.5)


WRONG_SETTINGS = {
    "schedule.kind=step": "--set schedule.kind: `schedule` lacks `step_size`",
    "layers.2.units=3": "--set layers.2.units: the last layer must give 2 numbers, one for each class; it gives 3",
    'training.engines=["numpy", "numpy"]': "--set training.engines: `engines` names each engine once",
    "data.source=csv": "--set data.source: `data` lacks `path`",
    "optimizer=adam": '--set optimizer: `optimizer` must be a table; got "adam"\n  Name its kind by optimizer.kind.',
    "layers.0.units=99999999999999999999": "--set layers.0.units: the layer would hold",
    "layers.².units=5": "--set layers.².units: choose an element from 0 to 2; got ²",
    "data.seed=99999999999999": "--set data.seed: `seed` must be less than 4294967296",
    "name=../../etc": "--set name: `name` must be fit for a folder",
    "optimizer.lr": "--set wants KEY=VALUE, as in optimizer.lr=0.1; got `optimizer.lr`",
    "optimizer.lr=-1": "--set optimizer.lr: `lr` must be greater than 0; got -1",
    "optimizer.rate=1": "--set optimizer.rate: unknown key `rate`",
    "layers.9.units=3": "--set layers.9.units: choose an element from 0 to 2; got 9",
    "layers.9=3": "--set layers.9: choose an element from 0 to 2; got 9",
    "title.x=3": "--set title.x: a value and no table holds `x`",
    f"layers.{'9' * 5000}.units=3": f"--set layers.{'9' * 5000}.units: choose an element from 0 to 2; got 999",
}


@pytest.mark.parametrize(("text", "message"), WRONG_SETTINGS.items(), ids=WRONG_SETTINGS)
def test_a_wrong_setting_is_told_as_one(text: str, message: str) -> None:
    with pytest.raises(twofold.UserError) as error:
        load_recipe("moons", [text])
    assert str(error.value).startswith(message)


def test_a_recipe_is_valid_by_construction() -> None:
    from pydantic import ValidationError

    good = load_recipe("moons")
    with pytest.raises(twofold.RecipeError, match=r"Recipe\(\.\.\.\): the last layer must give 2 numbers"):
        Recipe(data=good.data, layers=good.layers[:1])
    with pytest.raises(ValidationError, match="frozen"):
        good.title = "x"  # pyright: ignore[reportAttributeAccessIssue]


def test_a_csv_path_starts_at_the_recipe(tmp_path: Path, in_tmp: Path) -> None:
    folder = tmp_path / "course"
    folder.mkdir()
    text = PLANE.replace('"moons"', '"csv"\npath = "a.csv"\nlabel = "y"')
    (folder / "r.toml").write_text(text)
    assert load_recipe(folder / "r.toml").data.path == str(folder / "a.csv")
    assert load_recipe("course/r.toml").data.path == str(folder / "a.csv")


def test_shapes_need_no_data() -> None:
    network = load_recipe("mnist-mlp").network
    assert [shape_text(node.output_shape) for node in network.nodes] == ["(N, 784)", "(N, 64)", "(N, 64)", "(N, 10)"]
    assert network.parameters == {
        "1.weight": (64, 784), "1.bias": (64,), "3.weight": (10, 64), "3.bias": (10,)
    }  # fmt: skip
    assert network.count == 64 * 784 + 64 + 10 * 64 + 10


def test_sizes_that_only_the_file_knows_stay_open(in_tmp: Path) -> None:
    text = PLANE.replace('"moons"', '"csv"\npath = "a.csv"\nlabel = "y"')
    network = loads(text).network
    assert network.parameters["0.weight"] == (2, None)
    assert network.count is None
    assert shape_text(network.input_shape) == "(N, ?)"


def test_softmax_before_cross_entropy_is_noted() -> None:
    recipe = loads(PLANE.replace(" }]", ' }, { kind = "softmax" }]'))
    assert len(recipe.notes) == 1
    assert "applied twice" in recipe.notes[0]
    assert not load_recipe("moons").notes


HOSTILE = (
    5,
    -1,
    0.5,
    "x",
    "",
    math.inf,
    math.nan,
    10**400,
    -(10**400),
    True,
    [],
    [[1, 2]],
    [10**400],
    ["x"],
    {},
    {"x": 1},
    "\ud800",
)


@pytest.mark.parametrize("section", [*UNIONS, *PLAIN_TABLES])
def test_a_hostile_value_of_any_key_is_a_fault_or_taken(section: str) -> None:
    """A value of the wrong type reaches the rules between keys, too."""
    models = {"": PLAIN_TABLES[section]} if section in PLAIN_TABLES else members(section)
    for kind, model in models.items():
        for name, value in itertools.product(model.model_fields, HOSTILE):
            table = {TAGS.get(section, "kind"): kind, name: value} if kind else {name: value}
            recipe, faults = checked(tomllib.loads(PLANE) | {section: [table] if section == "layers" else table}, "x")
            assert (recipe is None) == bool(faults), (kind, name, value)
            if recipe is not None:
                dump(recipe)


def test_a_column_called_source_empties_no_table(in_tmp: Path) -> None:
    columns = {"data.columns.age": "number", "data.columns.source": "category", "data.columns.kind": "category"}
    Path("f.toml").write_text(PLANE.replace('"moons"', '"table"\npath = "t.csv"\nlabel = "y"'))
    recipe = load_recipe("f.toml", columns)
    assert list(recipe.data.model_dump()["columns"]) == ["source", "kind", "age"]


def test_half_of_a_character_is_no_text() -> None:
    with pytest.raises(twofold.RecipeError, match=r"^f.toml:2: not valid TOML: '.ud800' is half of a character"):
        loads('# title\ntitle = "\ud800"', "f.toml")


def test_a_key_of_python_is_a_text() -> None:
    with pytest.raises(twofold.UserError, match=r"the key of an override is a text such as `optimizer.lr`; got 1"):
        load_recipe("moons", {1: 2})  # type: ignore[dict-item]


def test_places_of_every_form_of_toml() -> None:
    text = """\
# a comment
title = "x"
layers = [{ kind = "dense", units = 2 }, # one
  { kind = "relu" }]
a.b = 1
[data]
"source" = "moons"
'C:\\new' = 1
"t\\u0061b" = 1
[[more]]
k = 1
[[more]]
k = 2
[more.deep]
v = '''
two lines'''
"""
    found = places(text)
    tomllib.loads(text)
    lines = {
        ("title",): 2, ("layers",): 3, ("layers", 0, "units"): 3, ("layers", 1): 4, ("layers", 1, "kind"): 4,
        ("a", "b"): 5, ("data",): 6, ("data", "source"): 7, ("data", "C:\\new"): 8, ("data", "tab"): 9,
        ("more", 0, "k"): 11, ("more", 1): 12, ("more", 1, "k"): 13, ("more", 1, "deep"): 14,
        ("more", 1, "deep", "v"): 15,
    }  # fmt: skip
    assert {path: found[path].line for path in lines} == lines


def test_a_marker_counts_characters_and_keeps_tabs(in_tmp: Path) -> None:
    Path("f.toml").write_text('layers = [{ kind = "dense", units = 2 }]\ndata = { "source" = "moons", "ü日本" = 1 }\n')
    with pytest.raises(twofold.RecipeError) as error:
        load_recipe("f.toml")
    line, marker = error.value.faults[0].excerpt.splitlines()
    assert line[len(marker) - 1] == "1"


def test_minus_zero_is_zero() -> None:
    noise = getattr(twofold.load_recipe("moons", {"data.noise": -0.0}).data, "noise", None)
    assert str(noise) == "0.0"
