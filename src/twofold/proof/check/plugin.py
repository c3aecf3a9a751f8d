"""An assertion for tests: `twofold_check(MyDense, like="dense")`, whose message is the report.

pytest finds it as a fixture with `-p twofold.proof.check.plugin`; it is an ordinary function everywhere else. This
module does not import pytest by itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twofold.proof.check.checking import check

if TYPE_CHECKING:
    import pytest


def twofold_check(thing: object, like: object, **options: Any) -> None:
    """Raises `AssertionError` with the report where a thing is not right; options are those of `twofold.check`."""
    report = check(thing, like, **options)
    if not report.ok:
        raise AssertionError(str(report))


def pytest_configure(config: pytest.Config) -> None:
    """Make the function a fixture of the same name."""
    fixture = sys.modules["pytest"].fixture

    class Fixtures:
        """Holds the fixture for pytest's plug-in manager."""

        @fixture(name="twofold_check")
        def check_fixture(self) -> Callable[..., None]:
            """The assertion as a fixture."""
            return twofold_check

    config.pluginmanager.register(Fixtures(), "twofold-check-fixtures")
