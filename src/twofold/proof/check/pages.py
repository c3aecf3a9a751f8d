"""Pages of a graded class: one for each student, and one for the class with the frequency of mistakes."""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Sequence
from pathlib import Path

from twofold.proof.check.grading import Grade, Graded, mistakes_of_class
from twofold.proof.check.task import Task

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ccc;padding:.4rem .6rem;text-align:left;"
    "vertical-align:top}td.n{text-align:right;white-space:nowrap}pre{white-space:pre-wrap;margin:0;"
    "font:14px/1.4 monospace}.right{color:#176d2b}.wrong{color:#a11}"
)


def write_pages(folder: Path, grades: Sequence[Grade], task: Task) -> Path:
    """Write every page; returns the path of the class's page, which is for the teacher only."""
    folder.mkdir(parents=True, exist_ok=True)
    names = page_names([grade.student for grade in grades])
    for grade, name in zip(grades, names, strict=True):
        # A student's folder may have a name that is no UTF-8.
        (folder / name).write_text(student_page(grade, task.title), "utf-8", "backslashreplace")
    page = folder / "class.html"
    page.write_text(class_page(grades, names, task.title), "utf-8", "backslashreplace")
    return page


def page_names(students: Sequence[str]) -> list[str]:
    """A valid file name for each student, whatever the folder's name is; no two are equal but for upper case."""
    names, taken = list[str](), {"class"}
    for number, student in enumerate(students, 1):
        plain = re.sub(r"[^\w.-]", "_", student).strip(".")[:60] or "student"
        numbered = (f"{plain}-{other}" for other in itertools.count(number))
        name = next(name for name in itertools.chain([plain], numbered) if name.casefold() not in taken)
        taken.add(name.casefold())
        names.append(f"{name}.html")
    return names


def _page(title: str, body: str) -> str:
    safe = html.escape(title)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{safe}</title><style>{STYLE}</style>'
        f"<h1>{safe}</h1>{body}</html>\n"
    )


def student_page(grade: Grade, title: str) -> str:
    """The page that a student reads."""
    rows = "".join(_row(item) for item in grade.items)
    head = f"<p><b>{grade.score:g}</b> of {grade.points:g} points in <i>{html.escape(title)}</i></p>"
    return _page(grade.student, f"{head}<table><tr><th>item</th><th>points</th><th></th></tr>{rows}</table>")


def _row(item: Graded) -> str:
    mark = "right" if item.report.ok else "wrong"
    return (
        f'<tr><td>{html.escape(item.title)}</td><td class="n {mark}">{item.score:g} / {item.points:g}</td>'
        f"<td><pre>{html.escape(item.told())}</pre></td></tr>"
    )


def class_page(grades: Sequence[Grade], names: Sequence[str], title: str) -> str:
    """The page of the class: points of all students, and how often each mistake was made."""
    students = "".join(
        f'<tr><td><a href="{html.escape(name)}">{html.escape(grade.student)}</a></td><td class="n">{grade.score:g} / '
        f"{grade.points:g}</td><td>{' '.join('✓' if item.report.ok else '✗' for item in grade.items)}</td></tr>"
        for grade, name in zip(grades, names, strict=True)
    )
    mistakes = "".join(
        f'<tr><td class="n">{times}</td><td>{html.escape(item)}</td><td>{html.escape(name)}</td></tr>'
        for item, name, times in mistakes_of_class(grades)
    )
    return _page(
        title,
        f"<h2>Points</h2><table>{students}</table><h2>Mistakes</h2>"
        f"<table><tr><th>submissions</th><th>item</th><th>what is wrong</th></tr>{mistakes}</table>",
    )
