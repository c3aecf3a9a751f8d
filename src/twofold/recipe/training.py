"""The settings of a training: schedule, initial weights, length, batches. Names are PyTorch's."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)
from pydantic_core.core_schema import ValidationInfo

from twofold.plain import Parsed
from twofold.recipe.base import EngineName, Fields, Fraction, Part, from_the_recipe

Factor = Annotated[float, Field(gt=0, le=1)]
Unit = Literal["epoch", "step"]
MOST_STEPS = 10**12
"""The longest training, in steps or epochs: more than any machine takes."""
Length = Annotated[int, Field(ge=1, le=MOST_STEPS)]


class Constant(Part):
    """η at every step."""

    kind: Literal["constant"] = "constant"


class StepDecay(Part):
    """η γ^⌊k / step_size⌋. `torch.optim.lr_scheduler.StepLR`."""

    kind: Literal["step"] = "step"
    step_size: PositiveInt
    """Units between two falls."""
    gamma: Factor = 0.1
    """Factor of a fall."""
    unit: Unit = "epoch"
    """What k counts."""


class Exponential(Part):
    """η γ^k. `torch.optim.lr_scheduler.ExponentialLR`."""

    kind: Literal["exponential"] = "exponential"
    gamma: Factor
    """Factor of each unit."""
    unit: Unit = "epoch"
    """What k counts."""


class Cosine(Part):
    """η_min + (η − η_min) (1 + cos(π k / t_max)) / 2. `torch.optim.lr_scheduler.CosineAnnealingLR`."""

    kind: Literal["cosine"] = "cosine"
    t_max: PositiveInt | None = None
    """Units until η_min; left out, the whole training."""
    eta_min: NonNegativeFloat = 0.0
    """The lowest rate."""
    unit: Unit = "step"
    """What k counts."""


class OneCycle(Part):
    """Up from η / div_factor to η, then down to η / (div_factor · final_div_factor), over the whole training.

    `torch.optim.lr_scheduler.OneCycleLR` with `max_lr=η` and `cycle_momentum=False`.
    """

    kind: Literal["one_cycle"] = "one_cycle"
    pct_start: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """The share of the steps on which the rate rises."""
    div_factor: Annotated[float, Field(ge=1)] = 25.0
    """η over the first rate."""
    final_div_factor: Annotated[float, Field(ge=1)] = 1e4
    """The first rate over the last."""
    anneal_strategy: Literal["cos", "linear"] = "cos"
    """The form of the rise and the fall."""


class Linear(Part):
    """η (start + (end − start) min(k, total_iters) / total_iters). `torch.optim.lr_scheduler.LinearLR`."""

    kind: Literal["linear"] = "linear"
    start_factor: Factor = 1.0
    """Factor at the first step."""
    end_factor: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Factor from `total_iters` on."""
    total_iters: PositiveInt | None = None
    """Units until `end_factor`; left out, the whole training."""
    unit: Unit = "step"
    """What k counts."""


Schedule = Annotated[Constant | StepDecay | Exponential | Cosine | OneCycle | Linear, Field(discriminator="kind")]


class DefaultInitial(Part):
    """Weights and biases from U(−1/√fan_in, 1/√fan_in), PyTorch's default for `torch.nn.Linear`."""

    kind: Literal["default"] = "default"


class Normal(Part):
    """Weights from N(0, (std / √fan_in)²); biases 0."""

    kind: Literal["normal"] = "normal"
    std: PositiveFloat = 1.0
    """Standard deviation before the division by √fan_in."""


class Glorot(Part):
    """Weights with variance gain² · 2 / (fan_in + fan_out); biases 0. `torch.nn.init.xavier_uniform_`."""

    kind: Literal["glorot"] = "glorot"
    distribution: Literal["uniform", "normal"] = "uniform"
    """The distribution's form; the variance is the same."""
    gain: PositiveFloat = 1.0
    """Factor on the standard deviation: 5/3 for tanh."""


