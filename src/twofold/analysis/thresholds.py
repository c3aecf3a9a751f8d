"""From which size on a measurement is a finding. `docs/analysis.md` has the rules with their sources."""

SIGMAS = 3.0
"""Standard errors that a difference must exceed: by chance one in 700 does on one side."""
GAP = 0.05
"""Training accuracy minus held-out accuracy below which there is nothing to mend, however sure the difference is."""
FEWEST_EVALUATIONS = 5
"""A course of fewer points has no turn: its noise cannot be told from its trend."""
TURN = 0.1
"""The share of its lowest value by which the held-out loss must have risen again."""
TURN_OF_START = 0.01
"""The share of the loss before training by which it must: what is below is small whatever its ratio."""
NOISE = 4.0
"""A rise must exceed the noise of the course, by its second differences, so many times."""
LEARNED = 0.5
"""The share of what a constant answer gets wrong that a network must have learned on the training samples."""
SOLVED = 0.9
"""From this share on the task is learned, whatever a gradient does."""
STILL_FALLING = 0.05
"""The share of its whole fall that a training loss which is not done makes in the last fifth of the evaluations."""
RISE = 0.25
"""The share of the loss before training by which the training loss rises above an earlier value."""
RISEN_SHARE = 0.1
"""The share of the evaluations that must be so high: one spike is none, the last evaluation always is."""
RATIO = 1e-3
"""‖update‖ / ‖weight‖ of a rate that fits, as a rule of thumb."""
RATIO_HIGH = 0.1
"""A hundred times that: a step changes a weight by a tenth of itself."""
RATIO_LOW = 1e-4
"""A tenth of it: a thousand steps in one direction do not change a weight by a tenth of itself."""
DEAD = 0.5
"""The share of a layer's units that are dead. Healthy trainings stay below: docs/benchmarks/healthy.md."""
KILLED = 0.9
"""The share of units that training itself puts to sleep where the rate is to blame: next to nothing passes any more."""
SATURATED_START = 0.5
"""The share of outputs that are saturated before training: by usual initial weights next to none are."""
DEPTH = 0.01
"""Below this share of the last layer's gradient a layer's gradient vanishes; over its inverse it explodes."""
INITIAL_LOSS = 3.0
"""Times ln(classes), which a network that knows nothing has: beyond, initial weights or inputs are too large."""
STANDS_OUT = 1e-3
"""The chance, over all pairs of classes, that mistakes spread evenly over them would give one pair so many."""
FEWEST_MISTAKES = 5
"""Of a pair that stands out."""
APART = 0.01
"""The share of its norm by which a weight of one engine is apart from that of the other."""
