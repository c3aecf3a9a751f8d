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
# # Part 1. Points in the plane: a network by hand and in PyTorch
#
# Two classes of points that no straight line parts, and a network of one hidden layer. You will
#
# 1. take one training step by hand and compare every gradient with the library's;
# 2. train the same network in NumPy and in PyTorch and see where they differ;
# 3. measure what the batch size, the learning rate and the hidden layer are there for.

# %%
import os

import numpy as np
import pandas as pd

import twofold
from twofold.data import Batches, load_data
from twofold.setup.building import build_engine, initial_state

SHORT = "TWOFOLD_SHORT" in os.environ  # a few steps in place of the whole training: a test of this notebook
LENGTH = {"training.epochs": 2, "training.evaluate_every": 1, "data.samples": 100} if SHORT else {}
recipe = twofold.load_recipe("moons", LENGTH)
recipe

# %% [markdown]
# The table has a row for each layer. $N$ is the batch. Read a shape as PyTorch does: a weight is (outputs, inputs).
#
# ## The equations
#
# Forward, for a batch $X$ of $N$ points, one a row:
#
# $$A = X W_1^\top + b_1, \qquad H = \max(A, 0), \qquad Z = H W_2^\top + b_2,$$
#
# $$L = -\frac1N \sum_n \log \operatorname{softmax}(Z_n)_{y_n}.$$
#
# Backward, from the loss to the first layer, each gradient of the shape of what it belongs to:
#
# $$dZ = \frac{\operatorname{softmax}(Z) - \operatorname{onehot}(y)}{N}, \qquad dW_2 = dZ^\top H, \qquad
# db_2 = \sum_n dZ_n,$$
#
# $$dH = dZ\, W_2, \qquad dA = dH \odot [A > 0], \qquad dW_1 = dA^\top X, \qquad db_1 = \sum_n dA_n.$$
#
# ## One step by hand
#
# The first batch, the initial weights, and these equations in NumPy:

# %%
exact = twofold.load_recipe(recipe, {"training.dtype": "float64"})
train = load_data(exact.data).astype("float64").train
batch = next(iter(Batches(exact, train)))
held = initial_state(exact.model).parameters

X, y = batch.x, batch.target
W1, b1, W2, b2 = (held[name] for name in ("0.weight", "0.bias", "2.weight", "2.bias"))
A = X @ W1.T + b1
H = np.maximum(A, 0)
Z = H @ W2.T + b2
P = np.exp(Z - Z.max(axis=1, keepdims=True))
P /= P.sum(axis=1, keepdims=True)

dZ = (P - np.eye(2)[y]) / len(X)
dA = (dZ @ W2) * (A > 0)
by_hand = {"0.weight": dA.T @ X, "0.bias": dA.sum(axis=0), "2.weight": dZ.T @ H, "2.bias": dZ.sum(axis=0)}
{name: gradient.shape for name, gradient in by_hand.items()}

# %% [markdown]
# The library's two engines take the same step from the same weights. The largest difference of any element:

# %%
gaps = []
for name in ("numpy", "torch"):
    engine = build_engine(name, exact)
    engine.load(initial_state(exact.model))
    gradients = engine.step(batch).gradients
    gaps.append({"engine": name} | {key: abs(by_hand[key] - gradients[key]).max() for key in by_hand})
assert all(value < 1e-12 for row in gaps for value in list(row.values())[1:])
pd.DataFrame(gaps)

# %% [markdown]
# **Try it**: leave `/ len(X)` out, or write `A >= 0`, and run the two cells again. Which of the two mistakes is seen,
# and in which gradients?
#
# ## Training, twice
#
# One recipe, both engines: the same points, order, batches and initial weights.

# %%
run = twofold.run(recipe)
run

# %%
report = twofold.sections(run)
report["Course of training"]

# %%
report["Points and decision boundary"]

# %% [markdown]
# *What to look at.* Do the curves of the two engines lie on each other? What may differ is rounding, and the time.
# Whether they agree is not for the eye to say. `verify` compares every output, the loss, every gradient and the state
# after it, step by step, in float64:

