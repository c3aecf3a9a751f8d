"""What is drawn of networks in training, as plain values: bytes of pictures, few numbers, no colours."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import numpy as np

from twofold.arrays import Array
from twofold.data import Dataset, Split
from twofold.engine import Batch, Engine, answered
from twofold.plain import finite
from twofold.probe.boundary import axes
from twofold.recipe import Network, Recipe
from twofold.recipe.network import recurrent_nodes
from twofold.setup.outputs import measured
from twofold.train.evidence import answers as judged
from twofold.train.gradient_flow import flow_batch, measure_flow

GRID = 48
"""Points along each side of the plane."""
UNITS = 32
"""Units of a layer, maps of a layer and filters that are drawn at most."""
LAYERS = 8
MOST_POINTS = 600
MOST_SIDE = 64
"""Pixels along a side of a map."""
MOST_JUDGED = 2000
"""Held-out samples that a live confusion matrix counts."""
MOST_CLASSES = 32
"""Classes of a confusion matrix that is drawn."""
MOST_TIMES = 200
"""Steps of time that are drawn."""
MOST_ANSWERS = 24
"""Right answers of one sequence, one for each step, that are written out."""
FLOW_SAMPLES = 16

Picture = dict[str, object]


def packed(array: Array, low: float | None = None, high: float | None = None) -> Picture:
    """An array as bytes from its lowest to its highest value, base64; what is not finite counts as the lowest."""
    finite = np.where(np.isfinite(array), array, np.nan)
    if not np.isfinite(array).any():
        finite = np.zeros(array.shape)
    low = float(np.nanmin(finite)) if low is None else low
    high = float(np.nanmax(finite)) if high is None else high
    scaled = np.nan_to_num((finite - low) * (255 / (high - low) if high > low else 0.0))
    data = base64.b64encode(np.clip(np.rint(scaled), 0, 255).astype(np.uint8).tobytes()).decode()
    return {"shape": list(array.shape), "low": low, "high": high, "data": data}


def symmetric(array: Array) -> Picture:
    """An array as bytes, with 0 in the middle."""
    finite = np.abs(array[np.isfinite(array)])
    largest = float(finite.max()) if finite.size else 0.0
    return packed(array, -largest, largest)


def is_plane(recipe: Recipe, dataset: Dataset) -> bool:
    """Whether samples are points of a plane, each of one class or with numbers to predict."""
    drawn = recipe.task in ("classification", "regression")
    return drawn and recipe.network.input_shape == (2,) and dataset.train.floats().shape[1:] == (2,)


def span_of(dataset: Dataset) -> tuple[float, float]:
    """The lowest and the highest of the first number to predict, as it is trained on."""
    values = np.concatenate([split.y[:, 0] for _, split in dataset.splits()])
    return float(values.min()), float(values.max())


def axes_of(dataset: Dataset) -> tuple[Array, Array]:
    """The box in which everything is drawn: coordinates of its columns, and of its rows from below."""
    return axes(np.concatenate([split.floats() for _, split in dataset.splits()]), GRID)


def grid_of(dataset: Dataset, dtype: str) -> Array:
    """The points of the plane at which engines are asked, row by row from below, (points, 2)."""
    return np.stack(np.meshgrid(*axes_of(dataset)), axis=-1).reshape(-1, 2).astype(dtype)


def points(dataset: Dataset) -> Picture:
    """The points themselves, each with its class or its first number, and the box in which everything is drawn."""
    x, y = axes_of(dataset)
    _, held_out = dataset.held_out
    parts = {"train": dataset.train, "held_out": held_out}
    drawn = {name: split[:MOST_POINTS] for name, split in parts.items()}
    values = dict[str, Picture]()
    for name, split in drawn.items():
        places = np.round(split.floats().astype(np.float64), 4)
        right = np.round(split.y[:, 0].astype(np.float64), 4) if dataset.targets else split.y
        values[name] = {"x": places.tolist(), "y": right.tolist()}
    numbers = dict(zip(("low", "high"), span_of(dataset), strict=True)) if dataset.targets else None
    return {
        "kind": "points",
        "box": [*map(float, (x[0], x[-1], y[0], y[-1]))],
        "features": list(dataset.features),
        "numbers": numbers and {"name": dataset.targets[0], **numbers},
        **values,
    }


def landscape(engines: Mapping[str, Engine], grid: Array, span: tuple[float, float]) -> Picture:
    """The number that each engine predicts at every point, (1, rows, columns), between the lowest and the highest."""
    predicted = {name: engine.predict(grid)[:, :1].T.reshape(1, GRID, GRID) for name, engine in engines.items()}
    return {"kind": "boundary", "engines": {name: packed(values, *span) for name, values in predicted.items()}}


def boundary(recipe: Recipe, engines: Mapping[str, Engine], grid: Array) -> Picture:
    """The probability of each class at every point, (classes, rows, columns) by engine; of two only the second.

    Outputs that are no probabilities are cut at 1e-6 and divided by their sum.
    """
    pictures = dict[str, Picture]()
    for name, engine in engines.items():
        values, what = measured(recipe.model, engine.predict(grid))
        if what == "output":
            positive = np.clip(values.astype(np.float64), 1e-6, None)
            values = positive / positive.sum(axis=-1, keepdims=True)
        shares = values.T.reshape(-1, GRID, GRID)
        pictures[name] = packed(shares[1:] if len(shares) == 2 else shares[:MOST_CLASSES], 0.0, 1.0)
    return {"kind": "boundary", "engines": pictures}


def units(network: Network, engines: Mapping[str, Engine], grid: Array) -> Picture:
    """Each unit's own map of the plane in each engine, layer by layer, (units, rows, columns)."""
    return {"kind": "units", "engines": {name: _units(network, engine, grid) for name, engine in engines.items()}}


