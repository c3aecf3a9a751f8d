"""Inputs as people have them: each row is a kind of fault, in the words of a table of cases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import twofold
from twofold.data import Dataset, load_data
from twofold.data.names import same_class
from twofold.data.tables import read_rows
from twofold.errors import DataError
from twofold.recipe.data import Csv, Images
from twofold.recipe.files import loads

ROWS = "".join(f"{i},{i % 3},{'abc'[i % 3]}\n" for i in range(30))
GOOD = f"length,width,species\n{ROWS}"


def _csv(folder: Path, text: str | bytes, name: str = "f.csv", **settings: Any) -> Dataset:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_data(Csv.model_validate({"path": str(path), "label": "species", **settings}))


def _numbered(header: str, start: int = 0, step: int = 1) -> str:
    rows = ROWS.splitlines()
    return "\n".join([header, *(f"{start + step * i},{row}" for i, row in enumerate(rows))]) + "\n"


LEFT_OUT = {
    "the index of pandas": _numbered(",length,width,species"),
    "an index from 1": _numbered(",length,width,species", 1),
    "an index with rows taken out": _numbered(",length,width,species", 3, 7),
    "an index that was read again": _numbered("Unnamed: 0,length,width,species"),
    "a comma at the end of every line": GOOD.replace("\n", ",\n"),
    "empty cells behind the header": GOOD.replace("a\n", "a,,\n"),
}


@pytest.mark.parametrize("text", LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_programs_add_to_a_table_is_no_feature(tmp_path: Path, text: str) -> None:
    dataset = _csv(tmp_path, text, standardize="none")
    plain = _csv(tmp_path, GOOD, "plain.csv", standardize="none")
    assert dataset.features == ("length", "width")
    assert dataset.fingerprint == plain.fingerprint
    assert len(dataset.notes) == (not text.startswith("length,width,species\n"))


def test_columns_that_are_no_features_may_be_called_anything(tmp_path: Path) -> None:
    text = "x,x,,length,species\n" + "".join(f"p,q,r,{i},{'ab'[i % 2]}\n" for i in range(20))
    assert _csv(tmp_path, text, features=["length"]).features == ("length",)
    with pytest.raises(twofold.DataError, match="column `x` stands 2 times"):
        _csv(tmp_path, text, features=["x"])


HEADERS = {
    "fractions": ("0.5,1.5,a\n" + ROWS, "the first row holds numbers, 0.5, 1.5"),
    "whole numbers alone": ("7,3,1\n" + "1,2,0\n2,3,1\n" * 9, "the first row holds numbers, 7, 3"),
    "a number below 0": ("-1,width,species\n" + ROWS, "the first row holds numbers, -1"),
    "semicolons in quotes": ('"length";"width";"species"\n' + ROWS, 'separated by `;`; write `delimiter = ";"`'),
    "tabs": (GOOD.replace(",", "\t"), 'separated by `tab`; write `delimiter = "\\t"`'),
    "bars": (GOOD.replace(",", "|"), 'separated by `|`, write `delimiter = "|"`'),
}


@pytest.mark.parametrize(("text", "message"), HEADERS.values(), ids=HEADERS)
def test_a_header_that_is_none_is_told(tmp_path: Path, text: str, message: str) -> None:
    label = text.partition("\n")[0].rpartition(",")[2] if message.startswith("the first") else "species"
    with pytest.raises(twofold.DataError) as error:
        _csv(tmp_path, text, label=label)
    assert message.replace("`tab`;", "`tab`,") in str(error.value).replace("`tab`;", "`tab`,")


@pytest.mark.parametrize("header", ["0,1,species", "1,2,species", "2019,2020,species"])
def test_columns_may_be_called_by_numbers(tmp_path: Path, header: str) -> None:
    assert len(_csv(tmp_path, f"{header}\n{ROWS}").features) == 2


FORMATS = {
    "gzip": (b"\x1f\x8b\x08\x00", "packed by gzip"),
    "a workbook": (b"PK\x03\x04abc", "a workbook (.xlsx) or another zip archive"),
    "an old workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old workbook (.xls)"),
    "Parquet": (b"PAR1\x00\x00", "a Parquet file"),
    "UTF-16": (b"\xff\xfea\x00,\x00", "begins as UTF-16 does"),
}


@pytest.mark.parametrize(("content", "message"), FORMATS.values(), ids=FORMATS)
def test_a_file_of_another_format_is_told_from_its_first_bytes(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(twofold.DataError, match=message.replace("(", r"\(").replace(")", r"\)")):
        _csv(tmp_path, content)


@pytest.mark.parametrize("row", [2, 17, 30])
def test_a_byte_that_is_no_text_is_placed_at_its_line(tmp_path: Path, row: int) -> None:
    lines = GOOD.encode().splitlines()
    lines[row - 1] = lines[row - 1][:-1] + b"\xe9"
    with pytest.raises(twofold.DataError, match=rf"f\.csv:{row}: not UTF-8 text: byte 0xe9 at .*`é` in Windows-1252"):
        _csv(tmp_path, b"\n".join(lines))


@pytest.mark.parametrize("missing", ["NA", "nan", "NULL", "?", "n/a", "#N/A"])
def test_a_missing_label_is_no_class(tmp_path: Path, missing: str) -> None:
    with pytest.raises(twofold.DataError) as error:
        _csv(tmp_path, GOOD.replace("4,1,b", f"4,1,{missing}"))
    assert str(error.value).endswith(
        f'f.csv:6: column `species` is missing ("{missing}"); give every sample a class, or remove the row'
    )


ADVICE = {
    "16,800": "leave the comma out where it groups thousands, 16800, or write a point",
    "1,234,567": "leave the commas out: 1234567",
    "1,234.5": "leave the commas out: 1234.5",
    "1,5": "write a decimal point for the comma: 1.5",
    "12%": "write it without the sign",
}


@pytest.mark.parametrize(("cell", "advice"), ADVICE.items())
def test_a_comma_in_a_number_gets_the_advice_that_is_right(tmp_path: Path, cell: str, advice: str) -> None:
    with pytest.raises(twofold.DataError) as error:
        _csv(tmp_path, GOOD.replace("4,1,b", f'4,"{cell}",b'))
    assert advice in str(error.value)


def test_many_bad_columns_are_told_by_column_with_the_line_that_helps(tmp_path: Path) -> None:
    text = "id,town,age,width,species\n" + "".join(
        f"x{i},Rome,{i if i % 2 else ''},{i},{'ab'[i % 2]}\n" for i in range(40)
    )
    with pytest.raises(twofold.DataError) as error:
        _csv(tmp_path, text)
    lines = str(error.value).replace(f"{tmp_path}/", "").splitlines()
    assert lines[0] == 'f.csv:2: column `id`: 40 of 40 cells are no numbers, the first "x0" in line 2'
    assert "column `age`: 20 of 40 cells are empty, the first in line 2" in lines[2]
    assert '  features = ["width"]' in lines
    assert len(lines) < 8


def test_labels_that_are_long_numbers_stay_apart(tmp_path: Path) -> None:
    text = "x,species\n" + "".join(f"{i},{10**18 + i % 3}\n" for i in range(30))
    assert _csv(tmp_path, text).classes == ("1000000000000000000", "1000000000000000001", "1000000000000000002")


SAME = [("1.0", "1"), ("01", "1"), ("1e0", "1"), ("a", None), ("2", None), ("1", "1")]


@pytest.mark.parametrize(("label", "name"), SAME)
def test_a_class_may_be_written_as_another_program_writes_its_number(label: str, name: str | None) -> None:
    assert same_class(label, ("0", "1")) == name


def test_who_asks_a_network_may_separate_the_columns_otherwise(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("width;length\n1;2\n3;4\n")
    x, lines, labels = read_rows(Csv(path=str(tmp_path / "f.csv"), label="species"), ("length", "width"))
    assert (x.tolist(), lines, labels) == ([[2, 1], [4, 3]], [2, 3], None)


def test_a_table_of_many_columns_takes_time_in_proportion(tmp_path: Path) -> None:
    """A count that was quadratic took minutes for it."""
    names = [f"c{i}" for i in range(20_000)]
    row = ",".join("1" for _ in names)
    text = ",".join([*names, "species"]) + "\n" + "".join(f"{row},{'ab'[i % 2]}\n" for i in range(10))
    assert len(_csv(tmp_path, text, standardize="none").features) == 20_000


# Recipes ----------------------------------------------------------------------------------------------------

LAYERS = 'layers = [{ kind = "dense", units = 2 }]\n'
SYNTAX = {
    "a Windows path": (f'{LAYERS}[data]\nsource = "csv"\npath = "C:\\Users\\me.csv"', 4, "single quotes"),
    "another escape": (f'{LAYERS}[data]\npath = "D:\\data\\iris.csv"', 3, "single quotes"),
    "curly quotes": ("layers = [{ kind = “dense“, units = 2 }]", 1, "straight quotes"),
    "low quotes": (f"{LAYERS}title = „mine“", 2, "straight quotes"),
    "a text without quotes": (f"{LAYERS}[data]\nsource = moons", 3, "Put a text in quotes"),
    "Python's words": (f"{LAYERS}[training]\nshuffle = True", 3, "true or false in small letters"),
    "YAML": (f"{LAYERS}[optimizer]\nlr: 0.1", 3, "a colon is YAML"),
    "a decimal comma": (f"{LAYERS}[optimizer]\nlr = 0,1", 3, "decimal point"),
    "a table twice": (f"{LAYERS}[data]\n[data]\n", 3, "A table stands once"),
    "a list that is open": ("layers = [\n", 1, "must be closed"),
}


@pytest.mark.parametrize(("text", "line", "hint"), SYNTAX.values(), ids=SYNTAX)
def test_a_fault_of_syntax_has_its_line_and_a_hint(text: str, line: int, hint: str) -> None:
    with pytest.raises(twofold.RecipeError) as error:
        loads(text, "r.toml")
    assert str(error.value).startswith(f"r.toml:{line}: not valid TOML: ")
    assert hint in str(error.value)
    assert text.splitlines()[line - 1].strip() in str(error.value)


DEEP = {
    "a key of many parts": ".".join("a" * 600) + " = 1",
    "a table of many parts": f"[{'.'.join('a' * 600)}]",
    "lists in lists": f"a = {'[' * 5000}{']' * 5000}",
    "a hundred lists": f"a = {'[' * 100}{']' * 100}",
    "a number without end": f"a = {'9' * 10_000}",
    "quoted parts": ".".join(['"a"'] * 600) + " = 1",
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_a_recipe_that_is_nested_without_end_is_refused(text: str) -> None:
    with pytest.raises(twofold.RecipeError) as error:
        loads(text, "r.toml")
    assert len(str(error.value)) < 2000


def test_five_thousand_faults_take_little_text() -> None:
    with pytest.raises(twofold.RecipeError) as error:
        loads(f"layers = [{', '.join(['{ kind = 1 }'] * 5000)}]\n[data]\nsource = 'moons'", "r.toml")
    assert len(error.value.faults) == 5000
    assert len(str(error.value)) < 1 << 16
    assert str(error.value).endswith("and 4,960 more faults")


# Folders of images ------------------------------------------------------------------------------------------


def _picture(path: Path, mode: str = "L", colour: Any = 90, size: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (size, size), colour).save(path)


def _folder(base: Path, *parts: str) -> Path:
    for part in parts:
        for number in range(5):
            for name in ("cat", "dog"):
                _picture(base / part / name / f"{number}.png", colour=10 * number + (name == "dog"))
    return base


def _images(base: Path, **settings: Any) -> Dataset:
    return load_data(Images.model_validate({"path": str(base), "size": 4, "channels": 1, **settings}))


@pytest.mark.parametrize("name", ["validation", "val", "valid"])
def test_a_folder_to_validate_on_is_taken_by_each_of_its_names(tmp_path: Path, name: str) -> None:
    dataset = _images(_folder(tmp_path, "train", name))
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (8, 10, 2)
    assert f"{name}: the images to validate on" in dataset.notes[0]


def test_classes_without_a_folder_train_are_split(tmp_path: Path) -> None:
    dataset = _images(_folder(tmp_path, "."))
    assert (dataset.classes, len(dataset.train), len(dataset.test)) == (("cat", "dog"), 8, 2)
    assert "its 2 folders are classes" in dataset.notes[0]


@pytest.mark.parametrize("name", ["Thumbs.db", "desktop.ini", ".DS_Store", "Icon\r"])
def test_what_systems_leave_in_folders_is_passed_over(tmp_path: Path, name: str) -> None:
    for folder in (".", "train", "train/cat"):
        (_folder(tmp_path, "train") / folder / name).write_text("x")
    (tmp_path / "train" / "__MACOSX").mkdir()
    assert len(_images(tmp_path).train) == 8


@pytest.mark.parametrize("ink", [0, 255])
def test_an_icon_drawn_in_transparency_alone_is_seen(tmp_path: Path, ink: int) -> None:
    _folder(tmp_path, "train")
    pixels = np.full((8, 8, 4), (ink, ink, ink, 0), np.uint8)
    pixels[2:6, 2:6, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "train/cat/0.png")
    dataset = _images(tmp_path, test=0)
    seen = [image for image in dataset.train.x[:, 0] if np.ptp(image) > 120]
    assert len(seen) == 1


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_bits_of_a_camera_in_sixteen_are_as_bright_as_they_were(tmp_path: Path, bits: int) -> None:
    _folder(tmp_path, "train")
    values = np.linspace(0, (1 << bits) - 1, 64).reshape(8, 8).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "train/cat/0.png")
    assert _images(tmp_path, test=0).train.x.max() > 200


def _wide(path: Path, brightest: int) -> None:
    """A grey image of 16 bits a pixel, from black to `brightest`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.linspace(0, brightest, 64).reshape(8, 8).astype(np.uint16)).save(path)


