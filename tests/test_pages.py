"""Every command of the documentation is run, or says why not; what it prints is what the page shows.

In a page, a block ```sh is run, line by line, in the page's own empty folder. A block whose first line is `# NAME.toml`
(or .py, .csv) is written there as that file. A block ```text right behind commands shows what they print; it is
compared with every number masked, and `...` stands for any lines. A comment above a block changes that:
`<!-- not run: REASON -->`, or `<!-- run with: OPTIONS -->`, added to each `twofold` command so that it takes seconds.
"""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest

from apart import Apart

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
NOTE = r"(?:^<!-- (?P<note>[^\n]*) -->\n)?"
FENCED = re.compile(NOTE + r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"# ([\w.-]+\.(?:toml|py|csv))\n")
LINKED = [*PAGES, *sorted((ROOT / "examples").rglob("*.md"))]
"""The commands of the examples have tests of their own: they run in their folder."""
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


class Block(NamedTuple):
    language: str
    text: str
    note: str
    follows: bool
    """Whether only empty lines lie between it and the block before."""


def blocks(page: Path) -> list[Block]:
    text, found, end = page.read_text("utf-8"), list[Block](), 0
    for match in FENCED.finditer(text):
        between = [line for line in text[end : match.start()].splitlines() if line.strip()]
        found.append(Block(match["language"], match["text"], match["note"] or "", not between))
        end = match.end()
    return found


def with_commands() -> list[Path]:
    return [page for page in PAGES if any(block.language == "sh" for block in blocks(page))]


def masked(text: str) -> list[str]:
    """What stays the same from one machine to the next: words and rules of tables, no number and no width."""
    lines = (re.sub(r"[─━┏┓┗┛┡┩┳┴╇│┃├┤┼└┘╭╮╰╯]+", "", line) for line in text.splitlines())
    plain = (re.sub(r"[+−-]?\d[\d,.]*(e[+-]?\d+)?", "#", line) for line in lines)
    return [" ".join(line.split()) for line in plain if line.strip()]


def shown(wanted: list[str], printed: list[str]) -> bool:
    """Whether the lines wanted follow each other in what was printed, `...` standing for any."""
    pieces = [re.escape(line) + r"\n" if line != "..." else r"(?:.*\n)*" for line in wanted]
    return re.search(r"^" + "".join(pieces), "".join(f"{line}\n" for line in printed), re.MULTILINE) is not None


def perform(line: str, apart: Apart, options: list[str]) -> tuple[int, str]:
    """Status and output of one line: `twofold` in the process that stands by, programs in this one."""
    words = shlex.split(line, comments=True)
    if words[0] == "twofold" and not set(words) & {"|", ">", "&&"}:
        done = apart(*words[1:], *options)
        return done.status, done.out + done.err
    if words[0] == "python" and len(words) == 2:
        with redirect_stdout(StringIO()) as out:
            runpy.run_path(words[1], run_name="__main__")
        return 0, out.getvalue()
    ran = subprocess.run(line, shell=True, capture_output=True, text=True, check=False, timeout=120)
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.parametrize("page", with_commands(), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_run_and_print_what_it_shows(page: Path, apart: Apart, in_tmp: Path) -> None:
    printed = ""
    for block in blocks(page):
        if name := FILE.match(block.text):
            Path(name[1]).write_text(block.text, "utf-8")
        if block.language == "sh" and not block.note.startswith("not run: "):
            options = shlex.split(block.note.removeprefix("run with: "))
            printed = ""
            for line in block.text.replace("\\\n", " ").splitlines():
                if shlex.split(line, comments=True):
                    status, said = perform(line, apart, options)
                    printed += said
                    assert status == 0 or "error:" in said or "part at step" in said, f"{line}\n{said}"
        elif block.language == "text" and block.follows and printed:
            assert shown(masked(block.text), masked(printed)), f"{block.text}\n{printed}"


@each_page
def test_a_note_says_one_of_two_things(page: Path) -> None:
    for block in blocks(page):
        assert re.match(r"$|not run: \w+|run with: -", block.note), block.note
        assert not block.note or block.language == "sh", block.note


def test_a_page_that_shows_something_else_is_found() -> None:
    printed = masked("agree over 50 steps at 1e-09\n│ loss │ 4.4e-16 │\nreport: runs/digits-1/report.html\n")
    assert shown(masked("agree over 7 steps at 1\nloss 3\n"), printed)
    assert shown(["...", "report: runs/digits#/report.html"], printed)
    assert not shown(["part over # steps at #"], printed)
    assert not shown(["agree over # steps at #", "report: runs/digits#/report.html"], printed)


def anchors(page: Path) -> set[str]:
    """GitHub's names of a page's headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[tuple[Path, str]]:
    """Each link to a file of the project, and its anchor."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"<img src=\"([^\"]+)\"", text)
    split = [target.partition("#") for target in targets if not re.match(r"\w+:", target)]
    return [((page.parent / path).resolve() if path else page, anchor) for path, _, anchor in split]


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in links(page):
        assert target.exists(), target
        assert not anchor or anchor in anchors(target), f"{target.name}#{anchor}"


def test_every_page_is_reached_from_the_readme() -> None:
    reached, ahead = set[Path](), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        reached.add(page)
        ahead += [to for to, _ in links(page) if to.suffix == ".md" and to not in reached]
    assert {str(page.relative_to(ROOT)) for page in set(LINKED) - reached} == set()


def test_the_tutorial_names_the_chapters_of_the_report(in_tmp: Path, apart: Apart) -> None:
    """Those of the run that it makes, in their order; what is to be handed in stands in some of them."""
    text = (ROOT / "docs" / "tutorial.md").read_text("utf-8")
    read, hand_in = (
        re.findall(r"\*\*([A-Z][^*]+)\*\*", part) for part in re.split(r"^## What to hand in", text, flags=re.M)
    )
    assert apart("run", "digits", "--set", "training.epochs=1", "--out", "run").status == 0
    report = Path("run/report.html").read_text("utf-8")
    chapters = re.findall(r"<h2 id=\"section-\d+\"><span>\d+</span>([^<]+)</h2>", report)
    assert read == chapters
    assert set(hand_in) <= set(chapters)
