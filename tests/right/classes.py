"""Right, as stateful classes in the style of an assignment."""

import numpy as np


class LinearModule:
    def __init__(self, in_features, out_features):
        self.params = {
            "weight": np.random.normal(0, 0.1, (in_features, out_features)),
            "bias": np.zeros((1, out_features)),
        }
        self.grads = {"weight": np.zeros((in_features, out_features)), "bias": np.zeros((1, out_features))}

    def forward(self, x):
        self.x = x
        out = x @ self.params["weight"] + self.params["bias"]
        return out

    def backward(self, dout):
        self.grads["weight"] = self.x.T @ dout
        self.grads["bias"] = dout.sum(axis=0, keepdims=True)
        return dout @ self.params["weight"].T


class Layer_Dense:
    def __init__(self, n_inputs, n_neurons):
        self.weights = 0.01 * np.random.randn(n_inputs, n_neurons)
        self.biases = np.zeros((1, n_neurons))

    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.dot(inputs, self.weights) + self.biases
        return self.output

    def backward(self, dvalues):
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        self.dinputs = np.dot(dvalues, self.weights.T)
        return self.dinputs


class Dense:
    def __init__(self, n_in, n_out, rng):
        self.W, self.b = rng.normal(size=(n_out, n_in)), np.zeros(n_out)
        self.dW, self.db = np.zeros_like(self.W), np.zeros_like(self.b)

    def zero_grad(self):
        self.dW[...] = 0
        self.db[...] = 0

    def __call__(self, x):
        self._x = x
        return np.matmul(self.W, x[..., None])[..., 0] + self.b

    def backward(self, grad_output):
        for g, x in zip(grad_output, self._x):
            self.dW += np.outer(g, x)
            self.db += g
        return grad_output @ self.W


class ReLU:
    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class Sigmoid:
    def forward(self, x):
        self.out = np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))
        return self.out

    def backward(self, dout):
        return dout * (self.out - self.out**2)


class ELU:
    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def forward(self, x):
        self.x = x
        self.y = np.where(x > 0, x, self.alpha * (np.exp(np.minimum(x, 0)) - 1))
        return self.y

    def backward(self, dout):
        return dout * np.where(self.x > 0, 1, self.y + self.alpha)


class Softmax:
    def forward(self, x):
        b = x.max(axis=1, keepdims=True)
        y = np.exp(x - b)
        self.out = y / y.sum(axis=1, keepdims=True)
        return self.out

    def backward(self, dout):
        jac = np.einsum("ni,ij->nij", self.out, np.eye(self.out.shape[1])) - np.einsum("ni,nj->nij", self.out, self.out)
        return np.einsum("nij,nj->ni", jac, dout)


class Conv:
    """im2col, kernels (out, in, k, k)."""

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0):
        self.k, self.s, self.p = kernel_size, stride, padding
        self.params = {
            "W": np.random.randn(out_channels, in_channels, kernel_size, kernel_size),
            "b": np.zeros(out_channels),
        }
        self.grads = {}

    def _cols(self, x):
        x = np.pad(x, ((0, 0), (0, 0), (self.p,) * 2, (self.p,) * 2))
        v = np.lib.stride_tricks.sliding_window_view(x, (self.k, self.k), axis=(2, 3))[:, :, :: self.s, :: self.s]
        n, c, oh, ow = v.shape[:4]
        return v.transpose(0, 2, 3, 1, 4, 5).reshape(n * oh * ow, -1), (n, oh, ow)

    def forward(self, x):
        self.shape = x.shape
        self.cols, (n, oh, ow) = self._cols(x)
        w = self.params["W"].reshape(self.params["W"].shape[0], -1)
        return (self.cols @ w.T + self.params["b"]).reshape(n, oh, ow, -1).transpose(0, 3, 1, 2)

    def backward(self, dout):
        n, f, oh, ow = dout.shape
        d = dout.transpose(0, 2, 3, 1).reshape(-1, f)
        self.grads["W"] = (d.T @ self.cols).reshape(self.params["W"].shape)
        self.grads["b"] = d.sum(0)
        dc = (d @ self.params["W"].reshape(f, -1)).reshape(n, oh, ow, self.shape[1], self.k, self.k)
        dx = np.zeros((n, self.shape[1], self.shape[2] + 2 * self.p, self.shape[3] + 2 * self.p))
        for i in range(oh):
            for j in range(ow):
                dx[:, :, i * self.s : i * self.s + self.k, j * self.s : j * self.s + self.k] += dc[:, i, j]
        return dx[:, :, self.p : self.p + self.shape[2], self.p : self.p + self.shape[3]]


