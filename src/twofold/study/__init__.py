"""Studies: a grid over fields of a recipe and over seeds, in parallel processes, that goes on where it was stopped."""

from twofold.study.files import load_study, titles
from twofold.study.result import StudyResult, metric_name, open_any, open_search, open_study
from twofold.study.running import run_study
from twofold.study.search.result import SearchResult
from twofold.study.spec import Axis, Study
from twofold.study.summary import VANISHED, Interval, Series, interval, series_along, summary
from twofold.study.table import CARRIED, cell

__all__ = [
    "CARRIED",
    "VANISHED",
    "Axis",
    "Interval",
    "SearchResult",
    "Series",
    "Study",
    "StudyResult",
    "cell",
    "interval",
    "load_study",
    "metric_name",
    "open_any",
    "open_search",
    "open_study",
    "run_study",
    "series_along",
    "summary",
    "titles",
]
