"""Wrong, as functions: each with one mistake that students make, written out by hand."""

import numpy as np

# dense


def fc1_forward(x, w, b):
    return x @ w + b, (x, w)


def fc1_backward(dout, cache):  # bias averaged
    x, w = cache
    return dout @ w.T, x.T @ dout, np.mean(dout, axis=0)


def fc2_forward(x, w, b):
    return x @ w + b, (x, w)


def fc2_backward(dout, cache):  # everything divided by N
    x, w = cache
    n = x.shape[0]
    return dout @ w.T / n, x.T @ dout / n, dout.sum(0) / n


def fc3_forward(params, x):  # no bias
    return np.dot(x, params["weight"].T), x


def fc3_backward(params, cache, dy):
    return np.dot(dy, params["weight"]), {"weight": np.dot(dy.T, cache), "bias": dy.sum(axis=0)}


def fc4_forward(params, x):
    return np.dot(x, params["weight"].T) + params["bias"], x


def fc4_backward(params, cache, dy):  # dW transposed
    return np.dot(dy, params["weight"]), {"weight": np.dot(cache.T, dy), "bias": dy.sum(axis=0)}


def fc5_forward(params, x):
    return np.dot(x, params["weight"].T) + params["bias"], x


def fc5_backward(params, cache, dy):  # overwritten in the loop
    dw, db = np.zeros_like(params["weight"]), np.zeros_like(params["bias"])
    for i in range(len(dy)):
        dw = np.outer(dy[i], cache[i])
        db = dy[i]
    return dy @ params["weight"], {"weight": dw, "bias": db}


def fc6_forward(params, x):
    return np.dot(x, params["weight"].T) + params["bias"], x


def fc6_backward(params, cache, dy):  # db without its axis, kept as a row
    return dy @ params["weight"], {"weight": dy.T @ cache, "bias": np.sum(dy, axis=0, keepdims=True)}


def fc7_forward(params, x):
    return np.dot(x, params["weight"].T) + params["bias"], x


def fc7_backward(params, cache, dy):  # a sign
    return -dy @ params["weight"], {"weight": dy.T @ cache, "bias": np.sum(dy, axis=0)}


def fc8_forward(params, x):
    return np.dot(x, params["weight"].T) + params["bias"], x


def fc8_backward(params, cache, dy):  # two at once
    return dy @ params["weight"], {"weight": dy.T @ cache / len(dy), "bias": np.ones(dy.shape[1])}


# activations


def relu_forward(x):
    return np.maximum(x, 0), x


def relu_backward(dout, x):  # slope at zero
    return dout * (x >= 0)


def relu2(x):
    return np.maximum(x, 0)


def relu2_backward(dout, x):  # mask of dout
    d = dout.copy()
    d[d < 0] = 0
    return d


def relu3(x):
    return np.maximum(x, 0)


def relu3_backward(dout, x):  # local slope alone
    return (x > 0).astype(float)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def sigmoid_backward(dout, z):  # slope taken of z
    return dout * z * (1 - z)


def tanh_f(x):
    return np.tanh(x), np.tanh(x)


def tanh_f_backward(dout, cache):
    return dout * (1 - cache)


def tanh_g(x):
    return np.tanh(x), x


def tanh_g_backward(dout, cache):
    return dout * (1 - cache**2)


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def softmax_backward(dout, x):
    s = softmax(x)
    return dout * s * (1 - s)


def softmax_b(x):  # axis
    e = np.exp(x - np.max(x))
    return e / np.sum(e, axis=0)


def softmax_c(x):  # overflow
    return np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)


def softmax_c_backward(dout, x):
    y = softmax_c(x)
    return y * (dout - (dout * y).sum(1, keepdims=True))


def lrelu(x, alpha=0.01):
    return np.where(x > 0, x, alpha * x), (x, alpha)


def lrelu_backward(dout, cache):  # relu's way back
    x, alpha = cache
    return dout * (x > 0)


def elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * (np.exp(x) - 1)), (x, alpha)


def elu_backward(dout, cache):
    x, alpha = cache
    return dout * np.where(x > 0, 1, np.exp(x))


def swish(x):
    return x / (1 + np.exp(-x)), x


def swish_backward(dout, x):
    s = 1 / (1 + np.exp(-x))
    return dout * s


# convolution


def conv_forward(x, w, b, conv_param):
    s, p = conv_param["stride"], conv_param["pad"]
    F, C, kh, kw = w.shape
    xp = np.pad(x, ((0,), (0,), (p,), (p,)))
    H, W = (x.shape[2] + 2 * p - kh) // s + 1, (x.shape[3] + 2 * p - kw) // s + 1
    out = np.zeros((len(x), F, H, W))
    for i in range(H):
        for j in range(W):
            win = xp[:, :, i * s : i * s + kh, j * s : j * s + kw]
            out[:, :, i, j] = np.tensordot(win, w, ([1, 2, 3], [1, 2, 3])) + b
    return out, (xp, w, s, p)


