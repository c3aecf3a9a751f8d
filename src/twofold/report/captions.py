"""The captions of the figures: what is seen, how to read it, and the numbers that matter, all from the run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twofold.analysis import Confusion, Curve, FirstWeights, GapCurve, Mistake, Preview, WrongImages, counted, distance
from twofold.probe.boundary import Boundary
from twofold.probe.maps import MOST_CHANNELS, FeatureMaps
from twofold.report.curves import logarithmic, thinned
from twofold.report.text import ENGINES, SPLITS, decimal, joined, of_data, plural
from twofold.runs import Run


def curves_caption(run: Run, curves: Sequence[Curve]) -> str:
    """What the curves show, and how far those of the engines are apart."""
    unit = counted(run)
    scale = ", the loss on a logarithmic scale" if logarithmic(curves) else ""
    splits = joined([SPLITS[s] for s in SPLITS if any(curve.split == s for curve in curves)])
    longest = max(curves, key=lambda curve: len(curve.x))
    text = f"Accuracy and loss on the {splits} samples{of_data(run)} against {unit}{scale}; "
    text += f"{len(longest.x):,} evaluations"
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


def confusion_caption(confusion: Confusion, split: str, of: str = "") -> str:
    """How to read the matrix, and its worst confusions."""
    who = ENGINES[confusion.engines[0]]
    if len(confusion.engines) > 1:
        who = "both engines, which predict the same class for every sample"
    total = plural(int(confusion.counts.sum()), f"{SPLITS[split]} sample")
    text = (
        f"Confusion matrix of {who}: {total}{of}, in per cent of each true class (rows). On the diagonal, "
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


def gap_caption(gaps: Sequence[GapCurve], unit: str, of: str = "", seen: str = "it has seen") -> str:
    """The gap at the end and where it was largest, said once where both engines have the numbers."""
    split = SPLITS[gaps[0].split]
    said: dict[str, list[str]] = {}
    for gap in gaps:
        at, largest = gap.largest
        text = f"the gap was largest, {_signed(largest)}, at {unit} {at:,g} and ended at {_signed(float(gap.gap[-1]))}"
        said.setdefault(text, []).append(ENGINES[gap.engine])
    who = {text: "both engines" if len(engines) > 1 else engines[0] for text, engines in said.items()}
    where = f" on samples{of}" if of else ""
    found = f"Training accuracy minus {split} accuracy{where} against {unit}: above 0 the network does better on what "
    found += f"{seen}."
    return " ".join([found, *(f"In {who[text]} {text}." for text in said)])


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def weights_caption(found: dict[str, FirstWeights], most: int) -> str:
    """What a kernel or a template is, how it is drawn, and how far those of two engines are apart."""
    (engine, first), *others = found.items()
    units, channels, height, width = first.images.shape
    kind = "kernel" if first.convolution else "row"
    which = f"The {plural(units, kind)}" if units <= most else f"The first {most} of {units:,} {kind}s"
    sizes = (units, channels, height, width) if first.convolution else (units, channels * height * width)
    text = (
        f"{which} of the first {'convolution' if first.convolution else 'weight matrix'} `{first.name}` "
        f"({' × '.join(f'{size:,}' for size in sizes)}) after training in {ENGINES[engine]}, each drawn as "
        f"{height} × {width} pixels: what "
    )
    text += "an output channel looks for in its window. " if first.convolution else "a hidden unit looks for. "
    text += _colour_text(first) if channels == 3 else _scale_text(first)
    for other, weights in others:
        apart = decimal(float(np.abs(weights.images - first.images).max()), 2)
        text += f" {ENGINES[other]}’s weights differ from these by at most {apart}."
    return text


def _scale_text(first: FirstWeights) -> str:
    what = "channel" if first.convolution else "unit"
    largest = decimal(float(np.abs(first.images).max()))
    return (
        f"Ink on a yellow, light pixel excites the {what}, on a blue, dark one inhibits it; the largest weight has "
        f"size {largest}."
    )


def _colour_text(first: FirstWeights) -> str:
    largest = np.abs(first.images).max(axis=(1, 2, 3))
    low, high = decimal(float(largest.min())), decimal(float(largest.max()))
    return (
        "The weights of the red, the green and the blue channel are drawn as these colours: mid grey is 0, and each is "
        f"scaled by its own largest weight, of either sign, {low if low == high else f'between {low} and {high}'}."
    )


def maps_caption(found: FeatureMaps, classes: Sequence[str], split: str, of: str = "") -> str:
    """Which image, which channels, how they are shaded, and what comes out."""
    best = int(found.outputs.argmax())
    text = (
        f"Image {found.index} of the {SPLITS[split]} images{of}, counted from 0, of class {classes[found.true]}, on "
        f"its way through the network that {ENGINES[found.engine]} trained. Each row is the output of a layer, with "
        "the number of the channel over each map. Each row is shaded on a scale of its own, from black for its "
        "smallest value to white for its largest; both stand beside it."
    )
    if any((layer.node.output_shape[0] or 0) > len(layer.channels) for layer in found.layers):
        text += (
            f" Of a convolution with more than {MOST_CHANNELS} channels those {MOST_CHANNELS} are shown whose maps "
            "have the largest variance (after the activation, where one follows); the layers up to the next "
            "convolution show the same ones."
        )
    if found.left_out:
        text += f" {plural(found.left_out, 'layer')} with maps {'is' if found.left_out == 1 else 'are'} left out."
    answer = "rightly" if best == found.true else "wrongly"
    text += f" The network {answer} answers {classes[best]} with {found.measure} {found.outputs[best]:.3f}"
    return text + ("." if best == found.true else f"; {classes[found.true]} gets {found.outputs[found.true]:.3f}.")


def wrong_caption(wrong: WrongImages, split: str, samples: int, of: str = "") -> str:
    """How many of how many, what the numbers are, and how sure the engine was."""
    count, first = len(wrong.images), ENGINES[wrong.engines[0]]
    which = f"The {count} of {wrong.wrong:,}" if count < wrong.wrong else f"All {count}" if count > 1 else "The one"
    who, where = (f"{first} gets", "") if len(wrong.engines) == 1 else ("both engines get", f" in {first}")
    low, high = (value(image.value_taken for image in wrong.images) for value in (min, max))
    sure = f"{low:.3f} to {high:.3f}" if count > 1 else f"{high:.3f}"
    return (
        f"{which} of {samples:,} {SPLITS[split]} images{of} that {who} wrong, the surest mistake first, with the "
        f"{wrong.measure}{where} of the true class (✓) and of the one that it is taken for (✗, {sure}). The number is "
        f"the image’s place among the {SPLITS[split]} images, from 0."
    )


def cards_caption(previews: Sequence[Preview], split: str, of: str = "") -> str:
    """What the bars are, and how far the engines' values are apart."""
    first, *others = previews
    count = len(first.images)
    which = f"The first {count} {split} images{of}" if count > 1 else f"The first {split} image{of}"
    text = (
        f"{which}, with the {first.measure} that "
        f"{ENGINES[first.engine]} gives to each class: outlined before any training, filled after it "
        "(the true class in blue, the others in orange)."
    )
    for other in others:
        apart = float(np.abs(other.after - first.after).max())
        text += f" {ENGINES[other.engine]}’s values after training differ by at most {decimal(apart, 2)}."
    return text
