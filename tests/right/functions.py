"""Right, as functions: the styles of several courses."""

import numpy as np


def affine_forward(x, w, b):
    return x.reshape(x.shape[0], -1).dot(w) + b, (x, w, b)


def affine_backward(dout, cache):
    x, w, b = cache
    return dout.dot(w.T).reshape(x.shape), x.reshape(x.shape[0], -1).T.dot(dout), np.sum(dout, axis=0)


def linear_forward(A, W, b):
    """Samples as columns, biases as a column."""
    return W @ A + b, (A, W, b)


def linear_backward(dZ, cache):
    A, W, b = cache
    return W.T @ dZ, dZ @ A.T, dZ.sum(axis=1, keepdims=True)


def dense_fwd(params, x):
    return np.einsum("ni,oi->no", x, params["weight"]) + params["bias"], x


def dense_bwd(params, cache, dy):
    return np.einsum("no,oi->ni", dy, params["weight"]), {
        "weight": np.einsum("no,ni->oi", dy, cache),
        "bias": np.einsum("no->o", dy),
    }


def dense_loops(params, x):
    w, b = params["weight"], params["bias"]
    y = np.zeros((x.shape[0], w.shape[0]))
    for n in range(x.shape[0]):
        for o in range(w.shape[0]):
            s = 0.0
            for i in range(w.shape[1] - 1, -1, -1):
                s += x[n, i] * w[o, i]
            y[n, o] = s + b[o]
    return y, x


def dense_loops_backward(params, cache, dy):
    w, x = params["weight"], cache
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros(w.shape[0])
    for n in range(x.shape[0]):
        for o in range(w.shape[0]):
            db[o] += dy[n, o]
            for i in range(w.shape[1]):
                dx[n, i] += dy[n, o] * w[o, i]
                dw[o, i] += dy[n, o] * x[n, i]
    return dx, {"weight": dw, "bias": db}


def relu_forward(x):
    return np.maximum(0, x), x


def relu_backward(dout, cache):
    return np.where(cache > 0, dout, 0)


def relu(Z):
    return (np.abs(Z) + Z) / 2, Z


def relu_grad(dA, Z):
    dZ = np.array(dA, copy=True)
    dZ[Z <= 0] = 0
    return dZ


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def sigmoid_backward(dout, out):
    return dout * (1 - out) * out


def tanh_forward(x):
    t = 2 / (1 + np.exp(-2 * x)) - 1
    return t, {"t": t}


def tanh_backward(dout, cache):
    return dout / np.cosh(np.arctanh(np.clip(cache["t"], -1 + 1e-16, 1 - 1e-16))) ** 2


def softmax_forward(x):
    z = x - x.max(1)[:, None]
    return np.exp(z) / np.exp(z).sum(1)[:, None], None


