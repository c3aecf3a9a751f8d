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
# # Part 3. CIFAR-10 with convolutions
#
# A convolution looks at a small window, with the same weights everywhere. You will compute one output pixel by hand,
# follow the sizes through the reduced VGG network, train it, look into it, and compare Adam with SGD.

# %%
import os

import numpy as np
import pandas as pd

import twofold
from twofold.data import at_hand, load_data
from twofold.setup.building import build_engine, initial_state

SHORT = "TWOFOLD_SHORT" in os.environ  # a few steps in place of the whole training: a test of this notebook
REAL = at_hand(twofold.load_recipe("cifar10-vgg").data) and not SHORT
DIGITS = {"data.source": "digits", "training.autocast": "none", "augmentation.grow": [], "augmentation.flip": "none"}
LENGTH = {"training.epochs": 1, "training.evaluate_every": 1, "training.batch_size": 256} if SHORT else {}

if not REAL:
    print(
        "Here scikit-learn's digits, 8 x 8 grey pixels, stand in for CIFAR-10: the same layers on smaller images. "
        "`twofold run cifar10-mlp` downloads CIFAR-10 once; then run this notebook again."
    )
vgg = twofold.load_recipe("cifar10-vgg")
vgg

# %% [markdown]
# ## The equations
#
# With kernels of $k \times k$, stride $s$ and padding $p$ zeros on every side, output channel $o$ at row $i$, column
# $j$ is
#
# $$Y_{o,i,j} = b_o + \sum_c \sum_{u=0}^{k-1} \sum_{v=0}^{k-1} W_{o,c,u,v}\, X_{c,\; i s + u - p,\; j s + v - p},$$
#
# on a plane of $\lfloor (n + 2p - k) / s \rfloor + 1$ pixels a side. Backward each gradient is a sum over the windows:
#
# $$dW_{o,c,u,v} = \sum_{n,i,j} dY_{n,o,i,j}\, X_{n,c,\; i s + u - p,\; j s + v - p}, \qquad
# db_o = \sum_{n,i,j} dY_{n,o,i,j},$$
#
# and $dX$ adds to each input pixel what came back from every window that it stood in. Max pooling passes the gradient
# to the pixel that was the largest, and to no other.
#
# ## One output pixel by hand

# %%
first = twofold.load_recipe(
    vgg,
    {
        "layers": [vgg.layers[0], {"kind": "flatten"}, {"kind": "dense", "units": 10}],
        "data.source": "cifar10" if REAL else "digits",
    },
)
images = load_data(first.data).astype("float32").test[:1].floats()
engine = build_engine("numpy", first)
engine.load(initial_state(first.model))
W, b = (initial_state(first.model).parameters[name].astype("float32") for name in ("0.weight", "0.bias"))

o, i, j = 5, 0, 2  # channel, row, column: the window reaches over the upper border
padded = np.pad(images[0], ((0, 0), (1, 1), (1, 1)))
window = padded[:, i : i + 3, j : j + 3]
by_hand = b[o] + (W[o] * window).sum()
by_engine = engine.outputs(images)[0][0, o, i, j]
assert np.isclose(by_hand, by_engine, atol=1e-5)
print(f"by hand {by_hand:.6f}, by the engine {by_engine:.6f}; the window holds {window.size} numbers:")
window[0]

# %% [markdown]
# ## Question 1. What does sharing weights save?
#
# A dense layer from the image to the same number of outputs would hold a weight for each pair:

# %%
node = vgg.network.nodes[0]
inputs, outputs = np.prod(np.array(node.input_shape)), np.prod(np.array(node.output_shape))
print(f"The first convolution holds {node.count:,} parameters, a dense layer {inputs * outputs + outputs:,}.")
print(f"Each weight is used {outputs // node.output_shape[0]:,} times an image.")

# %% [markdown]
# ## Question 2. How much of the image does one number see?
#
# A layer with kernel $k$ and stride $s$ widens the field of view by $(k - 1)$ steps of the layers before it:

