"""`twofold check`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twofold.cli.output import examples, print_json, say
from twofold.errors import UserError

if TYPE_CHECKING:
    from twofold.proof.check.grading import Grade
    from twofold.proof.check.report import CheckReport
    from twofold.proof.check.request import Adapter

EXAMPLE = examples(
    "twofold check mine.py:MyDense --like dense",
    "twofold check mine.py:Conv --like conv2d --set kernel=3 --hint 1",
    "twofold check mine.py:MyEngine --like moons --steps 20",
    "twofold check --template dense",
    "twofold check ada grace --task cs324-mlp --jobs 2 --csv grades.csv",
)


class FormatChoice(StrEnum):
    """What `--format` takes."""

    text = "text"
    json = "json"
    gradescope = "gradescope"
    junit = "junit"


def check(
    things: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE.py[:NAME]...", help="A thing in a file; with `--task` a folder for each student."),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="What it should be: dense, conv2d, relu, cross_entropy, adam, max_norm, cosine, ...; "
            "of a whole engine a recipe.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting of the kind: units=3; may be given again."),
    ] = None,
    float32: Annotated[bool, typer.Option("--float32", help="Compare in single precision.")] = False,
    hint: Annotated[
        int, typer.Option(min=0, max=2, help="0: where to look; 1: what to ask there; 2: what is wrong.")
    ] = 2,
    form: Annotated[FormatChoice, typer.Option("--format", help="How the report is printed.")] = FormatChoice.text,
    adapt: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=ROLE",
            help="What a name stands for: W=weight, d=dy; transposed=true: weights (in, out); gates=ifog.",
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="Time limit of the code's process.")] = 20.0,
    steps: Annotated[int, typer.Option(min=1, help="Steps of training in which a whole engine is compared.")] = 50,
    template: Annotated[str | None, typer.Option(metavar="KIND", help="Print a skeleton to fill in.")] = None,
    task: Annotated[
        str | None,
        typer.Option(metavar="TASK", help="A built-in task, or a file that ends in .toml: checks every item."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Submissions checked at once.")] = 1,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Grades of all submissions.")] = None,
    pages: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A page for each student, and one for the class.")
    ] = None,
) -> None:
    """Check your own layer, loss, optimizer, clipping or schedule. Exit status 0 right, 1 wrong, 2 not checked."""
    if template is not None:
        from twofold.proof.check.templates import template_of

        typer.echo(template_of(template), nl=False)
        return
    if not things:
        raise UserError("give FILE.py:NAME and `--like KIND`, or folders and `--task TASK`; see `twofold check --help`")
    if task is not None:
        grades = _graded(things, task, jobs, form is FormatChoice.text, csv, pages)
        _print_grades(grades, form, hint)
        raise typer.Exit(max(grade.exit_status for grade in grades))
    if like is None:
        raise UserError("`--like` is missing: what should it be? For example `--like dense`")
    if _is_recipe(like):
        if form not in (FormatChoice.text, FormatChoice.json):
            raise UserError(f"a whole engine is told as text or json; got `--format {form.value}`")
        raise typer.Exit(_check_engines(things, like, steps, seconds, form))
    from twofold.proof.check.checking import check_thing
    from twofold.proof.check.request import Request

    dtype = "float32" if float32 else "float64"
    request = Request("", "", like, _values(settings or []), dtype, adapter=_adapter(adapt or []))
    reports = [check_thing(thing, request, seconds) for thing in things]
    _print(reports, form, hint)
    raise typer.Exit(max(report.exit_status for report in reports))


def _is_recipe(like: str) -> bool:
    """Whether `--like` names a recipe instead of a kind: what is checked is then a whole engine."""
    from twofold.proof.check.subject import CLIPPING, kinds
    from twofold.recipe import titles

    return like not in (*kinds(), *CLIPPING) and (like.endswith(".toml") or like in titles())


def _check_engines(things: list[str], recipe: str, steps: int, seconds: float, form: FormatChoice) -> int:
    """Check whole engines and print the reports; returns the largest exit status."""
    from twofold.proof.check.checking import place_of
    from twofold.proof.check.engines import check_engine_file

    reports = []
    for thing in things:
        file, name = place_of(thing)
        reports.append(check_engine_file(file, name, recipe, steps, seconds))
    if form is FormatChoice.json:
        values = [report.to_json() for report in reports]
        print_json(values[0] if len(values) == 1 else values)
    else:
        pairs = zip(things, reports, strict=True)
        say("\n".join(f"{thing} against {r.recipe}: {'right' if r.ok else 'wrong'}\n  {r}" for thing, r in pairs))
    return max(report.exit_status for report in reports)


def _values(settings: list[str]) -> dict[str, object]:
    """The settings of `--set` by key, each value read as TOML; a bare word is a string."""
    from twofold.recipe.overrides import toml_value

    values = {}
    for setting in settings:
        key, sign, text = setting.partition("=")
        if not sign:
            raise UserError(f"`--set` takes KEY=VALUE; got {setting}")
        values[key.strip()] = toml_value(text.strip())
    return values


def _adapter(pairs: list[str]) -> Adapter:
    from twofold.proof.check.request import Adapter

    table = {}
    for pair in pairs:
        name, sign, role = pair.partition("=")
        if not sign:
            raise UserError(f"`--adapt` takes NAME=ROLE; got {pair}")
        table[name.strip()] = role.strip()
    transposed, gates = table.pop("transposed", None), table.pop("gates", None)
    return Adapter(
        arguments=table, transposed=None if transposed is None else transposed.lower() == "true", gates=gates
    )


def _print(reports: list[CheckReport], form: FormatChoice, hint: int) -> None:
    if form is FormatChoice.text:
        say("\n\n".join(report.text(hint) for report in reports))
        return
    if form is FormatChoice.json:
        values = [report.to_json() for report in reports]
        print_json(values[0] if len(values) == 1 else values)
        return
    from twofold.proof.check.formats import gradescope, junit
    from twofold.proof.check.grading import Grade, Graded

    graded = [Graded(report.thing, 1.0, False, report, hint) for report in reports]
    grade = Grade(reports[0].thing, tuple(graded))
    typer.echo(gradescope(grade) if form is FormatChoice.gradescope else junit(grade))


def _graded(folders: list[str], task: str, jobs: int, bars: bool, csv: Path | None, pages: Path | None) -> list[Grade]:
    """The grades of a whole task, one folder per student; also written to `csv` and `pages` where these are named.

    `bars`: whether progress is drawn where there are several folders.
    """
    from twofold.cli import progress
    from twofold.proof.check import formats, grading
    from twofold.proof.check import pages as pages_of
    from twofold.proof.check.task import load_task

    loaded = load_task(task)
    with progress.shown(len(folders) > 1 and bars) as watcher:
        grades = grading.grade_all([Path(folder) for folder in folders], loaded, jobs, watcher)
    if csv is not None:
        csv.write_text(formats.grades_csv(grades), "utf-8", "backslashreplace")  # a name may be no UTF-8
    if pages is not None:
        pages_of.write_pages(pages, grades, loaded)
    return grades


def _print_grades(grades: list[Grade], form: FormatChoice, hint: int) -> None:
    from twofold.proof.check import formats

    if form is FormatChoice.text:
        say(formats.class_text(grades) if len(grades) > 1 else formats.grade_text(grades[0], min(hint, 2)))
    else:
        write = {"json": formats.as_json, "gradescope": formats.gradescope, "junit": formats.junit}[form.value]
        say("\n".join(write(grade) for grade in grades))
