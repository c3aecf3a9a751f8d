"""Training accuracy minus held-out accuracy against the length of training: how far a network over-fits."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import FigureBase

from twofold.analysis import GapCurve, counted, curves, gap_curves
from twofold.report.axes import PALE, THIN, plain_ticks, thinned
from twofold.report.drawing import GREY, PURPLE, Key, Panel, Picture
from twofold.report.text import ENGINES, SPLITS, of_data, quality_word, seen
from twofold.runs import Run


def pictures(run: Run, image: int | None = None) -> list[Picture]:
    """One figure; none where too few evaluations were made, nothing is held out, or there never was a gap."""
    gaps, unit = gap_curves(curves(run)), counted(run)
    word = quality_word(run)
    if not any(gap.gap.any() for gap in gaps):
        return []
    return [gap_picture(gaps, unit, gap_caption(gaps, unit, of_data(run), seen(run), word), word)]


def gap_picture(gaps: Sequence[GapCurve], unit: str, caption: str, quality: str = "accuracy") -> Picture:
    """Training accuracy, or R², minus the held-out one. The first engine is a thick pale line, the other a thin one."""
    looks = [PALE, THIN] if len(gaps) > 1 else [THIN]

    def draw(figure: FigureBase) -> None:
        axes = figure.subplots()
        axes.axhline(0, color=GREY, linewidth=0.8)
        for gap, look in zip(gaps, looks, strict=True):
            step_slice = thinned(gap)
            axes.plot(gap.x[step_slice], gap.gap[step_slice], color=PURPLE, **look)
        axes.set(xlabel=unit, ylabel=f"training − {SPLITS[gaps[0].split]}", xlim=(0, max(gap.x[-1] for gap in gaps)))
        plain_ticks(axes)

    who = " and ".join(ENGINES[gap.engine] for gap in gaps)
    panel = Panel(f"Training {quality} minus {SPLITS[gaps[0].split]} {quality} against {unit}, {who}", 5.6, 2.3, draw)
    names = [f"{ENGINES[gap.engine]} ({how})" for gap, how in zip(gaps, ("wide, pale", "thin"), strict=False)]
    signs = zip(names, looks, strict=True) if len(gaps) > 1 else ()
    legend = tuple(Key(name, look | {"color": PURPLE}) for name, look in signs)
    return Picture("gap", (panel,), caption, legend, narrow=True)


def gap_caption(
    gaps: Sequence[GapCurve], unit: str, of: str = "", trained_on: str = "it has seen", quality: str = "accuracy"
) -> str:
    """The gap at the end and where it was largest, said once where both engines have the same numbers."""
    split = SPLITS[gaps[0].split]
    engines_by_text: dict[str, list[str]] = {}
    for gap in gaps:
        at, largest = gap.largest
        text = f"the gap was largest, {_signed(largest)}, at {unit} {at:,g} and ended at {_signed(float(gap.gap[-1]))}"
        engines_by_text.setdefault(text, []).append(ENGINES[gap.engine])
    who = {text: "both engines" if len(engines) > 1 else engines[0] for text, engines in engines_by_text.items()}
    where = f" on samples{of}" if of else ""
    begin = (
        f"Training {quality} minus {split} {quality}{where} against {unit}: above 0 the network does better on what "
    )
    begin += f"{trained_on}."
    return " ".join([begin, *(f"In {who[text]} {text}." for text in engines_by_text)])


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")
