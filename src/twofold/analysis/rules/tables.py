"""What is wrong with a table, or with what its score is worth: rare classes, leaks, drift, few rows, simpler models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from twofold.analysis.confusion import confusion
from twofold.analysis.results import held_out_shares
from twofold.analysis.rules.rule import Fact, Finding, Rule, Statement
from twofold.analysis.rules.sampling import SIGMAS, judged, standard_error
from twofold.plain import Parsed
from twofold.recipe.tables import LEAK
from twofold.runs import QUALITY_TITLES, Run
from twofold.runs.names import BOOSTING, CONSTANT, DEVIATIONS

if TYPE_CHECKING:
    from twofold.runs.table import Drift

RARE = 0.9
"""The share of the most frequent class from which the others are rare."""
UNEVEN = 0.75
"""The share of the most frequent class from which classes are uneven."""
NO_MORE = 0.25
"""The share of what the most frequent class leaves open, or of the way from chance to 1, that is next to nothing."""
RANKS = 0.55
"""The ROC AUC above which the whole interval must lie for a network to tell the classes apart."""
OTHERS = 0.9
"""Accuracy or R² of all other columns from which on the table is easy, and a column that answers alone no leak."""
UNLIKELY = 1e-4
"""The chance, over all columns, of a difference between two draws of one table below which it is drift."""
DRIFTED = 0.1
"""The distance of two distributions below which a difference does not matter, however sure it is."""
NAMED = 3
"""Columns that are named."""
UNSURE = 0.4
"""Width of the 95 % interval of an accuracy from which it says next to nothing."""
UNSURE_SHARE = 0.8
"""The same of an R² whose interval holds 0."""
BEHIND = 0.03
"""Accuracy or R² by which a simpler model must be better to be told as better."""

IMBALANCED = Statement(
    "imbalanced",
    "Rare classes",
    "{share:.0%} of the {split:split} rows are of class {name}, and an accuracy of {accuracy:.4f} is next to the "
    "{base:.4f} of answering it every time; the mean over the classes, balanced accuracy, is {balanced:.3f}. The "
    'probabilities do tell the classes apart (ROC AUC {auc:.3f}). Set loss.class_weight = "balanced", or answer the '
    "rare class from a lower probability on, and judge by balanced accuracy or ROC AUC",
    fault=True,
)
UNEVENLY = replace(IMBALANCED, kind="uneven", title="Uneven classes", fault=False)
COLUMN_LEAK = Statement(
    "leak_of_a_column",
    "Leak",
    "{name} alone answers {alone}, all other columns together {others}: so does a column that is written down with the "
    'answer, or after it. If it is not known before, leave it out: columns.{key} = "drop" under [data]',
    fault=True,
    unless=frozenset({"leak_of_the_class"}),
)
DRIFT = Statement(
    "drift",
    "Drift",
    "{count} of {tested} columns are not the same among the {split:split} rows as among those trained on: {names}. "
    "Chance gives such differences less than once in {ODDS:,.0f} tables. What was learned "
    "of other rows is tried on these",
    fault=True,
)
TOO_FEW = Statement(
    "too_few_rows",
    "Too few rows",
    "{split:split} {quality} is {value:.3f}, but over {rows:,} rows it may as well be {low:.2f} or {high:.2f} (95 %): "
    "nothing can be judged by it. Set data.folds = 5 in a study, which tests on every row once, or find more rows",
    fault=True,
)
BEATEN = Statement(
    "simpler_is_better",
    "Simpler models",
    "{model} has {split:split} {quality} {theirs:.4f} where the network has {own:.4f}: better by {gap:.3f}, 95 % "
    "between {low:.3f} and {high:.3f}. A network holds that model as a part: as it is trained it is not worth it",
    fault=True,
    unless=frozenset({"imbalanced"}),
)
TREES = Statement(
    "trees_are_better",
    "Simpler models",
    "{model} has {split:split} {quality} {theirs:.4f} where the network has {own:.4f}: better by {gap:.3f}, 95 % "
    "between {low:.3f} and {high:.3f}. For such a table trees may be worth more than a network",
    unless=frozenset({"imbalanced", "simpler_is_better"}),
)
NO_BETTER = Statement(
    "simpler_is_as_good",
    "Simpler models",
    "{model} is at least as good as the network: its {split:split} {quality} is {theirs:.4f}, the network’s "
    "{own:.4f}, and the difference may be nothing (95 % between {low:+.3f} and {high:+.3f})",
    unless=frozenset({"imbalanced"}),
)
WORTH = Statement(
    "worth_it",
    "Simpler models",
    "the network is better than each of them: by {gap:.3f} {split:split} {quality} than {model}, the best, 95 % "
    "between {low:.3f} and {high:.3f}",
)


def imbalance(run: Run) -> list[Finding]:
    """Whether an accuracy hides that a rare class is hardly ever answered."""
    shares = held_out_shares(run)
    if shares is None or shares.max() < UNEVEN or run.metrics is None:
        return []
    base, chance, name = float(shares.max()), 1 / len(shares), run.record.data.classes[int(shares.argmax())]
    findings = list[Finding]()
    for engine, metrics in run.metrics.get("engines", {}).items():
        accuracy, balanced, auc = (metrics.get(key) or {} for key in ("accuracy", "balanced_accuracy", "roc_auc"))
        values = (accuracy.get("value"), balanced.get("value"), auc.get("low"))
        score, mean, area = (-1.0 if value is None else float(value) for value in values)
        near = score <= base + NO_MORE * (1 - base) and mean <= chance + NO_MORE * (1 - chance)
        if near and area > RANKS:
            numbers = {"share": base, "name": name, "base": base, "split": run.record.data.held_out}
            numbers |= {"accuracy": score, "balanced": mean, "auc": auc["value"]}
            figure = next((f"confusion-{'-'.join(c.engines)}" for c in confusion(run) if engine in c.engines), "")
            findings.append(Finding(IMBALANCED if base >= RARE else UNEVENLY, engine, figure, numbers))
    return findings


def column_leaks(run: Run) -> list[Finding]:
    """Columns that alone answer nearly every row, where all others together do not."""
    facts = run.table
    classes = run.record.data.task == "classification"

    def score_text(score: float) -> str:
        return f"{score:.1%} of rows" if classes else f"an R² of {score:.3f}".replace("-", "−")

    return [
        Finding(
            COLUMN_LEAK,
            engine,
            "importance",
            {
                "name": column.column,
                "key": column.column if column.column.isidentifier() else f'"{column.column}"',
                "alone": score_text(column.alone),
                "others": "nothing: there are none" if column.others is None else score_text(column.others),
            },
        )
        for engine in run.engines
        for column in (facts.alone if facts is not None else ())
        if column.alone >= LEAK and (column.others is None or column.others < OTHERS)
    ]


def drift(run: Run) -> list[Finding]:
    """Columns that differ between the rows trained on and those judged on by more than chance gives."""
    facts = run.table
    if facts is None or facts.grouped:
        return []
    sure = [column for column in facts.drift if column.p * len(facts.drift) < UNLIKELY and column.distance >= DRIFTED]
    if not sure:
        return []
    names = ", ".join(_drift_text(column) for column in sorted(sure, key=lambda column: -column.distance)[:NAMED])
    more = f" and {len(sure) - NAMED} more" if len(sure) > NAMED else ""
    numbers = {"count": len(sure), "tested": len(facts.drift), "split": facts.split, "names": names + more}
    return [Finding(DRIFT, engine, "", numbers) for engine in run.engines]


def _drift_text(column: Drift) -> str:
    return f"{column.column} (a distance of {column.distance:.2f})"


def few_rows(run: Run) -> list[Finding]:
    """Whether a score is of so few rows that it says next to nothing."""
    data, findings = run.record.data, list[Finding]()
    if run.metrics is None or data.held_out == "train":
        return []
    rows = judged(run, data.held_out)
    for engine, result in run.record.engines.items():
        value = result.quality(data.held_out)
        if value is None:
            continue
        low, high = _interval(run, engine, value, rows)
        unsure = low < 0 < value and high - low >= UNSURE_SHARE if data.task == "regression" else high - low >= UNSURE
        if unsure:
            numbers = {"split": data.held_out, "quality": QUALITY_TITLES[data.quality], "value": value}
            findings.append(Finding(TOO_FEW, engine, "", numbers | {"rows": rows, "low": low, "high": high}))
    return findings


def _interval(run: Run, engine: str, value: float, rows: int) -> tuple[float, float]:
    """The 95 % interval of an accuracy over so many rows, also where all of them are right; of R² the bootstrap's."""
    if run.record.data.task == "regression":
        r2 = ((run.metrics or {}).get("engines", {}).get(engine) or {}).get("r2") or {}
        low, high = r2.get("low"), r2.get("high")
        return (0.0, 0.0) if low is None or high is None else (low, high)
    half = DEVIATIONS * standard_error(value, rows)
    return max(0.0, value - half), min(1.0, value + half)


