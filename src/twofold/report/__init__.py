"""Facts to figures, and one self-contained page."""

from twofold.report.page import write_report
from twofold.report.study import write_study_report

__all__ = ["write_report", "write_study_report"]
