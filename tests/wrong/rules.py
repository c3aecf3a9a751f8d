"""Wrong losses, optimizers, clipping and schedules."""

import math

import numpy as np


def softmax_loss(x, y):
    p = np.exp(x - x.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    n = len(x)
    loss = -np.log(p[np.arange(n), y] + 1e-12).mean()
    d = p.copy()
    d[np.arange(n), y] -= 1
    return loss, d / n


def softmax_loss2(x, y):  # gradient not divided
    s = x - x.max(1, keepdims=True)
    lp = s - np.log(np.exp(s).sum(1, keepdims=True))
    d = np.exp(lp)
    d[np.arange(len(x)), y] -= 1
    return -lp[np.arange(len(x)), y].mean(), d


class CrossEntropy:  # forgot the target
    def forward(self, x, y):
        s = x - x.max(1, keepdims=True)
        self.lp = s - np.log(np.exp(s).sum(1, keepdims=True))
        return -(y * self.lp).sum() / len(x)

    def backward(self, x, y):
        return np.exp(self.lp) / len(x)


class CrossEntropyMeanAll:
    def forward(self, x, y):
        s = x - x.max(1, keepdims=True)
        self.lp = s - np.log(np.exp(s).sum(1, keepdims=True))
        return -np.mean(y * self.lp)

    def backward(self, x, y):
        return (np.exp(self.lp) - y) / len(x)


def mse(pred, target):  # half, consistently
    d = pred - target
    return 0.5 * (d**2).mean(), d / d.size


def mse_batch(pred, target):
    d = pred - target
    return (d**2).sum() / len(d), 2 * d / len(d)


def mse_no_two(pred, target):
    d = pred - target
    return (d**2).mean(), d / d.size


def sgd_momentum(w, dw, config):
    v = config.setdefault("velocity", np.zeros_like(w))
    v = config["momentum"] * v + (1 - config["momentum"]) * dw
    config["velocity"] = v
    return w - config["learning_rate"] * v, config


class SGD:
    def __init__(self, params, lr, momentum=0.0, weight_decay=0.0):
        self.params, self.lr, self.mu, self.wd = params, lr, momentum, weight_decay
        self.v = {k: 0.0 for k in params}

    def step(self, grads):
        for k in self.params:
            self.v[k] = self.mu * self.v[k] + self.lr * grads[k]
            self.params[k] -= self.v[k]


class Adam:
    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.b1, self.b2, self.eps = lr, beta1, beta2, eps
        self.m, self.v = {}, {}

    def update(self, params, grads):
        for k in params:
            self.m[k] = self.b1 * self.m.get(k, 0) + (1 - self.b1) * grads[k]
            self.v[k] = self.b2 * self.v.get(k, 0) + (1 - self.b2) * grads[k] ** 2
            params[k] -= self.lr * self.m[k] / (np.sqrt(self.v[k]) + self.eps)


class AdamShort:
    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.b1, self.b2, self.eps, self.t = lr, beta1, beta2, eps, 0
        self.m, self.v = {}, {}

    def update(self, params, grads):
        self.t += 1
        rate = self.lr * math.sqrt(1 - self.b2**self.t) / (1 - self.b1**self.t)
        for k in params:
            self.m[k] = self.b1 * self.m.get(k, 0) + (1 - self.b1) * grads[k]
            self.v[k] = self.b2 * self.v.get(k, 0) + (1 - self.b2) * grads[k] ** 2
            params[k] -= rate * self.m[k] / (np.sqrt(self.v[k]) + self.eps)


class AdamCountsParameters:
    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.b1, self.b2, self.eps, self.t = lr, beta1, beta2, eps, 0
        self.m, self.v = {}, {}

    def update(self, params, grads):
        for k in params:
            self.t += 1
            self.m[k] = self.b1 * self.m.get(k, 0) + (1 - self.b1) * grads[k]
            self.v[k] = self.b2 * self.v.get(k, 0) + (1 - self.b2) * grads[k] ** 2
            mh, vh = self.m[k] / (1 - self.b1**self.t), self.v[k] / (1 - self.b2**self.t)
            params[k] -= self.lr * mh / (np.sqrt(vh) + self.eps)


def rmsprop_update(p, g, state, lr, alpha=0.99, eps=1e-8):
    state["sq"] = alpha * state.get("sq", 0) + (1 - alpha) * g * g
    return p - lr * g / np.sqrt(state["sq"] + eps), state


def clip_each(grads, max_norm):
    return {k: g * min(1.0, max_norm / (np.linalg.norm(g) + 1e-6)) for k, g in grads.items()}


def clip_value(grads, max_norm):
    return [np.clip(g, -max_norm, max_norm) for g in grads]


def clip_always(grads, max_norm):
    total = math.sqrt(sum((g**2).sum() for g in grads.values()))
    return {k: g * max_norm / (total + 1e-6) for k, g in grads.items()}


def cosine(step, total_steps, lr, eta_min=0.0):
    return eta_min + (lr - eta_min) * (1 + math.cos(math.pi * step / (total_steps - 1))) / 2


def cosine_floor(step, total_steps, lr, eta_min=0.0):
    return max(eta_min, lr * (1 + math.cos(math.pi * step / total_steps)) / 2)


def step_lr(epoch, lr, step_size, gamma):
    return lr * gamma ** (epoch / step_size)


class StepLate:
    def __init__(self, lr, step_size, gamma=0.1):
        self.lr, self.size, self.gamma, self.n = lr, step_size, gamma, 0

    def get_lr(self):
        return self.lr * self.gamma ** (max(self.n - 1, 0) // self.size)

    def step(self):
        self.n += 1


def warmup(k, lr, start_factor, end_factor, total_iters):
    return lr * min(1.0, k / total_iters)


def one_cycle(step, total, max_lr, pct_start=0.3, div_factor=25.0, final_div_factor=1e4):
    low, top = max_lr / div_factor, pct_start * total - 1
    last = max_lr / final_div_factor
    if step <= top:
        return low + (max_lr - low) * (1 - math.cos(math.pi * step / top)) / 2
    return last + (max_lr - last) * (1 + math.cos(math.pi * (step - top) / (total - 1 - top))) / 2
