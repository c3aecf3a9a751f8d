"""The names of the mistakes of optimizers and of clipping; their switches stand in `optimizers.py`."""

from __future__ import annotations

from twofold.proof.mistakes.base import Mistake, rows

ALL = ("sgd", "adam", "adamw", "rmsprop")
ADAMS, ADAPTIVE = ("adam", "adamw"), ("adam", "adamw", "rmsprop")
UPDATE, DECAY, RATE = "The line that changes the parameters.", "The weight decay.", "The learning rate."
MOMENTS, CORRECTION, EPS = "The moving means.", "The bias correction.", "Where ε stands."

OPTIMIZERS: list[Mistake] = [
    *rows(
        ALL,
        UPDATE,
        ("ascends", "The step has the wrong sign: p + η g ascends, where p − η g descends.", "Does the loss fall?"),
        ("first_parameter_alone", "Only the first parameter is updated.", "Which parameters change?"),
        ("gradients_accumulate", "The gradients of all steps before are added: they are not reset.", "Which gradient?"),
        ("gradient_of_the_step_before", "The gradient of the step before is used: stale by one step.", "Which gradient?"),
    ),
    *rows(
        ALL,
        DECAY,
        ("no_decay", "Weight decay is left out.", "Where does λ enter?"),
        ("decay_of_weights_alone", "The bias does not decay, where all parameters do.", "Which parameters decay?"),
        ("decay_halved", "Weight decay is halved: λ/2, where it is λ.", "What is the derivative of λ p²/2?"),
        ("decay_doubled", "Weight decay is doubled: 2 λ p, where it is λ p.", "What is the derivative of λ p²/2?"),
        ("decay_turned", "Weight decay has the wrong sign: the parameters grow.", "Does p shrink?"),
        ("decay_of_signs", "The decay is of the sign of p (L1), where it is of p (L2).", "What is the derivative of λ p²/2?"),
        ("other_decay", "The weight decay is of the other kind: decoupled (AdamW: p shrinks by η λ p) where it is added to the "
         "gradient (Adam, L2), or the other way round.", "Does the decay pass the moving means?"),
        ("decay_without_rate", "The decoupled decay is not multiplied by the learning rate: p (1 − λ), where it is p (1 − η λ).",
         "By how much does p shrink?"),
        ("decay_after_the_step", "The decay is taken of the parameter after the step, where it is of that before.", "Of which p?"),
    ),
    *rows(
        ALL,
        RATE,
        ("rate_of_the_first", "The first learning rate is used ever after: the schedule has no effect.", "Which rate in step 4?"),
        ("rate_of_the_step_before", "The learning rate of the step before is used: stale by one step.", "Which rate in step 4?"),
    ),
    *rows(
        "sgd",
        "The velocity.",
        ("no_momentum", "Momentum is left out: p − η g.", "Where does the velocity enter?"),
        ("nesterov_turned", "Nesterov's variant stands where plain momentum was asked for, or the other way round.", "g + μ v, or v?"),
        ("rate_inside", "The learning rate stands inside the velocity: v ← μ v + η g, where it stands outside, p ← p − η v; they "
         "differ as soon as η changes.", "What if η changes?"),
        ("dampened", "The gradient is weighted by 1 − μ: v ← μ v + (1 − μ) g, where v ← μ v + g (dampening 0).", "What weighs g?"),
        ("momentum_of_the_gradient", "μ multiplies the gradient, where it multiplies the velocity: v ← μ v + g.", "What does μ weigh?"),
        ("momentum_turned", "The weights are swapped: v ← (1 − μ) v + μ g, where v ← μ v + g.", "What does μ weigh?"),
        ("velocity_minus", "The velocity has the wrong sign: v ← μ v − g and p − η v ascends.", "Which sign?"),
        ("velocity_not_kept", "The velocity is not kept from step to step.", "What is v in step 2?"),
        ("velocity_of_the_step_before", "The velocity of the step before is used: p moves before v is renewed.", "Which v?"),
        ("nesterov_with_the_old", "Nesterov's step uses the old velocity: g + μ v(t−1), where it is g + μ v(t).", "Which v?"),
        ("nesterov_mu_twice", "Nesterov's step multiplies g with μ too: μ (g + v), where it is g + μ v.", "What does μ weigh?"),
        ("nesterov_velocity_alone", "g is missing in Nesterov's step: μ v, where it is g + μ v.", "Where is g?"),
    ),
    *rows(
        ADAPTIVE,
        MOMENTS,
        ("second_undamped", "1 − β₂ (1 − α) is missing: v ← β₂ v + g².", "What weighs g²?"),
        ("second_turned", "The weights of the second moment are swapped: v ← (1 − β₂) v + β₂ g².", "What weighs the past?"),
        ("absolute_for_square", "|g| stands where g² belongs.", "What is under the root?"),
        ("second_is_largest", "The largest second moment is kept (AMSGrad).", "Can v fall?"),
        ("second_is_sum", "The squares are summed (Adagrad), where v is a moving mean.", "Can v fall?"),
        ("moments_not_kept", "The moving means are not kept from step to step.", "What is v in step 2?"),
        ("moments_shared", "One moving mean serves all parameters, where each has its own.", "Whose v?"),
        ("second_of_the_step_before", "The second moment of the step before is used: stale by one.", "Which v?"),
        ("no_root", "The root is missing: the step is divided by v, where it is by √v.", "What is divided by?"),
    ),
    *rows(
        ADAPTIVE,
        EPS,
        ("eps_inside", "ε stands inside the root: √(v + ε), where it is √v + ε.", "Inside or outside?"),
        ("no_eps", "ε is left out.", "What if v is 0?"),
        ("eps_7", "ε is 1e-7 (as in Keras), another than asked for.", "How large is ε?"),
        ("eps_10", "ε is 1e-10, another than asked for.", "How large is ε?"),
        ("eps_6", "ε is 1e-6, another than asked for.", "How large is ε?"),
        ("eps_5", "ε is 1e-5, another than asked for.", "How large is ε?"),
        ("eps_8", "ε is 1e-8 (the default), another than asked for.", "How large is ε?"),
    ),
    *rows(
        ADAMS,
        MOMENTS,
        ("first_undamped", "1 − β₁ is missing: m ← β₁ m + g.", "What weighs g?"),
        ("first_turned", "The weights of the first moment are swapped: m ← (1 − β₁) m + β₁ g.", "What weighs the past?"),
        ("second_of_the_first", "The second moment is of m², where it is of g².", "Of what is the square?"),
        ("g_for_m", "g stands where the first moment m belongs: RMSprop with a correction.", "Where does m enter?"),
        ("betas_swapped", "β₁ and β₂ are swapped.", "Which is 0.9?"),
        ("beta2_99", "β₂ is 0.99, another than asked for.", "Which β₂?"),
        ("beta2_9999", "β₂ is 0.9999, another than asked for.", "Which β₂?"),
        ("g_for_square", "g stands where g² belongs.", "What is under the root?"),
    ),
    *rows(
        ADAMS,
        CORRECTION,
        ("no_correction", "The bias correction is left out.", "How long is the first step?"),
        ("no_first_correction", "The bias correction of the first moment is left out.", "How long is the first step?"),
        ("no_second_correction", "The bias correction of the second moment is left out.", "How long is the first step?"),
        ("correction_once", "The bias correction has no power of k: m / (1 − β₁), where it is m / (1 − β₁ᵏ).", "What of step 2?"),
        ("beta1_times_k", "The bias correction has β · k where it has the power βᵏ.", "What of step 2?"),
        ("count_from_zero", "The steps are counted from 0: the correction divides by 1 − β⁰ = 0, or lags by one.", "What is k first?"),
        ("count_one_ahead", "The bias correction is one step ahead (late): k + 1, where it is k.", "What is k first?"),
        ("count_of_every_parameter", "The steps are counted once for every parameter: k grows too fast.", "When does k grow?"),
        ("corrections_swapped", "The corrections of both moments are swapped.", "Which β for which moment?"),
        ("correction_multiplied", "The moments are multiplied by the correction, where they are divided by it.", "m · or m / ?"),
        ("corrected_moments_kept", "The corrected moments are kept for the next step, where the uncorrected ones are.", "What is "
         "stored?"),
        ("eps_before_the_correction", "ε is added before the bias correction (η √(1 − β₂ᵏ)/(1 − β₁ᵏ) m / (√v + ε), as Kingma's short "
         "form and scikit-learn have it), where it is after: m̂ / (√v̂ + ε).", "ε beside √v, or √v̂?"),
    ),
    *rows(
        "rmsprop",
        MOMENTS,
        ("alpha_9", "α is 0.9, another than asked for.", "Which α?"),
        ("corrected", "The moving mean is corrected for its start at 0 as Adam's is.", "How long is the first step?"),
        ("centred", "The squared mean of g is subtracted (centred RMSprop).", "What is under the root?"),
    ),
]  # fmt: skip

