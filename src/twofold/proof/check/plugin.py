"""An assertion for tests: `twofold_check(MyDense, like="dense")`, whose message is the report.

pytest finds it as a fixture with `-p twofold.proof.check.plugin`; it is an ordinary function everywhere else. pytest
is not imported before it asks.
"""

from __future__ import annotations

import sys
from typing import Any

from twofold.proof.check.checking import check


def twofold_check(thing: Any, like: Any, **options: Any) -> None:
    """Raises `AssertionError` with the report where a thing is not right; options are those of `twofold.check`."""
    report = check(thing, like, **options)
    if not report.ok:
        raise AssertionError(str(report))


def pytest_configure(config: Any) -> None:
    """Make the function a fixture of the same name."""
    pytest = sys.modules["pytest"]

    class Fixtures:
        """Holds the fixture for pytest's plug-in manager."""

        @pytest.fixture(name="twofold_check")
        def check_fixture(self) -> Any:
            """The assertion as a fixture."""
            return twofold_check

    config.pluginmanager.register(Fixtures(), "twofold-check-fixtures")