def simpler_models(run: Run) -> list[Finding]:
    """Whether the network is worth it beside the best of the simpler models."""
    differences = _above(run.metrics or {})
    if not differences or not run.engines:
        return []
    engine = next(iter(run.engines))
    surely = {name: difference for name, difference in differences.items() if _surely_behind(difference)}
    if surely:
        linear = [name for name in surely if name != BOOSTING]
        return [Finding(BEATEN if linear else TREES, engine, "", _beside(run, (linear or list(surely))[0]))]
    model = min(differences, key=lambda name: differences[name]["value"])
    return [Finding(WORTH if differences[model]["low"] > 0 else NO_BETTER, engine, "", _beside(run, model))]


def _surely_behind(difference: Mapping[str, float]) -> bool:
    """Whether the network is behind a model by so much that it matters, and by more than chance."""
    error = (difference["high"] - difference["low"]) / (2 * DEVIATIONS)
    return difference["value"] <= -BEHIND and difference["value"] < -SIGMAS * error


def _beside(run: Run, model: str) -> dict[str, Fact]:
    """The network beside a simpler model; `gap`: how much the model is better if it surely is, else the network."""
    content, data = run.metrics or {}, run.record.data
    difference, theirs = content["above"][model], content["baselines"][model][data.quality]["value"]
    numbers: dict[str, Fact] = {"model": model, "split": data.held_out, "quality": QUALITY_TITLES[data.quality]}
    numbers |= {"theirs": theirs, "own": theirs + difference["value"]}
    if _surely_behind(difference):
        return numbers | {"gap": -difference["value"], "low": -difference["high"], "high": -difference["low"]}
    return numbers | {"gap": difference["value"], "low": difference["low"], "high": difference["high"]}


