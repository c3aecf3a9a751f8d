"""Wrong, as public repositories and books write it: one mistake each."""

import numpy as np


class Conv:
    def __init__(self, cin, cout, k, stride=1):
        self.W = np.zeros((cout, cin, k, k))
        self.b = np.zeros(cout)
        self.s = stride
        self.k = k

    def forward(self, x):
        self.x = x
        n, c, h, w = x.shape
        k, s = (self.k, self.s)
        oh, ow = ((h - k) // s + 1, (w - k) // s + 1)
        y = np.empty((n, len(self.W), oh, ow))
        for i in range(oh):
            for j in range(ow):
                y[:, :, i, j] = (
                    np.tensordot(x[:, :, i * s : i * s + k, j * s : j * s + k], self.W, ([1, 2, 3], [1, 2, 3])) + self.b
                )
        return y

    def backward(self, dy):
        k, s = (self.k, self.s)
        self.dW = np.zeros_like(self.W)
        dx = np.zeros_like(self.x)
        for i in range(dy.shape[2]):
            for j in range(dy.shape[3]):
                self.dW += np.tensordot(dy[:, :, i, j], self.x[:, :, i * s : i * s + k, j * s : j * s + k], (0, 0))
                dx[:, :, i * s : i * s + k, j * s : j * s + k] = np.tensordot(dy[:, :, i, j], self.W, (1, 0))
        self.db = dy.sum((0, 2, 3))
        return dx


class MaxPool:
    def forward(self, x):
        n, c, h, w = x.shape
        self.x = x[:, :, : h // 2 * 2, : w // 2 * 2]
        self.full = x.shape
        self.r = self.x.reshape(n, c, h // 2, 2, w // 2, 2)
        self.out = self.r.max(axis=3).max(axis=4)
        return self.out

    def backward(self, dout):
        mask = self.r == self.out[:, :, :, None, :, None]
        d = mask * dout[:, :, :, None, :, None]
        dx = np.zeros(self.full)
        dx[:, :, : self.x.shape[2], : self.x.shape[3]] = d.reshape(self.x.shape)
        return dx


def batchnorm_forward(x, gamma, beta, eps=1e-05):
    mu = x.mean(0)
    xc = x - mu
    var = (xc**2).mean(0)
    inv = 1 / np.sqrt(var + eps)
    xh = xc * inv
    return (gamma * xh + beta, (xh, xc, inv, gamma))


def batchnorm_backward(dout, cache):
    xh, xc, inv, gamma = cache
    N = len(dout)
    dxh = dout * gamma
    dvar = (dxh * xc * 0.5 * inv**3).sum(0)
    dmu = -(dxh * inv).sum(0)
    return (dxh * inv + dvar * 2 * xc / N + dmu / N, (dout * xh).sum(0), dout.sum(0))


def sig(x):
    return 1 / (1 + np.exp(-x))


class LSTM:
    def __init__(self, n, h):
        self.Wx = np.zeros((4 * h, n))
        self.Wh = np.zeros((4 * h, h))
        self.b = np.zeros(4 * h)
        self.H = h

    def forward(self, x):
        N, T, _ = x.shape
        h = np.zeros((N, self.H))
        c = np.zeros_like(h)
        self.c = []
        self.x = x
        for t in range(T):
            a = x[:, t] @ self.Wx.T + h @ self.Wh.T + self.b
            i, f, g, o = np.split(a, 4, 1)
            i, f, g, o = (sig(i), sig(f), np.tanh(g), sig(o))
            cn = f * c + i * g
            self.c.append((h, c, i, f, g, o, cn))
            c = cn
            h = o * np.tanh(c)
        return h

    def backward(self, dh):
        self.dWx = np.zeros_like(self.Wx)
        self.dWh = np.zeros_like(self.Wh)
        self.db = np.zeros_like(self.b)
        dx = np.zeros_like(self.x)
        for t in reversed(range(len(self.c))):
            h, c, i, f, g, o, cn = self.c[t]
            tc = np.tanh(cn)
            dc = dh * o * (1 - tc**2)
            da = np.concatenate(
                [dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g**2), dh * tc * o * (1 - o)], 1
            )
            self.dWx += da.T @ self.x[:, t]
            self.dWh += da.T @ h
            self.db += da.sum(0)
            dx[:, t] = da @ self.Wx
            dh = da @ self.Wh
        return dx


class L:
    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, 0.2 * x)

    def backward(self, g):
        return np.where(self.x > 0, g, 0.2)


class P:
    def __init__(self):
        self.a = np.array([0.25])

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.a * x)

    def backward(self, g):
        self.da = np.array([(g * self.x).sum()])
        return np.where(self.x > 0, g, self.a * g)


class S:
    def forward(self, x):
        e = np.exp(x - x.max(1, keepdims=True))
        self.y = e / e.sum(1, keepdims=True)
        return self.y

    def backward(self, d):
        return d * self.y * (1 - self.y)


class AdamW:
    def __init__(self, lr, weight_decay=0.01, beta1=0.9, beta2=0.999, eps=1e-08):
        self.lr, self.wd, self.b1, self.b2, self.eps = (lr, weight_decay, beta1, beta2, eps)
        self.m = {}
        self.v = {}
        self.t = 0

    def step(self, params, grads):
        self.t += 1
        for k, p in params.items():
            g = grads[k] + self.wd * p
            self.m[k] = self.b1 * self.m.get(k, 0) + (1 - self.b1) * g
            self.v[k] = self.b2 * self.v.get(k, 0) + (1 - self.b2) * g * g
            p -= self.lr * self.m[k] / (1 - self.b1**self.t) / (np.sqrt(self.v[k] / (1 - self.b2**self.t)) + self.eps)


