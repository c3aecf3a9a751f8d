from .errors import (
    AdoptError as AdoptError,
)
from .errors import (
    DataError as DataError,
)
from .errors import (
    MissingExtraError as MissingExtraError,
)
from .errors import (
    RecipeError as RecipeError,
)
from .errors import (
    RunFolderError as RunFolderError,
)
from .errors import (
    StudyError as StudyError,
)
from .errors import (
    TrainingDivergedError as TrainingDivergedError,
)
from .errors import (
    TwofoldError as TwofoldError,
)
from .errors import (
    UnknownNameError as UnknownNameError,
)
from .errors import (
    UserError as UserError,
)
from .errors import (
    WeightsError as WeightsError,
)
from .estimators.classifier import TwofoldClassifier as TwofoldClassifier
from .estimators.regressor import TwofoldRegressor as TwofoldRegressor
from .exchange.adopted import Adopted as Adopted
from .exchange.adopting import adopt as adopt
from .exchange.eject.ejecting import eject as eject
from .exchange.exporting import export as export
from .handin.making import hand_in as hand_in
from .inference.evaluating import Evaluation as Evaluation
from .inference.evaluating import evaluate as evaluate
from .inference.models import NumpyModel as NumpyModel
from .inference.models import load_model as load_model
from .inference.predicting import Answers as Answers
from .inference.predicting import predict as predict
from .inference.weights import export_weights as export_weights
from .inference.weights import import_weights as import_weights
from .probe.walk import Walk as Walk
from .probe.walk import walk as walk
from .proof.check.checking import Adapter as Adapter
from .proof.check.checking import check as check
from .proof.check.report import CheckReport as CheckReport
from .proof.verify import Verification as Verification
from .proof.verify import verify as verify
from .recipe.files import load_recipe as load_recipe
from .recipe.recipe import Recipe as Recipe
from .report.comparison import write_comparison as write_comparison
from .report.exported import write_figures as write_figures
from .report.notebook import sections as sections
from .report.page import write_report as write_report
from .report.study import write_study_report as write_study_report
from .runs.run import Run as Run
from .runs.run import open_run as open_run
from .study.result import StudyResult as StudyResult
from .study.result import open_search as open_search
from .study.result import open_study as open_study
from .study.running import run_study as run_study
from .study.search.result import SearchResult as SearchResult
from .study.search.running import run_search as run_search
from .torch_engine.palindromes import PalindromeDataset as PalindromeDataset
from .torch_engine.stack import torch_module as torch_module
from .train.running import resume as resume
from .train.running import run as run
