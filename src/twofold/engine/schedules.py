"""The learning rate at a step, in closed form: the value that PyTorch's scheduler gives after k calls."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import singledispatch

from twofold.recipe.training import Constant, Cosine, Exponential, Linear, OneCycle, Schedule, StepDecay

Rate = Callable[[int], float]
"""From k, counted in the schedule's unit, to the learning rate."""


def learning_rate(schedule: Schedule, lr: float, steps: int, steps_per_epoch: int) -> Rate:
    """The rate at each step of a training of `steps` steps; `lr` is the optimizer's η."""
    if getattr(schedule, "unit", "step") == "step":
        return _rate(schedule, lr, steps)
    by_epoch = _rate(schedule, lr, max(1, math.ceil(steps / steps_per_epoch)))
    return lambda step: by_epoch(step // steps_per_epoch)


def averaging(ema: float, step: int) -> float:
    """The weight of the past in the moving average of the weights: at the k-th update min(ema, (1 + k) / (10 + k)).

    So the untrained first weights are soon forgotten. This update is the (`step` + 1)-th: k = `step` + 1. As in
    `tf.train.ExponentialMovingAverage`.
    """
    return min(ema, (2 + step) / (11 + step))


@singledispatch
def _rate(schedule: Schedule, lr: float, total: int) -> Rate:
    """The rate η as a function of k; `total` is the length of the training in the schedule's unit."""
    raise TypeError(f"no schedule {schedule!r}")


@_rate.register
def _(schedule: Constant, lr: float, total: int) -> Rate:
    return lambda k: lr


@_rate.register
def _(schedule: StepDecay, lr: float, total: int) -> Rate:
    return lambda k: lr * schedule.gamma ** (k // schedule.step_size)


@_rate.register
def _(schedule: Exponential, lr: float, total: int) -> Rate:
    return lambda k: lr * schedule.gamma**k


@_rate.register
def _(schedule: Cosine, lr: float, total: int) -> Rate:
    t_max, low = schedule.t_max or total, schedule.eta_min
    return lambda k: low + (lr - low) * (1 + math.cos(math.pi * k / t_max)) / 2


@_rate.register
def _(schedule: Linear, lr: float, total: int) -> Rate:
    iters, start, end = schedule.total_iters or total, schedule.start_factor, schedule.end_factor
    return lambda k: lr * (start + (end - start) * min(k, iters) / iters)


@_rate.register
def _(schedule: OneCycle, lr: float, total: int) -> Rate:
    """Up until step pct_start · total − 1, down until step total − 1."""
    first, last = lr / schedule.div_factor, lr / schedule.div_factor / schedule.final_div_factor
    top = schedule.pct_start * total - 1

    def between(a: float, b: float, share: float) -> float:
        if schedule.anneal_strategy == "linear":
            return a + (b - a) * share
        return b + (a - b) * (1 + math.cos(math.pi * share)) / 2

    def rate(k: int) -> float:
        if k <= top and top > 0:  # at top = 0 PyTorch divides 0 by 0: there is no way up
            return between(first, lr, k / top)
        return between(lr, last, min(1.0, (k - top) / (total - 1 - top)))

    return rate
