"""Right: losses, optimizers, clipping and schedules in NumPy."""

import math

import numpy as np


def cross_entropy(outputs, target):
    z = outputs - outputs.max(1, keepdims=True)
    lp = z - np.log(np.exp(z).sum(1, keepdims=True))
    n = len(target)
    p = np.exp(lp)
    p[np.arange(n), target] -= 1
    return -lp[np.arange(n), target].mean(), p / n


def ce1_forward(logits, labels):
    z = logits - np.max(logits, axis=1, keepdims=True)
    e = np.exp(z)
    probs = e / e.sum(1, keepdims=True)
    N = logits.shape[0]
    return -np.sum(z[np.arange(N), labels] - np.log(e.sum(1))) / N, (probs, labels)


def ce1_backward(cache):
    p, y = cache
    d = p.copy()
    d[range(len(y)), y] -= 1
    return d / len(y)


def ce2(logits, y_onehot):
    m = logits.max(-1, keepdims=True)
    lse = m + np.log(np.exp(logits - m).sum(-1, keepdims=True))
    return np.mean(-(y_onehot * (logits - lse)).sum(-1)), (np.exp(logits - lse) - y_onehot) / logits.shape[0]


class SoftmaxCE:
    def forward(self, z, y):
        z = z - z.max(axis=1, keepdims=True)
        self.p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        self.y = y
        return -np.mean(z[np.arange(len(y)), y] - np.log(np.exp(z).sum(axis=1)))

    def backward(self):
        d = self.p.copy()
        d[np.arange(len(self.y)), self.y] -= 1
        return d / len(self.y)


class SoftmaxWithLoss:
    def __init__(self):
        self.loss = self.y = self.t = None

    def forward(self, x, t):
        self.t = t
        x = x - x.max(axis=1, keepdims=True)
        self.y = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
        self.loss = -np.sum(x[np.arange(len(t)), t] - np.log(np.exp(x).sum(1))) / len(t)
        return self.loss

    def backward(self, dout=1):
        dx = self.y.copy()
        dx[np.arange(len(self.t)), self.t] -= 1
        return dout * dx / len(self.t)


def ce_loop(scores, y):
    loss, d = 0.0, np.zeros_like(scores)
    N, C = scores.shape
    for i in range(N):
        s = scores[i] - scores[i].max()
        lse = math.log(sum(math.exp(v) for v in s))
        loss += lse - s[y[i]]
        for j in range(C):
            d[i, j] = (math.exp(s[j] - lse) - (j == y[i])) / N
    return loss / N, d


class CEL:
    def __init__(self, label_smoothing=0.0, reduction="mean"):
        self.ls, self.r = label_smoothing, reduction

    def __call__(self, logits, targets):
        n, c = logits.shape
        z = logits - logits.max(1, keepdims=True)
        lp = z - np.log(np.exp(z).sum(1, keepdims=True))
        q = np.full((n, c), self.ls / c)
        q[np.arange(n), targets] += 1 - self.ls
        self.d = (np.exp(lp) - q) / (n if self.r == "mean" else 1)
        l = -(q * lp).sum(1)
        return l.mean() if self.r == "mean" else l.sum()

    def backward(self):
        return self.d


def nll_forward(probs, y):
    return -np.mean(np.log(probs[np.arange(len(y)), y]))


def nll_backward(probs, y):
    d = np.zeros_like(probs)
    d[np.arange(len(y)), y] = -1 / probs[np.arange(len(y)), y] / len(y)
    return d


class CEProb:
    def forward(self, x, y):
        self.x, self.y = x, y
        return -np.sum(y * np.log(x)) / len(x)

    def backward(self, x, y):
        return -y / x / len(x)


def mean_squared(outputs, target):
    d = outputs - np.eye(outputs.shape[1])[target]
    return (d * d).mean(), 2 * d / d.size


def mse(y_pred, y_true):
    return np.mean(np.square(y_pred - y_true))


def mse_grad(y_pred, y_true):
    return 2 * (y_pred - y_true) / y_pred.size


def mse_prime(y_true, y_pred):
    return 2 * (y_pred - y_true) / np.size(y_true)


def mse2(y_true, y_pred):
    return np.mean(np.power(y_true - y_pred, 2))


class MSE:
    def forward(self, pred, target):
        self.diff = pred - target
        return float((self.diff**2).sum() / self.diff.size)

    def backward(self):
        return self.diff * (2 / self.diff.size)


