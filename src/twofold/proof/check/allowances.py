"""Allowances for a user's object: what it may do in its own way or leave out, as masks, statistics, float64."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from twofold.arrays import Array
from twofold.proof.check import inputs
from twofold.proof.check.compared import Gap, Run
from twofold.proof.check.crossing import Played
from twofold.proof.check.report import Named
from twofold.proof.check.subject import Subject, right
from twofold.proof.mistakes import Scene, Tensors
from twofold.proof.mistakes.base import number


def as_played(subject: Subject, plan: Played) -> Subject:
    """The subject as the object was played: an optimizer at one fixed rate, or a GRU with a single bias."""
    if subject.kind == "gru" and plan.one_bias:
        alone = [
            replace(s, arrays={n: 0 * a if n == "bias_hh" else a for n, a in s.arrays.items()}) for s in subject.scenes
        ]
        return replace(subject, scenes=tuple(alone))
    if subject.section == "optimizer" and plan.constant_rate:
        scenes = inputs.optimizer_scenes(subject.settings, constant_rate=True)
        return replace(subject, scenes=tuple(scenes))
    return subject


KINKS = {
    "exact zeros": lambda x: x == 0,
    "ties": lambda x: np.ones(x.shape, bool),
}
"""Scenes with kinks, and where in x they are: there the slope may be that of either side, or shared in a tie."""


def at_kinks(subject: Subject, yours: list[dict[str, Array]], expected: list[Tensors]) -> bool:
    """Replace autograd's slope at a kink, which nobody wrote, by ours. Returns whether it differed from ours."""
    differs = False
    for scene, mine, theirs in zip(subject.scenes, yours, expected, strict=False):
        if scene.name in KINKS and "dx" in mine and "dx" in theirs and mine["dx"].shape == theirs["dx"].shape:
            kinks = KINKS[scene.name](scene.arrays["x"]) & np.isfinite(mine["dx"])
            differs = differs or not np.allclose(mine["dx"][kinks], theirs["dx"][kinks])
            mine["dx"] = np.where(kinks, theirs["dx"], mine["dx"])
    return differs


def underflows(subject: Subject, yours: list[dict[str, Array]], expected: list[Tensors]) -> bool:
    """Replace a loss that is infinite only at large logits, where its gradient is finite, by ours.

    Such a loss takes the logarithm of a probability that rounds to 0. Returns whether there was one.
    """
    infinite = False
    for scene, mine, theirs in zip(subject.scenes, yours, expected, strict=False):
        finite = "dz" in mine and bool(np.isfinite(mine["dz"]).all())
        if subject.kind == "cross_entropy" and scene.name == "large logits" and finite and "loss" in mine:
            infinite = bool(np.isposinf(mine["loss"]).all())
            mine["loss"] = theirs["loss"] if infinite else mine["loss"]
    return infinite


def judged_by_its_masks(
    subject: Subject, yours: list[dict[str, Array]], expected: list[Tensors]
) -> tuple[Subject, list[Tensors], float | None]:
    """The subject and right tensors with the masks that a dropout drew itself, as its y shows them.

    The third value is the share of elements that it drops, if that differs from p beyond chance, else `None`.
    """
    p = number(subject.settings, "p", 0.5)
    agree = all(
        "y" in mine and mine["y"].shape == theirs["y"].shape and np.array_equal(mine["y"] != 0, theirs["y"] != 0)
        for scene, mine, theirs in zip(subject.scenes, yours, expected, strict=False)
        if scene.training
    )
    if agree:
        return subject, expected, None
    scenes = []
    dropped = elements = 0
    for scene, mine in zip(subject.scenes, yours, strict=False):
        y = mine.get("y")
        if y is not None and y.shape == scene.arrays["x"].shape:
            passed_on = (y != 0).astype(float)
            if scene.training:
                dropped += int((passed_on == 0).sum())
                elements += passed_on.size
            drawn = scene.training or not passed_on.all()
            held = {**scene.arrays, "mask": passed_on} if drawn else scene.arrays
            scene = replace(scene, arrays=held, facts={**scene.facts, "own_mask": True})
        scenes.append(scene)
    scenes += subject.scenes[len(scenes) :]
    spread = 4.5 * math.sqrt(max(elements, 1) * max(p * (1 - p), 1e-9))
    if not 0 < dropped < elements:
        return subject, expected, None
    changed = replace(subject, scenes=tuple(scenes))
    share = dropped / elements if abs(dropped - p * elements) > spread else None
    return changed, right(changed), share


