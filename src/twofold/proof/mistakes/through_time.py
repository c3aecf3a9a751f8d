"""The names of the mistakes of recurrent layers; their switches stand in `recurrent.py` and `cells.py`."""

from __future__ import annotations

from twofold.proof.mistakes.base import Mistake, rows
from twofold.proof.mistakes.cells import ORDERS

ALL = ("rnn", "lstm", "gru")
STATE, READ, BACK, ADDED = (
    "What a step starts from.",
    "What the layer gives out.",
    "How the gradient passes from step to step.",
    "How the weights' gradients of all steps come together.",
)
SHARED = [
    *rows(
        ALL,
        STATE,
        ("begins_at_one", "h(0) is of ones, where it is of zeros.", "What is h(0)?"),
        ("state_carried", "The hidden state of the batch before is carried over: h(0) is not reset to zeros.",
         "What is h(0)?"),
        ("state_not_carried", "The hidden state is not passed on: every step begins from zeros, where it begins from "
                              "h(t−1).",
         "What is h(t−1) in step 2?"),
        ("no_recurrence", "W_hh h(t−1) is left out: a step does not see the one before.", "Where does h(t−1) enter?"),
        ("W_hh_transposed", "W_hh is transposed: h W_hh stands where W_hh h (h W_hhᵀ) belongs.",
         "Which axis of W_hh is summed?"),
        ("no_b_ih", "b_ih (the input's bias) is left out.", "Which parameters does h depend on?"),
        ("b_ih_twice", "b_ih is added twice.", "How often does b_ih enter?"),
        ("no_b_hh", "b_hh (the state's bias) is left out.", "Which parameters does h depend on?"),
        ("no_biases", "Both biases are left out.", "Which parameters does h depend on?"),
        ("time_reversed", "The sequence is read backwards, from its last step to its first.", "Which x comes first?"),
        ("x_of_the_step_before", "Step t reads x(t−1): the inputs are offset by one step.",
         "Which x does step 0 read?"),
        ("first_x_at_every_step", "Every step reads x(1).", "Which x does step 2 read?"),
    ),
    *rows(
        ALL,
        READ,
        ("reads_the_first", "The state after the first step is given, where the last one is.", "Which state is y?"),
        ("reads_the_one_before", "The state before the last step is given: offset by one.", "Which state is y?"),
        ("reads_the_mean", "The mean of all states is given, where the last one is.", "Which state is y?"),
        ("reads_the_sum", "The sum of all states is given, where the last one is.", "Which state is y?"),
        ("states_before", "The states are offset by one step: h(0) to h(T−1), where h(1) to h(T) are given.",
         "Which is first?"),
        ("every_reversed", "The states are given in reversed order.", "Which is first?"),
    ),
    *rows(
        ALL,
        BACK,
        ("not_through_time", "The gradient is not passed back through time: every step's dh is that from its own "
                             "output.",
         "What is ∂L/∂h(t−1)?"),
        ("one_step_back", "Back-propagation through time is truncated after one step.",
         "How far back does the loop go?"),
        ("back_from_the_first_step", "The loop back runs from the first step to the last, where it runs from the last "
                                     "to the first.", "Which step is the first on the way back?"),
        ("two_steps_back", "Back-propagation through time is truncated after two steps.",
         "How far back does the loop go?"),
        ("three_steps_back", "Back-propagation through time is truncated after three steps.",
         "How far back does the loop go?"),
        ("U_transposed_back", "W_hh is transposed on the way back: dh(t−1) = dc W_hh.",
         "Which axis of W_hh is summed?"),
        ("dy_at_every_step", "dy enters at every step, where it enters at the last one alone.",
         "Which state does the loss read?"),
        ("last_dy_alone", "Only the last step's dy enters, where every step has its own.",
         "Which states does the loss read?"),
        ("dy_overwrites", "A step's dy replaces what comes from later steps, where the two add up.", "`=` or `+=`?"),
        ("past_W_hh_alone", "The path through W_hh is missing: ∂L/∂h(t−1) = dc W_hh.", "What is ∂L/∂h(t−1)?"),
    ),
    *rows(
        ALL,
        ADDED,
        ("dW_hh_of_its_own_state", "dW_hh is formed with h(t), where it is with h(t−1): offset by one step.",
         "Which h enters step t?"),
        ("dW_ih_overwritten", "dW_ih holds one step only (the first): overwritten in the loop, where all steps add "
                              "up.",
         "`=` or `+=`?"),
        ("dW_hh_overwritten", "dW_hh holds one step only (the first): overwritten in the loop, where all steps add "
                              "up.",
         "`=` or `+=`?"),
        ("db_ih_overwritten", "db_ih holds one step only (the first): overwritten in the loop, where all steps add "
                              "up.",
         "`=` or `+=`?"),
        ("db_hh_overwritten", "db_hh holds one step only (the first): overwritten in the loop, where all steps add "
                              "up.",
         "`=` or `+=`?"),
        ("all_overwritten", "The weights' gradients hold one step only (the first): overwritten in the loop, where "
                            "all steps add up.",
         "`=` or `+=`?"),
        ("dW_ih_of_the_last_step", "dW_ih holds the last step only, where all steps add up.", "Over what is summed?"),
        ("dW_hh_of_the_last_step", "dW_hh holds the last step only, where all steps add up.", "Over what is summed?"),
        ("db_ih_of_the_last_step", "db_ih holds the last step only, where all steps add up.", "Over what is summed?"),
        ("db_hh_of_the_last_step", "db_hh holds the last step only, where all steps add up.", "Over what is summed?"),
        ("averaged_over_time", "The weights' gradients are divided by the number of steps: averaged over time, where "
                               "all steps add up.",
         "Sum or mean?"),
        ("db_averaged", "The biases' gradients are averaged over the batch (1/N), where they are summed.",
         "Sum or mean?"),
        ("clipped_inside", "The gradients are clipped to [−1, 1] inside the layer: clipping belongs to the optimizer.",
         "Is anything cut?"),
        ("dx_of_the_last_step", "dx holds the last step only, where every step has its own.", "What is ∂L/∂x(1)?"),
        ("dx_time_reversed", "dx is in reversed order of time.", "Which step is dx[:, 0]?"),
    ),
]  # fmt: skip

