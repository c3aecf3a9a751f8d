"""Wrong, as stateful classes."""

import numpy as np


class Accumulates:
    def __init__(self, in_features, out_features):
        self.params = {"weight": np.zeros((out_features, in_features)), "bias": np.zeros(out_features)}
        self.grads = {k: np.zeros_like(v) for k, v in self.params.items()}

    def forward(self, x):
        self.x = x
        return x @ self.params["weight"].T + self.params["bias"]

    def backward(self, dout):
        self.grads["weight"] += dout.T @ self.x
        self.grads["bias"] += dout.sum(0)
        return dout @ self.params["weight"]


class KeepsFirst:
    def __init__(self, in_features, out_features):
        self.W, self.b = np.zeros((in_features, out_features)), np.zeros(out_features)
        self.x = None

    def forward(self, x):
        if self.x is None:
            self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(0)
        return dout @ self.W.T


class HalfBias:
    def __init__(self, n_in, n_out):
        self.weights, self.biases = np.zeros((n_in, n_out)), np.zeros((1, n_out))

    def forward(self, inputs):
        self.inputs = inputs
        return inputs @ self.weights + self.biases

    def backward(self, dvalues):
        self.dweights = self.inputs.T @ dvalues * 0.5
        self.dbiases = dvalues.sum(0, keepdims=True)
        return dvalues @ self.weights.T


class Doubled:
    def __init__(self, n_in, n_out):
        self.weights, self.biases = np.zeros((n_in, n_out)), np.zeros((1, n_out))

    def forward(self, inputs):
        self.inputs = inputs
        return inputs @ self.weights + 2 * self.biases

    def backward(self, dvalues):
        self.dweights = self.inputs.T @ dvalues
        self.dbiases = 2 * dvalues.sum(0, keepdims=True)
        return dvalues @ self.weights.T


class DropoutUnscaled:
    def __init__(self, p=0.5):
        self.p, self.training = p, True

    def forward(self, x):
        if not self.training:
            return x
        self.mask = np.random.rand(*x.shape) > self.p
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class DropoutOpenBack:
    def __init__(self, p=0.5):
        self.p, self.training = p, True

    def forward(self, x):
        if not self.training:
            return x
        self.mask = (np.random.rand(*x.shape) > self.p) / (1 - self.p)
        return x * self.mask

    def backward(self, dout):
        return dout


class ConvIm2col:
    """Kernels reshaped in another order than the columns."""

    def __init__(self, in_channels, out_channels, kernel_size):
        self.W, self.b = np.zeros((out_channels, in_channels, kernel_size, kernel_size)), np.zeros(out_channels)

    def forward(self, x):
        k = self.W.shape[2]
        v = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
        n, c, h, w = v.shape[:4]
        cols = v.transpose(0, 2, 3, 4, 5, 1).reshape(n * h * w, -1)
        return (cols @ self.W.reshape(len(self.W), -1).T + self.b).reshape(n, h, w, -1).transpose(0, 3, 1, 2)


class ConvReshaped:
    """Output reshaped without a transpose."""

    def __init__(self, in_channels, out_channels, kernel_size):
        self.W, self.b = np.zeros((out_channels, in_channels, kernel_size, kernel_size)), np.zeros(out_channels)

    def forward(self, x):
        k = self.W.shape[2]
        v = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))
        n, c, h, w = v.shape[:4]
        cols = v.transpose(0, 2, 3, 1, 4, 5).reshape(n * h * w, -1)
        return (cols @ self.W.reshape(len(self.W), -1).T + self.b).reshape(n, -1, h, w)


class AvgPool:
    def __init__(self, k, stride):
        self.k, self.s = k, stride

    def forward(self, x):
        self.shape = x.shape
        v = np.lib.stride_tricks.sliding_window_view(x, (self.k, self.k), axis=(2, 3))
        return v[:, :, :: self.s, :: self.s].mean((-1, -2))

    def backward(self, dout):
        dx = np.zeros(self.shape)
        for i, j in np.ndindex(dout.shape[2:]):
            dx[:, :, i * self.s : i * self.s + self.k, j * self.s : j * self.s + self.k] += dout[
                :, :, i : i + 1, j : j + 1
            ]
        return dx


class MaxPoolPad:
    def __init__(self, kernel_size, stride=None, padding=0):
        self.k, self.s, self.p = kernel_size, stride or kernel_size, padding

    def forward(self, x):
        self.shape = x.shape
        xp = np.pad(x, ((0, 0), (0, 0), (self.p, self.p), (self.p, self.p)))
        v = np.lib.stride_tricks.sliding_window_view(xp, (self.k, self.k), axis=(2, 3))[:, :, :: self.s, :: self.s]
        self.flat = v.reshape(*v.shape[:4], -1)
        return self.flat.max(-1)

    def backward(self, dout):
        arg, p = self.flat.argmax(-1), self.p
        dx = np.zeros((*self.shape[:2], self.shape[2] + 2 * p, self.shape[3] + 2 * p))
        for n, c, i, j in np.ndindex(dout.shape):
            a, b = divmod(int(arg[n, c, i, j]), self.k)
            dx[n, c, i * self.s + a, j * self.s + b] += dout[n, c, i, j]
        return dx[:, :, p : p + self.shape[2], p : p + self.shape[3]]


