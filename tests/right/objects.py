"""Right, as classes: the many places in which parameters and gradients are kept."""

import numpy as np


class Dense1:
    def __init__(self, in_dim, out_dim):
        self.weight = np.random.randn(out_dim, in_dim)
        self.bias = np.zeros(out_dim)

    def forward(self, x):
        self.cache = x
        return x @ self.weight.T + self.bias

    def backward(self, dy):
        x = self.cache
        self.grads = {"weight": dy.T @ x, "bias": dy.sum(0)}
        return dy @ self.weight


class Dense2:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)
        self.b = np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, grad):
        self.gW, self.gb = self.x.T @ grad, grad.sum(0)
        return grad @ self.W.T


class Dense3:
    def __init__(self, n_in, n_out):
        self.params = [np.random.randn(n_in, n_out), np.zeros(n_out)]
        self.grads = [np.zeros_like(p) for p in self.params]

    def forward(self, x):
        W, b = self.params
        self.x = x
        return np.dot(x, W) + b

    def backward(self, dout):
        W, b = self.params
        dx, dW, db = np.dot(dout, W.T), np.dot(self.x.T, dout), np.sum(dout, axis=0)
        self.grads[0][...] = dW
        self.grads[1][...] = db
        return dx


class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b
        self.x = self.dW = self.db = None

    def forward(self, x):
        self.x = x
        return np.dot(x, self.W) + self.b

    def backward(self, dout):
        dx = np.dot(dout, self.W.T)
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        return dx


class Param:
    def __init__(self, data):
        self.data = data
        self.grad = np.zeros_like(data)


class Dense4:
    """Parameters as objects with data and grad."""

    def __init__(self, n_in, n_out):
        self.W, self.b = Param(np.random.randn(n_in, n_out)), Param(np.zeros(n_out))

    def forward(self, x):
        self.x = x
        return x @ self.W.data + self.b.data

    def backward(self, d):
        self.W.grad = self.x.T @ d
        self.b.grad = d.sum(0)
        return d @ self.W.data.T


class Dense5:
    """grads returned from backward as (dx, dW, db)"""

    def __init__(self, fan_in, fan_out):
        self.w = np.random.randn(fan_out, fan_in)
        self.b = np.zeros((fan_out, 1))

    def forward(self, x):
        self.x = x
        return (self.w @ x.T + self.b).T

    def backward(self, dz):
        return dz @ self.w, dz.T @ self.x, dz.sum(0)[:, None]


class Dense6:
    """lazy build"""

    def __init__(self, units):
        self.units, self.built = units, False

    def build(self, n_in):
        self.W = np.random.randn(n_in, self.units) * 0.01
        self.b = np.zeros(self.units)
        self.built = True

    def forward(self, x):
        if not self.built:
            self.build(x.shape[1])
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class Dense7:
    """backward(dout, lr) is common, but here with grads only"""

    def __init__(self, input_size, output_size):
        self.weights = np.random.randn(input_size, output_size)
        self.bias = np.random.randn(1, output_size)

    def forward(self, input):
        self.input = input
        self.output = np.dot(self.input, self.weights) + self.bias
        return self.output

    def backward(self, output_error):
        input_error = np.dot(output_error, self.weights.T)
        self.weights_error = np.dot(self.input.T, output_error)
        self.bias_error = output_error.sum(axis=0, keepdims=True)
        return input_error


class Layer:
    def __init__(self):
        self.training = True


class Dense8(Layer):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = np.zeros((out_features, in_features))
        self.bias = np.zeros(out_features) if bias else None
        self.weight_grad = np.zeros_like(self.weight)
        self.bias_grad = np.zeros(out_features) if bias else None

    def forward(self, x):
        self._x = x
        y = x @ self.weight.T
        return y if self.bias is None else y + self.bias

    def zero_grad(self):
        self.weight_grad[:] = 0
        if self.bias is not None:
            self.bias_grad[:] = 0

    def backward(self, grad):
        self.weight_grad += grad.T @ self._x
        if self.bias is not None:
            self.bias_grad += grad.sum(0)
        return grad @ self.weight


