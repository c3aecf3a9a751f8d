"""Write docs/analysis.md, each statement of the analysis with its rule, thresholds and source, from the constants.

python docs/make_analysis.py
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

from twofold.analysis import thresholds, through_time
from twofold.report.findings import NOUNS, TEXTS
from twofold.train.gradient_flow import SATURATED
from twofold.train.signals import MOST_MOMENTS, PROBE

NUMBERS = {name: value for name, value in vars(thresholds).items() if name.isupper()}
NUMBERS |= {"FADED": through_time.FADED, "SATURATED": SATURATED, "PROBE": PROBE, "MOST_MOMENTS": MOST_MOMENTS}
"""All thresholds, by the names that the rules below call them by."""


@dataclass(frozen=True)
class Rule:
    """Statements that are decided together."""

    title: str
    kinds: tuple[str, ...]
    """Of `Finding.kind`."""
    text: str
    """How it is decided; `{NAME}` is a threshold."""
    source: str


RULES = (
    Rule(
        "Under-fitting",
        ("learned_nothing", "under_fits", "learned"),
        "What there is to learn is the share of samples that the most frequent class as every answer gets wrong. A "
        "network under-fits where it has learned less than {LEARNED} of that on its *training* samples; where besides "
        "its training *and* its held-out accuracy are within {SIGMAS} standard errors of that constant answer, it has "
        "learned nothing. The loss is still falling where the last fifth of the evaluations brings more than "
        "{STILL_FALLING} of its whole fall. Where samples are drawn anew at every step, training accuracy, here and "
        "below, is that of others drawn once like those.",
        "Goodfellow, Bengio & Courville, *Deep Learning* (2016), 5.2 and 11.4.",
    ),
    Rule(
        "Over-fitting: the gap",
        ("over_fits", "no_gap"),
        "Training minus held-out accuracy is at least {GAP} and more than {SIGMAS} standard errors of this difference. "
        "An accuracy p over n samples has the error √(p (1 − p) / n), with two right and two wrong answers added, so "
        "that a p of 1 has an error too.",
        'Agresti & Coull, *Approximate is better than "exact" for interval estimation of binomial proportions* (1998).',
    ),
    Rule(
        "Over-fitting: the turn",
        ("turned", "no_turn", "turned_by_few", "falls_to_the_end"),
        "The median of the last tenth of the held-out losses, three at least, lies above the lowest one by more than "
        "{NOISE} times the noise of the course, {TURN} of that lowest loss and {TURN_OF_START} of the loss before "
        "training; the training loss meanwhile fell; and more than {SIGMAS}² samples are answered wrong, for a rise "
        "that k samples bear has a standard error of about its size over √k. The noise is that of second differences: "
        "median |Δ²| / 0.6745 / √6. A course of fewer than {FEWEST_EVALUATIONS} evaluations has no turn.",
        "Prechelt, *Early stopping, but when?* (1998); the noise as by Gasser, Sroka & Jennen-Steinmetz, *Residual "
        "variance and residual pattern in nonlinear regression* (1986).",
    ),
    Rule(
        "Loss before training",
        ("starts_high",),
        "It is more than {INITIAL_LOSS} times ln C, the cross-entropy of equal probabilities for C classes.",
        "Karpathy, *A recipe for training neural networks* (2019).",
    ),
    Rule(
        "Rate too high",
        ("diverged", "diverged_by_steps", "rate_high_by_loss", "rate_high_by_units"),
        "The loss was no finite number any more; or a step changed a weight by {RATIO_HIGH} of its size or more "
        "(‖ΔW‖ / ‖W‖) **and** that did harm: the training loss lies more than {RISE} of the loss before training above "
        "an earlier value at the end or in {RISEN_SHARE} of the evaluations, or at least {KILLED} of a layer’s units "
        "are dead that were not before (fewer than {DEAD} of them). A large step alone is no fault.",
        "Karpathy, CS231n, *Neural Networks Part 3* (Stanford, 2015): about {RATIO} is usual.",
    ),
    Rule(
        "Rate too low",
        ("rate_low",),
        "The median over training of ‖ΔW‖ / ‖W‖ is below {RATIO_LOW} for every weight **and** the network under-fits "
        "(less than {LEARNED}). A small step alone is no fault: at the end of a training it is usual.",
        "As above.",
    ),
    Rule(
        "Rate that fits",
        ("rate_fits",),
        "None of the two rules above, where signals were recorded and the network does not under-fit: of one that has "
        "learned less than {LEARNED}, nothing is said of a rate to which no rule applies.",
        "As above.",
    ),
    Rule(
        "Dead units",
        ("dead", "awake", "all_awake"),
        "A ReLU unit, of images a channel, is dead where it is 0 for each of the first {PROBE} training samples, in "
        "evaluation mode: no gradient passes it. A layer has the fault where at least {DEAD} of its units are dead "
        "under the weights that the run keeps. [Healthy trainings](benchmarks/healthy.md) stay far below.",
        "Lu, Shin, Su & Karniadakis, *Dying ReLU and initialization* (2019).",
    ),
    Rule(
        "Saturated units",
        ("saturated_at_start", "stuck", "unsaturated"),
        "An output is saturated where |tanh| or |2σ − 1| is above {SATURATED}: the slope is below a tenth of the "
        "largest. A layer or gate has the fault where at least {SATURATED_START} of its outputs are so "
        "before training, or at least {DEAD} of its units for every one of the {PROBE} samples after it. The last "
        "layer may saturate.",
        "Glorot & Bengio, *Understanding the difficulty of training deep feedforward neural networks* (2010).",
    ),
    Rule(
        "Gradient through the layers",
        ("fades_in_depth", "grows_in_depth", "even_in_depth"),
        "The norm of a weight’s gradient over that of the last layer’s, median over the moments recorded, is below "
        "{DEPTH}: it vanishes; above 1 / {DEPTH}: it explodes. The layer that is furthest from the loss is named.",
        "Glorot & Bengio (2010), as above; Bengio, Simard & Frasconi, *Learning long-term dependencies with gradient "
        "descent is difficult* (1994).",
    ),
    Rule(
        "Gradient through time",
        ("vanishes", "explodes", "overflows", "carried"),
        "‖∂L/∂h(1)‖ / ‖∂L/∂h(T)‖ of a recurrent layer that is read at its last step, after training, is below {FADED}: "
        "it vanishes; above 1 / {FADED}: it explodes. It is a fault where the task is not learned all the same (less "
        "than {SOLVED} of what there is to learn, on the training samples).",
        "Pascanu, Mikolov & Bengio, *On the difficulty of training recurrent neural networks* (2013).",
    ),
    Rule(
        "Confusions",
        ("confused",),
        "Of three classes or more, the pair (true, taken for) with the most mistakes: at least {FEWEST_MISTAKES}, and "
        "so many that mistakes spread evenly over all pairs would give any of them that many with a chance of less "
        "than {STANDS_OUT}: a Poisson tail times the number of pairs. Looked at where {LEARNED} is learned. No fault: "
        "it says where to look.",
        "Bonferroni’s bound.",
    ),
    Rule(
        "The engines apart",
        ("part", "together", "alike"),
        "The norms of a weight in the two engines differ by more than {APART} of the larger. No fault: rounding grows "
        "in a training that runs free. Whether the engines compute the same is for `twofold verify` to say.",
        "",
    ),
    Rule(
        "One engine better",
        ("better",),
        "Of the held-out samples, b are answered right by one engine alone and c by the other alone: |b − c| is more "
        "than {SIGMAS} √(b + c).",
        "McNemar, *Note on the sampling error of the difference between correlated proportions* (1947).",
    ),
)
HEAD = """\
# What the analysis says, and when

