"""Two hundred steps of the network of `moons` in NumPy by hand, each compared with PyTorch: the check that one writes.

Outputs, loss, gradients and parameters after the update, in float64, both from the same parameters at every step.
"""

import numpy as np
import torch
from sklearn.datasets import make_moons
from sklearn.model_selection import train_test_split
from torch import nn

x, y = make_moons(1000, noise=0.1, random_state=42)
x, _, y, _ = train_test_split(x, y, test_size=0.2, random_state=42, stratify=y)

model = nn.Sequential(nn.Linear(2, 20), nn.ReLU(), nn.Linear(20, 2)).double()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
rng, largest = np.random.default_rng(42), 0.0


def gap(a: np.ndarray, b: np.ndarray) -> float:
    """The largest relative distance."""
    return float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-4))


for step in range(200):
    if step % 25 == 0:
        order = rng.permutation(len(x))
    batch = order[32 * (step % 25) : 32 * (step % 25 + 1)]
    xb, yb = x[batch], y[batch]
    W1, b1, W2, b2 = (p.detach().numpy().copy() for p in model.parameters())

    a = xb @ W1.T + b1
    h = np.maximum(a, 0)
    z = h @ W2.T + b2
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    loss = -np.log(p[np.arange(len(yb)), yb]).mean()
    dz = p.copy()
    dz[np.arange(len(yb)), yb] -= 1
    dz /= len(yb)
    da = (dz @ W2) * (a > 0)
    gradients = [da.T @ xb, da.sum(0), dz.T @ h, dz.sum(0)]

    optimizer.zero_grad()
    outputs = [torch.from_numpy(xb)]
    for layer in model:
        outputs.append(layer(outputs[-1]))
    theirs = nn.functional.cross_entropy(outputs[-1], torch.from_numpy(yb))
    theirs.backward()
    grads = [q.grad.numpy().copy() for q in model.parameters()]
    optimizer.step()

    pairs = list(zip((a, h, z), (output.detach().numpy() for output in outputs[1:]), strict=True))
    pairs += [(np.array(loss), np.array(theirs.item())), *zip(gradients, grads, strict=True)]
    updated = [w - 0.01 * g for w, g in zip((W1, b1, W2, b2), gradients, strict=True)]
    pairs += zip(updated, (q.detach().numpy() for q in model.parameters()), strict=True)
    largest = max(largest, *(gap(mine, its) for mine, its in pairs))

assert largest < 1e-9, f"they part: {largest:.3g}"
print(f"agree over 200 steps, largest gap {largest:.2g}")
