"""Right, as functions of a table of parameters, and in other styles."""

import numpy as np
from scipy.special import erf


# dense
def dense_forward(params, x):
    y = x @ params["weight"].T + params["bias"]
    return y, {"x": x}


def dense_backward(params, cache, dy):
    return dy @ params["weight"], {"weight": dy.T @ cache["x"], "bias": dy.sum(0)}


def dense_nobias_forward(params, x):
    return x @ params["weight"].T, x


def dense_nobias_backward(params, cache, dy):
    return dy @ params["weight"], {"weight": dy.T @ cache}


def dense_wb_forward(params, x):
    return x @ params["W"] + params["b"], x


def dense_wb_backward(params, cache, dy):
    return dy @ params["W"].T, {"W": cache.T @ dy, "b": dy.sum(0)}


def fc(x, *, weight, bias=None):
    y = np.tensordot(x, weight, axes=([1], [1]))
    if bias is not None:
        y = y + bias
    return y, (x, weight)


def fc_backward(dout, cache):
    x, weight = cache
    return {
        "dx": np.einsum("no,oi->ni", dout, weight),
        "dweight": np.einsum("no,ni->oi", dout, x),
        "dbias": dout.sum(axis=0),
    }


def lin_f(w, b, x):
    return x.dot(w) + b, (w, x)


def lin_b(grad, cache):
    w, x = cache
    return grad.dot(w.T), x.T.dot(grad), grad.sum(axis=0)


def lin2_f(x, W, b):
    return np.dot(x, W.T) + b


def lin2_b(x, W, b, dy):
    return np.dot(dy, W), np.dot(dy.T, x), dy.sum(axis=0)


def lin3_f(X, W, b):
    return X @ W + b


def lin3_b(dZ, X, W):
    return X.T @ dZ, dZ.sum(axis=0), dZ @ W.T


def lin4_f(X, W, b):
    Z = W.dot(X) + b
    cache = {"A": X, "W": W}
    return Z, cache


def lin4_b(dZ, cache):
    dW = dZ.dot(cache["A"].T)
    db = np.sum(dZ, axis=1, keepdims=True)
    dA = cache["W"].T.dot(dZ)
    return dA, dW, db


def lin5_f(p, x):
    return x @ p["weight"].T + p["bias"], (x,)


def lin5_b(p, c, g):
    (x,) = c
    grads = {}
    grads["bias"] = np.ones(len(g)) @ g
    grads["weight"] = sum(np.outer(g[i], x[i]) for i in range(len(g)))
    return g @ p["weight"], grads


# activations
def relu_forward(params, x):
    return np.where(x > 0, x, 0.0), x > 0


def relu_backward(params, cache, dy):
    return np.where(cache, dy, 0.0), {}


def relu1_forward(x):
    return x * (x > 0), x


def relu1_backward(cache, dy):
    return dy * (cache > 0)


def relu2_forward(x):
    y = x.copy()
    y[y < 0] = 0
    return y, y


def relu2_backward(dy, y):
    return dy * (y > 0)


def relu3(x):
    return np.clip(x, 0, None)


def relu3_grad(x, dy):
    return dy * np.heaviside(x, 0)


def drelu_f(z):
    return np.maximum(0, z)


def drelu_d(z):
    return (z > 0).astype(float)


def leaky_relu_forward(params, x, negative_slope=0.01):
    return np.where(x > 0, x, negative_slope * x), (x, negative_slope)


def leaky_relu_backward(params, cache, dy):
    x, a = cache
    return np.where(x > 0, 1.0, a) * dy, {}


def elu_forward(params, x, alpha=1.0):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))), x


def elu_backward(params, cache, dy, alpha=1.0):
    return np.where(cache > 0, 1.0, alpha * np.exp(np.minimum(cache, 0))) * dy, {}


def gelu_forward(params, x):
    c = 0.5 * (1 + erf(x / np.sqrt(2)))
    return x * c, (x, c)


def gelu_backward(params, cache, dy):
    x, c = cache
    return dy * (c + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi)), {}


