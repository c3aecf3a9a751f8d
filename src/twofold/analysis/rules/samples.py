"""Faults of the samples, which no training mends: they show before any step."""

from __future__ import annotations

import math

from twofold.analysis.results import gaps, held_out_shares
from twofold.analysis.rules.fitting import SOLVED, learned
from twofold.analysis.rules.over_fitting import GAP, apart
from twofold.analysis.rules.rule import Fact, Finding, Rule, Statement, borne
from twofold.analysis.rules.sampling import SIGMAS
from twofold.recipe.dense import EmbedColumns
from twofold.runs import Run
from twofold.runs.samples import Traits

LARGE, SMALL = 10.0, 0.01
"""Root mean squares of inputs above and below which they are far from 1, the size that initial weights are made for."""
WIDE = 1000.0
"""Times the median spread of the other columns, from which on a column is too wide."""
FAR = 100.0
"""How many ranges of all other values an outlier lies away from them, at least."""
SEPARATED = 20.0
"""Times the spread within a class that a gap between classes must be: then the column gives them away."""
TELLS = 0.5
"""The share of what chance leaves open that the next row, in the order of a column, must tell of a row's class."""
TWINS = 0.35
"""The share of held-out samples that must also be trained on, for a leak."""
TWINS_OF_IMAGES = 0.05
"""The same for images and sequences, which never equal each other by chance."""
CONTRADICTING = 0.05
"""The share of the training samples that must be there again with another class."""
BY_CHANCE = 0.01
"""Most equal rows that a sample may have by chance, were the columns independent, for equal rows to be suspicious."""
FEWEST_VOTES = 100
"""Fewest training samples with votes from which a share of wrong labels can be told."""
WRONG = 0.15
"""The share of labels that neighbours must contradict."""
FLAT = 0.7
"""The part of that share that must remain where neighbours agree most; where classes overlap, little does."""
MANY_VOTES, SURELY_WRONG, FLATTER = 300, 0.2, 0.8
"""`FEWEST_VOTES`, `WRONG` and `FLAT` of a case so clear that it is a fault whatever was learned.

With more than twice SURELY_WRONG contradicted, a class may be unknowable.
"""
TOLD = 0.25
"""The share of what there is to learn that neighbours must tell for them to be believed."""

ALIKE = Statement(
    "inputs_alike",
    "Inputs alike",
    "the {samples:sample} trained on hold only {distinct:,} different {inputs}: nothing tells the classes apart. Look "
    "at how the data were read",
    fault=True,
)
UNSCALED = Statement(
    "unscaled",
    "Features of unlike size",
    "the values of {name} spread {times:,.0f} times as far as those of the other features: it alone decides, and a "
    'rate that suits it moves the other weights by nothing. Set data.standardize = "feature"',
    fault=True,
)
OUTLIER = Statement(
    "outlier",
    "Outlier",
    "a value of {name}, {value:g}, lies {times:,.0f} times the range of all its other values away from them: scaled by "
    "it, the others are next to equal. Correct it or remove the row",
    fault=True,
)
INPUTS_LARGE = Statement(
    "inputs_large",
    "Large inputs",
    "what the network sees has a size of {size:,.0f} (root mean square), where initial weights are made for about 1: "
    'outputs and gradients grow with it. Scale the data, data.standardize = "feature" for instance',
    fault=True,
)
INPUTS_SMALL = Statement(
    "inputs_small",
    "Small inputs",
    "what the network sees has a size of {size:.2g} (root mean square), where initial weights are made for about 1: "
    'outputs and gradients shrink with it. Scale the data, data.standardize = "feature" for instance',
    fault=True,
)
UNSCALED_BORNE, INPUTS_LARGE_BORNE, INPUTS_SMALL_BORNE = map(borne, (UNSCALED, INPUTS_LARGE, INPUTS_SMALL))
COPY = Statement(
    "leak_of_the_class",
    "Leak",
    "{name} alone gives the class away: between two classes its values leave a gap of {times} the spread within one, "
    "as a copy of the label does. If it is not known before the class is, leave it out of data.features",
    fault=True,
)
ROW_NUMBER = Statement(
    "leak_of_the_order",
    "Leak",
    "the values of {name} are all different and equally far apart, as row numbers are, and the next row by it is of "
    "the same class {tells:.0%} of the time, by chance {chance:.0%}: it tells the order of the file, not the class of "
    "a new sample. Leave it out of data.features",
    fault=True,
)
SHARED = Statement(
    "leak_of_samples",
    "Leak",
    "{shared:,} of the {held:,} {split} samples are also trained on, number by number: {split} accuracy is in part "
    "that of training. Remove duplicates before samples are held out",
    fault=True,
)
CONTRADICTION = Statement(
    "contradicting_samples",
    "Contradicting samples",
    "{count:,} of the {samples:,} training samples stand there again with another class, number by number, although "
    "the values of such data hardly ever repeat: at least one class of each is wrong",
    fault=True,
)
WRONG_LABELS = Statement(
    "wrong_labels",
    "Wrong labels",
    "of {wrong:.0%} of the training samples the class is not that of their neighbours, and where these agree most of "
    "{surest:.0%} still: labels that are wrong at random look so, not classes that overlap along a border. Look at "
    "them before anything is trained longer or larger",
    fault=True,
)
UNEXPLAINED_LABELS = Statement(
    "unexplained_labels",
    "Labels",
    "of {wrong:.0%} of the training samples the class is not that of their neighbours, and where these agree most of "
    "{surest:.0%} still: labels that are wrong at random look so, and classes that depend on what the data do not hold",
)


