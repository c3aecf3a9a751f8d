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
# # Part 5. Palindromes: memory over time, and why it fades
#
# A recurrent network reads the digits of a palindrome one by one, all but the last, and answers the last. That is the
# first, so that one digit must be carried through every step. You will write the loop over time and the way back by
# hand, measure how far a vanilla network remembers, and see the reason in the gradient.

# %%
import os

import numpy as np
import pandas as pd

import twofold
from twofold.data import Batches, load_data
from twofold.setup.building import build_engine, initial_state

SHORT = "TWOFOLD_SHORT" in os.environ  # a few steps in place of the whole training: a test of this notebook
LENGTH = {"training.steps": 10, "training.evaluate_every": 5} if SHORT else {}
recipe = twofold.load_recipe("palindrome", LENGTH)
recipe

# %% [markdown]
# ## The equations
#
# With $h(0) = 0$, for every step of a sequence $x(1), \dots, x(T)$:
#
# $$h(t) = \tanh\left(W_{hx}\, x(t) + W_{hh}\, h(t-1) + b_h\right), \qquad o = W_{ph}\, h(T) + b_o, \qquad
# \hat y = \operatorname{softmax}(o).$$
#
# The loss looks at the last step only. Its gradient goes back through time, one step at a time:
#
# $$\frac{\partial L}{\partial h(T)} = W_{ph}^\top (\hat y - \operatorname{onehot}(y)), \qquad
# \frac{\partial L}{\partial h(t-1)} = W_{hh}^\top \left( \frac{\partial L}{\partial h(t)} \odot (1 - h(t)^2) \right).$$
#
# Every step multiplies by the same matrix and by slopes of at most 1: over many steps the gradient shrinks or grows
# exponentially. PyTorch has two biases, and their sum is $b_h$.
#
# ## Forward and back by hand

# %%
exact = twofold.load_recipe("palindrome-20", {"training.dtype": "float64"})
train = load_data(exact.data).astype("float64").train
batch = next(iter(Batches(exact, train)))
held = initial_state(exact.model).parameters
W_hx, W_hh, W_ph, b_o = (held[name] for name in ("0.weight_ih", "0.weight_hh", "1.weight", "1.bias"))
b_h = held["0.bias_ih"] + held["0.bias_hh"]

x, y = batch.x, batch.target  # (N, T, 1), (N,)
h = [np.zeros((len(x), len(W_hh)))]
for t in range(x.shape[1]):
    h.append(np.tanh(x[:, t] @ W_hx.T + h[-1] @ W_hh.T + b_h))
o = h[-1] @ W_ph.T + b_o
p = np.exp(o - o.max(axis=1, keepdims=True))
p /= p.sum(axis=1, keepdims=True)

back = [(p - np.eye(10)[y]) / len(x) @ W_ph]  # ∂L/∂h(T), then backward in time
for t in range(x.shape[1], 1, -1):
    back.append((back[-1] * (1 - h[t] ** 2)) @ W_hh)
back.reverse()  # ∂L/∂h(1), ..., ∂L/∂h(T)

# %% [markdown]
# The library's engines, one by hand and one by autograd, give the same:

# %%
for name in ("numpy", "torch"):
    engine = build_engine(name, exact)
    engine.load(initial_state(exact.model))
    through = engine.trace(batch).through_time["0"]
    gaps = abs(through.h - np.array(h[1:])).max(), abs(through.gradient - np.array(back)).max()
    assert max(gaps) < 1e-12
    print(f"{name}: largest difference of h(t) {gaps[0]:.1e}, of ∂L/∂h(t) {gaps[1]:.1e}")

# %% [markdown]
# ## Question 1. How much of the gradient reaches the first digit?
#
# The norm of $\partial L / \partial h(t)$, before any training:

