"""A walk as plain values, for `twofold walk --json` and for the run's folder, and a walk from these."""

from __future__ import annotations

import math

import numpy as np

from twofold.plain import Parsed, Plain, finite, without_nan
from twofold.probe.rows import Numbers, Row
from twofold.probe.walk import About, LayerFacts, Walk
from twofold.probe.window import Window
from twofold.proof.ties import Ties


def walk_json(walk: Walk) -> dict[str, Plain]:
    """A walk as plain values. NaN and infinity are `None`."""
    about, gap = walk.about, walk.gap
    return {
        "recipe": about.recipe,
        "run": about.run or None,
        "weights": about.weights,
        "data": about.data,
        "split": about.split,
        "sample": about.sample,
        **({"class": about.target} if isinstance(about.target, int) else {"target": without_nan(about.target)}),
        "batch": {"first": about.first, "samples": about.samples},
        "dtype": about.dtype,
        "layers": [
            {"name": layer.name, "kind": layer.kind, "parameters": layer.parameters, "held": dict(layer.held)}
            for layer in walk.layers
        ],
        "forward": [_row_json(row) for row in walk.forward],
        "backward": [_row_json(row) for row in walk.backward],
        "windows": [_window_json(window) for window in walk.windows],
        "totals": {
            "parameters": walk.parameters,
            "multiply_adds": walk.multiply_adds,
            "held": walk.held,
            "gap": finite(gap),
            "moved_gap": finite(walk.moved_gap),
        },
        "ties": [tie._asdict() for tie in walk.ties],
    }


def walk_from_json(values: dict[str, Parsed]) -> Walk:
    """The walk that `walk_json` wrote, without its arrays."""
    about = About(
        recipe=values["recipe"],
        run=values["run"] or "",
        weights=values["weights"],
        data=values["data"],
        split=values["split"],
        sample=values["sample"],
        target=values["class"] if "class" in values else tuple(map(_number, values["target"])),
        first=values["batch"]["first"],
        samples=values["batch"]["samples"],
        dtype=values["dtype"],
    )
    layers = [LayerFacts(**layer) for layer in values["layers"]]
    forward, backward = ([_row(row) for row in values[way]] for way in ("forward", "backward"))
    windows = [_window(window) for window in values["windows"]]
    return Walk(about, layers, forward, backward, windows, [Ties(**tie) for tie in values["ties"]])


def _row_json(row: Row) -> dict[str, Plain]:
    numbers = row.numbers
    return {
        "layer": row.layer,
        "kind": row.kind,
        "equation": row.equation,
        "shapes": row.shapes,
        "multiply_adds": row.multiply_adds,
        "step": row.step,
        "gives": numbers and numbers.name,
        "numbers": numbers and {engine: [finite(number) for number in few] for engine, few in numbers.few.items()},
        "norm": numbers and {engine: finite(norm) for engine, norm in numbers.norm.items()},
        "gap": numbers and finite(numbers.gap),
    }


def _window_json(window: Window) -> dict[str, Plain]:
    return {
        "layer": window.layer,
        "channel": window.channel,
        "place": window.place,
        "input_channel": window.shown,
        "input_channels": window.inputs,
        "corner": window.corner,
        "window": without_nan(window.window.tolist()),
        "inside": window.inside.tolist(),
        "kernel": without_nan(window.kernel.tolist()),
        "part": finite(window.part),
        "rest": finite(window.rest),
        "bias": finite(window.bias),
        "sum": finite(window.total),
        "outputs": without_nan(window.outputs),
        "gap": finite(window.gap),
    }


def _row(values: dict[str, Parsed]) -> Row:
    numbers = None
    if values["numbers"] is not None:
        few = {engine: tuple(map(_number, few)) for engine, few in values["numbers"].items()}
        norm = {engine: _number(norm) for engine, norm in values["norm"].items()}
        gap = None if len(few) == 1 else _number(values["gap"])
        numbers = Numbers(values["gives"], few, norm, gap)
    keys = ("layer", "kind", "equation", "shapes", "multiply_adds", "step")
    return Row(**{key: values[key] for key in keys}, numbers=numbers)


def _window(values: dict[str, Parsed]) -> Window:
    return Window(
        layer=values["layer"],
        channel=values["channel"],
        place=tuple(values["place"]),
        inputs=values["input_channels"],
        shown=values["input_channel"],
        corner=tuple(values["corner"]),
        window=np.array(values["window"], float),
        inside=np.array(values["inside"]),
        kernel=np.array(values["kernel"], float),
        part=_number(values["part"]),
        rest=_number(values["rest"]),
        bias=_number(values["bias"]),
        outputs={engine: _number(output) for engine, output in values["outputs"].items()},
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else value
