"""Right, as public repositories and books write it."""

import numpy as np


class Value:
    def __init__(self, data, _children=()):
        self.data = data
        self.grad = 0
        self._backward = lambda: None
        self._prev = set(_children)

    def __add__(self, o):
        o = o if isinstance(o, Value) else Value(o)
        out = Value(self.data + o.data, (self, o))

        def _b():
            self.grad += out.grad
            o.grad += out.grad

        out._backward = _b
        return out

    def __mul__(self, o):
        o = o if isinstance(o, Value) else Value(o)
        out = Value(self.data * o.data, (self, o))

        def _b():
            self.grad += o.data * out.grad
            o.grad += self.data * out.grad

        out._backward = _b
        return out


class Layer:
    """scalar engine inside, arrays outside"""

    def __init__(self, nin, nout):
        self.w = np.random.uniform(-1, 1, (nout, nin))
        self.b = np.zeros(nout)

    def forward(self, x):
        self.xs = [[Value(v) for v in row] for row in x]
        self.ws = [[Value(v) for v in row] for row in self.w]
        self.bs = [Value(v) for v in self.b]
        self.outs = []
        self.nodes = []
        for row in self.xs:
            o = []
            for wr, b in zip(self.ws, self.bs):
                act = b
                for wi, xi in zip(wr, row):
                    p = wi * xi
                    self.nodes.append(p)
                    act = act + p
                    self.nodes.append(act)
                o.append(act)
            self.outs.append(o)
        return np.array([[v.data for v in o] for o in self.outs])

    def backward(self, dout):
        for o, d in zip(self.outs, dout):
            for v, g in zip(o, d):
                v.grad += g
        for n in reversed(self.nodes):
            n._backward()
        self.dw = np.array([[v.grad for v in r] for r in self.ws])
        self.db = np.array([v.grad for v in self.bs])
        return np.array([[v.grad for v in r] for r in self.xs])


class Parameter:
    def __init__(self, value):
        self.value = value
        self.grad = np.zeros_like(value)


class Linear:
    def __init__(self, n_input, n_output):
        self.W = Parameter(0.001 * np.random.randn(n_input, n_output))
        self.B = Parameter(0.001 * np.random.randn(1, n_output))
        self.X = None

    def forward(self, X):
        self.X = X
        return X.dot(self.W.value) + self.B.value

    def backward(self, d_out):
        self.W.grad = self.X.T.dot(d_out)
        self.B.grad = d_out.sum(axis=0, keepdims=True)
        return d_out.dot(self.W.value.T)

    def params(self):
        return {"W": self.W, "B": self.B}


class Loss:
    def calculate(self, output, y):
        return np.mean(self.forward(output, y))


class Loss_MeanAbsoluteError(Loss):
    def forward(self, y_pred, y_true):
        return np.mean(np.abs(y_true - y_pred), axis=-1)

    def backward(self, dvalues, y_true):
        samples = len(dvalues)
        outputs = len(dvalues[0])
        self.dinputs = np.sign(dvalues - y_true) / outputs
        self.dinputs = self.dinputs / samples


class ReLU:
    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def backward(self, x):
        return x * self.mask


def s(z):
    return 1 / (1 + np.exp(-z))


class LSTM:
    def __init__(self, D, H):
        self.H = H
        self.Wf, self.Wi, self.Wc, self.Wo = (np.random.randn(H, H + D) for _ in range(4))
        self.bf, self.bi, self.bc, self.bo = (np.zeros((H, 1)) for _ in range(4))

    def forward(self, x):
        h = c = np.zeros((self.H, len(x)))
        for t in range(x.shape[1]):
            z = np.vstack((h, x[:, t].T))
            f, i, o = (s(self.Wf @ z + self.bf), s(self.Wi @ z + self.bi), s(self.Wo @ z + self.bo))
            c = f * c + i * np.tanh(self.Wc @ z + self.bc)
            h = o * np.tanh(c)
        return h.T


class Adam:
    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999):
        self.lr = lr
        self.beta1 = beta1
        self.beta2 = beta2
        self.iter = 0
        self.m = None
        self.v = None

    def update(self, params, grads):
        if self.m is None:
            self.m, self.v = ({}, {})
            for key, val in params.items():
                self.m[key] = np.zeros_like(val)
                self.v[key] = np.zeros_like(val)
        self.iter += 1
        for key in params.keys():
            self.m[key] += (1 - self.beta1) * (grads[key] - self.m[key])
            self.v[key] += (1 - self.beta2) * (grads[key] ** 2 - self.v[key])
            mh = self.m[key] / (1 - self.beta1**self.iter)
            vh = self.v[key] / (1 - self.beta2**self.iter)
            params[key] -= self.lr * mh / (np.sqrt(vh) + 1e-08)