BRIGHTEST = {  # of a folder: the others' brightness in it follows
    "a microscope's 12 bits": (12, 4000, [60, 900, 1500, 2600]),
    "a detector's 14": (14, 15_000, [100, 1000, 5000, 9000]),
    "8 bits in 16": (8, 250, [3, 20, 60, 120]),
    "all 16": (16, 60_000, [250, 1000, 4000, 30_000]),
}


@pytest.mark.parametrize(("bits", "brightest", "darker"), BRIGHTEST.values(), ids=BRIGHTEST)
def test_dark_images_stay_darker_than_the_brightest_of_their_folder(
    tmp_path: Path, bits: int, brightest: int, darker: list[int]
) -> None:
    for part in ("train", "test"):
        _folder(tmp_path, part)
        for number, value in enumerate(darker):
            _wide(tmp_path / part / "cat" / f"{number}.png", value)
    _wide(tmp_path / "test/dog/0.png", brightest)
    dataset = _images(tmp_path, size=8)
    for split in (dataset.train, dataset.test):
        for value in darker:
            assert int(value / (1 << (bits - 8))) in split.x.max(axis=(1, 2, 3))
    assert dataset.bits == bits
    assert dataset.notes == (
        f"{tmp_path}: its images use {bits} of their 16 bits a pixel; set `data.bits` if that is wrong",
    )
    told = _images(tmp_path, size=8, bits=16)
    assert (told.bits, told.notes) == (16, ())
    assert told.test.x.max() <= max(90, brightest >> 8)


