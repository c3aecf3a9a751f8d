"""A walk as plain values, for `twofold walk --json` and for the run's folder, and a walk from these."""

from __future__ import annotations

import math

import numpy as np

from twofold.arrays import Array
from twofold.plain import Parsed, Plain
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
        **(
            {"class": about.target}
            if isinstance(about.target, int)
            else {"target": [_plain(number) for number in about.target]}
        ),
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
            "gap": _plain(gap),
            "moved_gap": _plain(walk.moved_gap),
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
        "numbers": numbers and {engine: [_plain(number) for number in few] for engine, few in numbers.few.items()},
        "norm": numbers and {engine: _plain(norm) for engine, norm in numbers.norm.items()},
        "gap": numbers and _plain(numbers.gap),
    }


def _window_json(window: Window) -> dict[str, Plain]:
    return {
        "layer": window.layer,
        "channel": window.channel,
        "place": window.place,
        "input_channel": window.shown,
        "input_channels": window.inputs,
        "corner": window.corner,
        "window": json_lists(window.window),
        "inside": window.inside.tolist(),
        "kernel": json_lists(window.kernel),
        "part": _plain(window.part),
        "rest": _plain(window.rest),
        "bias": _plain(window.bias),
        "sum": _plain(window.total),
        "outputs": {engine: _plain(y) for engine, y in window.outputs.items()},
        "gap": _plain(window.gap),
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
        **{key: _number(values[key]) for key in ("part", "rest", "bias")},
        place=tuple(values["place"]),
        inputs=values["input_channels"],
        shown=values["input_channel"],
        corner=tuple(values["corner"]),
        window=np.array(values["window"], np.float64),
        inside=np.array(values["inside"]),
        kernel=np.array(values["kernel"], np.float64),
        outputs={engine: _number(y) for engine, y in values["outputs"].items()},
    )


def _plain(value: float | None) -> float | None:
    """A value for JSON, which has no word for NaN and infinity: these become `None`."""
    return value if value is not None and math.isfinite(value) else None


def json_lists(array: Array) -> list[Plain]:
    """An array as nested lists for JSON, with `None` for NaN and infinity."""
    plain = array.astype(object)
    plain[~np.isfinite(array)] = None
    return plain.tolist()


def _number(value: float | None) -> float:
    return math.nan if value is None else value
