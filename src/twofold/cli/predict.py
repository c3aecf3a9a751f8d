"""`twofold predict`."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from twofold.cli.output import EngineChoice, JsonOption, examples, print_json
from twofold.errors import UserError
from twofold.printable import one_line

if TYPE_CHECKING:
    from twofold.inference.predicting import Answers

EXAMPLE = examples(
    "twofold predict runs/digits-1 drawing.png --show seen.png",
    "twofold predict runs/palindrome-1 12321",
    "twofold predict runs/text-lstm-1 --sample 200 --temperature 0.8",
)
MOST_SAMPLES = 40
"""Samples that are printed; the rest are only counted."""

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]


EngineOption = Annotated[
    EngineChoice | None, typer.Option(help="Which engine; all of the run's where left out.", show_default=False)
]


def predict(
    run: RunArgument,
    samples: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SAMPLE...]",
            help="Image files or folders of images; CSV files, or rows as `5.1,3.5`; points as `0.5,1.2`; palindromes, "
            "whole or without their last digit: whatever the network was trained on.",
        ),
    ] = None,
    engine: EngineOption = None,
    table: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Also write a line a sample and engine to a new file.")
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(metavar="N", help="Write on N characters, of a network of text; SAMPLE is what comes before."),
    ] = None,
    temperature: Annotated[
        float, typer.Option(help="With --sample: below 1 likely characters become likelier; 0 takes the likeliest.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="With --sample: another seed draws another text.")] = 0,
    show: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png",
            help="Also draw what became of images, in a new file: the picture, the ink on it, what the network sees.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the trained networks about new samples: class, probability, runner-up, and how far the engines are apart."""
    from twofold.cli import views

    if sample is not None:
        _check_writing(samples or (), {"--csv": table, "--show": show})
        from twofold.cli.texts import print_text

        print_text(run, " ".join(samples or ()), (sample, temperature, seed), engine, as_json)
        return
    if not samples:
        raise UserError(
            "no sample is given; of a network of text --sample N writes on: "
            f"twofold predict {quote(str(run))} --sample 200"
        )
    from twofold.inference.predicting import predict as ask
    from twofold.runs.reading import as_a_whole

    _check_words(samples)
    if temperature != 1.0 or seed != 0:
        raise UserError("--temperature and --seed are of the text that --sample N writes; leave them out")
    if table is not None and table.exists():
        raise UserError(f"{table} exists; choose another --csv")
    with as_a_whole(run):
        if show is not None:
            _check_show(run, show)
        answers = ask(run, samples, engines=engine)
        if show is not None:
            _show(answers, show)
    if table is not None:
        _write(table, answers.rows())
    if as_json:
        print_json(answers.to_json())
    else:
        _print(answers)
        for note in answers.notes:
            views.print_note(note)


def _check_words(samples: Sequence[str]) -> None:
    """Refuse unknown options. typer lets them through here, because a point such as `-0.5,1` begins like one."""
    for word in samples:
        if word.startswith("-") and not word[1:2].isdigit() and word[1:2] != ".":
            raise UserError(f"no option `{word}`; `twofold predict --help` lists all")


def _check_writing(start: Sequence[str], unused: Mapping[str, Path | None]) -> None:
    """Refuse what `--sample` leaves unused: options of other data, and among the words of the start unknown ones."""
    for option, value in unused.items():
        if value is not None:
            raise UserError(f"{option} is of answers to samples; with --sample, which writes a text, leave it out")
    for word in start:
        if re.fullmatch(r"--[A-Za-z][\w-]*(=.*)?|-[A-Za-z]", word):
            raise UserError(f"no option `{word}`; `twofold predict --help` lists all")


def _check_show(run: Path, path: Path) -> None:
    from twofold.report.predicted import check_shown
    from twofold.runs import open_run

    check_shown(path, open_run(run).recipe.data)


def _show(answers: Answers, path: Path) -> None:
    from twofold.report.predicted import draw_predicted
    from twofold.runs import write_whole

    write_whole(path, draw_predicted(answers, path.suffix.lower().lstrip(".")))


def _write(path: Path, rows: Sequence[dict[str, object]]) -> None:
    from twofold.runs import write_whole

    text = io.StringIO()
    lines = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
    lines.writeheader()
    lines.writerows(rows)
    write_whole(path, text.getvalue().encode(errors="backslashreplace"))  # a file's name may be no UTF-8


def _cells(answers: Answers, engine: str, index: int) -> list[str]:
    """The cells of one sample: its predicted numbers or labels; or its class, the class's value, and the runner-up."""
    if answers.targets:
        return [f"{value:.6g}" for value in answers.values[engine][index].tolist()]
    answer = answers.answer(engine, index)
    return [answer.class_name, f"{answer.value:.4f}", f"{answer.runner_up}  {answer.runner_up_value:.4f}"]


def _print(answers: Answers) -> None:
    """A line for each sample and engine."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from twofold.cli.views import console

    gaps, expects = answers.gaps, any(answers.expected)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("sample", "engine") if answers.targets else ("sample", "engine", "class"):
        table.add_column(heading, overflow="fold")
    if answers.targets:
        for target in answers.targets:
            table.add_column(Text(one_line(target)), justify="right", no_wrap=True)
    else:
        table.add_column(answers.measure, justify="right", no_wrap=True)
        table.add_column("runner-up", justify="right", overflow="fold")
    for heading in (["expected"] if expects else []) + ([] if gaps is None else ["gap"]):
        table.add_column(heading, justify="right" if heading == "gap" else "left", no_wrap=heading == "gap")
    for index, name in enumerate(answers.names[:MOST_SAMPLES]):
        for place, engine in enumerate(answers.outputs):
            row = [name if not place else "", engine, *_cells(answers, engine, index)]
            row += [answers.expected[index] or "–" if not place else ""] if expects else []
            row += [] if gaps is None else [f"{gaps[index]:.1e}" if place else ""]
            table.add_row(*(Text(one_line(cell)) for cell in row))
    console.print(table)
    if len(answers) > MOST_SAMPLES:
        console.print(f"the first {MOST_SAMPLES} of {len(answers):,} samples; --csv FILE or --json has all")
    for engine in answers.outputs:
        if len(answers) > 1 and (counted := answers.right(engine)):
            right, known = counted
            console.print(f"{engine}: {right:,} of {known:,} as expected")
    if gaps is not None and len(answers) > 1:
        console.print(f"largest gap between the engines: {gaps.max():.1e}")
