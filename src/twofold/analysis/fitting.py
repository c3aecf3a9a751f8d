"""Over-fitting and under-fitting: from accuracies with their sampling error, and losses with their noise."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from twofold.analysis import thresholds as t
from twofold.analysis.curves import Curve, counted, curves
from twofold.analysis.finding import Finding
from twofold.analysis.results import gaps, held_out_shares
from twofold.arrays import Array
from twofold.runs import Run


def standard_error(accuracy: float, samples: int) -> float:
    """Of a share of `samples` independent answers, binomial: √(p (1 − p) / n), p drawn a little to the middle.

    p = (k + 2) / (n + 4), so that an accuracy of 1 has an error too. Agresti & Coull, Approximate is better
    than "exact" for interval estimation of binomial proportions (1998).
    """
    p = (accuracy * samples + 2) / (samples + 4)
    return math.sqrt(p * (1 - p) / (samples + 4))


def judged(run: Run, split: str) -> int:
    """The samples that an accuracy is one of."""
    samples, most = run.record["data"]["samples"][split], run.recipe.training.evaluate_samples
    return min(most, samples) if most and split == "train" else samples


def _others(run: Run) -> dict[str, int]:
    """Of samples drawn anew at every step, how many others stand for them: a number of what training accuracy is in."""
    return {"others": judged(run, "train")} if run.recipe.data.endless else {}


def over_fitting(run: Run) -> list[Finding]:
    """The gap between training and held-out accuracy, and where the held-out loss turned."""
    found, drawn = list[Finding](), {(curve.engine, curve.split): curve for curve in curves(run)}
    trained = judged(run, "train")
    for gap in gaps(run):
        samples = judged(run, gap.split)
        error = math.hypot(standard_error(gap.train, trained), standard_error(gap.held_out, samples))
        numbers = {"split": gap.split, "train": gap.train, "held": gap.held_out, "gap": gap.size, "error": error}
        numbers |= _others(run)
        over = gap.size >= t.GAP and gap.size > t.SIGMAS * error
        held, train = drawn.get((gap.engine, gap.split)), drawn.get((gap.engine, "train"))
        seen = "gap" if held is not None and len(held.x) > 2 else "curves" if held is not None else ""
        found.append(Finding("over_fits" if over else "no_gap", gap.engine, over, seen, numbers))
        if held is not None and train is not None:
            turns = turning(held, train, counted(run), samples)
            found += [replace(turn, numbers={**turn.numbers, **_others(run)}) for turn in turns]
    return found


def turning(held: Curve, train: Curve, unit: str, samples: int) -> list[Finding]:
    """A loss that rose again while that of the training samples went on falling, by more than it wavers.

    What bears such a rise are the samples that are answered wrong, ever more surely. A sum over k of them has a
    standard error of about its size over √k: k must be more than the square of the standard errors that are asked for.
    """
    loss, fallen = held.loss, train.loss
    if not (np.isfinite(loss).all() and np.isfinite(fallen).all()):
        return []
    low = int(loss.argmin())
    last = max(3, len(loss) // 10)
    numbers = {"split": held.split, "unit": unit, "at": float(held.x[low]), "loss": float(loss[low])}
    numbers["wrong"] = round((1 - float(held.accuracy[-1])) * samples)
    numbers |= {"last": float(loss[-1]), "train_then": float(fallen[low]), "train_last": float(fallen[-1])}
    rise = float(np.median(loss[-last:]) - loss[low])
    least = max(t.NOISE * wavering(loss), t.TURN * float(loss[low]), t.TURN_OF_START * float(loss[0]))
    if low == len(loss) - 1:
        return [Finding("falls_to_the_end", held.engine, False, "curves", numbers)]
    if rise <= least or numbers["wrong"] <= t.SIGMAS**2:
        kind = "no_turn" if rise <= least else "turned_by_few"
        return [Finding(kind, held.engine, False, "curves", numbers)]
    # Together with the training loss it is no over-fitting: the rate is judged by that.
    falls = np.median(fallen[-last:]) < fallen[low]
    late = low >= len(loss) - last or len(loss) < t.FEWEST_EVALUATIONS
    return [Finding("turned", held.engine, True, "curves", numbers)] if falls and not late else []


def wavering(values: Array) -> float:
    """The standard deviation of what is no trend: by the median of |second differences|, which one spike does not move.

    Second differences of noise of size σ have size √6 σ; a median of absolute values is 0.6745 of a normal one's σ.
    """
    second = np.diff(values, 2)
    return float(np.median(np.abs(second)) / 0.6745 / math.sqrt(6)) if len(second) else 0.0


def learned(run: Run, engine: str) -> float | None:
    """Of what the most frequent class as an answer gets wrong, the share that is right on the training samples."""
    shares = held_out_shares(run)
    if engine not in run.engines or shares is None or shares.max() >= 1:
        return None
    base = float(shares.max())
    return (run.engines[engine]["train_accuracy"] - base) / (1 - base)


def under_fitting(run: Run) -> list[Finding]:
    """Training samples that the network does not even answer half as well as it could."""
    found, losses = list[Finding](), {curve.engine: curve for curve in curves(run) if curve.split == "train"}
    shares = held_out_shares(run)
    for engine, result in run.engines.items():
        share = learned(run, engine)
        if share is None or shares is None:
            continue
        base, accuracy, split = float(shares.max()), result["train_accuracy"], run.record["data"]["held_out"]
        numbers = {"train": accuracy, "base": base, "share": share, "split": split, **_others(run)}
        if engine not in losses:
            continue
        loss = losses[engine].loss
        numbers |= {"first": float(loss[0]), "last": float(loss[-1]), "falling": still_falling(loss)}
        held = result[f"{split}_accuracy"]
        under = share < t.LEARNED
        chance = {part: base + t.SIGMAS * standard_error(base, judged(run, part)) for part in ("train", split)}
        if under and held is not None and held <= chance[split] and accuracy <= chance["train"]:
            found.append(Finding("learned_nothing", engine, True, "curves", numbers | {"held": held}))
        elif under or numbers["last"] < numbers["first"]:
            found.append(Finding("under_fits" if under else "learned", engine, under, "curves", numbers))
    return found


def still_falling(loss: Array) -> bool:
    """Whether the last fifth of the course brings a share of the whole fall that says it is not over."""
    fall, before = loss[0] - loss.min(), loss[: max(1, len(loss) - len(loss) // 5 - 1)].min()
    return bool(fall > 0 and before - loss[-1] > t.STILL_FALLING * fall)