class MSESum:
    def __init__(self, reduction="mean"):
        self.reduction = reduction

    def forward(self, pred, target):
        self.diff = pred - target
        return (self.diff**2).sum() if self.reduction == "sum" else (self.diff**2).mean()

    def backward(self):
        return 2 * self.diff / (1 if self.reduction == "sum" else self.diff.size)


def sgd(p, g, lr):
    return p - lr * g


def sgd_inplace(w, dw, lr):
    w -= lr * dw


def sgd_dict(params, grads, lr):
    for k in params:
        params[k] -= lr * grads[k]


def sgd_new(params, grads, lr):
    return {k: params[k] - lr * grads[k] for k in params}


def sgd_m(params, grads, state, lr, momentum=0.9):
    new, st = {}, {}
    for k in params:
        v = momentum * state.get(k, 0) + grads[k]
        st[k] = v
        new[k] = params[k] - lr * v
    return new, st


def sgd_v(w, dw, v, lr, momentum):
    v = momentum * v + dw
    return w - lr * v, v


def sgd_cfg(w, dw, config=None):
    config = {} if config is None else config
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("momentum", 0.9)
    v = config.get("velocity", np.zeros_like(w))
    v = config["momentum"] * v + dw
    config["velocity"] = v
    return w - config["learning_rate"] * v, config


class SGD:
    def __init__(self, lr=0.01, momentum=0.0, weight_decay=0.0, nesterov=False):
        self.lr, self.momentum, self.wd, self.nesterov, self.v = lr, momentum, weight_decay, nesterov, {}

    def step(self, params, grads):
        for k in params:
            g = grads[k] + self.wd * params[k]
            v = self.v[k] = self.momentum * self.v.get(k, 0) + g
            params[k] -= self.lr * (g + self.momentum * v if self.nesterov else v)


class SGD2:
    def __init__(self, params, lr, momentum=0.9):
        self.params, self.lr, self.mu = params, lr, momentum
        self.vel = {k: np.zeros_like(v) for k, v in params.items()}

    def step(self, grads):
        for k, g in grads.items():
            self.vel[k] = self.mu * self.vel[k] + g
            self.params[k] = self.params[k] - self.lr * self.vel[k]


class SGD3:
    def __init__(self, learning_rate=0.1, momentum=0.9):
        self.learning_rate, self.momentum, self.v = learning_rate, momentum, None

    def update(self, params, grads):
        if self.v is None:
            self.v = {k: np.zeros_like(p) for k, p in params.items()}
        for k in params.keys():
            self.v[k] = (
                self.momentum * self.v[k] - self.learning_rate * grads[k]
                if False
                else self.momentum * self.v[k] + grads[k]
            )
            params[k] -= self.learning_rate * self.v[k]


class SGD4:
    """list of (param, grad)"""

    def __init__(self, lr, momentum):
        self.lr, self.momentum, self.v = lr, momentum, {}

    def step(self, params_and_grads):
        for i, (p, g) in enumerate(params_and_grads):
            self.v[i] = self.momentum * self.v.get(i, np.zeros_like(p)) + g
            p -= self.lr * self.v[i]


class SGD5:
    """lists of arrays"""

    def __init__(self, params, lr=0.1, momentum=0.9):
        self.params, self.lr, self.m = params, lr, momentum
        self.buf = [np.zeros_like(p) for p in params]

    def step(self, grads):
        for i, g in enumerate(grads):
            self.buf[i] = self.m * self.buf[i] + g
            self.params[i] -= self.lr * self.buf[i]


class SGD6:
    """objects with .data and .grad"""

    def __init__(self, parameters, lr, momentum=0.0):
        self.parameters, self.lr, self.momentum = parameters, lr, momentum
        self.v = [0 for _ in parameters]

    def step(self):
        for i, p in enumerate(self.parameters):
            self.v[i] = self.momentum * self.v[i] + p.grad
            p.data -= self.lr * self.v[i]

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None


class SGD7:
    """layers with params/grads: update(layer)"""

    def __init__(self, lr=0.1, momentum=0.9):
        self.lr, self.momentum, self.v = lr, momentum, {}

    def update_param(self, name, param, grad):
        v = self.v.get(name, np.zeros_like(param))
        v = self.momentum * v + grad
        self.v[name] = v
        return param - self.lr * v


def adam(params, grads, state, lr, betas=(0.9, 0.999), eps=1e-8):
    t = state.get("t", 0) + 1
    new, st = {}, {"t": t, "m": {}, "v": {}}
    for k in params:
        m = betas[0] * state.get("m", {}).get(k, 0) + (1 - betas[0]) * grads[k]
        v = betas[1] * state.get("v", {}).get(k, 0) + (1 - betas[1]) * grads[k] ** 2
        st["m"][k], st["v"][k] = m, v
        new[k] = params[k] - lr * (m / (1 - betas[0] ** t)) / (np.sqrt(v / (1 - betas[1] ** t)) + eps)
    return new, st


