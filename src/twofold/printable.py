"""Text that Twofold did not write, made safe for a terminal: what would move, hide, colour or turn it is shown instead.

A title, a class, a cell, a file's name or a record may hold escape sequences (ECMA-48: ESC, CSI, OSC), control
characters of the second set (C1), or marks that turn the direction of writing (Unicode, UAX #9). Each such character
is written as its code. Letters of every script, emoji and their joiners stay.
"""

from __future__ import annotations

import re

_UNSAFE = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and line feed, DEL, C1
    "\u00ad\u061c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # unseen and turning marks
    "\ud800-\udfff"  # bytes of a path that are no UTF-8, as Python keeps them
    "\U000e0000-\U000e007f"  # tags: text that nobody sees
    "]"
)


def printable(text: str) -> str:
    """The text with every character that a terminal would obey as its code: `\\x1b`, `\\u202e`; a path's bytes too."""
    return _UNSAFE.sub(_code, text)


def one_line(text: str) -> str:
    """The same, with line feeds and tabs as codes too."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def _code(match: re.Match[str]) -> str:
    number = ord(match[0])
    if 0xDC80 <= number <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{number - 0xDC00:02x}"
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