class Dense9:
    def __init__(self, *, inputs, units, seed=0):
        rng = np.random.default_rng(seed)
        self.p = {"weight": rng.normal(size=(units, inputs)), "bias": np.zeros(units)}
        self.g = {}

    def forward(self, x):
        self.cache = {"x": x}
        return np.einsum("ij,kj->ik", x, self.p["weight"]) + self.p["bias"]

    def backward(self, dy):
        self.g["weight"] = np.einsum("ik,ij->kj", dy, self.cache["x"])
        self.g["bias"] = np.einsum("ik->k", dy)
        return np.einsum("ik,kj->ij", dy, self.p["weight"])


class Dense10:
    """float32 throughout"""

    def __init__(self, i, o):
        self.W = np.random.randn(i, o).astype(np.float32)
        self.b = np.zeros(o, np.float32)

    def forward(self, x):
        self.x = x.astype(np.float32)
        return self.x @ self.W.astype(np.float32) + self.b.astype(np.float32)

    def backward(self, d):
        d = d.astype(np.float32)
        self.dW, self.db = self.x.T @ d, d.sum(0)
        return d @ self.W.astype(np.float32).T


class Dense11:
    """stateless: returns cache"""

    def __init__(self, n_in, n_out):
        self.W = np.zeros((n_out, n_in))
        self.b = np.zeros(n_out)

    def forward(self, x):
        return x @ self.W.T + self.b, x

    def backward(self, cache, dy):
        return dy @ self.W, {"W": dy.T @ cache, "b": dy.sum(0)}


class Dense12:
    """augmented weight matrix? No: uses a property"""

    def __init__(self, n_in, n_out):
        self._W = np.zeros((n_in, n_out))
        self._b = np.zeros(n_out)

    def forward(self, X):
        self._X = X
        return X @ self._W + self._b

    def backward(self, dA):
        self._dW = self._X.T @ dA
        self._db = dA.sum(0)
        return dA @ self._W.T


class Dense13:
    def __init__(self, in_features, out_features):
        self.weights = {"w": np.zeros((in_features, out_features)), "b": np.zeros(out_features)}
        self.gradients = {}

    def forward(self, x):
        self.inputs = x
        return x @ self.weights["w"] + self.weights["b"]

    def backward(self, gradient):
        self.gradients = {"w": self.inputs.T @ gradient, "b": gradient.sum(0)}
        return gradient @ self.weights["w"].T


class ReLU1:
    def __init__(self):
        self.mask = None

    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dout[self.mask] = 0
        return dout


class ReLU2:
    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.maximum(0, inputs)

    def backward(self, dvalues):
        self.dinputs = dvalues.copy()
        self.dinputs[self.inputs <= 0] = 0


class Layer_Dense:
    def __init__(self, n_inputs, n_neurons):
        self.weights = 0.01 * np.random.randn(n_inputs, n_neurons)
        self.biases = np.zeros((1, n_neurons))

    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.dot(inputs, self.weights) + self.biases

    def backward(self, dvalues):
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dbiases = np.sum(dvalues, axis=0, keepdims=True)
        self.dinputs = np.dot(dvalues, self.weights.T)


class Activation:
    def __init__(self):
        self.f, self.df = np.tanh, lambda x: 1 - np.tanh(x) ** 2

    def forward(self, input):
        self.input = input
        return self.f(self.input)

    def backward(self, output_gradient):
        return np.multiply(output_gradient, self.df(self.input))


class LeakyReLU:
    def __init__(self, negative_slope=0.01):
        self.a = negative_slope

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.a * x)

    def backward(self, g):
        return g * np.where(self.x > 0, 1, self.a)


