"""Right: normalizations, recurrent layers and embeddings, as functions and classes."""

import numpy as np


def batch_norm_forward(params, x, training=True, eps=1e-5, momentum=0.1):
    axes = (0, 2, 3) if x.ndim == 4 else (0,)
    shape = (1, -1, 1, 1) if x.ndim == 4 else (1, -1)
    g, b = params["weight"].reshape(shape), params["bias"].reshape(shape)
    if training:
        mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
        m = x.size // x.shape[1]
        params["running_mean"][:] = (1 - momentum) * params["running_mean"] + momentum * mean.ravel()
        params["running_var"][:] = (1 - momentum) * params["running_var"] + momentum * var.ravel() * m / (m - 1)
    else:
        mean, var = params["running_mean"].reshape(shape), params["running_var"].reshape(shape)
    inv = 1 / np.sqrt(var + eps)
    xhat = (x - mean) * inv
    return g * xhat + b, (xhat, inv, g, axes)


def batch_norm_backward(params, cache, dy):
    xhat, inv, g, axes = cache
    dxhat = dy * g
    dx = inv * (dxhat - dxhat.mean(axes, keepdims=True) - xhat * (dxhat * xhat).mean(axes, keepdims=True))
    return dx, {"weight": (dy * xhat).sum(axes), "bias": dy.sum(axes)}


def bn1_forward(x, gamma, beta, eps=1e-5):
    mu = x.mean(0)
    xc = x - mu
    var = (xc**2).mean(0)
    std = np.sqrt(var + eps)
    xh = xc / std
    return gamma * xh + beta, (xh, std, gamma)


def bn1_backward(dout, cache):
    xh, std, gamma = cache
    N = len(dout)
    dgamma, dbeta = np.sum(dout * xh, 0), np.sum(dout, 0)
    dx = gamma / (N * std) * (N * dout - dbeta - xh * dgamma)
    return dx, dgamma, dbeta


class BatchNorm1:
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        self.gamma, self.beta = np.ones(num_features), np.zeros(num_features)
        self.running_mean, self.running_var = np.zeros(num_features), np.ones(num_features)
        self.eps, self.momentum, self.training = eps, momentum, True

    def forward(self, x):
        if self.training:
            mu, var = x.mean(axis=0), x.var(axis=0)
            self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mu
            self.running_var = (1 - self.momentum) * self.running_var + self.momentum * x.var(axis=0, ddof=1)
        else:
            mu, var = self.running_mean, self.running_var
        self.std = np.sqrt(var + self.eps)
        self.xhat = (x - mu) / self.std
        return self.gamma * self.xhat + self.beta

    def backward(self, dy):
        self.dgamma = (dy * self.xhat).sum(0)
        self.dbeta = dy.sum(0)
        N = dy.shape[0]
        dxhat = dy * self.gamma
        return (N * dxhat - dxhat.sum(0) - self.xhat * (dxhat * self.xhat).sum(0)) / (N * self.std)


class BN2:
    """with params/grads dicts and train flag argument, (1, C) shapes"""

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        self.params = {"gamma": np.ones((1, num_features)), "beta": np.zeros((1, num_features))}
        self.grads = {"gamma": None, "beta": None}
        self.rm, self.rv = np.zeros((1, num_features)), np.ones((1, num_features))
        self.eps, self.m = eps, momentum

    def forward(self, x, train=True):
        if train:
            mu, var = x.mean(0, keepdims=True), x.var(0, keepdims=True)
            n = x.shape[0]
            self.rm = (1 - self.m) * self.rm + self.m * mu
            self.rv = (1 - self.m) * self.rv + self.m * var * n / (n - 1)
        else:
            mu, var = self.rm, self.rv
        self.inv = (var + self.eps) ** -0.5
        self.xh = (x - mu) * self.inv
        return self.params["gamma"] * self.xh + self.params["beta"]

    def backward(self, dout):
        self.grads["gamma"] = (dout * self.xh).sum(0, keepdims=True)
        self.grads["beta"] = dout.sum(0, keepdims=True)
        d = dout * self.params["gamma"]
        return self.inv * (d - d.mean(0) - self.xh * (d * self.xh).mean(0))


