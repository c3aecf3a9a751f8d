"""Dead and saturated units over training, layer by layer."""

from __future__ import annotations

from twofold.analysis import signal_curves
from twofold.report.drawing import Panel, Picture
from twofold.report.figures.signals import left_out_text, moments_text, signal_legend, signal_panel
from twofold.runs import Run
from twofold.runs.history import PROBE, SATURATED


def pictures(run: Run, image: int | None = None) -> list[Picture]:
    """One figure; none for a run that recorded no signals, or in which no unit was ever dead or saturated."""
    picture = _units(run)
    return [picture] if picture else []


def _units(run: Run) -> Picture | None:
    dead, saturated = signal_curves(run, "dead"), signal_curves(run, "saturated")
    if not any(curve.value.any() for curve in (*dead, *saturated)):
        return None
    count = min(PROBE, run.record.data.samples["train"])
    samples = f"{count:,} training samples"
    if run.recipe.data.endless:
        samples = f"{count:,} samples of those that training accuracy is measured on"
    sleeps, stuck = (any(curve.value.any() for curve in curves) for curves in (dead, saturated))
    panels, words = list[Panel](), list[str]()
    if sleeps:
        label, title = "Units that pass no gradient for any sample", "Dead units"
        panels.append(signal_panel(label, "share of the layer’s units", dead, title=title))
        words.append(
            "the share of units that pass no gradient for any of them, a ReLU by being 0, others by being saturated "
            "throughout"
        )
    if stuck:
        label, title = "Outputs that are saturated", "Saturated outputs"
        panels.append(signal_panel(label, "share of the outputs", saturated, dead, title=title))
        words.append(
            f"the share of outputs with |tanh| or |2σ − 1| above {SATURATED:g}, where the slope is below a tenth"
        )
    caption = f"Over the first {samples}, in evaluation mode: {'; and '.join(words)}"
    never = "" if sleeps else " No unit was dead at any of them."
    caption += f"{moments_text(dead)}.{never}{left_out_text(dead)}"
    return Picture("units", tuple(panels), caption, signal_legend(dead), narrow=len(panels) == 1)
