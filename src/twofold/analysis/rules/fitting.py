"""Under-fitting and over-fitting: accuracies with their sampling error, losses with their course."""

from __future__ import annotations

from twofold.analysis.curves import curves
from twofold.analysis.results import constant_score
from twofold.analysis.rules.rule import Fact, Finding, Rule, Statement
from twofold.analysis.rules.sampling import SIGMAS, drawn_anew, judged, standard_error
from twofold.arrays import Array
from twofold.runs import Run

LEARNED = 0.5
"""The share of what a constant answer gets wrong that a network must have learned on the training samples."""
NEAR = 0.03
"""Accuracy by which a network may stay behind what its samples allow and still be close to it."""
NEARLY = 0.7
"""The share of what there was to learn below which the causes that hold a training back are named."""
SOLVED = 0.9
"""The share of what there was to learn from which on a task counts as learned, whatever else is found."""
STILL_FALLING = 0.05
"""The share of a training loss's whole fall above which its last fifth is still falling."""

RARE_CLASSES = frozenset({"imbalanced", "uneven"})
"""Kinds of the statements that explain an accuracy close to that of the most frequent class."""

LEARNED_NOTHING = Statement(
    "learned_nothing",
    "Nothing learned",
    "the {split:split} accuracy is {held:.4f}, {training_accuracy} is {train:.4f}: both are within chance of the "
    "{base:.4f} that the most frequent class as every answer would score. The training loss went from {first:loss} "
    "to "
    "{last:loss} and {falling:falling}",
    fault=True,
    unless=RARE_CLASSES,
)
UNDER_FITS = Statement(
    "under_fits",
    "Under-fitting",
    "{training_accuracy} is {train:.4f}, where the most frequent class as every answer would score {base:.4f}: "
    "only {share:.0%} of what there was to learn. The training loss went from {first:loss} to {last:loss} and "
    "{falling:falling}",
    fault=True,
    unless=RARE_CLASSES,
)
NOTHING_ON_TRAINING = Statement(
    "learned_nothing_held_none",
    "Nothing learned",
    "{training_accuracy} is {train:.4f}, within chance of the {base:.4f} that the most frequent class as every "
    "answer "
    "would score. The training loss went from {first:loss} to {last:loss} and {falling:falling}",
    fault=True,
)
NOTHING_FOUND = Statement(
    "nothing_found",
    "Nothing learned",
    "{training_accuracy} is {train:.4f} and {split:split} accuracy {held:.4f}, about the {base:.4f} of the most "
    "frequent class as every answer. A vote of nearest neighbours has {neighbours:.4f}, no more: these data may tell "
    "nothing of the class",
    unless=RARE_CLASSES,
)
CLOSE_TO_LIMIT = Statement(
    "close_to_limit",
    "Fit",
    "{training_accuracy} is {train:.4f}, close to what these samples allow: {limit}. The most frequent class as "
    "every "
    "answer would score {base:.4f}; the training loss went from {first:loss} to {last:loss} and {falling:falling}",
)
FITS = Statement(
    "learned",
    "Fit",
    "{training_accuracy} is {train:.4f}; the training loss went from {first:loss} to {last:loss}",
)


def learned(run: Run, engine: str) -> float | None:
    """The share of what a constant answer gets wrong that the engine answers right on the training samples.

    The constant answer is the most frequent class of the held-out samples; of numbers to predict the mean, so that the
    share is R². `None` where the engine has not finished, or there is nothing to learn.
    """
    base = constant_score(run)
    if engine not in run.engines or base is None or base >= 1:
        return None
    quality = run.record.engines[engine].quality("train")
    return None if quality is None else (quality - base) / (1 - base)