def inputs(run: Run) -> list[Finding]:
    """What is wrong with a network's inputs: all alike, features of unlike size, an outlier, too large or too small."""
    traits = run.record.data.traits
    if traits is None:
        return []
    findings = list[Finding]()
    for engine in run.recipe.training.engines:
        if run.record.failure is None and engine not in run.engines:
            continue
        faults = _input_faults(run, traits, engine)
        findings += [Finding(statement, engine, "", numbers) for statement, numbers in faults]
    return findings


def _input_faults(run: Run, traits: Traits, engine: str) -> list[tuple[Statement, dict[str, Fact]]]:
    """What is wrong with the inputs, with its numbers: only the first cause, which hides the others."""
    classes = len(run.record.data.classes) if run.record.data.task == "classification" else 2
    samples = run.record.data.samples["train"]
    if traits.distinct is not None and traits.distinct < classes:
        inputs = "input" if traits.distinct == 1 else "inputs"
        return [(ALIKE, {"distinct": traits.distinct, "samples": samples, "classes": classes, "inputs": inputs})]
    codes = _codes(run)
    if (traits.outlier_times or 0) >= FAR and traits.outlier not in codes:
        numbers = {"name": traits.outlier, "value": traits.outlier_value, "times": traits.outlier_times}
        return [(OUTLIER, numbers)]
    share = learned(run, engine)
    solved = share is not None and share >= SOLVED
    if (traits.widest_times or 0) >= WIDE and traits.widest not in codes:
        return [(UNSCALED_BORNE if solved else UNSCALED, {"name": traits.widest, "times": traits.widest_times})]
    if traits.size is None or SMALL <= traits.size <= LARGE or _inputs_are_codes(run):
        return []
    large = INPUTS_LARGE_BORNE if solved else INPUTS_LARGE
    return [(large if traits.size > LARGE else INPUTS_SMALL_BORNE if solved else INPUTS_SMALL, {"size": traits.size})]


def _inputs_are_codes(run: Run) -> bool:
    """Whether inputs are places in a table of vectors, whose size means nothing."""
    return run.recipe.layers[0].kind in ("embedding", "embed_columns")


def _codes(run: Run) -> frozenset[str]:
    """The columns whose numbers are codes, by the names that the traits have for them."""
    first = run.recipe.layers[0]
    count = len(first.num_embeddings) if isinstance(first, EmbedColumns) else 0
    return frozenset(run.record.data.features[:count] or (str(place + 1) for place in range(count)))


def leaks(run: Run) -> list[Finding]:
    """Columns and rows that tell at training what nobody knows of a new sample; samples that contradict each other."""
    traits, data = run.record.data.traits, run.record.data
    if traits is None or traits.distinct is None or traits.distinct < max(2, len(data.classes)):
        return []
    samples, statements = data.samples, list[tuple[Statement, dict[str, Fact]]]()
    if (traits.copy_times or 0) >= SEPARATED:
        statements.append((COPY, {"name": traits.copy_of_class, "times": _times(traits.copy_times or 0)}))
    shares = held_out_shares(run)
    chance = float((shares**2).sum()) if shares is not None else 1.0
    if traits.row_number_tells is not None and traits.row_number_tells > chance + TELLS * (1 - chance):
        statements.append((ROW_NUMBER, {"name": traits.row_number, "tells": traits.row_number_tells, "chance": chance}))
    table, rare = traits.chance is not None, (traits.chance or 0.0) * samples["train"] <= BY_CHANCE
    held = samples[data.held_out]
    if traits.shared and rare and traits.shared >= (TWINS if table else TWINS_OF_IMAGES) * held:
        statements.append((SHARED, {"shared": traits.shared, "held": held, "split": data.held_out}))
    if traits.contradicting and rare and traits.contradicting >= CONTRADICTING * samples["train"]:
        statements.append((CONTRADICTION, {"count": traits.contradicting, "samples": samples["train"]}))
    return [Finding(statement, engine, "", numbers) for engine in run.engines for statement, numbers in statements]


def _times(times: float) -> str:
    return f"{times:,.0f} times" if times < 1e6 else "any number of times"


