"""Facts to figures, and one self-contained page."""

from twofold.report.notebook import Section, Sections, sections
from twofold.report.page import write_report
from twofold.report.study import write_study_report

__all__ = ["Section", "Sections", "sections", "write_report", "write_study_report"]
