"""The report of a check: the first wrong tensor, the fault by name, every gap, and the power of the check."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from twofold.plain import Plain, finite
from twofold.proof.check.compared import Gap
from twofold.proof.mistakes.base import Settings

Status = Literal["right", "wrong", "unchecked"]
EXIT = {"right": 0, "wrong": 1, "unchecked": 2}


@dataclass(frozen=True)
class Named:
    """A fault by name, with its evidence."""

    name: str
    """The id in the catalogue, that of a relation, or that of what an engine overlooked: `dense-db-averaged`,
    `relation-transposed`, `engine-samples-unmoved`."""
    sentence: str
    relation: str
    """The evidence as an equation; empty where there is none."""
    hints: tuple[str, ...]
    """Hints of growing detail: where to look, what to ask there, what is wrong."""
    explains: tuple[str, ...] = ()
    """The wrong tensors that it predicts, number for number."""
    open: tuple[str, ...] = ()
    """Wrong tensors that it does not explain."""

    def hint(self, level: int) -> str:
        """The hint of a level. 0: where to look; 1: what to ask there; 2: what is wrong."""
        return self.hints[min(max(level, 0), len(self.hints) - 1)]

    def to_json(self) -> dict[str, Plain]:
        """Plain values."""
        return {
            "name": self.name,
            "sentence": self.sentence,
            "relation": self.relation,
            "hints": list(self.hints),
            "explains": list(self.explains),
            "open": list(self.open),
        }


@dataclass(frozen=True)
class Power:
    """How many known mistakes of the kind would be seen on these inputs."""

    visible: int
    known: int
    invisible: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"on these inputs {self.visible} of {self.known} known mistakes are visible"


@dataclass(frozen=True)
class CheckReport:
    """The verdict on a user's code, from its arrays alone."""

    thing: str
    kind: str
    settings: Settings
    status: Status
    summary: str
    """One sentence: right, what is wrong first, or why nothing could be checked."""
    gaps: tuple[Gap, ...] = ()
    first: Gap | None = None
    """The first wrong tensor, in the order of computation."""
    fault: Named | None = None
    """The fault by name; `None` if no known mistake gives these numbers."""
    faults: tuple[Named, ...] = ()
    """All that were named; the first is `fault`."""
    power: Power | None = None
    reading: str = ""
    """How the object was called, and how its arrays lie."""
    notes: tuple[str, ...] = ()
    errors: Mapping[str, str] | None = None
    """What the code raised, by scene, each with its place in the file."""
    printed: str = ""
    dtype: str = "float64"
    shape: tuple[int, ...] = ()
    """Shape of a sample of a layer."""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether every tensor is right."""
        return self.status == "right"

    @property
    def exit_status(self) -> int:
        """0 right, 1 wrong, 2 could not be checked."""
        return EXIT[self.status]

    def __bool__(self) -> bool:
        return self.ok

    def to_json(self) -> dict[str, object]:
        """Plain values; a gap that is NaN or infinite is `None`."""
        return {
            "thing": self.thing,
            "kind": self.kind,
            "settings": {name: list(v) if isinstance(v, tuple) else v for name, v in self.settings.items()},
            "status": self.status,
            "ok": self.ok,
            "summary": self.summary,
            "first": self.first and _gap_json(self.first),
            "fault": self.fault and self.fault.to_json(),
            "faults": [fault.to_json() for fault in self.faults],
            "tensors": [_gap_json(gap) for gap in self.gaps],
            "power": self.power
            and {"visible": self.power.visible, "known": self.power.known, "invisible": list(self.power.invisible)},
            "reading": self.reading,
            "notes": list(self.notes),
            "errors": dict(self.errors or {}),
            "printed": self.printed,
            "dtype": self.dtype,
            "seconds": round(self.seconds, 3),
        }

    def text(self, hint: int = 2) -> str:
        """The report for a terminal, with as much of the answer as the level of the hint allows."""
        return "\n".join(_lines(self, hint))

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        head = f"<b>{html.escape(self.thing)}: {html.escape(self.summary)}</b>"
        named = "".join(
            f"<p>{html.escape(fault.sentence)} <code>{html.escape(fault.relation)}</code></p>" for fault in self.faults
        )
        rows = "".join(
            f"<tr><td>{html.escape(gap.tensor)}</td><td>{_size(gap.size)}</td><td>{_size(gap.tolerance)}</td>"
            f"<td>{'' if gap.control is None else _size(gap.control)}</td>"
            f"<td>{'right' if gap.ok else 'wrong'}</td></tr>"
            for gap in self.gaps
        )
        table = (
            "<table><tr><th>tensor</th><th>largest gap</th><th>allowed</th><th>rolled by one</th><th></th></tr>"
            f"{rows}</table>"
            if rows
            else ""
        )
        return f"{head}{named}{table}<p>{html.escape(str(self.power or ''))}</p>"


def _gap_json(gap: Gap) -> dict[str, Plain]:
    values = asdict(gap)
    for name in ("size", "yours", "right", "control", "tolerance"):
        values[name] = finite(values[name])
    return {**values, "index": None if gap.index is None else list(gap.index), "ok": gap.ok}


def _size(size: float) -> str:
    return f"{size:.1e}" if math.isfinite(size) else "NaN" if math.isnan(size) else "∞"


def element(gap: Gap) -> str:
    """The text of a gap: `dW, element (3, 5): yours 0.12, right 0.34`."""
    if gap.note:
        return gap.note
    if gap.index is None or gap.yours is None or gap.right is None:
        return gap.tensor
    place = f", element ({', '.join(map(str, gap.index))})" if gap.index else ""
    return f"{gap.tensor}{place}: yours {gap.yours:.6g}, right {gap.right:.6g}"


def _lines(report: CheckReport, hint: int) -> list[str]:
    verdict = "could not be checked" if report.status == "unchecked" else report.status
    lines = [f"{report.thing} against {report.kind}: {verdict}"]
    if report.status == "unchecked":
        lines.append(f"  {report.summary}")
    if report.first is not None:
        lines.append(
            f"  first wrong tensor: {element(report.first)}"
            + (f" (in {report.first.scene})" if report.first.scene else "")
        )
    for scene, error in list((report.errors or {}).items())[:3]:
        lines.append(f"  {scene}: {error}")
    if report.status == "wrong":
        lines += _named_lines(report, hint)
    if report.gaps:
        lines.append("")
        lines.append(f"  {'tensor':<14}{'largest gap':>12}{'allowed':>10}{'rolled by one':>15}")
        lines += [
            f"  {gap.tensor:<14}{_size(gap.size):>12}{_size(gap.tolerance):>10}"
            f"{_size(gap.control) if gap.control is not None else '':>15}  {'' if gap.ok else 'wrong'}".rstrip()
            for gap in report.gaps
        ]
    lines += [""] if report.power or report.reading or report.notes else []
    lines += [f"  {report.power}"] if report.power else []
    lines += [f"  read as: {report.reading}"] if report.reading else []
    lines += [f"  note: {note}" for note in report.notes]
    if report.printed:
        lines += ["  printed by the code:", *(f"  | {line}" for line in report.printed.splitlines()[:12])]
    return lines


def _named_lines(report: CheckReport, hint: int) -> list[str]:
    if not report.faults:
        if report.first is None:
            return []
        return ["  no known mistake gives these numbers; compare the line that computes " + report.first.tensor]
    lines = []
    for fault in report.faults:
        if hint >= 2:
            lines.append(f"  {fault.name}: {fault.sentence}" + (f"  [{fault.relation}]" if fault.relation else ""))
            lines.append(f"    predicts {', '.join(fault.explains)} number for number")
        else:
            lines.append(f"  hint: {fault.hint(hint)}")
    left = report.faults[-1].open
    return (
        [*lines, f"  beside it {', '.join(left)} is wrong in a way of its own: mend this first, and check again"]
        if left
        else lines
    )
