"""Every figure of a page as files, with the captions, for LaTeX and for slides."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from twofold.errors import RunFolderError
from twofold.printable import one_line
from twofold.report.composed import composed
from twofold.report.drawing import Picture
from twofold.report.page import render
from twofold.report.tabulated import page_tables
from twofold.report.template import Filled
from twofold.report.text import referred
from twofold.runs import Run, open_run, write_whole
from twofold.runs.names import STUDY

if TYPE_CHECKING:
    from twofold.study import SearchResult, StudyResult

CAPTIONS, LATEX = "captions.md", "figures.tex"
CAPTIONS_TITLE = "# Figures of {owner}"
PREAMBLE = """% Every figure of the report, in its order. In the preamble:
% \\usepackage{{graphicx}} \\graphicspath{{{{{folder}/}}}}
% Then \\input{{{folder}/{name}}}; or copy the figures that are wanted.
"""
FIGURE = """
\\begin{{figure}}[htbp]
  \\centering
  \\includegraphics[width={width}\\linewidth]{{{name}}}
  \\caption{{{caption}}}
  \\label{{fig:{name}}}
\\end{{figure}}
"""
COLUMN = 9.0
"""Width in inches of a figure that fills the line of a document."""
SIGNS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "−": "$-$", "×": r"$\times$", "·": r"$\cdot$", "±": r"$\pm$", "→": r"$\to$", "∂": r"$\partial$", "‖": r"$\Vert$",
    "≤": r"$\leq$", "≥": r"$\geq$", "√": r"$\surd$", "η": r"$\eta$", "λ": r"$\lambda$", "₁": "$_1$", "₂": "$_2$",
    "–": "--", "—": "---", "…": r"\ldots{}", "✓": r"$\surd$", "✗": r"$\times$",
}  # fmt: skip
SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def write_figures(
    result: Run | StudyResult | SearchResult | str | Path | Sequence[Run | str | Path],
    folder: str | Path,
    image: int | None = None,
) -> Path:
    """Write every figure and table of a run's report, a study's or a comparison's into `folder`, and return it.

    `NAME.svg`, `NAME.pdf` and `NAME.png`, the panels and the legend of a figure in one drawing; `captions.md` has the
    captions with the numbers of the page, `figures.tex` the same as LaTeX figures; `table-N.csv` and `table-N.tex` are
    the tables. Names and bytes are the same whenever the page is. The folder is made where there is none; files of
    other names are left alone.

    Raises `RunFolderError` where it cannot be written to or holds the figures of another page, and as the report does.
    """
    check_owner(folder, owner(result))
    return write_pictures(rendered(result, image), folder, owner(result))


def open_folder(path: str | Path) -> Run | StudyResult | SearchResult:
    """The study or the search of a folder, else its run; raises as opening it does."""
    if not (Path(path) / STUDY).is_file():
        return open_run(path)
    from twofold.study import open_any

    return open_any(path)


def rendered(
    result: Run | StudyResult | SearchResult | str | Path | Sequence[Run | str | Path],
    image: int | None = None,
    out: str | Path | None = None,
    *,
    author: str = "",
    halves: bool = False,
) -> Filled:
    """The page of a run, a study or a comparison, this one for `out`, and its figures; raises as writing it does.

    With `halves` two processes draw a run's figures at once, where that is possible.
    """
    if isinstance(result, str | Path):
        result = open_folder(result)
    if isinstance(result, Run):
        return render(result, image, author=author, halves=halves)
    if isinstance(result, Sequence):
        from twofold.report.comparison import COMPARISON, compared, render_comparison

        return render_comparison(compared(result), out or COMPARISON)
    from twofold.report.study import render_study

    return render_study(result)


def owner(result: Run | StudyResult | SearchResult | str | Path | Sequence[Run | str | Path]) -> str:
    """What a page is made from, by the names of its folders; bytes that are no UTF-8 as codes."""
    if isinstance(result, str | Path):
        return one_line(os.path.basename(os.path.realpath(result)))  # raises nothing for a circle of links
    if isinstance(result, Sequence):
        return ", ".join(owner(part) for part in result)
    return owner(result.path)


def write_pictures(page: Filled, folder: str | Path, owner: str) -> Path:
    """Write the figures and tables of a page into a folder, as `write_figures` does; `owner` says what they are of."""
    check_owner(folder, owner)
    folder, pictures = _made(Path(folder)), page.pictures
    for number, table in enumerate(page_tables(page.html), start=1):
        _write(folder / f"table-{number}.csv", table.csv_text())
        _write(folder / f"table-{number}.tex", f"% {table.caption}\n{table.latex_text(latex)}")
    for picture in pictures:
        for form, content in composed(picture).items():
            write_whole(folder / f"{picture.name}.{form}", content)
    _write(folder / CAPTIONS, captions_text(pictures, CAPTIONS_TITLE.format(owner=owner)))
    _write(folder / LATEX, latex_text(pictures, folder.name))
    return folder


def _write(path: Path, text: str) -> None:
    """A file of text, whole or not at all; bytes of a folder's name that are no UTF-8 stand in it as codes."""
    write_whole(path, text.encode(errors="backslashreplace"))


def check_owner(folder: str | Path, owner: str) -> None:
    """Raises `RunFolderError` where the folder holds the figures of another page: asked before a page is drawn."""
    captions, title = Path(folder) / CAPTIONS, CAPTIONS_TITLE.format(owner=owner)
    if not captions.is_file():
        return
    first = captions.read_text("utf-8", errors="replace").partition("\n")[0]
    if first.startswith(CAPTIONS_TITLE.format(owner="")) and first != title:
        other = first.removeprefix(CAPTIONS_TITLE.format(owner=""))
        raise RunFolderError(f"{folder} holds the figures of {other}; choose another folder for these")


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise RunFolderError(f"--figures names a folder, and {folder} is a file; choose another name") from error
    except OSError as error:
        raise RunFolderError(f"cannot make the folder {folder}: {error.strerror}; choose another --figures") from error
    return folder


def captions_text(pictures: Sequence[Picture], title: str = "# Figures and their captions") -> str:
    """The captions as Markdown, under the names of the files."""
    numbers = {picture.name: number for number, picture in enumerate(pictures, start=1)}
    parts = [
        f"## {name}\n\n**Figure {number}.** {referred(picture.caption, lambda to: f'Figure {numbers[to]}')}\n"
        for picture, (name, number) in zip(pictures, numbers.items(), strict=True)
    ]
    return "\n".join([f"{title}\n", *parts])


def latex_text(pictures: Sequence[Picture], folder: str) -> str:
    """The figures as LaTeX, any engine's; they refer to each other by label."""
    parts = [PREAMBLE.format(folder=folder, name=LATEX)]
    for picture in pictures:
        width = min(1.0, max(0.4, sum(panel.width for panel in picture.panels[:2]) / COLUMN))
        caption = referred(latex(picture.caption), lambda to: f"Figure~\\ref{{fig:{to}}}")
        parts.append(FIGURE.format(width=f"{width:.2g}", name=picture.name, caption=caption))
    return "".join(parts)


def latex(text: str) -> str:
    """A caption as LaTeX: what stands between backticks in typewriter letters, signs by their commands."""
    text = "".join(SIGNS.get(sign, sign) for sign in text)
    text = re.sub("[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda match: f"$^{{{match[0].translate(SUPERSCRIPTS)}}}$", text)
    return re.sub(r"`([^`]+)`", r"\\texttt{\1}", text)
