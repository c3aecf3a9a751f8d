"""Images: what the first layer looks for, predictions before and after training, the most confident mistakes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from twofold.arrays import Array
from twofold.recipe.dense import Dense
from twofold.recipe.windows import Conv2d
from twofold.runs import Run
from twofold.runs.evidence import evidence
from twofold.setup.outputs import measured

CHANNELS = (1, 3)
"""Grey and colour."""


@dataclass(frozen=True)
class FirstWeights:
    """The weights of the first layer that has any, as images."""

    name: str
    """The parameter's name: `0.weight`."""
    convolution: bool
    """Kernels that slide over the image; else templates as large as the image."""
    images: Array
    """(units, channels, height, width)."""


@dataclass(frozen=True)
class Preview:
    """One engine's answers for the first samples held out."""

    engine: str
    images: Array
    """(samples, channels, height, width), as the data hold them."""
    target: Array
    before: Array
    """(samples, classes), before any training."""
    after: Array
    """(samples, classes), after training."""
    measure: str
    """What `before` and `after` hold: `probability`, or `output` where the loss makes no probabilities of outputs."""


@dataclass(frozen=True)
class WrongImage:
    """An image that an engine takes for another class."""

    index: int
    """Its place among the samples held out, from 0."""
    image: Array
    """(channels, height, width), as the data hold it; a large one made smaller."""
    true: int
    taken: int
    value_true: float
    """Probability or output of the true class."""
    value_taken: float


@dataclass(frozen=True)
class WrongImages:
    """The images that are most confidently wrong, the surest first."""

    engines: tuple[str, ...]
    """The engines that make these mistakes; the values are those of the first."""
    images: list[WrongImage]
    wrong: int
    """How many images each of them gets wrong."""
    measure: str

    @property
    def which(self) -> tuple[int, list[tuple[int, int]]]:
        """What must be the same in two engines to show them as one: number, images, and what these are taken for."""
        return self.wrong, [(image.index, image.taken) for image in self.images]


def first_weights(run: Run, engine: str) -> FirstWeights | None:
    """The kernels of the first convolution, or the rows of a first dense layer over all pixels.

    `None` where a layer before has mixed the channels or pixels, or where the samples are no images.
    """
    shape = run.recipe.network.image_shape
    first = next((node for node in run.recipe.network.nodes if isinstance(node.spec, Dense | Conv2d)), None)
    if shape is None or first is None:
        return None
    weight = run.weights(engine)[name := f"{first.name}.weight"]
    if isinstance(first.spec, Conv2d):
        return FirstWeights(name, True, weight) if weight.shape[1] in CHANNELS else None
    if first.input_shape != (shape[0] * shape[1] * shape[2],):
        return None
    return FirstWeights(name, False, weight.reshape(-1, *shape))


def previews(run: Run) -> list[Preview]:
    """A preview for each engine that finished; empty where the samples are no images, or have no class."""
    arrays = evidence(run)
    if run.recipe.network.image_shape is None or run.record.data.targets or "preview" not in arrays:
        return []
    images = arrays["preview"]
    by_engine = []
    for engine in run.engines:
        before, measure = measured(run.recipe.model, arrays[f"{engine}.before"])
        after, _ = measured(run.recipe.model, arrays[f"{engine}.after"])
        by_engine.append(Preview(engine, images, arrays["target"][: len(images)], before, after, measure))
    return by_engine


def wrong_images(run: Run) -> list[WrongImages]:
    """One for engines that make the same mistakes, else one for each; empty where the run kept no such images."""
    arrays, groups = evidence(run), list[WrongImages]()
    for engine in run.engines if run.recipe.network.image_shape else ():
        index = arrays.get(f"{engine}.mistakes")
        if index is None or not len(index):
            continue
        values, measure = measured(run.recipe.model, arrays[f"{engine}.mistakes.outputs"])
        target, predicted = arrays["target"], arrays[f"{engine}.predicted"]
        images = [
            _wrong_image(int(place), image, int(target[place]), int(predicted[place]), row)
            for place, image, row in zip(index, arrays[f"{engine}.mistakes.x"], values, strict=True)
        ]
        new = WrongImages((engine,), images, int((predicted != target).sum()), measure)
        if groups and groups[0].which == new.which:
            groups[0] = replace(groups[0], engines=(*groups[0].engines, engine))
        else:
            groups.append(new)
    return groups


def _wrong_image(index: int, image: Array, true: int, taken: int, values: Array) -> WrongImage:
    return WrongImage(index, image, true, taken, float(values[true]), float(values[taken]))
