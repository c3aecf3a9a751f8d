"""The settings in which several recipes differ, and which of them a comparison of their runs is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from twofold.plain import Parsed
from twofold.recipe import Recipe
from twofold.recipe.recurrent import Gru, Lstm, Rnn
from twofold.recipe.windows import Conv2d
from twofold.runs import Run

ABSENT: Final = None
"""In place of the value of a key that a recipe does not have."""
LABELS = ("title", "name", "page")
IDLE = (
    "training.evaluate_every",
    "training.evaluate_unit",
    "training.evaluate_samples",
    "training.gradient_flow",
    "training.engines",
    "training.device",
    "data.root",
)
"""Keys that change what is recorded or where, and not what is trained."""
Aspect: TypeAlias = Literal[
    "network", "data", "samples", "augmentation", "loss", "optimizer", "schedule", "initial weights", "training", "seed"
]
ASPECTS: Mapping[str, Aspect] = {
    "data.samples": "samples",
    "data.seed": "seed",
    "training.seed": "seed",
    "layers": "network",
    "data": "data",
    "augmentation": "augmentation",
    "loss": "loss",
    "optimizer": "optimizer",
    "schedule": "schedule",
    "initial": "initial weights",
    "training": "training",
}
"""The aspect of a key by the beginning of its path; the first that fits counts."""
ITSELF = ("layers", "data.samples", "optimizer.kind", "optimizer.lr")
"""Keys that a comparison may be about: the first of them that differs."""
NAMES = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop"}
CELLS = {Rnn: "vanilla RNN", Lstm: "LSTM", Gru: "GRU"}


@dataclass(frozen=True)
class Difference:
    """A key of the recipe, and its value in each run."""

    path: str
    values: tuple[Parsed, ...]
    held: tuple[bool, ...]
    """Whether each recipe has such a key, set or not."""

    @property
    def idle(self) -> bool:
        """Whether it changes nothing of what is trained."""
        return self.path in IDLE

    @property
    def shared(self) -> bool:
        """Whether the recipes that have the key set it differently; not so where only one of them has it."""
        values = [value for value, held in zip(self.values, self.held, strict=True) if held]
        return any(value != values[0] for value in values)

    @property
    def aspect(self) -> Aspect:
        """The part of an experiment that the key belongs to."""
        return next(
            aspect for begin, aspect in ASPECTS.items() if self.path == begin or self.path.startswith(f"{begin}.")
        )


def differences(recipes: Sequence[Recipe]) -> list[Difference]:
    """The keys whose values are not the same in all recipes, in the order of a recipe.

    The layers are compared key by key where all networks have the same kinds of layers, else as a whole.
    """
    alike = len({tuple(layer.kind for layer in recipe.layers) for recipe in recipes}) == 1
    flat = [_flat(recipe, alike) for recipe in recipes]
    held = [_flat(recipe, alike, unset=True).keys() for recipe in recipes]
    paths = dict.fromkeys(path for settings in flat for path in settings)
    candidates = (
        Difference(
            path, tuple(settings.get(path, ABSENT) for settings in flat), tuple(path in settings for settings in held)
        )
        for path in _ordered(paths)
    )
    return [
        difference for difference in candidates if any(value != difference.values[0] for value in difference.values)
    ]


@dataclass(frozen=True)
class Subject:
    """What a comparison is about: an aspect, and what each run stands for."""

    aspect: Aspect
    words: tuple[str, ...]


def subject(runs: Sequence[Run], differing: Sequence[Difference]) -> Subject | None:
    """What a comparison is about: `Adam` and `SGD`, `2,000 training samples` and `50,000 …`, `vanilla RNN` and `LSTM`.

    `None` where nothing differs that has such a name, or more than one aspect does.
    """
    aspects = {difference.aspect for difference in differing if not difference.idle}
    named = [
        Subject(aspect, tuple(words))
        for aspect, name in _SUBJECTS.items()
        if aspect in aspects and len(set(words := [*name(runs)])) == len(words)
    ]
    return named[0] if len(named) == 1 else None


def alongside(subject: Subject, differing: Sequence[Difference]) -> list[Difference]:
    """What else differs in the subject's own part of the recipe, as the rates of two optimizers.

    Keys that only one of them has are left out: a momentum is part of what SGD is.
    """
    ours = [difference for difference in differing if difference.aspect == subject.aspect]
    itself = next((path for path in ITSELF if any(difference.path == path for difference in ours)), None)
    return [difference for difference in ours if difference.shared and difference.path != itself]


def _ordered(paths: Mapping[str, None]) -> list[str]:
    """The paths in the order of a recipe's tables, those of one table together whichever recipe has them."""
    parts = dict.fromkeys(path.split(".")[0] for path in paths)
    ours = ([path for path in paths if path.split(".")[0] == part] for part in parts)
    return [path for tree in ours for path in sorted(tree, key=lambda path: not path.endswith((".kind", ".source")))]


def _flat(recipe: Recipe, by_layer: bool, unset: bool = False) -> dict[str, object]:
    """The settings of a recipe by dotted path, layer by layer or as one text; unset ones only with `unset`."""
    tables: dict[str, Parsed] = recipe.model_dump(mode="json", exclude_none=not unset, exclude=set(LABELS))
    layers = tables.pop("layers")
    leaves = _leaves("", {"data": tables.pop("data")})
    leaves |= _leaves("layers", dict(enumerate(layers))) if by_layer else {"layers": layers_text(recipe)}
    return leaves | _leaves("", tables)


def _leaves(path: str, value: object) -> dict[str, object]:
    """Every value under its dotted path."""
    if not isinstance(value, dict):
        return {path: value}
    leaves: dict[str, object] = {}
    for key, below in value.items():
        leaves |= _leaves(f"{path}.{key}" if path else str(key), below)
    return leaves


def layers_text(recipe: Recipe) -> str:
    """The layers as a text: `flatten, dense 64, sigmoid, dense 10`."""
    sizes = ((layer.kind, getattr(layer, "units", getattr(layer, "channels", None))) for layer in recipe.layers)
    return ", ".join(kind if size is None else f"{kind} {size}" for kind, size in sizes)


def _networks(runs: Sequence[Run]) -> list[str]:
    return [_network(run.recipe) for run in runs]


def _network(recipe: Recipe) -> str:
    for layer in recipe.layers:
        if isinstance(layer, (Rnn, Lstm, Gru)):
            return CELLS[type(layer)]
    if any(isinstance(layer, Conv2d) for layer in recipe.layers):
        return "convolutions"
    return "fully connected layers"


def _optimizers(runs: Sequence[Run]) -> list[str]:
    optimizers = [run.recipe.optimizer for run in runs]
    kinds = [NAMES.get(optimizer.kind, optimizer.kind) for optimizer in optimizers]
    return kinds if len(set(kinds)) > 1 else [f"learning rate {optimizer.lr:g}" for optimizer in optimizers]


def _samples(runs: Sequence[Run]) -> list[str]:
    return [
        "samples drawn anew at every step"
        if run.recipe.data.endless
        else f"{run.record.data.samples['train']:,} training samples"
        for run in runs
    ]


_SUBJECTS: Mapping[Aspect, Callable[[Sequence[Run]], list[str]]] = {
    "network": _networks,
    "optimizer": _optimizers,
    "samples": _samples,
}
