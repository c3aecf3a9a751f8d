"""The mistakes of learning-rate schedules."""

from __future__ import annotations

import math
from typing import final

import numpy as np

from twofold.arrays import Array
from twofold.proof.mistakes.base import Making, Mistake, Scene, Tensors, number, rows, whole

SCHEDULES = ("constant", "step", "exponential", "cosine", "linear", "one_cycle")


@final
class ScheduleComputation:
    """The learning rate at every step, in closed form, with switches: `rate`."""

    def __init__(self, making: Making) -> None:
        self.making, self.on, self.settings = making, making.switches, making.settings

    def run(self, scene: Scene) -> Tensors:
        """The rates at the scene's steps."""
        facts = scene.facts
        lr, total, per_epoch = number(facts, "lr"), whole(facts, "steps"), whole(facts, "steps_per_epoch", 1)
        by_epoch = self.settings.get("unit", "step" if self.making.kind in ("cosine", "linear") else "epoch") == "epoch"
        if self.making.kind in ("constant", "one_cycle"):
            by_epoch = False
        length = max(1, math.ceil(total / per_epoch)) if by_epoch else total
        rate = getattr(self, f"_{self.making.kind}")
        counts = [k // per_epoch if by_epoch else k for k in scene.arrays["k"].astype(int).tolist()]
        shift = ("one_ahead" in self.on) - ("one_behind" in self.on)
        rates = np.array([rate(lr, max(k + shift, 0), length) for k in counts])
        return {"rate": self._changed(rates, lr)}

    def _changed(self, rates: Array, lr: float) -> Array:
        if "never_changes" in self.on:
            return np.full_like(rates, lr)
        return rates / lr if "factor_alone" in self.on else rates

    def _constant(self, lr: float, k: int, total: int) -> float:
        return lr / (1 + k) if "falls" in self.on else lr

    def _step(self, lr: float, k: int, total: int) -> float:
        on, gamma, size = self.on, number(self.settings, "gamma", 0.1), whole(self.settings, "step_size", 3)
        count: float = k // size
        if "smooth" in on:
            count = k / size
        if "once" in on:
            count = min(count, 1)
        if "rounded" in on:
            count = round(k / size)
        if "rounded_up" in on:
            count = math.ceil(k / size)
        if "late" in on:
            count = (k - 1) // size if k else 0
        if "multiplied_from_the_start" in on:
            return lr * gamma * count
        if "inverse" in on:
            return lr / (1 + gamma * count)
        if "falls_and_returns" in on:
            return lr * gamma if k and k % size == 0 else lr
        if "subtracted" in on:
            return lr * (1 - gamma * count)
        if "multiplied" in on:
            return lr * gamma * count if count else lr
        if "divided" in on:
            return lr / gamma**count
        if "every_step" in on:
            return lr * gamma**k
        return lr * (1 - gamma) ** count if "complement" in on else lr * gamma**count

    def _exponential(self, lr: float, k: int, total: int) -> float:
        on, gamma = self.on, number(self.settings, "gamma", 0.9)
        if "natural" in on:
            return lr * math.exp(-gamma * k)
        if "complement" in on:
            return lr * (1 - gamma) ** k
        if "natural_of_the_complement" in on:
            return lr * math.exp(-(1 - gamma) * k)
        if "once" in on:
            return lr * gamma if k else lr
        if "multiplied" in on:
            return lr * gamma * k if k else lr
        if "multiplied_from_the_start" in on:
            return lr * gamma * k
        if "always_once" in on:
            return lr * gamma
        if "inverse" in on:
            return lr / (1 + gamma * k)
        return lr * gamma ** (k / total) if "over_the_whole" in on else lr * gamma**k

    def _cosine(self, lr: float, k: int, total: int) -> float:
        on, low = self.on, number(self.settings, "eta_min", 0.0)
        t = whole(self.settings, "t_max", 0) or total
        if "total_minus_one" in on:
            t -= 1
        if "total_plus_one" in on:
            t += 1
        if "stays_at_the_end" in on:
            k = min(k, t)
        if "restarts" in on:
            k = k % t
        angle = math.pi * k / t
        if "full_wave" in on:
            angle *= 2
        if "quarter_wave" in on:
            angle /= 2
            return low + (lr - low) * math.cos(angle)
        if "no_pi" in on:
            angle = k / t
        wave = 1 - math.cos(angle) if "rises" in on else 1 + math.cos(angle)
        if "sine" in on:
            wave = 1 + math.sin(angle)
        if "no_half" in on:
            return low + (lr - low) * wave
        if "no_one" in on:
            return low + (lr - low) * math.cos(angle) / 2
        if "low_left_out" in on:
            return lr * wave / 2
        if "low_not_subtracted" in on:
            return low + lr * wave / 2
        return max(low, lr * wave / 2) if "low_as_a_floor" in on else low + (lr - low) * wave / 2

    def _linear(self, lr: float, k: int, total: int) -> float:
        on, s = self.on, self.settings
        start, end = number(s, "start_factor", 1.0), number(s, "end_factor", 0.0)
        iters = whole(s, "total_iters", 0) or total
        if "total_minus_one" in on:
            iters -= 1
        if "total_plus_one" in on:
            iters += 1
        if "factors_swapped" in on:
            start, end = end, start
        share = k / iters if "goes_on" in on else min(k, iters) / iters
        if "start_left_out" in on:
            return lr * (1 + (end - 1) * share)
        if "from_zero" in on:
            return lr * share
        if "end_left_out" in on:
            return lr * (start + (1 - start) * share)
        if "jumps_back" in on and k >= iters:
            return lr
        if "to_zero" in on:
            return lr * start * (1 - share)
        return (start + (end - start) * share) if "rate_left_out" in on else lr * (start + (end - start) * share)

    def _one_cycle(self, lr: float, k: int, total: int) -> float:
        on, s = self.on, self.settings
        pct, div, final = (
            number(s, n, d) for n, d in (("pct_start", 0.3), ("div_factor", 25.0), ("final_div_factor", 1e4))
        )
        linear = (s.get("anneal_strategy", "cos") == "linear") != ("other_strategy" in on)
        first = lr / div
        last = lr / final if "final_of_the_top" in on else first if "ends_at_the_first" in on else first / final
        if "ends_at_zero" in on:
            last = 0.0
        top = pct * total if "top_one_late" in on else 0.5 * total - 1 if "half_way" in on else pct * total - 1
        end = total if "ends_one_late" in on else total - 1
        if "starts_at_zero" in on:
            first = 0.0

        def between(a: float, b: float, share: float) -> float:
            return a + (b - a) * share if linear else b + (a - b) * (1 + math.cos(math.pi * share)) / 2

        if "no_warm_up" in on:
            return between(lr, last, min(1.0, k / end))
        if k <= top and top > 0:
            return between(first, lr, k / top)
        return first if "no_way_down" in on else between(lr, last, min(1.0, (k - top) / (end - top)))


ANY = "Which k the formula sees."
FORMULA = "The formula."
TABLE: list[Mistake] = [
    *rows(
        SCHEDULES,
        ANY,
        ("one_ahead", "The schedule is one step ahead (offset by one): it gives the rate of k + 1 at step k.",
         "What is the first rate?"),
        ("one_behind", "The schedule is one step late (offset by one): it gives the rate of k − 1 at step k.",
         "When does it first change?"),
        ("never_changes", "The rate never changes.", "What is the rate at the end?"),
        ("factor_alone", "The factor is given, where it multiplies the learning rate.", "What is the first rate?"),
    ),
    *rows("constant", FORMULA, ("falls", "The rate falls as 1/(1 + k), where it is constant.",
     "What is the rate at the end?")),
    *rows(
        "step",
        FORMULA,
        ("smooth", "The rate falls smoothly: γ^(k / step_size), where it falls in steps, γ^⌊k / step_size⌋.",
         "`/` or `//`?"),
        ("once", "The rate falls once only.", "What of the second fall?"),
        ("rounded", "k / step_size is rounded to the nearest, where it is rounded down.", "When is the first fall?"),
        ("rounded_up", "k / step_size is rounded up, where it is rounded down.", "When is the first fall?"),
        ("late", "The falls come one step late: `>` where `>=` belongs.", "When is the first fall?"),
        ("subtracted", "γ is subtracted at every fall, where the rate is multiplied by it.",
         "What of the second fall?"),
        ("multiplied", "γ is multiplied by the number of falls, where it is its power.", "What of the second fall?"),
        ("multiplied_from_the_start", "γ is multiplied by the number of falls, where it is its power: the first rate "
                                      "is 0.", "What is the first rate?"),
        ("inverse", "1 / (1 + γ n) stands where γⁿ belongs.", "How large is a fall?"),
        ("falls_and_returns", "The rate falls for one step alone (k % step_size == 0), and is η again after it.",
         "And the step after a fall?"),
        ("divided", "The rate is divided by γ: it rises, where it is multiplied.", "Does it fall?"),
        ("every_step", "The rate falls at every step: step_size is not used.", "When is the first fall?"),
        ("complement", "The rate is multiplied by 1 − γ, where it is by γ.", "How large is a fall?"),
    ),
    *rows(
        "exponential",
        FORMULA,
        ("natural", "exp(−γ k) stands where γᵏ belongs.", "How large is a fall?"),
        ("natural_of_the_complement", "exp(−(1 − γ) k) stands where γᵏ belongs.", "How large is a fall?"),
        ("complement", "The rate is multiplied by 1 − γ, where it is by γ.", "How large is a fall?"),
        ("once", "The rate falls once only.", "What of the second step?"),
        ("multiplied", "γ is multiplied by k, where it is its power γᵏ.", "What of the second step?"),
        ("multiplied_from_the_start", "γ is multiplied by k, where it is its power γᵏ: the first rate is 0.",
         "What is the first rate?"),
        ("always_once", "The rate is η γ at every step.", "What is the first rate?"),
        ("inverse", "1 / (1 + γ k) stands where γᵏ belongs.", "How large is a fall?"),
        ("over_the_whole", "γ is reached over the whole training: γ^(k / total), where it is γᵏ.",
         "How large is a fall?"),
    ),
    *rows(
        "cosine",
        FORMULA,
        ("total_minus_one", "k is divided by T − 1, where it is by T: the lowest rate comes one step early.",
         "When is the lowest rate?"),
        ("total_plus_one", "k is divided by T + 1, where it is by T.", "When is the lowest rate?"),
        ("stays_at_the_end", "The rate stays at its lowest after t_max, where it rises again as PyTorch's does.",
         "And after t_max?"),
        ("restarts", "The rate restarts at the top after t_max (warm restarts).", "And after t_max?"),
        ("full_wave", "The cosine takes a full wave 2π k / T, where it is a half: π k / T.",
         "What is the rate at the end?"),
        ("quarter_wave", "The cosine takes a quarter wave, where it is (1 + cos(π k / T)) / 2.",
         "What is the rate half way?"),
        ("no_pi", "π is missing in the cosine.", "What is the rate at the end?"),
        ("rises", "1 − cos stands where 1 + cos belongs: the rate rises.", "What is the first rate?"),
        ("sine", "The sine stands where the cosine belongs.", "What is the first rate?"),
        ("no_half", "The half is missing: the rate begins at twice η.", "What is the first rate?"),
        ("no_one", "The 1 is missing in 1 + cos.", "What is the first rate?"),
        ("low_left_out", "eta_min is left out.", "What is the lowest rate?"),
        ("low_not_subtracted", "eta_min is added and not subtracted from η: the first rate is too large.",
         "What is the first rate?"),
        ("low_as_a_floor", "eta_min cuts off below (max), where the wave ends there.", "What is the rate half way?"),
    ),
    *rows(
        "linear",
        FORMULA,
        ("total_minus_one", "k is divided by total_iters − 1, where it is by total_iters.", "When is the end reached?"),
        ("total_plus_one", "k is divided by total_iters + 1, where it is by total_iters.", "When is the end reached?"),
        ("factors_swapped", "start_factor and end_factor are swapped.", "What is the first rate?"),
        ("goes_on", "The rate goes on beyond total_iters, where it stays.", "And after total_iters?"),
        ("start_left_out", "start_factor is left out.", "What is the first rate?"),
        ("from_zero", "The rate rises from zero: k / total_iters; start_factor is left out.",
         "What is the first rate?"),
        ("end_left_out", "end_factor is left out: the rate ends at η.", "What is the last rate?"),
        ("jumps_back", "After total_iters the rate is η again, where it stays at end_factor.",
         "And after total_iters?"),
        ("to_zero", "The rate falls to zero: end_factor is left out.", "What is the last rate?"),
        ("rate_left_out", "The factor is given, where it multiplies η.", "What is the first rate?"),
    ),
    *rows(
        "one_cycle",
        FORMULA,
        ("final_of_the_top", "The last rate is η / final_div_factor, where it is the first rate / final_div_factor.",
         "What is the last rate?"),
        ("ends_at_the_first", "The rate ends where it began: final_div_factor is left out.", "What is the last rate?"),
        ("ends_at_zero", "The rate ends at zero, where it ends at η / (div_factor · final_div_factor).",
         "What is the last rate?"),
        ("top_one_late", "The top comes one step late: at pct_start · total, where it is at pct_start · total − 1.",
         "When is the top?"),
        ("ends_one_late", "The end comes one step late: at total, where it is at total − 1.", "What is the last rate?"),
        ("half_way", "The top is half way: pct_start is left out.", "When is the top?"),
        ("starts_at_zero", "The rate starts at zero, where it starts at η / div_factor.", "What is the first rate?"),
        ("other_strategy", "The form is the other one: straight lines for cosines, or cosines for straight lines.",
         "What is the rate half way up?"),
        ("no_warm_up", "There is no way up: the rate falls from the start.", "What is the first rate?"),
        ("no_way_down", "There is no way down: after the top the rate is at its first value.",
         "What is the last rate?"),
    ),
]  # fmt: skip
