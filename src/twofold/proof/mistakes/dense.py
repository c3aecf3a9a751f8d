"""The mistakes of a dense layer and of an embedding."""

from __future__ import annotations

from typing import final

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.proof.mistakes.base import Scene, rows
from twofold.proof.mistakes.layer import Plain


@final
class Dense(Plain):
    """y = x Wᵀ + b,  dx = dy W,  dW = dyᵀ x,  db = Σ dy, with switches."""

    def forward(self, params: Arrays, x: Array, scene: Scene) -> tuple[Array, tuple[Array, Array]]:
        """The cache is x and y."""
        on, W = self.on, params["weight"]
        y = x @ W.T
        if "x_divided_by_inputs" in on:
            y = y / x.shape[-1]
        if "y_divided_by_root" in on:
            y = y / np.sqrt(x.shape[-1])
        if "bias" in params:
            y = y + self._bias(params["bias"])
        if "relu_inside" in on:
            y = y * (np.real(y) > 0)
        if "tanh_inside" in on:
            y = np.tanh(y)
        if "sigmoid_inside" in on:
            y = 0.5 + 0.5 * np.tanh(0.5 * y)
        return y, (x, y)

    def _bias(self, b: Array) -> Array:
        on = self.on
        if "no_bias" in on:
            return 0 * b
        if "bias_twice" in on:
            return 2 * b
        if "bias_subtracted" in on:
            return -b
        if "first_bias_for_all" in on:
            return np.full(b.shape, b[0])
        if "bias_summed" in on:
            return np.full(b.shape, b.sum())
        return b[::-1] if "bias_reversed" in on else b

    def backward(self, params: Arrays, cache: tuple[Array, Array], dy: Array) -> tuple[Array, dict[str, Array]]:
        """dy W, dyᵀ x, Σ dy."""
        on, (x, _), W = self.on, cache, params["weight"]
        rows_of_x, rows_of_dy = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
        grads = {"weight": self._weight(rows_of_x, rows_of_dy, W)}
        used = np.sign(W) if "sign_of_W" in on else W - grads["weight"] if "dx_after_the_step" in on else W
        dx = dy @ used
        if "bias" in params:
            grads["bias"] = self._bias_gradient(rows_of_x, rows_of_dy)
        return dx, grads

    def _weight(self, x: Array, dy: Array, W: Array) -> Array:
        on = self.on
        if "dW_of_the_last" in on:
            x, dy = x[-1:], dy[-1:]
        if "dW_of_the_first" in on:
            x, dy = x[:1], dy[:1]
        if "dW_of_means" in on:
            return np.outer(dy.mean(axis=0), x.mean(axis=0))
        if "dW_of_sums" in on:
            return np.outer(dy.sum(axis=0), x.sum(axis=0))
        dW = dy.T @ x
        if "dW_averaged" in on:
            dW = dW / len(x)
        if "dW_without_dy" in on:
            dW = np.ones_like(dy).T @ x
        if "dW_without_x" in on:
            dW = dy.T @ np.ones_like(x)
        if "dW_of_centred_x" in on:
            dW = dy.T @ (x - x.mean(axis=0))
        return dW + W if "dW_with_W" in on else dW

    def _bias_gradient(self, x: Array, dy: Array) -> Array:
        on = self.on
        if "db_averaged" in on:
            return dy.mean(axis=0)
        if "db_of_the_last" in on:
            return dy[-1]
        if "db_of_the_first" in on:
            return dy[0]
        if "db_of_all" in on:
            return np.full(dy.shape[-1:], dy.sum())
        if "db_of_the_mean_of_all" in on:
            return np.full(dy.shape[-1:], dy.mean())
        if "db_of_ones" in on:
            return np.full(dy.shape[-1:], float(len(dy)))
        if "db_one" in on:
            return np.ones(dy.shape[-1])
        if "db_with_x" in on:
            return dy.T @ x.sum(axis=1)
        return np.zeros(dy.shape[-1]) if "db_zero" in on else dy.sum(axis=0)


