"""A link that holds a whole recipe: its text, deflated, in base64url, behind `#recipe=`. No server ever sees it."""

from __future__ import annotations

import base64
import binascii
import zlib

from twofold.errors import UserError
from twofold.foreign import MOST_RECIPE

MARK = "#recipe="


def recipe_of_link(link: str) -> str:
    """The text in a link. Raises `UserError` for one that holds none."""
    _, mark, packed = link.partition(MARK)
    packed = packed.partition("&")[0]
    if not mark:
        raise UserError(f"the link holds no recipe: one ends in {MARK}...; got {link[:200]}")
    try:
        unpacking = zlib.decompressobj(-15)
        content = unpacking.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)), MOST_RECIPE)
        if unpacking.unconsumed_tail or not unpacking.eof:
            raise UserError("the recipe in the link is cut off, or too large")
        return content.decode()
    except (binascii.Error, zlib.error, ValueError) as error:
        raise UserError(f"the recipe in the link is damaged: {error}") from error


def link_of_recipe(toml: str) -> str:
    """The part of a link behind its address."""
    packing = zlib.compressobj(9, wbits=-15)
    packed = packing.compress(toml.encode()) + packing.flush()
    return MARK + base64.urlsafe_b64encode(packed).decode().rstrip("=")
