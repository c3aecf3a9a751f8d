"""Feature maps: the output of each layer for one image, from an engine that is restored from its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.errors import UserError
from twofold.recipe import Node
from twofold.recipe.dense import Dropout
from twofold.recipe.norms import Normalization
from twofold.recipe.pooling import AvgPool2d, MaxPool2d
from twofold.recipe.windows import Conv2d
from twofold.runs import Run
from twofold.runs.evidence import evidence, kept_scaling
from twofold.setup.outputs import measured

MOST_CHANNELS = 8
MOST_LAYERS = 13


class Chosen(NamedTuple):
    """The image that is shown: `image` as the data hold it, `x` as the network sees it, `true` its class, if any."""

    image: Array
    x: Array
    true: int | None


@dataclass(frozen=True)
class LayerMaps:
    """The output of a layer for one image, in evaluation mode."""

    node: Node
    channels: Array
    """The numbers of the channels that are shown, ascending."""
    maps: Array
    """The output of each shown channel, (channels, height, width)."""


@dataclass(frozen=True)
class FeatureMaps:
    """The feature maps of one image, layer by layer."""

    engine: str
    index: int
    """Its place among the samples held out, from 0."""
    image: Array
    """(channels, height, width), as the data hold it."""
    true: int | None
    """Its class; `None` where it has numbers or labels."""
    layers: list[LayerMaps]
    left_out: int
    """How many layers with maps are not shown."""
    outputs: Array
    """Outputs of the last layer, (classes,); or one for each number or label, numbers as they are trained on."""
    measure: str
    """What `outputs` hold: `probability` or `output`."""


def feature_maps(run: Run, index: int | None = None) -> FeatureMaps | None:
    """The maps of the held-out image number `index`, by default 0, in the first engine that finished.

    `None` where there is nothing to show: no images, no convolution, no engine that finished, or no `index` and no
    image in the folder that the network could be given.

    Raises `UserError` for an image that is asked for and cannot be had.
    """
    if index is not None:
        _check(run, index)
    chosen = _chosen(run, index or 0, index is not None) if _convolves_images(run) else None
    if chosen is None:
        return None
    arrays, engine = evidence(run), next(iter(run.engines))
    outputs = arrays.get("maps.outputs")
    if index or outputs is None:
        layers, left_out, outputs = _asked(run, engine, chosen)
    else:
        layers, left_out = _kept_layers(run, arrays), int(arrays["maps.left_out"][0])
    values, measure = measured(run.recipe.model, outputs)
    return FeatureMaps(engine, index or 0, chosen.image, chosen.true, layers, left_out, values[0], measure)


def _convolves_images(run: Run) -> bool:
    """Whether the network convolves images, and an engine has finished."""
    network = run.recipe.network
    return network.image_shape is not None and network.convolves and bool(run.engines)


def kept_maps(run: Run) -> dict[str, Array]:
    """The maps of the first held-out image that a report draws, as arrays by name; empty if there is none."""
    chosen = _kept(run).get(0) if _convolves_images(run) else None
    if chosen is None:
        return {}
    layers, left_out, outputs = _asked(run, next(iter(run.engines)), chosen)
    dtype = run.recipe.training.dtype
    return {
        "maps.outputs": outputs,
        "maps.left_out": np.array([left_out]),
        **{f"maps.{layer.node.name}.channels": layer.channels for layer in layers},
        **{f"maps.{layer.node.name}": layer.maps.astype(dtype) for layer in layers},
    }


def _kept_layers(run: Run, arrays: Arrays) -> list[LayerMaps]:
    """The maps that the run's folder keeps."""
    return [
        LayerMaps(node, arrays[f"maps.{node.name}.channels"], arrays[f"maps.{node.name}"].astype(np.float64))
        for node in run.recipe.network.nodes
        if f"maps.{node.name}" in arrays
    ]


def _asked(run: Run, engine: str, chosen: Chosen) -> tuple[list[LayerMaps], int, Array]:
    """The maps that are shown, the number of layers left out, and the outputs: the engine is restored and asked."""
    from twofold.data import Views
    from twofold.setup.building import restore

    built = restore(run, engine, device="cpu")  # the same picture on any machine
    layers = _layers(
        run.recipe.network.nodes, [output[0].astype(np.float64) for output in built.outputs(chosen.x[None])]
    )
    shown = _fewer(layers)
    return shown, len(layers) - len(shown), Views.of(run.recipe.training).judged(built.predict, chosen.x[None])


