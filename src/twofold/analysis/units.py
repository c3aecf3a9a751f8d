"""Units that pass no gradient, and gradients that fade or grow on their way, through layers and through time."""

from __future__ import annotations

import numpy as np

from twofold.analysis import thresholds as t
from twofold.analysis.finding import Finding
from twofold.analysis.fitting import learned
from twofold.analysis.signals import Course, courses, kept_step
from twofold.analysis.through_time import time_flows
from twofold.recipe.layers import Relu
from twofold.recipe.recurrent import Recurrent, Rnn
from twofold.runs import Run


def sleeping(run: Run) -> list[Finding]:
    """Dead and saturated units, layer by layer; without any, the largest share. The last layer may saturate."""
    found, last = list[Finding](), run.recipe.network.nodes[-1].name
    saturated = {_place(course): course for course in courses(run, "saturated")}
    asleep = [course for course in courses(run, "dead") if course.layer != last]
    for engine in dict.fromkeys(course.engine for course in asleep):
        own, faults = [course for course in asleep if course.engine == engine], list[Finding]()
        for course in own:
            numbers = {"before": float(course.value[0]), "after": course.at(kept_step(run, engine))}
            numbers |= {"units": _units(run, course.layer), "kind": course.kind, "gate": course.part}
            if _relu(run, course.layer):
                if numbers["after"] >= t.DEAD:
                    faults.append(Finding("dead", engine, True, "units", numbers, course.layer))
                continue
            share = saturated[_place(course)]
            numbers |= {"share_before": float(share.value[0]), "share_after": share.at(kept_step(run, engine))}
            if numbers["share_before"] >= t.SATURATED_START:
                faults.append(Finding("saturated_at_start", engine, True, "units", numbers, course.layer))
            elif numbers["after"] >= t.DEAD:
                faults.append(Finding("stuck", engine, True, "units", numbers, course.layer))
        found += faults or [_awake(run, engine, own)]
    return found


def _awake(run: Run, engine: str, own: list[Course]) -> Finding:
    most = max(own, key=lambda course: course.at(kept_step(run, engine)))
    numbers = {"after": most.at(kept_step(run, engine)), "units": _units(run, most.layer), "kind": most.kind}
    relu = _relu(run, most.layer)
    return Finding("awake" if relu else "unsaturated", engine, False, "units", numbers, most.layer)


def through_depth(run: Run) -> list[Finding]:
    """The gradient of each weight beside that of the last layer's, by the median over training."""
    found, all_of = list[Finding](), courses(run, "gradient")
    for engine in dict.fromkeys(course.engine for course in all_of):
        own = [course for course in all_of if course.engine == engine]
        if len({course.layer for course in own}) < 2:
            continue
        last = own[-1]
        for course in own[:-1]:
            if course.layer == last.layer or len(course.value) != len(last.value):
                continue
            both = (course.value > 0) & (last.value > 0)
            if not both.any():
                continue
            share = float(np.median(course.value[both] / last.value[both]))
            kind = "fades_in_depth" if share < t.DEPTH else "grows_in_depth" if share > 1 / t.DEPTH else ""
            if kind:
                numbers = {"share": share, "last": last.layer, "here": _middle(course), "there": _middle(last)}
                found.append(Finding(kind, engine, True, "gradients", numbers, course.layer))
                break  # the first layer is the furthest from the loss; those between are between
        else:
            norms = [_middle(course) for course in own if (course.value > 0).any()]
            if norms:
                numbers = {"least": min(norms), "most": max(norms)}
                found.append(Finding("even_in_depth", engine, False, "gradients", numbers))
    return found


def through_steps(run: Run) -> list[Finding]:
    """The gradient through time, where the last step alone is read: else it arrives at every step from above."""
    found = list[Finding]()
    for flow in time_flows(run):
        if flow.every or flow.gradient.shape[1] < 2:
            continue
        verdict, share = flow.verdict(flow.after), learned(run, flow.engine)
        numbers = {"carried": float(flow.carried[flow.after]), "before": float(flow.carried[0])}
        numbers |= {"steps": flow.gradient.shape[1], "factor": flow.factor(flow.after), "share": share}
        solved = share is not None and share >= t.SOLVED
        kind = {"vanishes": "vanishes", "explodes": "explodes", "overflows": "overflows"}.get(verdict, "")
        if kind and not solved:
            found.append(Finding(kind, flow.engine, True, f"through-time-{flow.layer}", numbers, flow.layer))
        elif verdict == "is carried":
            found.append(Finding("carried", flow.engine, False, f"through-time-{flow.layer}", numbers, flow.layer))
    return found


def _middle(course: Course) -> float:
    return float(np.median(course.value[course.value > 0])) if (course.value > 0).any() else 0.0


def _relu(run: Run, layer: str) -> bool:
    spec = run.recipe.network.nodes[int(layer)].spec
    return isinstance(spec, Relu) or (isinstance(spec, Rnn) and spec.nonlinearity == "relu")


def _units(run: Run, layer: str) -> int | None:
    node = run.recipe.network.nodes[int(layer)]
    if isinstance(node.spec, Recurrent):
        return node.spec.units
    return node.output_shape[0] if len(node.output_shape) == 3 else node.output_shape[-1]


def _place(course: Course) -> tuple[str, str, str]:
    return course.engine, course.layer, course.part
