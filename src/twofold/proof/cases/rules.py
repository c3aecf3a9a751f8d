"""The tables of losses, optimizers, schedules and initial weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from twofold.arrays import Array
from twofold.proof.cases.layer import normal
from twofold.recipe import training as part
from twofold.recipe.losses import BinaryCrossEntropy, CrossEntropy, Huber, Loss, MeanAbsolute, MeanSquared
from twofold.recipe.optimizers import Adam, Adamw, Optimizer, Rmsprop, Sgd
from twofold.streams import stream


@dataclass(frozen=True)
class LossCase:
    """A loss with its settings, and the outputs and classes on which it is tried."""

    name: str
    spec: Loss
    shape: tuple[int, int]
    """Batch and classes."""
    scale: float
    """Size of the outputs."""
    numbers: bool = False
    """Whether the targets are numbers, for a loss that takes numbers or classes."""
    weighted: bool = False
    """Whether the samples have weights, one of them 0."""

    def outputs(self, dtype: str = "float64") -> Array:
        """The outputs of the network."""
        return (normal(f"{self.name} outputs", self.shape) * self.scale).astype(dtype)

    def target(self) -> Array:
        """The targets: classes, numbers or labels."""
        rng = stream(0, f"cases {self.name} target")
        match self.spec.targets:
            case "labels":
                return rng.integers(2, size=self.shape).astype(np.float64)
            case "numbers":
                return rng.normal(size=self.shape) * self.scale
            case "classes or numbers" if self.numbers:
                return rng.normal(size=self.shape) * self.scale
        return rng.integers(self.shape[1], size=self.shape[0])

    def weight(self) -> Array | None:
        """The weights of the samples, where they have any."""
        if not self.weighted:
            return None
        weight = stream(0, f"cases {self.name} weight").uniform(0.5, 3, size=self.shape[0])
        weight[1:2] = 0
        return weight


LOSSES = [
    LossCase(f"{name}: {shape[0]} of {shape[1]} classes, outputs of size {scale:g}", spec, shape, scale)
    for name, spec in {
        "cross_entropy": CrossEntropy(),
        "cross_entropy, summed": CrossEntropy(reduction="sum"),
        "cross_entropy, smoothed": CrossEntropy(label_smoothing=0.2),
        "cross_entropy, smoothed and summed": CrossEntropy(label_smoothing=0.1, reduction="sum"),
        "mean_squared": MeanSquared(),
        "mean_squared, summed": MeanSquared(reduction="sum"),
    }.items()
    for shape, scale in [
        ((5, 3), 1.0),
        ((1, 3), 1.0),
        ((7, 2), 1.0),
        ((4, 1), 1.0),
        ((61, 10), 1.0),
        ((9, 5), 1e3),
        ((9, 5), 1e-3),
    ]
]
SHAPES = [((5, 3), 1.0), ((1, 3), 1.0), ((7, 1), 1.0), ((61, 10), 1.0), ((9, 5), 1e3), ((9, 5), 1e-3)]
LOSSES += [
    LossCase(
        f"{name}{', weighted samples' * weighted}: {shape[0]} of {shape[1]}, outputs of size {scale:g}",
        spec,
        shape,
        scale,
        numbers=True,
        weighted=weighted,
    )
    for name, spec in {
        "mean_squared of numbers": MeanSquared(),
        "mean_squared of numbers, summed": MeanSquared(reduction="sum"),
        "mean_absolute": MeanAbsolute(),
        "mean_absolute, summed": MeanAbsolute(reduction="sum"),
        "huber": Huber(),
        "huber, narrow": Huber(delta=0.3),
        "huber, summed": Huber(delta=2.5, reduction="sum"),
        "binary_cross_entropy": BinaryCrossEntropy(),
        "binary_cross_entropy, summed": BinaryCrossEntropy(reduction="sum"),
    }.items()
    for shape, scale in SHAPES
    for weighted in (False, True)
]
LOSSES += [
    LossCase(
        f"{name}{', weighted samples' * weighted}: {shape[0]} of {shape[1]} classes",
        spec,
        shape,
        1.0,
        weighted=weighted,
    )
    for shape in [(5, 3), (1, 3), (61, 3)]
    for name, spec in {
        "cross_entropy": CrossEntropy(),
        "cross_entropy, weighted": CrossEntropy(class_weight=(0.5, 1.0, 4.0)),
        "cross_entropy, weighted and summed": CrossEntropy(class_weight=(0.5, 1.0, 4.0), reduction="sum"),
        "cross_entropy, weighted and smoothed": CrossEntropy(class_weight=(0.5, 1.0, 4.0), label_smoothing=0.2),
        "mean_squared": MeanSquared(),
    }.items()
    for weighted in (False, True)
    if weighted or getattr(spec, "class_weight", None)
]


OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Sgd(lr=0.1),
    "sgd with decay": Sgd(lr=0.1, weight_decay=0.1),
    "sgd clipped": Sgd(lr=0.1, max_norm=4.0),
    "sgd with momentum": Sgd(lr=0.1, momentum=0.9),
    "sgd with momentum and decay": Sgd(lr=0.1, momentum=0.5, weight_decay=0.1),
    "sgd with nesterov": Sgd(lr=0.1, momentum=0.9, nesterov=True),
    "sgd with everything": Sgd(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1, max_norm=4.0),
    "sgd with decay of weights": Sgd(lr=0.1, weight_decay=0.1, decayed="weights"),
    "sgd with momentum and decay of weights": Sgd(lr=0.1, momentum=0.5, weight_decay=0.1, decayed="weights"),
    "adam": Adam(lr=0.01),
    "adam with decay": Adam(lr=0.01, weight_decay=0.1),
    "adam with decay of weights": Adam(lr=0.01, weight_decay=0.1, decayed="weights"),
    "adam with other betas": Adam(lr=0.01, betas=(0.5, 0.9)),
    "adam without memory": Adam(lr=0.01, betas=(0.0, 0.0)),
    "adam with a large eps": Adam(lr=0.01, eps=0.1),
    "adam clipped": Adam(lr=0.01, max_norm=4.0),
    "adamw": Adamw(lr=0.01),
    "adamw with decay": Adamw(lr=0.1, weight_decay=0.3),
    "adamw with decay of weights": Adamw(lr=0.1, weight_decay=0.3, decayed="weights"),
    "adamw without decay": Adamw(lr=0.01, weight_decay=0.0),
    "adamw with everything": Adamw(lr=0.01, weight_decay=0.1, betas=(0.5, 0.9), eps=0.1, max_norm=4.0),
    "rmsprop": Rmsprop(lr=0.01),
    "rmsprop with decay": Rmsprop(lr=0.01, weight_decay=0.1),
    "rmsprop with decay of weights": Rmsprop(lr=0.01, weight_decay=0.1, decayed="weights"),
    "rmsprop with another alpha": Rmsprop(lr=0.01, alpha=0.5),
    "rmsprop without memory": Rmsprop(lr=0.01, alpha=0.0),
    "rmsprop with a large eps": Rmsprop(lr=0.01, eps=0.1),
    "rmsprop clipped": Rmsprop(lr=0.01, max_norm=4.0),
}


@dataclass(frozen=True)
class ScheduleCase:
    """A schedule, and the length of the training for which it is tried."""

    spec: part.Schedule
    steps: int = 40
    steps_per_epoch: int = 1


SCHEDULES = {
    "constant": ScheduleCase(part.Constant()),
    "step by epoch": ScheduleCase(part.StepDecay(step_size=3), 40, 4),
    "step by step": ScheduleCase(part.StepDecay(step_size=7, gamma=0.5, unit="step")),
    "exponential by epoch": ScheduleCase(part.Exponential(gamma=0.97), 41, 5),
    "exponential by step": ScheduleCase(part.Exponential(gamma=0.9, unit="step")),
    "cosine": ScheduleCase(part.Cosine()),
    "cosine that ends before the training": ScheduleCase(part.Cosine(t_max=15, eta_min=0.01)),
    "cosine longer than the training": ScheduleCase(part.Cosine(t_max=100)),
    "cosine by epoch": ScheduleCase(part.Cosine(unit="epoch"), 43, 5),
    "linear": ScheduleCase(part.Linear()),
    "linear that ends before the training": ScheduleCase(part.Linear(end_factor=0.1, total_iters=15)),
    "linear warm-up": ScheduleCase(part.Linear(start_factor=0.01, end_factor=1.0, total_iters=10)),
    "linear by epoch": ScheduleCase(part.Linear(end_factor=0.5, unit="epoch"), 43, 5),
    "one_cycle": ScheduleCase(part.OneCycle()),
    "one_cycle in straight lines": ScheduleCase(part.OneCycle(anneal_strategy="linear")),
    "one_cycle with every option": ScheduleCase(
        part.OneCycle(pct_start=0.45, div_factor=5.0, final_div_factor=10.0, anneal_strategy="linear"), 37
    ),
    "one_cycle with a late top": ScheduleCase(part.OneCycle(pct_start=0.95), 8),
    "one_cycle too short to rise": ScheduleCase(part.OneCycle(), 3),
    "one_cycle of one step": ScheduleCase(part.OneCycle(), 1),
}


INITIALS: dict[str, part.Initial] = {
    "default": part.DefaultInitial(),
    "normal": part.Normal(),
    "normal, narrow": part.Normal(std=0.1),
    "glorot": part.Glorot(),
    "glorot, normal": part.Glorot(distribution="normal"),
    "glorot for tanh": part.Glorot(gain=5 / 3),
    "he": part.He(),
    "he, uniform": part.He(distribution="uniform"),
    "he for linear units": part.He(gain=1.0),
    "orthogonal": part.Orthogonal(),
    "orthogonal, scaled": part.Orthogonal(gain=math.sqrt(2)),
    "dirac": part.Dirac(),
    "zeros": part.Zeros(),
}