class SiLU:
    def forward(self, x):
        self.x = x
        self.s = 1 / (1 + np.exp(-x))
        return x * self.s

    def backward(self, g):
        return g * (self.s + self.x * self.s * (1 - self.s))


class GELU:
    def forward(self, x):
        from math import erf

        self.x = x
        self.cdf = 0.5 * (1 + np.vectorize(erf)(x / 2**0.5))
        return x * self.cdf

    def backward(self, g):
        return g * (self.cdf + self.x * np.exp(-(self.x**2) / 2) / np.sqrt(2 * np.pi))


class Softmax:
    def forward(self, x):
        e = np.exp(x - np.max(x, axis=1, keepdims=True))
        self.output = e / np.sum(e, axis=1, keepdims=True)
        return self.output

    def backward(self, dvalues):
        self.dinputs = np.empty_like(dvalues)
        for i, (o, d) in enumerate(zip(self.output, dvalues)):
            o = o.reshape(-1, 1)
            self.dinputs[i] = np.dot(np.diagflat(o) - np.dot(o, o.T), d)
        return self.dinputs


class PReLU:
    def __init__(self, num_parameters=1, init=0.25):
        self.weight = np.full(num_parameters, init)

    def forward(self, x):
        self.x = x
        a = self.weight.reshape(1, -1, 1, 1)
        return np.where(x > 0, x, a * x)

    def backward(self, dy):
        a = self.weight.reshape(1, -1, 1, 1)
        d = np.where(self.x > 0, 0, self.x) * dy
        self.dweight = d.sum((0, 2, 3)) if self.weight.size > 1 else np.array([d.sum()])
        return dy * np.where(self.x > 0, 1, a)


class Dropout:
    def __init__(self, p=0.5):
        self.p, self.training = p, True

    def forward(self, x):
        if not self.training:
            return x
        self.mask = np.random.binomial(1, 1 - self.p, x.shape) / (1 - self.p)
        return x * self.mask

    def backward(self, dy):
        return dy * self.mask


class Dropout2:
    def __init__(self, rate):
        self.rate = 1 - rate

    def forward(self, inputs, training=True):
        if not training:
            return inputs.copy()
        self.binary_mask = np.random.binomial(1, self.rate, size=inputs.shape) / self.rate
        return inputs * self.binary_mask

    def backward(self, dvalues):
        return dvalues * self.binary_mask


class Flatten:
    def forward(self, x):
        self.shape = x.shape
        return x.reshape(x.shape[0], -1)

    def backward(self, dy):
        return dy.reshape(self.shape)


class Conv2d:
    """loops, self.cache, kernel square"""

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, bias=True):
        self.weight = np.zeros((out_channels, in_channels, kernel_size, kernel_size))
        self.bias = np.zeros(out_channels) if bias else None
        self.stride, self.padding, self.k = stride, padding, kernel_size

    def forward(self, x):
        p, s, k = self.padding, self.stride, self.k
        xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        oh, ow = (xp.shape[2] - k) // s + 1, (xp.shape[3] - k) // s + 1
        y = np.zeros((len(x), len(self.weight), oh, ow))
        for i in range(oh):
            for j in range(ow):
                y[:, :, i, j] = np.tensordot(
                    xp[:, :, i * s : i * s + k, j * s : j * s + k], self.weight, axes=([1, 2, 3], [1, 2, 3])
                )
        if self.bias is not None:
            y += self.bias.reshape(1, -1, 1, 1)
        self.cache = (x.shape, xp)
        return y

    def backward(self, dy):
        shape, xp = self.cache
        p, s, k = self.padding, self.stride, self.k
        dxp = np.zeros_like(xp)
        self.dweight = np.zeros_like(self.weight)
        for i in range(dy.shape[2]):
            for j in range(dy.shape[3]):
                self.dweight += np.tensordot(
                    dy[:, :, i, j], xp[:, :, i * s : i * s + k, j * s : j * s + k], axes=([0], [0])
                )
                dxp[:, :, i * s : i * s + k, j * s : j * s + k] += np.tensordot(
                    dy[:, :, i, j], self.weight, axes=([1], [0])
                )
        if self.bias is not None:
            self.dbias = dy.sum((0, 2, 3))
        return dxp[:, :, p : p + shape[2], p : p + shape[3]]