# %%
norms = pd.Series([np.linalg.norm(each) for each in back], index=range(1, len(back) + 1), name="‖∂L/∂h(t)‖")
print(f"Of the last step's gradient the first gets {norms.iloc[0] / norms.iloc[-1]:.1e};", end=" ")
print(f"on average each step back keeps {(norms.iloc[0] / norms.iloc[-1]) ** (1 / (len(norms) - 1)):.2f} of it.")
norms.to_frame().T

# %% [markdown]
# An update is proportional to the gradient. What the first digit contributes is a part in many thousands of what the
# last ones do, although they do not matter: the network does not see what it should learn.
#
# ## Training
#
# Of five digits four are read. Is it a hindrance there?

# %%
run = twofold.run(recipe, overrides={"training.gradient_flow": True})
report = twofold.sections(run)
run

# %%
report["Course of training"]

# %%
report["The gradient through time"]

# %% [markdown]
# ## Question 2. How far does a vanilla network remember?
#
# A study: several lengths, each with several seeds.

# %%
lengths, seeds = ([3, 4], 1) if SHORT else ([5, 10, 15, 20], 3)
study = twofold.run_study(
    "palindrome",
    axes={"data.length": lengths},
    seeds=seeds,
    overrides=LENGTH or {"training.evaluate_every": 500},
    out="studies/palindromes-short" if SHORT else "studies/palindromes",
)
study

# %%
twofold.sections(study)["Along the axis"]

# %%
means = study.summary.set_index("data.length")["mean"]
print("Mean test accuracy:", ", ".join(f"{mean:.2f} at length {length}" for length, mean in means.items()))
print("Chance is 0.10.")

# %% [markdown]
# Look at the single seeds as well as at the mean: do they lie together at every length?
# [docs/palindromes.md](../docs/palindromes.md) has the whole curve.
#
# ## Question 3. Which remedy helps at twenty digits?
#
# Gates (LSTM, GRU) let the gradient pass by another way. Or leave the equations as they are and begin with an
# orthogonal $W_{hh}$, which leaves every length as it is, digits as ten numbers, and Adam (`palindrome-long`):

# %%
shorter = LENGTH or {"training.evaluate_every": 100}
recipes = {"vanilla": "palindrome-20", "LSTM": "palindrome-lstm", "GRU": "palindrome-gru"}
runs = {name: twofold.run(source, overrides=shorter, engines="numpy") for name, source in recipes.items()}
runs["vanilla, trained to remember"] = twofold.run(
    "palindrome-long", overrides=shorter | {"data.length": 20}, engines="numpy"
)

# %%
from twofold.analysis import time_flows  # noqa: E402

pd.DataFrame(
    [
        (name, each.engines["numpy"]["test_accuracy"], *time_flows(each)[0].carried[[0, -1]])
        for name, each in runs.items()
    ],
    columns=["network", "test accuracy", "carried before", "carried after"],
).set_index("network")

# %% [markdown]
# *What to look at.* The share of the gradient that is carried through time, before training, and the accuracy in the
# end. A network whose gradient survives can learn; the table says whether gates are needed for that.
#
# ## A loop of your own
#
# `PalindromeDataset` is an ordinary data set of PyTorch, `torch_module` an ordinary module:

# %%
import torch  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402

module = twofold.torch_module([{"kind": "rnn", "units": 64}, {"kind": "dense", "units": 10}], (4, 1))
rule = torch.optim.RMSprop(module.parameters(), lr=1e-3)
for step, (digits, last) in enumerate(DataLoader(twofold.PalindromeDataset(5), batch_size=128)):
    loss = torch.nn.functional.cross_entropy(module(digits[..., None]), last)
    rule.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(module.parameters(), 10.0)
    rule.step()
    if step == (10 if SHORT else 500):
        break
print(f"loss {loss.item():.3f} after {step} steps; guessing costs {np.log(10):.3f}")

# %% [markdown]
# ## On your own
#
# - `twofold run palindrome-long` remembers over fifty digits, `palindrome-200` over two hundred. What does a
#   curriculum of lengths add?
# - Take one of the three changes of `palindrome-long` away at a time. Which one matters most?
