# ruff: noqa: E501
"""Files that cannot harm: nothing that a file says is executed, imported, extracted or used as a path."""

from __future__ import annotations

import ast
import gzip
import json
import os
import pickle
import struct
import subprocess
import sys
import tarfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "twofold"
PICKLES = PACKAGE / "data" / "pickles.py"
REFUSED = {
    *(
        "eval",
        "exec",
        "compile",
        "__import__",
        "os.system",
        "os.popen",
        "os.execv",
        "subprocess.run",
        "subprocess.Popen",
    ),
    *("pickle.load", "pickle.loads", "torch.load", "joblib.load", "marshal.loads", "shelve.open", "yaml.load"),
    *(
        "importlib.import_module",
        "runpy.run_path",
        "shutil.unpack_archive",
        "np.fromfile",
        "np.memmap",
        "pd.read_pickle",
    ),
}
PROCESSES = {
    "exchange/inside.py": ["runpy.run_path"],
    "handin/printing.py": ["subprocess.run"],
    "proof/check/inside/play.py": ["importlib.import_module"],
    "proof/check/remote.py": ["subprocess.Popen"],
    "proof/check/sandbox.py": ["subprocess.Popen"],
    "report/beside.py": ["subprocess.Popen"],
}
"""Where a process of its own is started: for a user's Python file, that it names on the command line, for drawing,
and for the browser that prints; and in the first of these, where PyTorch is imported by that name."""
ARCHIVES = {"tarfile", "zipfile.ZipFile", "dill", "cloudpickle", "marshal", "shelve"}


@cache
def _tree(source: str) -> ast.Module:
    return ast.parse(source)


@cache
def _calls(tree: ast.AST) -> list[tuple[int, str, ast.Call]]:
    return [(n.lineno, ast.unparse(n.func), n) for n in ast.walk(tree) if isinstance(n, ast.Call)]


def _faults(source: str) -> list[str]:
    """The calls in a source that could run what a file says."""
    tree = _tree(source)
    found = [f"{line}: {name}" for line, name, _ in _calls(tree) if name in REFUSED or name.startswith("tarfile.")]
    found += [f"{line}: {name}" for line, name, _ in _calls(tree) if name.endswith((".extractall", ".extract"))]
    for line, name, call in _calls(tree):
        if name in ("np.load", "numpy.load"):
            plain = [k for k in call.keywords if k.arg == "allow_pickle" and ast.unparse(k.value) == "False"]
            found += [] if plain else [f"{line}: {name} without allow_pickle=False"]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in ("pickle", "marshal", "tarfile", "dill", "cloudpickle"):
            found.append(f"{node.lineno}: from {node.module}")
        if isinstance(node, ast.Import) and any(name.name in ARCHIVES for name in node.names):
            found.append(f"{node.lineno}: import")
    return found


def test_nothing_in_the_package_runs_what_a_file_says() -> None:
    found = {
        str(file.relative_to(PACKAGE)): faults
        for file in PACKAGE.rglob("*.py")
        if (faults := _faults(file.read_text("utf-8")))
    }
    assert {file: [fault.split(": ")[1] for fault in faults] for file, faults in found.items()} == PROCESSES
    uses = [f for f in PACKAGE.rglob("*.py") if any("pickle." in n for _, n, _ in _calls(_tree(f.read_text("utf-8"))))]
    assert uses == [PICKLES]


@pytest.mark.parametrize(
    "planted",
    [
        "pickle.load(f)",
        "eval(text)",
        "np.load(f, allow_pickle=True)",
        "np.load(f)",
        "torch.load(f)",
        "importlib.import_module(name)",
        "archive.extractall()",
        "import tarfile",
        "from pickle import loads",
    ],
)
def test_a_planted_call_is_found(planted: str) -> None:
    assert _faults(planted)