@final
class Embedding(Plain):
    """y = W[x],  dW[k] = Σ dy over the places of k, with switches."""

    def forward(self, params: Arrays, x: Array, scene: Scene) -> tuple[Array, Array]:
        """The cache is x."""
        on, W, places = self.on, params["weight"], np.real(x).astype(int)
        if "counted_from_one" in on:
            places = (places - 1) % len(W)
        if "next_row" in on:
            places = (places + 1) % len(W)
        y = W[places]
        if "times_root" in on:
            y = y * np.sqrt(W.shape[1])
        if "zero_is_padding" in on:
            y = y * (places > 0)[..., None]
        if "of_length_one" in on:
            y = y / np.sqrt((y * y).sum(axis=-1, keepdims=True))
        return y, places

    def backward(self, params: Arrays, cache: Array, dy: Array) -> tuple[Array | None, dict[str, Array]]:
        """The gradients of all places that hold a number add up in the row of that number."""
        return None, {"weight": gradient_of_rows(params["weight"], cache, dy, self.on)}


def gradient_of_rows(W: Array, places: Array, dy: Array, on: frozenset[str]) -> Array:
    """dW[k] = Σ dy over the places of k, with switches."""
    dW = np.zeros_like(W)
    if "counted_once" in on:
        dW[places] = dy
        return dW
    np.add.at(dW, places, dy)
    count = np.bincount(places.ravel(), minlength=len(dW))[:, None]
    if "averaged_over_places" in on:
        dW = dW / np.maximum(count, 1)
    if "dW_averaged" in on:
        dW = dW / len(places)
    if "counts_for_gradients" in on:
        dW = np.broadcast_to(count, dW.shape).astype(dW.dtype)
    if "zero_gets_no_gradient" in on:
        dW[0] = 0
    return dW


FORWARD, WEIGHT, BIAS = "The line that computes y.", "The gradient of the weight.", "The gradient of the bias."