def gelu_tanh_forward(x):
    t = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
    return 0.5 * x * (1 + t), (x, t)


def gelu_tanh_backward(dy, cache):
    x, t = cache
    return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2))


def silu_forward(params, x):
    s = 1 / (1 + np.exp(-x))
    return x * s, (x, s)


def silu_backward(params, cache, dy):
    x, s = cache
    return dy * s * (1 + x * (1 - s)), {}


def sigmoid_forward(params, x):
    y = np.empty_like(x)
    pos = x >= 0
    y[pos] = 1 / (1 + np.exp(-x[pos]))
    e = np.exp(x[~pos])
    y[~pos] = e / (1 + e)
    return y, y


def sigmoid_backward(params, y, dy):
    return dy * y * (1 - y), {}


def sigmoid_stable(x):
    return 0.5 * (np.tanh(x / 2) + 1)


def sigmoid_stable_backward(dy, out):
    return dy * out * (1.0 - out)


def tanh_forward(params, x):
    y = np.tanh(x)
    return y, y


def tanh_backward(params, cache, dy):
    return dy * (1 - cache * cache), {}


def tanh_exp(x):
    e = np.exp(-2 * np.abs(x))
    return np.sign(x) * (1 - e) / (1 + e), x


def tanh_exp_backward(dy, x):
    e = np.exp(-2 * np.abs(x))
    return dy * 4 * e / (1 + e) ** 2


def softmax_forward(params, x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    y = e / e.sum(axis=-1, keepdims=True)
    return y, y


def softmax_backward(params, y, dy):
    return y * (dy - (dy * y).sum(axis=-1, keepdims=True)), {}


def softmax_lse(x):
    m = x.max(1, keepdims=True)
    lse = m + np.log(np.exp(x - m).sum(1, keepdims=True))
    return np.exp(x - lse)


def softmax_lse_backward(dy, y):
    n, c = y.shape
    dx = np.zeros_like(y)
    for i in range(n):
        for j in range(c):
            for k in range(c):
                dx[i, j] += dy[i, k] * y[i, k] * ((j == k) - y[i, j])
    return dx


def prelu_forward(params, x):
    a = params["weight"]
    a = a.reshape(1, -1, *[1] * (x.ndim - 2))
    return np.where(x > 0, x, a * x), x


def prelu_backward(params, x, dy):
    a = params["weight"]
    ar = a.reshape(1, -1, *[1] * (x.ndim - 2))
    da = np.where(x > 0, 0, x * dy)
    da = da.sum() if a.size == 1 else da.sum(axis=tuple(i for i in range(x.ndim) if i != 1))
    return np.where(x > 0, 1, ar) * dy, {"weight": np.reshape(da, a.shape)}


def prelu2_forward(x, alpha):
    return np.maximum(x, 0) + alpha * np.minimum(x, 0), (x, alpha)


def prelu2_backward(dy, cache):
    x, alpha = cache
    return np.where(x > 0, dy, alpha * dy), np.sum(dy * np.minimum(x, 0))


def dropout_forward(params, x, mask, p=0.5):
    return x * mask / (1 - p), (mask, p)


def dropout_backward(params, cache, dy):
    m, p = cache
    return dy * m / (1 - p), {}


def drop_forward(x, p, training=True):
    if not training:
        return x, None
    mask = (np.random.rand(*x.shape) >= p) / (1 - p)
    return x * mask, mask


def drop_backward(dy, mask):
    return dy if mask is None else dy * mask


def drop2_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    keep = 1 - p
    mask, out = None, x
    if mode == "train":
        mask = (np.random.rand(*x.shape) < keep) / keep
        out = x * mask
    return out, (dropout_param, mask)


def drop2_backward(dout, cache):
    dropout_param, mask = cache
    return dout * mask if dropout_param["mode"] == "train" else dout


def drop3(x, keep_prob):
    D = np.random.rand(*x.shape) < keep_prob
    return x * D / keep_prob, D


def drop3_backward(dA, D, keep_prob):
    return dA * D / keep_prob


def flatten_forward(params, x):
    return x.reshape(x.shape[0], -1), x.shape


def flatten_backward(params, shape, dy):
    return dy.reshape(shape), {}


# conv
def pad2(x, p):
    return np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))


