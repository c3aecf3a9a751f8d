"""Wrong, as public repositories and books write it: one mistake each."""

import math

import torch  # noqa: F401
from torch import nn


class Lin(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(o, i))
        self.bias = nn.Parameter(torch.zeros(o))

    def forward(self, x):
        return x.detach() @ self.weight.T + self.bias


class BN(torch.nn.Module):
    def __init__(self, n, eps=1e-05, momentum=0.1):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(n))
        self.bias = torch.nn.Parameter(torch.zeros(n))
        self.eps = eps
        self.momentum = momentum
        self.register_buffer("running_mean", torch.zeros(n))
        self.register_buffer("running_var", torch.ones(n))

    def forward(self, x):
        d = [0, 2, 3] if x.dim() == 4 else [0]
        sh = (1, -1, 1, 1) if x.dim() == 4 else (1, -1)
        if self.training:
            with torch.no_grad():
                m = x.mean(d)
                v = x.var(d, unbiased=False)
                self.running_mean.mul_(1 - self.momentum).add_(self.momentum * m)
                self.running_var.mul_(1 - self.momentum).add_(self.momentum * x.var(d))
        else:
            m, v = (self.running_mean, self.running_var)
        return (x - m.view(sh)) / (v.view(sh) + self.eps).sqrt() * self.weight.view(sh) + self.bias.view(sh)


class LayerNorm(torch.nn.Module):
    def __init__(self, features, eps=1e-05):
        super().__init__()
        self.a_2 = torch.nn.Parameter(torch.ones(features))
        self.b_2 = torch.nn.Parameter(torch.zeros(features))
        self.eps = eps

    def forward(self, x):
        return self.a_2 * (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + self.eps) + self.b_2


class GN(torch.nn.Module):
    def __init__(self, num_groups, num_channels, eps=1e-05):
        super().__init__()
        self.g = num_groups
        self.eps = eps
        self.weight = torch.nn.Parameter(torch.ones(num_channels))
        self.bias = torch.nn.Parameter(torch.zeros(num_channels))

    def forward(self, x):
        n, c, h, w = x.shape
        z = x.view(n, c // self.g, self.g, h, w)
        z = (z - z.mean((1, 3, 4), keepdim=True)) / (z.var((1, 3, 4), keepdim=True, unbiased=False) + self.eps).sqrt()
        return z.view(n, c, h, w) * self.weight[:, None, None] + self.bias[:, None, None]


class RNN(torch.nn.Module):
    def __init__(self, n, h):
        super().__init__()
        self.i = torch.nn.Linear(n, h)
        self.h = torch.nn.Linear(h, h)
        self.n = h

    def forward(self, x):
        s = x.new_zeros(len(x), self.n)
        for t in range(x.shape[1]):
            s = torch.tanh(self.i(x[:, t]) + self.h(s.detach()))
        return s


class GRU(torch.nn.Module):
    def __init__(self, n, h):
        super().__init__()
        self.h = h
        self.W_xr = torch.nn.Parameter(torch.randn(n, h))
        self.W_hr = torch.nn.Parameter(torch.randn(h, h))
        self.b_r = torch.nn.Parameter(torch.zeros(h))
        self.W_xz = torch.nn.Parameter(torch.randn(n, h))
        self.W_hz = torch.nn.Parameter(torch.randn(h, h))
        self.b_z = torch.nn.Parameter(torch.zeros(h))
        self.W_xh = torch.nn.Parameter(torch.randn(n, h))
        self.W_hh = torch.nn.Parameter(torch.randn(h, h))
        self.b_h = torch.nn.Parameter(torch.zeros(h))

    def forward(self, x):
        H = x.new_zeros(len(x), self.h)
        for t in range(x.shape[1]):
            X = x[:, t]
            Z = torch.sigmoid(X @ self.W_xz + H @ self.W_hz + self.b_z)
            R = torch.sigmoid(X @ self.W_xr + H @ self.W_hr + self.b_r)
            Ht = torch.tanh(X @ self.W_xh + R * H @ self.W_hh + self.b_h)
            H = Z * H + (1 - Z) * Ht
        return H


class L(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.where(x > 0, x, 0.2 * x)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        g[x < 0] = 0.2
        return g


def gelu(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.44715 * x**3)))


class D(torch.nn.Module):
    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training:
            return x
        m = (torch.rand_like(x) < self.p).to(x.dtype)
        return m * x / self.p


class M(torch.nn.Module):
    def __init__(self, kernel_size):
        super().__init__()
        self.k = kernel_size

    def forward(self, x):
        return x.unfold(2, self.k, 1).unfold(3, self.k, 1).amax((-1, -2))


class C(torch.nn.Module):
    def __init__(self, cin, cout, k, padding=1):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(cout, cin, k, k))
        self.bias = torch.nn.Parameter(torch.zeros(cout))

    def forward(self, x):
        return torch.nn.functional.conv2d(x, self.weight, self.bias)


class Relu:
    def __call__(self, inp):
        self.inp = inp
        self.out = inp.clamp_min(0.0)
        return self.out

    def backward(self):
        self.inp.g = (self.inp > 0).float()


def bce(z, y):
    p = torch.sigmoid(z).clamp(1e-12, 1 - 1e-12)
    return -(y * torch.log(p) + (1 - y) * torch.log(1 - p)).mean()
