"""The ZIP file that is handed in: report, notebooks, code, recipes, results and a README that runs them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from twofold.handin.code import code_files
from twofold.handin.document import Facts
from twofold.handin.notebooks import notebook_text
from twofold.handin.spec import Source
from twofold.handin.trainings import RECIPES, TrainedPart

SCRIPTS = "scripts"
MOST_SCRIPTS = 8_000_000
"""Bytes of a network's scripts with the weights that they begin with: larger ones are not packed."""
DATE = (1980, 1, 1, 0, 0, 0)
"""The earliest that the format knows: the same files give the same bytes."""
COMMANDS = (
    "python pytorch_train_mlp.py --dnn_hidden_units 20 --learning_rate 1e-2 --max_steps 1500 --eval_freq 10",
    "python cnn_train.py --learning_rate 1e-4 --max_steps 5000 --eval_freq 500 --batch_size 32 --optimizer ADAM "
    "--data_dir ~/data",
    "python train.py --input_length 4 --input_dim 1 --num_classes 10 --num_hidden 128 --batch_size 128 "
    "--learning_rate 1e-3 --max_steps 1000 --max_norm 10",
)
"""The command that the README gives for the code of each part."""
README = """{title}
{rule}

{author}, {number}

| where | what |
| --- | --- |
| {report} | the report |
| *.md | texts of the report that handin.toml names |
| code/ | the assignment's files; they need NumPy and PyTorch, and nothing else |
| scripts/ | every network as one plain script in NumPy and one in PyTorch; each says whether it came to the same run |
| notebooks/ | a notebook a part, filled; run again they read results/ and need `pip install twofold` |
| recipes/ | every training as a recipe: `twofold run recipes/NAME.toml` |
| results/ | every run: recipe, course, weights, record |

## To run the code

```sh
cd code
{commands}
```
"""


def pack(source: Source, parts: Sequence[TrainedPart], facts: Mapping[str, Facts], out: Path) -> bytes:
    """The ZIP file of what lies in `out`, every member below one folder; notebooks show the pages of `facts`."""
    root = source.handin.archive
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _members(source, parts, facts, out):
            member = zipfile.ZipInfo(f"{root}/{name}", DATE)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o644 << 16
            archive.writestr(member, content)
    return buffer.getvalue()


def _members(
    source: Source, parts: Sequence[TrainedPart], facts: Mapping[str, Facts], out: Path
) -> Iterator[tuple[str, bytes | str]]:
    """Every file by its name in the archive."""
    yield "README.md", _readme(source, parts, out)
    yield "handin.toml", source.text
    yield from source.text_files().items()
    for name in ("report.html", "report.pdf"):
        if (out / name).is_file():
            yield name, (out / name).read_bytes()
    for file in code_files():
        yield f"code/{file.name}", file.read_bytes()
    for part in parts:
        yield f"notebooks/{part.name}.ipynb", notebook_text(source, part, facts)
        for name, result in {**part.runs, **part.studies}.items():
            yield from _folder(result.path, f"results/{name}")
        for name in part.runs:
            recipe = out / RECIPES / f"{name}.toml"
            yield (
                f"recipes/{name}.toml",
                (recipe if recipe.is_file() else part.runs[name].path / "recipe.toml").read_bytes(),
            )
            if _size(out / SCRIPTS / name) <= MOST_SCRIPTS:
                yield from _folder(out / SCRIPTS / name, f"{SCRIPTS}/{name}")


def left_out(parts: Sequence[TrainedPart], out: Path) -> list[str]:
    """Runs whose scripts stay out of the ZIP file: the weights that they begin with are too large."""
    return [name for part in parts for name in part.runs if _size(out / SCRIPTS / name) > MOST_SCRIPTS]


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _folder(folder: Path, name: str) -> Iterator[tuple[str, bytes]]:
    """The files of a folder below `name`, without checkpoints and hidden files such as locks."""
    for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
        inner = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") or part == "checkpoints" for part in inner.parts):
            yield f"{name}/{inner.as_posix()}", path.read_bytes()


def _readme(source: Source, parts: Sequence[TrainedPart], out: Path) -> str:
    handin = source.handin
    commands = [command for part, command in zip(parts, COMMANDS, strict=False)]
    return README.format(
        title=handin.title,
        rule="=" * len(handin.title),
        author=handin.student.name,
        number=handin.student.number,
        report="report.html, report.pdf" if (out / "report.pdf").is_file() else "report.html",
        commands="\n".join(commands),
    )
