"""A Jupyter notebook for each part: the report's sections as cells that are filled already and can be run again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import count

from twofold.analysis import findings
from twofold.handin.document import Facts
from twofold.handin.spec import Source
from twofold.handin.trainings import TrainedPart
from twofold.report import sentences
from twofold.report.findings import sentences as finding_sentences
from twofold.report.notebook import sections_of
from twofold.report.page import filled_page
from twofold.report.study import filled_study
from twofold.report.text import referred
from twofold.runs import Run
from twofold.study import StudyResult

RESULTS = "../results"
"""The folder of runs, seen from the notebook."""
SHOWN = ("Results", "Network", "Course of training", "Analysis")
"""Sections that begin a run's part of the notebook; the others of its report follow."""
LEFT_OUT = ("Circumstances", "Recipe")

Cell = dict[str, object]


def notebook_text(source: Source, part: TrainedPart, facts: Mapping[str, Facts]) -> str:
    """The notebook of a part as JSON (nbformat 4.5), with the pages of `facts` by name of run or study.

    The same folders give the same bytes.
    """
    handin = source.handin
    cells = [
        _words(f"# Part {part.roman}. {part.part.title}\n\n{handin.student.name}, {handin.student.number}"),
        _words(source.own_text(part.part, "introduction")),
        _code("import twofold"),
    ]
    for name, run in part.runs.items():
        cells += _run_cells(name, run, facts[name])
    for name, study in part.studies.items():
        cells += _study_cells(name, study, facts[name])
    cells.append(_words(f"## Conclusion\n\n{source.own_text(part.part, 'conclusion')}\n\n{_conclusion(part)}"))
    return json.dumps(_notebook([cell for cell in cells if cell["source"]]), ensure_ascii=False, indent=1) + "\n"


def _run_cells(name: str, run: Run, facts: Facts) -> list[Cell]:
    report = sections_of(filled_page(facts).html)
    headings = [*(heading for heading in SHOWN if heading in report), *report]
    ordered = [heading for heading in dict.fromkeys(headings) if heading not in LEFT_OUT]
    return [
        _words(f"## {run.record.title or run.name}\n\n{sentences.lead(run)}"),
        _code(f'run = twofold.open_run("{RESULTS}/{name}")\nreport = twofold.sections(run)\nrun', run._repr_html_()),
        *(_code(f"report[{heading!r}]", report[heading]._repr_html_()) for heading in ordered),
    ]


def _study_cells(name: str, study: StudyResult, facts: Facts) -> list[Cell]:
    report = sections_of(filled_study(facts).html)
    return [
        _words(f"## {study.study.heading}"),
        _code(f'report = twofold.sections("{RESULTS}/{name}")'),
        *(
            _code(f"report[{heading!r}]", section._repr_html_())
            for heading, section in report.items()
            if heading not in LEFT_OUT
        ),
    ]


def _conclusion(part: TrainedPart) -> str:
    """The results and the faults of each run in sentences, a line per run."""
    lines = list[str]()
    for run in part.runs.values():
        faults = [sentence for sentence in finding_sentences(findings(run), ()) if sentence.fault]
        facts = [*sentences.results_sentences(run)[:2], *(f"{fault.title}: {fault.text}" for fault in faults)]
        text = " ".join(referred(fact, lambda name: name) for fact in facts)
        lines.append(f"- **{run.record.title or run.name}.** {text}")
    return "\n".join(lines)


def _words(text: str) -> Cell:
    return {"cell_type": "markdown", "metadata": {}, "source": text.strip()}


def _code(text: str, html: str = "") -> Cell:
    output = {"output_type": "execute_result", "execution_count": None, "metadata": {}, "data": {"text/html": html}}
    outputs = [output] if html else []
    return {"cell_type": "code", "metadata": {}, "execution_count": None, "source": text, "outputs": outputs}


def _notebook(cells: Sequence[Cell]) -> dict[str, object]:
    runs = count(1)
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
        if cell["cell_type"] == "code":
            cell["execution_count"] = execution = next(runs)
            for output in cell["outputs"]:  # pyright: ignore[reportGeneralTypeIssues]
                output["execution_count"] = execution
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
