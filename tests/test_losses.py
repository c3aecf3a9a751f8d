"""Every loss of the NumPy engine against PyTorch's own module, and against central differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cases import DTYPES, LOSSES, LossCase, assert_bits, assert_same, named_by_docstring, normal
from twofold.arrays import Array
from twofold.engine import NO_ANSWER
from twofold.numpy_engine.losses import cross_entropy, each_step, loss_function
from twofold.torch_engine.rules import each_step as torch_each_step
from twofold.torch_engine.rules import loss_function as torch_loss

each_loss = pytest.mark.parametrize("case", LOSSES, ids=lambda case: case.name)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def one_hot(case: LossCase) -> Array:
    return np.eye(case.shape[1])[case.target()]


def by_torch(case: LossCase, outputs: Tensor) -> Tensor:
    """The loss that the docstring of the kind names, of the classes or, where it says so, of `onehot(target)`.

    PyTorch has no weights of samples: a weighted loss is the mean of the terms of its module, over the weights.
    """
    options = case.spec.model_dump(exclude={"kind"})
    by_class = options.pop("class_weight", None)
    if by_class:
        options["weight"] = torch.tensor(by_class, dtype=outputs.dtype)
    loss = named_by_docstring(case.spec, nn)(**options | ({"reduction": "none"} if case.weighted else {}))
    target = case.target()
    compared = "onehot(target)" in (type(case.spec).__doc__ or "") and target.ndim == 1
    wanted = torch.tensor(one_hot(case) if compared else target)
    terms = loss(outputs, wanted.to(outputs.dtype) if wanted.ndim == 2 else wanted)
    weight = case.weight()
    if weight is None:
        return terms
    w = torch.tensor(weight).to(outputs.dtype)
    own = w * options["weight"][wanted] if by_class else w
    if terms.ndim == 2:
        terms = terms.mean(dim=1) if case.spec.reduction == "mean" else terms.sum(dim=1)
    total = (terms * w).sum()
    return total / own.sum() if case.spec.reduction == "mean" else total


def loss_of(case: LossCase, outputs: Array) -> tuple[Any, Array]:
    """The NumPy engine's loss of these outputs."""
    weight = case.weight()
    given = () if weight is None else (weight.astype(outputs.dtype),)
    return loss_function(case.spec)(outputs, case.target(), *given)


@each_loss
@each_dtype
def test_value_and_gradient_equal_pytorch(case: LossCase, dtype: str) -> None:
    outputs = torch.tensor(case.outputs(dtype), requires_grad=True)
    theirs = by_torch(case, outputs)
    theirs.backward()
    loss, gradient = loss_of(case, case.outputs(dtype))
    assert isinstance(loss, float)
    assert_same(np.asarray(loss, dtype), theirs.detach().numpy(), "loss")
    assert outputs.grad is not None
    assert_same(gradient, outputs.grad.numpy(), "gradient")


@each_loss
def test_gradient_equals_central_differences(case: LossCase) -> None:
    # A difference across the corner of |d| or of Huber's δ is not exact; outputs of 1e-3 lie within 1e-5 of one.
    z, epsilon = case.outputs(), 1e-5 * min(1.0, case.scale)
    v = normal("direction", z.shape)
    measured = (loss_of(case, z + epsilon * v)[0] - loss_of(case, z - epsilon * v)[0]) / (2 * epsilon)
    # Large outputs give a loss of 1e6, rounded to 1e-10; divided by epsilon that is 1e-5 of a slope of 1e3.
    assert (loss_of(case, z)[1] * v).sum() == pytest.approx(measured, rel=1e-6, abs=1e-8)


@each_loss
def test_torch_engine_has_the_same_loss(case: LossCase) -> None:
    outputs, weight = torch.tensor(case.outputs(), requires_grad=True), case.weight()
    given = () if weight is None else (torch.tensor(weight),)
    value = torch_loss(case.spec)(outputs, torch.tensor(case.target()), *given)
    value.backward()
    loss, gradient = loss_of(case, case.outputs())
    assert_same(np.asarray(loss), value.detach().numpy(), "loss")
    assert outputs.grad is not None
    assert_same(gradient, outputs.grad.numpy(), "gradient")


@each_loss
def test_a_weight_counts_equal_samples(case: LossCase) -> None:
    outputs, target = case.outputs(), case.target()
    counts = np.arange(len(outputs)) % 3 + (len(outputs) == 1)
    loss, gradient = loss_function(case.spec)(outputs, target, counts.astype(float))
    again, repeated = loss_function(case.spec)(np.repeat(outputs, counts, axis=0), np.repeat(target, counts, axis=0))
    assert loss == pytest.approx(again, rel=1e-12)
    at = np.repeat(np.arange(len(outputs)), counts)
    total = np.zeros_like(gradient)
    np.add.at(total, at, repeated)
    np.testing.assert_allclose(gradient, total, rtol=1e-11, atol=1e-13 * max(np.abs(gradient).max(), 1e-3))


def test_replicas_have_a_loss_each() -> None:
    for case in LOSSES:
        many = [np.stack([array] * 2) for array in (case.outputs(), case.target(), case.weight()) if array is not None]
        losses, gradient = loss_function(case.spec)(*many)
        loss, lone = loss_of(case, case.outputs())
        np.testing.assert_allclose(losses, [loss, loss], rtol=1e-13, err_msg=case.name)
        np.testing.assert_allclose(gradient[1], lone, rtol=1e-13, err_msg=case.name)


@each_loss
def test_a_batch_in_which_nothing_counts_has_loss_0(case: LossCase) -> None:
    target = case.target()
    unanswered = np.full_like(target, NO_ANSWER if target.ndim == 1 else np.nan)
    steps = case.outputs()[None], unanswered[None]  # one sequence
    loss, by_torch = loss_function(case.spec), torch_loss(case.spec)
    for ours, theirs, batch in (
        (loss, by_torch, (case.outputs(), target, np.zeros(len(target)))),
        (each_step(loss), torch_each_step(by_torch), steps),
    ):
        value, gradient = ours(*batch)
        outputs, *rest = (torch.tensor(array) for array in batch)
        torch_value = theirs(outputs.requires_grad_(), *rest)
        torch_value.backward()
        assert value == torch_value.item() == 0
        assert outputs.grad is not None
        assert not outputs.grad.any()
        assert not gradient.any()
        assert gradient.shape == outputs.shape


@each_loss
def test_nothing_given_is_modified(case: LossCase) -> None:
    given = {"outputs": case.outputs(), "target": case.target()}
    loss_function(case.spec)(given["outputs"], given["target"], case.weight())
    assert_bits(given, {"outputs": case.outputs(), "target": case.target()})


@pytest.mark.parametrize("dtype", DTYPES)
def test_cross_entropy_of_huge_logits_is_finite(dtype: str) -> None:
    logits = np.array([[1e4, -1e4, 0.0]], dtype)
    right, _ = cross_entropy(logits, np.array([0]))
    wrong, gradient = cross_entropy(logits, np.array([1]))
    assert (right, wrong) == (0.0, 2e4)
    assert gradient.tolist() == [[1.0, -1.0, 0.0]]