RNN = rows(
    "rnn",
    "The nonlinearity and its slope.",
    ("other_nonlinearity", "The other nonlinearity than asked for stands in the cell: relu for tanh, or tanh for "
                           "relu.",
     "Which f?"),
    ("sigmoid", "The sigmoid stands where tanh belongs.", "Which f?"),
    ("linear", "The nonlinearity is left out.", "Which f?"),
    ("tanh_of_the_input_alone", "tanh is applied to the input's part alone, where it is to the whole sum.",
     "Of what is tanh?"),
    ("state_added", "h(t−1) is added to the new state, as in a residual network.", "Where does h(t−1) enter?"),
    ("slope_of_the_sum", "The slope is 1 − s² of the sum s, where it is 1 − h² (tanh' = 1 − tanh²).",
     "Of what is the square?"),
    ("slope_one_minus", "The slope is 1 − h: the square is missing, 1 − h².", "Derive tanh."),
    ("slope_of_the_state_before", "The slope is taken at h(t−1), where it is at h(t): 1 − h(t)².", "Of which state?"),
    ("slope_left_out", "The slope of tanh is left out.", "What is ∂h/∂s?"),
    ("slope_of_sigmoid", "The slope is h (1 − h), that of the sigmoid; it is 1 − h².", "Derive tanh."),
)  # fmt: skip

