"""Right, as lecture notes and assignments write it."""

import numpy as np


class RNN:
    def __init__(self, input_size, hidden_size):
        self.W_ih = np.zeros((hidden_size, input_size))
        self.W_hh = np.zeros((hidden_size, hidden_size))
        self.b_ih = np.zeros(hidden_size)
        self.b_hh = np.zeros(hidden_size)

    def forward(self, x):
        h = np.zeros((len(x), len(self.b_ih)))
        hs = []
        for t in range(x.shape[1]):
            h = np.tanh(x[:, t] @ self.W_ih.T + self.b_ih + h @ self.W_hh.T + self.b_hh)
            hs.append(h)
        return np.mean(hs, axis=0)


class BatchNormalization:
    def __init__(self, gamma, beta, momentum=0.9, running_mean=None, running_var=None):
        self.gamma = gamma
        self.beta = beta
        self.momentum = momentum
        self.running_mean = running_mean
        self.running_var = running_var
        self.dgamma = None
        self.dbeta = None

    def forward(self, x, train_flg=True):
        m = 1 - self.momentum if self.momentum > 0.5 else self.momentum
        if self.running_mean is None:
            self.running_mean = np.zeros(x.shape[1])
            self.running_var = np.zeros(x.shape[1])
        if train_flg:
            mu = x.mean(axis=0)
            self.xc = x - mu
            var = np.mean(self.xc**2, axis=0)
            self.std = np.sqrt(var + 1e-05)
            self.xn = self.xc / self.std
            n = len(x)
            self.running_mean = (1 - m) * self.running_mean + m * mu
            self.running_var = (1 - m) * self.running_var + m * var * n / (n - 1)
        else:
            self.xn = (x - self.running_mean) / np.sqrt(self.running_var + 1e-05)
        return self.gamma * self.xn + self.beta

    def backward(self, dout):
        n = len(dout)
        self.dbeta = dout.sum(axis=0)
        self.dgamma = np.sum(self.xn * dout, axis=0)
        dxn = self.gamma * dout
        dxc = dxn / self.std
        dstd = -np.sum(dxn * self.xc / (self.std * self.std), axis=0)
        dvar = 0.5 * dstd / self.std
        dxc += 2.0 / n * self.xc * dvar
        dmu = np.sum(dxc, axis=0)
        return dxc - dmu / n


def im2col(x, fh, fw, stride=1, pad=0):
    N, C, H, W = x.shape
    oh = (H + 2 * pad - fh) // stride + 1
    ow = (W + 2 * pad - fw) // stride + 1
    img = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)], "constant")
    col = np.zeros((N, C, fh, fw, oh, ow))
    for y in range(fh):
        for xx in range(fw):
            col[:, :, y, xx] = img[:, :, y : y + stride * oh : stride, xx : xx + stride * ow : stride]
    return col.transpose(0, 4, 5, 1, 2, 3).reshape(N * oh * ow, -1)


def col2im(col, shape, fh, fw, stride=1, pad=0):
    N, C, H, W = shape
    oh = (H + 2 * pad - fh) // stride + 1
    ow = (W + 2 * pad - fw) // stride + 1
    col = col.reshape(N, oh, ow, C, fh, fw).transpose(0, 3, 4, 5, 1, 2)
    img = np.zeros((N, C, H + 2 * pad + stride - 1, W + 2 * pad + stride - 1))
    for y in range(fh):
        for x in range(fw):
            img[:, :, y : y + stride * oh : stride, x : x + stride * ow : stride] += col[:, :, y, x]
    return img[:, :, pad : H + pad, pad : W + pad]