CLIPPING: list[Mistake] = rows(
    ("max_norm", *ALL),
    "The norm, and when it cuts.",
    ("apart", "Each parameter is clipped by its own norm, where one norm is taken over all parameters together.", "How many norms?"),
    ("left_out", "Nothing is clipped.", "When does it cut?"),
    ("by_value", "Every element is clipped by value to [−c, c], where the whole gradient is scaled to the norm c.", "Does its direction "
     "change?"),
    ("norm_of_the_last", "The norm is that of the last parameter alone: overwritten in the loop, where the squares add up.",
     "`=` or `+=`?"),
    ("norm_of_the_first", "The norm is that of the first parameter alone.", "Over what is the norm?"),
    ("sum_of_norms", "The norms of the parameters are summed, where it is the root of the sum of squares.", "How do norms add up?"),
    ("mean_of_norms", "The mean of the parameters' norms is taken.", "How do norms add up?"),
    ("largest_of_norms", "The largest of the parameters' norms is taken.", "How do norms add up?"),
    ("norm_squared", "The root is missing: the sum of squares stands where the norm belongs.", "Which norm?"),
    ("norm_of_magnitudes", "The sum of magnitudes (L1) stands where the L2 norm belongs.", "Which norm?"),
    ("largest_element", "The largest element stands where the L2 norm belongs.", "Which norm?"),
    ("mean_square", "The root mean square stands where the L2 norm belongs.", "Which norm?"),
    ("eps_left_out", "The 1e-6 beside the norm is left out: c / ‖g‖, where PyTorch has c / (‖g‖ + 1e-6).", "What stands beside the "
     "norm?"),
    ("eps_8", "1e-8 stands beside the norm, where PyTorch has 1e-6.", "What stands beside the norm?"),
    ("eps_12", "1e-12 stands beside the norm, where PyTorch has 1e-6.", "What stands beside the norm?"),
    ("always", "The gradient is always scaled to the norm c: small ones grow, where only those above c are scaled.", "What of a small "
     "gradient?"),
    ("turned", "The comparison is the wrong way round: small gradients are scaled up, large ones are not clipped.", "`>` or `<`?"),
    ("factor_turned", "The factor is inverted: ‖g‖ / c, where it is c / ‖g‖.", "Which over which?"),
    ("to_length_one", "The gradient is scaled to length 1, where it is to length c.", "How long is it afterwards?"),
    ("zeroed", "A gradient above c is set to zero, where it is scaled to c.", "How long is it afterwards?"),
    ("first_alone", "Only the first parameter is clipped.", "Which parameters change?"),
    ("root_of_the_factor", "The factor's root is taken.", "How long is it afterwards?"),
)  # fmt: skip