def test_a_run_sees_a_dark_image_as_its_training_did(tmp_path: Path) -> None:
    _folder(tmp_path / "photos", "train", "test")
    _wide(tmp_path / "photos/train/cat/0.png", 4000)
    _wide(tmp_path / "dark.png", 600)
    recipe = {
        "title": "Photographs",
        "data": {"source": "images", "path": str(tmp_path / "photos"), "size": 8, "channels": 1},
        "layers": [{"kind": "flatten"}, {"kind": "dense", "units": 2}],
        "optimizer": {"kind": "sgd", "lr": 0.1},
        "training": {"epochs": 1, "batch_size": 5, "engines": ["numpy"]},
    }
    with pytest.warns(UserWarning, match="its images use 12 of their 16 bits"):
        run = twofold.run(twofold.Recipe.model_validate(recipe), out=tmp_path / "run")
    answers = twofold.predict(run, [tmp_path / "dark.png"])
    assert answers.inputs.max() * 255 == pytest.approx(600 >> 4)
    (tmp_path / "others/cat").mkdir(parents=True)
    (tmp_path / "dark.png").rename(tmp_path / "others/cat/dark.png")
    judged = twofold.evaluate(run, data=tmp_path / "others")
    assert judged.predicted["numpy"] == answers.outputs["numpy"].argmax()