def conv2d_forward(params, x, stride=1, padding=0):
    w, b = params["weight"], params["bias"]
    xp = pad2(x, padding)
    k = w.shape[2]
    v = np.lib.stride_tricks.sliding_window_view(xp, (k, k), axis=(2, 3))[:, :, ::stride, ::stride]
    y = np.einsum("nchwij,ocij->nohw", v, w) + b[None, :, None, None]
    return y, (x, xp, v, stride, padding)


def conv2d_backward(params, cache, dy):
    x, xp, v, s, p = cache
    w = params["weight"]
    k = w.shape[2]
    dw = np.einsum("nohw,nchwij->ocij", dy, v)
    dxp = np.zeros_like(xp)
    for i in range(k):
        for j in range(k):
            dxp[:, :, i : i + s * dy.shape[2] : s, j : j + s * dy.shape[3] : s] += np.einsum(
                "nohw,oc->nchw", dy, w[:, :, i, j]
            )
    H, W = x.shape[2:]
    return dxp[:, :, p : p + H, p : p + W], {"weight": dw, "bias": dy.sum((0, 2, 3))}


def im2col(x, k, s, p):
    N, C, H, W = x.shape
    oh, ow = (H + 2 * p - k) // s + 1, (W + 2 * p - k) // s + 1
    xp = pad2(x, p)
    col = np.zeros((N, C, k, k, oh, ow))
    for i in range(k):
        for j in range(k):
            col[:, :, i, j] = xp[:, :, i : i + s * oh : s, j : j + s * ow : s]
    return col.transpose(0, 4, 5, 1, 2, 3).reshape(N * oh * ow, -1)


def col2im(col, shape, k, s, p):
    N, C, H, W = shape
    oh, ow = (H + 2 * p - k) // s + 1, (W + 2 * p - k) // s + 1
    col = col.reshape(N, oh, ow, C, k, k).transpose(0, 3, 4, 5, 1, 2)
    img = np.zeros((N, C, H + 2 * p + s - 1, W + 2 * p + s - 1))
    for i in range(k):
        for j in range(k):
            img[:, :, i : i + s * oh : s, j : j + s * ow : s] += col[:, :, i, j]
    return img[:, :, p : H + p, p : W + p]


def conv_im2col(x, W, b, stride=1, pad=0):
    FN, C, k, _ = W.shape
    N = x.shape[0]
    oh, ow = (x.shape[2] + 2 * pad - k) // stride + 1, (x.shape[3] + 2 * pad - k) // stride + 1
    col = im2col(x, k, stride, pad)
    out = (col @ W.reshape(FN, -1).T + b).reshape(N, oh, ow, -1).transpose(0, 3, 1, 2)
    return out, (x, W, col, stride, pad)


def conv_im2col_backward(dout, cache):
    x, W, col, s, p = cache
    FN, C, k, _ = W.shape
    d = dout.transpose(0, 2, 3, 1).reshape(-1, FN)
    dW = (col.T @ d).T.reshape(FN, C, k, k)
    return col2im(d @ W.reshape(FN, -1), x.shape, k, s, p), dW, d.sum(0)


def conv_nhwc(A_prev, W, b, hparameters):
    s, p = hparameters["stride"], hparameters["pad"]
    m, H, Wd, _ = A_prev.shape
    f, _, _, C = W.shape
    oh, ow = (H - f + 2 * p) // s + 1, (Wd - f + 2 * p) // s + 1
    Z = np.zeros((m, oh, ow, C))
    Ap = np.pad(A_prev, ((0, 0), (p, p), (p, p), (0, 0)))
    for i in range(oh):
        for j in range(ow):
            for c in range(C):
                Z[:, i, j, c] = (Ap[:, i * s : i * s + f, j * s : j * s + f, :] * W[..., c]).sum((1, 2, 3)) + b[
                    ..., c
                ].reshape(())
    return Z, (A_prev, W, b, hparameters)


