"""The document as PDF, printed by a Chromium that is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
"""Commands under which a Chromium may be installed."""
APPLICATIONS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
MOST_SECONDS = 180
"""Time that printing may take."""
NO_BROWSER = "no PDF: no Chromium is installed here. Install one, or print {page} from any browser."


def browser() -> str | None:
    """The first Chromium that is installed."""
    commands = (shutil.which(name) for name in BROWSERS)
    return next((path for path in (*commands, *filter(os.path.exists, APPLICATIONS)) if path), None)


def print_pdf(page: Path, pdf: Path) -> str:
    """Print a page to a PDF file. Empty where it was printed, else a sentence that says why it was not."""
    command = browser()
    if command is None:
        return NO_BROWSER.format(page=page)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        printed = Path(profile) / "printed.pdf"
        try:
            subprocess.run(_arguments(command, profile, page, printed), capture_output=True, timeout=MOST_SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"no PDF: {Path(command).name} did not print {page}: {error}"
        if not printed.is_file():
            return f"no PDF: {Path(command).name} did not print {page}; print it from any browser"
        shutil.copyfile(printed, pdf)
    return ""


def _arguments(command: str, profile: str, page: Path, pdf: Path) -> list[str]:
    """Headless, with a profile of its own; without the browser's header and footer, since the page has its own."""
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []  # Chromium refuses one for root
    return [
        command, "--headless", "--disable-gpu", *root, f"--user-data-dir={profile}", "--no-pdf-header-footer",
        "--virtual-time-budget=10000", f"--print-to-pdf={pdf}", page.resolve().as_uri(),
    ]  # fmt: skip
