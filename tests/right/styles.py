"""Right, in further styles: tables of other names, static methods, images with channels last, time first, pairs."""

import math

import numpy as np


class Linear:
    """params() method returns list; grads() too"""

    def __init__(self, in_size, out_size):
        self.W = np.random.randn(in_size, out_size) * 0.01
        self.b = np.zeros((1, out_size))

    def forward(self, X):
        self.X = X
        self.Z = X @ self.W + self.b
        return self.Z

    def backward(self, dZ):
        m = 1
        self.dW = (1 / m) * self.X.T @ dZ
        self.db = (1 / m) * np.sum(dZ, axis=0, keepdims=True)
        return dZ @ self.W.T

    def params(self):
        return [self.W, self.b]

    def grads(self):
        return [self.dW, self.db]


class Layer:
    def __init__(self, input_dim, output_dim, activation=None):
        self.w = np.random.rand(output_dim, input_dim)
        self.b = np.random.rand(output_dim)
        self.activation = activation

    def __call__(self, x):
        return self.forward(x)

    def forward(self, x):
        self.last_input = x
        return np.array([self.w @ xi + self.b for xi in x])

    def backward(self, delta):
        self.w_grad = sum(np.outer(d, x) for d, x in zip(delta, self.last_input))
        self.b_grad = np.sum(delta, 0)
        return np.array([self.w.T @ d for d in delta])


class FC:
    def __init__(self, in_features, out_features):
        self.parameters = {"W": np.zeros((out_features, in_features)), "b": np.zeros(out_features)}
        self.gradients = {"W": None, "b": None}

    def forward(self, x, training=True):
        self._cache = (x,)
        return np.einsum("bi,oi->bo", x, self.parameters["W"]) + self.parameters["b"]

    def backward(self, upstream):
        (x,) = self._cache
        self.gradients["W"] = np.einsum("bo,bi->oi", upstream, x)
        self.gradients["b"] = upstream.sum(axis=0)
        return np.einsum("bo,oi->bi", upstream, self.parameters["W"])


class Stateless:
    @staticmethod
    def forward(x, w, b):
        return x @ w + b, (x, w)

    @staticmethod
    def backward(dout, cache):
        x, w = cache
        return dout @ w.T, x.T @ dout, dout.sum(0)


def dense(x, params):
    return x @ params["weight"].T + params["bias"], (x, params["weight"])


def dense_grad(dy, cache):
    x, w = cache
    return dy @ w, {"weight": dy.T @ x, "bias": dy.sum(0)}


def linear(input, weight, bias):
    return input @ weight.T + bias


def linear_backward(grad_output, input, weight):
    grad_input = grad_output @ weight
    grad_weight = grad_output.T @ input
    grad_bias = grad_output.sum(0)
    return grad_input, grad_weight, grad_bias


def d2(x, W, b):
    out = np.dot(x, W) + b
    cache = (x, W, b)
    return out, cache


def d2_back(dout, cache):
    x, W, b = cache
    grads = {"dx": np.dot(dout, W.T), "dW": np.dot(x.T, dout), "db": np.sum(dout, axis=0)}
    return grads


def d3(x, theta):
    """W and b in a tuple? no: dict under theta"""
    return x @ theta["W"] + theta["b"], x


def d3_b(dy, cache, theta):
    return dy @ theta["W"].T, {"W": cache.T @ dy, "b": dy.sum(0)}


class Conv:
    """NHWC, HWIO"""

    def __init__(self, in_channels, out_channels, kernel_size=3, stride=1, padding=0):
        self.W = np.random.randn(kernel_size, kernel_size, in_channels, out_channels)
        self.b = np.zeros(out_channels)
        self.k, self.s, self.p = kernel_size, stride, padding

    def forward(self, x):
        p, s, k = self.p, self.s, self.k
        self.xp = np.pad(x, ((0, 0), (p, p), (p, p), (0, 0)))
        self.shape = x.shape
        v = np.lib.stride_tricks.sliding_window_view(self.xp, (k, k), axis=(1, 2))[:, ::s, ::s]
        self.v = v
        return np.einsum("nhwcij,ijco->nhwo", v, self.W) + self.b

    def backward(self, dy):
        p, s, k = self.p, self.s, self.k
        self.dW = np.einsum("nhwcij,nhwo->ijco", self.v, dy)
        self.db = dy.sum((0, 1, 2))
        dxp = np.zeros_like(self.xp)
        for i in range(k):
            for j in range(k):
                dxp[:, i : i + s * dy.shape[1] : s, j : j + s * dy.shape[2] : s] += dy @ self.W[i, j].T
        return dxp[:, p : p + self.shape[1], p : p + self.shape[2]]