# %%
twofold.verify("moons", steps=10 if SHORT else 200)

# %% [markdown]
# ## Question 1. Batch or stochastic?
#
# With the same number of passes over the points (epochs), batches of 1, of 32, and of all points: which learns most,
# and which is fastest?


# %%
def table(runs: dict[str, twofold.Run]) -> pd.DataFrame:
    """One row for each run and engine."""
    rows = [
        {
            "run": name,
            "engine": engine,
            "steps": result["steps"],
            "test accuracy": result["test_accuracy"],
            "training loss": result["train_loss"],
            "seconds": result["seconds"],
            "µs a step": 1e6 * result["seconds"] / result["steps"],
        }
        for name, run in runs.items()
        for engine, result in run.engines.items()
    ]
    return pd.DataFrame(rows)


passes = LENGTH or {"training.epochs": 50}
batches = {
    f"batch {size}": twofold.run("moons", overrides=passes | {"training.batch_size": size}) for size in (1, 32, "full")
}
measured = table(batches)
measured

# %%
numpy = measured[measured.engine == "numpy"]
best, fastest = numpy.loc[numpy["training loss"].idxmin()], numpy.loc[numpy["seconds"].idxmin()]
print(f"The lowest training loss has {best['run']}: {best['training loss']:.4f} after {best['steps']:,} steps.")
print(f"The fastest is {fastest['run']}: {fastest['seconds']:.3f} s for {fastest['steps']:,} steps.")
ratio = measured.pivot(index="run", columns="engine", values="µs a step").eval("torch / numpy")
print("A step of PyTorch takes so many times as long as one of NumPy:", ratio.round(1).to_dict())

# %% [markdown]
# *Why.* An epoch of batches of 1 makes as many updates as there are points, an epoch of the whole set a single one;
# each update moves the weights by about $\eta$ times the gradient, whatever it was averaged over. In return a step on
# one point costs nearly as much as one on many: for matrices this small, calling is dearer than computing, in PyTorch
# more than in NumPy.
#
# ## Question 2. Does a larger learning rate make up for fewer steps?
#
# If an update on the whole set is worth one small update, it might be worth a larger one:

# %%
rates = {
    f"full, η = {lr}": twofold.run(
        "moons", overrides=passes | {"training.batch_size": "full", "optimizer.lr": lr}, engines="numpy"
    )
    for lr in (0.01, 0.1, 1.0)
}
measured = table(rates)
measured

# %%
first, best = measured.iloc[0], measured.loc[measured["training loss"].idxmin()]
print(f"From {first['run']} to {best['run']} the loss falls from {first['training loss']:.4f} to", end=" ")
print(f"{best['training loss']:.4f} in the same {best['steps']:,} steps.")

# %% [markdown]
# The gradient of the whole set has no noise, and bears larger steps. It does not bear any: try `3.0` and `100.0`, and
# read what the library says when the loss stops being finite.
#
# ## Question 3. What is the hidden layer for?
#
# Without it the network is $Z = X W^\top + b$, and $z_0 = z_1$ is a straight line:

# %%
straight = twofold.run(recipe, overrides={"layers": [{"kind": "dense", "units": 2}]}, engines="numpy")
twofold.sections(straight)["Points and decision boundary"]

# %%
with_hidden, without = run.engines["numpy"]["test_accuracy"], straight.engines["numpy"]["test_accuracy"]
print(f"Test accuracy with 20 hidden units {with_hidden:.4f}, without any {without:.4f}.")

# %% [markdown]
# ## On your own
#
# - `circles`, `blobs` and `classification` are recipes too. On which of them is a straight line enough? Measure.
# - How few hidden units part the moons? `--set layers.0.units=3`, over several seeds:
#   `twofold study moons --axis layers.0.units=1,2,3,5,20 --seeds 5`.
# - `twofold report` writes what you saw here, and more, as one page: `twofold.write_report(run)`.
