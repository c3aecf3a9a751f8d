"""The turning point: a held-out loss that rises again while the training loss goes on falling."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from twofold.analysis.curves import Curve, counted, curves
from twofold.analysis.results import Gap, gaps
from twofold.analysis.rules.over_fitting import apart
from twofold.analysis.rules.rule import Fact, Finding, Rule, Statement
from twofold.analysis.rules.sampling import SIGMAS, drawn_anew, judged
from twofold.arrays import Array
from twofold.runs import Run

FEWEST_EVALUATIONS = 5
"""Fewest evaluations of a course that may turn: in a shorter one noise cannot be told from trend."""
TURN = 0.1
"""The share of its lowest value by which the held-out loss must have risen again."""
TURN_OF_START = 0.01
"""The share of the loss before training by which it must have risen too: less is small whatever its ratio."""
WILD = 0.5
"""The share above its lowest value from which the end of a held-out loss is no small rise, however much it wavers."""
HIGH = 1.5
"""Times its lowest value from which a held-out loss that ends above its beginning is a fault."""
CLEAR = 0.25
"""The share of a rise from which it is a fault by itself; a smaller one is where the accuracies are apart as well."""
NOISE = 4.0
"""Times the noise of the course, by its second differences, that a rise must exceed."""

TURNED = Statement(
    "turned",
    "Turning point",
    "the {split:split} loss was lowest, {loss:loss}, at {unit} {at:,g} and rose to {last:loss}, while the training "
    "loss went on falling from {train_then:loss} to {train_last:loss}: from there on the network learned "
    "{its_training_samples} by heart",
    fault=True,
)
NO_TURN = Statement(
    "no_turn",
    "Turning point",
    "the {split:split} loss was lowest, {loss:loss}, at {unit} {at:,g} and ended at {last:loss}: a rise too small to "
    "count",
)
ENDED_HIGH = Statement(
    "ended_high",
    "Held-out loss",
    "the {split:split} loss was lowest, {loss:loss}, at {unit} {at:,g} and ended at {last:loss}, above the "
    "{start:loss} "
    "before training: the network is surer of its mistakes than it was when it knew nothing",
    fault=True,
)
TOO_WILD = Statement(
    "too_wild",
    "Turning point",
    "the {split:split} loss was lowest, {loss:loss}, at {unit} {at:,g} and ended at {last:loss}: its course wavers "
    "by "
    "{noise:loss} from one evaluation to the next, too much to be judged; smaller steps or larger batches calm it",
)
TURNED_A_LITTLE = Statement(
    "turned_a_little",
    "Turning point",
    "the {split:split} loss was lowest, {loss:loss}, at {unit} {at:,g} and rose to {last:loss}: a little, without the "
    "accuracies parting",
)
TURNED_BY_FEW = Statement(
    "turned_by_few",
    "Turning point",
    "the {split:split} loss was lowest, {loss:loss}, at {unit} {at:,g} and ended at {last:loss}, with {wrong:sample} "
    "answered wrong: too few to bear a rise that counts",
)
FALLS_TO_THE_END = Statement(
    "falls_to_the_end",
    "Turning point",
    "there is none: the {split:split} loss was lowest, {last:loss}, at the very end",
)


def turning_points(run: Run) -> list[Finding]:
    """Where the held-out loss of each engine turned, or that it did not."""
    by_split = {(curve.engine, curve.split): curve for curve in curves(run)}
    findings = list[Finding]()
    for gap in gaps(run) if run.record.data.task == "classification" else ():
        held_out, train = by_split.get((gap.engine, gap.split)), by_split.get((gap.engine, "train"))
        if held_out is not None and train is not None:
            turns = turning(held_out, train, counted(run), judged(run, gap.split))
            findings += [
                _weighed(replace(turn, numbers={**turn.numbers, **drawn_anew(run)}), run, gap) for turn in turns
            ]
    return findings


def _weighed(turn: Finding, run: Run, gap: Gap) -> Finding:
    """The turn, as no fault where the rise is small and the accuracies are not apart."""
    if turn.statement is not TURNED or turn.numbers["last"] >= (1 + CLEAR) * turn.numbers["loss"] or apart(run, gap):
        return turn
    return replace(turn, statement=TURNED_A_LITTLE)


def turning(held_out: Curve, train: Curve, unit: str, samples: int) -> list[Finding]:
    """Whether the held-out loss rose again, by more than it wavers, while the training loss went on falling.

    What bears such a rise are the samples that are answered wrong, ever more surely. A sum over k of them has a
    standard error of about its size over √k: k must be more than the square of the standard errors that are asked for.
    """
    loss, training_loss = held_out.loss, train.loss
    if not (np.isfinite(loss).all() and np.isfinite(training_loss).all()):
        return []
    low = int(loss.argmin())
    last = max(3, len(loss) // 10)
    numbers: dict[str, Fact] = {"split": held_out.split, "unit": unit}
    numbers |= {"at": float(held_out.x[low]), "loss": float(loss[low]), "last": float(loss[-1])}
    numbers |= {"wrong": round((1 - float(held_out.quality[-1])) * samples)}
    numbers |= {"train_then": float(training_loss[low]), "train_last": float(training_loss[-1])}
    rise = float(np.median(loss[-last:]) - loss[low])
    least = max(NOISE * wavering(loss), TURN * float(loss[low]), TURN_OF_START * float(loss[0]))
    if low == len(loss) - 1:
        return [Finding(FALLS_TO_THE_END, held_out.engine, "curves", numbers)]
    # A rise of both losses is no over-fitting: the rate is judged by that.
    falls = np.median(training_loss[-last:]) < training_loss[low]
    worse = loss[-1] > max((1 + TURN) * loss[0], HIGH * loss[low]) and numbers["wrong"] > SIGMAS**2
    if worse and (rise <= least or not falls or low == 0):
        return [Finding(ENDED_HIGH, held_out.engine, "curves", numbers | {"start": float(loss[0])})]
    if rise <= least and loss[-1] > (1 + WILD) * loss[low] and numbers["wrong"] > SIGMAS**2:
        return [Finding(TOO_WILD, held_out.engine, "curves", numbers | {"noise": wavering(loss)})]
    if rise <= least:
        return [Finding(NO_TURN, held_out.engine, "curves", numbers)]
    if numbers["wrong"] <= SIGMAS**2:
        return [Finding(TURNED_BY_FEW, held_out.engine, "curves", numbers)]
    late = low >= len(loss) - last or len(loss) < FEWEST_EVALUATIONS
    return [Finding(TURNED, held_out.engine, "curves", numbers)] if falls and not late else []


def wavering(values: Array) -> float:
    """The standard deviation of what is no trend: by the median of |second differences|, which one spike does not move.

    Second differences of noise of size σ have size √6 σ; a median of absolute values is 0.6745 of a normal one's σ.
    """
    second = np.diff(values, 2)
    return float(np.median(np.abs(second)) / 0.6745 / math.sqrt(6)) if len(second) else 0.0


RULES = (
    Rule(
        "Over-fitting: the turn",
        (TURNED, TURNED_A_LITTLE, ENDED_HIGH, NO_TURN, TOO_WILD, TURNED_BY_FEW, FALLS_TO_THE_END),
        turning_points,
        "The median of the last tenth of the held-out losses, three at least, lies above the lowest one by more than "
        "{NOISE} times the noise of the course, {TURN} of that lowest loss and {TURN_OF_START} of the loss before "
        "training; the training loss meanwhile fell; and more than {SIGMAS}² samples are answered wrong, for a rise "
        "that k samples bear has a standard error of about its size over √k. Below {CLEAR} of the lowest loss it is a "
        "fault where training and held-out accuracy are apart as well. The noise is that of second differences: median "
        "|Δ²| / 0.6745 / √6. A loss that ends above its value before training, and {HIGH} times its lowest, is a fault "
        "by itself, whatever the training loss does; one that ends more than {WILD} above its lowest is no small rise: "
        "where the noise hides it, the course is too wild to be judged. A course of fewer than {FEWEST_EVALUATIONS} "
        "evaluations has no turn.",
        {
            "NOISE": NOISE,
            "CLEAR": CLEAR,
            "WILD": WILD,
            "HIGH": HIGH,
            "TURN": TURN,
            "TURN_OF_START": TURN_OF_START,
            "SIGMAS": SIGMAS,
            "FEWEST_EVALUATIONS": FEWEST_EVALUATIONS,
        },
        "Prechelt, *Early stopping, but when?* (1998); the noise as by Gasser, Sroka & Jennen-Steinmetz, *Residual "
        "variance and residual pattern in nonlinear regression* (1986).",
    ),
)
