"""Facts to figures, and one self-contained page."""

from twofold.report.comparison import write_comparison
from twofold.report.exported import write_figures
from twofold.report.notebook import Section, Sections, sections
from twofold.report.page import write_report
from twofold.report.study import write_study_report

__all__ = ["Section", "Sections", "sections", "write_comparison", "write_figures", "write_report", "write_study_report"]
