# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Part 2. CIFAR-10 with fully connected layers: over-fitting
#
# Images of 32 x 32 pixels in three colours, ten classes, and a network that sees 3072 numbers and does not know which
# pixels are neighbours. How well does it learn its training images, and how well new ones? You will measure both, from
# when on they part, and what dropout and a falling rate change.

# %%
import os

import pandas as pd

import twofold
from twofold.data import at_hand

SHORT = "TWOFOLD_SHORT" in os.environ  # a few steps in place of the whole training: a test of this notebook
REAL = at_hand(twofold.load_recipe("cifar10-mlp").data) and not SHORT
STAND_IN = {} if REAL else {"data.source": "digits"}
LENGTH = {"training.epochs": 2, "training.evaluate_every": 1} if SHORT else {}

if not REAL:
    print(
        "Here scikit-learn's digits, 8 x 8 grey pixels, stand in for CIFAR-10: the same networks on smaller images. "
        "`twofold run cifar10-mlp` downloads CIFAR-10 once; then run this notebook again."
    )
recipe = twofold.load_recipe("cifar10-mlp", STAND_IN | LENGTH)
recipe

# %% [markdown]
# ## The equations
#
# `flatten` writes an image as one row of numbers. Then, layer by layer, with $H_0 = X$,
#
# $$H_k = \max(H_{k-1} W_k^\top + b_k, 0), \qquad Z = H_2 W_3^\top + b_3, \qquad
# L = -\frac1N \sum_n \log \operatorname{softmax}(Z_n)_{y_n},$$
#
# and backward, with $dA_k = dH_k \odot [A_k > 0]$,
#
# $$dW_k = dA_k^\top H_{k-1}, \qquad db_k = \sum_n dA_{k,n}, \qquad dH_{k-1} = dA_k W_k.$$
#
# ## Question 1. Where are the parameters?

# %%
counts = pd.DataFrame(
    [
        {"layer": f"{node.name} {node.kind}", "weights": f"{node.parameters['weight']}", "count": node.count}
        for node in recipe.network.nodes
        if node.count
    ]
)
counts["share"] = counts["count"] / counts["count"].sum()
print(f"{counts['share'].iloc[0]:.1%} of {recipe.network.count:,} parameters are in the first layer.")
counts

# %% [markdown]
# The first layer holds nearly all of them, because every hidden unit looks at every number of the image. That is what
# a convolution saves: see part 3.
#
# ## Training

# %%
run = twofold.run(recipe)
run

# %%
report = twofold.sections(run)
report["Course of training"]

# %% [markdown]
# *What to look at.* Do the two curves part, accuracy on the training images rising where that on the test images does
# not? Does the loss say it earlier than the accuracy? A network can become worse by being surer of its mistakes.
#
# ## Question 2. From when on does it over-fit?
#
# The epoch with the lowest test loss, and what came after:


# %%
def turning(run: twofold.Run) -> str:
    """Where the test loss of the first engine was lowest, in words."""
    engine = next(iter(run.engines))
    history = run.history[run.history.engine == engine]
    lowest, last = history.loc[history.test_loss.idxmin()], history.iloc[-1]
    return (
        f"lowest test loss {lowest.test_loss:.3f} at epoch {lowest.epoch:g} of {last.epoch:g}; at the end it is "
        f"{last.test_loss:.3f}, and training minus test accuracy is {last.train_accuracy - last.test_accuracy:+.3f}"
    )


print(turning(run))

# %% [markdown]
# If the lowest loss is that of the last epoch, the network has not over-fitted yet: train longer
# (`--set training.epochs=300`) or faster (`--set optimizer.lr=0.01`), and look again.
#
# ## Question 3. Dropout and a falling rate: which of the two is to blame?
#
# The documents tried dropout of 0.5 after each hidden layer together with a rate that is divided by ten every ten
# epochs, and found the result poor. Two things were changed at once. Change them one at a time:

# %%
changes = STAND_IN | (LENGTH or {"training.epochs": 40})
runs = {
    "neither": twofold.run("cifar10-mlp-100-50", overrides=changes, engines="torch"),
    "dropout and falling rate": twofold.run("cifar10-mlp-dropout-step", overrides=changes, engines="torch"),
    "dropout only": twofold.run(
        "cifar10-mlp-dropout-step", overrides=changes | {"schedule.kind": "constant"}, engines="torch"
    ),
}
rows = []
for name, each in runs.items():
    result, rate = each.engines["torch"], each.history["lr"].iloc[-1]
    gap = result["train_accuracy"] - result["test_accuracy"]
    rows.append({"run": name, "last rate": rate, "training": result["train_accuracy"], "test": result["test_accuracy"]})
    rows[-1]["training − test"] = gap
measured = pd.DataFrame(rows).set_index("run")
measured

# %%
both, only = measured.loc["dropout and falling rate"], measured.loc["dropout only"]
print(f"With the same dropout, a constant rate changes the test accuracy by {only['test'] - both['test']:+.4f}.")
print(f"With the same constant rate, dropout changes it by {only['test'] - measured.loc['neither', 'test']:+.4f}")
print(f"and the gap by {only['training − test'] - measured.loc['neither', 'training − test']:+.4f}.")

# %% [markdown]
# *Why.* After $k$ epochs the rate is $\eta \cdot 0.1^{\lfloor k / 10 \rfloor}$: all updates together that can still
# come add up to about a ninth of those of the last ten epochs. Whatever the network has not learned by then it never
# learns. Dropout makes training harder, so that it needs more steps, not fewer; whether it narrows the gap here is the
# last number above.

# %%
runs["dropout and falling rate"].history[["epoch", "lr", "train_loss", "test_accuracy"]]

# %% [markdown]
# ## Question 4. What does the first layer look for, and what is confused?

# %%
report["What the first layer looks for"]

# %%
report["Classes and confusions"]

# %% [markdown]
# ## On your own
#
# - `cifar10-mlp-deep` normalises the images and is deeper. Does depth help?
# - `cifar10-mlp-best` is the best that fully connected layers reached here. Read its comments:
#   `twofold show cifar10-mlp-best`. Which of its settings matters most? Take them away one by one, on
#   `--set data.samples=5000`, with a study.