class Convolution:
    def __init__(self, W, b, stride=1, pad=0):
        self.W = W
        self.b = b
        self.stride = stride
        self.pad = pad
        self.dW = None
        self.db = None

    def forward(self, x):
        FN, C, FH, FW = self.W.shape
        N, C, H, W = x.shape
        oh = 1 + int((H + 2 * self.pad - FH) / self.stride)
        ow = 1 + int((W + 2 * self.pad - FW) / self.stride)
        col = im2col(x, FH, FW, self.stride, self.pad)
        cw = self.W.reshape(FN, -1).T
        out = (col @ cw + self.b).reshape(N, oh, ow, -1).transpose(0, 3, 1, 2)
        self.x, self.col, self.cw = (x, col, cw)
        return out

    def backward(self, dout):
        FN, C, FH, FW = self.W.shape
        dout = dout.transpose(0, 2, 3, 1).reshape(-1, FN)
        self.db = dout.sum(axis=0)
        self.dW = (self.col.T @ dout).transpose(1, 0).reshape(FN, C, FH, FW)
        return col2im(dout @ self.cw.T, self.x.shape, FH, FW, self.stride, self.pad)


class Pooling:
    def __init__(self, pool_h, pool_w, stride=2, pad=0):
        self.pool_h = pool_h
        self.pool_w = pool_w
        self.stride = stride
        self.pad = pad

    def forward(self, x):
        N, C, H, W = x.shape
        oh = int(1 + (H - self.pool_h) / self.stride)
        ow = int(1 + (W - self.pool_w) / self.stride)
        self.x = x
        col = np.stack(
            [
                x[:, :, i : i + self.stride * oh : self.stride, j : j + self.stride * ow : self.stride]
                for i in range(self.pool_h)
                for j in range(self.pool_w)
            ],
            -1,
        )
        self.arg = col.argmax(-1)
        return col.max(-1)

    def backward(self, dout):
        dx = np.zeros_like(self.x)
        N, C, oh, ow = dout.shape
        n, c, i, j = np.ogrid[:N, :C, :oh, :ow]
        np.add.at(dx, (n, c, i * self.stride + self.arg // self.pool_w, j * self.stride + self.arg % self.pool_w), dout)
        return dx


class Dropout:
    def __init__(self, dropout_ratio=0.5):
        self.dropout_ratio = dropout_ratio
        self.mask = None

    def forward(self, x, train_flg=True):
        if train_flg:
            self.mask = (np.random.rand(*x.shape) > self.dropout_ratio) / (1 - self.dropout_ratio)
            return x * self.mask
        return x

    def backward(self, dout):
        return dout * self.mask


class Flatten:
    def __init__(self):
        self.prev_shape = None

    def forward_pass(self, X, training=True):
        self.prev_shape = X.shape
        return X.reshape((X.shape[0], -1))

    def backward_pass(self, accum_grad):
        return accum_grad.reshape(self.prev_shape)


class SquareLoss:
    def loss(self, y, y_pred):
        return np.mean(np.power(y - y_pred, 2))

    def gradient(self, y, y_pred):
        return -2 * (y - y_pred) / y.size


def make(lr, step_size, gamma):
    return lambda epoch: lr * gamma ** (epoch // step_size)


def clip_by_global_norm(*, gradients, max_norm, eps=1e-06):
    g = np.sqrt(sum((np.vdot(v, v) for v in gradients.values())))
    s = min(1.0, max_norm / (g + eps))
    return ({k: v * s for k, v in gradients.items()}, g)


class LN:
    def __init__(self, normalized_shape, eps=1e-05):
        self.weight = np.ones(normalized_shape)
        self.bias = np.zeros(normalized_shape)
        self.eps = eps

    def forward(self, x):
        self.mu = x.mean(-1, keepdims=True)
        self.rs = 1 / np.sqrt(x.var(-1, keepdims=True) + self.eps)
        self.xh = (x - self.mu) * self.rs
        return self.xh * self.weight + self.bias

    def backward(self, dy):
        self.weight_grad = np.einsum("nd,nd->d", dy, self.xh)
        self.bias_grad = dy.sum(0)
        g = dy * self.weight
        return self.rs * (g - g.mean(-1, keepdims=True) - self.xh * (g * self.xh).mean(-1, keepdims=True))
