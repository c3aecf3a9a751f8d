"""Right: losses of numbers and of labels."""

import numpy as np
import torch
import torch.nn.functional as F


def mae(y_pred, y_true):
    d = y_pred - y_true
    return np.abs(d).mean(), np.sign(d) / d.size


def mae_torch(pred, target):
    return F.l1_loss(pred, target)


class Huber:
    def __init__(self, delta=1.0):
        self.delta = delta

    def forward(self, y, t):
        self.d = y - t
        a = np.abs(self.d)
        return np.where(a <= self.delta, 0.5 * a**2, self.delta * (a - 0.5 * self.delta)).mean()

    def backward(self):
        return np.clip(self.d, -self.delta, self.delta) / self.d.size


def huber_torch(pred, target):
    return F.huber_loss(pred, target)


def bce(logits, labels):
    loss = np.maximum(logits, 0) - logits * labels + np.log1p(np.exp(-np.abs(logits)))
    return loss.mean(), (1 / (1 + np.exp(-logits)) - labels) / logits.size


class BCE(torch.nn.Module):
    def __init__(self, reduction="mean"):
        super().__init__()
        self.r = reduction

    def forward(self, z, t):
        terms = F.softplus(z) - z * t
        return terms.sum() if self.r == "sum" else terms.mean()
