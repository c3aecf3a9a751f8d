"""Every schedule against `torch.optim.lr_scheduler`: the rate at step k is the scheduler's after k calls."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from cases import SCHEDULES, ScheduleCase
from twofold.engine.schedules import learning_rate
from twofold.recipe import training

LR = 0.1


def by_torch(schedule: Any, optimizer: torch.optim.Optimizer, total: int) -> lr_scheduler.LRScheduler:
    """The scheduler of a training of `total` units."""
    match schedule.kind:
        case "constant":
            return lr_scheduler.ConstantLR(optimizer, factor=1.0)
        case "step":
            return lr_scheduler.StepLR(optimizer, schedule.step_size, schedule.gamma)
        case "exponential":
            return lr_scheduler.ExponentialLR(optimizer, schedule.gamma)
        case "cosine":
            return lr_scheduler.CosineAnnealingLR(optimizer, schedule.t_max or total, schedule.eta_min)
        case "linear":
            start, end = schedule.start_factor, schedule.end_factor
            return lr_scheduler.LinearLR(optimizer, start, end, schedule.total_iters or total)
        case "one_cycle":
            options = schedule.model_dump(exclude={"kind"})
            return lr_scheduler.OneCycleLR(optimizer, LR, total_steps=total, cycle_momentum=False, **options)
    raise AssertionError(schedule.kind)


def rates_by_torch(case: ScheduleCase) -> list[float]:
    """The rate of every step of a loop that calls the scheduler once a unit."""
    epochs = math.ceil(case.steps / case.steps_per_epoch)
    by_epoch = getattr(case.spec, "unit", "step") == "epoch"
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=LR)
    scheduler = by_torch(case.spec, optimizer, epochs if by_epoch else case.steps)
    rates = []
    for step in range(case.steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        last_of_epoch = (step + 1) % case.steps_per_epoch == 0
        if step + 1 < case.steps and (last_of_epoch or not by_epoch):
            scheduler.step()
    return rates


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_rate_equals_pytorch(name: str) -> None:
    case = SCHEDULES[name]
    rate = learning_rate(case.spec, LR, case.steps, case.steps_per_epoch)
    # PyTorch multiplies from step to step, we compute each step afresh: 40 roundings of 1e-16 each.
    assert [rate(k) for k in range(case.steps)] == pytest.approx(rates_by_torch(case), rel=1e-13, abs=1e-15)


def test_one_cycle_rises_to_the_rate_and_falls_to_its_last() -> None:
    rate = learning_rate(training.OneCycle(pct_start=0.5, div_factor=10.0, final_div_factor=100.0), LR, 10, 1)
    assert [rate(0), rate(4), rate(9)] == pytest.approx([LR / 10, LR, LR / 1000])


def test_one_cycle_without_a_way_up_starts_at_the_rate() -> None:
    """pct_start · steps = 1: PyTorch divides 0 by 0 there."""
    rate = learning_rate(training.OneCycle(pct_start=0.25), LR, 4, 1)
    assert rate(0) == LR


def test_the_unit_is_the_epoch_also_where_the_last_epoch_is_short() -> None:
    rate = learning_rate(training.Exponential(gamma=0.5), 1.0, 10, 4)
    assert [rate(k) for k in range(10)] == [1.0] * 4 + [0.5] * 4 + [0.25] * 2