class ConvLast:
    """Images (N, H, W, C), kernels (k, k, in, out), as Keras has them."""

    def __init__(self, in_channels, filters, kernel_size):
        self.w = np.random.randn(kernel_size, kernel_size, in_channels, filters)
        self.b = np.zeros(filters)

    def forward(self, x):
        self.x = x
        k = self.w.shape[0]
        oh, ow = x.shape[1] - k + 1, x.shape[2] - k + 1
        y = np.zeros((x.shape[0], oh, ow, self.w.shape[3])) + self.b
        for u in range(k):
            for v in range(k):
                y += x[:, u : u + oh, v : v + ow] @ self.w[u, v]
        return y

    def backward(self, dy):
        k, (oh, ow) = self.w.shape[0], dy.shape[1:3]
        self.dw, self.db, dx = np.zeros_like(self.w), dy.sum((0, 1, 2)), np.zeros_like(self.x)
        for u in range(k):
            for v in range(k):
                self.dw[u, v] = np.tensordot(self.x[:, u : u + oh, v : v + ow], dy, ((0, 1, 2), (0, 1, 2)))
                dx[:, u : u + oh, v : v + ow] += dy @ self.w[u, v].T
        return dx


class MaxPool:
    def __init__(self, kernel_size, stride=None, padding=0):
        self.k, self.s, self.p = kernel_size, stride or kernel_size, padding

    def forward(self, x):
        self.shape, p = x.shape, self.p
        xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)), constant_values=-np.inf)
        v = np.lib.stride_tricks.sliding_window_view(xp, (self.k, self.k), axis=(2, 3))[:, :, :: self.s, :: self.s]
        flat = v.reshape(*v.shape[:4], -1)
        self.arg = flat.argmax(-1)
        return flat.max(-1)

    def backward(self, dout):
        n, c, h, w = self.shape
        dx = np.zeros((n, c, h + 2 * self.p, w + 2 * self.p))
        for idx in np.ndindex(dout.shape):
            a, b = divmod(int(self.arg[idx]), self.k)
            dx[idx[0], idx[1], idx[2] * self.s + a, idx[3] * self.s + b] += dout[idx]
        return dx[:, :, self.p : self.p + h, self.p : self.p + w]


class AvgPool:
    def __init__(self, k, stride):
        self.k, self.s = k, stride

    def forward(self, x):
        self.shape = x.shape
        v = np.lib.stride_tricks.sliding_window_view(x, (self.k, self.k), axis=(2, 3))
        return v[:, :, :: self.s, :: self.s].mean((-1, -2))

    def backward(self, dout):
        dx = np.zeros(self.shape)
        for i in range(dout.shape[2]):
            for j in range(dout.shape[3]):
                dx[:, :, i * self.s : i * self.s + self.k, j * self.s : j * self.s + self.k] += (
                    dout[:, :, i, j][..., None, None] / self.k**2
                )
        return dx