DENSE = [
    *rows(
        "dense",
        FORWARD,
        ("no_bias", "The bias is not added: y = x Wᵀ, where y = x Wᵀ + b.", "Which parameters does y depend on?"),
        ("bias_twice", "The bias is added twice: y = x Wᵀ + 2 b.", "How often does b enter?"),
        ("bias_subtracted", "The bias is subtracted: y = x Wᵀ − b, where it is added.", "What is the sign of b?"),
        ("first_bias_for_all", "The first bias is added to every unit, where each has its own.",
         "Which b gets unit 1?"),
        ("bias_summed", "The sum of all biases is added to every unit, where each has its own.",
         "Which b gets unit 1?"),
        ("bias_reversed", "The biases are added in reversed order.", "Which b gets unit 0?"),
        ("x_divided_by_inputs", "y is divided by the number of inputs: a mean where the product sums.", "Sum or mean?"),
        ("y_divided_by_root", "x Wᵀ is divided by √(inputs): a scaling that no dense layer has.", "Is y scaled?"),
        ("relu_inside", "A ReLU is applied inside the layer: y is max(x Wᵀ + b, 0).", "Can y be negative?"),
        ("tanh_inside", "A tanh is applied inside the layer: y is tanh(x Wᵀ + b).", "Can y be larger than 1?"),
        ("sigmoid_inside", "A sigmoid is applied inside the layer: y is σ(x Wᵀ + b).", "Can y be negative?"),
    ),
    *rows(
        "dense",
        WEIGHT,
        ("dW_averaged", "dW is divided by the batch size: averaged over the batch (1/N) where it must be summed; the "
                        "mean is in the loss already.", "Is the sum over the batch divided by anything?"),
        ("dW_of_the_last", "dW holds the last sample only: it is overwritten in the loop over the batch where the "
                           "samples must add up.", "`=` or `+=`?"),
        ("dW_of_the_first", "dW holds the first sample only, where all samples add up.", "Over what is summed?"),
        ("dW_of_means", "dW is the product of the means of dy and x over the batch, where it is the sum of the "
                        "products dyᵀ x.", "Sum of products, or product of sums?"),
        ("dW_of_sums", "dW is the product of the sums of dy and x over the batch, where it is the sum of the products "
         "dyᵀ x.", "Sum of products, or product of sums?"),
        ("dW_without_dy", "dW does not use dy: it is the sum of x, where it is dyᵀ x.", "Where does dy enter?"),
        ("dW_without_x", "dW does not use x: it is the sum of dy, where it is dyᵀ x.", "Where does x enter?"),
        ("dW_of_centred_x", "dW is computed with x minus its mean over the batch, where x stands as it is.",
         "Which x?"),
        ("dW_with_W", "W is added to dW (a weight decay of 1): a penalty belongs to the optimizer.",
         "What else is in dW?"),
        ("dx_after_the_step", "dx uses the weights after the step of the optimizer (its rate here 1), where it uses "
         "those of the way forward: dx is to be computed first.", "Which comes first, dx or the new W?"),
        ("sign_of_W", "dx uses the signs of W where it uses W: dx = dy W.", "What is dy multiplied with?"),
    ),
    *rows(
        "dense",
        BIAS,
        ("db_averaged", "db is averaged over the batch (divided by the batch size, 1/N) where it must be summed: db "
                        "= Σ dy.", "Sum or mean?"),
        ("db_of_the_last", "db holds the last sample only: overwritten in the loop where the samples add up.",
         "`=` or `+=`?"),
        ("db_of_the_first", "db holds the first sample only, where all samples add up.", "Over what is summed?"),
        ("db_of_all", "db is the sum over the batch and all units: the axis is missing, db = Σ dy over the batch "
                      "alone.",
         "Along which axis?"),
        ("db_of_the_mean_of_all", "db is the mean over the batch and all units, where it is the sum over the batch "
                                  "alone.",
         "Along which axis?"),
        ("db_of_ones", "db does not use dy: it is the batch size everywhere, where it is Σ dy.",
         "Where does dy enter?"),
        ("db_one", "db is 1 everywhere, where it is Σ dy.", "Where does dy enter?"),
        ("db_with_x", "db is multiplied with x, where it is the sum of dy alone.", "What is ∂y/∂b?"),
        ("db_zero", "db is zero: the bias never learns, where db = Σ dy.", "Is db ever written?"),
    ),
]  # fmt: skip

EMBEDDING = [
    *rows(
        "embedding",
        "Which row a number takes.",
        ("counted_from_one", "The rows are counted from 1: number k takes row k − 1.", "Which row has number 0?"),
        ("next_row", "The rows are shifted by one: number k takes row k + 1.", "Which row has number 0?"),
        ("times_root", "y is multiplied by √(units), as some transformers do; the layer is y = W[x].", "Is y scaled?"),
        ("zero_is_padding", "Number 0 is taken for padding: its vector is zero where it is row 0 of W.",
         "And number 0?"),
        ("of_length_one", "Every vector is scaled to length 1, where y = W[x].", "Is y scaled?"),
    ),
    *rows(
        "embedding",
        "How the gradients of one number's places come together.",
        ("counted_once", "Of a number that stands several times only the last place counts: overwritten (`dW[x] = "
                         "dy`) where all places are added (`np.add.at`).",
         "What happens to a number that stands twice?"),
        ("averaged_over_places", "dW is averaged over the places of each number, where they add up.", "Sum or mean?"),
        ("dW_averaged", "dW is divided by the batch size (1/N): the mean is in the loss already.", "Sum or mean?"),
        ("counts_for_gradients", "dW counts the places of each number: it does not use dy.", "Where does dy enter?"),
        ("zero_gets_no_gradient", "Row 0 gets no gradient, as if number 0 were padding.", "And number 0?"),
    ),
]  # fmt: skip
