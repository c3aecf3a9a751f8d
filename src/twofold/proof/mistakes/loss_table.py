"""The names of the mistakes of losses; their switches stand in `losses.py`."""

from __future__ import annotations

from twofold.proof.mistakes.base import rows
from twofold.proof.mistakes.losses import cut_rows

REDUCTION, SLOPE = "By what the sum is divided.", "The derivative of the loss."
BOTH = ("cross_entropy", "mean_squared")
LOSSES = [
    *rows(
        "cross_entropy",
        REDUCTION,
        ("gradient_over_all", "The gradient is divided by the batch size and by the number of classes, where it is "
                              "by the batch size alone.", "Over what is the mean?"),
        ("loss_over_all", "The loss is averaged over batch and classes (np.mean over the whole array), where it is "
                          "over the batch alone: the number of classes too small.", "Over what is the mean?"),
    ),
    *rows(
        "cross_entropy",
        "The logarithm and the softmax.",
        ("no_maximum", "The maximum is not subtracted before exp: large logits overflow to infinity and NaN.",
         "exp(1000)?"),
        ("softmax_over_the_batch", "Softmax is taken over the batch (axis 0), where it is over the classes (axis 1).",
         "What does each row sum to?"),
        ("softmax_twice", "Softmax is applied twice: the loss takes logits.",
         "What goes in: logits, or probabilities?"),
        ("probabilities_expected", "Softmax is left out: the logarithm is taken of the logits themselves.",
         "What goes in: logits, or probabilities?"),
        ("eps_in_the_log", "A small ε stands in the logarithm (log(p + 1e-12)), which caps the loss of a class of "
                           "probability 0; log softmax is computed from the logits.",
         "What is the loss of a certain error?"),
        *((f"eps_{k}_in_the_log", f"1e-{k} is added in the logarithm: log(p + 1e-{k}); log softmax is computed from "
           "the logits.", "What is the loss of a certain error?") for k in (5, 6, 7, 8, 9, 10, 15, 16, 20)),
        *cut_rows(),
        ("sum_to_base_two", "The logarithm of the sum has base 2, where it is the natural one.", "Which logarithm?"),
        ("logits_for_logarithms", "The logits stand where log softmax belongs: the logarithm of the sum is missing.",
         "Is the loss of a certain prediction 0?"),
        ("base_two", "The logarithm has base 2 (bits), where it is the natural one (nats).", "Which logarithm?"),
        ("base_ten", "The logarithm has base 10, where it is the natural one.", "Which logarithm?"),
        ("binary", "Binary cross-entropy: a term (1 − y) log(1 − p) of the other classes is added.",
         "Which classes count?"),
        ("all_classes", "The log-probabilities of all classes are summed, where that of the target alone counts.",
         "Which class?"),
        ("probability_itself", "The probability of the target stands where its logarithm belongs.", "Is there a log?"),
        ("wrong_sign", "Loss and gradient have the wrong sign: the minus before the sum of logarithms is missing.",
         "Can the loss be negative?"),
        ("no_smoothing", "Label smoothing is left out.", "What is the target of a wrong class?"),
        ("smoothing_over_the_others", "Label smoothing gives ε/(C − 1) to the other classes, where every class gets "
                                      "ε/C.",
         "What is the target of a wrong class?"),
        ("smoothing_of_others_added", "Label smoothing adds ε/(C − 1) to every class, the target too, where it is ε/C.",
         "What do the targets sum to?"),
        ("smoothing_short_at_the_target", "Label smoothing gives the target 1 − ε, where it is 1 − ε + ε/C.",
         "What do the targets sum to?"),
        ("smoothing_undivided", "Label smoothing's ε is not divided by the number of classes.",
         "What do the targets sum to?"),
        ("smoothing_added", "Label smoothing adds ε/C without taking ε from the target: 1 − ε is left out.",
         "What do the targets sum to?"),
    ),
    *rows(
        "cross_entropy",
        SLOPE,
        ("without_softmax", "The gradient is z − onehot: softmax is missing, (softmax(z) − onehot) / N.", "Which p?"),
        ("by_p_alone", "The gradient is −onehot / p, that with respect to the probabilities; with respect to the "
                       "logits it is (softmax(z) − onehot) / N.", "With respect to what is derived?"),
        ("p_alone", "The one-hot target is not subtracted: the gradient is softmax(z) / N.", "Where is the target?"),
        ("target_alone", "softmax(z) is missing: the gradient is −onehot / N.", "Where is p?"),
        ("target_zero", "At the target the gradient is 0, where it is (p − 1) / N.", "What is it at the target?"),
        ("at_the_target_alone", "Only the target's class has a gradient; every class has one, p / N.",
         "And the others?"),
        ("slope_of_softmax_too", "The gradient is multiplied with softmax's slope p (1 − p) once more: softmax(z) − "
                                 "onehot holds it already.", "Is softmax derived twice?"),
        ("p_and_target_added", "The one-hot target is added where it is subtracted.", "Which sign?"),
        ("of_softmax_too", "The gradient is p − onehot, that with respect to the logits; with respect to the "
                           "probabilities it is −onehot / (p N).", "With respect to what is derived?"),
        ("half_the_gradient", "The gradient is halved.", "Which factor?"),
    ),
    *rows(
        "mean_squared",
        REDUCTION,
        ("over_batch", "Loss and gradient are divided by the batch size alone, where the mean is over batch and "
                       "outputs (N · C).",
         "Over what is the mean?"),
        ("loss_over_batch", "The loss is divided by the batch size alone, where the mean is over batch and outputs.",
         "Over what is the mean?"),
        ("gradient_over_batch", "The gradient is divided by the batch size alone, where the mean is over batch and "
                                "outputs.",
         "Over what is the mean?"),
        ("over_classes", "Loss and gradient are divided by the number of outputs alone, where the mean is over batch "
                         "and outputs.",
         "Over what is the mean?"),
        ("half", "A half stands before the loss (and cancels the 2 of its gradient), where there is none.",
         "Is there a ½?"),
        ("half_the_loss", "A half stands before the loss while the gradient keeps its 2.", "Is there a ½?"),
        ("no_two", "The 2 is missing in the gradient: 2 (y − t) / (N C).", "What is the derivative of d²?"),
        ("four", "The gradient is twice too large: 2 (y − t) / (N C).", "What is the derivative of d²?"),
    ),
    *rows(
        "mean_squared",
        SLOPE,
        ("absolute", "The absolute distance stands where the square belongs.", "What is the loss at a distance of 2?"),
        ("root", "The root of the mean square (RMSE) stands where the mean square belongs.", "Is there a root?"),
        ("no_target", "The target is not subtracted.", "What is the loss of a perfect prediction?"),
        ("target_of_minus_one", "The targets of the other classes are −1 where they are 0.",
         "What is the target's zero?"),
        ("of_the_target_alone", "Only the target's output counts, where all outputs do.", "Which outputs count?"),
    ),
    *rows(
        BOTH,
        REDUCTION,
        ("sum_in_place_of_mean", "Loss and gradient are sums over the batch where they are means: not divided by the "
                                 "batch size N.", "Sum or mean?"),
        ("mean_in_place_of_sum", "Loss and gradient are means over the batch where sums were asked for.",
         "Sum or mean?"),
        ("gradient_undivided", "The gradient is not divided by the number of terms (the batch size N) while the loss "
                               "is their mean: it is N times too large.",
         "Is the gradient that of the mean, or of the sum?"),
        ("loss_undivided", "The loss is the sum over the batch where it is the mean, divided by the batch size N; "
                           "its gradient is that of the mean.", "Sum or mean?"),
        ("loss_averaged", "The loss is the mean over the batch where the sum was asked for.", "Sum or mean?"),
        ("gradient_averaged", "The gradient is divided by the batch size where the sum was asked for.", "Sum or mean?"),
        ("gradient_over_classes", "The gradient is divided by the number of classes (axis 1), where it is by the "
                                  "number of terms.",
         "What is `shape[1]`?"),
        ("loss_over_classes", "The loss is divided by the number of classes (axis 1), where it is by the number of "
                              "terms.",
         "What is `shape[1]`?"),
    ),
    *rows(
        BOTH,
        SLOPE,
        ("gradient_turned", "The gradient has the wrong sign: target − prediction, where it is prediction − target.",
         "In which direction does the loss grow?"),
    ),
]  # fmt: skip