class BatchNorm2d:
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        self.gamma, self.beta = np.ones(num_features), np.zeros(num_features)
        self.running_mean, self.running_var = np.zeros(num_features), np.ones(num_features)
        self.eps, self.momentum, self.training = eps, momentum, True

    def forward(self, x):
        r = (0, 2, 3)
        if self.training:
            m, v = x.mean(r), x.var(r)
            n = x.size / x.shape[1]
            self.running_mean += self.momentum * (m - self.running_mean)
            self.running_var += self.momentum * (v * n / (n - 1) - self.running_var)
        else:
            m, v = self.running_mean, self.running_var
        self.inv = 1 / np.sqrt(v + self.eps)
        self.xh = (x - m[:, None, None]) * self.inv[:, None, None]
        return self.gamma[:, None, None] * self.xh + self.beta[:, None, None]

    def backward(self, dy):
        r = (0, 2, 3)
        self.dgamma, self.dbeta = (dy * self.xh).sum(r), dy.sum(r)
        n = dy.size / dy.shape[1]
        s = (self.gamma * self.inv / n)[:, None, None]
        return s * (n * dy - self.dbeta[:, None, None] - self.xh * self.dgamma[:, None, None])


class Dropout:
    def __init__(self, p=0.5):
        self.p, self.training = p, True

    def forward(self, x):
        if not self.training:
            return x
        self.mask = (np.random.rand(*x.shape) >= self.p) / (1 - self.p)
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class RNN:
    """(in, out) matrices, one bias, all states."""

    def __init__(self, input_size, hidden_size):
        self.Wxh = np.random.randn(input_size, hidden_size)
        self.Whh = np.random.randn(hidden_size, hidden_size)
        self.bh = np.zeros(hidden_size)

    def forward(self, x):
        self.x, h = x, np.zeros((x.shape[0], len(self.bh)))
        self.h = [h]
        for t in range(x.shape[1]):
            h = np.tanh(x[:, t] @ self.Wxh + h @ self.Whh + self.bh)
            self.h.append(h)
        return h

    def backward(self, dh):
        self.dWxh, self.dWhh, self.dbh = np.zeros_like(self.Wxh), np.zeros_like(self.Whh), np.zeros_like(self.bh)
        dx = np.zeros_like(self.x)
        for t in range(self.x.shape[1] - 1, -1, -1):
            dz = dh * (1 - self.h[t + 1] ** 2)
            self.dWxh += self.x[:, t].T @ dz
            self.dWhh += self.h[t].T @ dz
            self.dbh += dz.sum(0)
            dx[:, t] = dz @ self.Wxh.T
            dh = dz @ self.Whh.T
        return dx


class Embedding:
    def __init__(self, vocab_size, embed_dim):
        self.params = {"W": np.random.randn(vocab_size, embed_dim)}
        self.grads = {"W": None}

    def forward(self, idx):
        self.idx = idx
        return self.params["W"][idx]

    def backward(self, dout):
        g = np.zeros_like(self.params["W"])
        for k, d in zip(self.idx.ravel(), dout.reshape(-1, dout.shape[-1])):
            g[k] += d
        self.grads["W"] = g


class EntityEmbeddings:
    def __init__(self, num_embeddings, units):
        self.params = {f"W{j}": np.random.randn(n, u) for j, (n, u) in enumerate(zip(num_embeddings, units))}
        self.grads = {}

    def forward(self, x):
        self.codes = x[:, : len(self.params)].astype(int)
        vectors = [W[self.codes[:, j]] for j, W in enumerate(self.params.values())]
        return np.hstack([*vectors, x[:, len(self.params) :]])

    def backward(self, dout):
        start = 0
        for j, (name, W) in enumerate(self.params.items()):
            self.grads[name] = np.zeros_like(W)
            np.add.at(self.grads[name], self.codes[:, j], dout[:, start : start + W.shape[1]])
            start += W.shape[1]


class Float32Linear:
    def __init__(self, in_features, out_features):
        self.params = {
            "weight": np.zeros((out_features, in_features), np.float32),
            "bias": np.zeros(out_features, np.float32),
        }
        self.grads = {}

    def forward(self, x):
        self.x = x.astype(np.float32)
        return self.x @ self.params["weight"].astype(np.float32).T + self.params["bias"].astype(np.float32)

    def backward(self, dout):
        dout = dout.astype(np.float32)
        self.grads = {"weight": dout.T @ self.x, "bias": dout.sum(0)}
        return dout @ self.params["weight"].astype(np.float32)