class BatchNorm2d:
    def __init__(self, channels, eps=1e-5, momentum=0.1):
        self.weight, self.bias = np.ones((1, channels, 1, 1)), np.zeros((1, channels, 1, 1))
        self.running_mean, self.running_var = np.zeros((1, channels, 1, 1)), np.ones((1, channels, 1, 1))
        self.eps, self.momentum = eps, momentum
        self.training = True

    def train(self):
        self.training = True

    def eval(self):
        self.training = False

    def forward(self, x):
        if self.training:
            self.m = x.shape[0] * x.shape[2] * x.shape[3]
            mean, var = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
            self.running_mean += self.momentum * (mean - self.running_mean)
            self.running_var += self.momentum * (var * self.m / (self.m - 1) - self.running_var)
        else:
            mean, var = self.running_mean, self.running_var
        self.inv = 1 / np.sqrt(var + self.eps)
        self.xhat = (x - mean) * self.inv
        return self.weight * self.xhat + self.bias

    def backward(self, dy):
        self.grad_weight = (dy * self.xhat).sum((0, 2, 3), keepdims=True)
        self.grad_bias = dy.sum((0, 2, 3), keepdims=True)
        return self.weight * self.inv / self.m * (self.m * dy - self.grad_bias - self.xhat * self.grad_weight)


def layer_norm_forward(params, x, eps=1e-5):
    mu = x.mean(-1, keepdims=True)
    var = x.var(-1, keepdims=True)
    inv = 1 / np.sqrt(var + eps)
    xh = (x - mu) * inv
    return xh * params["weight"] + params["bias"], (xh, inv)


def layer_norm_backward(params, cache, dy):
    xh, inv = cache
    d = dy * params["weight"]
    dx = inv * (d - d.mean(-1, keepdims=True) - xh * (d * xh).mean(-1, keepdims=True))
    ax = tuple(range(dy.ndim - 1))
    return dx, {"weight": (dy * xh).sum(ax), "bias": dy.sum(ax)}


class LayerNorm:
    def __init__(self, dim, eps=1e-5):
        self.g, self.b, self.eps = np.ones(dim), np.zeros(dim), eps

    def __call__(self, x):
        self.mu = x.mean(-1, keepdims=True)
        self.s = np.sqrt(((x - self.mu) ** 2).mean(-1, keepdims=True) + self.eps)
        self.n = (x - self.mu) / self.s
        return self.n * self.g + self.b

    def backward(self, dy):
        self.dg, self.db = (dy * self.n).reshape(-1, dy.shape[-1]).sum(0), dy.reshape(-1, dy.shape[-1]).sum(0)
        dn = dy * self.g
        return (dn - dn.mean(-1, keepdims=True) - self.n * (dn * self.n).mean(-1, keepdims=True)) / self.s


def group_norm_forward(params, x, num_groups, eps=1e-5):
    N, C = x.shape[:2]
    xg = x.reshape(N, num_groups, -1)
    mu, var = xg.mean(-1, keepdims=True), xg.var(-1, keepdims=True)
    inv = 1 / np.sqrt(var + eps)
    xh = ((xg - mu) * inv).reshape(x.shape)
    sh = (1, C) + (1,) * (x.ndim - 2)
    return xh * params["weight"].reshape(sh) + params["bias"].reshape(sh), (xh, inv, num_groups)


def group_norm_backward(params, cache, dy):
    xh, inv, G = cache
    N, C = dy.shape[:2]
    ax = (0,) + tuple(range(2, dy.ndim))
    sh = (1, C) + (1,) * (dy.ndim - 2)
    d = (dy * params["weight"].reshape(sh)).reshape(N, G, -1)
    h = xh.reshape(N, G, -1)
    dx = inv * (d - d.mean(-1, keepdims=True) - h * (d * h).mean(-1, keepdims=True))
    return dx.reshape(dy.shape), {"weight": (dy * xh).sum(ax), "bias": dy.sum(ax)}


class GroupNorm:
    def __init__(self, num_groups, num_channels, eps=1e-5):
        self.G, self.C, self.eps = num_groups, num_channels, eps
        self.gamma, self.beta = np.ones(num_channels), np.zeros(num_channels)

    def forward(self, x):
        self.y, self.c = group_norm_forward({"weight": self.gamma, "bias": self.beta}, x, self.G, self.eps)
        return self.y

    def backward(self, dy):
        dx, g = group_norm_backward({"weight": self.gamma}, self.c, dy)
        self.dgamma, self.dbeta = g["weight"], g["bias"]
        return dx


sig = lambda z: 1 / (1 + np.exp(-z))


def rnn_forward(params, x):
    N, T, _ = x.shape
    H = params["weight_hh"].shape[0]
    h = np.zeros((N, T + 1, H))
    for t in range(T):
        h[:, t + 1] = np.tanh(
            x[:, t] @ params["weight_ih"].T + params["bias_ih"] + h[:, t] @ params["weight_hh"].T + params["bias_hh"]
        )
    return h[:, -1], (x, h)