def _units(network: Network, engine: Engine, grid: Array) -> list[Picture]:
    layers = list[Picture]()
    for node, output in zip(network.nodes, engine.outputs(grid), strict=True):
        if output.ndim == 2 and len(layers) < LAYERS:
            maps = output.T[:UNITS].reshape(-1, GRID, GRID)[:, ::2, ::2]
            layers.append({"layer": node.name, "of": output.shape[1], "title": node.kind, **symmetric(maps)})
    return layers


def sample_of(held_out: Split, index: int) -> Split:
    """One held-out sample."""
    return held_out[index : index + 1]


def answer_of(dataset: Dataset, y: Array) -> str:
    """What is right for a sample, or at one of its steps: its class, its numbers, or its labels."""
    if not dataset.targets:
        return dataset.classes[int(y)]
    return ", ".join(f"{name} {value:.4g}" for name, value in zip(dataset.targets[:8], y, strict=False))


def image(network: Network, dataset: Dataset, index: int) -> Picture:
    """The sample with this index as it is drawn: an image, a row of numbers, or a sequence."""
    _, held_out = dataset.held_out
    sample = sample_of(held_out, index)
    x = sample.floats()[0]
    if network.sequences:
        x = x[~np.isnan(x.reshape(len(x), -1)).any(axis=-1)]  # the steps that are there
    shown = _fewer_pixels(x) if network.image_shape else x[:MOST_TIMES]
    right = [answer_of(dataset, y) for y in sample.answers[:MOST_ANSWERS]]
    text = " · ".join(right) + (" · …" if len(sample.answers) > MOST_ANSWERS else "")
    facts = {"kind": "sample", "index": index, "of": len(held_out), "class": text, "steps": sample.each_step}
    facts |= {"image": network.image_shape is not None, "whole": bool((shown == np.rint(shown)).all())}
    return {**facts, **packed(np.asarray(shown, np.float64))}


