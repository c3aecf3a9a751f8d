"""What was found in a run, in words: each sentence has its numbers, and names the figure in which they are seen."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any, final

from twofold.analysis import Finding
from twofold.analysis import thresholds as t
from twofold.report.text import ENGINES, SPLITS, decimal, loss_text, plural, refer


@dataclass(frozen=True)
class Said:
    """A finding as the page has it."""

    title: str
    text: str
    fault: bool


TEXTS: dict[str, tuple[str, str]] = {
    "learned_nothing": (
        "Nothing learned",
        "the {split} accuracy is {held:.4f}, {training_accuracy} is {train:.4f}: both are within chance of the "
        "{base:.4f} that the most frequent class as every answer would score. The training loss went from {first} to "
        "{last} and {falling}",
    ),
    "under_fits": (
        "Under-fitting",
        "{training_accuracy} is {train:.4f}, where the most frequent class as every answer would score {base:.4f}: "
        "only {share:.0%} of what there was to learn. The training loss went from {first} to {last} and {falling}",
    ),
    "learned": (
        "Fit",
        "{training_accuracy} is {train:.4f}; the training loss went from {first} to {last}",
    ),
    "over_fits": (
        "Over-fitting",
        "{training_accuracy} is {train:.4f} and {split} accuracy {held:.4f}: a gap of {gap:.4f}, {sigmas:.1f} times "
        "its standard error of {error:.4f}",
    ),
    "no_gap": (
        "Gap",
        "{training_accuracy} is {train:.4f} and {split} accuracy {held:.4f}, a difference of {gap:.4f} with a standard "
        "error of {error:.4f}: no over-fitting that counts",
    ),
    "turned": (
        "Turning point",
        "the {split} loss was lowest, {loss}, at {unit} {at:,g} and rose to {last}, while the training loss went on "
        "falling from {train_then} to {train_last}: from there on the network learned {its_training_samples} by heart",
    ),
    "no_turn": (
        "Turning point",
        "the {split} loss was lowest, {loss}, at {unit} {at:,g} and ended at {last}: a rise too small to count",
    ),
    "turned_by_few": (
        "Turning point",
        "the {split} loss was lowest, {loss}, at {unit} {at:,g} and ended at {last}, with {wrong:sample} answered "
        "wrong: too few to bear a rise that counts",
    ),
    "falls_to_the_end": ("Turning point", "there is none: the {split} loss was lowest, {last}, at the very end"),
    "starts_high": (
        "Initial loss",
        "before training the loss is {loss}, where equal probabilities would have {even}: the initial weights or the "
        "inputs are too large",
    ),
    "diverged": (
        "Divergence",
        "the loss was no finite number any more at step {step}: the rate of {lr} is too high for these gradients",
    ),
    "diverged_by_steps": (
        "Rate too high",
        "the loss was no finite number any more at step {step}; with the rate of {lr} a step had changed `{name}` by "
        "{ratio:two} of its size at step {ratio_step}, where about {rule} is usual",
    ),
    "rate_high_by_loss": (
        "Rate too high",
        "the training loss went up again from {lowest} to {highest}, and ended at {last}; with the "
        "rate of {lr} a step changed `{name}` by {ratio:two} of its size at step {ratio_step}, where about {rule} is "
        "usual",
    ),
    "rate_high_by_units": (
        "Rate too high",
        "training itself put layer {layer} to sleep, {dead_first:.0%} of its units before, {dead_last:.0%} after it; "
        "with the rate of {lr} a step changed `{name}` by {ratio:two} of its size at step {ratio_step}, where about "
        "{rule} is usual",
    ),
    "rate_low": (
        "Rate too low",
        "the updates are at most {largest_ratio:two} of the weights in size (median over training), where about {rule} "
        "is usual, and the training loss came from {first} to {last} only",
    ),
    "rate_fits": (
        "Learning rate",
        "the updates are {smallest_ratio:two} to {largest_ratio:two} of the weights in size (medians over training, "
        "layer by layer); about {rule} is usual, and no loss or layer shows a rate that is too high or too low",
    ),
    "dead": (
        "Dead units",
        "{after:.0%} of the {units:unit} of layer {layer} (`{kind}`) are 0 for every sample of the probe, "
        "{before:.0%} before training: no gradient passes them",
    ),
    "all_awake": (
        "Dead and saturated units",
        "there are none: every unit passes a gradient for some sample of the probe",
    ),
    "awake": ("Dead units", "few: at most {after:.0%} of a layer’s units, of the {units} of layer {layer} (`{kind}`)"),
    "saturated_at_start": (
        "Saturated units",
        "{share_before:.0%} of the outputs of layer {layer} ({named}) are saturated before any training: the weights "
        "before it are too large",
    ),
    "stuck": (
        "Saturated units",
        "{after:.0%} of the {units:unit} of layer {layer} ({named}) are saturated for every sample of the probe, "
        "{before:.0%} before training: next to no gradient passes them",
    ),
    "unsaturated": (
        "Saturated units",
        "few are so for every sample: at most {after:.0%} of a layer’s units, of the {units} of layer {layer} "
        "(`{kind}`)",
    ),
    "fades_in_depth": (
        "Vanishing gradient",
        "through the layers: the gradient of layer {layer}’s weight is {share:two} times that of layer {beside}’s "
        "(median over training; norms {here} and {there})",
    ),
    "grows_in_depth": (
        "Exploding gradient",
        "through the layers: the gradient of layer {layer}’s weight is {share:.3g} times that of layer {beside}’s "
        "(median over training; norms {here} and {there}); the inputs or the weights on the way are too large",
    ),
    "even_in_depth": (
        "Gradients",
        "they neither vanish nor explode through the layers: norms from {least} to {most} (medians over training)",
    ),
    "vanishes": (
        "Vanishing gradient",
        "through time: of the last step’s gradient only a share of {carried} reaches the first of {steps} steps after "
        "training, a factor of {factor} a step, and {before} before; what stands first cannot be learned from it",
    ),
    "explodes": (
        "Exploding gradient",
        "through time: on its way to the first of {steps} steps the gradient grows {carried} times after training, a "
        "factor of {factor} a step, and {before} times before",
    ),
    "overflows": (
        "Exploding gradient",
        "through time: on its way to the first of {steps} steps the gradient leaves the numbers that can be written",
    ),
    "carried": (
        "Gradient through time",
        "{carried} times the last step’s reaches the first of {steps} steps after training, {before} times before",
    ),
    "confused": (
        "Confusion",
        "{count} of the {wrong} mistakes are {true} taken for {taken}, of {samples} samples of that class; spread "
        "evenly over all pairs of classes they would be {expected} a pair",
    ),
    "part": (
        "The engines",
        "the norms of their weights part: from step {step} on they differ by more than {apart:.0%}, at most by "
        "{gap:two} of themselves (`{name}`)",
    ),
    "together": (
        "The engines",
        "the norms of their weights stay together: at {moments:moment} they differ by at most {gap:two} of themselves "
        "(`{name}`)",
    ),
    "alike": (
        "The engines",
        "the norms of their weights stay together: at {moments:moment} they differ by less than {resolution} of "
        "themselves, the last digit that is recorded",
    ),
    "better": (
        "The engines",
        "it answers better than the other, beyond chance: {alone} samples it alone gets right, {other} the other alone",
    ),
}
"""Title and sentence of each kind of finding.

