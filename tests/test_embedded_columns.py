"""Columns of many levels that are embedded: codes from file to network, what is refused, what a report says of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import twofold
from twofold.analysis import findings
from twofold.data import Dataset
from twofold.data.columns.embedded import WIDE, codes_of
from twofold.data.columns.encoding import FittedColumns
from twofold.data.columns.fitting import fitted
from twofold.data.columns.frame import Words
from twofold.data.columns.reading import in_memory
from twofold.data.limits import limits
from twofold.errors import DataError, RecipeError
from twofold.recipe import dump, load_recipe, loads
from twofold.recipe.columns import Category
from twofold.report.table_facts import columns_table
from twofold.setup.building import prepare
from twofold.setup.defaults import table_recipe
from twofold.train.baselines import _rows

CITIES, ROWS = 80, 1000


def rows(count: int = ROWS) -> pd.DataFrame:
    """A number, a column of many levels with holes, one of few; the answer goes by number and city."""
    rng = np.random.default_rng(0)
    x, city, shop = rng.normal(size=count), rng.integers(CITIES, size=count), rng.integers(3, size=count)
    z = x + rng.normal(size=CITIES)[city] + rng.logistic(size=count) / 4
    names = pd.Series([f"c{number}" for number in city]).mask(rng.random(count) < 0.03)
    shops = pd.Series([f"s{number}" for number in shop])
    return pd.DataFrame({"x": x, "city": names, "shop": shops, "y": np.where(z > 0, "yes", "no")})


def recipe(folder: Path, frame: pd.DataFrame | None = None, **changes: Any) -> twofold.Recipe:
    """A short training on them, city and shop embedded."""
    (rows() if frame is None else frame).to_csv(folder / "rows.csv", index=False)
    columns = {"city": {"kind": "category", "embed_above": 10}, "shop": {"kind": "category", "embed_above": 2}}
    first = {"kind": "embed_columns", "num_embeddings": [CITIES + 2, 4], "units": [5, 2]}
    hidden = [{"kind": "dense", "units": 8}, {"kind": "relu"}, {"kind": "dense", "units": 2}]
    base = twofold.Recipe(
        name="rows",
        data={"source": "table", "path": str(folder / "rows.csv"), "label": "y", "columns": columns},
        layers=[first, *hidden],
        optimizer={"kind": "adam", "lr": 0.01},
        training={"epochs": 4, "batch_size": 32},
    )
    return load_recipe(base, changes)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> twofold.Run:
    folder = tmp_path_factory.mktemp("embedded")
    return twofold.run(recipe(folder), out=folder / "run", watcher=lambda _: None)


# Codes


def words(*cells: str) -> Words:
    """A column of words; an empty one is missing."""
    levels = tuple(sorted({*cells} - {""}))
    return Words(np.array([levels.index(cell) if cell else -1 for cell in cells]), levels)


def test_codes_stand_first_and_every_level_has_its_own() -> None:
    cells = words("b", "a", "b", "c", "a", "", "b")
    plain = fitted("w", Category(), cells)
    coded = fitted("w", Category(embed_above=2), cells)
    assert coded.outputs() == ("w",)
    assert len(plain.outputs()) == 4
    out = np.empty((7, 1), np.float32)
    assert coded.encode(cells, out) == []
    assert out[:, 0].tolist() == [2, 1, 2, 3, 1, 4, 2]


@pytest.mark.parametrize(("above", "embedded"), [(None, False), (3, False), (2, True), (0, True)])
def test_a_width_says_which_columns_are_embedded(above: int | None, embedded: bool) -> None:
    column = fitted("w", Category(embed_above=above), words("a", "b", "c", "a"))
    assert ("embedded" in column.model_dump()) == embedded
    assert len(column.outputs()) == (1 if embedded else 3)


def test_what_no_training_row_holds_has_code_0() -> None:
    train = words("a", "a", "b", "b", "c")
    column = fitted("w", Category(embed_above=0, least=2), train)
    out = np.empty((4, 1), np.float32)
    column.encode(words("b", "c", "new", ""), out)
    assert out[:, 0].tolist() == [2, 0, 0, 0]
    assert codes_of(train, Category(embed_above=0, least=2)) == 3
    refusing = fitted("w", Category(embed_above=0, unseen="refuse"), train)
    (fault,) = refusing.encode(words("b", "new"), out[:2])
    assert fault.rule == "holds {cell}, a level that no training row holds; known: `a`, `b`, `c`"


def test_a_recipe_that_asks_for_none_keeps_its_bytes(tmp_path: Path) -> None:
    made = recipe(tmp_path, **{"data.columns": {}, "layers": [{"kind": "dense", "units": 2}]})
    assert "embed" not in dump(made)
    _, dataset = prepare(made)
    assert dataset.columns is not None
    assert "embed" not in dataset.columns.text()
    assert dataset.code_columns == 0


def test_a_recipe_with_embedded_columns_survives_its_own_dump(tmp_path: Path) -> None:
    known, _ = prepare(recipe(tmp_path))
    assert loads(dump(known)) == known
    assert "embed_above = 10" in dump(known)


def test_predict_makes_of_the_training_rows_what_the_training_had(run: twofold.Run) -> None:
    _, dataset = prepare(run.recipe)
    assert dataset.features[:2] == ("city", "shop")
    assert run.columns is not None
    frame = in_memory(rows().sample(frac=1, random_state=1, axis=1))
    again = FittedColumns.from_json(json.loads(run.columns.text()), "columns.json").encode(frame)
    held = np.concatenate([split.x for _, split in dataset.splits()])
    assert sorted(map(bytes, again)) == sorted(map(bytes, held))
    answers = twofold.predict(run, rows().drop(columns="y"))
    assert np.array_equal(answers.inputs.astype(np.float32), again)


def test_a_level_never_seen_says_nothing_until_it_is_trained(run: twofold.Run) -> None:
    """Row 0 began as 0 and got no gradient: the answer is that of a city whose vector is 0."""
    answers = twofold.predict(run, ["0.5,nowhere,s1"])
    for engine in ("numpy", "torch"):
        assert not run.weights(engine)["0.weight_0"][0].any()
    assert answers.inputs[0, 0] == 0


# What is refused

EMBED = {"kind": "embed_columns", "num_embeddings": [82, 4], "units": [5, 2]}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no layer for the codes": (
        {"layers": [{"kind": "dense", "units": 2}]},
        "`city`, `shop`: the levels of an embedded column are codes, which the first layer would take for quantities. "
        'Put this before it, under layers: { kind = "embed_columns", num_embeddings = [82, 4], units = [19, 3] }',
    ),
    "too few rows": (
        {"layers.0.num_embeddings": [81, 4]},
        "layer 0 (embed_columns) has tables of 81, 4 rows; the training rows ask for 82, 4 of `city`, `shop`, with one "
        'each for what they do not hold. Write { kind = "embed_columns", num_embeddings = [82, 4], units = [19, 3] }',
    ),
    "a table too few": (
        {"layers.0.num_embeddings": [82], "layers.0.units": [5]},
        "layer 0 (embed_columns) has tables of 82 rows; the training rows ask for 82, 4 of `city`, `shop`",
    ),
    "no column for the layer": (
        {"data.columns": {}},
        "layer 0 (embed_columns) takes codes, and no column of the table is embedded. Say so of one, under [data]: "
        'columns.NAME = { kind = "category", embed_above = 0 }; or leave the layer out.',
    ),
    "standardized codes": (
        {"data.standardize": "feature"},
        "layer 0 (embed_columns) takes whole numbers from 0 to 81; the train set holds ",
    ),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_told_with_what_to_write(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        prepare(recipe(tmp_path, **changes))
    assert message in str(caught.value)


def test_more_rows_than_codes_are_allowed_so_that_a_recipe_fits_every_fold(tmp_path: Path) -> None:
    known, _ = prepare(recipe(tmp_path, **{"layers.0.num_embeddings": [100, 9], "data.folds": 3, "data.test": 0.0}))
    assert known.network.parameters["0.weight_0"] == (100, 5)


@pytest.mark.parametrize(
    ("layers", "told"),
    [
        ([{**EMBED, "units": [5]}], "`num_embeddings` and `units` say a number a column each; got 2 and 1"),
        ([{**EMBED, "units": [5, 0]}], "units"),
        ([{"kind": "dense", "units": 3}, EMBED], "`embed_columns` takes whole numbers: no layer may stand before it"),
    ],
)
def test_a_layer_that_cannot_be_is_refused_without_data(tmp_path: Path, layers: list[Any], told: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe(tmp_path, layers=[*layers, {"kind": "dense", "units": 2}])
    assert told in str(caught.value)


def test_codes_of_plain_numbers_are_checked(tmp_path: Path) -> None:
    x = np.column_stack([np.arange(20) % 4, np.linspace(0, 1, 20)])
    made = twofold.Recipe(
        data={"source": "arrays", "shape": [2], "classes": 2},
        layers=[{"kind": "embed_columns", "num_embeddings": [3], "units": [2]}, {"kind": "dense", "units": 2}],
    )
    with pytest.raises(DataError, match=r"layer 0 \(embed_columns\) takes whole numbers from 0 to 2; the train set"):
        prepare(made, data=(x, np.arange(20) % 2))


def test_what_is_predicted_must_have_rows_too(tmp_path: Path) -> None:
    x = np.column_stack([np.arange(40) % 4, np.linspace(0, 1, 40)])
    made = twofold.Recipe(
        data={"source": "arrays", "shape": [2], "classes": 2},
        layers=[{"kind": "embed_columns", "num_embeddings": [4], "units": [2]}, {"kind": "dense", "units": 2}],
        training={"epochs": 1},
    )
    run = twofold.run(made, data=(x, np.arange(40) % 2), out=tmp_path / "run", watcher=lambda _: None)
    assert len(twofold.predict(run, x)) == 40
    told = "layer 0 (embed_columns) takes whole numbers from 0 to 3; a sample holds 4."
    with pytest.raises(DataError) as caught:
        twofold.predict(run, x + 1)
    assert str(caught.value) == told
    fitted_one = twofold.TwofoldClassifier(recipe=made).fit(x, np.arange(40) % 2)
    with pytest.raises(ValueError, match="from 0 to 3; X holds 4"):
        fitted_one.predict(x + 1)
    with pytest.raises(ValueError, match=r"from 0 to 3; the train set holds 0\.5"):
        twofold.TwofoldClassifier(recipe=made).fit(x + 0.5, np.arange(40) % 2)


# Both engines, and what is made of the columns


def test_both_engines_go_the_same_way(run: twofold.Run) -> None:
    verification = twofold.verify(run.recipe, overrides={"training.device": "cpu"}, steps=40)
    assert verification.verdict.tolerance == 1e-9
    assert verification.verdict.first_divergence is None
    assert verification.passed
    assert "0.weight_0" in run.weights("numpy")


def test_an_embedded_column_is_one_thing_in_the_report(run: twofold.Run) -> None:
    facts = run.table
    assert facts is not None
    assert facts.columns == ("x", "city", "shop")
    assert {one.column for one in facts.importance} == {"x", "city", "shop"}
    curves = {curve.column: curve for curve in facts.dependence}
    assert set(curves["shop"].levels) == {"s0", "s1", "s2"}
    assert curves["city"].levels[-1] == "(missing)"
    assert "kolmogorov_smirnov" not in {one.test for one in facts.drift if one.column in ("city", "shop")}
    table = columns_table(run)
    assert table is not None
    cells = {row[0]: row for row in table.rows}
    assert cells["city"][4].startswith("the code of one of 80 levels: c0, ")
    assert cells["city"][5] == "1"
    assert run.record.data.traits is not None
    assert run.record.data.traits.widest not in ("city", "shop")
    assert not run.record.data.traits.votes


def test_simpler_models_are_not_given_codes_for_quantities(run: twofold.Run) -> None:
    _, dataset = prepare(run.recipe)
    x = _rows(dataset, dataset.train)
    assert x.shape[1] == 64 + 3 + 1  # the most frequent cities, all shops, the number
    assert np.isin(x[:, :67], (0, 1)).all()
    assert (x[:, 64:67].sum(axis=1) == 1).all()


def test_codes_have_no_nearest_neighbours(run: twofold.Run) -> None:
    _, dataset = prepare(run.recipe)
    assert limits(dataset).ceiling
    assert limits(dataset).neighbours is None


def test_steps_of_a_sequence_may_hold_codes(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    lengths = rng.integers(2, 6, 40)
    frame = pd.DataFrame(
        {
            "id": np.repeat(np.arange(40), lengths),
            "word": [f"w{number}" for number in rng.integers(12, size=lengths.sum())],
            "v": rng.normal(size=lengths.sum()),
            "label": np.repeat(np.where(np.arange(40) % 2, "a", "b"), lengths),
        }
    )
    frame.to_csv(tmp_path / "steps.csv", index=False)
    columns = {"word": {"kind": "category", "embed_above": 0}}
    made = twofold.Recipe(
        data={"source": "table", "path": str(tmp_path / "steps.csv"), "label": "label", "sequence": "id"}
        | {"columns": columns, "baselines": True},
        layers=[
            {"kind": "embed_columns", "num_embeddings": [13], "units": [3]},
            {"kind": "gru", "units": 4},
            {"kind": "dense", "units": 2},
        ],
        training={"epochs": 2},
    )
    assert twofold.verify(made, steps=10).passed
    assert twofold.run(made, out=tmp_path / "run", watcher=lambda _: None).record.failure is None


def test_codes_of_plain_numbers_are_not_said_to_be_large(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    x = np.column_stack([rng.integers(90_000, size=300), rng.normal(size=(300, 2))])
    first = {"kind": "embed_columns", "num_embeddings": [90_000], "units": [2]}
    data = {"source": "arrays", "shape": [3], "classes": 2}
    for layers, told in (([first], False), ([], True)):
        made = twofold.Recipe(data=data, layers=[*layers, {"kind": "dense", "units": 2}], training={"epochs": 2})
        run = twofold.run(made, data=(x, (x[:, 1] > 0) * 1), out=tmp_path / f"run{told}", watcher=lambda _: None)
        assert run.record.data.traits is not None
        assert run.record.data.traits.widest == "1"
        assert any(finding.kind.startswith("unscaled") for finding in findings(run)) == told


# Nothing said


def test_the_lines_of_a_recipe_say_which_columns_are_embedded(command: Any, in_tmp: Path) -> None:
    rows().to_csv("rows.csv", index=False)
    done = command("columns", "rows.csv", "--json")
    facts = json.loads(done.out)
    lines = {column["name"]: column["recipe"] for column in facts["columns"]}
    assert lines["city"] == 'columns.city = { kind = "category", least = 2, embed_above = 0 }'
    assert lines["shop"] == 'columns.shop = "category"'
    assert facts["layer"] == '{ kind = "embed_columns", num_embeddings = [82], units = [19] }'
    assert facts["layer"] in command("columns", "rows.csv").out
    text = f'layers = [{facts["layer"]}, {{ kind = "dense", units = 2 }}]\n[data]\nsource = "table"\n'
    text += 'path = "rows.csv"\nlabel = "y"\n' + "\n".join(line for name, line in lines.items() if name != "y")
    Path("r.toml").write_text(text, "utf-8")
    assert prepare(load_recipe("r.toml"))[1].code_columns == 1


def bare(folder: Path, frame: pd.DataFrame, **settings: Any) -> tuple[twofold.Recipe, Dataset, list[str]]:
    """The recipe of a bare table, and what is told meanwhile."""
    frame.to_csv(folder / "rows.csv", index=False)
    told = list[str]()
    made, dataset = table_recipe(
        folder / "rows.csv", "y", settings, lambda event: told.append(str(getattr(event, "text", "")))
    )
    return made, dataset, told


def test_a_bare_table_has_its_widest_columns_embedded(tmp_path: Path) -> None:
    made, dataset, told = bare(tmp_path, rows())
    assert made.layers[0].kind == "embed_columns"
    assert made.network.parameters["0.weight_0"] == (82, 19)
    assert dataset.code_columns == 1
    assert any("embedded, a vector a level: `city`" in note for note in told)
    few, dataset, _ = bare(tmp_path, rows().assign(city=lambda frame: frame["city"].str[:2]))
    assert few.layers[0].kind == "dense"
    assert dataset.code_columns == 0
    stated, dataset, _ = bare(tmp_path, rows(), **{"data.columns": {"city": "category"}})
    assert stated.layers[0].kind == "dense"
    assert WIDE < CITIES