class He(Part):
    """Weights with variance gain² / fan_in; biases 0. `torch.nn.init.kaiming_normal_`."""

    kind: Literal["he"] = "he"
    distribution: Literal["uniform", "normal"] = "normal"
    """The distribution's form; the variance is the same."""
    gain: PositiveFloat = 2**0.5
    """Factor on the standard deviation: √2 for ReLU."""


class Orthogonal(Part):
    """Weights with orthogonal rows or columns, times gain; biases 0. `torch.nn.init.orthogonal_`."""

    kind: Literal["orthogonal"] = "orthogonal"
    gain: PositiveFloat = 1.0
    """Factor on the orthogonal matrix."""


class Dirac(Part):
    """As `default`, but in every convolution after the first, the first kernels pass one channel on unchanged: a deep
    network begins nearly as the identity. `torch.nn.init.dirac_`."""

    kind: Literal["dirac"] = "dirac"


class Zeros(Part):
    """All parameters 0: all hidden units stay alike, as this is there to show."""

    kind: Literal["zeros"] = "zeros"


class FromFile(Part):
    """The weights and running statistics of a file, as `twofold adopt` writes it, whatever the seed."""

    kind: Literal["file"] = "file"
    path: Annotated[str, Field(min_length=1)]
    """A safetensors file with PyTorch's names, `0.weight`; a relative path starts at the recipe's own folder."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    """Checksum of the file, which must then be the same."""

    @field_validator("path")
    @classmethod
    def _from_the_recipe(cls, path: str, info: ValidationInfo) -> str:
        return from_the_recipe(path, info)


Initial = Annotated[
    DefaultInitial | Normal | Glorot | He | Orthogonal | Dirac | Zeros | FromFile, Field(discriminator="kind")
]

MOST_TRIED = 10_000
"""The largest number of shards that is proposed where one does not divide the batch."""
EVALUATIONS = 20
"""How often a training in steps is evaluated if the recipe does not say."""

Engines = tuple[EngineName, ...]


class Training(Part):
    """Length, batches, evaluation, and what it runs on."""

    epochs: Length | None = None
    """Passes over the training samples; 10 if neither this nor `steps` is given."""
    steps: Length | None = None
    """Updates; in place of `epochs`."""
    batch_size: PositiveInt | Literal["full"] = 32
    """Samples a step; the last batch of an epoch may be smaller. `full`: all of them."""
    evaluate_every: Length = 1
    """Units between two evaluations; the first comes before training, the last after it. Left out, 1, or in a training
    in `steps` a twentieth of them."""
    evaluate_unit: Unit | None = None
    """What `evaluate_every` counts; left out, the unit in which the length is given."""
    evaluate_samples: PositiveInt | None = None
    """How many of the training samples are evaluated, at most; left out, all of them."""
    flip_test: bool = False
    """Evaluate images as the mean of the outputs for the image and its mirror image."""
    shift_test: NonNegativeInt = 0
    """Evaluate images as the mean of the outputs for the image, with half of the weight, and for the image moved by
    this many pixels up and left, and down and right; the freed pixels show the image mirrored at its border."""
    ema: Fraction = 0.0
    """The weight of the past in a moving average of weights and running statistics, with which the network then
    predicts; at update k at most (1 + k) / (10 + k). 0: no average."""
    keep: Literal["last", "best"] = "last"
    """Which weights a run keeps: those at its end, or those of the evaluation with the best validation accuracy."""
    patience: PositiveInt | None = None
    """Stop after this many evaluations in a row without a lower validation loss."""
    gradient_flow: bool = False
    """Measure how the gradient flows back through a recurrent layer at every evaluation, not only before and after
    training: an extra pass each time."""
    seed: NonNegativeInt = 0
    """Seed of initial weights, order and masks."""
    engines: Annotated[Engines, Field(strict=False, min_length=1)] = ("numpy", "torch")
    """Which engines are trained, in this order."""
    dtype: Literal["float32", "float64"] = "float32"
    """Type of parameters and arithmetic, in both engines."""
    autocast: Literal["none", "bfloat16"] = "none"
    """`bfloat16`: the torch engine's products and convolutions take and give 16 bits, in training and evaluation; its
    parameters keep 32. Where the processor or device has no such products, and would take many times as long, it
    computes in 32 bits; a run's record says which. The NumPy engine ignores it."""
    convolution: Literal["direct", "winograd"] = "direct"
    """`winograd`: where the torch engine convolves on the processor with windows of 3 x 3 and many channels, not in 16
    bits, it takes a fifth to a half of the multiplications, by the size of the plane, and rounds to about 1e-5 of the
    largest value in 32 bits. Not together with `compile`."""
    compile: bool = False
    """Whether the torch engine's forward and backward pass go through `torch.compile`: slow at first."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the torch engine computes. `auto`: CUDA where there is one."""
    shards: PositiveInt | None = None
    """Cut each batch into this many shards, whose gradients are added in one fixed tree: the same bytes from one
    process and from several, at most one a shard, each with one thread (`twofold run RECIPE --processes 4`). It must
    divide `batch_size`; an epoch's last batch may hold what is left. Left out, a batch is taken whole. Not together
    with `compile`."""

    @model_validator(mode="before")
    @classmethod
    def _some_length(cls, value: Parsed) -> Parsed:
        if not isinstance(value, dict):
            return value
        steps = value.get("steps")
        if value.get("epochs") is None and steps is None:
            return {**value, "epochs": 10}
        if isinstance(steps, int) and 0 < steps <= MOST_STEPS and value.get("evaluate_every") is None:
            return {**value, "evaluate_every": max(1, steps // EVALUATIONS)}
        return value

    @classmethod
    def conflicts(cls, values: Fields) -> list[str]:
        rules = []
        epochs, steps, engines = (values.get(key) for key in ("epochs", "steps", "engines"))
        if epochs is not None and steps is not None:
            rules.append(f"give `epochs` or `steps`, not both; got {epochs} and {steps}")
        if isinstance(engines, list | tuple) and any(engines.count(name) > 1 for name in engines):
            rules.append(f"`engines` names each engine once; got {list(engines)}")
        if values.get("autocast") == "bfloat16" and values.get("dtype") == "float64":
            rules.append('`autocast = "bfloat16"` wants `dtype = "float32"`; got "float64"')
        return rules + _shard_rules(values)

    def batch(self, samples: int) -> int:
        """The samples that a step takes, out of `samples` in the training set."""
        return samples if self.batch_size == "full" else min(self.batch_size, samples)

    def length(self, samples: int) -> int:
        """The steps of a training on `samples` samples; the last batch of an epoch holds what is left."""
        return self.steps or (self.epochs or 1) * math.ceil(samples / self.batch(samples))

    @property
    def evaluation_unit(self) -> Unit:
        """What `evaluate_every` counts, resolved."""
        return self.evaluate_unit or ("epoch" if self.steps is None else "step")


def _shard_rules(values: Fields) -> list[str]:
    """The rules that `shards` breaks: it must divide the batch, and excludes `compile`."""
    shards, batch = values.get("shards"), values.get("batch_size")
    if not isinstance(shards, int) or shards < 1:
        return []
    rules = ["`shards` and `compile` exclude each other; leave one out"] if values.get("compile") else []
    if isinstance(batch, int) and batch > 0 and batch % shards:
        sizes = [size for size in (batch - batch % shards, batch + shards - batch % shards) if size]
        divisors = [number for number in range(1, min(batch, 2 * shards, MOST_TRIED) + 1) if batch % number == 0]
        nearest = sorted(sorted(divisors, key=lambda number: abs(number - shards))[:2])
        rules.append(
            f"`shards` must divide `batch_size`; got {shards} and {batch}. A batch of {_either(sizes)} fits "
            f"{shards} shards, {_either(nearest)} shards fit a batch of {batch}"
        )
    return rules


def _either(numbers: list[int]) -> str:
    return " or ".join(map(str, numbers))
