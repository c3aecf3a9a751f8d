"""Users' TOML texts: parsed within bounds; a syntax error is told at its line, with what was probably meant."""

from __future__ import annotations

import re
import tomllib

from twofold.errors import Fault
from twofold.foreign import MOST_DEPTH, MOST_RECIPE, check_depth
from twofold.memory import size_text
from twofold.plain import Parsed

MOST_LINE = 120
"""Characters of a line that an excerpt shows, around the fault."""

_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_DEEP_KEY = re.compile(rf"(?<![\w.-])(?:{_PART}\s*+\.\s*+){{{MOST_DEPTH}}}")
_LONE = re.compile("[\ud800-\udfff]")
_PLACE = re.compile(r"\(at line (\d+), column (\d+)\)")
_CURLY = "“”„«»‘’‚"

STATEMENT = "one key and one value stand on a line: key = value"
HINTS: tuple[tuple[str, str, str], ...] = (
    # what the parser says, what stands in the line, what to do
    ("", rf"[{_CURLY}]", "Write straight quotes, \" or ', in place of curly ones."),
    ("", r'"[^"]*\\', "In double quotes a backslash begins a code: write the path in single quotes, 'C:\\Users\\me'."),
    ("Expected '='", r"^\s*[\w.-]+\s*:", "Write `key = value`: a colon is YAML."),
    ("Expected '='", r"^\s*[\w.-]+\s+[\w.-]+", "A key with a space stands in quotes."),
    ("Invalid value", r"=\s*(True|False|TRUE|FALSE)\b", "Write true or false in small letters."),
    ("Invalid value", r"=\s*(None|null|nil)\b", "Leave the key out: its default then holds."),
    ("Invalid value", r"=\s*[A-Za-z_~./]", 'Put a text in quotes: kind = "dense".'),
    ("Invalid value", r"=\s*\.\d", "Write a digit in front of the point: 0.1."),
    ("end of document", r"[\[{]\s*$", "What is opened by [ or { must be closed."),
    ("Invalid value", r"=\s*$", "A value must stand behind the sign =."),
    ("Expected newline", r"=\s*[+-]?\d+,\d", "Write a decimal point for the comma."),
    ("Expected newline", r"=\s*[+-]?0\d", "A number has no 0 in front."),
    ("Expected newline", r"[;]|//", "A comment begins with #; nothing else may follow a value."),
    ("Expected newline", r"", STATEMENT[0].upper() + STATEMENT[1:] + "."),
    (
        "Cannot declare",
        r"",
        "A table stands once: put its keys under the first one, or write [[layers]] for a list.",
    ),
    ("Cannot overwrite", r"", "A key stands once in its table: remove one of the two."),
    ("Duplicate inline", r"", "A key stands once in its table: remove one of the two."),
    ("Unclosed", r"", "What is opened by [ or { must be closed."),
    ("Expected ']", r"", "The name of a table stands in brackets: [data]."),
    ("Illegal character '\\n'", r"", "A text in quotes must end on its line."),
    ("Unterminated string", r"", "A text in quotes must end with the quote it began with."),
    ("Invalid statement", r"", "A line is `key = value`, the name of a table, `[data]`, or a comment, `# ...`."),
)


class TomlError(Exception):
    """A text is not TOML, or exceeds the bounds; `fault` says where and why."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        super().__init__(str(fault))


def parse_toml(text: str, label: str) -> dict[str, Parsed]:
    """The table that a text holds. Raises `TomlError` at the line that is not TOML, is too long, or too deep."""
    if len(text) > MOST_RECIPE:
        rule = f"at most {size_text(MOST_RECIPE)} are read; it holds {size_text(len(text))}"
        raise TomlError(Fault(f"{label}:1", rule))
    if lone := _LONE.search(text):
        line = text.count("\n", 0, lone.start()) + 1
        raise TomlError(Fault(f"{label}:{line}", f"not valid TOML: {lone[0]!a} is half of a character"))
    if deep := _DEEP_KEY.search(text):
        line = text.count("\n", 0, deep.start()) + 1
        raise TomlError(Fault(f"{label}:{line}", f"a key may have at most {MOST_DEPTH} parts"))
    try:
        table = tomllib.loads(text)
        check_depth(table)
    except RecursionError:
        raise TomlError(Fault(f"{label}:1", f"not valid TOML: nested deeper than {MOST_DEPTH} levels")) from None
    except ValueError as error:
        raise TomlError(_syntax_fault(str(error), text, label)) from error
    return table


def _syntax_fault(message: str, text: str, label: str) -> Fault:
    place = _PLACE.search(message)
    number = int(place[1]) if place else text.removesuffix("\n").count("\n") + 1
    line = line_at(text, number)
    column = int(place[2]) - 1 if place else len(line)
    curly = re.search(rf"[{_CURLY}]", line)
    if curly:
        column = curly.start()
    hint = next(
        (hint for wording, pattern, hint in HINTS if wording in message and re.search(pattern, line)),
        "",
    )
    rule = f"not valid TOML: {_PLACE.sub('', message).strip() or message}"
    if "int string conversion" in message:
        rule, hint = "not valid TOML: a number has too many digits", ""
    return Fault(f"{label}:{number}", rule, hint, marked(line, column) if line.strip() else "")


def line_at(text: str, number: int) -> str:
    """A line of a text, counted from 1 as TOML counts: only a line feed ends one. Empty beyond the last."""
    lines = text.split("\n")
    return lines[number - 1].removesuffix("\r") if number <= len(lines) else ""


def marked(line: str, column: int) -> str:
    """A line with a marker under one of its characters; a long line is cut to the part around it."""
    start = max(0, column - MOST_LINE // 2) if len(line) > MOST_LINE else 0
    end = start + MOST_LINE
    before, after = "..." if start else "", "..." if end < len(line) else ""
    blank = re.sub(r"[^\t]", " ", before + line[start:column])
    return f"{before}{line[start:end]}{after}\n{blank}^"
