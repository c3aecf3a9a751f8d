"""Images: the templates that the first layer learned, and what was predicted before and after training."""

from __future__ import annotations

from dataclasses import dataclass

from twofold.analysis.predictions import evidence, probabilities
from twofold.arrays import Array
from twofold.recipe.layers import Dense
from twofold.runs import Run


@dataclass(frozen=True)
class Preview:
    """One engine's answers for the first samples held out."""

    engine: str
    images: Array
    """(samples, height, width)."""
    target: Array
    before: Array
    """(samples, classes), before any training."""
    after: Array
    """(samples, classes), after training."""
    measure: str
    """What `before` and `after` hold: `probability`, or `output` where the loss makes them none."""


def image_shape(run: Run) -> tuple[int, int] | None:
    """Height and width of a sample; `None` where the samples are no images of one channel."""
    match run.recipe.network.input_shape:
        case (1, int() as height, int() as width):
            return height, width
    return None


def templates(run: Run, engine: str) -> Array | None:
    """The rows of the first weight matrix as images, (units, height, width).

    `None` where the first layer with parameters is no dense one over all pixels.
    """
    shape = image_shape(run)
    first = next((node for node in run.recipe.network.nodes if node.parameters), None)
    if shape is None or first is None or not isinstance(first.spec, Dense):
        return None
    weight = run.weights(engine)[f"{first.name}.weight"]
    return weight.reshape(-1, *shape) if weight.shape[1] == shape[0] * shape[1] else None


def previews(run: Run) -> list[Preview]:
    """One of each engine that finished; empty where the samples are no images."""
    arrays = evidence(run)
    if image_shape(run) is None or "preview" not in arrays:
        return []
    images = arrays["preview"][:, 0]
    found = []
    for engine in run.engines:
        before, after = (arrays[f"{engine}.{when}"] for when in ("before", "after"))
        p, q = probabilities(run.recipe, before), probabilities(run.recipe, after)
        target = arrays["target"][: len(images)]
        if p is None or q is None:
            found.append(Preview(engine, images, target, before, after, "output"))
        else:
            found.append(Preview(engine, images, target, p, q, "probability"))
    return found