def _check(run: Run, index: int) -> None:
    if run.recipe.network.image_shape is None or not run.recipe.network.convolves:
        raise UserError(f"--image shows what convolutions make of an image; `{run.name}` has no `conv2d` over images")
    samples = run.record.data.samples[held_out := run.record.data.held_out]
    if not 0 <= index < samples:
        raise UserError(f"--image counts the {samples:,} {held_out} images from 0 to {samples - 1}; got {index}")


def _chosen(run: Run, index: int, asked: bool) -> Chosen | None:
    """The image from the run's folder; if it is not there and was asked for by number, from the data."""
    images = _kept(run)
    if index in images or not asked:
        return images.get(index)
    from twofold.data import at_hand
    from twofold.setup.building import prepare

    data = run.recipe.data
    if not at_hand(data):
        raise UserError(
            f"--image {index}: the run folder does not hold this image, and the data (source `{data.source}`) are not "
            f"at hand. {_in(images)}"
        )
    _, dataset = prepare(run.recipe)
    if dataset.fingerprint != run.record.data.fingerprint:
        raise UserError(
            f"--image {index}: the run folder does not hold this image, and the data at hand are not those of the run: "
            f"their fingerprint is another. {_in(images)}"
        )
    sample = dataset.astype(run.recipe.training.dtype).held_out[1][index : index + 1]
    return Chosen(sample.x[0], sample.floats()[0], _class(sample.y[0]))


def _class(target: Array) -> int | None:
    """A sample's class; `None` for numbers or labels, which are one for each output."""
    return int(target) if target.ndim == 0 else None


def _in(images: Mapping[int, Chosen]) -> str:
    if not images:
        return "The folder holds no image."
    return f"The folder holds the images {', '.join(map(str, sorted(images)))}."


def _kept(run: Run) -> dict[int, Chosen]:
    """The images of full size that the run's folder keeps, by their place among the held-out samples."""
    arrays = evidence(run)
    images = dict(enumerate(arrays.get("preview", ())))
    for engine in run.engines:
        if f"{engine}.mistakes" in arrays:
            images |= zip(arrays[f"{engine}.mistakes"].tolist(), arrays[f"{engine}.mistakes.x"], strict=True)
    scaling = kept_scaling(arrays)
    return {
        index: Chosen(image, scaling.apply(image) if scaling else image, _class(arrays["target"][index]))
        for index, image in images.items()
        if image.shape == run.recipe.network.input_shape and (scaling or image.dtype.kind == "f")
    }


def _layers(nodes: Sequence[Node], outputs: Sequence[Array]) -> list[LayerMaps]:
    """Every layer that gives maps of its own; from one convolution to the next the same channels are shown."""
    maps, channels = list[LayerMaps](), None
    planes = [(node, output) for node, output in zip(nodes, outputs, strict=True) if output.ndim == 3]
    for index, (node, output) in enumerate(planes):
        if channels is None or isinstance(node.spec, Conv2d):
            channels = liveliest(_activated(planes[index:]))
        if not isinstance(node.spec, Dropout):  # in evaluation it passes on what it gets
            maps.append(LayerMaps(node, channels, output[channels]))
    return maps


def _activated(planes: Sequence[tuple[Node, Array]]) -> Array:
    """The first layer's maps after the activation that follows it; if none follows, the maps themselves."""
    for node, output in planes[1:]:
        if isinstance(node.spec, Conv2d | MaxPool2d | AvgPool2d):
            break
        if not isinstance(node.spec, Normalization | Dropout):
            return output
    return planes[0][1]


def liveliest(output: Array) -> Array:
    """The channels with the largest variance over the plane, ascending; of (channels, height, width)."""
    order = np.argsort(-output.var(axis=(1, 2)), kind="stable")
    return np.sort(order[:MOST_CHANNELS])


def _fewer(layers: list[LayerMaps]) -> list[LayerMaps]:
    """At most `MOST_LAYERS` layers: without normalizations, if need be without convolutions, then evenly chosen."""
    for kinds in ((), (Normalization,), (Normalization, Conv2d)):
        fewer = [layer for layer in layers if not isinstance(layer.node.spec, kinds)]
        if fewer and len(fewer) <= MOST_LAYERS:
            return fewer
    chosen = np.linspace(0, len(layers) - 1, MOST_LAYERS).round().astype(int)
    return [layers[i] for i in chosen]