# From Python ------------------------------------------------------------------------------------------------


def test_a_part_of_a_recipe_raises_our_error_in_pythons_words() -> None:
    from twofold.recipe.layers import Dense

    with pytest.raises(twofold.RecipeError, match=r"Dense\(units\): `units` must be greater than 0; got 0"):
        Dense(units=0)
    with pytest.raises(twofold.RecipeError, match=r"unknown argument `unit`; did you mean `units`\?"):
        Dense(unit=3)  # pyright: ignore[reportCallIssue]
    with pytest.raises(twofold.RecipeError, match=r"`delimiter` must be a text of at most 1 character; got \";;\""):
        Csv(path="f.csv", label="y", delimiter=";;")


def test_what_python_set_is_told_in_pythons_words() -> None:
    with pytest.raises(twofold.RecipeError) as error:
        twofold.load_recipe("moons", {"optimizer.lr": -1})
    assert str(error.value).startswith('overrides["optimizer.lr"]: `lr` must be greater than 0; got -1')


def test_a_frame_is_asked_about_by_the_names_of_its_columns(trained_runs: dict[str, twofold.Run]) -> None:
    import pandas as pd

    run = trained_runs["flowers"]
    frame = pd.DataFrame({"width": [1.0, 2.0], "other": ["p", "q"], "length": [3.0, 4.0]})
    asked, told = twofold.predict(run, frame), twofold.predict(run, ["3,1", "4,2"])
    np.testing.assert_array_equal(asked.outputs["numpy"], told.outputs["numpy"])
    assert asked.names == ("row 0", "row 1")
    for samples in (frame[["length", "width"]].to_numpy(), [[3, 1], [4, 2]]):
        np.testing.assert_array_equal(twofold.predict(run, samples).outputs["numpy"], told.outputs["numpy"])
    with pytest.raises(twofold.DataError, match="the frame has no column `width`, a feature of the network"):
        twofold.predict(run, frame[["length"]])
    with pytest.raises(twofold.DataError, match=r"numbers of the shape \(samples, 2\); got"):
        twofold.predict(run, np.ones((3, 4)))
    with pytest.raises(twofold.DataError, match="every number must be finite; got nan"):
        twofold.predict(run, [[1, np.nan]])