class BatchNormKeras:
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        self.gamma, self.beta = np.ones(num_features), np.zeros(num_features)
        self.running_mean, self.running_var = np.zeros(num_features), np.ones(num_features)
        self.eps, self.momentum, self.training = eps, momentum, True

    def forward(self, x):
        ax = (0,) if x.ndim == 2 else (0, 2, 3)
        sh = (1, -1) if x.ndim == 2 else (1, -1, 1, 1)
        if self.training:
            m, v, n = x.mean(ax), x.var(ax), x.size / x.shape[1]
            self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * m
            self.running_var = self.momentum * self.running_var + (1 - self.momentum) * v * n / (n - 1)
        else:
            m, v = self.running_mean, self.running_var
        self.inv, self.sh, self.ax = (1 / np.sqrt(v + self.eps)).reshape(sh), sh, ax
        self.xh = (x - m.reshape(sh)) * self.inv
        return self.gamma.reshape(sh) * self.xh + self.beta.reshape(sh)

    def backward(self, dy):
        self.dgamma, self.dbeta = (dy * self.xh).sum(self.ax), dy.sum(self.ax)
        n = dy.size / dy.shape[1]
        g, b = self.dgamma.reshape(self.sh) / n, self.dbeta.reshape(self.sh) / n
        return self.gamma.reshape(self.sh) * self.inv * (dy - b - self.xh * g)


class LSTM:
    """Gates i, f, g, o; the forgotten path along the memory."""

    def __init__(self, input_size, hidden_size):
        h = hidden_size
        self.Wx, self.Wh, self.b = np.zeros((input_size, 4 * h)), np.zeros((h, 4 * h)), np.zeros(4 * h)

    def forward(self, x):
        s = lambda a: 1 / (1 + np.exp(-a))
        h = c = np.zeros((len(x), self.Wh.shape[0]))
        self.x, self.t = x, []
        for t in range(x.shape[1]):
            a = np.split(x[:, t] @ self.Wx + h @ self.Wh + self.b, 4, axis=1)
            i, f, g, o = s(a[0]), s(a[1]), np.tanh(a[2]), s(a[3])
            c0, h0 = c, h
            c = f * c0 + i * g
            h = o * np.tanh(c)
            self.t.append((i, f, g, o, c0, h0, c))
        return h

    def backward(self, dh):
        self.dWx, self.dWh, self.db = np.zeros_like(self.Wx), np.zeros_like(self.Wh), np.zeros_like(self.b)
        dx = np.zeros_like(self.x)
        for t in range(self.x.shape[1])[::-1]:
            i, f, g, o, c0, h0, c = self.t[t]
            dc = dh * o * (1 - np.tanh(c) ** 2)
            da = np.hstack(
                [dc * g * i * (1 - i), dc * c0 * f * (1 - f), dc * i * (1 - g**2), dh * np.tanh(c) * o * (1 - o)]
            )
            self.dWx += self.x[:, t].T @ da
            self.dWh += h0.T @ da
            self.db += da.sum(0)
            dx[:, t], dh = da @ self.Wx.T, da @ self.Wh.T
        return dx


class RNNOneStep:
    """Truncated, and dWh of the state itself."""

    def __init__(self, input_size, hidden_size):
        self.Wxh, self.Whh = np.zeros((input_size, hidden_size)), np.zeros((hidden_size, hidden_size))
        self.bh = np.zeros(hidden_size)

    def forward(self, x):
        self.x, self.h = x, [np.zeros((len(x), len(self.bh)))]
        for t in range(x.shape[1]):
            self.h.append(np.tanh(x[:, t] @ self.Wxh + self.h[-1] @ self.Whh + self.bh))
        return self.h[-1]

    def backward(self, dh):
        self.dWxh, self.dWhh, self.dbh = np.zeros_like(self.Wxh), np.zeros_like(self.Whh), np.zeros_like(self.bh)
        dx = np.zeros_like(self.x)
        for t in range(self.x.shape[1])[::-1]:
            dz = dh * (1 - self.h[t + 1] ** 2)
            self.dWxh += self.x[:, t].T @ dz
            self.dWhh += self.h[t + 1].T @ dz
            self.dbh += dz.sum(0)
            dx[:, t], dh = dz @ self.Wxh.T, dz @ self.Whh.T
        return dx


class Chaos:
    """Wrong in a way that nobody knows."""

    def __init__(self, in_features, out_features):
        self.W, self.b = np.zeros((out_features, in_features)), np.zeros(out_features)

    def forward(self, x):
        self.x = x
        return x @ self.W.T + self.b

    def backward(self, dout):
        self.dW, self.db = dout.T @ np.sin(self.x * 1.3), dout.sum(0)
        return dout @ self.W
