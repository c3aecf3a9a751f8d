"""Facts to figures, and one self-contained page."""

from twofold.report.page import write_report

__all__ = ["write_report"]
