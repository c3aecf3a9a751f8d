"""A task: a TOML file of items, each an object of a submission, the kind that it should be, and its points."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, ValidationError

from twofold.errors import UserError, did_you_mean
from twofold.foreign import MOST_RECIPE, read_foreign
from twofold.plain import Parsed
from twofold.proof.check.gate_order import order_of
from twofold.proof.check.request import LARGEST, Adapter, Request
from twofold.proof.check.subject import subjects
from twofold.recipe.toml import TomlError, parse_toml


class Item(BaseModel):
    """One object that a submission must contain."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    """Its file in the submission's folder."""
    object: str = ""
    """Its name in the file; if left out, the only object of the file that fits."""
    like: dict[str, Parsed] | str
    """The kind that it should be, by name or with settings: `dense`, or `{ kind = "dense", units = 3 }`."""
    name: str = ""
    """The title shown to students; `file:object` if left out."""
    points: NonNegativeFloat = 1.0
    hidden: bool = False
    """Whether students see only its title and its points."""
    hint: Annotated[int, Field(ge=0, le=2)] = 1
    """How much of the answer students see: 0 where to look, 1 what to ask there, 2 what is wrong."""
    shape: tuple[int, ...] | None = None
    """Shape of a sample, for an object that does not take the usual one."""
    arguments: dict[str, str] = {}
    """What names of the object's arguments mean, where this cannot be found out."""
    transposed: bool | None = None
    gates: str | None = None
    """The order in which gates are stacked, if not PyTorch's."""
    float32: bool = False

    @property
    def title(self) -> str:
        """The title shown to students: `name`, else the file and the object."""
        return self.name or (f"{self.file}:{self.object}" if self.object else self.file)

    def request(self) -> Request:
        """The item as a request for the check."""
        adapter = Adapter(transposed=self.transposed, gates=self.gates, arguments=self.arguments)
        dtype = "float32" if self.float32 else "float64"
        return Request(self.title, self.object, self.like, {}, dtype, self.shape, adapter)


class Task(BaseModel):
    """Items, and the limits of a submission's process."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    item: Annotated[tuple[Item, ...], Field(min_length=1)]
    seconds: Annotated[float, Field(gt=0, le=LARGEST["seconds"])] = 20.0
    """Time limit of each file's process."""
    megabytes: Annotated[int, Field(gt=0, le=LARGEST["megabytes"])] = 4_096
    """Memory limit of each file's process."""

    @property
    def points(self) -> float:
        """The sum of the points of all items."""
        return sum(item.points for item in self.item)


def builtin_tasks() -> list[str]:
    """The names of the tasks that come with Twofold."""
    folder = resources.files("twofold.proof.check") / "tasks"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def _foreign_text(path: Path) -> str:
    try:
        return read_foreign(path, MOST_RECIPE).decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no text in UTF-8: byte {error.start} cannot be read") from error


def load_task(name: str) -> Task:
    """A built-in task by name, or a file that ends in .toml. Raises `UserError` with every fault of the file."""
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise UserError(f"no file {path}; a built-in task is one of: {', '.join(builtin_tasks())}")
        text = _foreign_text(path)
    elif name in builtin_tasks():
        text = (resources.files("twofold.proof.check") / "tasks" / f"{name}.toml").read_text("utf-8")
    else:
        raise UserError(f"no task `{name}`; {did_you_mean(name, builtin_tasks())}")
    try:
        raw = parse_toml(text, name)
    except TomlError as error:
        raise UserError(str(error)) from error
    return read_task(raw, name, text)


def read_task(raw: Mapping[str, object], name: str, text: str = "") -> Task:
    """A task from its table; every item's kind, settings and gates are checked now, not at the first submission."""
    try:
        task = Task.model_validate(raw)
    except ValidationError as error:
        faults = [f"  {_place(details['loc'], text)}{details['msg']}" for details in error.errors(include_url=False)]
        raise UserError(f"{name}:\n" + "\n".join(faults)) from error
    for number, item in enumerate(task.item, 1):
        if Path(item.file).is_absolute() or ".." in Path(item.file).parts:
            raise UserError(f"{name}: item {number}: `file` must lie in the submission's folder; got {item.file}")
        try:
            order_of(subjects(item.like, {}, shape=item.shape)[0].kind, item.gates)
        except UserError as error:
            raise UserError(f"{name}: item {number} (`{item.title}`): {error}") from error
    return task


def _place(loc: tuple[int | str, ...], text: str) -> str:
    """Where a fault lies, as the head of its message: ``line 12, item 2, `points`: ``."""
    number = next((part for part in loc if isinstance(part, int)), None)
    starts = [text.count("\n", 0, match.start()) + 1 for match in re.finditer(r"^\[\[item\]\]", text, re.MULTILINE)]
    line = f"line {starts[number]}, " if number is not None and number < len(starts) else ""
    item = f"item {number + 1}, " if number is not None else ""
    key = next((str(part) for part in reversed(loc) if isinstance(part, str)), "")
    return f"{line}{item}`{key}`: "