def _above(content: dict[str, Parsed]) -> dict[str, dict[str, float]]:
    """By how much the network is above each simpler model but the constant answer, where an interval is known."""
    above: dict[str, dict[str, float]] = content.get("above", {})
    return {
        name: difference
        for name, difference in above.items()
        if name not in CONSTANT.values() and None not in difference.values()
    }


RULES = (
    Rule(
        "Rare classes",
        (IMBALANCED, UNEVENLY),
        imbalance,
        "One class holds {UNEVEN} of the held-out rows of a table, accuracy is no further above that share than "
        "{NO_MORE} of what it leaves open, balanced accuracy no further above that of chance than {NO_MORE} of the "
        "way to 1, and the 95 % interval of ROC AUC lies above {RANKS}: the network ranks the rows, and answers them "
        "alike. A fault where that class holds {RARE}. It takes the place of what is said of a network "
        "that learned nothing, and of a simpler model’s accuracy.",
        {"RARE": RARE, "UNEVEN": UNEVEN, "NO_MORE": NO_MORE, "RANKS": RANKS},
        "He & Garcia, *Learning from imbalanced data* (2009).",
        of_training=False,
    ),
    Rule(
        "A column that answers alone",
        (COLUMN_LEAK,),
        column_leaks,
        "Of the three columns that matter most (permutation importance), one by which a decision tree of 64 leaves "
        "answers {LEAK} of rows that it was not fitted to, or has that R², where a forest by all other columns has "
        "less than {OTHERS}. Where the others answer as much the table is easy, and nothing is said; nor where one "
        "class holds nine rows in ten.",
        {"LEAK": LEAK, "OTHERS": OTHERS},
        "Kaufman, Rosset, Perlich & Stitelman, *Leakage in data mining* (2012).",
        of_training=False,
    ),
    Rule(
        "Drift",
        (DRIFT,),
        drift,
        "Each column of a table, and what is answered, among the training rows and among those held out: numbers by "
        "Kolmogorov’s and Smirnov’s test, levels by χ². It is said of those whose p, times the number of columns "
        "(Bonferroni), is below {UNLIKELY}, and whose distributions are at least {DRIFTED} apart. Not of the column "
        "that orders the rows, nor where whole groups are held out, whose rows are no independent draws.",
        {"UNLIKELY": UNLIKELY, "DRIFTED": DRIFTED, "ODDS": 1 / UNLIKELY},
        "Rabanser, Günnemann & Lipton, *Failing loudly* (2019).",
        of_training=False,
    ),
    Rule(
        "Too few rows",
        (TOO_FEW,),
        few_rows,
        "The 95 % interval of a table’s held-out accuracy is {UNSURE} wide or wider; or that of R², by bootstrap, "
        "holds 0 and is {UNSURE_SHARE} wide or wider, although R² is above 0.",
        {"UNSURE": UNSURE, "UNSURE_SHARE": UNSURE_SHARE},
        'Agresti & Coull, *Approximate is better than "exact" for interval estimation of binomial proportions* (1998).',
        of_training=False,
    ),
    Rule(
        "Simpler models",
        (BEATEN, TREES, NO_BETTER, WORTH),
        simpler_models,
        "Accuracy or R² of the network less that of the best of scikit-learn’s models beside it, over the same "
        "held-out rows, with the interval of a bootstrap that draws the same rows for both. A fault where a "
        "linear model is better by {BEHIND} and by more than {SIGMAS} standard errors of the difference.",
        {"BEHIND": BEHIND, "SIGMAS": SIGMAS},
        "Grinsztajn, Oyallon & Varoquaux, *Why do tree-based models still outperform deep learning on tabular data?* "
        "(2022).",
        of_training=False,
    ),
)