A number without a format has three digits; `two` gives it two; a noun counts with it.
"""
NOUNS = ("sample", "moment", "unit")
"""Formats of a count."""
ABOUT_BOTH = ("part", "together", "alike")
"""Nothing is said of who shows it."""
LOSSES = {"first", "last", "loss", "lowest", "highest", "even", "train_then", "train_last"}
"""Numbers that are losses."""
FALLING = {True: "was still falling: more training is the first thing to try", False: "had stopped falling"}


@final
class _Words(Formatter):
    """A number without a format with as many digits as help, a count with its thousands."""

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, float) and format_spec in ("", "two"):
            return decimal(value, 2 if format_spec else 3)
        if format_spec in NOUNS:
            return plural(int(value), format_spec)
        if isinstance(value, int) and not format_spec:
            return f"{value:,}"
        text = super().format_field(value, format_spec)
        return text.replace("-", "−") if isinstance(value, float) else text


def said(found: Sequence[Finding], figures: Collection[str]) -> list[Said]:
    """Findings as sentences, faults first. What both engines show is said once; `figures` are those of the page."""
    groups = dict[tuple[str, str, str], list[Finding]]()
    for finding in found:
        groups.setdefault((finding.kind, finding.layer, str(finding.numbers.get("gate", ""))), []).append(finding)
    both = len({finding.engine for finding in found}) > 1
    sentences = [_said(group, both, figures) for group in groups.values()]
    return sorted(sentences, key=lambda each: not each.fault)


def _said(group: Sequence[Finding], both: bool, figures: Collection[str]) -> Said:
    first, (title, _) = group[0], TEXTS[group[0].kind]
    texts = [_text(finding) for finding in group]
    text = texts[0][0].upper() + texts[0][1:]
    if both and first.kind not in ABOUT_BOTH:
        who = [ENGINES[finding.engine] for finding in group]
        if len(group) == 1:
            text = f"{who[0]} alone: {texts[0]}"
        elif len(set(texts)) == 1:
            text = f"Both engines: {texts[0]}"
        else:
            text = f"{who[0]}, and {who[1]} with numbers of its own: {texts[0]}"
    seen = f" ({refer(first.figure)})" if first.figure in figures else ""
    return Said(title, f"{text}{seen}.", first.fault)


def _text(finding: Finding) -> str:
    numbers: dict[str, Any] = {**finding.numbers, "layer": finding.layer, "rule": t.RATIO, "apart": t.APART}
    numbers |= {key: loss_text(value) for key, value in finding.numbers.items() if key in LOSSES}
    if "split" in numbers:
        numbers["split"] = SPLITS[numbers["split"]]
    if "falling" in numbers:
        numbers["falling"] = FALLING[numbers["falling"]]
    if numbers.get("error"):
        numbers["sigmas"] = numbers["gap"] / numbers["error"]
    numbers["named"] = _named(numbers)
    numbers |= _trained_on(finding.numbers.get("others"))
    return _Words().vformat(TEXTS[finding.kind][1], (), numbers)


def _trained_on(others: int | None) -> dict[str, str]:
    """What training accuracy is one of: the samples trained on, or others, where these are drawn anew at every step."""
    if others is None:
        return {"training_accuracy": "training accuracy", "its_training_samples": "its training samples"}
    accuracy = f"accuracy on {plural(others, 'sample')} drawn like those trained on"
    return {"training_accuracy": accuracy, "its_training_samples": "what training may draw"}


def _named(numbers: Mapping[str, Any]) -> str:
    """The kind of a layer, and its gate where it has several."""
    kind, gate = numbers.get("kind", ""), numbers.get("gate", "output")
    return f"`{kind}`" if gate in ("output", "h") else f"`{kind}`, gate {gate}"