def test_a_loaded_model_takes_what_its_owner_has(trained_runs: dict[str, twofold.Run]) -> None:
    run = trained_runs["flowers"]
    model = twofold.load_model(run, "numpy")
    answers = twofold.predict(run, ["3,1", "4,2"], engines="numpy")
    x = np.array([[3.0, 1.0], [4.0, 2.0]])
    np.testing.assert_allclose(model.predict_proba(x), answers.values["numpy"], rtol=1e-5)
    names = [answers.answer("numpy", index).class_name for index in range(2)]
    assert model.predict(x).astype(str).tolist() == names
    assert model.classes.astype(str).tolist() == list(answers.classes)
    assert model.score(x, names) == 1
    np.testing.assert_allclose(model(answers.inputs), answers.outputs["numpy"], rtol=1e-5)
    np.testing.assert_array_equal(model.outputs([[0.5, 1.0]])["2"], model([[0.5, 1.0]]))
    with pytest.raises(twofold.UserError, match="a class for each of 2 samples"):
        model.score(x, names[:1])
    with pytest.raises(DataError, match="is of class `z`, which the network does not know"):
        model.score(x, ["a", "z"])


@pytest.mark.parametrize("names", [("0", "1"), ("00", "01"), ("False", "True"), ("no", "yes")])
def test_a_loaded_model_knows_its_classes_however_they_are_written(names: tuple[str, str], tmp_path: Path) -> None:
    x = np.repeat([[-1.0, 0.5], [1.0, -0.5]], 30, axis=0) + np.random.default_rng(0).normal(size=(60, 2)) / 9
    codes = np.repeat([0, 1], 30)
    run = twofold.run("moons", data=(x, np.array(names)[codes]), engines="numpy", out=tmp_path / "run")
    model = twofold.load_model(run, "numpy")
    assert model.score(x, np.array(names)[codes]) == model.score(x, model.predict(x)) == 1
    assert model.classes.astype(str).tolist() == list(names)
    if names != ("no", "yes"):
        assert model.score(x, codes) == model.score(x, codes.astype(float)) == model.score(x, codes == 1) == 1