class _Calls:
    """A pickle that calls what it names."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def _batch(content: bytes) -> Callable[[Path], None]:
    def make(base: Path) -> None:
        folder = base / "cifar-10-batches-py"
        folder.mkdir()
        (folder / "data_batch_1").write_bytes(content)

    return make


def _tar(*members: tuple[str, bytes, str]) -> Callable[[Path], None]:
    """The archive that the set is published as, beside nothing: it is never opened."""

    def make(base: Path) -> None:
        with tarfile.open(base / "cifar-10-python.tar.gz", "w:gz") as archive:
            for name, kind, target in members:
                entry = tarfile.TarInfo(name)
                entry.type, entry.linkname = kind, target
                archive.addfile(entry)

    return make


def _bomb(base: Path) -> None:
    """A gigabyte of zeros, packed, behind the header of a hundred images."""
    folder = base / "MNIST" / "raw"
    folder.mkdir(parents=True)
    with gzip.open(folder / "train-images-idx3-ubyte.gz", "wb", compresslevel=1) as file:
        file.write(struct.pack(">4I", 2051, 60_000, 28, 28))
        for _ in range(64):
            file.write(bytes(1 << 20))


def _linked(base: Path) -> None:
    folder = base / "cifar-10-batches-bin"
    folder.mkdir()
    (folder / "data_batch_1.bin").symlink_to("/dev/zero")


PROTOCOL = 2
HOSTILE: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "os.system": ("cifar10", _batch(pickle.dumps(_Calls(os.system, "touch hacked"), PROTOCOL)), "the pickle asks for"),
    "builtins.eval": ("cifar10", _batch(pickle.dumps(_Calls(eval, "open('hacked','w')"), 4)), "`builtins.eval`"),
    "builtins.exec": ("cifar10", _batch(pickle.dumps(_Calls(exec, "open('hacked','w')"), 0)), "exec`"),
    "subprocess": ("cifar10", _batch(pickle.dumps(_Calls(subprocess.Popen, ["touch", "hacked"]), 4)), "`subprocess.Popen`"),
    "nested name": ("cifar10", _batch(b"\x80\x04\x8c\x05numpy\x8c\x09os.system\x93\x8c\x04echo\x85R."), "`numpy.os.system`"),
    "extension of copyreg": ("cifar10", _batch(b"\x80\x02\x82\x01."), "no pickle of a CIFAR-10 batch ("),
    "copyreg's constructor": (
        "cifar10", _batch(b"ccopyreg\n_reconstructor\n(cos\nsystem\nc__builtin__\nobject\nNtR."), "`copyreg._reconstructor`"
    ),
    "persistent id": ("cifar10", _batch(b"\x80\x02U\x06hackedQ."), "no pickle of a CIFAR-10 batch ("),
    "memo of billions": ("cifar10", _batch(b"\x80\x02}r\xff\xff\xff\x7f."), "too much asked of memory"),
    "exabytes of text": ("cifar10", _batch(b"\x80\x04\x8e" + b"\0" * 7 + b"\x10."), "no pickle of a CIFAR-10 batch ("),
    "tuples without end": ("cifar10", _batch(b"\x80\x02(" + b"N" + b"\x85" * 9999 + b"."), "too much asked of memory"),
    "array of objects": (
        "cifar10",
        _batch(b"\x80\x02}U\x04datacnumpy\ndtype\nU\x01O\x85Rscnumpy\nload\nU\x06hacked\x85R."),
        "`numpy.load`",
    ),
    "numpy's runner of strings": ("cifar10", _batch(b"cnumpy.testing._private.utils\nrunstring\n."), "runstring`"),
    "build on a global": ("cifar10", _batch(b"\x80\x02cnumpy\nndarray\n}U\x04nameU\x01xsb."), "a state for `ndarray`"),
    "traversal in the archive": (
        "cifar10", _tar(("../../hacked", tarfile.REGTYPE, ""), ("/tmp/hacked", tarfile.REGTYPE, "")), "no files of CIFAR-10"
    ),
    "links in the archive": (
        "cifar10", _tar(("a", tarfile.SYMTYPE, "/etc/passwd"), ("b", tarfile.LNKTYPE, "../x")), "no files of CIFAR-10"
    ),
    "devices in the archive": (
        "cifar10", _tar(("zero", tarfile.CHRTYPE, ""), ("pipe", tarfile.FIFOTYPE, "")), "no files of CIFAR-10"
    ),
    "link to a device": ("cifar10", _linked, "no files of CIFAR-10"),
    "bomb": ("mnist", _bomb, "bytes must follow the header; got more"),
}  # fmt: skip

WATCHER = """
import json, sys
from pathlib import Path
import numpy, twofold.data.torchvision, twofold.data.images, gzip
from twofold.data.images import load_published
from twofold.errors import TwofoldError
from twofold.recipe.data import Cifar10, Mnist
heard = []
def hear(event, arguments):
    written = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    ran = event in ("exec", "compile", "os.system", "subprocess.Popen", "os.exec", "os.spawn", "os.posix_spawn", "os.fork")
    if written or ran or event in ("import", "pickle.find_class", "ctypes.dlopen", "socket.connect", "os.symlink", "os.mkdir"):
        heard.append(f"{event} {arguments[0]}"[:80])
cases = json.loads(sys.stdin.read())
"".encode("raw_unicode_escape"), b"".decode("raw_unicode_escape")  # its codec is imported when first asked for
sys.addaudithook(hear)
said = {}
for name, (source, root) in cases.items():
    heard.clear()
    try:
        load_published((Cifar10 if source == "cifar10" else Mnist)(root=root), lambda *_: None)
        said[name] = ["loaded", list(heard)]
    except TwofoldError as error:
        said[name] = [str(error), list(heard)]
print(json.dumps(said))
"""


def test_hostile_batches_and_archives_are_refused_and_nothing_runs_or_is_written(tmp_path: Path) -> None:
    """One process for all of them; an audit hook hears whatever the interpreter does."""
    assert len(HOSTILE) >= 12
    places = {name: tmp_path / str(number) for number, name in enumerate(HOSTILE)}
    for name, (_, make, _) in HOSTILE.items():
        places[name].mkdir()
        make(places[name])
    before = sorted(tmp_path.rglob("*"))
    cases = {name: (source, str(places[name])) for name, (source, _, _) in HOSTILE.items()}
    done = subprocess.run(
        [sys.executable, "-c", WATCHER],
        input=json.dumps(cases),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    for name, (_, _, message) in HOSTILE.items():
        said, heard = found[name]
        assert message in said, name
        assert heard == [], name
    assert sorted(tmp_path.rglob("*")) == before
