"""Every loss of the NumPy engine against PyTorch's own module, and against central differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cases import DTYPES, LOSSES, LossCase, assert_bits, assert_same, named_by_docstring, normal
from twofold.arrays import Array
from twofold.numpy_engine.losses import cross_entropy, loss_function

each_loss = pytest.mark.parametrize("case", LOSSES, ids=lambda case: case.name)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def one_hot(case: LossCase) -> Array:
    return np.eye(case.shape[1])[case.target()]


def by_torch(case: LossCase, outputs: Tensor) -> Tensor:
    """The loss that the docstring of the kind names, of the classes or, where it says so, of `onehot(target)`."""
    loss = named_by_docstring(case.spec, nn)(**case.spec.model_dump(exclude={"kind"}))
    compared = "onehot(target)" in (type(case.spec).__doc__ or "")
    wanted = torch.tensor(one_hot(case)).to(outputs.dtype) if compared else torch.tensor(case.target())
    return loss(outputs, wanted)


@each_loss
@each_dtype
def test_value_and_gradient_equal_pytorch(case: LossCase, dtype: str) -> None:
    outputs = torch.tensor(case.outputs(dtype), requires_grad=True)
    theirs = by_torch(case, outputs)
    theirs.backward()
    loss, gradient = loss_function(case.spec)(case.outputs(dtype), case.target())
    assert isinstance(loss, float)
    assert_same(np.asarray(loss, dtype), theirs.detach().numpy(), "loss")
    assert outputs.grad is not None
    assert_same(gradient, outputs.grad.numpy(), "gradient")


@each_loss
def test_gradient_equals_central_differences(case: LossCase) -> None:
    loss, z, target = loss_function(case.spec), case.outputs(), case.target()
    v, epsilon = normal("direction", z.shape), 1e-5
    measured = (loss(z + epsilon * v, target)[0] - loss(z - epsilon * v, target)[0]) / (2 * epsilon)
    # Large outputs give a loss of 1e6, rounded to 1e-10; divided by epsilon that is 1e-5 of a slope of 1e3.
    assert (loss(z, target)[1] * v).sum() == pytest.approx(measured, rel=1e-6, abs=1e-8)


@each_loss
def test_nothing_given_is_modified(case: LossCase) -> None:
    given = {"outputs": case.outputs(), "target": case.target()}
    loss_function(case.spec)(given["outputs"], given["target"])
    assert_bits(given, {"outputs": case.outputs(), "target": case.target()})


@pytest.mark.parametrize("dtype", DTYPES)
def test_cross_entropy_of_huge_logits_is_finite(dtype: str) -> None:
    logits = np.array([[1e4, -1e4, 0.0]], dtype)
    right, _ = cross_entropy(logits, np.array([0]))
    wrong, gradient = cross_entropy(logits, np.array([1]))
    assert (right, wrong) == (0.0, 2e4)
    assert gradient.tolist() == [[1.0, -1.0, 0.0]]
