"""Wrong, as public repositories and books write it: one mistake each."""

import numpy as np


def loss(scores, y):
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    q = np.clip(p, 1e-07, 1 - 1e-07)
    d = p.copy()
    d[np.arange(len(y)), y] -= 1
    return (-np.log(q[np.arange(len(y)), y]).mean(), d / len(y))