Written by `python docs/make_analysis.py` from the constants of
[`thresholds.py`](../src/twofold/analysis/thresholds.py) and the sentences of
[`findings.py`](../src/twofold/report/findings.py).

The report's chapter *Analysis* is made of sentences. Each is decided by a rule over what the run recorded, carries its
numbers, and names the figure in which it is seen. Where the numbers do not support a sentence it is not there. A
**fault** is something to mend; the others say how it went, or what was looked for and not found. A run of weights that
were read from a file has no training: of that one it is said what it confuses, and which engine answers better. The
rules are tested on trainings made to have each fault (`tests/test_findings.py`) and on
[trainings with none](benchmarks/healthy.md), on which no threshold was chosen.

Signals (`signals.csv`: norms of weights, gradients and updates, dead and saturated units) are recorded at about
{MOST_MOMENTS} evaluations at most. A run folder that is older than they are has the sentences that need none.

In the sentences, *words in italics* are filled in from the run.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([_filled(HEAD), *(_section(rule) for rule in RULES)])


def _section(rule: Rule) -> str:
    lines = [_wrapped(f"- **{TEXTS[kind][0]}.** {_shown(TEXTS[kind][1])}.", "  ") for kind in rule.kinds]
    lines += ["", _wrapped(f"*Rule.* {_filled(rule.text)}")]
    lines += ["", _wrapped(f"*Source.* {_filled(rule.source)}")] if rule.source else []
    return "\n".join([f"## {rule.title}", "", *lines, ""])


def _wrapped(text: str, indent: str = "") -> str:
    return fill(text, 140, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _filled(text: str) -> str:
    return re.sub(r"\{([A-Z_]+)\}", lambda match: f"{NUMBERS[match[1]]:g}", text)


def _shown(text: str) -> str:
    """A sentence with the names of its numbers."""
    text = re.sub(r"`?\{(\w+?)(?::([^}]*))?\}`?", _number, text)
    return re.sub(r"\w", lambda match: match[0].upper(), text, count=1)


def _number(match: re.Match[str]) -> str:
    """Its name, and the noun that counts with it."""
    return f"*{match[1].replace('_', ' ')}*" + (f" {match[2]}s" if match[2] in NOUNS else "")


if __name__ == "__main__":
    (Path(__file__).parent / "analysis.md").write_text(page(), "utf-8")
