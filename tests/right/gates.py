"""Right: recurrent layers that keep a matrix for each gate, or one over [x, h]."""

import numpy as np


def sig(z):
    return 1 / (1 + np.exp(-z))


class LSTM:
    """W and U for each gate, as attributes; gradients as attributes too."""

    def __init__(self, input_size, hidden_size):
        for gate in "ifgo":
            setattr(self, f"W_{gate}", np.zeros((hidden_size, input_size)))
            setattr(self, f"U_{gate}", np.zeros((hidden_size, hidden_size)))
            setattr(self, f"b_{gate}", np.zeros(hidden_size))

    def forward(self, x):
        n, self.T, _ = x.shape
        h = c = np.zeros((n, len(self.b_i)))
        self.kept = []
        for t in range(self.T):
            a = {
                g: x[:, t] @ getattr(self, f"W_{g}").T + h @ getattr(self, f"U_{g}").T + getattr(self, f"b_{g}")
                for g in "ifgo"
            }
            i, f, g, o = sig(a["i"]), sig(a["f"]), np.tanh(a["g"]), sig(a["o"])
            new = f * c + i * g
            self.kept.append((x[:, t], h, c, i, f, g, o, np.tanh(new)))
            h, c = o * np.tanh(new), new
        return h

    def backward(self, dh):
        for gate in "ifgo":
            for name in ("W", "U", "b"):
                setattr(self, f"d{name}_{gate}", np.zeros_like(getattr(self, f"{name}_{gate}")))
        dx, dc = [], 0
        for x, h, c, i, f, g, o, tc in reversed(self.kept):
            dc = dc + dh * o * (1 - tc**2)
            da = {
                "i": dc * g * i * (1 - i),
                "f": dc * c * f * (1 - f),
                "g": dc * i * (1 - g**2),
                "o": dh * tc * o * (1 - o),
            }
            for gate, d in da.items():
                getattr(self, f"dW_{gate}")[...] += d.T @ x
                getattr(self, f"dU_{gate}")[...] += d.T @ h
                getattr(self, f"db_{gate}")[...] += d.sum(0)
            dx.append(sum(d @ getattr(self, f"W_{gate}") for gate, d in da.items()))
            dh = sum(d @ getattr(self, f"U_{gate}") for gate, d in da.items())
            dc = dc * f
        return np.stack(dx[::-1], 1)


class LSTMTable:
    """(in, out) matrices in a table, gates called i, f, c, o; gradients in a table under the same names."""

    def __init__(self, n_in, n_hidden):
        self.params = {}
        for gate in "ifco":
            self.params[f"Wx{gate}"] = np.zeros((n_in, n_hidden))
            self.params[f"Wh{gate}"] = np.zeros((n_hidden, n_hidden))
            self.params[f"b{gate}"] = np.zeros(n_hidden)
        self.grads = {}

    def forward(self, x):
        p, h = self.params, np.zeros((len(x), len(self.params["bi"])))
        c, self.kept = h, []
        for t in range(x.shape[1]):
            i, f, g, o = (x[:, t] @ p[f"Wx{k}"] + h @ p[f"Wh{k}"] + p[f"b{k}"] for k in "ifco")
            i, f, g, o = sig(i), sig(f), np.tanh(g), sig(o)
            self.kept.append((x[:, t], h, c, i, f, g, o))
            c = f * c + i * g
            h = o * np.tanh(c)
            self.kept[-1] += (np.tanh(c),)
        return h

    def backward(self, dout):
        self.grads = {k: np.zeros_like(v) for k, v in self.params.items()}
        dh, dc, dx = dout, 0, []
        for x, h, c, i, f, g, o, tc in self.kept[::-1]:
            dc = dc + dh * o * (1 - tc**2)
            d = dict(i=dc * g * i * (1 - i), f=dc * c * f * (1 - f), c=dc * i * (1 - g**2), o=dh * tc * o * (1 - o))
            for k in "ifco":
                self.grads[f"Wx{k}"] += x.T @ d[k]
                self.grads[f"Wh{k}"] += h.T @ d[k]
                self.grads[f"b{k}"] += d[k].sum(0)
            dx.append(sum(d[k] @ self.params[f"Wx{k}"].T for k in "ifco"))
            dh, dc = sum(d[k] @ self.params[f"Wh{k}"].T for k in "ifco"), dc * f
        return np.stack(dx[::-1], 1)


