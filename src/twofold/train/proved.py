"""The comparison of both engines at the end of a run: a short lock-step, and where rounding parted their trainings."""

from __future__ import annotations

import numpy as np

from twofold.arrays import Arrays
from twofold.engines import COMPARED
from twofold.errors import TwofoldError
from twofold.plain import Parsed
from twofold.proof.beside import Parting, parting, short_proof
from twofold.proof.lockstep import Verdict
from twofold.runs.agreement import Lockstep, PartedByRounding, beyond_chance
from twofold.setup.events import Noted, Progressed, Started
from twofold.train.session import Session


def prove(session: Session) -> None:
    """Write the comparison of both engines into the record; if it cannot be made, the watcher is told why."""
    if not set(COMPARED) <= session.writer.record.engines.keys() or len(COMPARED) > len(session.writer.record.engines):
        return
    try:
        lockstep = _lockstep(short_proof(session.recipe, session.dataset))
        parted = _parted(session)
    except (TwofoldError, MemoryError) as error:
        session.watch(Noted(f"the engines were not compared in lock-step: {error or 'memory does not suffice'}"))
        return
    session.writer.proved(lockstep, parted)
    if not lockstep.agrees:
        session.watch(Noted(f"the engines do not compute the same: see `twofold verify {session.recipe.name}`"))


def _parted(session: Session) -> PartedByRounding | None:
    """Where rounding parted the trainings; looked for, by another training, only if answers differ beyond chance."""
    if not _differ(session.evidence):
        return None
    steps = session.writer.record.engines[COMPARED[0]].steps
    session.watch(Started("verify", steps))
    part = parting(session.recipe, session.dataset, lambda step: session.watch(Progressed(step)))
    return None if part is None else _recorded(part)


def _differ(evidence: Arrays) -> bool:
    """Whether one engine alone answers more held-out samples right than chance would have it."""
    answers = [evidence.get(f"{name}.predicted") for name in COMPARED]
    target = evidence.get("target")
    if target is None or target.ndim != 1 or target.dtype.kind not in "iu":
        return False
    right = [answer == target for answer in answers if answer is not None and answer.shape == target.shape]
    if len(right) < len(COMPARED):
        return False
    first, second = right
    return beyond_chance(int(np.sum(first & ~second)), int(np.sum(second & ~first)))


def _lockstep(verdict: Verdict) -> Lockstep:
    facts: dict[str, Parsed] = verdict.to_json()
    return Lockstep.model_validate(facts)


def _recorded(parting: Parting) -> PartedByRounding:
    return PartedByRounding(
        step=parting.step,
        gap=parting.gap,
        growth=parting.growth,
        twin_step=parting.twin_step,
        lockstep=_lockstep(parting.lockstep),
    )