def conv_fft(x, w, b):
    """full correlation via scipy"""
    from scipy.signal import correlate

    y = np.stack(
        [
            np.stack([sum(correlate(x[n, c], w[o, c], mode="valid") for c in range(x.shape[1])) for o in range(len(w))])
            for n in range(len(x))
        ]
    )
    return y + b[:, None, None], (x, w)


def conv_fft_backward(dy, cache):
    from scipy.signal import convolve, correlate

    x, w = cache
    dx = np.stack(
        [
            np.stack([sum(convolve(dy[n, o], w[o, c], mode="full") for o in range(len(w))) for c in range(x.shape[1])])
            for n in range(len(x))
        ]
    )
    dw = np.stack(
        [
            np.stack(
                [sum(correlate(x[n, c], dy[n, o], mode="valid") for n in range(len(x))) for c in range(x.shape[1])]
            )
            for o in range(len(w))
        ]
    )
    return dx, dw, dy.sum((0, 2, 3))


class MaxPool:
    def __init__(self, pool_size=2, stride=2):
        self.ps, self.st = pool_size, stride

    def forward(self, X):
        self.X = X
        n, c, h, w = X.shape
        oh, ow = (h - self.ps) // self.st + 1, (w - self.ps) // self.st + 1
        out = np.full((n, c, oh, ow), -np.inf)
        self.arg = {}
        for a in range(n):
            for b in range(c):
                for i in range(oh):
                    for j in range(ow):
                        best = None
                        for u in range(self.ps):
                            for v in range(self.ps):
                                val = X[a, b, i * self.st + u, j * self.st + v]
                                if best is None or val > best:
                                    best, where = val, (i * self.st + u, j * self.st + v)
                        out[a, b, i, j] = best
                        self.arg[a, b, i, j] = where
        return out

    def backward(self, dout):
        dX = np.zeros_like(self.X)
        for (a, b, i, j), (u, v) in self.arg.items():
            dX[a, b, u, v] += dout[a, b, i, j]
        return dX


class BatchNorm:
    def __init__(self, gamma, beta, momentum=0.1, eps=1e-5, running_mean=None, running_var=None):
        self.gamma, self.beta, self.momentum, self.eps = gamma, beta, momentum, eps
        self.running_mean, self.running_var = running_mean, running_var

    def forward(self, x, train_flg=True):
        if self.running_mean is None:
            self.running_mean, self.running_var = np.zeros(x.shape[1]), np.ones(x.shape[1])
        if train_flg:
            mu = x.mean(axis=0)
            self.xc = x - mu
            var = np.mean(self.xc**2, axis=0)
            self.std = np.sqrt(var + self.eps)
            self.xn = self.xc / self.std
            self.n = len(x)
            self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mu
            self.running_var = (1 - self.momentum) * self.running_var + self.momentum * var * self.n / (self.n - 1)
        else:
            self.xc = x - self.running_mean
            self.xn = self.xc / np.sqrt(self.running_var + self.eps)
        return self.gamma * self.xn + self.beta

    def backward(self, dout):
        self.dbeta = dout.sum(axis=0)
        self.dgamma = np.sum(self.xn * dout, axis=0)
        dxn = self.gamma * dout
        dxc = dxn / self.std
        dstd = -np.sum((dxn * self.xc) / (self.std * self.std), axis=0)
        dvar = 0.5 * dstd / self.std
        dxc += (2.0 / self.n) * self.xc * dvar
        return dxc - np.sum(dxc, axis=0) / self.n


def layernorm(x, weight, bias, eps=1e-5):
    B, C = x.shape
    mean = x.sum(-1, keepdims=True) / C
    xshift = x - mean
    var = (xshift**2).sum(-1, keepdims=True) / C
    rstd = (var + eps) ** -0.5
    norm = xshift * rstd
    return norm * weight + bias, (x, weight, mean, rstd)