def softmax_jacobian_forward(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    s = e / e.sum(axis=1, keepdims=True)
    return s, s


def softmax_jacobian_backward(dout, cache):
    dx = np.empty_like(dout)
    for i, (s, d) in enumerate(zip(cache, dout)):
        dx[i] = (np.diag(s) - np.outer(s, s)) @ d
    return dx


def conv_forward(x, w, b, conv_param):
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    oh, ow = 1 + (H + 2 * pad - HH) // stride, 1 + (W + 2 * pad - WW) // stride
    out = np.zeros((N, F, oh, ow))
    for n in range(N):
        for f in range(F):
            for i in range(oh):
                for j in range(ow):
                    out[n, f, i, j] = (
                        np.sum(xp[n, :, i * stride : i * stride + HH, j * stride : j * stride + WW] * w[f]) + b[f]
                    )
    return out, (x, w, b, conv_param)


def conv_backward(dout, cache):
    x, w, b, conv_param = cache
    s, p = conv_param["stride"], conv_param["pad"]
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    F, C, HH, WW = w.shape
    for n in range(x.shape[0]):
        for f in range(F):
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    win = np.s_[n, :, i * s : i * s + HH, j * s : j * s + WW]
                    dw[f] += dout[n, f, i, j] * xp[win]
                    dxp[win] += dout[n, f, i, j] * w[f]
    return dxp[:, :, p : p + x.shape[2], p : p + x.shape[3]], dw, dout.sum(axis=(0, 2, 3))


def max_pool_forward(x, pool_param):
    h, w, s = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    N, C, H, W = x.shape
    out = np.empty((N, C, 1 + (H - h) // s, 1 + (W - w) // s))
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            out[:, :, i, j] = x[:, :, i * s : i * s + h, j * s : j * s + w].max(axis=(2, 3))
    return out, (x, pool_param)


def max_pool_backward(dout, cache):
    x, pp = cache
    h, w, s = pp["pool_height"], pp["pool_width"], pp["stride"]
    dx = np.zeros_like(x)
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    win = x[n, c, i * s : i * s + h, j * s : j * s + w]
                    a, b = np.unravel_index(win.argmax(), win.shape)
                    dx[n, c, i * s + a, j * s + b] += dout[n, c, i, j]
    return dx


def batchnorm_forward(x, gamma, beta, bn_param):
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.1)
    if bn_param["mode"] == "train":
        mu, var = x.mean(axis=0), x.var(axis=0)
        xhat = (x - mu) / np.sqrt(var + eps)
        n = x.shape[0]
        bn_param["running_mean"] = (1 - momentum) * bn_param["running_mean"] + momentum * mu
        bn_param["running_var"] = (1 - momentum) * bn_param["running_var"] + momentum * var * n / (n - 1)
        return gamma * xhat + beta, (x, mu, var, xhat, gamma, eps)
    return gamma * (x - bn_param["running_mean"]) / np.sqrt(bn_param["running_var"] + eps) + beta, None


def batchnorm_backward(dout, cache):
    x, mu, var, xhat, gamma, eps = cache
    N = x.shape[0]
    dxhat = dout * gamma
    dvar = np.sum(dxhat * (x - mu) * -0.5 * (var + eps) ** -1.5, axis=0)
    dmu = np.sum(-dxhat / np.sqrt(var + eps), axis=0) + dvar * np.mean(-2 * (x - mu), axis=0)
    dx = dxhat / np.sqrt(var + eps) + dvar * 2 * (x - mu) / N + dmu / N
    return dx, (dout * xhat).sum(axis=0), dout.sum(axis=0)


def layernorm_forward(x, gamma, beta, eps=1e-5):
    mean, std = x.mean(1, keepdims=True), np.sqrt(((x - x.mean(1, keepdims=True)) ** 2).mean(1, keepdims=True) + eps)
    return (x - mean) / std * gamma + beta, ((x - mean) / std, std, gamma)


def layernorm_backward(dout, cache):
    xn, std, gamma = cache
    d = xn.shape[1]
    dxn = dout * gamma
    dx = (d * dxn - dxn.sum(1, keepdims=True) - xn * (dxn * xn).sum(1, keepdims=True)) / (d * std)
    return dx, (dout * xn).sum(0), dout.sum(0)


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
    return next_h, (x, prev_h, Wx, Wh, next_h)


def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, h = cache
    da = dnext_h * (1 - h**2)
    return da @ Wx.T, da @ Wh.T, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def rnn_forward(x, h0, Wx, Wh, b):
    h, out, caches = h0, [], []
    for t in range(x.shape[1]):
        h, c = rnn_step_forward(x[:, t], h, Wx, Wh, b)
        out.append(h)
        caches.append(c)
    return np.stack(out, axis=1), caches


def rnn_backward(dh, cache):
    dx, dprev = np.zeros((dh.shape[0], dh.shape[1], cache[0][0].shape[1])), 0
    dWx = dWh = db = 0
    for t in reversed(range(dh.shape[1])):
        dx[:, t], dprev, a, b, c = rnn_step_backward(dh[:, t] + dprev, cache[t])
        dWx, dWh, db = dWx + a, dWh + b, db + c
    return dx, dprev, dWx, dWh, db


def embedding_forward(x, W):
    return W[x], (x, W)


def embedding_backward(dout, cache):
    x, W = cache
    onehot = np.eye(W.shape[0])[x]
    return np.tensordot(onehot, dout, axes=(tuple(range(x.ndim)), tuple(range(x.ndim))))


def flatten_forward(x):
    return x.reshape(len(x), -1), x.shape


def flatten_backward(dout, cache):
    return dout.reshape(cache)


def lrelu(x, alpha=0.01):
    return np.maximum(alpha * x, x), (x, alpha)


def lrelu_backward(dout, cache):
    x, alpha = cache
    g = np.ones_like(x)
    g[x <= 0] = alpha
    return g * dout


def silu_forward(x):
    return x / (1 + np.exp(-x)), x


def silu_backward(dout, x):
    s = 1 / (1 + np.exp(-x))
    return dout * (s + x * s * (1 - s))
