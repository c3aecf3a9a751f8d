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
# # Breaking a layer on purpose
#
# A dense layer in eight lines, then three mistakes in it, each found by its numbers.

# %%
import numpy as np

import twofold


class Dense:
    def __init__(self, inputs, units):
        self.params = {"weight": np.zeros((units, inputs)), "bias": np.zeros(units)}
        self.grads = {}

    def forward(self, x):
        self.x = x
        return x @ self.params["weight"].T + self.params["bias"]

    def backward(self, dy):
        self.grads = {"weight": dy.T @ self.x, "bias": dy.sum(axis=0)}
        return dy @ self.params["weight"]


twofold.check(Dense, like="dense")

# %% [markdown]
# Right: every tensor agrees to the last bits. Now the mean in place of the sum, the most frequent mistake of all.


# %%
class Averaged(Dense):
    def backward(self, dy):
        dx = super().backward(dy)
        self.grads["bias"] = dy.mean(axis=0)
        return dx


report = twofold.check(Averaged, like="dense")
print(report.fault.sentence)
report

# %% [markdown]
# A gradient that is never reset is right in the first batch. The check goes on to the second one.


# %%
class Accumulates(Dense):
    def backward(self, dy):
        before = dict(self.grads)
        dx = super().backward(dy)
        self.grads = {name: gradient + before.get(name, 0) for name, gradient in self.grads.items()}
        return dx


report = twofold.check(Accumulates, like="dense")
print(report.first.scene, "-", report.fault.sentence)

# %% [markdown]
# And one that nobody knows: then no name is given, only the place.


# %%
class Odd(Dense):
    def backward(self, dy):
        dx = super().backward(dy)
        self.grads["weight"] = dy.T @ np.sin(self.x)
        return dx


report = twofold.check(Odd, like="dense")
print(report.fault, "-", report.summary)