LSTM = [
    *rows(
        "lstm",
        "The gates and the memory.",
        *(
            (f"gates_{order}", f"The gates are read in the order {', '.join(order)}, where PyTorch's is i, f, g, o.",
             "Which rows are which gate?")
            for order in ORDERS
            if order != "ifgo"
        ),
        ("forget_bias_one", "1 is added to the forget gate's bias.", "Is anything added to f?"),
        ("candidate_of_sigmoid", "The candidate g has a sigmoid, where it has tanh.", "Which f for g?"),
        ("candidate_linear", "The candidate g has no tanh.", "Which f for g?"),
        ("coupled", "The input gate is 1 − f (coupled gates), where it has its own weights.", "What is i?"),
        ("forget_turned", "The forget gate is turned round: 1 − f multiplies the memory, where f does.",
         "What does f = 1 mean?"),
        ("nothing_forgotten", "The memory is not multiplied by the forget gate: m = m(t−1) + i g, where m = f m(t−1) "
                              "+ i g.",
         "Where does f enter?"),
        ("input_gate_left_out", "The candidate is not multiplied by the input gate: m = f m(t−1) + g.",
         "Where does i enter?"),
        ("forgets_the_new", "The forget gate multiplies the new candidate too: f (m(t−1) + i g).",
         "What does f multiply?"),
        ("input_and_forget_swapped", "Input and forget gate are swapped: m = i m(t−1) + f g.", "What does f multiply?"),
        ("memory_not_carried", "The memory is not carried from step to step: m = i g.", "Where does m(t−1) enter?"),
        ("forget_is_one_minus_input", "The past is weighted by 1 − i (coupled gates), where the forget gate has its "
                                      "own weights.", "What is f?"),
        ("output_by_i", "The input gate stands where the output gate belongs: h = i tanh m.", "Which gate for h?"),
        ("output_by_f", "The forget gate stands where the output gate belongs: h = f tanh m.", "Which gate for h?"),
        ("memory_carried", "The memory of the batch before is carried over: m(0) is not reset to zeros.",
         "What is m(0)?"),
        ("no_tanh_of_the_memory", "h = o m: the tanh of the memory is missing, h = o tanh m.", "What does o multiply?"),
        ("sigmoid_of_the_memory", "h = o σ(m), where it is o tanh m.", "What does o multiply?"),
        ("tanh_outside", "h = tanh(o m), where it is o tanh m.", "What does o multiply?"),
        ("output_gate_left_out", "The output gate is left out: h = tanh m.", "Where does o enter?"),
        ("reads_the_memory", "The memory m is given, where the state h is.", "Which of the two is y?"),
    ),
    *rows(
        "lstm",
        "The way back through the gates and along the memory.",
        ("memory_gradient_forgotten", "The gradient along the memory is forgotten: dm(t) comes from h(t) alone, "
                                      "where what later steps give is added.", "What is ∂L/∂m(t)?"),
        ("h_gradient_forgotten", "The path from h to the memory is missing: dm += dh o (1 − tanh² m).",
         "What is ∂h/∂m?"),
        ("memory_slope_left_out", "The slope 1 − tanh² m is missing in dm.", "What is ∂h/∂m?"),
        ("memory_slope_of_m", "The slope is 1 − m², where it is 1 − tanh² m.", "What is ∂h/∂m?"),
        ("dm_without_o", "The factor o is missing in dm.", "What is ∂h/∂m?"),
        ("gate_slopes_left_out", "The slopes s (1 − s) of the gates' sigmoids are missing.", "What is ∂σ/∂s?"),
        ("df_of_the_new_memory", "df is formed with m(t), where it is with m(t−1): offset by one step.",
         "What does f multiply?"),
        ("dg_of_sigmoid", "dg has the slope g (1 − g) of a sigmoid, where tanh's is 1 − g².", "Which f for g?"),
        ("do_without_tanh", "do is formed with m, where it is with tanh m.", "What does o multiply?"),
        ("dg_without_i", "The factor i is missing in dg.", "What does g meet?"),
        ("di_with_i", "di is formed with i, where it is with g.", "What does i multiply?"),
        ("memory_slope_is_tanh", "dm has the factor tanh m where its slope 1 − tanh² m belongs.", "What is ∂h/∂m?"),
        ("dg_slope_left_out", "The slope 1 − g² is missing in dg.", "What is ∂g/∂s?"),
        ("di_slope_left_out", "The slope i (1 − i) is missing in di.", "What is ∂σ/∂s?"),
        ("di_without_one_minus", "The factor 1 − i is missing in di: the slope is i (1 − i).", "What is ∂σ/∂s?"),
        ("di_without_partner", "The factor g is missing in di.", "What does i multiply?"),
        ("df_slope_left_out", "The slope f (1 − f) is missing in df.", "What is ∂σ/∂s?"),
        ("df_without_one_minus", "The factor 1 − f is missing in df: the slope is f (1 − f).", "What is ∂σ/∂s?"),
        ("df_without_partner", "The factor m(t−1) is missing in df.", "What does f multiply?"),
        ("do_slope_left_out", "The slope o (1 − o) is missing in do.", "What is ∂σ/∂s?"),
        ("do_without_one_minus", "The factor 1 − o is missing in do: the slope is o (1 − o).", "What is ∂σ/∂s?"),
        ("do_without_partner", "The factor tanh m is missing in do.", "What does o multiply?"),
        ("di_zero", "The input gate gets no gradient.", "Which gates learn?"),
        ("df_zero", "The forget gate gets no gradient.", "Which gates learn?"),
        ("dg_zero", "The candidate gets no gradient.", "Which gates learn?"),
        ("do_zero", "The output gate gets no gradient.", "Which gates learn?"),
        ("memory_back_without_f", "dm(t−1) is dm: the factor f is missing.", "What is ∂m(t)/∂m(t−1)?"),
        ("memory_back_by_i", "dm(t−1) is dm i, where it is dm f.", "What is ∂m(t)/∂m(t−1)?"),
    ),
]  # fmt: skip