def adam_each(w, dw, m, v, t, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    m = beta1 * m + (1 - beta1) * dw
    v = beta2 * v + (1 - beta2) * dw**2
    mh, vh = m / (1 - beta1**t), v / (1 - beta2**t)
    return w - lr * mh / (np.sqrt(vh) + eps), m, v


def adam_cfg(w, dw, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-3)
    config.setdefault("beta1", 0.9)
    config.setdefault("beta2", 0.999)
    config.setdefault("epsilon", 1e-8)
    config.setdefault("m", np.zeros_like(w))
    config.setdefault("v", np.zeros_like(w))
    config.setdefault("t", 0)
    config["t"] += 1
    config["m"] = config["beta1"] * config["m"] + (1 - config["beta1"]) * dw
    config["v"] = config["beta2"] * config["v"] + (1 - config["beta2"]) * dw * dw
    mt, vt = config["m"] / (1 - config["beta1"] ** config["t"]), config["v"] / (1 - config["beta2"] ** config["t"])
    return w - config["learning_rate"] * mt / (np.sqrt(vt) + config["epsilon"]), config


class Adam:
    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.beta1, self.beta2, self.eps, self.iter, self.m, self.v = lr, beta1, beta2, eps, 0, None, None

    def update(self, params, grads):
        if self.m is None:
            self.m = {k: np.zeros_like(v) for k, v in params.items()}
            self.v = {k: np.zeros_like(v) for k, v in params.items()}
        self.iter += 1
        for k in params:
            self.m[k] += (1 - self.beta1) * (grads[k] - self.m[k])
            self.v[k] += (1 - self.beta2) * (grads[k] ** 2 - self.v[k])
            mh = self.m[k] / (1 - self.beta1**self.iter)
            vh = self.v[k] / (1 - self.beta2**self.iter)
            params[k] -= self.lr * mh / (np.sqrt(vh) + self.eps)


class Adam2:
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        self.params, self.lr, self.betas, self.eps, self.wd, self.t = params, lr, betas, eps, weight_decay, 0
        self.m = [np.zeros_like(p.data) for p in params]
        self.v = [np.zeros_like(p.data) for p in params]

    def step(self):
        self.t += 1
        b1, b2 = self.betas
        for i, p in enumerate(self.params):
            g = p.grad + self.wd * p.data
            self.m[i] = b1 * self.m[i] + (1 - b1) * g
            self.v[i] = b2 * self.v[i] + (1 - b2) * g * g
            p.data = p.data - self.lr * (self.m[i] / (1 - b1**self.t)) / (
                np.sqrt(self.v[i] / (1 - b2**self.t)) + self.eps
            )


class AdamW:
    def __init__(self, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
        self.lr, self.betas, self.eps, self.wd = lr, betas, eps, weight_decay
        self.s = {}

    def step(self, params, grads):
        for k in params:
            m, v, t = self.s.get(k, (0, 0, 0))
            t += 1
            m = self.betas[0] * m + (1 - self.betas[0]) * grads[k]
            v = self.betas[1] * v + (1 - self.betas[1]) * grads[k] ** 2
            self.s[k] = (m, v, t)
            params[k] *= 1 - self.lr * self.wd
            params[k] -= self.lr * (m / (1 - self.betas[0] ** t)) / (np.sqrt(v / (1 - self.betas[1] ** t)) + self.eps)


def rmsprop(params, grads, state, lr, alpha=0.99, eps=1e-8):
    new, st = {}, {}
    for k in params:
        st[k] = alpha * state.get(k, 0) + (1 - alpha) * grads[k] ** 2
        new[k] = params[k] - lr * grads[k] / (np.sqrt(st[k]) + eps)
    return new, st


class RMSProp:
    def __init__(self, lr=0.01, decay_rate=0.99):
        self.lr, self.decay_rate, self.h = lr, decay_rate, None

    def update(self, params, grads):
        if self.h is None:
            self.h = {k: np.zeros_like(v) for k, v in params.items()}
        for k in params:
            self.h[k] *= self.decay_rate
            self.h[k] += (1 - self.decay_rate) * grads[k] * grads[k]
            params[k] -= self.lr * grads[k] / (np.sqrt(self.h[k]) + 1e-8)


class RMS2:
    def __init__(self, params, lr=0.01, alpha=0.99, eps=1e-8, momentum=0.0):
        self.params, self.lr, self.alpha, self.eps = params, lr, alpha, eps
        self.sq = {k: np.zeros_like(p) for k, p in params.items()}

    def step(self, grads):
        for k in self.params:
            self.sq[k] = self.alpha * self.sq[k] + (1 - self.alpha) * grads[k] ** 2
            self.params[k] -= self.lr * grads[k] / (np.sqrt(self.sq[k]) + self.eps)


def clip(grads, max_norm):
    total = np.sqrt(sum((g**2).sum() for g in grads.values()))
    s = max_norm / (total + 1e-6)
    if s < 1:
        return {k: g * s for k, g in grads.items()}
    return grads


def clip_in(grads, c):
    n = sum(float(np.sum(g * g)) for g in grads) ** 0.5
    f = min(1.0, c / (n + 1e-6))
    for g in grads:
        g *= f
    return n


def clip_vec(g, max_norm):
    n = np.linalg.norm(g)
    return g * min(1, max_norm / (n + 1e-6))


class Clipper:
    def __init__(self, max_norm):
        self.c = max_norm

    def __call__(self, grads):
        n = math.sqrt(sum(np.vdot(g, g) for g in grads.values()))
        k = self.c / (n + 1e-6)
        return {a: b * min(k, 1.0) for a, b in grads.items()}


# schedules
def step_decay(k, lr, step_size, gamma=0.1):
    return lr * gamma ** (k // step_size)


def step_decay2(epoch, initial_lr=0.1, drop=0.5, epochs_drop=4):
    return initial_lr * drop ** np.floor(epoch / epochs_drop)


def step(lr, k, step_size, gamma):
    for _ in range(step_size, k + 1, step_size):
        lr *= gamma
    return lr


def exponential(k, lr, gamma):
    return lr * math.exp(k * math.log(gamma))


class Exponential:
    def __init__(self, lr, gamma):
        self.lr, self.gamma = lr, gamma

    def step(self):
        lr = self.lr
        self.lr *= self.gamma
        return lr


class ExpL:
    def __init__(self, optimizer, gamma):
        self.optimizer, self.gamma = optimizer, gamma

    def step(self):
        self.optimizer.lr *= self.gamma


def constant(k, lr):
    return lr


class Constant:
    def __init__(self, lr):
        self.lr = lr

    def __call__(self, step):
        return self.lr


def cosine(k, lr, t_max, eta_min=0.0):
    return eta_min + (lr - eta_min) * (1 + math.cos(math.pi * k / t_max)) / 2


def cosine2(step, total_steps, base_lr, min_lr=0.0):
    return min_lr + 0.5 * (base_lr - min_lr) * (1 + np.cos(np.pi * step / total_steps))


class Cosine:
    def __init__(self, lr, T_max, eta_min=0):
        self.lr, self.T, self.m, self.t = lr, T_max, eta_min, 0

    def get_lr(self):
        return self.m + (self.lr - self.m) * (1 + math.cos(math.pi * self.t / self.T)) / 2

    def step(self):
        self.t += 1


def make_cosine(lr, t_max, eta_min=0.0):
    return lambda k: eta_min + (lr - eta_min) * (1 + math.cos(math.pi * k / t_max)) / 2


def linear(k, lr, start_factor, end_factor, total_iters):
    f = min(k / total_iters, 1.0)
    return lr * ((1 - f) * start_factor + f * end_factor)


class Linear:
    def __init__(self, lr, start_factor=0.1, end_factor=1.0, total_iters=10):
        self.a = (lr, start_factor, end_factor, total_iters)

    def lr_at(self, k):
        lr, s, e, t = self.a
        return lr * (s + (e - s) * min(k, t) / t)


def one_cycle(k, lr, steps, pct_start=0.3, div_factor=25.0, final_div_factor=1e4):
    up = pct_start * steps - 1
    lo, fin = lr / div_factor, lr / div_factor / final_div_factor
    cos = lambda a, b, t: b + (a - b) * (1 + math.cos(math.pi * t)) / 2
    return cos(lo, lr, k / up) if k <= up else cos(lr, fin, (k - up) / (steps - 1 - up))


class OneCycle:
    def __init__(self, max_lr, total_steps, pct_start=0.3, div_factor=25.0, final_div_factor=1e4):
        self.m, self.n, self.p, self.d, self.f, self.k = max_lr, total_steps, pct_start, div_factor, final_div_factor, 0

    def step(self):
        self.k += 1
        return one_cycle(self.k - 1, self.m, self.n, self.p, self.d, self.f)
