"""Wrong, as public repositories and books write it: one mistake each."""

import numpy as np


def loss(scores, y):
    p = np.exp(scores)
    p /= p.sum(axis=1, keepdims=True)
    L = -np.log(p[np.arange(len(y)), y]).mean()
    d = p.copy()
    d[np.arange(len(y)), y] -= 1
    return (L, d / len(y))