def rnn_backward(params, cache, dy):
    x, h = cache
    T = x.shape[1]
    dx = np.zeros_like(x)
    g = {k: np.zeros_like(v) for k, v in params.items()}
    dh = dy
    for t in reversed(range(T)):
        da = dh * (1 - h[:, t + 1] ** 2)
        g["weight_ih"] += da.T @ x[:, t]
        g["weight_hh"] += da.T @ h[:, t]
        g["bias_ih"] += da.sum(0)
        g["bias_hh"] += da.sum(0)
        dx[:, t] = da @ params["weight_ih"]
        dh = da @ params["weight_hh"]
    return dx, g


class RNN:
    def __init__(self, input_size, hidden_size):
        self.Wxh, self.Whh, self.bh = (
            np.zeros((hidden_size, input_size)),
            np.zeros((hidden_size, hidden_size)),
            np.zeros(hidden_size),
        )

    def forward(self, x):
        self.x = x
        self.hs = {-1: np.zeros((len(x), len(self.bh)))}
        for t in range(x.shape[1]):
            self.hs[t] = np.tanh(x[:, t] @ self.Wxh.T + self.hs[t - 1] @ self.Whh.T + self.bh)
        return self.hs[x.shape[1] - 1]

    def backward(self, dh):
        self.dWxh, self.dWhh, self.dbh = np.zeros_like(self.Wxh), np.zeros_like(self.Whh), np.zeros_like(self.bh)
        dx = np.zeros_like(self.x)
        for t in range(self.x.shape[1] - 1, -1, -1):
            raw = (1 - self.hs[t] ** 2) * dh
            self.dbh += raw.sum(0)
            self.dWxh += raw.T @ self.x[:, t]
            self.dWhh += raw.T @ self.hs[t - 1]
            dx[:, t] = raw @ self.Wxh
            dh = raw @ self.Whh
        return dx


class RNNRelu(RNN):
    def forward(self, x):
        self.x = x
        self.hs = {-1: np.zeros((len(x), len(self.bh)))}
        for t in range(x.shape[1]):
            self.hs[t] = np.maximum(0, x[:, t] @ self.Wxh.T + self.hs[t - 1] @ self.Whh.T + self.bh)
        return self.hs[x.shape[1] - 1]

    def backward(self, dh):
        self.dWxh, self.dWhh, self.dbh = np.zeros_like(self.Wxh), np.zeros_like(self.Whh), np.zeros_like(self.bh)
        dx = np.zeros_like(self.x)
        for t in range(self.x.shape[1] - 1, -1, -1):
            raw = (self.hs[t] > 0) * dh
            self.dbh += raw.sum(0)
            self.dWxh += raw.T @ self.x[:, t]
            self.dWhh += raw.T @ self.hs[t - 1]
            dx[:, t] = raw @ self.Wxh
            dh = raw @ self.Whh
        return dx


def lstm_forward(params, x):
    N, T, _ = x.shape
    H = params["weight_hh"].shape[1]
    h, c = np.zeros((N, H)), np.zeros((N, H))
    cs = []
    for t in range(T):
        z = x[:, t] @ params["weight_ih"].T + h @ params["weight_hh"].T + params["bias_ih"] + params["bias_hh"]
        i, f, g, o = np.split(z, 4, axis=1)
        i, f, g, o = sig(i), sig(f), np.tanh(g), sig(o)
        c1 = f * c + i * g
        tc = np.tanh(c1)
        cs.append((x[:, t], h, c, i, f, g, o, tc))
        h, c = o * tc, c1
    return h, cs


def lstm_backward(params, cache, dy):
    g = {k: np.zeros_like(v) for k, v in params.items()}
    dh, dc = dy, 0
    dxs = []
    for x, h, c, i, f, gg, o, tc in reversed(cache):
        dc = dc + dh * o * (1 - tc**2)
        dz = np.concatenate(
            [dc * gg * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - gg**2), dh * tc * o * (1 - o)], 1
        )
        g["weight_ih"] += dz.T @ x
        g["weight_hh"] += dz.T @ h
        g["bias_ih"] += dz.sum(0)
        g["bias_hh"] += dz.sum(0)
        dxs.append(dz @ params["weight_ih"])
        dh = dz @ params["weight_hh"]
        dc = dc * f
    return np.stack(dxs[::-1], 1), g


