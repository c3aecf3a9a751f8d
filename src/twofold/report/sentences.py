"""Facts in words: every number in them is computed from the run."""

from __future__ import annotations

from collections.abc import Sequence

from twofold.analysis import Agreement, agreement, constant_score, endings, furthest_apart, held_out_shares, times
from twofold.recipe.losses import CrossEntropy
from twofold.report.text import ENGINES, SPLITS, decimal, joined, of_data, plural, quality_word, seconds, share, took
from twofold.runs import Run

MOST_NAMED = 5
"""Targets that a sentence names."""


def lead(run: Run) -> str:
    """What was done, in one sentence."""
    training, count = run.recipe.training, run.recipe.network.count
    most = "at most " if training.patience else ""
    network = "A network" if count is None else f"A network of {plural(count, 'parameter')}"
    if imported := run.record.imported:
        where = " and ".join(ENGINES[engine] for engine in training.engines)
        return f"{network} got its weights from the file {imported.file}, in {where}. Nothing was trained."
    length = plural(training.steps, "step") if training.steps else plural(training.epochs or 0, "epoch")
    engines = [ENGINES[engine] for engine in training.engines]
    who = f"in {engines[0]}."
    if len(engines) > 1:
        who = f"once in {engines[0]} and once in {engines[1]}: "
        who += "from the same initial weights, on the same data in the same order."
    was = "was" if run.status == "finished" else "was to be"
    return f"{network} {was} trained for {most}{length} on {_samples(run, most)}, {who}"


def _samples(run: Run, most: str) -> str:
    """How many samples, and how many at a step; where they are drawn anew at every step, how many in all."""
    training, count = run.recipe.training, run.record.data.samples["train"]
    size = count if training.batch_size == "full" else training.batch_size
    if run.recipe.data.endless:
        total = (training.steps or 0) * size
        return f"{run.record.data.source} drawn anew at every step, {most}{total:,} in all, in batches of {size:,}"
    batches = "all at once in every step" if training.batch_size == "full" else f"in batches of {size:,}"
    return f"{plural(count, 'sample')}{of_data(run)}, {batches}"


def results_sentences(run: Run) -> list[str]:
    """What the table of results means: agreement, times, and what accuracy and loss are measured on."""
    lines = []
    if agreed := agreement(run):
        lines.append(agreement_sentence(agreed))
    if (apart := furthest_apart(run)) is not None:
        names = zip(run.record.data.targets, apart.tolist(), strict=True)
        where = joined([f"{decimal(distance, 2)} in {name}" for name, distance in names][:MOST_NAMED])
        lines.append(f"The engines' numbers for the {_held(run)} samples are never further apart than {where}.")
    if timed := times(run):
        fast, slow = ENGINES[timed.faster], ENGINES[timed.slower]
        fast_s, slow_s = (seconds(run.record.engines[engine].seconds) for engine in (timed.faster, timed.slower))
        lines.append(
            f"{fast} needed {fast_s} of training and {slow} {slow_s}: {took(timed.ratio, slow)}{_with_threads(run)}."
        )
    lines += lockstep_sentences(run)
    lines += meaning_sentences(run)
    if run.record.data.task == "regression":
        lines.append("For comparison: the mean of the numbers as every answer has an R² of 0.")
    if run.record.data.task == "multi_label" and (base := constant_score(run)) is not None:
        lines.append(
            "Accuracy is the share of labels that are answered right; the more frequent answer to each label every "
            f"time would score {share(base)} on the {_held(run)} samples."
        )
    shares = held_out_shares(run)
    if shares is not None:
        lines.append(
            "For comparison: answering the most frequent class every time would score "
            f"{share(float(shares.max()))} on the {_held(run)} samples."
        )
    return lines


def lockstep_sentences(run: Run) -> list[str]:
    """The verdict of the short lock-step that was made with the run of both engines."""
    proof = run.record.lockstep
    if proof is None:
        return []
    if proof.agrees:
        largest = max((gap for gap in proof.largest.values() if gap is not None), default=0.0)
        most = f"by at most {largest:.0e}".replace("e-0", "e−").replace("e-", "e−") if largest else "by nothing"
        return [
            f"Both compute the same: in lock-step over {proof.steps} steps in float64 they differ {most} at every "
            f"stage of every step. `twofold verify` does it over more."
        ]
    first = proof.first_divergence or {}
    where = f" at step {first.get('step')}, {first.get('stage')} of `{first.get('name')}`"
    return [f"They do not compute the same: in lock-step in float64 they part{where}. `twofold verify` says more."]