def answers(recipe: Recipe, engines: Mapping[str, Engine], held_out: Split, index: int) -> Picture:
    """Each engine's answer to the sample with this index; to its last step where every step has an answer."""
    sample = sample_of(held_out, index)
    x = sample.floats().astype(recipe.training.dtype)
    values, what = dict[str, list[float | None]](), ""
    for name, engine in engines.items():
        outputs, what = measured(recipe.model, engine.predict(x))
        outputs = outputs[answered(sample.y)] if sample.each_step else outputs
        values[name] = [finite(float(value)) for value in outputs[-1][:MOST_CLASSES]] if len(outputs) else []
    what += " at the last step" if sample.each_step else ""
    return {"kind": "answers", "index": index, "what": what, "engines": values}


def filters(network: Network, engine: Engine) -> Picture | None:
    """The weights of the first layer that has any, as images of the sample's size or of its kernel's."""
    shape = network.image_shape
    if shape is None:
        return None
    node = next((node for node in network.nodes if "weight" in node.parameters), None)
    if node is None:
        return None
    weight = engine.state().parameters[f"{node.name}.weight"][:UNITS]
    if weight.ndim == 2 and weight.shape[1] == int(np.prod(shape)):
        weight = weight.reshape(-1, *shape)
    if weight.ndim != 4:
        return None
    maps = np.stack([_fewer_pixels(kernel) for kernel in weight])
    return {"kind": "filters", "layer": node.name, "title": node.kind, **symmetric(maps)}


def maps(network: Network, engine: Engine, held_out: Split, index: int, dtype: str) -> Picture | None:
    """What every layer makes of one image, (channels, rows, columns)."""
    outputs = engine.outputs(sample_of(held_out, index).floats().astype(dtype))
    layers = [
        {"layer": node.name, "title": node.kind, "of": output.shape[1], **packed(_fewer_pixels(output[0][:UNITS]))}
        for node, output in zip(network.nodes, outputs, strict=True)
        if output.ndim == 4
    ]
    return {"kind": "maps", "index": index, "layers": layers[:LAYERS]} if layers else None


def _fewer_pixels(maps: Array) -> Array:
    """Every k-th pixel of a large map, (..., rows, columns)."""
    k = -(-max(maps.shape[-2:]) // MOST_SIDE)
    return maps[..., ::k, ::k]


def through_time(recipe: Recipe, engine: Engine, dataset: Dataset, index: int) -> Picture | None:
    """h(t) of one sample, (units, T), and the norm of ∂L/∂h(t) of a few training samples, of each recurrent layer."""
    nodes = recurrent_nodes(recipe.network)
    if not nodes:
        return None
    sample = sample_of(dataset.held_out[1], index)
    traced = engine.trace(Batch(sample.floats().astype(recipe.training.dtype), sample.y, 0.0, {}, 0)).through_time
    flows = measure_flow(engine, recipe.network, flow_batch(dataset.train, FLOW_SAMPLES))
    layers = []
    for node in nodes:
        h, flow = traced[node.name].h[:MOST_TIMES, 0, :UNITS].T, flows[node.name]
        gradient = [finite(float(norm)) for norm in flow.gradient[:MOST_TIMES]]
        facts = {"radius": [finite(float(value)) for value in flow.radius], "gradient": gradient}
        layers.append({"layer": node.name, "title": node.kind, **facts, **packed(h, -1.0, 1.0)})
    return {"kind": "time", "index": index, "layers": layers}


def confusion(recipe: Recipe, engines: Mapping[str, Engine], dataset: Dataset) -> Picture | None:
    """How many held-out samples of each class are taken for which, by engine."""
    names = dataset.classes
    if dataset.targets or len(names) > MOST_CLASSES:
        return None
    split, held_out = dataset.held_out
    part = held_out[:MOST_JUDGED]
    counts = dict[str, list[list[int]]]()
    for name, engine in engines.items():
        taken = judged(engine, part, recipe).argmax(axis=-1)
        counted = np.bincount(part.answers * len(names) + taken, minlength=len(names) ** 2)
        counts[name] = counted.reshape(len(names), len(names)).tolist()
    return {"kind": "confusion", "split": split, "classes": list(names), "engines": counts}
