"""Images: published sets from every place they may lie in, hostile files among them, and folders of one's own."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import twofold
from twofold.data import Dataset, Split, at_hand, load_data
from twofold.data import images as published_images
from twofold.data.given import read_given, read_labelled
from twofold.data.published import CIFAR10, FASHION_MNIST, KMNIST, MNIST
from twofold.data.torchvision import find
from twofold.recipe import loads
from twofold.recipe.data import Cifar10, FashionMnist, Images, Kmnist, Mnist
from twofold.setup.building import prepare

TINY = {
    "mnist": replace(MNIST, sizes={"train": 6, "test": 4}),
    "cifar10": replace(CIFAR10, sizes={"train": 10, "test": 4}),
}
SPECS: dict[str, Any] = {"mnist": Mnist, "cifar10": Cifar10}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty folders as TWOFOLD_DATA and TWOFOLD_CACHE, and published sets of a few images. Returns the first."""
    for name, published in TINY.items():
        monkeypatch.setitem(published_images.PUBLISHED, name, published)
    folder = tmp_path / "da[t]a"
    folder.mkdir()
    monkeypatch.setenv("TWOFOLD_DATA", str(folder))
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path / "cache"))
    return folder


def _samples(name: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images whose every pixel differs, and labels."""
    published = TINY[name]
    size = published.sizes[split]
    x = np.random.default_rng(len(split)).integers(0, 256, (size, *published.shape), np.uint8)
    return x, (np.arange(size) * 3 + 9) % 10


def _is_whole(name: str, dataset: Dataset) -> None:
    for split, samples in dataset.splits():
        x, y = _samples(name, split)
        np.testing.assert_array_equal(samples.x, x)
        np.testing.assert_array_equal(samples.y, y)
        assert (samples.x.dtype, samples.y.dtype) == (np.uint8, np.int64)
    assert dataset.classes == TINY[name].classes


# The real ones ----------------------------------------------------------------------------------------------


@pytest.mark.mnist
def test_mnist_is_the_published_one() -> None:
    dataset = load_data(Mnist(validation=10_000))
    assert {name: split.x.shape for name, split in dataset.splits()} == {
        "train": (50_000, 1, 28, 28), "validation": (10_000, 1, 28, 28), "test": (10_000, 1, 28, 28),
    }  # fmt: skip
    assert dataset.train.y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert dataset.test.y[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    # The published mean and deviation of the 60,000 training images.
    pixels = np.concatenate([dataset.train.x, dataset.validation.x]) / 255
    assert (pixels.mean(), pixels.std()) == pytest.approx((0.1307, 0.3081), abs=5e-5)
    seen = dataset.astype("float32").test.floats()
    np.testing.assert_array_equal(seen, np.divide(dataset.test.x, np.float32(255), dtype=np.float32))


@pytest.mark.mnist
def test_torchvisions_files_are_the_hubs() -> None:
    folder = Path(os.environ["TWOFOLD_DATA"], "torchvision")
    if find(MNIST, folder) is None:
        pytest.skip("no folder of torchvision's is at hand")
    assert load_data(Mnist(root=str(folder))).fingerprint == load_data(Mnist()).fingerprint


@pytest.mark.mnist
def test_the_first_images_and_the_same_validation() -> None:
    few, all_ = (load_data(Mnist(samples=samples, validation=10_000)) for samples in (2000, None))
    np.testing.assert_array_equal(few.train.x, all_.train.x[:2000])
    np.testing.assert_array_equal(few.validation.x, all_.validation.x)


@pytest.mark.cifar10
def test_cifar10_is_the_published_one() -> None:
    dataset = load_data(Cifar10(validation=5000))
    assert {name: split.x.shape for name, split in dataset.splits()} == {
        "train": (45_000, 3, 32, 32), "validation": (5000, 3, 32, 32), "test": (10_000, 3, 32, 32),
    }  # fmt: skip
    assert np.bincount(np.concatenate([dataset.train.y, dataset.validation.y])).tolist() == [5000] * 10
    assert np.bincount(dataset.test.y).tolist() == [1000] * 10
    # The published means of red, green and blue; a copy as JPEG moves them in the fourth digit.
    means = np.concatenate([dataset.train.x, dataset.validation.x]).mean(axis=(0, 2, 3)) / 255
    np.testing.assert_allclose(means, (0.4914, 0.4822, 0.4465), atol=1e-3)


# The Hub's layout, and the cache ----------------------------------------------------------------------------


def _encoded(image: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0).squeeze()).save(file, kind)
    return file.getvalue()


def _hub(name: str, place: Path, change: Callable[[list[Any], list[Any]], object] = lambda x, y: None) -> Path:
    """Both splits as the Hub keeps them; `change` edits the cells of the training set."""
    folder = place / "hub" / TINY[name].hub / "plain_text"
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "test"):
        x, y = _samples(name, split)
        cells: list[Any] = [{"bytes": _encoded(image), "path": f"{i}.png"} for i, image in enumerate(x)]
        labels: list[Any] = y.tolist()
        if split == "train":
            change(cells, labels)
        pq.write_table(pa.table({TINY[name].column: cells, "label": labels}), folder / f"{split}-00000-of-1.parquet")
    return folder.parent


@pytest.fixture
def own_library_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `datasets` keeps of the files of a test is removed with the test."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "arrow")


@pytest.mark.usefixtures("own_library_cache")
@pytest.mark.parametrize("name", TINY)
def test_images_are_decoded_once(name: str, place: Path, tmp_path: Path) -> None:
    _hub(name, place)
    cache, calls = tmp_path / "cache", []
    spec = SPECS[name]()
    assert at_hand(spec)

    def load() -> bool:
        """Whether anything was decoded."""
        calls.clear()
        _is_whole(name, load_data(spec, lambda *call: calls.append(call)))
        assert not list(cache.glob("*.tmp"))
        return bool(calls)

    assert load()
    assert calls[-1] == (f"decoding {TINY[name].title}, test", 4, 4)
    assert not load()
    damaged = next(cache.glob(f"{name}-test-*.npz"))
    damaged.write_bytes(damaged.read_bytes()[:1000])
    assert load()
    x, y = _samples(name, "test")
    jpeg = np.array(False)
    for kept in (
        {"images": x, "labels": y + 9, "jpeg": jpeg},
        {"images": x[1:], "labels": y, "jpeg": jpeg},
        {"images": x, "labels": y},
        {"images": x, "jpeg": jpeg},
    ):
        np.savez(damaged, **kept)
        assert load()
    assert not load()


@pytest.mark.usefixtures("own_library_cache")
def test_an_interruption_leaves_nothing_in_the_cache(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _hub("mnist", place)

    def interrupted(file: Any, **arrays: Any) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_data(Mnist())
    assert not list((tmp_path / "cache").iterdir())


def _set(at: int, **parts: Any) -> Callable[[list[Any], list[Any]], object]:
    return lambda x, y: x[at].update(parts)


FAULTY_TABLES: dict[str, tuple[Callable[[list[Any], list[Any]], object], str]] = {
    "too few": (lambda x, y: (x.pop(), y.pop()), "mnist: the train set must hold 6 images; it holds 5"),
    "a class there is not": (
        lambda x, y: y.__setitem__(2, 10), "HUB, train: image 2: the label must be 0 to 9; got 10. Remove the copy",
    ),
    "classes that are words": (
        lambda x, y: y.__setitem__(slice(None), list("abcdef")), "HUB, train: every label must be a whole number.",
    ),
    "a class left out": (lambda x, y: y.__setitem__(1, None), "HUB, train: every label must be a whole number."),
    "another size": (
        _set(3, bytes=_encoded(np.zeros((1, 9, 8), np.uint8))),
        "HUB, train: image 3 must be 28x28 pixels of mode L; got 8x9 of mode L",
    ),
    "colours": (
        _set(3, bytes=_encoded(np.zeros((3, 28, 28), np.uint8))),
        "HUB, train: image 3 must be 28x28 pixels of mode L; got 28x28 of mode RGB",
    ),
    "no image": (_set(5, bytes=b"hello"), "HUB, train: image 5 cannot be decoded: cannot identify image file"),
    "half an image": (
        lambda x, y: x[4].update(bytes=x[4]["bytes"][:200]), "HUB, train: image 4 cannot be decoded: image file is tr",
    ),
    "a path in place of an image": (_set(0, bytes=None, path="PATH"), "HUB, train: image 0 cannot be decoded: "),
}  # fmt: skip


@pytest.mark.usefixtures("own_library_cache")
@pytest.mark.parametrize(("change", "message"), FAULTY_TABLES.values(), ids=FAULTY_TABLES)
def test_a_faulty_table_is_refused_and_not_kept(
    change: Callable[[list[Any], list[Any]], object], message: str, place: Path, tmp_path: Path
) -> None:
    Image.new("L", (28, 28)).save(tmp_path / "real.png")

    def with_real_path(x: list[Any], y: list[Any]) -> None:
        change(x, y)
        x[0]["path"] = str(tmp_path / "real.png")

    hub = _hub("mnist", place, with_real_path)
    with pytest.raises(twofold.DataError) as error:
        load_data(Mnist())
    assert str(error.value).startswith(message.replace("HUB", str(hub)))
    assert not (tmp_path / "cache").exists()


def test_a_folder_of_the_hubs_without_its_files(place: Path) -> None:
    folder = place / "hub" / CIFAR10.hub
    folder.mkdir(parents=True)
    (folder / "cifar10.py").write_text("raise SystemExit")
    with pytest.raises(twofold.DataError) as error:
        load_data(Cifar10())
    assert str(error.value).startswith(f"{folder}: no file train-*.parquet; the folder must hold what is on the Hub")


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "no Parquet": lambda content: b"x,y\n1,2\n",
    "a pickle": lambda content: pickle.dumps(os.getcwd),
    "another size of its directory": lambda content: content[:-8] + bytes([content[-8] ^ 255]) + content[-7:],
}


@pytest.mark.usefixtures("own_library_cache")
@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_of_the_hubs_is_refused(change: Callable[[bytes], bytes], place: Path) -> None:
    hub = _hub("mnist", place)
    (file,) = hub.rglob("train-*.parquet")
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(twofold.DataError) as error:
        load_data(Mnist())
    assert str(error.value).startswith(f"mnist cannot be loaded from {hub}: ")


@pytest.mark.usefixtures("own_library_cache")
def test_a_table_without_the_columns(place: Path) -> None:
    _hub("mnist", place).rename(place / "hub" / "moved")
    (place / "hub" / "uoft-cs").mkdir()
    (place / "hub" / "moved").rename(place / "hub" / CIFAR10.hub)
    with pytest.raises(twofold.DataError) as error:
        load_data(Cifar10())
    assert str(error.value).startswith(f"cifar10 cannot be loaded from {place / 'hub' / CIFAR10.hub}: ")
    assert "img" in str(error.value)


@pytest.mark.parametrize("name", TINY)
def test_without_the_images_the_hub_is_asked_by_name(name: str, tmp_path: Path) -> None:
    """The real download path, up to the request: in a process of its own, since the library reads its switch once."""
    script = (
        "import twofold\n"
        "from twofold.data import load_data\n"
        "from twofold.recipe.data import Cifar10, Mnist\n"
        f"try: load_data({SPECS[name].__name__}())\n"
        "except twofold.DataError as error: print(error)\n"
    )
    hub, data, cache = TINY[name].hub, tmp_path / "data", tmp_path / "cache"
    data.mkdir()
    environment = os.environ | {"TWOFOLD_DATA": str(data), "TWOFOLD_CACHE": str(cache)}
    environment |= {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{name} cannot be loaded from the Hugging Face Hub ({hub}): ")
    looked = f"  A local copy was looked for in\n    {data}/hub/{hub}\n    {data}/torchvision\n    {data}\n"
    assert looked in done.stdout
    assert f"Set TWOFOLD_DATA to a folder that holds hub/{hub}, or data.root to a folder that torchv" in done.stdout
    assert not cache.exists()
    assert not list(data.iterdir())


def test_without_the_extra_it_is_named(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "train").mkdir()
    for spec, library in ((Mnist(), "datasets"), (Cifar10(), "PIL.Image"), (Images(path=str(tmp_path), size=8), "PIL")):
        with monkeypatch.context() as without:
            without.setitem(sys.modules, library, None)
            if library == "PIL":
                without.delitem(sys.modules, "PIL.Image")
            with pytest.raises(twofold.MissingExtraError, match=r"pip install 'twofold\[images\]'"):
                load_data(spec)


def test_more_images_than_there_are(place: Path) -> None:
    _idx_files(place / "MNIST/raw")
    for settings in ({"samples": 4, "validation": 3}, {"validation": 6}):
        with pytest.raises(twofold.DataError, match=r"mnist has 6 training images; validation = \d leaves [30], sampl"):
            load_data(Mnist.model_validate(settings))
    dataset = load_data(Mnist(samples=1, validation=0.5))
    assert [len(split) for _, split in dataset.splits()] == [1, 3, 4]


# What torchvision leaves ------------------------------------------------------------------------------------


def _idx(array: np.ndarray, magic: int) -> bytes:
    return np.array([magic, *array.shape], ">u4").tobytes() + array.astype(np.uint8).tobytes()


def _idx_files(folder: Path, packed: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for split, prefix in (("train", "train"), ("test", "t10k")):
        x, y = _samples("mnist", split)
        for name, content in (("images-idx3", _idx(x[:, 0], 2051)), ("labels-idx1", _idx(y, 2049))):
            path = folder / f"{prefix}-{name}-ubyte{'.gz' * packed}"
            path.write_bytes(gzip.compress(content) if packed else content)


def _batches() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    x, y = _samples("cifar10", "train")
    train = {f"data_batch_{i + 1}": (x[2 * i : 2 * i + 2], y[2 * i : 2 * i + 2]) for i in range(5)}
    return {**train, "test_batch": _samples("cifar10", "test")}


def _bin_files(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, (x, y) in _batches().items():
        records = np.concatenate([y[:, None].astype(np.uint8), x.reshape(len(x), -1)], axis=1)
        (folder / f"{name}.bin").write_bytes(records.tobytes())


def _py_files(folder: Path, dump: Callable[[np.ndarray, np.ndarray], bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, (x, y) in _batches().items():
        (folder / name).write_bytes(dump(x.reshape(len(x), -1), y))


def _modern(protocol: int, key: Callable[[str], Any] = str.encode) -> Callable[[np.ndarray, np.ndarray], bytes]:
    def dump(x: np.ndarray, y: np.ndarray) -> bytes:
        names = [f"{i}.png" for i in y]
        return pickle.dumps({key("data"): x, key("labels"): y.tolist(), key("filenames"): names}, protocol)

    return dump


def _short(text: bytes) -> bytes:
    """A string of Python 2."""
    return b"U" + bytes([len(text)]) + text


def _published(x: np.ndarray, y: np.ndarray) -> bytes:
    """Opcode by opcode as the published files begin: Python 2, where strings are bytes, and NumPy of that time."""
    size = b"K" + bytes([len(x)])
    kind = b"cnumpy\ndtype\n" + _short(b"u1") + b"K\x00K\x01\x87R" + b"(K\x03" + _short(b"|")
    kind += b"NNN" + b"J\xff\xff\xff\xff" * 2 + b"K\x00tb"
    raw = x.tobytes()
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + _short(b"b") + b"\x87R"
    array += b"(K\x01" + size + b"M" + (3072).to_bytes(2, "little") + b"\x86" + kind
    array += b"\x89T" + len(raw).to_bytes(4, "little") + raw + b"tb"
    labels = b"](" + b"".join(b"K" + bytes([label]) for label in y) + b"e"
    named = _short(b"batch_label") + _short(b"training batch 1 of 5") + _short(b"labels") + labels
    return b"\x80\x02}(" + named + _short(b"data") + array + b"u."


LEFT: dict[str, tuple[str, str, Callable[[Path], None]]] = {
    "idx": ("mnist", "MNIST/raw", _idx_files),
    "idx, packed": ("mnist", "MNIST/raw", lambda folder: _idx_files(folder, packed=True)),
    "bin": ("cifar10", "cifar-10-batches-bin", _bin_files),
    "py, as published": ("cifar10", "cifar-10-batches-py", lambda folder: _py_files(folder, _published)),
    "py, protocol 2": ("cifar10", "cifar-10-batches-py", lambda folder: _py_files(folder, _modern(2))),
    "py, protocol 4": ("cifar10", "cifar-10-batches-py", lambda folder: _py_files(folder, _modern(4, str))),
    "py, by columns": (
        "cifar10", "cifar-10-batches-py",
        lambda folder: _py_files(folder, lambda x, y: _modern(2)(np.asfortranarray(x), y)),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "folder", "write"), LEFT.values(), ids=LEFT)
def test_folders_that_torchvision_left(name: str, folder: str, write: Callable[[Path], None], place: Path) -> None:
    root = place.parent / "root"
    write(root / folder)
    assert not at_hand(SPECS[name]())
    for given in (root, root / folder):
        spec = SPECS[name](root=str(given))
        assert at_hand(spec)
        _is_whole(name, load_data(spec))
    for below in (place / "torchvision" / folder, place / folder):
        write(below)
        assert at_hand(SPECS[name]())
        calls: list[tuple[str, int, int]] = []
        _is_whole(name, load_data(SPECS[name](), lambda *call: calls.append(call)))  # noqa: B023
        assert calls[-1] == (f"reading {TINY[name].title}, test", 1, 1)
        for file in below.iterdir():
            file.unlink()


def test_the_dictionary_of_the_published_files_is_what_it_is_taken_for() -> None:
    x, y = _batches()["test_batch"]
    content = pickle.loads(_published(x.reshape(4, -1), y), encoding="bytes")
    np.testing.assert_array_equal(content[b"data"], x.reshape(4, -1))
    assert content[b"labels"] == y.tolist()


@pytest.mark.usefixtures("own_library_cache")
def test_the_order_of_the_places(place: Path, tmp_path: Path) -> None:
    root, raw = tmp_path / "root", place / "torchvision/MNIST/raw"
    hub = _hub("mnist", place)
    _idx_files(raw)
    _idx_files(root)
    for path, change in ((root, 1), (raw, 2)):  # told apart by their first label
        y = (_samples("mnist", "train")[1] + change) % 10
        (path / "train-labels-idx1-ubyte").write_bytes(_idx(y, 2049))

    def first(**settings: Any) -> int:
        return int(load_data(Mnist(**settings)).train.y[0])

    assert first(root=str(root)) == 0
    assert first() == 9
    kept = {path.name.split("-")[1]: path for path in (tmp_path / "cache").iterdir()}
    hub.rename(place / "elsewhere")
    assert first() == 1
    (raw / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(twofold.DataError, match=r"nor with \.gz; torchvision's download is not complete"):
        load_data(Mnist())
    raw.rename(place / "elsewhere" / "raw")
    assert not at_hand(Mnist())
    for split, path in kept.items():
        path.rename(path.with_name(f"mnist-{split}-hub.npz"))
    assert at_hand(Mnist())
    assert first() == 9


@pytest.mark.parametrize("name", TINY)
def test_a_root_without_the_files(name: str, tmp_path: Path) -> None:
    spec = SPECS[name](root=str(tmp_path))
    assert at_hand(spec)  # it is what the recipe names: tried, and its faults told
    with pytest.raises(twofold.DataError) as error:
        load_data(spec)
    further = {
        "mnist": "raw\n    {0}/MNIST/raw\n    {0}/MNIST",
        "cifar10": "cifar-10-batches-bin\n    {0}/cifar-10-batches-py",
    }[name]
    assert str(error.value) == (
        f"data.root: no files of {TINY[name].title} as torchvision leaves them; looked in\n    {tmp_path}\n"
        f"    {tmp_path}/{further.format(tmp_path)}\n"
        "  Name the folder that was torchvision's `root`, or leave data.root out."
    )


IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
Change = Callable[[bytes], bytes | None]


def _written(at: int, value: bytes) -> Change:
    return lambda raw: raw[:at] + value + raw[at + len(value) :]


FAULTY_IDX: dict[str, tuple[str, Change, str]] = {
    "another magic number": (
        IMAGES, _written(3, b"\x01"), "the header must give 2051 as magic number; got 2049. Remove the file and let",
    ),
    "labels for images": (
        LABELS, lambda raw: _idx(np.zeros((6, 28, 28)), 2051), "the header must give 2049 as magic number; got 2051.",
    ),
    "another count": (IMAGES, _written(4, b"\xff\xff\xff\xff"), "the header must give 6 as images; got 4294967295."),
    "other rows": (IMAGES, _written(11, b"\x1b"), "the header must give 28 as rows; got 27."),
    "other columns": (IMAGES, _written(12, b"\x01"), "the header must give 28 as columns; got 16777244."),
    "cut short": (IMAGES, lambda raw: raw[:-1], "4704 bytes must follow the header; got 4703."),
    "cut in the header": (LABELS, lambda raw: raw[:7], "the header must take 8 bytes; the file ends after 7."),
    "empty": (LABELS, lambda raw: b"", "the header must take 8 bytes; the file ends after 0."),
    "too long": (LABELS, lambda raw: raw + b"\0", "6 bytes must follow the header; got more."),
    "a label there is not": (LABELS, _written(10, b"\x0a"), "image 2: the label must be 0 to 9; got 10."),
    "missing": (IMAGES, lambda raw: None, "nor with .gz; torchvision's download is not complete. Run it again."),
}  # fmt: skip


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("name", "change", "message"), FAULTY_IDX.values(), ids=FAULTY_IDX)
def test_faulty_idx_files(packed: bool, name: str, change: Change, message: str, tmp_path: Path, place: Path) -> None:
    _idx_files(tmp_path, packed)
    path = tmp_path / f"{name}{'.gz' * packed}"
    raw = path.read_bytes()
    changed = change(gzip.decompress(raw) if packed else raw)
    path.unlink()
    if changed is not None:
        path.write_bytes(gzip.compress(changed) if packed else changed)
    with pytest.raises(twofold.DataError) as error:
        load_data(Mnist(root=str(tmp_path)))
    where = f"no file {tmp_path / name}, " if changed is None else f"{path}: "
    assert str(error.value).startswith(where + message)


@pytest.mark.parametrize(("content", "message"), {
    "cut": (lambda packed: packed[:-100], "not a whole gzip file (Compressed file ended before"),
    "not packed": (lambda packed: b"hello" * 100, "the header must give 2051 as magic number; got 1751477356."),
    "damaged": (lambda packed: packed[:-8] + b"\0" * 8, "not a whole gzip file (CRC check failed"),
    "scrambled": (lambda packed: packed[:10] + b"\xff" * 200, "not a whole gzip file ("),
}.values())  # fmt: skip
def test_faulty_gzip_files(content: Callable[[bytes], bytes], message: str, tmp_path: Path, place: Path) -> None:
    _idx_files(tmp_path, packed=True)
    path = tmp_path / f"{IMAGES}.gz"
    path.write_bytes(content(path.read_bytes()))
    with pytest.raises(twofold.DataError) as error:
        load_data(Mnist(root=str(tmp_path)))
    assert str(error.value).startswith(f"{path}: {message}")


def _moved(change: Callable[[Path], Path]) -> Callable[[Path], None]:
    """Write the pairs, packed, and put each file where `change` says."""

    def write(folder: Path) -> None:
        _idx_files(folder, packed=True)
        for path in list(folder.iterdir()):
            place = change(path)
            kept = path.rename(path.with_name("kept"))
            place.parent.mkdir(exist_ok=True)
            kept.rename(place)

    return write


def _unpacked(path: Path) -> Path:
    path.write_bytes(gzip.decompress(path.read_bytes()))
    return path


OTHER_NAMES: dict[str, Callable[[Path], None]] = {
    "a point before idx": _moved(lambda path: _unpacked(path).with_name(path.stem.replace("-idx", ".idx"))),
    "a point before idx, packed": _moved(lambda path: path.with_name(path.name.replace("-idx", ".idx"))),
    "packed without .gz": _moved(lambda path: path.with_suffix("")),
    "unpacked, and still called .gz": _moved(_unpacked),
    "in a folder of its own name": _moved(lambda path: _unpacked(path).parent / path.stem / path.stem),
    "test for t10k": _moved(lambda path: path.with_name(path.name.replace("t10k", "test"))),
}


@pytest.mark.parametrize("write", OTHER_NAMES.values(), ids=OTHER_NAMES)
def test_files_of_mnist_under_their_other_usual_names(
    write: Callable[[Path], None], tmp_path: Path, place: Path
) -> None:
    write(tmp_path / "digits")
    _is_whole("mnist", load_data(Mnist(root=str(tmp_path / "digits"))))


SIBLINGS = {"FashionMNIST/raw": (FashionMnist, FASHION_MNIST), "KMNIST/raw": (Kmnist, KMNIST)}


def _few(folder: Path, monkeypatch: pytest.MonkeyPatch, labels: tuple[int, ...] = tuple(range(10))) -> None:
    """Twelve images and four in `folder`, as every set that is called like MNIST."""
    sizes = {"train": 12, "test": 4}
    for published in (MNIST, FASHION_MNIST, KMNIST):
        monkeypatch.setitem(published_images.PUBLISHED, published.name, replace(published, sizes=sizes))
    folder.mkdir(parents=True)
    for prefix, size in (("train", 12), ("t10k", 4)):
        y = np.resize(labels, size)
        x = np.full((size, 28, 28), 7) * y[:, None, None]
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(_idx(x, 2051))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(_idx(y, 2049))


@pytest.mark.parametrize(("folder", "spec", "published"), [(f, *row) for f, row in SIBLINGS.items()])
def test_sets_that_are_called_as_mnist_is(
    folder: str, spec: Any, published: Any, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _few(place / "torchvision" / folder, monkeypatch)
    assert at_hand(spec())
    assert not at_hand(Mnist())
    dataset = load_data(spec(validation=2))
    assert dataset.classes == published.classes
    assert len(set(dataset.classes)) == 10
    assert dataset.title == published.title
    assert [len(part) for _, part in dataset.splits()] == [10, 2, 4]
    assert (dataset.train.x.reshape(10, -1) == 7 * dataset.train.y[:, None]).all()


def test_a_set_that_is_called_by_the_name_of_another_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _few(tmp_path / "clothes", monkeypatch, FASHION_MNIST.begins)
    _few(tmp_path / "digits", monkeypatch, MNIST.begins)
    for spec, folder, source in ((Mnist, "clothes", "fashion_mnist"), (Kmnist, "digits", "mnist")):
        with pytest.raises(twofold.DataError, match=rf"{folder}: these are the images of .*data.source = \"{source}\""):
            load_data(spec(root=str(tmp_path / folder)))
    assert load_data(FashionMnist(root=str(tmp_path / "clothes"))).classes[9] == "ankle boot"


def test_a_gzip_file_is_not_unpacked_beyond_what_its_header_promises(tmp_path: Path, place: Path) -> None:
    import tracemalloc

    _idx_files(tmp_path, packed=True)
    with gzip.open(tmp_path / f"{LABELS}.gz", "wb", 1) as file:
        file.write(_idx(np.zeros(6), 2049))
        for _ in range(64):
            file.write(bytes(1 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(twofold.DataError, match="6 bytes must follow the header; got more"):
            load_data(Mnist(root=str(tmp_path)))
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("change", "message"), {
    "cut": (lambda raw: raw[:-1], "2 records of 3073 bytes make 6146; got 6145. Remove the file"),
    "too long": (lambda raw: raw + b"\0", "2 records of 3073 bytes make 6146; got more."),
    "a label there is not": (_written(3073, b"\xff"), "record 1: the label must be 0 to 9; got 255."),
}.values())  # fmt: skip
def test_faulty_binary_batches(change: Callable[[bytes], bytes], message: str, tmp_path: Path, place: Path) -> None:
    _bin_files(tmp_path)
    path = tmp_path / "data_batch_3.bin"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(twofold.DataError) as error:
        load_data(Cifar10(root=str(tmp_path)))
    assert str(error.value).startswith(f"{path}: {message}")
    path.unlink()
    with pytest.raises(twofold.DataError, match=r"no file .*data_batch_3\.bin; torchvision's download is not complete"):
        load_data(Cifar10(root=str(tmp_path)))


# Pickles ----------------------------------------------------------------------------------------------------

DATA, GOOD_LABELS = np.zeros((2, 3072), np.uint8), [0, 9]
AGAIN = "Remove the file and let torchvision download it again."


class _Calls:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def _global(module: str, name: str, arguments: bytes = b"(t") -> bytes:
    """A pickle, by hand, that calls what it names."""
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + arguments + b"R."


HOSTILE: dict[str, tuple[Any, str]] = {
    "a command": (_Calls(os.system, "touch PATH"), "posix.system" if os.name == "posix" else "nt.system"),
    "eval": (_Calls(eval, "open('PATH', 'w')"), "__builtin__.eval"),
    "exec, in the labels": ({"data": DATA, "labels": [0, _Calls(exec, "open('PATH', 'w')")]}, "__builtin__.exec"),
    "open, as a key": ({_Calls(open, "PATH", "w"): 1}, "io.open"),
    "an import": (_Calls(__import__, "this"), "__builtin__.__import__"),
    "an attribute's way": (_Calls(getattr, "", "join"), "__builtin__.getattr"),
    "NumPy's own loader": (_global("numpy", "load"), "numpy.load"),
    "NumPy's own writer": (_Calls(np.save, "PATH", DATA), "numpy.save"),
    "a part of what is admitted": (b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.", "numpy.ndarray.tofile"),
    "a module of what is admitted": (_global("numpy.core.multiarray", "fromfile"), "numpy.core.multiarray.fromfile"),
    "another protocol": (pickle.dumps(_Calls(eval, "open('PATH', 'w')"), 4), "builtins.eval"),
    "codecs by another name": (_global("codecs", "open"), "codecs.open"),
    "Python 2's names": (_global("__builtin__", "apply"), "__builtin__.apply"),
    "an instance by the old opcode": (b"(U\x0atouch PATHios\nsystem\n.", "os.system"),
    "a file of bytes": (_Calls(np.fromfile, "PATH"), "numpy.fromfile"),
}


def _pickled(content: Any) -> bytes:
    return content if isinstance(content, bytes) else pickle.dumps(content, 2)


@pytest.mark.parametrize(("content", "name"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_pickle_is_refused_and_nothing_is_executed(
    content: Any, name: str, place: Path, in_tmp: Path
) -> None:
    _py_files(in_tmp, _modern(2))
    path = in_tmp / "data_batch_2"
    path.write_bytes(_pickled(content))
    before = sorted(os.listdir(in_tmp))
    heard: list[str] = []
    with _listening(heard), pytest.raises(twofold.DataError) as error:
        load_data(Cifar10(root=str(in_tmp)))
    assert str(error.value) == (
        f"{path}: the pickle asks for `{name}`, which no batch of CIFAR-10 needs; it was not loaded. "
        "Do not trust this file: remove it."
    )
    assert not [event for event in heard if event in {"os.system", "exec", "compile", "subprocess.Popen", "import"}]
    assert "pickle.find_class" not in heard
    assert sorted(os.listdir(in_tmp)) == before


class _listening:  # noqa: N801  (used as a word)
    """Every audit event within: a hook cannot be removed, so there is one, and it hears only now and then."""

    ear: list[str] | None = None
    hooked = False

    def __init__(self, heard: list[str]) -> None:
        self.heard = heard

    def __enter__(self) -> None:
        if not _listening.hooked:
            sys.addaudithook(lambda event, _: _listening.ear.append(event) if _listening.ear is not None else None)
            _listening.hooked = True
        _listening.ear = self.heard

    def __exit__(self, *_: object) -> None:
        _listening.ear = None


def _batch(data: Any = DATA, labels: Any = GOOD_LABELS) -> dict[str, Any]:
    return {"data": data, "labels": labels}


def _object_array() -> bytes:
    """An array of objects over raw bytes: NumPy itself would follow them as addresses."""
    raw = pickle.dumps(_batch(np.zeros((2, 3072), np.uint8)), 2)
    return raw.replace(b"X\x02\x00\x00\x00u1", b"X\x02\x00\x00\x00O8")


DATA_RULE, LABELS_RULE = "`data` must be an array of 2 x 3072 bytes (uint8). ", "`labels` must be a list of 2 numbers; "
FAULTY_PICKLES: dict[str, tuple[Any, str]] = {
    "no pickle": (b"hello", "no pickle of a CIFAR-10 batch ("),
    "empty": (b"", "no pickle of a CIFAR-10 batch ("),
    "cut": (pickle.dumps(_batch(), 2)[:-700], "no pickle of a CIFAR-10 batch ("),
    "a list": ([1, 2], "the pickle must hold a dictionary; it holds `list`."),
    "nothing in it": ({}, DATA_RULE),
    "other numbers": (_batch(DATA.astype(np.float32)), DATA_RULE),
    "signed bytes": (_batch(DATA.astype(np.int8)), DATA_RULE),
    "too few pixels": (_batch(DATA[:, 1:]), DATA_RULE),
    "too few images": (_batch(DATA[1:]), DATA_RULE),
    "objects over bytes": (_object_array(), DATA_RULE),
    "fewer bytes than the shape": (
        pickle.dumps(_batch(), 2).replace(b"M\x00\x0c", b"M\x01\x0c"), DATA_RULE,
    ),
    "data that are a list": (_batch([0] * 6144), DATA_RULE),
    "an array without a state": (
        b"\x80\x02}(U\x04datacnumpy.core.multiarray\n_reconstruct\n(tRU\x06labels]u.", DATA_RULE,
    ),
    "labels that are an array": (_batch(labels=np.zeros(2, np.uint8)), LABELS_RULE + "got `PickledArray`."),
    "too few labels": (_batch(labels=[1]), LABELS_RULE + "got 1 of them."),
    "no labels": ({"data": DATA}, LABELS_RULE + "got `NoneType`."),
    "a label above": (_batch(labels=[0, 10]), "record 1: the label must be 0 to 9; got 10. "),
    "a label below": (_batch(labels=[-1, 0]), "record 0: the label must be 0 to 9; got -1. "),
    "an endless label": (_batch(labels=[0, 2**80]), f"record 1: the label must be 0 to 9; got {2**80}. "),
    "a label that is no number": (_batch(labels=[0, "cat"]), "record 1: the label must be 0 to 9; got `"),
    "a label that is half a number": (_batch(labels=[0.5, 1]), "record 0: the label must be 0 to 9; got `float`. "),
    "a label that is true": (_batch(labels=[0, True]), "record 1: the label must be 0 to 9; got `bool`. "),
    "too large a file": (_batch() | {"more": bytes(1 << 21)}, "a batch of 2 images takes at most 1060864 bytes; "),
    "a memory of billions": (b"\x80\x02}r\xff\xff\xff\x7f.", "no pickle of a CIFAR-10 batch (too much asked of memory"),
    "tuples without end": (b"\x80\x02}" + b"(" + b"N" + b"\x85" * 9999 + b"Nu.", "no pickle of a CIFAR-10 batch (too "),
    "a string of exabytes": (b"\x80\x04\x8e" + b"\x00" * 7 + b"\x10.", "no pickle of a CIFAR-10 batch ("),
    "another codec": (
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00hex\x86R.",
        "no pickle of a CIFAR-10 batch (a call of `encode` that makes no array).",
    ),
    "an array by its class": (
        _global("numpy", "ndarray", b"J\xff\xff\xff\x7f\x85\x85"),
        "no pickle of a CIFAR-10 batch (a call of `ndarray` that makes no array).",
    ),
    "a new class of names": (b"\x80\x02cnumpy\nndarray\n)\x81.", "no pickle of a CIFAR-10 batch ("),
    "a function with a state": (
        b"\x80\x02cnumpy\nndarray\n}U\x04nameU\x06encodesb.", "no pickle of a CIFAR-10 batch (a state for `ndarray`)",
    ),
    "an object of elsewhere": (b"\x80\x02U\x01aQ.", "no pickle of a CIFAR-10 batch ("),
    "an extension": (b"\x80\x02\x82\x01.", "no pickle of a CIFAR-10 batch ("),
}  # fmt: skip


@pytest.mark.parametrize(("content", "message"), FAULTY_PICKLES.values(), ids=FAULTY_PICKLES)
def test_a_faulty_pickle(content: Any, message: str, place: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    _py_files(folder, _modern(2))
    (folder / "data_batch_1").write_bytes(_pickled(content))
    with pytest.raises(twofold.DataError) as error:
        load_data(Cifar10(root=str(tmp_path)))
    assert str(error.value).startswith(f"{folder / 'data_batch_1'}: {message}")


# Folders of one's own ---------------------------------------------------------------------------------------

RED, GREEN = (255, 0, 0), (0, 255, 0)


def _picture(path: Path, colour: Any = RED, size: tuple[int, int] = (12, 8), mode: str = "RGB", **how: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **how)


def _folder(base: Path, count: int = 5, parts: tuple[str, ...] = ("train",)) -> Path:
    for part in parts:
        for number in range(count):
            _picture(base / part / "red" / f"{number}.png", RED, (8 + number, 8))
            _picture(base / part / "green" / f"{number}.jpg", GREEN, (8, 8 + number), quality=100)
    return base


def _images(base: Path, **settings: Any) -> Dataset:
    return load_data(Images.model_validate({"path": str(base), "size": 8, **settings}))


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    calls: list[tuple[str, int, int]] = []
    spec = Images.model_validate({"path": str(_folder(tmp_path)), "size": [6, 4], "test": 0.2, "validation": 2})
    assert at_hand(spec)
    dataset = load_data(spec, lambda *call: calls.append(call))
    assert calls == [("decoding train", 0, 10), ("decoding train", 10, 10)]
    assert dataset.classes == ("green", "red")
    assert {name: split.x.shape for name, split in dataset.splits()} == {
        "train": (6, 3, 6, 4), "validation": (2, 3, 6, 4), "test": (2, 3, 6, 4),
    }  # fmt: skip
    for _, split in dataset.splits():
        assert split.x.dtype == np.uint8
        assert sorted(split.y) == [0] * (len(split) // 2) + [1] * (len(split) // 2)
        # As JPEG, pure green loses a level of its 255.
        for image, label in zip(split.x, split.y, strict=True):
            assert np.abs(image[[1, 0][label]].astype(int) - 255).max() <= 2
            assert image[[0, 1][label]].max() <= 2
    assert load_data(spec).fingerprint == dataset.fingerprint
    assert dataset.astype("float32").train.floats().max() == 1


def test_a_folder_with_a_test_set_of_its_own(tmp_path: Path) -> None:
    _folder(tmp_path, parts=("train", "test"))
    for file in (tmp_path / "test/red").iterdir():
        file.unlink()
    (tmp_path / "test/red").rmdir()  # a class may be missing here
    dataset = _images(tmp_path, validation=0.2, test=0.5)
    assert [len(split) for _, split in dataset.splits()] == [8, 2, 5]
    assert dataset.test.y.tolist() == [0] * 5


def test_what_is_hidden_is_passed_over(tmp_path: Path) -> None:
    _folder(tmp_path)
    expected = _images(tmp_path).fingerprint
    (tmp_path / "train/.DS_Store").write_text("x")
    (tmp_path / "train/red/.0.png").write_text("x")
    (tmp_path / "train/.ipynb_checkpoints").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    assert _images(tmp_path).fingerprint == expected


def test_what_systems_leave_is_passed_over_when_a_network_is_asked(tmp_path: Path) -> None:
    _folder(tmp_path)
    spec, classes = Images(path=str(tmp_path), size=4), sorted(path.name for path in (tmp_path / "train").iterdir())
    labelled, asked = (read_labelled(spec, tmp_path / "train", classes), read_given(spec, [str(tmp_path)]))
    for place in ("train/Thumbs.db", f"train/{classes[0]}/desktop.ini", f"train/{classes[0]}/.x"):
        (tmp_path / place).write_text("x")
    assert read_labelled(spec, tmp_path / "train", classes).names == labelled.names
    assert read_given(spec, [str(tmp_path)]).names == asked.names


MODES: dict[str, tuple[str, Any, int, tuple[int, int, int]]] = {
    "colour": ("RGB", (200, 100, 50), 124, (200, 100, 50)),
    "grey": ("L", 77, 77, (77, 77, 77)),
    "black and white": ("1", 1, 255, (255, 255, 255)),
    "with transparency": ("RGBA", (200, 100, 50, 0), 124, (200, 100, 50)),
    "grey with transparency": ("LA", (77, 9), 77, (77, 77, 77)),
    "16 bits": ("I;16", 40_000, 156, (156, 156, 156)),
    "a palette": ("P", 0, 0, (0, 0, 0)),
}


def _only_green(split: Split) -> np.ndarray:
    """The one image of the first class; files are read in an order of their own."""
    (image,) = split.x[split.y == 0]
    return image


@pytest.mark.parametrize(("mode", "colour", "grey", "rgb"), MODES.values(), ids=MODES)
def test_files_of_any_mode(mode: str, colour: Any, grey: int, rgb: tuple[int, int, int], tmp_path: Path) -> None:
    _folder(tmp_path, parts=("train", "test"))
    for file in (tmp_path / "test/green").iterdir():
        file.unlink()
    _picture(tmp_path / "test/green/0.png", colour, mode=mode)
    for channels, expected in ((1, (grey,)), (3, rgb)):
        image = _only_green(_images(tmp_path, channels=channels, size=(4, 5)).test)
        assert image.shape == (channels, 4, 5)
        np.testing.assert_array_equal(image, np.broadcast_to(np.array(expected)[:, None, None], image.shape))


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "gif", "tiff", "ppm", "webp"])
def test_files_of_any_format(ending: str, tmp_path: Path) -> None:
    _folder(tmp_path)
    _picture(tmp_path / f"train/green/0.{ending}", GREEN)
    assert _images(tmp_path, test=0.0).train.x.shape[1:] == (3, 8, 8)


def test_an_image_lies_as_the_camera_was_held(tmp_path: Path) -> None:
    _folder(tmp_path, parts=("train", "test"))
    for file in (tmp_path / "test/green").iterdir():
        file.unlink()
    wide = Image.new("L", (8, 4))
    wide.paste(255, (0, 0, 4, 4))  # white on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned to the right: the left side comes to the top
    wide.save(tmp_path / "test/green/0.png", exif=exif)
    image = _only_green(_images(tmp_path, channels=1, size=(8, 4)).test)[0]
    np.testing.assert_array_equal(image[:4], 255)
    np.testing.assert_array_equal(image[4:], 0)


def test_shrinking_does_not_alias(tmp_path: Path) -> None:
    """Stripes of one pixel become grey; picking pixels would leave black or white."""
    _folder(tmp_path, parts=("train", "test"))
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))
    for file in (tmp_path / "test/green").iterdir():
        file.unlink()
    Image.fromarray(stripes).save(tmp_path / "test/green/0.png")
    image = _only_green(_images(tmp_path, channels=1).test)[0]
    np.testing.assert_allclose(image, 127.5, atol=8)


def _touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"hello")


def _cut(path: Path) -> None:
    _picture(path, size=(100, 100), quality=90)
    path.write_bytes(path.read_bytes()[:-200])


def _bomb(path: Path) -> None:
    """A header that promises 30,000 x 30,000 pixels."""
    _picture(path)
    raw = bytearray(path.read_bytes())
    raw[16:24] = (30_000).to_bytes(4, "big") * 2
    import zlib

    raw[29:33] = zlib.crc32(bytes(raw[12:29])).to_bytes(4, "big")
    path.write_bytes(raw)


def _only_one(base: Path) -> None:
    for file in (base / "train/red").iterdir():
        file.unlink()
    (base / "train/red").rmdir()


ALONE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no image": (
        lambda base: _touch(base / "train/red/a.png"),
        "{0}/train/red/a.png: is no image of a known format (PNG, JPEG, BMP, GIF, TIFF, PPM, WEBP); remove or "
        "convert it",
    ),
    "a format that Pillow starts a program for": (
        lambda base: _picture(base / "train/red/a.eps", format="EPS"),
        "{0}/train/red/a.eps: is no image of a known format (PNG, JPEG, BMP, GIF, TIFF, PPM, WEBP); remove or "
        "convert it",
    ),
    "half an image": (
        lambda base: _cut(base / "train/red/a.jpg"),
        "{0}/train/red/a.jpg: is damaged or cannot be read: image file is truncated (3 bytes not processed); replace "
        "or remove it",
    ),
    "far too large": (
        lambda base: _bomb(base / "train/red/a.png"),
        "{0}/train/red/a.png: is too large to be opened safely: Image size (900000000 pixels) exceeds limit of "
        "178956970 pixels; save a smaller copy",
    ),
    "fractions": (
        lambda base: Image.fromarray(np.ones((4, 4), np.float32)).save(base / "train/red/a.tiff"),
        "{0}/train/red/a.tiff: holds fractions, of a range that is not known; save it with 8 bits a channel",
    ),
    "32 bits": (
        lambda base: Image.fromarray(np.full((4, 4), 1 << 16, np.int32)).save(base / "train/red/a.tiff"),
        "{0}/train/red/a.tiff: holds more than 16 bits a pixel; save it with 8 bits a channel",
    ),
    "a folder in a class": (
        lambda base: (base / "train/red/more").mkdir(),
        "{0}/train/red/more: is no file; images lie directly in the folder of their class.",
    ),
    "one class": (
        _only_one, "{0}/train: holds one class only, `green`; a classifier needs at least two.",
    ),
    "no class": (
        lambda base: (base / "train").rename(base / "old") and (base / "train").mkdir(),
        "{0}/train: holds no folder of a class; a classifier needs at least two.",
    ),
    "an empty class": (
        lambda base: (base / "train/blue").mkdir(), "{0}/train/blue: holds no image; add some, or remove the folder.",
    ),
    "a file beside the classes": (
        lambda base: _picture(base / "train/a.png"),
        "{0}/train/a.png: lies directly in `train`; put it into the folder of its class.",
    ),
    "a class that is only tested": (
        lambda base: _picture(base / "test/rad/0.png"),
        "{0}/test/rad: `train` has no class of that name; did you mean `red`?",
    ),
    "an empty test set": (
        lambda base: (base / "test").mkdir(),
        "{0}/test: holds no folder of a class; fill it, or remove it to hold out a share.",
    ),
    "no train": (
        lambda base: (base / "train").rename(base / "training"),
        "{0}: no folder `train`; the layout is train/CLASS/FILE, one folder a class, and test/CLASS/FILE where there "
        "are images to test on.",
    ),
    "a small class": (
        lambda base: _picture(base / "train/blue/0.png"),
        "{0}: class `blue` has 1 sample; a stratified split into train, test needs at least 2 of each class. Add "
        "samples, drop the class, or hold out less.",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "message"), ALONE.values(), ids=ALONE)
def test_a_faulty_folder(change: Callable[[Path], object], message: str, tmp_path: Path) -> None:
    change(_folder(tmp_path))
    with pytest.raises(twofold.DataError) as error:
        _images(tmp_path)
    assert str(error.value) == message.format(tmp_path)


def test_a_name_that_cannot_be_printed(tmp_path: Path) -> None:
    _picture(_folder(tmp_path) / "train" / "a\nb" / "0.png")
    with pytest.raises(twofold.DataError) as error:
        _images(tmp_path)
    assert str(error.value).endswith(r"a\nb': the name of a class must be printable text; rename the folder.")


def test_many_faults_are_listed_together(tmp_path: Path) -> None:
    _folder(tmp_path, parts=("train", "test"))
    for number in range(8):
        _touch(tmp_path / f"train/red/x{number}.png")
        _touch(tmp_path / f"test/red/x{number}.png")
    with pytest.raises(twofold.DataError) as error:
        _images(tmp_path)
    lines = str(error.value).splitlines()
    assert [line.split(": ")[0].removeprefix(f"{tmp_path}/") for line in lines] == [
        *(f"train/red/x{number}.png" for number in range(8)), "test/red/x0.png", "test/red/x1.png", "and 6 more",
    ]  # fmt: skip
    (tmp_path / "train/blue").mkdir()
    _picture(tmp_path / "test/a.png")
    with pytest.raises(twofold.DataError) as error:
        _images(tmp_path)
    assert [line.split(": ")[1].split(" ")[0] for line in str(error.value).splitlines()] == ["holds", "lies"]


def test_where_there_is_no_folder(tmp_path: Path) -> None:
    assert not at_hand(Images(path=str(tmp_path / "none"), size=8))
    with pytest.raises(
        twofold.DataError, match=r"no folder .*none; a relative `data\.path` starts at the folder of the"
    ):
        _images(tmp_path / "none")


def test_the_number_of_classes(tmp_path: Path) -> None:
    _folder(tmp_path)
    with pytest.raises(twofold.DataError, match=r"`train` holds 2 classes; `data\.classes` says 3\."):
        _images(tmp_path, classes=3)
    text = (
        'layers = [{{ kind = "flatten" }}, {{ kind = "dense", units = {0} }}, {{ kind = "softmax" }}]\n'
        '[data]\nsource = "images"\npath = "{1}"\nsize = 8\n'
    )
    recipe, dataset = prepare(loads(text.format(2, tmp_path)))
    assert recipe.data.class_count == len(dataset.classes) == 2
    with pytest.raises(twofold.DataError) as error:
        prepare(loads(text.format(4, tmp_path)))
    assert str(error.value) == (
        f"{tmp_path}: `train` holds 2 classes (`green`, `red`); the last layer gives 4 numbers. "
        "Set its units: --set layers.1.units=2"
    )


def test_files_are_read_in_an_order_of_their_own_and_the_same_twice(tmp_path: Path) -> None:
    """Class by class, the first few would be of one class."""
    _folder(tmp_path, parts=("train", "test"))
    first, second = (_images(tmp_path) for _ in range(2))
    assert first.fingerprint == second.fingerprint
    for split in (first.train, first.test):
        assert split.y.tolist() != sorted(split.y.tolist())
    assert _images(tmp_path, seed=1).fingerprint != first.fingerprint