def still_falling(loss: Array) -> bool:
    """Whether the last fifth of the evaluations brings more than `STILL_FALLING` of the whole fall of the loss."""
    fall = loss[0] - loss.min()
    before = loss[: max(1, len(loss) - len(loss) // 5 - 1)].min()
    return bool(fall > 0 and before - loss[-1] > STILL_FALLING * fall)


def under_fitting(run: Run) -> list[Finding]:
    """How well each engine answers its training samples: no better than chance, less than half, or well."""
    losses = {curve.engine: curve.loss for curve in curves(run) if curve.split == "train"}
    if run.record.data.task == "regression":
        return []
    return [
        finding
        for engine in run.engines
        if engine in losses and (finding := _fit(run, engine, losses[engine])) is not None
    ]


def _fit(run: Run, engine: str, loss: Array) -> Finding | None:
    """How well an engine answers its training samples.

    `None` where there is nothing to learn, and where enough is learned although the loss rose.
    """
    share, base = learned(run, engine), constant_score(run)
    accuracy = run.record.engines[engine].train_accuracy
    if share is None or base is None or accuracy is None:
        return None
    split = run.record.data.held_out
    held_out = run.record.engines[engine].accuracy(split)
    numbers: dict[str, Fact] = {"train": accuracy, "base": base, "share": share, "split": split, **drawn_anew(run)}
    numbers |= {"first": float(loss[0]), "last": float(loss[-1]), "falling": still_falling(loss)}
    if share >= LEARNED:
        return Finding(FITS, engine, "curves", numbers) if loss[-1] < loss[0] else None
    chance = {part: base + SIGMAS * standard_error(base, judged(run, part)) for part in ("train", split)}
    constant = accuracy <= chance["train"] and held_out is not None and held_out <= chance[split]
    if most := limit(run, accuracy, held_out):
        numbers |= {"limit": most, "held": held_out, "neighbours": run.record.data.neighbours}
        return Finding(NOTHING_FOUND if constant else CLOSE_TO_LIMIT, engine, "curves", numbers)
    if split == "train" and accuracy <= chance["train"]:
        return Finding(NOTHING_ON_TRAINING, engine, "curves", numbers)
    if constant:
        return Finding(LEARNED_NOTHING, engine, "curves", numbers | {"held": held_out})
    return Finding(UNDER_FITS, engine, "curves", numbers)


def _tells_nothing(run: Run, base: float) -> bool:
    """Whether the vote of neighbours, too, is within chance of the constant answer on the held-out samples."""
    data = run.record.data
    if data.neighbours is None or data.held_out == "train":
        return False
    return data.neighbours <= base + SIGMAS * standard_error(base, judged(run, data.held_out))


def limit(run: Run, accuracy: float, held_out: float | None) -> str:
    """What keeps any network from scoring more on such samples, in words; empty where nothing shows a limit.

    For a network that answers no better than a constant there is a limit only where neighbours do no better either.
    """
    data = run.record.data
    base = 1.0 if (score := constant_score(run)) is None else score
    nothing = _tells_nothing(run, base)
    if not nothing and accuracy <= base + SIGMAS * standard_error(base, judged(run, "train")):
        return ""
    if data.ceiling is not None and data.ceiling < 1 and accuracy >= data.ceiling - NEAR:
        return f"equal rows of different classes let nothing score above {data.ceiling:.4f} on them"
    if data.neighbours is None or held_out is None or data.held_out == "train":
        return ""
    error = standard_error(held_out, judged(run, data.held_out)) * (SIGMAS if nothing else 1)
    if held_out < data.neighbours - max(NEAR, error):
        return ""
    return (
        f"a vote of nearest neighbours scores {data.neighbours:.4f} on the held-out samples, the network {held_out:.4f}"
    )


RULES = (
    Rule(
        "Under-fitting",
        (LEARNED_NOTHING, NOTHING_ON_TRAINING, UNDER_FITS, NOTHING_FOUND, CLOSE_TO_LIMIT, FITS),
        under_fitting,
        "What there is to learn is the share of samples that the most frequent class as every answer gets wrong. A "
        "network under-fits where it has learned less than {LEARNED} of that on its *training* samples; where "
        "besides "
        "its training *and* its held-out accuracy are within {SIGMAS} standard errors of that constant answer, it "
        "has "
        "learned nothing. The loss is still falling where the last fifth of the evaluations brings more than "
        "{STILL_FALLING} of its whole fall. It does not under-fit where its samples allow no more: equal rows of "
        "different classes bound what can be scored, and a vote of the 15 nearest training samples shows how easy "
        "the "
        "held-out ones are; within {NEAR} of either, or a standard error, the data are the limit. Where samples "
        "are drawn anew at every step, training accuracy, here and "
        "below, is that of others drawn once like those.",
        {"LEARNED": LEARNED, "SIGMAS": SIGMAS, "STILL_FALLING": STILL_FALLING, "NEAR": NEAR},
        "Goodfellow, Bengio & Courville, *Deep Learning* (2016), 5.2 and 11.4; Cover & Hart, *Nearest neighbor "
        "pattern "
        "classification* (1967).",
    ),
)