def labels(run: Run) -> list[Finding]:
    """Labels that neighbours contradict everywhere, and not only along a border between classes."""
    votes = run.record.data.traits.votes if run.record.data.traits else ()
    total, shares = sum(vote.samples for vote in votes), held_out_shares(run)
    if total < FEWEST_VOTES or shares is None:
        return []
    base = float(shares.max())
    wrong = sum(vote.samples * vote.wrong for vote in votes) / total
    surest = sum(vote.samples * vote.surest_wrong for vote in votes) / total
    error = math.sqrt(wrong * (1 - wrong) / sum(vote.surest for vote in votes))
    if wrong < WRONG or surest - error < FLAT * wrong or 1 - wrong < base + TOLD * (1 - base):
        return []
    numbers = {"wrong": wrong, "surest": surest}
    clear = total >= MANY_VOTES and SURELY_WRONG <= wrong < 2 * SURELY_WRONG and surest - error >= FLATTER * wrong
    return [
        Finding(WRONG_LABELS if clear or _knows_by_heart(run, engine) else UNEXPLAINED_LABELS, engine, "", numbers)
        for engine in run.engines
    ]


def _knows_by_heart(run: Run, engine: str) -> bool:
    """Whether training accuracy is so far above that of new samples that the network knows the labels by heart."""
    return any(apart(run, gap) for gap in gaps(run) if gap.engine == engine)


RULES = (
    Rule(
        "What a network sees",
        (ALIKE, OUTLIER, UNSCALED, UNSCALED_BORNE, INPUTS_LARGE, INPUTS_LARGE_BORNE, INPUTS_SMALL, INPUTS_SMALL_BORNE),
        inputs,
        "There are fewer different training samples than classes; or one value in 100 at most of a column, or three, "
        "lies {FAR} ranges of all others away from them; or, a fault where less than {SOLVED} of what there is to "
        "learn is learned, a column spreads {WIDE} times as far as the median of the others, or the root mean square "
        "of the inputs is above {LARGE} or below {SMALL}.",
        {"FAR": FAR, "SOLVED": SOLVED, "WIDE": WIDE, "LARGE": LARGE, "SMALL": SMALL},
        "LeCun, Bottou, Orr & Müller, *Efficient BackProp* (1998), 4.3.",
    ),
    Rule(
        "Leaks and contradictions",
        (COPY, ROW_NUMBER, SHARED, CONTRADICTION),
        leaks,
        "The values of a column leave a gap of {SEPARATED} times the spread within a class between any two classes. Or "
        "they are all different and four in five equally far apart, and the class of the next row by them is told by "
        "more than {TELLS} of what chance leaves open. Or {TWINS} of the held-out samples equal a training sample "
        "({TWINS_OF_IMAGES} of images and sequences), or {CONTRADICTING} of the training samples one of another class, "
        "where rows equal each other by chance less than {BY_CHANCE} times: Π_j Σ_v p_j(v)², were the columns "
        "independent, times the number of rows. In tables of few values equal rows are no fault.",
        {
            "SEPARATED": SEPARATED,
            "TELLS": TELLS,
            "TWINS": TWINS,
            "TWINS_OF_IMAGES": TWINS_OF_IMAGES,
            "CONTRADICTING": CONTRADICTING,
            "BY_CHANCE": BY_CHANCE,
        },
        "Kaufman, Rosset, Perlich & Stitelman, *Leakage in data mining* (2012).",
    ),
    Rule(
        "Labels",
        (WRONG_LABELS, UNEXPLAINED_LABELS),
        labels,
        "The 15 nearest others vote on each of at most 2,000 training samples, {FEWEST_VOTES} at least. They are "
        "believed where they tell {TOLD} of what there is to learn. Where classes overlap, the votes are wrong along "
        "the border, and right where they are clearest; labels that are wrong at random are so everywhere. It is said "
        "where {WRONG} of the labels are contradicted, and still {FLAT} of that share, less a standard error, by the "
        "clearest quarter of the votes for each class. A fault where the network has learned them by heart, training "
        "accuracy being more than {GAP} and {SIGMAS} standard errors above that of the samples held out; or where "
        "{MANY_VOTES} samples or more have votes, {SURELY_WRONG} to twice that are contradicted, and {FLATTER} of it "
        "remain.",
        {
            "FEWEST_VOTES": FEWEST_VOTES,
            "TOLD": TOLD,
            "WRONG": WRONG,
            "FLAT": FLAT,
            "GAP": GAP,
            "SIGMAS": SIGMAS,
            "MANY_VOTES": MANY_VOTES,
            "SURELY_WRONG": SURELY_WRONG,
            "FLATTER": FLATTER,
        },
        "Frénay & Verleysen, *Classification in the presence of label noise: a survey* (2014).",
    ),
)