def layernorm_backward(dout, cache):
    x, w, mean, rstd = cache
    norm = (x - mean) * rstd
    db, dw = dout.sum(0), (dout * norm).sum(0)
    dnorm = dout * w
    dx = dnorm - dnorm.mean(-1, keepdims=True) - norm * (dnorm * norm).mean(-1, keepdims=True)
    return dx * rstd, dw, db


sig = lambda z: 1 / (1 + np.exp(-z))


class RNNT:
    """time-major, states list"""

    def __init__(self, input_size, hidden_size):
        self.U = np.zeros((hidden_size, input_size))
        self.W = np.zeros((hidden_size, hidden_size))
        self.b = np.zeros(hidden_size)

    def forward(self, x):
        self.x = x
        self.h = [np.zeros((x.shape[1], len(self.b)))]
        for xt in x:
            self.h.append(np.tanh(xt @ self.U.T + self.h[-1] @ self.W.T + self.b))
        return np.array(self.h[1:])

    def backward(self, dh):
        self.dU, self.dW, self.db = np.zeros_like(self.U), np.zeros_like(self.W), np.zeros_like(self.b)
        dx, nxt = np.zeros_like(self.x), 0
        for t in reversed(range(len(self.x))):
            da = (dh[t] + nxt) * (1 - self.h[t + 1] ** 2)
            self.dU += da.T @ self.x[t]
            self.dW += da.T @ self.h[t]
            self.db += da.sum(0)
            dx[t] = da @ self.U
            nxt = da @ self.W
        return dx


class LSTMCell:
    """forward(x, h, c) one step with cache stack"""

    def __init__(self, input_size, hidden_size):
        self.W = np.zeros((4 * hidden_size, input_size))
        self.U = np.zeros((4 * hidden_size, hidden_size))
        self.b = np.zeros(4 * hidden_size)

    def forward(self, x):
        H = self.U.shape[1]
        N, T, _ = x.shape
        h, c = np.zeros((N, H)), np.zeros((N, H))
        self.c = []
        hs = np.zeros((N, T, H))
        for t in range(T):
            z = x[:, t] @ self.W.T + h @ self.U.T + self.b
            i, f, g, o = sig(z[:, :H]), sig(z[:, H : 2 * H]), np.tanh(z[:, 2 * H : 3 * H]), sig(z[:, 3 * H :])
            c2 = f * c + i * g
            self.c.append((x[:, t], h, c, i, f, g, o, c2))
            c = c2
            h = o * np.tanh(c)
            hs[:, t] = h
        return hs

    def backward(self, dhs):
        self.dW, self.dU, self.db = 0, 0, 0
        dx = []
        dh = 0
        dc = 0
        for t in range(dhs.shape[1])[::-1]:
            x, h, c, i, f, g, o, c2 = self.c[t]
            dh = dh + dhs[:, t]
            tc = np.tanh(c2)
            dc = dc + dh * o * (1 - tc * tc)
            dz = np.concatenate(
                (dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g * g), dh * tc * o * (1 - o)), 1
            )
            self.dW = self.dW + dz.T @ x
            self.dU = self.dU + dz.T @ h
            self.db = self.db + dz.sum(0)
            dx.append(dz @ self.W)
            dh = dz @ self.U
            dc = dc * f
        return np.stack(dx[::-1], 1)


class Emb:
    def __init__(self, W):
        self.params = [W]
        self.grads = [np.zeros_like(W)]
        self.idx = None

    def forward(self, idx):
        (W,) = self.params
        self.idx = idx
        return W[idx]

    def backward(self, dout):
        (dW,) = self.grads
        dW[...] = 0
        np.add.at(dW, self.idx, dout)
        return None


def relu(x):
    return np.maximum(x, 0)


def relu_prime(x):
    return np.where(x > 0, 1.0, 0.0)


def tanh(x):
    return np.tanh(x)


def d_tanh(x):
    return 1 - np.tanh(x) ** 2


class Act:
    def forward(self, x):
        self.out = 1.0 / (1.0 + np.exp(-x))
        return self.out

    def backward(self, dout):
        return dout * (1.0 - self.out) * self.out


class Swish:
    def __call__(self, x):
        self.sig = sig(x)
        self.x = x
        return x * self.sig

    def grad(self, dy):
        return dy * (self.sig + self.x * self.sig * (1 - self.sig))