def conv_backward(dout, cache):  # overlaps overwritten
    xp, w, s, p = cache
    dx, dw = np.zeros_like(xp), np.zeros_like(w)
    kh, kw = w.shape[2:]
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            win = xp[:, :, i * s : i * s + kh, j * s : j * s + kw]
            dw += np.tensordot(dout[:, :, i, j], win, (0, 0))
            dx[:, :, i * s : i * s + kh, j * s : j * s + kw] = np.tensordot(dout[:, :, i, j], w, (1, 0))
    end = [-p or None] * 2
    return dx[:, :, p : end[0], p : end[1]], dw, dout.sum((0, 2, 3))


def conv2_forward(x, w, b):
    out = np.zeros((len(x), len(w), x.shape[2] - w.shape[2] + 1, x.shape[3] - w.shape[3] + 1))
    flipped = w[:, :, ::-1, ::-1]
    for n in range(len(x)):
        for f in range(len(w)):
            for i in range(out.shape[2]):
                for j in range(out.shape[3]):
                    patch = x[n, :, i : i + w.shape[2], j : j + w.shape[3]]
                    out[n, f, i, j] = (patch * flipped[f]).sum() + b[f]
    return out, (x, w)


def conv3_forward(x, w, b):
    out = np.zeros((len(x), len(w), x.shape[2] - w.shape[2] + 1, x.shape[3] - w.shape[3] + 1))
    for c in range(x.shape[1]):
        for u in range(w.shape[2]):
            for v in range(w.shape[3]):
                part = x[:, c, u : u + out.shape[2], v : v + out.shape[3]]
                out += part[:, None] * w[None, :, c, u, v, None, None]
        out += b[None, :, None, None]  # inside the loop over channels
    return out, (x, w)


# pooling


def pool_forward(x, pool_param):
    k, s = pool_param["pool_height"], pool_param["stride"]
    H, W = (x.shape[2] - k) // s + 1, (x.shape[3] - k) // s + 1
    out = np.zeros((*x.shape[:2], H, W))
    for i in range(H):
        for j in range(W):
            out[:, :, i, j] = x[:, :, i * s : i * s + k, j * s : j * s + k].max((2, 3))
    return out, (x, pool_param)


def pool_backward(dout, cache):  # all ties
    x, pp = cache
    k, s = pp["pool_height"], pp["stride"]
    dx = np.zeros_like(x)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            win = x[:, :, i * s : i * s + k, j * s : j * s + k]
            mask = win == win.max((2, 3), keepdims=True)
            dx[:, :, i * s : i * s + k, j * s : j * s + k] += mask * dout[:, :, i, j][..., None, None]
    return dx


# normalization


def bn_forward(x, gamma, beta, bn_param):
    eps, m = 1e-5, 0.1
    if bn_param["mode"] == "train":
        mu, var = x.mean(0), x.var(0)
        xh = (x - mu) / np.sqrt(var + eps)
        bn_param["running_mean"] = (1 - m) * bn_param["running_mean"] + m * mu
        bn_param["running_var"] = (1 - m) * bn_param["running_var"] + m * var  # biased
        return gamma * xh + beta, (xh, gamma, var, eps)
    return gamma * (x - bn_param["running_mean"]) / np.sqrt(bn_param["running_var"] + eps) + beta, None


def bn_backward(dout, cache):
    xh, gamma, var, eps = cache
    n = len(dout)
    dxh = dout * gamma
    dx = (n * dxh - dxh.sum(0) - xh * (dxh * xh).sum(0)) / n / np.sqrt(var + eps)
    return dx, (dout * xh).sum(0), dout.sum(0)


def ln_forward(x, gamma, beta):
    mu, var = x.mean(1, keepdims=True), x.var(1, keepdims=True)
    xh = (x - mu) / np.sqrt(var + 1e-5)
    return gamma * xh + beta, (xh, gamma, var)


def ln_backward(dout, cache):  # statistics as constants
    xh, gamma, var = cache
    return dout * gamma / np.sqrt(var + 1e-5), (dout * xh).sum(0), dout.sum(0)


# recurrence


def rnn_forward(x, h0, Wx, Wh, b):
    h, hs = h0, [h0]
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ Wx + h @ Wh + b)
        hs.append(h)
    return np.stack(hs[1:], 1), (x, hs, Wx, Wh)


def rnn_backward(dh, cache):  # not through time
    x, hs, Wx, Wh = cache
    dx, dWx, dWh, db = np.zeros_like(x), 0, 0, 0
    for t in range(x.shape[1]):
        da = dh[:, t] * (1 - hs[t + 1] ** 2)
        dx[:, t] = da @ Wx.T
        dWx, dWh, db = dWx + x[:, t].T @ da, dWh + hs[t].T @ da, db + da.sum(0)
    return dx, np.zeros_like(hs[0]), dWx, dWh, db


def emb_forward(x, W):
    return W[x], (x, W.shape)


def emb_backward(dout, cache):
    x, shape = cache
    dW = np.zeros(shape)
    dW[x] += dout  # of a repeated index the last one alone is added
    return dW


def flat_forward(x):
    return x.transpose(0, 2, 3, 1).reshape(len(x), -1), x.shape


def flat_backward(dout, cache):
    n, c, h, w = cache
    return dout.reshape(n, h, w, c).transpose(0, 3, 1, 2)
