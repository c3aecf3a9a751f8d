"""Grades in the formats of other programs: text, JSON, CSV, Gradescope's results, JUnit."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from xml.etree import ElementTree

from twofold.proof.check.grading import Grade, Graded, mistakes_of_class


def grade_text(grade: Grade, hint: int) -> str:
    """The grade of a submission as text for a terminal."""
    lines = [f"{grade.student}: {grade.score:g} of {grade.points:g} points", ""]
    for item in grade.items:
        mark = "right" if item.report.ok else "wrong" if item.report.status == "wrong" else "?"
        lines.append(f"  {mark:<6}{item.score:>5g} / {item.points:<5g}{item.title}")
        if not item.report.ok or item.hidden:
            lines += [f"          {line}" for line in item.told().splitlines()]
    return "\n".join(lines)


def class_text(grades: Sequence[Grade]) -> str:
    """The grades of a class as text for a terminal: points, then how often each mistake was made."""
    width = max(len(grade.student) for grade in grades)
    lines = [f"  {grade.student:<{width}}  {grade.score:>6g} / {grade.points:g}" for grade in grades]
    mistakes = mistakes_of_class(grades)
    if mistakes:
        lines += ["", "  mistakes, and in how many submissions:"]
        lines += [f"  {times:>4}  {title}: {name}" for title, name, times in mistakes]
    return "\n".join(lines)


def as_json(grade: Grade) -> str:
    """The grade of a submission as JSON, without the reports of hidden items."""
    items = [_item_json(item) for item in grade.items]
    return json.dumps({"student": grade.student, "score": grade.score, "points": grade.points, "items": items})


def _item_json(item: Graded) -> dict[str, object]:
    told: dict[str, object] = {"title": item.title, "points": item.points, "score": item.score}
    return told | ({"hidden": True} if item.hidden else {"report": item.report.to_json()})


def grades_csv(grades: Sequence[Grade]) -> str:
    """Grades as CSV: a row for each student, a column for each item; names like formulas are quoted as text."""
    out = io.StringIO()
    writer = csv.writer(out)
    titles = [item.title for item in grades[0].items]
    writer.writerow(["student", "score", "points", *titles])
    for grade in grades:
        writer.writerow(
            [
                _cell(grade.student),
                f"{grade.score:g}",
                f"{grade.points:g}",
                *(f"{item.score:g}" for item in grade.items),
            ]
        )
    return out.getvalue()


def _cell(text: str) -> str:
    return f"'{text}" if text[:1] in "=+-@\t\r" else text


def gradescope(grade: Grade) -> str:
    """The grade of a submission as Gradescope's `results.json`."""
    tests = [
        {
            "name": item.title,
            "score": item.score,
            "max_score": item.points,
            "status": "passed" if item.report.ok else "failed",
            "output": item.told(),
            "visibility": "visible",
        }
        for item in grade.items
    ]
    return json.dumps({"score": grade.score, "stdout_visibility": "hidden", "tests": tests}, indent=1)


def junit(grade: Grade) -> str:
    """The grade of a submission as JUnit's XML."""
    failed = sum(not item.report.ok for item in grade.items)
    suite = ElementTree.Element(
        "testsuite", name=_xml(grade.student), tests=str(len(grade.items)), failures=str(failed)
    )
    for item in grade.items:
        case = ElementTree.SubElement(suite, "testcase", name=_xml(item.title), time=f"{item.report.seconds:.3f}")
        if not item.report.ok:
            failure = ElementTree.SubElement(case, "failure", message=_xml(item.told().splitlines()[0]))
            failure.text = _xml(item.told())
    return ElementTree.tostring(suite, encoding="unicode")


def _xml(text: str) -> str:
    """The text without characters that XML cannot hold."""
    return "".join(c for c in text if c in "\n\t" or c.isprintable())