class Opt1:
    def __init__(self, parameters, lr=0.01, momentum=0.9):
        self.parameters = parameters
        self.lr = lr
        self.momentum = momentum
        self.velocities = [np.zeros_like(p) for p in parameters]

    def step(self, gradients):
        for p, g, v in zip(self.parameters, gradients, self.velocities):
            v *= self.momentum
            v += g
            p -= self.lr * v


def momentum_update(param, grad, velocity, learning_rate=0.1, beta=0.9):
    velocity = beta * velocity + grad
    return param - learning_rate * velocity, velocity


def step_fn(params, grads, opt_state, hyper):
    new_v = {k: hyper["momentum"] * opt_state["v"][k] + grads[k] for k in params} if opt_state else dict(grads)
    return {k: params[k] - hyper["lr"] * new_v[k] for k in params}, {"v": new_v}


class AdamState:
    def __init__(self, lr=1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
        self.learning_rate, self.beta_1, self.beta_2, self.epsilon = lr, beta_1, beta_2, epsilon
        self.ms, self.vs, self.t = {}, {}, 0

    def apply_gradients(self, grads_and_vars):
        self.t += 1
        for i, (g, p) in enumerate(grads_and_vars):
            self.ms[i] = self.beta_1 * self.ms.get(i, 0) + (1 - self.beta_1) * g
            self.vs[i] = self.beta_2 * self.vs.get(i, 0) + (1 - self.beta_2) * g**2
            p -= (
                self.learning_rate
                * (self.ms[i] / (1 - self.beta_1**self.t))
                / (np.sqrt(self.vs[i] / (1 - self.beta_2**self.t)) + self.epsilon)
            )


def adam_fn(p, g, m, v, step, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
    m = betas[0] * m + (1 - betas[0]) * g
    v = betas[1] * v + (1 - betas[1]) * g * g
    a = lr * math.sqrt(1 - betas[1] ** step) / (1 - betas[0] ** step)
    return p - a * m / (np.sqrt(v) + eps * math.sqrt(1 - betas[1] ** step)), m, v


def clip_grad_norm(grads, max_norm):
    total = 0.0
    for g in grads.values():
        total += np.sum(np.square(g))
    total = np.sqrt(total)
    coef = max_norm / (total + 1e-6)
    if coef < 1:
        for k in grads:
            grads[k] *= coef
    return total


class Warmup:
    def __init__(self, base_lr, start_factor, end_factor, total_iters):
        self.b, self.s, self.e, self.n, self.i = base_lr, start_factor, end_factor, total_iters, 0

    def step(self):
        f = self.s + (self.e - self.s) * min(self.i, self.n) / self.n
        self.i += 1
        return self.b * f


def cosine_gen(lr, total_steps, eta_min=0.0):
    for k in range(total_steps):
        yield eta_min + (lr - eta_min) * (1 + math.cos(math.pi * k / total_steps)) / 2


def cosine_array(lr, total_steps, eta_min):
    k = np.arange(total_steps)
    return eta_min + (lr - eta_min) * (1 + np.cos(np.pi * k / total_steps)) / 2


def step_vec(k, lr, step_size, gamma):
    return lr * gamma ** np.floor(np.asarray(k) / step_size)


def softmax_ce(logits, target):
    """returns loss, cache-less grad in a dict"""
    z = logits - logits.max(1, keepdims=True)
    lse = np.log(np.exp(z).sum(1))
    n = len(target)
    loss = (lse - z[np.arange(n), target]).mean()
    g = np.exp(z - lse[:, None])
    g[np.arange(n), target] -= 1
    return {"loss": loss, "grad": g / n}


class CE2:
    def __init__(self):
        pass

    def loss(self, logits, y):
        self.y = y
        z = logits - logits.max(axis=1, keepdims=True)
        self.lp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        return -self.lp[np.arange(len(y)), y].mean()

    def gradient(self):
        g = np.exp(self.lp)
        g[np.arange(len(self.y)), self.y] -= 1
        return g / len(self.y)


def mse_loss(prediction, target):
    return np.mean((prediction - target) ** 2)


def mse_loss_grad(prediction, target):
    return 2.0 / prediction.size * (prediction - target)
