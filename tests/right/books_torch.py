"""Right, as public repositories and books write it."""

import torch  # noqa: F401
import torch.nn as nn


class T:
    pass


class Module:
    def __call__(self, *args):
        self.args = args
        self.out = self.forward(*args)
        return self.out

    def forward(self):
        raise Exception("not implemented")

    def backward(self, g):
        return self.bwd(g, *self.args)


class Lin(Module):
    def __init__(self, w, b):
        self.w, self.b = (w, b)

    def forward(self, inp):
        return inp @ self.w + self.b

    def bwd(self, g, inp):
        self.w_grad = inp.t() @ g
        self.b_grad = g.sum(0)
        return g @ self.w.t()


class GAP(torch.nn.Module):
    def forward(self, x):
        return x.mean(dim=[-2, -1], keepdim=True)


eps = 1e-05


class LayerNorm:
    @staticmethod
    def forward(x, w, b):
        mean = x.sum(-1, keepdim=True) / x.size(-1)
        xshift = x - mean
        var = (xshift**2).sum(-1, keepdim=True) / x.size(-1)
        rstd = (var + eps) ** (-0.5)
        norm = xshift * rstd
        out = norm * w + b
        cache = (x, w, mean, rstd)
        return (out, cache)

    @staticmethod
    def backward(dout, cache):
        x, w, mean, rstd = cache
        norm = (x - mean) * rstd
        db = dout.sum(tuple(range(x.ndim - 1)))
        dw = (dout * norm).sum(tuple(range(x.ndim - 1)))
        dnorm = dout * w
        dx = dnorm - dnorm.mean(-1, keepdim=True) - norm * (dnorm * norm).mean(-1, keepdim=True)
        dx *= rstd
        return (dx, dw, db)


class GN(torch.nn.Module):
    def __init__(self, num_channels, num_groups, eps=1e-05):
        super().__init__()
        self.g = num_groups
        self.eps = eps
        self.weight = torch.nn.Parameter(torch.ones(1, num_channels, 1, 1))
        self.bias = torch.nn.Parameter(torch.zeros(1, num_channels, 1, 1))

    def forward(self, x):
        n, c, h, w = x.shape
        x = x.view(n, self.g, -1)
        mean = x.mean(-1, keepdim=True)
        var = x.var(-1, keepdim=True, unbiased=False)
        x = ((x - mean) / (var + self.eps).sqrt()).view(n, c, h, w)
        return x * self.weight + self.bias


class RNN(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.i2h = nn.Linear(input_size + hidden_size, hidden_size)

    def forward(self, x):
        h = x.new_zeros(x.size(0), self.hidden_size)
        outs = []
        for xt in x.unbind(1):
            h = torch.tanh(self.i2h(torch.cat((xt, h), 1)))
            outs.append(h)
        return (torch.stack(outs, 1), h)


class Relu:
    def __call__(self, inp):
        self.inp = inp
        self.out = inp.clamp_min(0.0)
        return self.out

    def backward(self):
        self.inp.g = (self.inp > 0).float() * self.out.g


class Mse:
    def __call__(self, inp, targ):
        self.inp, self.targ = (inp, targ)
        self.onehot = torch.nn.functional.one_hot(targ.long(), inp.shape[1]).to(inp.dtype) if targ.dim() == 1 else targ
        return (inp - self.onehot).pow(2).mean()

    def backward(self):
        self.inp.g = 2.0 * (self.inp - self.onehot) / self.inp.numel()


def dense(x, W, b):
    return torch.addmm(b, x, W.t())


def gru_cell(x, h, w_ih, w_hh, b_ih, b_hh):
    gi = torch.mm(x, w_ih.t()) + b_ih
    gh = torch.mm(h, w_hh.t()) + b_hh
    ir, iz, inn = gi.chunk(3, 1)
    hr, hz, hn = gh.chunk(3, 1)
    r = torch.sigmoid(ir + hr)
    z = torch.sigmoid(iz + hz)
    n = torch.tanh(inn + r * hn)
    return n + z * (h - n)