def wrong_share(share: float, p: float) -> tuple[Gap, Named]:
    """The gap and the fault of a dropout that drops another share than p."""
    note = f"y: {share:.0%} of the elements are dropped, where p is {p:g}"
    turned = abs(share - (1 - p)) < abs(share - p)
    told = "p is taken for the share that is kept" if turned else "The share that is dropped is not p"
    sentence = f"{told}: {share:.0%} of the elements are dropped, where p = {p:g}."
    name = "dropout-keeps-p" if turned else "dropout-another-share"
    hints = ("The line that draws the mask.", "What is p: dropped, or kept?", sentence)
    return Gap("y", math.inf, 0.0, note=note), Named(name, sentence, "", hints, ("y",))


def absences(subject: Subject, yours: Run, expected: list[Tensors], plan: Played) -> tuple[list[str], frozenset[str]]:
    """Notes, and the tensors that an object may leave out: running statistics, or every gradient without a backward."""
    present = {name for tensors in yours for name in tensors}
    wanted = dict.fromkeys(name for tensors in expected for name in tensors)
    lead = next(iter(wanted))
    missing = [name for name in wanted if name not in present]
    notes = list[str]()
    statistics = {"running_mean", "running_var"}
    allowed = statistics & set(missing)
    behind = set(wanted) - statistics - {lead}
    if lead in present and behind <= set(missing) and not plan.errors:
        allowed |= set(missing)
        if behind:
            notes.append("there is no way back: forward alone was checked")
    elif (
        "dx" in missing
        and not plan.errors
        and subject.section == "layers"
        and len(present) > 1
        and subject.kind in ("embedding", "embed_columns")
    ):
        allowed.add("dx")
    if {"running_mean", "running_var"} & set(missing):
        notes.append("it keeps no running statistics that could be read: they were not checked")
    return notes, frozenset(allowed)


def evaluation_skipped(subject: Subject, yours: Run, errors: dict[str, str]) -> list[str]:
    """The scenes of evaluation skipped because a batch norm shows no running statistics; drops their errors."""
    if subject.kind != "batch_norm":
        return []
    if any("running_mean" in tensors for tensors in yours):
        return []
    skipped = [scene.name for scene in subject.scenes if not scene.training]
    for name in skipped:
        errors.pop(name, None)
    return skipped


def without_scenes(
    names: Sequence[str], subject: Subject, yours: Sequence[Tensors], expected: list[Tensors]
) -> tuple[list[Scene], list[Tensors], list[Tensors]]:
    """All scenes but those of `names`, with the tensors of each; a scene that was not played has none."""
    left = [i for i, scene in enumerate(subject.scenes) if scene.name not in names]
    padded = [*yours, *({} for _ in range(len(subject.scenes) - len(yours)))]
    return [subject.scenes[i] for i in left], [padded[i] for i in left], [expected[i] for i in left]


def in_single(yours: Run) -> bool:
    """Whether the numbers were computed in float32: they have that type, or are float64 that float32 holds exactly."""
    arrays = [
        tensor for tensors in yours for tensor in tensors.values() if tensor.size > 1 and np.isfinite(tensor).all()
    ]
    if any(tensor.dtype == np.float32 for tensor in arrays):
        return True
    telling = [t for t in arrays if not np.array_equal(t, np.round(t))]
    return bool(telling) and all(np.array_equal(t, t.astype(np.float32).astype(float)) for t in telling)
