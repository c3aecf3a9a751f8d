"""The samples and answers that a run keeps beside the weights: a few arrays for the report to draw."""

from __future__ import annotations

import numpy as np

from twofold.arrays import Array
from twofold.data import Dataset, Split
from twofold.engine import Engine, Scaling
from twofold.recipe import Recipe
from twofold.recipe.dense import EmbedColumns, Embedding
from twofold.recipe.losses import Loss
from twofold.recipe.text import CharacterText
from twofold.train.loop import predictions
from twofold.train.scoring import evaluation

PREVIEW = 5
"""Held-out samples that are kept, with the answers to them before and after training."""
PREVIEW_BYTES = 1 << 18
"""Bytes of the held-out samples that are kept; of large images there are fewer, at least one."""
MISTAKES = 12
"""Images kept of those that an engine gets most confidently wrong."""
THUMBNAIL = 64
"""Height and width, at most, of the images kept of mistakes: a larger one becomes the means of square blocks."""


def kept_samples(recipe: Recipe, dataset: Dataset) -> dict[str, Array]:
    """The targets of the held-out samples, the first of these samples, and all samples that are points of a plane.

    Samples are as the data hold them; a network sees (x − `scaling.shift`) / `scaling.divisor` of bytes. Numbers are
    kept as it sees them; `standardization.shift` and `.divisor` say how they were standardized.
    """
    _, held_out = dataset.held_out
    target = in_unit(held_out.answers, dataset.target_scaling)
    samples = {"target": target, "preview": previewed(held_out).x}
    for name, scaling in {
        "scaling": held_out.scaling,
        "standardization": dataset.standardization,
        "target_scaling": dataset.target_scaling,
    }.items():
        if scaling:
            samples |= {f"{name}.{part}": array for part, array in scaling._asdict().items()}
    if held_out.each_step:
        samples["preview.y"] = previewed(held_out).y
    plane = held_out.x.shape[1:] == (2,) and recipe.task == "classification"
    if plane and not isinstance(recipe.layers[0], Embedding | EmbedColumns):  # whole numbers are no plane
        for split, points in dataset.splits():
            samples |= {f"{split}.x": points.x, f"{split}.y": points.y}
    return samples


def answers(engine: Engine, split: Split, recipe: Recipe) -> Array:
    """The outputs for every sample, (samples, classes), in evaluation as the recipe sets it."""
    return np.concatenate([logits for logits, _ in predictions(engine, split, **evaluation(recipe))])


def in_unit(numbers: Array, scaling: Scaling | None) -> Array:
    """Numbers to predict in their own unit: numbers · divisor + shift; unchanged without a scaling."""
    return numbers if scaling is None else numbers * scaling.divisor + scaling.shift


def kept_answers(
    engine: Engine, before: Array, held_out: Split, recipe: Recipe, scaling: Scaling | None = None
) -> dict[str, Array]:
    """The answers of an engine after training, with those to the first samples `before` training.

    `scaling` is that of numbers to predict.
    """
    outputs = answers(engine, held_out, recipe)
    previews = {"before": before, "after": answers(engine, previewed(held_out), recipe)}
    if held_out.x.ndim == 2 or recipe.data.varying or isinstance(recipe.data, CharacterText):
        previews |= {"outputs": outputs}
    if recipe.task == "classification":
        return previews | {"predicted": outputs.argmax(axis=-1)} | mistakes(outputs, held_out, recipe.loss)
    previews = {name: in_unit(y, scaling) if name != "outputs" else y for name, y in previews.items()}
    return previews | {
        "predicted": in_unit(outputs, scaling) if recipe.task == "regression" else (outputs > 0).astype(np.int64)
    }


def previewed(held_out: Split) -> Split:
    """The first held-out samples, as many as a run keeps."""
    return held_out[: min(PREVIEW, max(1, PREVIEW_BYTES // held_out.x[:1].nbytes))]


def mistakes(outputs: Array, held_out: Split, loss: Loss) -> dict[str, Array]:
    """The images that are most confidently wrong, the surest first: their places, the outputs, the images.

    Empty where samples are no images. A network is as sure as the probability of its answer under the cross-entropy,
    else as its output.
    """
    if held_out.x.ndim != 4:
        return {}
    z = outputs.astype(np.float64)
    if loss.takes_logits:  # the logarithm of the softmax
        z -= z.max(axis=-1, keepdims=True)
        z -= np.log(np.exp(z).sum(axis=-1, keepdims=True))
    wrong = np.flatnonzero(outputs.argmax(axis=-1) != held_out.y)
    index = wrong[np.argsort(-z[wrong].max(axis=-1), kind="stable")][:MISTAKES]
    return {"mistakes": index, "mistakes.outputs": outputs[index], "mistakes.x": thumbnails(held_out.x[index])}


def thumbnails(x: Array) -> Array:
    """Images (n, channels, height, width): unchanged if small, else shrunk to the means of blocks."""
    n, channels, height, width = x.shape
    side = -(-max(height, width) // THUMBNAIL)
    if side == 1:
        return x
    tall, wide = min(side, height), min(side, width)
    rows, columns = height // tall, width // wide
    blocks = x[:, :, : rows * tall, : columns * wide].reshape(n, channels, rows, tall, columns, wide)
    means = blocks.mean(axis=(3, 5))
    return (np.rint(means) if x.dtype.kind == "u" else means).astype(x.dtype)