def clip(grads, max_norm):
    for k, g in grads.items():
        n = np.linalg.norm(g)
        if n > max_norm:
            grads[k] = g * max_norm / (n + 1e-06)
    return grads


def f(step, max_lr, total_steps, pct_start=0.3, div_factor=25, final_div_factor=10000.0):
    up = pct_start * total_steps - 1
    lo = max_lr / div_factor
    end = lo / final_div_factor
    if step <= up:
        return lo + (max_lr - lo) * step / up
    return max_lr + (end - max_lr) * (step - up) / (total_steps - 1 - up)


class M:
    def __init__(self, kernel_size, stride):
        self.k = kernel_size
        self.s = stride

    def forward(self, x):
        self.x = x
        k = self.k
        w = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
        return w.max((-1, -2))

    def backward(self, d):
        dx = np.zeros_like(self.x)
        k = self.k
        for i in range(d.shape[2]):
            for j in range(d.shape[3]):
                w = self.x[:, :, i : i + k, j : j + k]
                dx[:, :, i : i + k, j : j + k] += (w == w.max((2, 3), keepdims=True)) * d[:, :, i, j, None, None]
        return dx


class C:
    def __init__(self, cin, cout, k, stride=2):
        self.W = np.zeros((cout, cin, k, k))
        self.b = np.zeros(cout)
        self.k = k

    def forward(self, x):
        self.x = x
        self.w = np.lib.stride_tricks.sliding_window_view(x, (self.k, self.k), axis=(2, 3))
        return np.einsum("nchwij,ocij->nohw", self.w, self.W) + self.b[:, None, None]

    def backward(self, d):
        self.dW = np.einsum("nohw,nchwij->ocij", d, self.w)
        self.db = d.sum((0, 2, 3))
        dp = np.pad(d, [(0, 0), (0, 0), (self.k - 1,) * 2, (self.k - 1,) * 2])
        return np.einsum(
            "nohwij,ocij->nchw",
            np.lib.stride_tricks.sliding_window_view(dp, (self.k, self.k), axis=(2, 3)),
            self.W[:, :, ::-1, ::-1],
        )


class Dense:
    def __init__(self, input_size, output_size):
        self.weights = np.random.randn(input_size, output_size)
        self.bias = np.random.randn(1, output_size)

    def forward(self, input):
        self.input = input
        return input @ self.weights + self.bias

    def backward(self, output_gradient, learning_rate):
        self.weights -= learning_rate * self.input.T @ output_gradient
        self.bias -= learning_rate * output_gradient.sum(axis=0, keepdims=True)
        return output_gradient @ self.weights.T


def loss(scores, y):
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    L = -np.log(p[np.arange(len(y)), y]).mean()
    d = p.copy()
    d[np.arange(len(y)), y] -= 1
    return (L, d)


class Adam:
    def __init__(self, learning_rate=0.001, b1=0.9, b2=0.999):
        self.learning_rate = learning_rate
        self.eps = 1e-08
        self.m = None
        self.v = None
        self.b1 = b1
        self.b2 = b2
        self.t = 0

    def update(self, w, grad_wrt_w):
        if self.m is None:
            self.m = np.zeros(np.shape(grad_wrt_w))
            self.v = np.zeros(np.shape(grad_wrt_w))
        self.t += 1
        self.m = self.b1 * self.m + (1 - self.b1) * grad_wrt_w
        self.v = self.b2 * self.v + (1 - self.b2) * np.power(grad_wrt_w, 2)
        return w - self.learning_rate * self.m / (1 - self.b1**self.t) / (np.sqrt(self.v) + self.eps)


class Optimizer_RMSprop:
    def __init__(self, learning_rate=0.001, decay=0.0, epsilon=1e-08):
        self.learning_rate = learning_rate
        self.current_learning_rate = learning_rate
        self.epsilon = epsilon
        self.rho = 0.9

    def update_params(self, layer):
        if not hasattr(layer, "weight_cache"):
            layer.weight_cache = np.zeros_like(layer.weights)
            layer.bias_cache = np.zeros_like(layer.biases)
        layer.weight_cache = self.rho * layer.weight_cache + (1 - self.rho) * layer.dweights**2
        layer.bias_cache = self.rho * layer.bias_cache + (1 - self.rho) * layer.dbiases**2
        layer.weights += -self.current_learning_rate * layer.dweights / (np.sqrt(layer.weight_cache) + self.epsilon)
        layer.biases += -self.current_learning_rate * layer.dbiases / (np.sqrt(layer.bias_cache) + self.epsilon)


class SoftmaxCE:
    def forward(self, inputs, y_true):
        z = inputs - inputs.max(1, keepdims=True)
        lse = np.log(np.exp(z).sum(1))
        self.output = np.exp(z - lse[:, None])
        return np.mean(lse - z[range(len(z)), y_true])

    def backward(self, dvalues, y_true):
        self.dinputs = dvalues.copy()
        self.dinputs[range(len(dvalues)), y_true] -= 1


def bce(z, y):
    p = 1 / (1 + np.exp(-z))
    return (-np.mean(y * np.log(p + 1e-08) + (1 - y) * np.log(1 - p + 1e-08)), (p - y) / z.size)