# %%
field, step, rows = 1, 1, []
for node in vgg.network.nodes:
    kernel = getattr(node.spec, "kernel", None)
    if kernel is not None:
        field += (kernel - 1) * step
        step *= (node.spec.stride or kernel) if node.kind == "max_pool2d" else node.spec.stride
        rows.append({"layer": f"{node.name} {node.kind}", "output": node.output_shape, "field of view": field})
views = pd.DataFrame(rows)
whole = views.loc[views["field of view"] >= 32, "layer"].iloc[0]
print(f"From layer {whole} on, one number depends on a field at least as wide as the image.")
views

# %% [markdown]
# ## Training
#
# The built-in `cifar10-vgg-short` has these layers with batch normalization:

# %%
recipe = twofold.load_recipe("cifar10-vgg-short", LENGTH | ({} if REAL else DIGITS))
if SHORT:
    recipe = twofold.load_recipe(recipe, {"layers": [*recipe.layers[:8], *recipe.layers[-2:]]})
run = twofold.run(recipe)
report = twofold.sections(run)
run

# %%
report["Course of training"]

# %% [markdown]
# What one image becomes, layer by layer. The first layers keep its form; further on there is less *where* and more
# *what*:

# %%
report["One image, layer by layer"]

# %%
report["Most confidently wrong"]

# %% [markdown]
# ## Question 3. Adam or SGD?
#
# Five blocks of convolution, batch normalization, ReLU and pooling; everything the same but the rule of the update.
# The documents say that Adam converges faster and over-fits, and that SGD generalises better. Ten epochs here, of the
# documents' hundred:

# %%
blocks = twofold.load_recipe("cifar10-cnn5-adam").layers
smaller = {} if REAL else {"layers": [*blocks[:12], *blocks[-4:]]}  # 8 x 8 pixels can be halved three times
changes = (LENGTH or {"training.epochs": 10}) | smaller | ({} if REAL else {"data.source": "digits"})
runs = {name: twofold.run(f"cifar10-cnn5-{name}", overrides=changes, engines="torch") for name in ("adam", "sgd")}
history = pd.concat({name: each.history.set_index("epoch") for name, each in runs.items()}, axis=1)
history.loc[:, (slice(None), ["train_accuracy", "test_accuracy", "test_loss"])]

# %%
for name, each in runs.items():
    course = each.history
    half = course[course.train_accuracy >= course.train_accuracy.max() / 2].epoch.iloc[0]
    gap = course.train_accuracy.iloc[-1] - course.test_accuracy.iloc[-1]
    print(f"{name}: half of its training accuracy by epoch {half:g}; at the end training − test = {gap:+.4f},", end=" ")
    print(f"test accuracy {course.test_accuracy.iloc[-1]:.4f}")

# %% [markdown]
# One seed is an anecdote. `twofold study cifar10-cnn5-adam --axis recipe=cifar10-cnn5-adam,cifar10-cnn5-sgd --seeds 3`
# gives means with their intervals.
#
# ## Question 4. Convolution or dense layers, for the same images?

# %%
dense = twofold.run(
    "cifar10-mlp",
    overrides=(LENGTH or {"training.epochs": 10}) | ({} if REAL else {"data.source": "digits"}),
    engines="torch",
)
pd.DataFrame(
    [
        {
            "network": name,
            "parameters": each.recipe.network.count,
            "test accuracy": each.engines["torch"]["test_accuracy"],
        }
        for name, each in {"dense": dense, "five blocks": runs["sgd"], "VGG": run}.items()
    ]
).set_index("network")

# %% [markdown]
# ## On your own
#
# - `twofold run cifar10-vgg` has no normalization: see its training accuracy reach 1, and its test loss turn.
# - `twofold verify cifar10-vgg --steps 50 --set training.batch_size=8` proves that the convolution by hand is
#   PyTorch's.
# - `twofold report RUN --image 17` shows another image layer by layer.
