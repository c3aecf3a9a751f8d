"""Right losses, optimizers, clipping and schedules in NumPy."""

import math

import numpy as np


def softmax_loss(x, y):
    shifted = x - np.max(x, axis=1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    n = x.shape[0]
    dx = np.exp(log_probs)
    dx[np.arange(n), y] -= 1
    return -log_probs[np.arange(n), y].mean(), dx / n


class CrossEntropyModule:
    """One-hot targets."""

    def forward(self, x, y):
        b = x.max(axis=1, keepdims=True)
        self.p = np.exp(x - b) / np.exp(x - b).sum(axis=1, keepdims=True)
        lse = np.log(np.exp(x - b).sum(axis=1)) + b[:, 0]
        return np.mean(lse - (x * y).sum(axis=1))

    def backward(self, x, y):
        return (self.p - y) / len(y)


class CrossEntropyOfProbabilities:
    def forward(self, x, y):
        return -np.sum(y * np.log(x)) / len(x)

    def backward(self, x, y):
        return -(y / x) / len(x)


def mse(pred, target):
    d = pred - target
    return np.mean(d**2), 2 * d / d.size


class MSELoss:
    def __call__(self, y_pred, y_true):
        self.diff = y_pred - y_true
        return float((self.diff**2).sum() / self.diff.size)

    def backward(self):
        return self.diff * 2.0 / self.diff.size


def sgd_momentum(w, dw, config):
    v = config.setdefault("velocity", np.zeros_like(w))
    v = config["momentum"] * v + dw
    config["velocity"] = v
    return w - config["learning_rate"] * v, config


class SGD:
    def __init__(self, params, lr, momentum=0.0, weight_decay=0.0):
        self.params, self.lr, self.mu, self.wd = params, lr, momentum, weight_decay
        self.v = {k: 0.0 for k in params}

    def step(self, grads):
        for k in self.params:
            g = grads[k] + self.wd * self.params[k]
            self.v[k] = self.mu * self.v[k] + g
            self.params[k] -= self.lr * self.v[k]


class Adam:
    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.b1, self.b2, self.eps, self.t = lr, beta1, beta2, eps, 0
        self.m, self.v = {}, {}

    def update(self, params, grads):
        self.t += 1
        a = self.lr * math.sqrt(1 - self.b2**self.t) / (1 - self.b1**self.t)
        for key in params:
            m = self.m[key] = self.b1 * self.m.get(key, 0) + (1 - self.b1) * grads[key]
            v = self.v[key] = self.b2 * self.v.get(key, 0) + (1 - self.b2) * np.square(grads[key])
            params[key] -= a * m / (np.sqrt(v) + self.eps * math.sqrt(1 - self.b2**self.t))


def rmsprop_update(p, g, state, lr, alpha=0.99, eps=1e-8):
    state["sq"] = alpha * state.get("sq", 0) + (1 - alpha) * g * g
    return p - lr * g / (np.sqrt(state["sq"]) + eps), state


def adamw_step(w, grad, m, v, t, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01):
    m = beta1 * m + (1 - beta1) * grad
    v = beta2 * v + (1 - beta2) * grad**2
    w = w - lr * weight_decay * w - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)
    return w, m, v


def clip_gradients(grads, max_norm):
    norm = np.linalg.norm([np.linalg.norm(g) for g in grads.values()])
    scale = min(1.0, max_norm / (norm + 1e-6))
    return {k: v * scale for k, v in grads.items()}


def clip_list(grads, c):
    flat = np.concatenate([g.ravel() for g in grads])
    total = math.sqrt(float(flat @ flat))
    if total + 1e-6 > c:
        for g in grads:
            g *= c / (total + 1e-6)


def cosine(step, total_steps, lr, eta_min=0.0):
    return eta_min + (lr - eta_min) * math.cos(math.pi * step / (2 * total_steps)) ** 2


class StepLR:
    def __init__(self, lr, step_size, gamma=0.1):
        self.lr, self.step_size, self.gamma, self.n = lr, step_size, gamma, 0

    def get_lr(self):
        return self.lr * self.gamma ** math.floor(self.n / self.step_size)

    def step(self):
        self.n += 1


def linear_warmup(lr, k, start_factor, end_factor, total_iters):
    return lr * np.interp(k, [0, total_iters], [start_factor, end_factor])


def exponential(k, lr, gamma):
    return lr * math.exp(k * math.log(gamma))


def one_cycle(step, total, max_lr, pct_start=0.3, div_factor=25.0, final_div_factor=1e4):
    low, top = max_lr / div_factor, pct_start * total - 1
    last = low / final_div_factor
    if step <= top:
        return low + (max_lr - low) * (1 - math.cos(math.pi * step / top)) / 2
    return last + (max_lr - last) * (1 + math.cos(math.pi * (step - top) / (total - 1 - top))) / 2
