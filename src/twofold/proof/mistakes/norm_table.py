"""The names of the mistakes of normalizations; their switches stand in `norm.py` and `sample_norm.py`."""

from __future__ import annotations

from twofold.proof.mistakes.base import rows

BOTH = ("batch_norm", "layer_norm", "group_norm")
STATISTICS, AFFINE, BACK, RUNNING = (
    "The mean, the variance and ε.",
    "γ and β.",
    "How the gradient passes through mean and variance.",
    "The running statistics, and the mode.",
)
NORM = [
    *rows(
        BOTH,
        STATISTICS,
        ("unbiased", "The unbiased variance (over n − 1, ddof=1) normalizes, where the biased one (over n) does.",
         "n or n − 1?"),
        ("eps_outside", "ε stands outside the root: x / (σ + ε), where it is x / √(σ² + ε).", "Where does ε stand?"),
        ("no_eps", "ε is left out: x / σ, where it is x / √(σ² + ε).", "Where does ε stand?"),
        ("eps_8", "ε is 1e-8, another than asked for.", "How large is ε?"),
        ("eps_12", "ε is 1e-12, another than asked for.", "How large is ε?"),
        ("eps_6", "ε is 1e-6, another than asked for.", "How large is ε?"),
        ("eps_3", "ε is 1e-3, another than asked for.", "How large is ε?"),
        ("eps_5", "ε is 1e-5 (the default), another than asked for.", "How large is ε?"),
        ("eps_squared", "ε is squared under the root.", "How large is ε?"),
        ("no_root", "x is divided by the variance, where it is by its root (the standard deviation).",
         "What is var(y)?"),
        ("mean_not_subtracted", "The mean is not subtracted from x.", "What is mean(y)?"),
        ("mean_of_squares", "The mean of squares stands where the variance belongs.", "What is var(y)?"),
        ("variance_summed", "The squares are summed, where the variance is their mean: the division by n is missing.",
         "What is var(y)?"),
        ("over_everything", "Mean and variance are taken over the whole array: the axis is missing.",
         "How many means are there?"),
    ),
    *rows(
        BOTH,
        AFFINE,
        ("no_scale_and_shift", "γ and β are left out: y = x̂.", "Which parameters does y depend on?"),
        ("averaged_gradients", "dγ and dβ are means where they are sums, and dx is formed with the means.",
         "Sum or mean?"),
        ("dgamma_averaged_in_dx", "dγ is the mean where it is the sum, and dx is formed with it.", "Sum or mean?"),
        ("dbeta_averaged_in_dx", "dβ is the mean where it is the sum, and dx is formed with it.", "Sum or mean?"),
        ("no_gamma", "γ (the weight) is left out: y = x̂ + β.", "Which parameters does y depend on?"),
        ("no_beta", "β (the bias) is left out: y = γ x̂.", "Which parameters does y depend on?"),
        ("gamma_and_beta_swapped", "γ and β are swapped: y = β x̂ + γ.", "Which multiplies?"),
        ("beta_inside", "β is added before γ multiplies: y = γ (x̂ + β).", "Which comes first?"),
        ("gamma_plus_one", "1 is added to γ: y = (1 + γ) x̂ + β.", "What is γ at the start?"),
        ("dgamma_of_x", "dγ uses x where it uses x̂: dγ = Σ dy x̂.", "What does γ multiply?"),
        ("dgamma_of_centred", "dγ uses x − μ where it uses x̂: dγ = Σ dy x̂.", "What does γ multiply?"),
        ("dgamma_without_x_hat", "dγ is Σ dy: the factor x̂ is missing, dγ = Σ dy x̂.", "What does γ multiply?"),
        ("dgamma_without_dy", "dγ does not use dy.", "Where does dy enter?"),
        ("dgamma_averaged", "dγ is the mean where it is the sum.", "Sum or mean?"),
        ("dgamma_by_batch", "dγ is divided by the batch size (1/N), where it is summed.", "Sum or mean?"),
        ("dbeta_averaged", "dβ is the mean where it is the sum.", "Sum or mean?"),
        ("dbeta_by_batch", "dβ is divided by the batch size (1/N), where it is summed.", "Sum or mean?"),
        ("dbeta_with_x_hat", "dβ is multiplied with x̂, where it is Σ dy.", "What does β multiply?"),
        ("dbeta_of_ones", "dβ does not use dy.", "Where does dy enter?"),
        ("dbeta_of_everything", "dβ is summed over everything: the axis is missing.", "Along which axes?"),
        ("dbeta_of_the_last", "dβ holds the last sample only, where the samples add up.", "`=` or `+=`?"),
        ("swapped", "dγ and dβ are swapped.", "Which is which?"),
    ),
    *rows(
        BOTH,
        BACK,
        ("statistics_constant", "Mean and variance are taken for constants: dx = dy γ / √(σ² + ε), where both depend "
                                "on x and pass a gradient on.", "Do μ and σ² depend on x?"),
        ("mean_without_gradient", "The path through the mean is missing: the term − mean(dy).", "Does μ depend on x?"),
        ("variance_without_gradient", "The path through the variance is missing: the term − x̂ mean(dy x̂).",
         "Does σ² depend on x?"),
        ("variance_turned", "The term of the variance has the wrong sign: − x̂ mean(dy x̂).", "Which sign?"),
        ("variance_half", "The term of the variance is halved: the 2 of the square is missing.", "What is ∂σ²/∂x?"),
        ("variance_twice", "The term of the variance is doubled: the −1/2 of the power is missing.",
         "What is the derivative of v^(−1/2)?"),
        ("power_of_the_variance", "The power of the variance is −1 where it is −3/2 in its derivative.",
         "What is the derivative of v^(−1/2)?"),
        ("centred_for_x_hat", "x − μ stands where x̂ belongs in the term of the variance.", "Which x?"),
        ("sums_for_means", "Sums stand where the means of dy and dy x̂ belong: the 1/n is missing.", "Sum or mean?"),
        ("means_by_batch_size", "The means of dy and dy x̂ are divided by the batch size N, where they are over all "
                                "that was averaged (N H W of images).", "Over how many numbers is the mean?"),
        ("means_over_the_batch_back", "The means of dy and dy x̂ are taken over the batch (axis 0), where they are over "
                                      "what was normalized together.", "Along which axes?"),
        ("without_rstd", "The factor 1 / √(σ² + ε) is missing in dx.", "What is ∂x̂/∂x?"),
        ("rstd_squared", "dx is divided by the variance, where it is by its root.", "What is ∂x̂/∂x?"),
        ("times_deviation", "dx is multiplied by √(σ² + ε), where it is divided by it.", "What is ∂x̂/∂x?"),
        ("dx_times_n", "dx is n times too large: the 1/n before the bracket is missing.",
         "Which factor stands before?"),
        ("dx_over_n", "dx is divided by n once too often.", "Which factor stands before?"),
        ("dx_without_gamma", "γ is missing in dx.", "What does dy pass first on its way back?"),
    ),
    *rows(
        "batch_norm",
        STATISTICS,
        ("over_features", "Mean and variance are taken over each sample's features (as layer norm does), where they "
                          "are over the batch.", "How many means are there?"),
        ("over_the_batch_alone", "Mean and variance are taken over the batch alone, one for every pixel, where they "
                                 "are over batch, rows and columns, one for every channel.",
         "How many means are there?"),
        ("over_the_plane_alone", "Mean and variance are taken for every image by itself (instance norm), where they "
                                 "are over the batch.", "How many means are there?"),
    ),
    *rows(
        "batch_norm",
        RUNNING,
        ("running_of_biased", "The running variance takes the biased variance (over n), where it takes the unbiased "
                              "one (over n − 1).",
         "n or n − 1?"),
        ("momentum_turned", "The momentum is the other way round: it weighs the past (0.9 old + 0.1 new as Keras "
                            "writes it) where it weighs the new batch, r ← (1 − m) r + m · new.",
         "What does momentum multiply?"),
        ("running_mean_turned", "The momentum of the running mean is the other way round: it weighs the past.",
         "What does momentum multiply?"),
        ("running_var_turned", "The momentum of the running variance is the other way round: it weighs the past.",
         "What does momentum multiply?"),
        ("never_updates", "The running statistics are never updated.", "When do they change?"),
        ("updates_in_evaluation", "The running statistics are updated in evaluation too.", "When do they change?"),
        ("running_deviation", "The running variance takes the standard deviation.", "What is stored?"),
        ("running_replaced", "The running statistics are those of the last batch: replaced, where they are a moving "
                             "average.",
         "Where is the past?"),
        ("running_added", "The past is not weighted: r + m · new, where it is (1 − m) r + m · new.",
         "Where is the past?"),
        ("running_mean_alone", "The running variance is never updated.", "When does it change?"),
        ("running_var_alone", "The running mean is never updated.", "When does it change?"),
        ("batch_in_evaluation", "The batch's own mean and variance normalize in evaluation, where the running ones do.",
         "Does the layer know its mode?"),
        ("running_in_training", "The running statistics normalize in training, where the batch's own do.",
         "Does the layer know its mode?"),
        ("evaluation_without_eps", "ε is left out in evaluation.", "Where does ε stand?"),
    ),
    *rows(
        "layer_norm",
        STATISTICS,
        ("over_the_batch", "Mean and variance are taken over the batch (axis 0, as batch norm does), where they are "
                           "over each sample's features.", "How many means are there?"),
        ("mean_over_the_batch", "The mean is taken over the batch (axis 0), where it is over each sample's features.",
         "How many means are there?"),
        ("over_the_last_alone", "Mean and variance are taken over the last axis alone, where they are over the whole "
                                "sample.",
         "How many means are there?"),
    ),
    *rows(
        ("layer_norm", "group_norm"),
        BACK,
        ("gamma_after_the_means", "γ multiplies dx at the end, where it multiplies dy before the means are taken: g "
                                  "= γ dy.",
         "What does dy pass first on its way back?"),
    ),
    *rows(
        "group_norm",
        "Which channels make a group.",
        ("one_group", "All channels make one group (layer norm): the number of groups is not used.", "How many means?"),
        ("a_channel_a_group", "Every channel is a group of its own (instance norm): the number of groups is not used.",
         "How many means?"),
        ("groups_interleaved", "The channels of a group are taken from everywhere (every G-th), where they stand side "
         "by side.", "Which channels are in group 0?"),
        ("group_sizes_swapped", "The number of groups is taken for the number of channels in a group.",
         "How many means?"),
        ("over_the_batch", "Mean and variance are taken over the batch, where every sample has its own.",
         "How many means?"),
    ),
]  # fmt: skip
