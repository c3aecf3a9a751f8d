"""The names of what a run folder holds."""

FORMAT = 2
"""Format of the folder; one that a newer Twofold wrote is refused by name, not guessed at."""
SPLITS = ("train", "validation", "test")
RECIPE, RECORD, HISTORY, TIMES, SIGNALS, EVIDENCE, REPORT, COLUMNS = (
    "recipe.toml",
    "record.json",
    "history.csv",
    "times.csv",
    "signals.csv",
    "evidence.safetensors",
    "report.html",
    "columns.json",
)
SAMPLE = "sample.json"
"""The file with the text that engines write after training on one."""
METRICS = "metrics.json"
"""The file of the metrics of engines and of simpler models, where the samples are a table."""
TABLE = "table.json"
"""The file of what a network makes of the columns of its table: importance, partial dependence, worst rows, drift."""
QUALITY = {"classification": "accuracy", "regression": "r2", "multi_label": "accuracy"}
"""The score beside the loss that answers are judged by, for each task."""
QUALITY_TITLES = {"accuracy": "accuracy", "r2": "R²"}
"""The name of each such score in sentences and figures."""
METRIC_TITLES = {
    "perplexity": "perplexity",
    "bits_per_character": "bits per character",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "roc_auc": "ROC AUC",
    "log_loss": "log loss",
    "brier": "Brier score",
    "calibration": "calibration error",
    "r2": "R²",
    "rmse": "RMSE",
    "mae": "MAE",
}
"""The names of the metrics in tables."""
DEVIATIONS = 1.96
"""Standard deviations on each side of the mean between which 95 % of a normal distribution lie."""
CONSTANT = {
    "classification": "most frequent class",
    "regression": "mean",
    "multi_label": "more frequent answer",
}
"""The name of the best constant answer to each task."""
BOOSTING = "gradient boosting"
"""The name of the only simpler model that is not linear."""
STUDY = "study.toml"
"""A folder with this file is a study's, and no run's."""
SCORES = ("train_accuracy", "validation_accuracy", "test_accuracy", "train_loss", "validation_loss", "test_loss")
HISTORY_COLUMNS = (
    "engine",
    "step",
    "epoch",
    "lr",
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "test_loss",
    "test_accuracy",
)


def scores_of_task(task: str) -> tuple[str, ...]:
    """The scores of a task: `SCORES`, with R² in place of accuracies where numbers are predicted."""
    return tuple(name.replace("accuracy", QUALITY[task]) for name in SCORES)


def scores_beside(metric: str) -> tuple[str, ...]:
    """The scores that a study with this metric shows: with R² in place of accuracies where the metric is an R²."""
    return scores_of_task("regression" if metric.endswith("_r2") else "classification")


def history_columns(task: str) -> tuple[str, ...]:
    """The columns of `history.csv` for a task."""
    return tuple(name.replace("accuracy", QUALITY[task]) for name in HISTORY_COLUMNS)


ALL_SCORES = (*SCORES, *(name for name in scores_of_task("regression") if name not in SCORES))
"""The scores of every task."""
TIME_COLUMNS = ("engine", "step", "seconds")
"""The columns of `times.csv`: it is kept apart so that the history is the same whenever the recipe is run again."""
SIGNAL_COLUMNS = ("engine", "step", "layer", "part", "weight", "gradient", "update", "dead", "saturated")
"""The columns of `signals.csv`: a line has norms of a parameter, or shares of units; see
`twofold.runs.history.Signal`."""


def weights_name(engine: str) -> str:
    """Name of the file with an engine's weights."""
    return f"{engine}.safetensors"
