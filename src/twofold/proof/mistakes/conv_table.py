"""The names of the mistakes of a convolution; their switches stand in `conv.py`."""

from __future__ import annotations

from twofold.proof.mistakes.base import rows

FORWARD, WEIGHT, BIAS, INPUT = "The way forward.", "The gradient of the kernel.", "The gradient of the bias.", "dx."
CONV = [
    *rows(
        "conv2d",
        FORWARD,
        ("flipped", "The kernel is flipped (rotated by 180°): a convolution in the mathematicians' sense, where the "
                    "layer is a cross-correlation.", "Which x does W[0, 0] meet?"),
        ("kernel_transposed", "The kernel's rows and columns are swapped (transposed).",
         "Which axis of W is the height?"),
        ("columns_in_another_order", "The unfolded windows and the reshaped kernel have different orders: (kernel, "
                                     "kernel, channels) against (channels, kernel, kernel), so that weights meet the "
                                     "wrong elements.",
          "In which order does im2col write a window?"),
        ("rows_for_planes", "The output is reshaped from (N, H, W, out) to (N, out, H, W) without a transpose: "
                            "channels and places are mixed.", "Where does the reshape put channel 1?"),
        ("output_in_another_order", "The output is reshaped from (out, N, H, W) to (N, out, H, W) without a "
                                    "transpose: samples and channels are mixed.",
         "Where does the reshape put sample 1?"),
        ("positions_before_samples", "The output is reshaped as if samples came first where im2col has positions "
                                     "first: samples and places are mixed.", "Where does the reshape put sample 1?"),
        ("first_kernel_for_all", "The first kernel serves every output channel, where each has its own.",
         "Which W for output 1?"),
        ("channels_reversed", "The input's channels are read in reversed order (BGR for RGB).",
         "Which channel meets W[:, 0]?"),
        ("first_channel_alone", "Only the first input channel is summed, where all are.",
         "Over which axes is the sum?"),
        ("groups_interleaved", "The outputs of the groups are interleaved, where each group's stand side by side.",
         "Which group is output 1 of?"),
        ("padded_with_edges", "The border repeats the edge, where it is of zeros.", "What lies outside?"),
        ("padded_by_mirror", "The border mirrors the image, where it is of zeros.", "What lies outside?"),
        ("padded_with_ones", "The border is of ones, where it is of zeros.", "What lies outside?"),
        ("stride_ignored", "The windows move by one pixel: the stride is not used when they are cut out.",
         "Where does window 1 begin?"),
        ("mean_over_the_window", "The products are averaged over the window, where they are summed.", "Sum or mean?"),
        ("no_bias", "The bias is not added.", "Which parameters does y depend on?"),
        ("bias_per_channel", "The bias is added once for every input channel, where it is once: it stands inside the "
                             "loop over channels.", "How often does b enter?"),
        ("bias_per_element", "The bias is added once for every element of the kernel, where it is once.",
         "How often does b enter?"),
        ("bias_twice", "The bias is added twice.", "How often does b enter?"),
        ("bias_subtracted", "The bias is subtracted, where it is added.", "What is the sign of b?"),
        ("first_bias_for_all", "The first bias serves every output channel.", "Which b for output 1?"),
        ("relu_inside", "A ReLU is applied inside the layer.", "Can y be negative?"),
    ),
    *rows(
        "conv2d",
        WEIGHT,
        ("dW_averaged", "dW is averaged over the batch (divided by the batch size, 1/N), where it is summed.",
         "Sum or mean?"),
        ("dW_over_positions", "dW is averaged over the positions of the window, where it is summed.", "Sum or mean?"),
        ("dW_over_all", "dW is averaged over batch and positions, where it is summed.", "Sum or mean?"),
        ("dW_of_the_last_image", "dW holds the last image only: overwritten in the loop over the batch, where images "
                                 "add up.",
         "`=` or `+=`?"),
        ("dW_of_the_first_image", "dW holds the first image only, where all images add up.", "Over what is summed?"),
        ("dW_of_the_last_window", "dW holds the last window only: overwritten in the loop over positions, where "
                                  "windows add up.",
         "`=` or `+=`?"),
        ("dW_flipped", "dW is flipped (rotated by 180°).", "Which x does dW[0, 0] meet?"),
        ("dW_kernel_transposed", "dW has the kernel's rows and columns swapped (transposed).",
         "Which axis of dW is the height?"),
        ("dW_without_padding", "dW reads x without its border: the windows are offset by the padding.",
         "Which x: padded?"),
        ("dW_without_dy", "dW does not use dy.", "Where does dy enter?"),
    ),
    *rows(
        "conv2d",
        BIAS,
        ("db_averaged", "db is averaged over the batch (divided by the batch size, 1/N), where it is summed.",
         "Sum or mean?"),
        ("db_over_positions", "db is averaged over the positions, where it is summed over batch, rows and columns.",
         "Sum or mean?"),
        ("db_over_all", "db is the mean over batch and positions, where it is the sum.", "Sum or mean?"),
        ("db_of_the_last_image", "db holds the last image only, where all images add up.", "`=` or `+=`?"),
        ("db_of_the_first_image", "db holds the first image only, where all images add up.", "Over what is summed?"),
        ("db_of_the_last_window", "db holds the last position only: overwritten in the loop, where positions add up.",
         "`=` or `+=`?"),
        ("db_of_everything", "db is summed over the channels too: the axis is missing.", "Along which axes?"),
        ("db_of_ones", "db counts the positions: it does not use dy.", "Where does dy enter?"),
    ),
    *rows(
        "conv2d",
        INPUT,
        ("dx_flipped", "The kernel is flipped where it is not, or not flipped where it must be, on the way to dx: dx "
                       "is the full convolution of dy with the kernel.", "Which dy does W[0, 0] meet?"),
        ("dx_kernel_transposed", "dx uses the kernel with rows and columns swapped (transposed).",
         "Which axis of W is the height?"),
        ("dx_overwritten", "Where windows overlap dx is overwritten, where what every window gives adds up.",
         "`=` or `+=`?"),
        ("dx_overwritten_by_element", "Where windows overlap dx is overwritten, element of the kernel after element, "
                                      "where what every window gives adds up.", "`=` or `+=`?"),
        ("stride_ignored_back", "The windows move by one pixel on the way back: the stride is used on the way forward "
                                "alone.", "Where does window 1 begin?"),
        ("dx_divided_by_overlap", "dx is averaged over the windows that overlap, where they add up.", "Sum or mean?"),
        ("dx_not_cropped", "dx is cut at the wrong place: the border is not taken off at the top and left.",
         "Where is the border?"),
        ("starts_one_late", "dx is offset by one pixel: cropped one pixel too early.", "Where is the border?"),
        ("starts_one_early", "dx is offset by one pixel: cropped one pixel too late.", "Where is the border?"),
    ),
]  # fmt: skip
