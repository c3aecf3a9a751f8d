"""Right, as public repositories and books write it."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import signal


@dataclass
class Linear:
    n_in: int
    n_out: int
    W: np.ndarray = field(init=False)
    b: np.ndarray = field(init=False)
    grads: dict = field(default_factory=dict)

    def __post_init__(self):
        self.W = np.random.randn(self.n_in, self.n_out) * np.sqrt(2 / self.n_in)
        self.b = np.zeros(self.n_out)

    def __call__(self, x):
        self._x = x
        return np.einsum("ni,io->no", x, self.W) + self.b

    def backward(self, grad):
        self.grads["W"] = np.einsum("ni,no->io", self._x, grad)
        self.grads["b"] = np.einsum("no->o", grad)
        return np.einsum("no,io->ni", grad, self.W)


class Lin:
    def __init__(self, w, b):
        self.w, self.b = (w, b)

    def __call__(self, inp):
        self.inp = inp
        self.out = inp @ self.w + self.b
        return self.out

    def backward(self, outg):
        self.inp_g = outg @ self.w.T
        self.w_g = self.inp.T @ outg
        self.b_g = outg.sum(0)


class Layer:
    def __init__(self):
        self.parameters = []
        self.gradients = []


class Dense(Layer):
    def __init__(self, input_size, output_size):
        super().__init__()
        self.weights = np.random.rand(input_size, output_size) - 0.5
        self.bias = np.random.rand(1, output_size) - 0.5

    def forward(self, input_data):
        self.input = input_data
        self.output = np.dot(self.input, self.weights) + self.bias
        return self.output

    def backward(self, output_error):
        input_error = np.dot(output_error, self.weights.T)
        self.dweights = np.dot(self.input.T, output_error)
        self.dbias = np.sum(output_error, axis=0, keepdims=True)
        return input_error


def make_dense(W, b):
    cache = {}

    def forward(x):
        cache["x"] = x
        return x @ W.T + b

    def backward(dy):
        return (dy @ W, dy.T @ cache["x"], dy.sum(axis=0))

    return (forward, backward)


def conv2d(params, x):
    p = 1
    win = sliding_window_view(np.pad(x, [(0, 0), (0, 0), (p, p), (p, p)]), (3, 3), axis=(2, 3))
    return (np.einsum("nchwij,ocij->nohw", win, params["W"]) + params["b"][None, :, None, None], win)


def conv2d_backward(params, win, dy):
    dW = np.tensordot(dy, win, axes=([0, 2, 3], [0, 2, 3]))
    dwin = sliding_window_view(np.pad(dy, [(0, 0), (0, 0), (1, 1), (1, 1)]), (3, 3), axis=(2, 3))
    dx = np.einsum("nohwij,ocij->nchw", dwin, params["W"][:, :, ::-1, ::-1])
    return (dx, {"W": dW, "b": dy.sum((0, 2, 3))})


class ConvLayer:
    def __init__(self, depth_in, depth, kernel_size):
        self.kernels = np.random.randn(depth, depth_in, kernel_size, kernel_size)
        self.biases = np.random.randn(depth)

    def forward(self, input):
        self.input = input
        out = []
        for img in input:
            o = [
                sum((signal.correlate2d(img[j], K[j], "valid") for j in range(len(img)))) + b
                for K, b in zip(self.kernels, self.biases)
            ]
            out.append(o)
        self.output = np.array(out)
        return self.output

    def backward(self, output_gradient):
        self.kernels_gradient = np.zeros_like(self.kernels)
        gi = np.zeros_like(self.input)
        for n in range(len(self.input)):
            for i in range(len(self.kernels)):
                for j in range(self.kernels.shape[1]):
                    self.kernels_gradient[i, j] += signal.correlate2d(self.input[n, j], output_gradient[n, i], "valid")
                    gi[n, j] += signal.convolve2d(output_gradient[n, i], self.kernels[i, j], "full")
        self.biases_gradient = output_gradient.sum(axis=(0, 2, 3))
        return gi


def pool_forward(A_prev, hparameters, mode="average"):
    m, H, W, C = A_prev.shape
    f = hparameters["f"]
    s = hparameters["stride"]
    A = np.zeros((m, 1 + (H - f) // s, 1 + (W - f) // s, C))
    for h in range(A.shape[1]):
        for w in range(A.shape[2]):
            win = A_prev[:, h * s : h * s + f, w * s : w * s + f]
            A[:, h, w] = win.mean((1, 2)) if mode == "average" else win.max((1, 2))
    return (A, (A_prev, hparameters))


def pool_backward(dA, cache, mode="average"):
    A_prev, hp = cache
    f, s = (hp["f"], hp["stride"])
    d = np.zeros_like(A_prev)
    for h in range(dA.shape[1]):
        for w in range(dA.shape[2]):
            d[:, h * s : h * s + f, w * s : w * s + f] += dA[:, h, w][:, None, None] / (f * f)
    return d


def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    eps = gn_param.get("eps", 1e-05)
    N, C, H, W = x.shape
    xg = x.reshape(N * G, -1).T
    mu = xg.mean(0)
    std = np.sqrt(xg.var(0) + eps)
    z = ((xg - mu) / std).T.reshape(N, C, H, W)
    return (z * gamma.reshape(1, C, 1, 1) + beta.reshape(1, C, 1, 1), (z, std, gamma, G))


def spatial_groupnorm_backward(dout, cache):
    z, std, gamma, G = cache
    N, C, H, W = dout.shape
    dgamma = (dout * z).sum((0, 2, 3))
    dbeta = dout.sum((0, 2, 3))
    dz = (dout * gamma.reshape(1, C, 1, 1)).reshape(N * G, -1).T
    zz = z.reshape(N * G, -1).T
    M = zz.shape[0]
    dx = (M * dz - dz.sum(0) - zz * (dz * zz).sum(0)) / (M * std)
    return (dx.T.reshape(N, C, H, W), dgamma.reshape(1, C, 1, 1), dbeta.reshape(1, C, 1, 1))


sig = lambda z: 0.5 * (1 + np.tanh(0.5 * z))


class LSTM:
    def __init__(self, n_in, n_hid):
        self.params = {}
        for g in "ifog":
            self.params["W_x" + g] = np.random.randn(n_in, n_hid)
            self.params["W_h" + g] = np.random.randn(n_hid, n_hid)
            self.params["b_" + g] = np.zeros(n_hid)
        self.grads = {}

    def forward(self, x):
        p = self.params
        N, T, _ = x.shape
        h = c = np.zeros((N, p["b_i"].size))
        self.tape = []
        for t in range(T):
            z = {g: x[:, t] @ p["W_x" + g] + h @ p["W_h" + g] + p["b_" + g] for g in "ifog"}
            i, f, o, g = (sig(z["i"]), sig(z["f"]), sig(z["o"]), np.tanh(z["g"]))
            c2 = f * c + i * g
            h2 = o * np.tanh(c2)
            self.tape.append((x[:, t], h, c, i, f, o, g, c2))
            h, c = (h2, c2)
        return h

    def backward(self, dh):
        p = self.params
        self.grads = {k: np.zeros_like(v) for k, v in p.items()}
        dc = 0
        dx = []
        for xt, hp, cp, i, f, o, g, c in self.tape[::-1]:
            tc = np.tanh(c)
            dc = dc + dh * o * (1 - tc * tc)
            d = {
                "i": dc * g * i * (1 - i),
                "f": dc * cp * f * (1 - f),
                "o": dh * tc * o * (1 - o),
                "g": dc * i * (1 - g * g),
            }
            for k in "ifog":
                self.grads["W_x" + k] += xt.T @ d[k]
                self.grads["W_h" + k] += hp.T @ d[k]
                self.grads["b_" + k] += d[k].sum(0)
            dx.append(sum((d[k] @ p["W_x" + k].T for k in d)))
            dh = sum((d[k] @ p["W_h" + k].T for k in d))
            dc = dc * f
        return np.stack(dx[::-1], 1)


class ReLU:
    def __call__(self, x):
        return np.where(x >= 0, x, 0)

    def gradient(self, x):
        return np.where(x > 0, 1, 0)


class LeakyReLU:
    def __init__(self, alpha=0.2):
        self.alpha = alpha

    def __call__(self, x):
        return np.where(x >= 0, x, self.alpha * x)

    def gradient(self, x):
        return np.where(x > 0, 1, self.alpha)


class Activation:
    def __init__(self, activation, activation_prime):
        self.activation = activation
        self.activation_prime = activation_prime

    def forward(self, input):
        self.input = input
        return self.activation(self.input)

    def backward(self, output_gradient, learning_rate):
        return np.multiply(output_gradient, self.activation_prime(self.input))


class Tanh(Activation):
    def __init__(self):
        super().__init__(lambda x: np.tanh(x), lambda x: 1 - np.tanh(x) ** 2)


class Softmax:
    def forward(self, inputs):
        e = np.exp(inputs - np.max(inputs, axis=1, keepdims=True))
        self.output = e / np.sum(e, axis=1, keepdims=True)

    def backward(self, dvalues):
        self.dinputs = np.empty_like(dvalues)
        for i, (o, d) in enumerate(zip(self.output, dvalues)):
            o = o.reshape(-1, 1)
            J = np.diagflat(o) - o @ o.T
            self.dinputs[i] = J @ d


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
        m_hat = self.m / (1 - self.b1**self.t)
        v_hat = self.v / (1 - self.b2**self.t)
        return w - self.learning_rate * m_hat / (np.sqrt(v_hat) + self.eps)


def make_adamw(lr=0.001, beta1=0.9, beta2=0.999, eps=1e-08, weight_decay=0.01):
    m, v, t = ({}, {}, 0)

    def update(params, grads, lr=lr):
        nonlocal t
        t += 1
        new = {}
        for k, p in params.items():
            m[k] = beta1 * m.get(k, 0) + (1 - beta1) * grads[k]
            v[k] = beta2 * v.get(k, 0) + (1 - beta2) * grads[k] ** 2
            new[k] = p - lr * (m[k] / (1 - beta1**t) / (np.sqrt(v[k] / (1 - beta2**t)) + eps) + weight_decay * p)
        return new

    return update


class FC:
    def __init__(self, n_in, n_out, lr=0.01):
        self.W = np.random.randn(n_in, n_out)
        self.b = np.zeros(n_out)
        self.lr = lr

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        dx = dout @ self.W.T
        self.W = self.W - self.lr * self.x.T @ dout
        self.b = self.b - self.lr * dout.sum(0)
        return dx


class Activation_Softmax:
    def forward(self, inputs):
        e = np.exp(inputs - np.max(inputs, axis=1, keepdims=True))
        self.output = e / np.sum(e, axis=1, keepdims=True)


class Loss:
    def calculate(self, output, y):
        sample_losses = self.forward(output, y)
        return np.mean(sample_losses)


class Loss_CategoricalCrossentropy(Loss):
    def forward(self, y_pred, y_true):
        samples = len(y_pred)
        if len(y_true.shape) == 1:
            c = y_pred[range(samples), y_true]
        else:
            c = np.sum(y_pred * y_true, axis=1)
        return -np.log(c)


class Activation_Softmax_Loss_CategoricalCrossentropy:
    def __init__(self):
        self.activation = Activation_Softmax()
        self.loss = Loss_CategoricalCrossentropy()

    def forward(self, inputs, y_true):
        self.activation.forward(inputs)
        self.output = self.activation.output
        return self.loss.calculate(self.output, y_true)

    def backward(self, dvalues, y_true):
        samples = len(dvalues)
        if len(y_true.shape) == 2:
            y_true = np.argmax(y_true, axis=1)
        self.dinputs = dvalues.copy()
        self.dinputs[range(samples), y_true] -= 1
        self.dinputs = self.dinputs / samples


class Optimizer_Adam:
    def __init__(self, learning_rate=0.001, decay=0.0, epsilon=1e-08, beta_1=0.9, beta_2=0.999):
        self.learning_rate = learning_rate
        self.current_learning_rate = learning_rate
        self.decay = decay
        self.iterations = 0
        self.epsilon = epsilon
        self.beta_1 = beta_1
        self.beta_2 = beta_2

    def pre_update_params(self):
        if self.decay:
            self.current_learning_rate = self.learning_rate * (1.0 / (1.0 + self.decay * self.iterations))

    def update_params(self, layer):
        if not hasattr(layer, "weight_cache"):
            layer.weight_momentums = np.zeros_like(layer.weights)
            layer.weight_cache = np.zeros_like(layer.weights)
            layer.bias_momentums = np.zeros_like(layer.biases)
            layer.bias_cache = np.zeros_like(layer.biases)
        layer.weight_momentums = self.beta_1 * layer.weight_momentums + (1 - self.beta_1) * layer.dweights
        layer.bias_momentums = self.beta_1 * layer.bias_momentums + (1 - self.beta_1) * layer.dbiases
        wm = layer.weight_momentums / (1 - self.beta_1 ** (self.iterations + 1))
        bm = layer.bias_momentums / (1 - self.beta_1 ** (self.iterations + 1))
        layer.weight_cache = self.beta_2 * layer.weight_cache + (1 - self.beta_2) * layer.dweights**2
        layer.bias_cache = self.beta_2 * layer.bias_cache + (1 - self.beta_2) * layer.dbiases**2
        wc = layer.weight_cache / (1 - self.beta_2 ** (self.iterations + 1))
        bc = layer.bias_cache / (1 - self.beta_2 ** (self.iterations + 1))
        layer.weights += -self.current_learning_rate * wm / (np.sqrt(wc) + self.epsilon)
        layer.biases += -self.current_learning_rate * bm / (np.sqrt(bc) + self.epsilon)

    def post_update_params(self):
        self.iterations += 1


class Optimizer_SGD:
    def __init__(self, learning_rate=1.0):
        self.learning_rate = learning_rate

    def update_params(self, layer):
        layer.weights += -self.learning_rate * layer.dweights
        layer.biases += -self.learning_rate * layer.dbiases


def loss(scores, y):
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    L = -np.log(p[np.arange(len(y)), y]).mean()
    d = p.copy()
    d[np.arange(len(y)), y] -= 1
    return (L, d / len(y))


def dense(x, *, weight, bias):
    return x @ weight.T + bias


class Conv2D:
    def __init__(self, filters, kernel_size, input_channels):
        self.kernel = np.zeros((kernel_size, kernel_size, input_channels, filters))
        self.bias = np.zeros(filters)

    def __call__(self, x):
        self.x = x
        k = self.kernel.shape[0]
        self.p = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(1, 2))
        return np.einsum("nhwcij,ijco->nhwo", self.p, self.kernel) + self.bias

    def backward(self, dy):
        k = self.kernel.shape[0]
        self.dkernel = np.einsum("nhwcij,nhwo->ijco", self.p, dy)
        self.dbias = dy.sum((0, 1, 2))
        d = np.pad(dy, [(0, 0), (k - 1, k - 1), (k - 1, k - 1), (0, 0)])
        return np.einsum(
            "nhwoij,ijco->nhwc",
            np.lib.stride_tricks.sliding_window_view(d, (k, k), axis=(1, 2)),
            self.kernel[::-1, ::-1],
        )


def bn(x, gamma, beta, running_mean, running_var, momentum=0.1, eps=1e-05, training=True):
    if training:
        m, v = (x.mean(0), x.var(0))
        n = len(x)
        running_mean = (1 - momentum) * running_mean + momentum * m
        running_var = (1 - momentum) * running_var + momentum * v * n / (n - 1)
    else:
        m, v = (running_mean, running_var)
    return (gamma * (x - m) / np.sqrt(v + eps) + beta, running_mean, running_var)


class RNNLayer:
    def __init__(self, input_dim, hidden_dim):
        s = 1 / np.sqrt(hidden_dim)
        self.params = {
            "Wx": np.random.uniform(-s, s, (input_dim, hidden_dim)),
            "Wh": np.random.uniform(-s, s, (hidden_dim, hidden_dim)),
            "b": np.zeros(hidden_dim),
        }
        self.grads = {}

    def forward(self, x):
        n, t, _ = x.shape
        self.x = x
        self.h = np.zeros((n, t + 1, self.params["b"].size))
        for i in range(t):
            self.h[:, i + 1] = np.tanh(
                x[:, i] @ self.params["Wx"] + self.h[:, i] @ self.params["Wh"] + self.params["b"]
            )
        return self.h[:, 1:]

    def backward(self, dh):
        g = {k: np.zeros_like(v) for k, v in self.params.items()}
        dx = np.empty_like(self.x)
        nxt = 0
        for i in reversed(range(self.x.shape[1])):
            d = (dh[:, i] + nxt) * (1 - self.h[:, i + 1] ** 2)
            g["Wx"] += self.x[:, i].T @ d
            g["Wh"] += self.h[:, i].T @ d
            g["b"] += d.sum(0)
            dx[:, i] = d @ self.params["Wx"].T
            nxt = d @ self.params["Wh"].T
        self.grads.update(g)
        return dx


def dropout_forward(x, dropout_param):
    p, mode = (dropout_param["p"], dropout_param["mode"])
    mask = None
    if mode == "train":
        mask = (np.random.rand(*x.shape) > p) / (1 - p)
        out = x * mask
    else:
        out = x
    return (out, (dropout_param, mask))


def dropout_backward(dout, cache):
    dropout_param, mask = cache
    return dout * mask if dropout_param["mode"] == "train" else dout


class Embedding:
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


class MatMulAffine:
    def __init__(self, W, b):
        self.params = [W, b]
        self.grads = [np.zeros_like(W), np.zeros_like(b)]
        self.x = None

    def forward(self, x):
        W, b = self.params
        self.x = x
        return np.dot(x, W) + b

    def backward(self, dout):
        W, b = self.params
        self.grads[0][...] = np.dot(self.x.T, dout)
        self.grads[1][...] = np.sum(dout, axis=0)
        return np.dot(dout, W.T)


class SoftmaxWithLoss:
    def __init__(self):
        self.params, self.grads = ([], [])
        self.y = None
        self.t = None

    def forward(self, x, t):
        self.t = t
        x = x - x.max(axis=1, keepdims=True)
        e = np.exp(x)
        self.y = e / e.sum(axis=1, keepdims=True)
        if self.t.size == self.y.size:
            self.t = self.t.argmax(axis=1)
        return np.mean(np.log(e.sum(axis=1)) - x[np.arange(len(x)), self.t])

    def backward(self, dout=1):
        n = self.t.shape[0]
        dx = self.y.copy()
        dx[np.arange(n), self.t] -= 1
        return dx * dout / n


class RNN:
    def __init__(self, Wx, Wh, b):
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)]
        self.cache = None

    def forward(self, x, h_prev):
        Wx, Wh, b = self.params
        h_next = np.tanh(np.dot(h_prev, Wh) + np.dot(x, Wx) + b)
        self.cache = (x, h_prev, h_next)
        return h_next

    def backward(self, dh_next):
        Wx, Wh, b = self.params
        x, h_prev, h_next = self.cache
        dt = dh_next * (1 - h_next**2)
        self.grads[0][...] = x.T @ dt
        self.grads[1][...] = h_prev.T @ dt
        self.grads[2][...] = dt.sum(0)
        return (dt @ Wx.T, dt @ Wh.T)


class TimeRNN:
    def __init__(self, Wx, Wh, b, stateful=False):
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)]
        self.layers = None
        self.h, self.dh = (None, None)
        self.stateful = stateful

    def forward(self, xs):
        Wx, Wh, b = self.params
        N, T, D = xs.shape
        D, H = Wx.shape
        self.layers = []
        hs = np.empty((N, T, H))
        if not self.stateful or self.h is None:
            self.h = np.zeros((N, H))
        for t in range(T):
            layer = RNN(*self.params)
            self.h = layer.forward(xs[:, t], self.h)
            hs[:, t] = self.h
            self.layers.append(layer)
        return hs

    def backward(self, dhs):
        Wx, Wh, b = self.params
        N, T, H = dhs.shape
        D, H = Wx.shape
        dxs = np.empty((N, T, D))
        dh = 0
        grads = [0, 0, 0]
        for t in reversed(range(T)):
            layer = self.layers[t]
            dx, dh = layer.backward(dhs[:, t] + dh)
            dxs[:, t] = dx
            for i, g in enumerate(layer.grads):
                grads[i] += g
        for i, g in enumerate(grads):
            self.grads[i][...] = g
        self.dh = dh
        return dxs


class OneCycleLR:
    def __init__(self, optimizer, max_lr, total_steps, pct_start=0.3, div_factor=25.0, final_div_factor=10000.0):
        self.opt = optimizer
        self.total = total_steps
        self.max_lr = max_lr
        self.init = max_lr / div_factor
        self.min = self.init / final_div_factor
        self.pct = pct_start
        self.n = -1
        self.step()

    def _anneal(self, a, b, p):
        return b + (a - b) / 2 * (math.cos(math.pi * p) + 1)

    def step(self):
        self.n += 1
        if self.n >= self.total:
            return
        e = self.pct * self.total - 1
        lr = (
            self._anneal(self.init, self.max_lr, self.n / e)
            if self.n <= e
            else self._anneal(self.max_lr, self.min, (self.n - e) / (self.total - 1 - e))
        )
        for g in self.opt.param_groups:
            g["lr"] = lr
