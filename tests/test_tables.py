"""Tables as people have them: how they are read, what their columns are taken for and become, what is refused."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer, RobustScaler, StandardScaler

from twofold.data.columns.encoding import FittedColumns
from twofold.data.columns.fitting import fitted
from twofold.data.columns.frame import Frame, Words, words_of
from twofold.data.columns.kinds import inferred
from twofold.data.columns.labels import kind_of_label
from twofold.data.columns.looking import look
from twofold.data.columns.reading import in_memory, read_table
from twofold.data.columns.table import load_table, table_dataset
from twofold.errors import DataError, RecipeError
from twofold.recipe import dump, load_recipe, loads
from twofold.recipe.columns import KINDS, Boolean, Category, Date, Number, Ordinal, Table, Text

pytestmark = pytest.mark.usefixtures("unrendered")

PLAIN = {"a": [1.5, 2.5, None, 4.0, 5.0, 6.5], "b": ["x", "y", "x", None, "x", "y"], "label": list("nynyny")}
"""What every dialect below writes."""


def same_as_plain(frame: Frame) -> bool:
    a, b = frame.columns["a"], frame.columns["b"]
    assert isinstance(b, Words)
    assert not isinstance(a, Words)
    words = [b.levels[code] if code >= 0 else None for code in b.codes]
    return np.array_equal(a, np.array(PLAIN["a"], float), equal_nan=True) and words == PLAIN["b"]


TEXT = "a,b,label\n1.5,x,n\n2.5,y,y\n,x,n\n4,,y\n5,x,n\n6.5,y,y\n"
FANCY = "ä,b,label\n1.5,Müller,n\n2.5,Müller,y\n3,Weiß,n\n4,Weiß,y\n"
DIALECTS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "commas": (TEXT.encode(), {}),
    "semicolons": (TEXT.replace(",", ";").encode(), {}),
    "tabs": (TEXT.replace(",", "\t").encode(), {}),
    "bars": (TEXT.replace(",", "|").encode(), {}),
    "semicolons and quotes": (b'"a";"b";"label"\n' + TEXT.split("\n", 1)[1].replace(",", ";").encode(), {}),
    "a decimal comma": (TEXT.replace(",", ";").replace(".", ",").encode(), {}),
    "a byte-order mark": (b"\xef\xbb\xbf" + TEXT.encode(), {}),
    "UTF-16": (TEXT.encode("utf-16"), {}),
    "line ends of Windows": (TEXT.replace("\n", "\r\n").encode(), {}),
    "comments in front": (b"# of the station, version 2\n# see there\n" + TEXT.encode(), {}),
    "comments between": (TEXT.replace("4,,y", "#4,,y\n4,,y").encode(), {"comment": "#"}),
    "blank lines": (("\n" + TEXT.replace("4,,y\n", "4,,y\n\n ,,\n")).encode(), {}),
    "the separator told by Excel": (b"sep=;\n" + TEXT.replace(",", ";").encode(), {}),
    "spaces around": (TEXT.replace(",", ", ").encode(), {}),
    "trailing separators": (TEXT.replace("\n", ",\n").encode(), {}),
    "words for what is missing": (TEXT.replace(",x,n\n4,,y", "NA,x,n\n4,null,y").encode(), {}),
    "an index in front": (
        "".join(f"{'' if not i else i - 1},{line}\n" for i, line in enumerate(TEXT.splitlines())).encode(), {}
    ),
    "no row of names": (TEXT.split("\n", 1)[1].encode(), {"header": False}),
    "packed by gzip": (gzip.compress(TEXT.encode()), {}),
    "packed by bzip2": (bz2.compress(TEXT.encode()), {}),
    "packed by xz": (lzma.compress(TEXT.encode()), {}),
}  # fmt: skip


@pytest.mark.parametrize(("content", "options"), DIALECTS.values(), ids=DIALECTS)
def test_a_table_is_the_same_in_every_dialect(tmp_path: Path, content: bytes, options: dict[str, Any]) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    frame = read_table(Table(path=str(path), label="label", **options), str(path))
    if not options.get("header", True):
        assert frame.names == ("x1", "x2", "x3")
        frame = Frame(dict(zip(PLAIN, frame.columns.values(), strict=True)), frame.rows, frame.place, frame.source)
    assert frame.rows == 6
    assert same_as_plain(frame)


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16", "latin-1"])
def test_letters_are_read_in_the_encoding_that_is_found_out(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(FANCY.encode(encoding))
    frame = read_table(Table(path=str(path), label="label"), str(path))
    assert frame.names == ("ä", "b", "label")
    assert words_of(frame.columns["b"]).levels == ("Müller", "Weiß")
    told = [note for note in frame.notes if "set encoding" in note]
    assert bool(told) == (encoding in ("cp1252", "latin-1"))


def test_a_row_is_placed_at_its_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,b,label\n1,"two\nlines",x\n\n2,b,y\n,,\n3,c,x\n', "utf-8")
    frame = read_table(Table(path=str(path), label="label"), str(path))
    assert [frame.place(row) for row in range(frame.rows)] == [f"{path}:{line}" for line in (2, 5, 7)]
    assert [place.rpartition(":")[2] for place in (frame.at(np.array([2, 0])).place(row) for row in (0, 1))] == [
        "7",
        "2",
    ]


def test_numbers_are_read_exactly(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=1000) * 10.0 ** np.arange(-150, 150).repeat(4)[:1000]
    path = tmp_path / "t.csv"
    path.write_text("a,label\n" + "".join(f"{float(value)!r},x\n" for value in values), "utf-8")
    read = read_table(Table(path=str(path), label="label"), str(path)).columns["a"]
    assert not isinstance(read, Words)
    assert (read == values).all()


def test_codes_beyond_float64_stay_apart(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("code,hole,label\n9007199254740993,9007199254740993,x\n9007199254740992,,y\n1,2,y\n", "utf-8")
    frame = read_table(Table(path=str(path), label="label"), str(path))
    assert words_of(frame.columns["code"]).levels == ("1", "9007199254740992", "9007199254740993")
    assert "9007199254740993" in words_of(frame.columns["hole"]).levels


FRAMES: dict[str, Callable[[], Any]] = {
    "pandas": lambda: pd.DataFrame(PLAIN),
    "pandas with categories": lambda: pd.DataFrame(PLAIN).astype({"b": "category"}),
    "pandas with nullable types": lambda: pd.DataFrame(PLAIN).convert_dtypes(),
    "polars": lambda: pl.DataFrame(PLAIN),
    "a mapping": lambda: {name: np.array(values, object) for name, values in PLAIN.items()},
}


@pytest.mark.parametrize("make", FRAMES.values(), ids=FRAMES)
def test_a_frame_is_the_same_table(make: Callable[[], Any]) -> None:
    assert same_as_plain(in_memory(make()))


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_a_columnar_file_is_the_same_table(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"t.{ending}"
    frame = pd.DataFrame(PLAIN)
    frame.to_parquet(path) if ending == "parquet" else frame.to_feather(path)
    assert same_as_plain(read_table(Table(path=str(path), label="label"), str(path)))


def test_cells_that_hold_several_values_are_refused(tmp_path: Path) -> None:
    lists = pd.DataFrame({"a": [[1, 2], [3]]})
    lists.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match="column `a` holds a ndarray in row 0; a cell must be"):
        read_table(Table(path=str(tmp_path / "t.parquet"), label="a"), str(tmp_path / "t.parquet"))
    for data, told in (
        (lists, "holds a list in row 0"),
        (pl.DataFrame(lists), "holds a list in row 0"),
        ({"a": [[1], [2]]}, "must hold one value a row"),
        ({"a": [[1], [2, 3]]}, "must have rows of one length; row 0 has 1 values, row 1 has 2"),
        ([[1, 2], [3]], "must have rows of one length"),
    ):
        with pytest.raises(DataError, match=told):
            in_memory(data)


def test_a_row_by_its_cells_is_a_table() -> None:
    row = in_memory({"age": 3, "city": "Ulm"})
    assert row.rows == 1
    assert row.columns["age"].tolist() == [3]  # pyright: ignore
    assert row.columns["city"].levels == ("Ulm",)  # pyright: ignore


def test_infinity_in_memory_is_refused_at_its_row() -> None:
    frame = pd.DataFrame({"a": np.array([1.0, np.inf, 2.5] * 10, object), "label": ["u", "v"] * 15})
    with pytest.raises(DataError, match='data: row 1: column `a` must be a number; got "inf"'):
        table_dataset(Table(label="label"), in_memory(frame))


def test_arrays_and_sparse_matrices_have_numbered_columns() -> None:
    x = np.arange(6.0).reshape(3, 2)
    for made in (in_memory(x), in_memory(scipy.sparse.csr_array(x))):
        assert made.names == ("x1", "x2")
        assert np.array_equal(np.asarray(made.columns["x2"]), x[:, 1])


def cells(*values: Any) -> Any:
    return in_memory({"c": np.array(values, object)}).columns["c"]


many = [f"w{i % 7}" for i in range(60)]
INFERRED: dict[str, tuple[str, list[Any], Any]] = {
    "numbers": ("c", [1.5, 2, 3.25], Number()),
    "numbers with holes": ("c", [1.5, None, 3.25], Number(indicator=True)),
    "words": ("c", ["a", "b", "a", "b"], Category()),
    "words with holes": ("c", ["a", "b", "a", None], Category()),
    "yes and no": ("c", ["Yes", "No", "Yes"], Boolean()),
    "truth values": ("c", [True, False, True], Boolean()),
    "dates of ISO": ("c", ["2024-01-31", "2024-02-01", "2023-12-24"], Date(format="%Y-%m-%d")),
    "dates with points": ("c", ["31.01.2024", "01.02.2024", "24.12.2023"], Date(format="%d.%m.%Y")),
    "dates, month first": ("c", ["01/31/2024", "02/01/2024", "12/24/2023"], Date(format="%m/%d/%Y")),
    "dates, day first": ("c", ["31/01/2024", "01/02/2024", "24/12/2023"], Date(format="%d/%m/%Y")),
    "times": ("c", ["2024-01-31 10:15", "2024-02-01 09:00", "2023-12-24 18:30"], Date(format="%Y-%m-%d %H:%M")),
    "thousands": ("c", ["1,200", "16,800,000", "5"], Number(thousands=",")),
    "a decimal comma": ("c", ["1,25", "16,8", "5"], Number(decimal=",")),
    "per cent": ("c", ["12%", "3.5%", "99%"], Number(sign="%")),
    "dollars": ("c", ["$12", "$3,500.50", "$99"], Number(sign="$", thousands=",")),
    "a dash for missing": ("c", ["1", "2", "3", "4", "-"], Number(absent=("-",), indicator=True)),
    "prose": ("c", [f"this is the text no {i}" for i in range(30)], Text()),
    "few words again and again": ("c", many, Category()),
}


@pytest.mark.parametrize(("name", "values", "kind"), INFERRED.values(), ids=INFERRED)
def test_a_kind_is_inferred(name: str, values: list[Any], kind: Any) -> None:
    assert inferred(name, cells(*values)).spec == kind


LEFT_OUT: dict[str, tuple[str, list[Any], str]] = {
    "a constant number": ("c", [3, 3, 3], "in every row"),
    "a constant word": ("c", ["a", "a", "a"], "in every row"),
    "nothing": ("c", [None, None], "no value"),
    "numbers of rows": ("c", list(range(1, 40)), "numbers the rows"),
    "an index of pandas with gaps": ("Unnamed: 0", [0, 1, 3, 7], "differs"),
    "an identifier": ("PassengerId", [17, 5, 99, 3], "differs"),
    "names of rows": ("c", [f"k{i}" for i in range(30)], "differs in every row"),
}


@pytest.mark.parametrize(("name", "values", "told"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_a_column_that_says_nothing_is_left_out_and_told(name: str, values: list[Any], told: str) -> None:
    guess = inferred(name, cells(*values))
    assert type(guess.spec).model_fields["kind"].default == "drop" or "numbers the rows" in guess.note
    assert told in guess.note or "numbers the rows" in guess.note


LABELS: dict[str, tuple[list[Any], str]] = {
    "words": (["a", "b", "a"], "classes"),
    "few whole numbers": ([0, 1, 1, 0, 2, 2, 1, 0, 2], "classes"),
    "fractions": ([0.5, 1.25, 3.0], "numbers"),
    "many whole numbers": (list(range(100)), "numbers"),
    "prices": (["$1,200.00", "$950.00", "$1,400.00"], "numbers"),
}


@pytest.mark.parametrize(("values", "kind"), LABELS.values(), ids=LABELS)
def test_a_label_is_classes_or_a_number(values: list[Any], kind: str) -> None:
    assert kind_of_label(cells(*values)) == kind


def encoded(spec: Any, *values: Any, train: int | None = None) -> np.ndarray:
    column = cells(*values)
    fit = fitted("c", spec, cells(*values[:train]))
    out = np.empty((len(values), len(fit.outputs())), np.float64)
    assert fit.encode(column, out) == []
    return out


HELD = np.array([3.5, 1.0, np.nan, 8.0, -2.0, 1.0, 900.0])


@pytest.mark.parametrize(
    ("scale", "transformer"),
    [("standard", StandardScaler()), ("robust", RobustScaler()),
     ("quantile", QuantileTransformer(n_quantiles=7, output_distribution="normal"))],
)  # fmt: skip
@pytest.mark.parametrize("missing", ["median", "mean"])
def test_numbers_are_what_scikit_learn_makes_of_them(scale: Any, transformer: Any, missing: Any) -> None:
    filled = SimpleImputer(strategy=missing).fit_transform(HELD[:, None])
    expected = transformer.fit_transform(filled)
    got = encoded(Number(scale=scale, missing=missing), *HELD)
    assert np.array_equal(got, expected)


def test_categories_are_what_scikit_learn_makes_of_them() -> None:
    values = ["b", "a", "c", "a", "b"]
    expected = OneHotEncoder(sparse_output=False).fit_transform(np.array(values)[:, None])
    assert np.array_equal(encoded(Category(), *values), expected)


ENCODED: dict[str, tuple[Any, list[Any], int | None, list[list[float]]]] = {
    "an indicator": (Number(missing=0.0, scale="none", indicator=True), [5, None], None, [[5, 0], [0, 1]]),
    "clipped": (Number(scale="none", clip=2.0), [5.0, -3.0, 1.0], None, [[2], [-2], [1]]),
    "a missing level": (Category(), ["a", None, "b"], None, [[1, 0, 0], [0, 0, 1], [0, 1, 0]]),
    "an unseen level": (Category(), ["a", "b", "c"], 2, [[1, 0], [0, 1], [0, 0]]),
    "rare levels": (Category(least=2), ["a", "b", "c", "a", "z"], 4, [[1, 0], [0, 1], [0, 1], [1, 0], [0, 1]]),
    "the most frequent levels": (Category(most=1), ["a", "b", "a"], None, [[1, 0], [0, 1], [1, 0]]),
    "1 and 1.0 are one level": (Category(), [1, 2, 1.0], None, [[1, 0], [0, 1], [1, 0]]),
    "an order": (Ordinal(levels=("low", "high")), ["low", "high"], None, [[-1], [1]]),
    "an order of numbers": (Ordinal(), [10, 2, 10, 2], None, [[1], [-1], [1], [-1]]),
    "truth": (Boolean(), ["yes", "No", None, "YES"], None, [[1], [0], [2 / 3], [1]]),
    "a part of a date": (Date(parts=("month",), cyclic=False), ["2024-01-05", "2024-03-05"], None, [[-1], [1]]),
    "a part that comes around": (Date(parts=("month",)), ["2024-01-05", "2024-04-05"], None, [[0, 1], [1, 0]]),
}


@pytest.mark.parametrize(("spec", "values", "train", "expected"), ENCODED.values(), ids=ENCODED)
def test_a_column_becomes_numbers(spec: Any, values: list[Any], train: int | None, expected: list[list[float]]) -> None:
    np.testing.assert_allclose(encoded(spec, *values, train=train), np.array(expected, float), atol=1e-15)


def test_parts_of_dates_are_those_of_the_calendar() -> None:
    days = [date(1969, 12, 31), date(2000, 2, 29), date(2024, 12, 24)]
    for part in ("year", "month", "day", "weekday"):
        spec = Date(parts=(part,), cyclic=False)
        fit = fitted("c", spec, cells(*(day.isoformat() for day in days)))
        raw = fit.model_copy(update={"shifts": (0.0,), "divisors": (1.0,)})
        out = np.empty((3, 1))
        raw.encode(cells(*(day.isoformat() for day in days)), out)
        least = 1 if part in ("month", "day") else 0
        wanted = [day.weekday() if part == "weekday" else getattr(day, part) - least for day in days]
        assert out[:, 0].tolist() == wanted, part


def messy(rows: int = 200, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    kind = rng.choice(["red", "green", "blue"], rows)
    size = rng.normal(size=rows).round(3)
    return pd.DataFrame({
        "kind": np.where(rng.random(rows) < 0.1, None, kind),
        "size": np.where(rng.random(rows) < 0.1, np.nan, size),
        "price": [f"${1000 + 37 * i % 900:,}.50" for i in range(rows)],
        "when": pd.Timestamp("2023-01-01") + pd.to_timedelta(rng.integers(0, 700, rows), "D"),
        "ok": rng.choice(["yes", "no"], rows),
        "note": [f"a note of {word} and more" for word in rng.choice(["one", "two", "three", "four"], rows)],
        "level": rng.choice([1, 2, 3], rows),
        "label": np.where((kind == "red") ^ (size > 0), "in", "out"),
    })  # fmt: skip


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "messy.csv"
    messy().to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def run_of_a_table(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from twofold.setup.defaults import table_recipe
    from twofold.train.running import run

    folder = tmp_path_factory.mktemp("table")
    messy().to_csv(folder / "messy.csv", index=False)
    recipe, data = table_recipe(folder / "messy.csv", "label", {"training.epochs": 3}, lambda event: None)
    return run(recipe, data=data, out=folder / "run", watcher=lambda event: None)


def test_prediction_sees_the_rows_of_training_to_the_byte(run_of_a_table: Any) -> None:
    """The same file, its columns in another order, written in another dialect, a frame, a part of it."""
    import twofold

    path = Path(run_of_a_table.recipe.data.path)
    spec = run_of_a_table.recipe.data
    frame = read_table(spec, str(path))
    columns: FittedColumns = run_of_a_table.columns
    own = columns.encode(frame)
    dataset = load_table(spec)
    rows = {row.tobytes() for row in own}
    assert {row.tobytes() for _, split in dataset.splits() for row in split.x} == rows
    other = path.with_name("other.csv")
    pd.read_csv(path, dtype=str)[["label", *reversed(columns.names)]].to_csv(other, index=False, sep=";")
    parts = [path, other, messy(), messy().iloc[:, ::-1], pl.DataFrame(messy())]
    for part in parts:
        assert twofold.predict(run_of_a_table, part).inputs.tobytes() == own.tobytes()
    some = messy().iloc[[7, 3]]
    assert twofold.predict(run_of_a_table, some).inputs.tobytes() == own[[7, 3]].tobytes()
    assert twofold.evaluate(run_of_a_table).agrees
    assert twofold.evaluate(run_of_a_table, data=path).scores


def test_what_was_fitted_is_plain_json_and_comes_back(run_of_a_table: Any) -> None:
    text = (run_of_a_table.path / "columns.json").read_text("utf-8")
    value = json.loads(text)
    assert FittedColumns.from_json(value, "x") == run_of_a_table.columns
    assert "columns.json" in run_of_a_table.record.files
    value["columns"][0]["kind"] = "nothing"
    with pytest.raises(DataError, match=r"x is damaged: columns\.0"):
        FittedColumns.from_json(value, "x")


def test_what_is_fitted_depends_on_the_training_rows_alone(table: Path) -> None:
    spec = Table(path=str(table), label="label", test=0.3)
    frame = read_table(spec, str(table))
    dataset = table_dataset(spec, frame)
    size = frame.columns["size"]
    assert not isinstance(size, Words)
    number = next(column for column in dataset.columns.columns if column.name == "size")  # pyright: ignore
    shifted = frame.columns | {"size": np.where(np.isnan(size), np.nan, size + 100)}  # pyright: ignore
    again = table_dataset(spec, Frame(shifted, frame.rows, frame.place, frame.source))
    other = next(column for column in again.columns.columns if column.name == "size")  # pyright: ignore
    assert other.shift == pytest.approx(number.shift + 100)
    held = dataset.train.x[:, dataset.features.index("size")]
    assert abs(float(held.mean())) < 1e-6
    assert abs(float(dataset.test.x[:, dataset.features.index("size")].mean())) > 1e-6


def test_the_recipe_of_a_run_says_what_every_column_is(run_of_a_table: Any) -> None:
    recipe = run_of_a_table.recipe
    assert loads(dump(recipe)) == recipe
    kinds = {name: type(spec).model_fields["kind"].default for name, spec in recipe.data.columns.items()}
    assert kinds == {
        "kind": "category", "size": "number", "price": "number", "when": "date", "ok": "boolean", "note": "text",
        "level": "number",
    } | ({"note": kinds["note"]})  # fmt: skip
    assert recipe.data.width == len(run_of_a_table.record.data.features)


class Part(NamedTuple):
    options: dict[str, Any]
    sizes: tuple[int, int, int]


DIVIDED = {
    "by chance": Part({"test": 0.2, "validation": 0.1}, (70, 10, 20)),
    "by a column": Part({"split": "part"}, (60, 20, 20)),
    "by groups": Part({"group": "patient", "test": 0.2, "validation": 0.2}, (60, 20, 20)),
    "by time": Part({"order": "day", "test": 0.2, "validation": 0.1}, (70, 10, 20)),
}


@pytest.mark.parametrize("part", DIVIDED.values(), ids=DIVIDED)
def test_rows_are_divided(part: Part) -> None:
    rng = np.random.default_rng(1)
    day = rng.permutation(100)
    frame = pd.DataFrame({
        "x": rng.normal(size=100), "row": np.arange(100.0) ** 2, "label": np.arange(100) % 2,
        "part": ["train"] * 60 + ["val"] * 20 + ["Test"] * 20, "patient": [f"p{i // 10}" for i in range(100)],
        "day": [(pd.Timestamp("2024-01-01") + pd.Timedelta(days=int(at))).date().isoformat() for at in day],
    })  # fmt: skip
    columns = {"row": {"kind": "number", "scale": "none"}, "part": "drop", "patient": "drop", "day": "drop"}
    spec = Table(label="label", columns={n: v for n, v in columns.items() if n != part.options.get("split")
                                         and n != part.options.get("group")}, **part.options)  # fmt: skip
    dataset = table_dataset(spec, in_memory(frame))
    assert tuple(len(getattr(dataset, name)) for name in ("train", "validation", "test")) == part.sizes
    rows = {
        name: np.sqrt(split.x[:, dataset.features.index("row")]).round().astype(int) for name, split in dataset.splits()
    }
    assert sorted(np.concatenate(list(rows.values()))) == list(range(100))
    if "group" in part.options:
        assert not {row // 10 for row in rows["train"]} & {row // 10 for row in rows["test"]}
    if "order" in part.options:
        assert (
            max(day[rows["train"]])
            < min(day[rows["validation"]])
            <= max(day[rows["validation"]])
            < min(day[rows["test"]])
        )
    if "split" in part.options:
        assert set(rows["validation"]) == set(range(60, 80))


def test_rows_without_a_label_count_for_nothing() -> None:
    labelled, others = 100, 80
    frame = pd.DataFrame({
        "city": [f"c{i % 8}" for i in range(labelled)] + [f"other {i}" for i in range(others)],
        "age": [str(i % 50) for i in range(labelled)] + ["4.x"] * others,
        "label": ["a", "b"] * (labelled // 2) + [None] * others,
    })  # fmt: skip
    dataset = table_dataset(Table(label="label", without_label="drop"), in_memory(frame))
    assert dataset.columns is not None
    assert [column.kind for column in dataset.columns.columns] == ["category", "number"]


def test_the_test_may_be_a_file_of_its_own(tmp_path: Path) -> None:
    messy(100).to_csv(tmp_path / "a.csv", index=False)
    messy(40, seed=5).iloc[:, ::-1].to_csv(tmp_path / "b.csv", index=False)
    spec = Table(path=str(tmp_path / "a.csv"), test_path=str(tmp_path / "b.csv"), label="label")
    dataset = load_table(spec)
    assert (len(dataset.train), len(dataset.test)) == (100, 40)


GOOD = "a,b,label\n1,x,n\n2,y,y\n3,x,n\n4,y,y\n5,x,n\n7,y,y\n"
REFUSED: dict[str, tuple[str | bytes, dict[str, Any], str]] = {
    "no file": ("", {"path": "nowhere.csv"}, "no file .*nowhere.csv"),
    "empty": ("", {}, r":1: the file is empty"),
    "names alone": ("a,b,label\n", {}, r":2: no rows under the header"),
    "no such label": (GOOD, {"label": "lable"}, r":1: no column `lable`; did you mean `label`\?"),
    "no such column": (GOOD, {"columns": {"bb": "number"}}, r":1: no column `bb`; did you mean `b`\?"),
    "a short row": (GOOD.replace("3,x,n", "3,x"), {}, r":4: the row has 2 cells, the first row 3"),
    "a long row": (GOOD.replace("3,x,n", "3,x,n,7"), {}, r":4: the row has 4 cells"),
    "an open quote": (GOOD.replace("3,x", '3,"x'), {}, r":4: not a table: unexpected end of data"),
    "no row of names": ("1.5,x,2\n2.5,y,3\n", {"label": "kind"}, r":1: no column `kind`; where .* header = false"),
    "a label that is missing": (GOOD.replace("3,x,n", "3,x,"), {}, r":4: column `label` holds no label\n.*without"),
    "a label that is NA": (GOOD.replace("3,x,n", "3,x,NA"), {}, r":4: column `label` holds no label"),
    "one class": (GOOD.replace(",y\n", ",n\n"), {}, "holds one class only, `n`"),
    "a class written twice": (GOOD.replace(",n\n", ",1\n").replace("5,x,1", "5,x,1.0").replace(",y\n", ",w\n"), {},
                              r"holds `1` and `1.0`, the same number"),
    "a word where a number is told": (GOOD, {"columns": {"b": "number"}}, r':2: column `b` must be a number; got "x"'),
    "a word among numbers": (GOOD.replace("3,", "3x,"), {}, r':4: column `a` holds "3x", and numbers in its other'),
    "commas of two meanings": (GOOD.replace("3,", '"3,000",'), {"columns": {}}, r':4: column `a` holds "3,000"'),
    "only such commas": ('a,label\n"1,200",x\n"3,400",y\n"5,600",x\n"7,800",y\n', {}, "group thousands, or that stand"),
    "a hole that is refused": (GOOD.replace("3,", ","), {"columns": {"a": {"kind": "number", "missing": "refuse"}}},
                               r":4: column `a` is empty"),
    "all values missing": ("a,b,label\n1,,n\n2,,y\n3,,n\n4,,y\n", {"columns": {"b": "number"}},
                           "column `b` holds no value in any training row"),
    "a date that does not parse": (GOOD.replace("x", "2024-01-31").replace("y,", "2024-02-31,"),
                                   {"columns": {"b": "date"}},
                                   r':3: column `b` holds no date.*"2024-02-31"'),
    "words without an order": (GOOD, {"columns": {"b": "ordinal"}}, "words have no order by themselves"),
    "a name that stands twice": (GOOD.replace("a,b", "a,a"), {}, "column `a` stands in the header more than once"),
    "more classes than rows allow": ("a,label\n" + "".join(f"{i * 0.5},k{i}\n" for i in range(50)), {},
                                     "50 different values in 50 rows"),
    "a continuous label": (GOOD.replace(",n\n", ",0.5\n").replace(",y\n", ",1\n"), {}, r"must hold classes.*got 0.5"),
    "one group": (GOOD, {"group": "b", "columns": {}, "test": 0.2, "validation": 0.2}, "holds 2 groups; 3 parts need"),
    "a part of no name": (GOOD, {"split": "b"}, "column `b` must say where the row belongs"),
    "no feature": ("a,label\n3,x\n3,y\n3,x\n", {}, "no column is a feature"),
    "a workbook": (b"PK\x03\x04xx", {}, "workbook"),
    "bytes": (b"\x00\x01\x02\x03", {}, "its first bytes are no letters"),
    "a broken archive": (gzip.compress(GOOD.encode())[:30], {}, "damaged"),
    "infinity": (GOOD.replace("3,", "inf,"), {}, r':4: column `a` must be a number; got "inf"'),
    "infinity by rank": (GOOD.replace("3,", "-inf,"), {"columns": {"a": {"kind": "number", "scale": "quantile"}}},
                         r':4: column `a` must be a number; got "-inf"'),
    "a number beyond all": (GOOD.replace("3,", "1e9999999,"), {}, r":4: column `a` must be a number"),
    "a foreign byte behind many letters": (b"a,label\n" + "é,n\nè,y\n".encode("cp1252") * 600 + b"\x81,n\n", {},
                                           r":1202: its text is no UTF-8, and no cp1252 either"),
    "an encoding of bytes": (GOOD, {"encoding": "hex"}, "no encoding of text `hex`; name one of Python"),
    "an encoding without its mark": (GOOD, {"encoding": "utf-16"}, "its text is no utf-16; set another encoding"),
    "a bad sign in a format": (GOOD.replace("x", "2024-01-31"), {"columns": {"b": {"kind": "date", "format": "%Q"}}},
                               'column `b`: "%Q" is no format of dates .*; write one as columns.b = '),
    "a format that repeats itself": (GOOD, {"columns": {"b": {"kind": "date", "format": "%d%d"}}},
                                     'column `b`: "%d%d" is no format of dates'),
    "separators alone": (",,\n,,\n", {}, ":1: the file holds no cell"),
    "comments alone": ("# a\n# b\n", {"comment": "#"}, ":1: the file holds no cell"),
    "an open quote between spaces": (GOOD.replace(",", " ") + '9 x "n', {"separator": " "}, "a quote is opened and"),
    "UTF-8 with a foreign byte": ("é,b,label\n1,x,n\n".encode() + b"2,\xff\xfe,y\n", {}, ":3: not UTF-8 text"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "options", "told"), REFUSED.values(), ids=REFUSED)
def test_a_table_is_refused_at_its_line(tmp_path: Path, content: Any, options: dict[str, Any], told: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    spec = Table(**{"path": str(path), "label": "label", "test": 0.0, **options})
    with pytest.raises(DataError, match=told):
        load_table(spec)


ASKED: dict[str, tuple[str, str]] = {
    "a column that is missing": ("a,label\n1,n\n", r":1: no column `b`"),
    "a word for a number": ("a,b\nx,x\n", r':2: column `a` must be a number; got "x"'),
    "another level": ("a,b\n1,z\n", r':2: column `b` holds "z", a level that no training row holds; known: `x`, `y`'),
    "a hole": ("a,b\n,x\n", r":2: column `a` is empty"),
    "infinity": ("a,b\ninf,x\n", r':2: column `a` must be a number; got "inf"'),
}


@pytest.mark.parametrize(("content", "told"), ASKED.values(), ids=ASKED)
def test_rows_that_the_columns_cannot_take_are_refused(tmp_path: Path, content: str, told: str) -> None:
    from twofold.data.columns.given import read_given_rows

    (tmp_path / "t.csv").write_text(GOOD, "utf-8")
    strict = {"a": {"kind": "number", "missing": "refuse"}, "b": {"kind": "category", "unseen": "refuse"}}
    spec = Table(path=str(tmp_path / "t.csv"), label="label", columns=strict, test=0.0)  # pyright: ignore
    columns = load_table(spec).columns
    assert columns is not None
    (tmp_path / "new.csv").write_text(content, "utf-8")
    with pytest.raises(DataError, match=told):
        read_given_rows(spec, columns, [str(tmp_path / "new.csv")])


COLUMN_FAULTS = {
    'age = "numbr"': r"unknown kind of column `numbr`; did you mean `number`\?",
    'age = { kind = "number", scal = "robust" }': r"unknown key `scal`; did you mean `scale`\?",
    'age = { kind = "number", scale = "robst" }': r"did you mean `robust`\?",
    "age = 3": "`age` must be a table; got 3",
    "age = {}": "`age` lacks `kind`; known: `number`",
}


@pytest.mark.parametrize(("line", "told"), COLUMN_FAULTS.items())
def test_a_fault_of_a_column_is_told_at_its_line(line: str, told: str) -> None:
    text = 'layers = [{ kind = "dense", units = 2 }]\n[data]\nsource = "table"\npath = "a.csv"\nlabel = "y"\n'
    with pytest.raises(RecipeError, match=rf"recipe.toml:7: .*{told}"):
        loads(f"{text}[data.columns]\n{line}\n")


def test_a_pattern_says_what_many_columns_are() -> None:
    frame = pd.DataFrame({f"t_{i}": np.random.default_rng(i).normal(size=40) for i in range(3)} | {"y": [0, 1] * 20})
    spec = Table(label="y", columns={"t_*": Number(scale="none"), "t_1": Number()})
    dataset = table_dataset(spec, in_memory(frame))
    scales = {column.name: column.spec.scale for column in dataset.columns.columns}  # pyright: ignore
    assert scales == {"t_0": "none", "t_1": "standard", "t_2": "none"}


def test_the_kinds_are_those_of_the_recipe() -> None:
    from twofold.recipe.faults import members

    assert members("columns") == KINDS


def test_leaks_and_repeated_rows_are_told(tmp_path: Path) -> None:
    frame = messy(120)
    frame["copy"] = np.where(frame.label == "in", 1.25, 3.5) + np.arange(120) * 1e-4
    pd.concat([frame, frame]).to_csv(tmp_path / "t.csv", index=False)
    facts = look(Table(path=str(tmp_path / "t.csv"), label="label"), "label")
    leaks = [column.name for column in facts.columns if any("gives the label away" in text for text in column.warnings)]
    assert leaks == ["copy"]
    assert any("equal to a training row" in warning for warning in facts.warnings)


@pytest.mark.parametrize("content", ["a,label\n1,n\n2,m\n", GOOD.replace("3,", "inf,")])
def test_columns_are_told_of_a_table_that_cannot_be_trained_on(tmp_path: Path, content: str) -> None:
    (tmp_path / "t.csv").write_text(content)
    facts = look(Table(path=str(tmp_path / "t.csv"), label="label"), "label")
    assert facts.target == "classes"
    warnings = facts.columns[0].warnings
    assert any("holds infinity in 1 rows" in warning for warning in warnings) == ("inf" in content)


def test_a_table_is_run_by_its_name_and_label(command, in_tmp: Path) -> None:
    messy(80).to_csv("messy.csv", index=False)
    done = command("run", "messy.csv", "--label", "label", "--set", "training.epochs=2", "--out", "r")
    assert done.status == 0, done.err
    assert "messy" in done.out
    done = command("predict", "r", "messy.csv", "--json")
    assert len(json.loads(done.out)["answers"]) == 160
    done = command("run", "messy.csv")
    assert done.status == 2
    assert "--label COLUMN" in done.err


def test_the_columns_of_a_table_are_told(command, in_tmp: Path) -> None:
    messy(80).to_csv("messy.csv", index=False)
    done = command("columns", "messy.csv", "--label", "label", "--json")
    assert done.status == 0, done.err
    facts = json.loads(done.out)
    lines = [column["recipe"] for column in facts["columns"]]
    assert 'columns.kind = "category"' in lines
    assert 'label = "label"' in lines
    text = 'layers = [{ kind = "dense", units = 2 }]\n[data]\nsource = "table"\npath = "messy.csv"\n'
    (in_tmp / "t.toml").write_text(text + "\n".join(lines), "utf-8")
    assert load_recipe("t.toml").data.label == "label"  # pyright: ignore
    assert "kind" in command("columns", "messy.csv").out


def test_of_a_thousand_columns_the_first_are_printed_and_the_others_counted(command, in_tmp: Path) -> None:
    names = [f"c{number}" for number in range(1000)]
    rows = [",".join(str(row * number % 7 / 2) for number in range(1000)) for row in range(1, 21)]
    text = [",".join([*names, "y"]), *(f"{row},{k % 2}" for k, row in enumerate(rows))]
    Path("wide.csv").write_text("\n".join(text), "utf-8")
    done = command("columns", "wide.csv", "--label", "y")
    assert done.status == 0, done.err
    printed = {line.split()[0] for line in done.out.splitlines() if line.strip()}
    assert {"c0", "c199", "y"} <= printed
    assert "c200" not in printed
    assert "and 800 columns more: " in done.out
    assert "warnings more of single columns" in done.err + done.out
    assert len(json.loads(command("columns", "wide.csv", "--json").out)["columns"]) == 1001


TASKS: dict[str, tuple[Any, dict[str, Any], str, str]] = {
    "a number": ("price", {}, "regression", "mean_squared"),
    "a class": ("label", {}, "classification", "cross_entropy"),
    "classes of few whole numbers": ("level", {}, "classification", "cross_entropy"),
    "a number though there are few": ("level", {"loss.kind": "mean_absolute"}, "regression", "mean_absolute"),
    "two numbers": (
        None,
        {"data.label": ["price", "size"], "data.without_label": "drop"},
        "regression",
        "mean_squared",
    ),
    "two labels": (None, {"data.label": ["one", "two"]}, "multi_label", "binary_cross_entropy"),
    "weighted": ("label", {"data.weight": "heavy"}, "classification", "cross_entropy"),
}


@pytest.mark.parametrize(("label", "settings", "task", "loss"), TASKS.values(), ids=TASKS)
def test_the_task_of_a_table_is_found_out(
    tmp_path: Path, label: str | None, settings: dict[str, Any], task: str, loss: str
) -> None:
    from twofold.setup.defaults import table_recipe

    rng = np.random.default_rng(3)
    extra = {"one": rng.integers(0, 2, 120), "two": rng.integers(0, 2, 120), "heavy": rng.integers(0, 3, 120)}
    messy(120).assign(**extra).to_csv(tmp_path / "t.csv", index=False)
    recipe, dataset = table_recipe(tmp_path / "t.csv", label, settings, lambda event: None)
    assert (recipe.task, recipe.loss.kind) == (task, loss)
    assert recipe.network.classes == len(dataset.classes or dataset.targets)
    assert (dataset.train.weight is not None) == ("data.weight" in settings)
    for name in ("price", "size"):
        if name in dataset.targets:
            assert dataset.target_scaling is not None
            assert not any(feature.startswith(name) for feature in dataset.features)


def test_numbers_are_predicted_and_judged_from_a_table(tmp_path: Path) -> None:
    import twofold
    from twofold.setup.defaults import table_recipe

    messy(120).to_csv(tmp_path / "t.csv", index=False)
    recipe, data = table_recipe(tmp_path / "t.csv", "price", {"training.epochs": 2}, lambda event: None)
    run = twofold.run(recipe, data=data, out=tmp_path / "run", engines="numpy", watcher=lambda event: None)
    assert twofold.evaluate(run, engines="numpy").agrees
    own = twofold.evaluate(run, data=tmp_path / "t.csv").scores["numpy"]
    assert np.isfinite(own.loss)
    assert len(twofold.predict(run, tmp_path / "t.csv")) == 120


@pytest.mark.parametrize("form", ["a frame", "a pair", "polars"])
def test_a_table_in_memory_is_trained_on(tmp_path: Path, form: str) -> None:
    import twofold

    frame = messy(120)
    rest = frame.drop(columns="label")
    data = {"a frame": frame, "a pair": (rest, frame["label"]), "polars": pl.DataFrame(frame)}[form]
    text = (
        'layers = [{ kind = "dense", units = 2 }]\n[data]\nsource = "table"\nlabel = "label"\n[training]\nsteps = 2\n'
    )
    run = twofold.run(loads(text), data=data, engines="numpy", out=tmp_path / "run", watcher=lambda event: None)
    assert run.recipe.data.path is None  # pyright: ignore
    assert len(twofold.predict(run, rest)) == 120
    assert twofold.evaluate(run, data=(rest, frame["label"]), engines="numpy").scores["numpy"].accuracy >= 0
    with pytest.raises(DataError, match="handed over in memory"):
        twofold.evaluate(run)
    mixed = frame["label"].sample(frac=1, random_state=0)
    with pytest.raises(DataError, match=r"the same rows in another order; give y\.loc\[X\.index\]"):
        twofold.evaluate(run, data=(rest, mixed))
    with pytest.raises(DataError, match=r"the same rows in another order; give y\.loc\[X\.index\]"):
        twofold.run(loads(text), data=(rest, mixed), out=tmp_path / "other")
    with pytest.raises(DataError, match="holds no column `label`"):
        twofold.run(loads(text), data=rest, out=tmp_path / "other")
