"""Accounts of convolution: an output pixel is a sum over its window; dx of a pixel is one over all windows on it."""

from __future__ import annotations

from twofold.probe.microscope.account import Account, Along, Axis, Explanation, Factor, Summand, along, places
from twofold.probe.microscope.subject import Explainers, Subject
from twofold.recipe.base import Pair
from twofold.recipe.windows import Conv2d

Window = tuple[Pair, Pair, Pair, Pair]
"""Kernel, stride, padding and dilation."""


def seen(window: Window) -> tuple[Along, Along]:
    """The row and the column of the input under place (u, v) of the window (i, j): i s + u d − p."""
    _, (s, r), (p, q), (d, e) = window
    return along(-p, i=s, u=d), along(-q, j=r, v=e)


def seeing(window: Window) -> tuple[Along, Along]:
    """The window (i, j) whose place (u, v) lies over the row r and the column q of the input: (r + p − u d) / s."""
    _, (down, across), (p, q), (d, e) = window
    return along(p, down, r=1, u=-d), along(q, across, q=1, v=-e)


def conv2d(subject: Subject, spec: Conv2d) -> Explanation:
    """Accounts of a convolution. A channel is a group and a place in it: o and c are counted within a group."""
    (n, channels, rows, columns), (_, _, down, across) = subject.x.shape, subject.y.shape
    (height, width), groups = spec.window[0], spec.groups
    N, g, i, j = Axis("n", n), Axis("g", groups), Axis("i", down), Axis("j", across)
    o, c = Axis("o", spec.channels // groups), Axis("c", channels // groups)
    u, v, r, q = Axis("u", height), Axis("v", width), Axis("r", rows), Axis("q", columns)
    out, into = along(g=o.size, o=1), along(g=c.size, c=1)
    W = Factor("W", "weight", (out, *places((c, u, v))))
    x = Factor("x", "x", (along(n=1), into, *seen(spec.window)))
    dy = Factor("dy", "dy", (along(n=1), out, *places((i, j))))
    above = Factor("dy", "dy", (along(n=1), out, *seeing(spec.window)))
    b = (Summand((Factor("b", "bias", (out,)),)),) if spec.bias else ()
    window = f"x[n, c, {', '.join(map(_place_text, seen(spec.window)))}]"
    accounts = [
        Account(
            "y", f"y[n, o, i, j] = Σ(c, u, v) {window} · W[o, c, u, v]{' + b[o]' if spec.bias else ''}",
            (N, g, o, i, j), subject.y.shape, (Summand((x, W), (c, u, v)), *b), "y",
        ),
        Account(
            "weight", f"∂L/∂W[o, c, u, v] = Σ(n, i, j) dy[n, o, i, j] · {window}",
            (g, o, c, u, v), (spec.channels, c.size, height, width), (Summand((dy, x), (N, i, j)),), "d weight",
        ),
        Account(
            "dx", "dx[n, c, r, q] = Σ(o, u, v) dy[n, o, i, j] · W[o, c, u, v] of the windows (i, j) over (r, q)",
            (N, g, c, r, q), subject.x.shape, (Summand((above, W), (o, u, v)),), "dx",
        ),
    ]  # fmt: skip
    if spec.bias:
        accounts.append(
            Account("bias", "∂L/∂b[o] = Σ(n, i, j) dy[n, o, i, j]", (g, o), (spec.channels,),
                    (Summand((dy,), (N, i, j)),), "d bias")
        )  # fmt: skip
    return Explanation(tuple(accounts), {})


def _place_text(place: Along) -> str:
    """The text of a place: `2 i + u − 1`."""
    text = " + ".join(name if step == 1 else f"{step} {name}" for name, step in place.steps)
    return text if not place.shift else f"{text} − {-place.shift}"


EXPLAINED: Explainers = {
    Conv2d: conv2d,
}