def conv_nhwc_backward(dZ, cache):
    A_prev, W, b, hp = cache
    s, p = hp["stride"], hp["pad"]
    f = W.shape[0]
    Ap = np.pad(A_prev, ((0, 0), (p, p), (p, p), (0, 0)))
    dAp, dW, db = np.zeros_like(Ap), np.zeros_like(W), np.zeros_like(b)
    for n in range(dZ.shape[0]):
        for i in range(dZ.shape[1]):
            for j in range(dZ.shape[2]):
                for c in range(dZ.shape[3]):
                    sl = np.s_[n, i * s : i * s + f, j * s : j * s + f, :]
                    dAp[sl] += W[..., c] * dZ[n, i, j, c]
                    dW[..., c] += Ap[sl] * dZ[n, i, j, c]
                    db[..., c] += dZ[n, i, j, c]
    H, Wd = A_prev.shape[1:3]
    return dAp[:, p : p + H, p : p + Wd, :], dW, db


# pooling
def max_pool2d_forward(params, x, kernel, stride=None, padding=0):
    s = stride or kernel
    xp = np.pad(x, ((0, 0), (0, 0), (padding,) * 2, (padding,) * 2), constant_values=-np.inf)
    v = np.lib.stride_tricks.sliding_window_view(xp, (kernel, kernel), axis=(2, 3))[:, :, ::s, ::s]
    v = v.reshape(*v.shape[:4], -1)
    return v.max(-1), (x.shape, xp.shape, v.argmax(-1), kernel, s, padding)


def max_pool2d_backward(params, cache, dy):
    shape, pshape, arg, k, s, p = cache
    dx = np.zeros(pshape)
    for n, c, i, j in np.ndindex(dy.shape):
        a, b = divmod(arg[n, c, i, j], k)
        dx[n, c, i * s + a, j * s + b] += dy[n, c, i, j]
    return dx[:, :, p : p + shape[2], p : p + shape[3]], {}


def avg_pool2d_forward(params, x, kernel=2, stride=None):
    s = stride or kernel
    oh, ow = (x.shape[2] - kernel) // s + 1, (x.shape[3] - kernel) // s + 1
    y = (
        sum(
            x[:, :, i : i + s * (oh - 1) + 1 : s, j : j + s * (ow - 1) + 1 : s]
            for i in range(kernel)
            for j in range(kernel)
        )
        / kernel**2
    )
    return y, (x.shape, kernel, s)


def avg_pool2d_backward(params, cache, dy):
    shape, k, s = cache
    dx = np.zeros(shape)
    for i in range(dy.shape[2]):
        for j in range(dy.shape[3]):
            dx[:, :, i * s : i * s + k, j * s : j * s + k] += dy[:, :, i : i + 1, j : j + 1] / k**2
    return dx, {}


def pool_reshape(x):
    n, c, h, w = x.shape
    x = x[:, :, : h // 2 * 2, : w // 2 * 2]
    return x.reshape(n, c, h // 2, 2, w // 2, 2).mean(axis=(3, 5)), (n, c, h, w)


def pool_reshape_backward(dout, shape):
    dx = np.zeros(shape)
    up = np.repeat(np.repeat(dout, 2, axis=2), 2, axis=3) / 4
    dx[:, :, : up.shape[2], : up.shape[3]] = up
    return dx


def global_avg_pool2d_forward(params, x):
    return x.mean(axis=(2, 3)), x.shape


def global_avg_pool2d_backward(params, shape, dy):
    return np.broadcast_to(dy[:, :, None, None], shape) / (shape[2] * shape[3]), {}


def gap(x):
    N, C, H, W = x.shape
    return x.reshape(N, C, -1).sum(-1) / (H * W), (H, W)


def gap_backward(dout, cache):
    H, W = cache
    return np.einsum("nc,hw->nchw", dout, np.ones((H, W))) / H / W
