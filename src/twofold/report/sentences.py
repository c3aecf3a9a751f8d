"""Facts in words: every number in them is computed from the run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twofold.analysis import (
    Agreement,
    Boundary,
    Confusion,
    Curve,
    Gap,
    Lowest,
    Mistake,
    Preview,
    agreement,
    counted,
    distance,
    gaps,
    held_out_shares,
    lowest_loss,
    times,
)
from twofold.arrays import Array
from twofold.report.curves import logarithmic, thinned
from twofold.report.text import ENGINES, SPLITS, decimal, joined, loss_text, plural, seconds, share, times_as
from twofold.runs import Run


def lead(run: Run) -> str:
    """What was done, in one sentence."""
    training, count = run.recipe.training, run.recipe.network.count
    network = "A network" if count is None else f"A network of {plural(count, 'parameter')}"
    length = plural(training.steps, "step") if training.steps else plural(training.epochs or 0, "epoch")
    size = training.batch_size
    batches = "all at once in every step" if size == "full" else f"in batches of {size:,}"
    engines = [ENGINES[engine] for engine in training.engines]
    who = f"in {engines[0]}."
    if len(engines) > 1:
        who = f"once in {engines[0]} and once in {engines[1]}: "
        who += "from the same initial weights, on the same data in the same order."
    samples = plural(run.record["data"]["samples"]["train"], "sample")
    was = "was" if run.status == "finished" else "was to be"
    return f"{network} {was} trained for {length} on {samples}, {batches}, {who}"


def results_sentences(run: Run, curves: Sequence[Curve]) -> list[str]:
    """Agreement, times, gap and turning point: what the table of results means."""
    found = []
    if agreed := agreement(run):
        found.append(agreement_sentence(agreed))
    if timed := times(run):
        fast, slow = ENGINES[timed.faster], ENGINES[timed.slower]
        fast_s, slow_s = (seconds(run.engines[engine]["seconds"]) for engine in (timed.faster, timed.slower))
        ratio = times_as(timed.ratio)
        found.append(f"{fast} needed {fast_s} of training and {slow} {slow_s}: {slow} took {ratio} as long.")
    found += gap_sentences(gaps(run))
    found += lowest_sentences(run, curves)
    shares = held_out_shares(run)
    if shares is not None:
        split = SPLITS[run.record["data"]["held_out"]]
        found.append(
            "For comparison: answering the most frequent class every time would score "
            f"{share(float(shares.max()))} on the {split} samples."
        )
    return found


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


def gap_sentences(found: Sequence[Gap]) -> list[str]:
    """How far training accuracy is from the held-out one; said once where both engines have the numbers."""
    said: dict[str, list[str]] = {}
    for gap in found:
        side = "above" if gap.size >= 0 else "below"
        what = (
            f"training accuracy ended {abs(gap.size):.4f} {side} {SPLITS[gap.split]} accuracy "
            f"({gap.train:.4f} against {gap.held_out:.4f})"
        )
        said.setdefault(what, []).append(ENGINES[gap.engine])
    return [f"In {_who(engines)}, {what}." for what, engines in said.items()]


def lowest_sentences(run: Run, curves: Sequence[Curve]) -> list[str]:
    """Where the held-out loss was lowest: beyond, the network over-fits."""
    split = next((s for s in ("validation", "test") if any(curve.split == s for curve in curves)), None)
    said: dict[str, list[str]] = {}
    for curve in curves:
        lowest = lowest_loss(curve) if curve.split == split else None
        if lowest and curve.engine in run.engines:
            said.setdefault(_lowest_text(lowest, counted(run)), []).append(ENGINES[curve.engine])
    return [f"{what} in {_who(engines)}." for what, engines in said.items()]


def _who(engines: Sequence[str]) -> str:
    return "both engines" if len(engines) > 1 else engines[0]


def _lowest_text(lowest: Lowest, unit: str) -> str:
    split = SPLITS[lowest.split]
    if lowest.at == lowest.end:
        return f"The {split} loss was lowest, {loss_text(lowest.loss)}, at the very end"
    return (
        f"The {split} loss was lowest, {loss_text(lowest.loss)}, at {unit} {lowest.at:,g} and ended at "
        f"{loss_text(lowest.last)}"
    )


def curves_caption(run: Run, curves: Sequence[Curve]) -> str:
    """What the curves show, and how far those of the engines are apart."""
    unit = counted(run)
    scale = ", the loss on a logarithmic scale" if logarithmic(curves) else ""
    splits = joined([SPLITS[s] for s in SPLITS if any(curve.split == s for curve in curves)])
    longest = max(curves, key=lambda curve: len(curve.x))
    text = f"Accuracy and loss on the {splits} samples against {unit}{scale}; {len(longest.x):,} evaluations"
    every = thinned(longest).step or 1
    text += f", every {every}th drawn." if every > 1 else "."
    if apart := distance(curves):
        text += (
            " The curves of the two engines are never further apart than "
            f"{decimal(apart.loss, 2)} in loss and {decimal(apart.accuracy, 2)} in accuracy."
        )
    return text


def plane_caption(run: Run, boundaries: Sequence[Boundary], counts: dict[str, int], drawn: int) -> str:
    """The points, the shade, the line, and how far two engines answer alike."""
    splits = joined([f"{count:,} {SPLITS[split]} points" for split, count in counts.items()])
    hidden = f" (at most {drawn:,} of each are drawn)" if max(counts.values()) > drawn else ""
    text = f"The {splits}{hidden}, classes by colour and by shape."
    if boundaries:
        text += " The shade is the network’s answer, the stronger the surer; the line is where it changes."
    if len(boundaries) > 1:
        first, second = (boundary.shares.argmax(axis=-1) for boundary in boundaries[:2])
        same, total = int((first == second).sum()), first.size
        where = f"all {total:,}" if same == total else f"{same:,} of {total:,}"
        text += f" Both engines give the same answer at {where} points of a grid over the rectangle."
    return text


def confusion_caption(confusion: Confusion, split: str) -> str:
    """How to read the matrix, and its worst confusions."""
    who = ENGINES[confusion.engines[0]]
    if len(confusion.engines) > 1:
        who = "both engines, which predict the same class for every sample"
    total = plural(int(confusion.counts.sum()), f"{SPLITS[split]} sample")
    text = (
        f"Confusion matrix of {who}: {total}, in per cent of each true class (rows). On the diagonal, "
        "in blue, the right answers; beside it, in orange, the confusions, the darker the more frequent. "
    )
    return text + worst_sentence(confusion.worst(), confusion.wrong)


def worst_sentence(worst: Sequence[Mistake], wrong: int) -> str:
    """The worst confusions by name."""
    if not worst:
        return "No sample is confused."
    first, *rest = [
        f"{mistake.true} is taken for {mistake.taken} in {mistake.percent:.1f} % of its samples "
        f"({mistake.count:,} of {mistake.samples:,})"
        for mistake in worst
    ]
    begin = "The one confusion: " if wrong == 1 else "Worst: "
    return begin + "; ".join([first, *rest]) + "."


def templates_caption(templates: dict[str, Array], name: str, most: int) -> str:
    """What a template is, and how far those of two engines are apart."""
    (engine, first), *others = templates.items()
    units, height, width = first.shape
    which = f"The {plural(units, 'row')}" if units <= most else f"The first {most} of {units:,} rows"
    largest = decimal(float(np.abs(first).max()))
    text = (
        f"{which} of the first weight matrix `{name}` ({units:,} × {height * width:,}) after training in "
        f"{ENGINES[engine]}, each drawn as {height} × {width} pixels: what a hidden unit "
        f"looks for. Ink on a red pixel excites the unit, on a blue one inhibits it; "
        f"the largest weight has size {largest}."
    )
    for other, array in others:
        apart = decimal(float(np.abs(array - first).max()), 2)
        text += f" {ENGINES[other]}’s weights differ from these by at most {apart}."
    return text


def cards_caption(previews: Sequence[Preview], split: str) -> str:
    """What the bars are, and how far the engines' values are apart."""
    first, *others = previews
    text = (
        f"The first {len(first.images)} {split} images, with the {first.measure} that "
        f"{ENGINES[first.engine]} gives to each class: outlined before any training, filled after it "
        "(the true class in blue, the others in orange)."
    )
    for other in others:
        apart = float(np.abs(other.after - first.after).max())
        text += f" {ENGINES[other.engine]}’s values after training differ by at most {decimal(apart, 2)}."
    return text
