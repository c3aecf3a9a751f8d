"""From a template and its facts to one self-contained page, without script or network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from itertools import count
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from twofold.recipe import shape_text
from twofold.report.text import SPLITS


def filled(name: str, facts: Mapping[str, Any]) -> str:
    """The page as text; its sections, figures and tables are counted from 1."""
    numbers = {f"{what}_number": count(1).__next__ for what in ("section", "figure", "table")}
    return _environment().get_template(name).render(**facts, **numbers)


def code(text: str) -> Markup:
    """What stands between backticks, as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def breakable(text: str) -> Markup:
    """A path that may be broken after its points."""
    return Markup(str(escape(text)).replace(".", ".<wbr>"))


@cache
def _environment() -> Environment:
    # PackageLoader finds the template in a wheel and in a zip as well.
    environment = Environment(
        loader=PackageLoader("twofold.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = code
    environment.filters["breakable"] = breakable
    environment.globals["shape_text"] = shape_text
    environment.globals["SPLITS"] = SPLITS
    return environment