def _with_threads(run: Run) -> str:
    """How many threads each engine had, to be added to a sentence."""
    blas, torch = run.record.circumstances.blas_threads, run.record.circumstances.torch_threads
    if torch is None:
        return f", with {plural(blas, 'thread')} at most"
    return f", with {plural(blas, 'thread')} at most for NumPy and {plural(torch, 'thread')} for PyTorch"


def _held(run: Run) -> str:
    """The split that the run is judged on, in words."""
    return SPLITS[run.record.data.held_out]


def meaning_sentences(run: Run) -> list[str]:
    """Sentences on the settings that change how accuracy and loss are measured, or when training ended."""
    training, loss, lines = run.recipe.training, run.recipe.loss, list[str]()
    some, count = training.evaluate_samples, run.record.data.samples["train"]
    if run.recipe.data.endless:
        others = plural(min(some or count, count), "other")
        lines.append(f"Training {quality_word(run)} and loss are those of {others}, drawn once like those trained on.")
    elif some and some < count:
        lines.append(f"Training {quality_word(run)} and loss are those of the first {plural(some, 'training sample')}.")
    if training.flip_test or training.shift_test:
        moved = f" and for it moved by {plural(training.shift_test, 'pixel')} both ways along the diagonal"
        shown = moved if training.shift_test else ""
        mirror = ", and for the mirror images of all three" if training.shift_test else " and for its mirror image"
        shown += mirror if training.flip_test else ""
        lines.append(f"An image is judged by the mean of the outputs for it{shown}; so are accuracy and loss.")
    if training.autocast == "bfloat16" and run.record.circumstances.torch_arithmetic == "float32":
        lines.append(
            "PyTorch computed in 32 bits: the machine has no products of 16 bits, which the recipe would take."
        )
    if training.ema:
        lines.append(
            "Predictions are made with a moving average of the weights, in which the past has a weight of "
            f"{training.ema:g} at each step, less in the first ones."
        )
    if getattr(loss, "class_weight", None):
        lines.append("The losses count every sample once: the weights of the classes are part of training alone.")
    if getattr(run.recipe.data, "weight", None):
        lines.append("All scores count every sample once: the weights of the samples are part of training alone.")
    if run.record.data.task == "regression" and getattr(run.recipe.data, "scale_target", False):
        lines.append("Losses are those of the numbers in standard deviations of the training samples.")
    if isinstance(loss, CrossEntropy) and loss.label_smoothing:
        lines.append(
            f"The losses are those without the label smoothing of {loss.label_smoothing:g}: it is part of training "
            "alone."
        )
    return lines + ending_sentences(run)


def ending_sentences(run: Run) -> list[str]:
    """Where training stopped before its planned end, and which weights were kept, where these are not the last ones."""
    engines_by_text: dict[str, list[str]] = {}
    for end in endings(run):
        who = ENGINES[end.engine]
        if end.steps < end.planned and run.recipe.training.patience:
            waited = plural(run.recipe.training.patience, "evaluation")
            text = (
                f"training stopped after {end.steps:,} of {end.planned:,} steps: the validation loss had not fallen in "
                f"{waited}"
            )
            engines_by_text.setdefault(text, []).append(who)
        if run.recipe.training.keep == "best":
            at = f"step {end.kept_step:,} of {end.steps:,}"
            best = f"the weights kept are those of {at}, the best on the validation samples"
            engines_by_text.setdefault(best, []).append(who)
    return [f"In {_who(engines)}, {what}." for what, engines in engines_by_text.items()]


def agreement_sentence(agreed: Agreement) -> str:
    """Whether the engines agree in accuracy to within one sample."""
    split, total = SPLITS[agreed.split], f"{agreed.samples:,}"
    (first, right), (second, other) = agreed.right.items()
    unlike = f"predict different classes for {plural(agreed.different, 'sample')}"
    if right == other:
        alike = f"but {unlike}" if agreed.different else "and predict the same class for each"
        return f"The engines agree: both get {right:,} of {total} {split} samples right, {alike}."
    counts = f"{ENGINES[first]} gets {right:,} of {total} right and {ENGINES[second]} {other:,}; they {unlike}"
    if agreed.within_one:
        return f"The engines agree in {split} accuracy to within one sample: {counts}."
    return f"The engines differ in {split} accuracy by {agreed.difference:,} samples: {counts}."


def _who(engines: Sequence[str]) -> str:
    return "both engines" if len(engines) > 1 else engines[0]