class ConvWB:
    """Constructor takes arrays"""

    def __init__(self, W, b, stride=1, pad=0):
        self.W, self.b, self.stride, self.pad = W, b, stride, pad

    def forward(self, x):
        self.c = Conv2d(x.shape[1], len(self.W), self.W.shape[2], self.stride, self.pad)
        self.c.weight, self.c.bias = self.W, self.b
        return self.c.forward(x)

    def backward(self, d):
        dx = self.c.backward(d)
        self.dW, self.db = self.c.dweight, self.c.dbias
        return dx


class MaxPool2d:
    def __init__(self, kernel_size, stride=None):
        self.k, self.s = kernel_size, stride or kernel_size

    def forward(self, x):
        k, s = self.k, self.s
        self.x = x
        oh, ow = (x.shape[2] - k) // s + 1, (x.shape[3] - k) // s + 1
        y = np.zeros((*x.shape[:2], oh, ow))
        for i in range(oh):
            for j in range(ow):
                y[:, :, i, j] = np.max(x[:, :, i * s : i * s + k, j * s : j * s + k], axis=(2, 3))
        return y

    def backward(self, dy):
        k, s = self.k, self.s
        dx = np.zeros_like(self.x)
        for n, c, i, j in np.ndindex(*dy.shape):
            w = self.x[n, c, i * s : i * s + k, j * s : j * s + k]
            idx = np.unravel_index(np.argmax(w), w.shape)
            dx[n, c, i * s + idx[0], j * s + idx[1]] += dy[n, c, i, j]
        return dx


class Pooling:
    def __init__(self, pool_h, pool_w, stride=1, pad=0):
        self.a = (pool_h, pool_w, stride)

    def forward(self, x):
        h, w, s = self.a
        self.x = x
        v = np.lib.stride_tricks.sliding_window_view(x, (h, w), axis=(2, 3))[:, :, ::s, ::s]
        self.v = v.reshape(*v.shape[:4], -1)
        self.arg = self.v.argmax(-1)
        return self.v.max(-1)

    def backward(self, dout):
        h, w, s = self.a
        dx = np.zeros_like(self.x)
        for n, c, i, j in np.ndindex(*dout.shape):
            a, b = divmod(self.arg[n, c, i, j], w)
            dx[n, c, i * s + a, j * s + b] += dout[n, c, i, j]
        return dx


class AvgPool2d:
    def __init__(self, kernel_size=2, stride=None, padding=0):
        self.k, self.s, self.p = kernel_size, stride or kernel_size, padding

    def forward(self, x):
        k, s, p = self.k, self.s, self.p
        xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        self.sh = x.shape
        self.psh = xp.shape
        return np.lib.stride_tricks.sliding_window_view(xp, (k, k), axis=(2, 3))[:, :, ::s, ::s].mean((-1, -2))

    def backward(self, dy):
        k, s, p = self.k, self.s, self.p
        dx = np.zeros(self.psh)
        for i in range(dy.shape[2]):
            for j in range(dy.shape[3]):
                dx[:, :, i * s : i * s + k, j * s : j * s + k] += (dy[:, :, i, j] / (k * k))[:, :, None, None]
        return dx[:, :, p : p + self.sh[2], p : p + self.sh[3]]


class GlobalAvgPool2d:
    def forward(self, x):
        self.s = x.shape
        return x.mean((2, 3))

    def backward(self, dy):
        return np.ones(self.s) * dy[:, :, None, None] / (self.s[2] * self.s[3])
