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
# # Part 4. MNIST: a network that can be read, and one with convolutions
#
# Handwritten digits of 28 x 28 pixels; 64 sigmoid units; weights saved under the names of the textbook, `W1 b1 W2 b2`,
# and used by three lines of NumPy. Then: what 2,000 images are short of, and what convolutions add.

# %%
import os

import numpy as np
import pandas as pd

import twofold
from twofold.data import at_hand, load_data

SHORT = "TWOFOLD_SHORT" in os.environ  # a few steps in place of the whole training: a test of this notebook
REAL = at_hand(twofold.load_recipe("mnist-mlp").data) and not SHORT
STAND_IN = {} if REAL else {"data.source": "digits", "data.validation": 0.2}
LENGTH = {"training.epochs": 2} if SHORT else {}

if not REAL:
    print(
        "Here scikit-learn's digits of 8 x 8 pixels stand in for MNIST: the same networks on smaller images. "
        "`twofold run mnist-mlp` downloads MNIST once; then run this notebook again."
    )
recipe = twofold.load_recipe("mnist-mlp", STAND_IN | LENGTH)
recipe

# %% [markdown]
# ## The equations
#
# $$H = \sigma(X W_1^\top + b_1), \qquad Z = H W_2^\top + b_2, \qquad L = -\log \operatorname{softmax}(Z)_y,$$
#
# with $\sigma(a) = 1 / (1 + e^{-a})$, whose slope is $\sigma (1 - \sigma)$, at most a quarter. Backward
#
# $$dZ = \operatorname{softmax}(Z) - \operatorname{onehot}(y), \qquad dW_2 = dZ^\top H, \qquad
# dA = dZ\, W_2 \odot H \odot (1 - H), \qquad dW_1 = dA^\top X.$$
#
# L2 adds $\lambda W$ to a gradient, and the rate falls by three per cent an epoch.

# %%
run = twofold.run(recipe)
report = twofold.sections(run)
run

# %%
report["Course of training"]

# %% [markdown]
# Before any training the answers are wrong, and alike for all images; afterwards:

# %%
report["First predictions, before and after training"]

# %% [markdown]
# ## What a hidden unit looks for
#
# A row of $W_1$ has a number for each pixel: drawn as an image it is a template, and $X W_1^\top$ says how well an
# image fits it.

# %%
report["What the first layer looks for"]

# %% [markdown]
# ## The weights, saved and used without the library
#
# The run keeps its weights as `numpy.safetensors` under PyTorch's names. Under those of the textbook:

# %%
held = run.weights("numpy")
names = {"W1": "1.weight", "b1": "1.bias", "W2": "3.weight", "b2": "3.bias"}
np.savez(run.path / "weights.npz", **{short: held[name] for short, name in names.items()})

with np.load(run.path / "weights.npz") as file:
    W1, b1, W2, b2 = (file[short] for short in names)
test = load_data(recipe.data).astype("float32").test
X = test.floats().reshape(len(test.y), -1)
H = 1 / (1 + np.exp(-(X @ W1.T + b1)))
Z = H @ W2.T + b2
accuracy = (Z.argmax(axis=1) == test.y).mean()
by_library = run.engines["numpy"]["test_accuracy"]
assert abs(accuracy - by_library) < 2 / len(test.y)
print(
    f"Test accuracy with the saved weights {accuracy:.4f}, by the library {run.engines['numpy']['test_accuracy']:.4f}."
)

# %% [markdown]
# ## Question 1. Added or averaged?
#
# The documents do not say whether a batch's gradients are added up or averaged. The recipe adds. With the same rate,
# what does averaging do?

# %%
passes = LENGTH or {"training.epochs": 10}
runs = {
    kind: twofold.run("mnist-mlp", overrides=STAND_IN | passes | {"loss.reduction": kind}, engines="numpy")
    for kind in ("sum", "mean")
}
ends = {kind: each.engines["numpy"]["validation_accuracy"] for kind, each in runs.items()}
print(f"Validation accuracy after {runs['sum'].history['epoch'].max():g} epochs: added {ends['sum']:.4f},", end=" ")
print(f"averaged {ends['mean']:.4f}. A sum over 64 images is a rate 64 times as large.")

# %% [markdown]
# ## Question 2. What are 2,000 images short of?
#
# The same network on the first 2,000 images and on all, and the same again with convolutions (LeNet): training and
# validation accuracy, the gap between them, and the time.

# %%
lenet = STAND_IN if REAL else STAND_IN | {"layers.0.padding": 2, "layers.3.padding": 2}  # 8 x 8 is small for 5 x 5
few = {} if REAL else {"data.test": 0.6}  # of the stand-in's images, so that few are left to train on
length = LENGTH or {"training.epochs": 10}
compared = {
    "64 units, few images": twofold.run("mnist-mlp-2000", overrides=STAND_IN | few | LENGTH, engines="numpy"),
    "64 units, all": run,
    "LeNet, few images": twofold.run("mnist-lenet-2000", overrides=lenet | few | LENGTH, engines="torch"),
    "LeNet, all": twofold.run("mnist-lenet", overrides=lenet | length, engines="torch"),
}
rows = []
for name, each in compared.items():
    result = next(iter(each.engines.values()))
    gap = result["train_accuracy"] - result["validation_accuracy"]
    rows.append((name, each.record.data.samples["train"], result["train_accuracy"]))
    rows[-1] += (result["validation_accuracy"], gap, result["test_accuracy"], result["seconds"])
columns = ["network", "images", "training", "validation", "gap", "test", "seconds"]
measured = pd.DataFrame(rows, columns=columns).set_index("network")
measured

# %%
for kind in ("64 units", "LeNet"):
    small, large = measured.loc[f"{kind}, few images"], measured.loc[f"{kind}, all"]
    print(f"{kind}: with {large['images'] / small['images']:.1f} times the images the gap goes from", end=" ")
    print(f"{small['gap']:+.4f} to {large['gap']:+.4f}, in {large['seconds'] / small['seconds']:.1f} times the time.")

# %% [markdown]
# *Why.* With few images the network can learn each by heart; with many, what serves all of them is what serves new
# ones too. More images help where the gap is large. Where training accuracy itself is low, they do not: there the
# network is too small, or not trained long enough.
#
# ## Question 3. Which digits are confused?

# %%
lenet_report = twofold.sections(compared["LeNet, all"])
lenet_report["Classes and confusions"]

# %%
lenet_report["Most confidently wrong"]

# %% [markdown]
# Look at the images before you blame the network: some of them you would not read either.
#
# ## On your own
#
# - `mnist-mlp-best` and `mnist-lenet-best` are the best that was reached here. How many wrong digits are left?
# - Halve the hidden units until the accuracy suffers: `twofold study mnist-mlp-2000 --axis
#   layers.1.units=4,8,16,32,64`.
# - Replace `sigmoid` by `relu` at the same rate. What happens, and which of rate and initial weights must change?