def test_a_record_names_the_kernel_and_a_run_that_goes_on_elsewhere_says_so(moons_run: twofold.Run) -> None:
    from twofold.train.circumstances import differences

    today = moons_run.record.circumstances
    assert today.blas_kernel
    assert today.torch_capability
    assert today.code
    then = today.model_copy(update={"code": "0" * 64, "blas_kernel": "openblas Another", "torch_capability": "NO AVX"})
    told = list(differences(then, today))
    assert told == [
        f"code of Twofold 000000000000..., now {today.code[:12]}...",
        f"kernel of BLAS openblas Another, now {today.blas_kernel}",
        f"instructions of PyTorch NO AVX, now {today.torch_capability}",
    ]


# Drawings ---------------------------------------------------------------------------------------------------


def _speck(paper: np.ndarray) -> None:
    paper[10:14, 180:184] = 0


def _frame(paper: np.ndarray) -> None:
    paper[:4] = paper[-4:] = paper[:, :4] = paper[:, -4:] = 0


def _lines(paper: np.ndarray) -> None:
    paper[20:22] = paper[180:182] = 120


def _shadow(paper: np.ndarray) -> None:
    paper -= np.minimum(paper, np.linspace(0, 110, 200).astype(np.uint8)[None])


NO_INK = {
    _speck: "a speck was taken away",
    _frame: "what reaches the edge was taken away",
    _lines: "pale marks were taken away",
    _shadow: "uneven light was taken out",
}


@pytest.mark.parametrize("disturb", NO_INK)
def test_a_digit_is_found_beside_what_is_no_ink(tmp_path: Path, disturb: Callable[[np.ndarray], None]) -> None:
    from twofold.data.drawings import drawn

    clean = np.full((200, 200), 255, np.uint8)
    clean[50:150, 95:105] = 0
    clean[50:60, 70:105] = 0
    disturbed = clean.copy()
    disturb(disturbed)
    for name, pixels in (("clean", clean), ("disturbed", disturbed)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    wanted, seen = (drawn(tmp_path / f"{name}.png", 28) for name in ("clean", "disturbed"))
    assert np.abs(seen.image.astype(int) - wanted.image).mean() < 6
    assert set(seen.done) - set(wanted.done) == {NO_INK[disturb]}