class LSTM:
    """(in, out) stacked, one bias"""

    def __init__(self, input_dim, hidden_dim):
        self.params = {
            "Wx": np.zeros((input_dim, 4 * hidden_dim)),
            "Wh": np.zeros((hidden_dim, 4 * hidden_dim)),
            "b": np.zeros(4 * hidden_dim),
        }
        self.grads = {}

    def forward(self, x):
        p = self.params
        P = {"weight_ih": p["Wx"].T, "weight_hh": p["Wh"].T, "bias_ih": p["b"], "bias_hh": np.zeros_like(p["b"])}
        y, self.c = lstm_forward(P, x)
        self.P = P
        return y

    def backward(self, dh):
        dx, g = lstm_backward(self.P, self.c, dh)
        self.grads = {"Wx": g["weight_ih"].T, "Wh": g["weight_hh"].T, "b": g["bias_ih"]}
        return dx


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    a = x @ Wx + prev_h @ Wh + b
    i, f, g, o = sig(a[:, :H]), sig(a[:, H : 2 * H]), np.tanh(a[:, 2 * H : 3 * H]), sig(a[:, 3 * H :])
    c = f * prev_c + i * g
    h = o * np.tanh(c)
    return h, c, (x, prev_h, prev_c, Wx, Wh, i, f, g, o, c)


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, ph, pc, Wx, Wh, i, f, g, o, c = cache
    tc = np.tanh(c)
    dc = dnext_c + dnext_h * o * (1 - tc**2)
    da = np.hstack([dc * g * i * (1 - i), dc * pc * f * (1 - f), dc * i * (1 - g**2), dnext_h * tc * o * (1 - o)])
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, ph.T @ da, da.sum(0)


def gru_forward(params, x):
    N, T, _ = x.shape
    H = params["weight_hh"].shape[1]
    h = np.zeros((N, H))
    cs = []
    for t in range(T):
        gi = x[:, t] @ params["weight_ih"].T + params["bias_ih"]
        gh = h @ params["weight_hh"].T + params["bias_hh"]
        r, z = sig(gi[:, :H] + gh[:, :H]), sig(gi[:, H : 2 * H] + gh[:, H : 2 * H])
        hn = gh[:, 2 * H :]
        n = np.tanh(gi[:, 2 * H :] + r * hn)
        cs.append((x[:, t], h, r, z, n, hn))
        h = (1 - z) * n + z * h
    return h, cs


def gru_backward(params, cache, dy):
    g = {k: np.zeros_like(v) for k, v in params.items()}
    dh = dy
    dxs = []
    for x, h, r, z, n, hn in reversed(cache):
        dn = dh * (1 - z) * (1 - n**2)
        dz = dh * (h - n) * z * (1 - z)
        dr = dn * hn * r * (1 - r)
        di = np.hstack([dr, dz, dn])
        dg = np.hstack([dr, dz, dn * r])
        g["weight_ih"] += di.T @ x
        g["weight_hh"] += dg.T @ h
        g["bias_ih"] += di.sum(0)
        g["bias_hh"] += dg.sum(0)
        dxs.append(di @ params["weight_ih"])
        dh = dh * z + dg @ params["weight_hh"]
    return np.stack(dxs[::-1], 1), g


class GRU:
    def __init__(self, input_size, hidden_size):
        self.w_ih, self.w_hh = np.zeros((3 * hidden_size, input_size)), np.zeros((3 * hidden_size, hidden_size))
        self.b_ih, self.b_hh = np.zeros(3 * hidden_size), np.zeros(3 * hidden_size)

    def forward(self, x):
        P = {"weight_ih": self.w_ih, "weight_hh": self.w_hh, "bias_ih": self.b_ih, "bias_hh": self.b_hh}
        y, self.cache = gru_forward(P, x)
        return y

    def backward(self, dy):
        P = {"weight_ih": self.w_ih, "weight_hh": self.w_hh, "bias_ih": self.b_ih, "bias_hh": self.b_hh}
        dx, g = gru_backward(P, self.cache, dy)
        self.dw_ih, self.dw_hh, self.db_ih, self.db_hh = g["weight_ih"], g["weight_hh"], g["bias_ih"], g["bias_hh"]
        return dx


def embedding_forward(params, x):
    return params["weight"][x], x


def embedding_backward(params, cache, dy):
    dw = np.zeros_like(params["weight"])
    np.add.at(dw, cache, dy)
    return None, {"weight": dw}


def emb2_forward(idx, E):
    return np.eye(len(E))[idx] @ E, (idx, E.shape)


def emb2_backward(dout, cache):
    idx, shape = cache
    dE = np.zeros(shape)
    for i, d in zip(idx.reshape(-1), dout.reshape(-1, shape[1])):
        dE[i] += d
    return dE


class Embedding:
    def __init__(self, vocab_size, embed_dim):
        self.weight = np.random.randn(vocab_size, embed_dim)
        self.grad = None

    def forward(self, ids):
        self.ids = ids
        return self.weight[ids]

    def backward(self, dout):
        self.grad = np.zeros_like(self.weight)
        np.add.at(self.grad, self.ids, dout)