class GRU:
    """Two biases for each gate: W_ir, W_hr, b_ir, b_hr, as PyTorch's page writes them."""

    def __init__(self, input_size, hidden_size):
        for gate in "rzn":
            setattr(self, f"W_i{gate}", np.zeros((hidden_size, input_size)))
            setattr(self, f"W_h{gate}", np.zeros((hidden_size, hidden_size)))
            setattr(self, f"b_i{gate}", np.zeros(hidden_size))
            setattr(self, f"b_h{gate}", np.zeros(hidden_size))

    def forward(self, x):
        h, self.kept = np.zeros((len(x), len(self.b_ir))), []
        for t in range(x.shape[1]):
            a = [x[:, t] @ getattr(self, f"W_i{g}").T + getattr(self, f"b_i{g}") for g in "rzn"]
            c = [h @ getattr(self, f"W_h{g}").T + getattr(self, f"b_h{g}") for g in "rzn"]
            r, z = sig(a[0] + c[0]), sig(a[1] + c[1])
            n = np.tanh(a[2] + r * c[2])
            self.kept.append((x[:, t], h, r, z, n, c[2]))
            h = (1 - z) * n + z * h
        return h

    def backward(self, dh):
        names = [f"{p}_{s}{g}" for g in "rzn" for s in "ih" for p in ("W", "b")]
        self.grads = {name: np.zeros_like(getattr(self, name)) for name in names}
        dx = []
        for x, h, r, z, n, c in reversed(self.kept):
            dn = dh * (1 - z) * (1 - n**2)
            da = {"r": dn * c * r * (1 - r), "z": dh * (h - n) * z * (1 - z), "n": dn}
            dc = {**da, "n": dn * r}
            for g in "rzn":
                self.grads[f"W_i{g}"] += da[g].T @ x
                self.grads[f"W_h{g}"] += dc[g].T @ h
                self.grads[f"b_i{g}"] += da[g].sum(0)
                self.grads[f"b_h{g}"] += dc[g].sum(0)
            dx.append(sum(da[g] @ getattr(self, f"W_i{g}") for g in "rzn"))
            dh = dh * z + sum(dc[g] @ getattr(self, f"W_h{g}") for g in "rzn")
        return np.stack(dx[::-1], 1)


class RNNOnHX:
    """One matrix over [h, x]."""

    def __init__(self, n_in, n_hidden):
        self.W, self.b = np.zeros((n_hidden + n_in, n_hidden)), np.zeros(n_hidden)

    def forward(self, x):
        h, self.kept = np.zeros((len(x), len(self.b))), []
        for t in range(x.shape[1]):
            hx = np.concatenate([h, x[:, t]], axis=1)
            h = np.tanh(hx @ self.W + self.b)
            self.kept.append((hx, h))
        return h

    def backward(self, dh):
        self.dW, self.db, dx, units = np.zeros_like(self.W), np.zeros_like(self.b), [], len(self.b)
        for hx, h in self.kept[::-1]:
            da = dh * (1 - h * h)
            self.dW += hx.T @ da
            self.db += da.sum(0)
            back = da @ self.W.T
            dh = back[:, :units]
            dx.append(back[:, units:])
        return np.stack(dx[::-1], 1)


def lstm_forward(params, x):
    h = c = np.zeros((len(x), len(params["b_i"])))
    kept = []
    for t in range(x.shape[1]):
        i, f, g, o = (x[:, t] @ params[f"W_{k}"].T + h @ params[f"U_{k}"].T + params[f"b_{k}"] for k in "ifgo")
        i, f, g, o = sig(i), sig(f), np.tanh(g), sig(o)
        kept.append((x[:, t], h, c, i, f, g, o))
        c = f * c + i * g
        h = o * np.tanh(c)
    return h, kept


def lstm_backward(params, cache, dy):
    grads = {f"{p}_{k}": 0 for k in "ifgo" for p in "WUb"}
    dh, dc, dx = dy, 0, []
    for x, h, c, i, f, g, o in reversed(cache):
        tc = np.tanh(f * c + i * g)
        dc = dc + dh * o * (1 - tc**2)
        d = {"i": dc * g * i * (1 - i), "f": dc * c * f * (1 - f), "g": dc * i * (1 - g**2), "o": dh * tc * o * (1 - o)}
        for k in d:
            grads[f"W_{k}"] = grads[f"W_{k}"] + d[k].T @ x
            grads[f"U_{k}"] = grads[f"U_{k}"] + d[k].T @ h
            grads[f"b_{k}"] = grads[f"b_{k}"] + d[k].sum(0)
        dx.append(sum(d[k] @ params[f"W_{k}"] for k in d))
        dh, dc = sum(d[k] @ params[f"U_{k}"] for k in d), dc * f
    return np.stack(dx[::-1], 1), grads