GRU = [
    *rows(
        "gru",
        "The gates and the update.",
        *(
            (f"gates_{order}", f"The gates are read in the order {', '.join(order)}, where PyTorch's is r, z, n.",
             "Which rows are which gate?")
            for order in ("zrn", "nrz", "rnz", "nzr", "znr")
        ),
        ("reset_before_the_product", "The reset gate multiplies h before the product: W_hn (r ⊙ h), where it is r ⊙ "
                                     "(W_hn h + b_hn), as PyTorch has it.", "Before or after the product?"),
        ("bias_outside_of_reset", "b_hn stands outside the reset gate: r ⊙ (W_hn h) + b_hn, where it is r ⊙ (W_hn h "
                                  "+ b_hn).",
         "What does r multiply?"),
        ("reset_of_everything", "The reset gate multiplies the input's part too.", "What does r multiply?"),
        ("reset_left_out", "The reset gate is left out.", "Where does r enter?"),
        ("reset_by_z", "The update gate stands where the reset gate belongs.", "Where does r enter?"),
        ("candidate_of_sigmoid", "The candidate n has a sigmoid, where it has tanh.", "Which f for n?"),
        ("candidate_linear", "The candidate n has no tanh.", "Which f for n?"),
        ("update_turned", "The update gate is turned round: h = z n + (1 − z) h(t−1), where it is (1 − z) n + z "
                          "h(t−1).",
         "What does z = 1 mean?"),
        ("update_adds", "h = z n + h(t−1): the past is not weighted.", "What does z = 1 mean?"),
        ("update_by_r", "The reset gate stands where the update gate belongs.", "Where does z enter?"),
        ("past_left_out", "The past is left out: h = (1 − z) n.", "Where does h(t−1) enter?"),
    ),
    *rows(
        "gru",
        "The way back through the gates.",
        ("direct_path_forgotten", "The direct path from h(t) to h(t−1), dh z, is forgotten.", "What is ∂h(t)/∂h(t−1)?"),
        ("direct_path_turned", "The direct path is dh (1 − z), where it is dh z.", "What is ∂h(t)/∂h(t−1)?"),
        ("one_gradient_for_both", "One gradient serves both products: the factor r is missing in that of W_hn h + "
                                  "b_hn.",
         "What does r multiply?"),
        ("dn_by_z", "dn is dh z, where it is dh (1 − z).", "What is ∂h/∂n?"),
        ("dn_without_z", "dn is dh: the factor 1 − z is missing.", "What is ∂h/∂n?"),
        ("slope_of_n_left_out", "The slope 1 − n² of the candidate is missing.", "What is ∂n/∂s?"),
        ("dz_turned", "dz has the wrong sign: dh (n − h(t−1)), where it is dh (h(t−1) − n).", "What is ∂h/∂z?"),
        ("dz_without_past", "The term h(t−1) is missing in dz.", "What is ∂h/∂z?"),
        ("dr_without_bias", "b_hn is missing in dr: dr = ds (W_hn h + b_hn).", "What does r multiply?"),
        ("dr_of_the_state", "dr is formed with h(t−1), where it is with W_hn h(t−1) + b_hn.", "What does r multiply?"),
        ("dr_slope_left_out", "The slope r (1 − r) is missing in dr.", "What is ∂σ/∂s?"),
        ("dz_slope_left_out", "The slope z (1 − z) is missing in dz.", "What is ∂σ/∂s?"),
        ("dr_zero", "The reset gate gets no gradient.", "Which gates learn?"),
        ("dz_zero", "The update gate gets no gradient.", "Which gates learn?"),
        ("gate_slopes_left_out", "The slopes s (1 − s) of the gates' sigmoids are missing.", "What is ∂σ/∂s?"),
    ),
]  # fmt: skip

THROUGH_TIME: list[Mistake] = [*SHARED, *RNN, *LSTM, *GRU]
