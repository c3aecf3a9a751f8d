from .comparison import write_comparison as write_comparison
from .exported import write_figures as write_figures
from .notebook import Section as Section
from .notebook import Sections as Sections
from .notebook import sections as sections
from .page import write_report as write_report
from .study import write_study_report as write_study_report
