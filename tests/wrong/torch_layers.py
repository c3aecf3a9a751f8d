"""Wrong, in PyTorch: gradients follow the wrong pass."""

import math

import torch
from torch import nn


class NoBias(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(n_out, n_in)), nn.Parameter(torch.zeros(n_out))

    def forward(self, x):
        return x @ self.weight.T


class Detached(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(n_out, n_in)), nn.Parameter(torch.zeros(n_out))

    def forward(self, x):
        return x.detach() @ self.weight.T + self.bias


class UnbiasedLayerNorm(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.ones(d)), nn.Parameter(torch.zeros(d))

    def forward(self, x):
        return self.gamma * (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, keepdim=True) + 1e-5) + self.beta


class EpsOutside(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.ones(d)), nn.Parameter(torch.zeros(d))

    def forward(self, x):
        s = x.std(-1, keepdim=True, unbiased=False)
        return self.gamma * (x - x.mean(-1, keepdim=True)) / (s + 1e-5) + self.beta


class GeluTanh(nn.Module):
    def forward(self, x):
        return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


class GRUKeras(nn.Module):
    """Reset before the product."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        h = hidden_size
        self.weight_ih, self.weight_hh = (
            nn.Parameter(torch.randn(3 * h, input_size)),
            nn.Parameter(torch.randn(3 * h, h)),
        )
        self.bias_ih, self.bias_hh = nn.Parameter(torch.zeros(3 * h)), nn.Parameter(torch.zeros(3 * h))

    def forward(self, x):
        h = x.new_zeros(len(x), self.weight_hh.shape[1])
        Wr, Wz, Wn = self.weight_hh.chunk(3)
        br, bz, bn = self.bias_hh.chunk(3)
        for xt in x.unbind(1):
            ir, iz, n = (xt @ self.weight_ih.T + self.bias_ih).chunk(3, 1)
            r, z = torch.sigmoid(ir + h @ Wr.T + br), torch.sigmoid(iz + h @ Wz.T + bz)
            h = (1 - z) * torch.tanh(n + (r * h) @ Wn.T + bn) + z * h
        return h


class LSTMOrder(nn.Module):
    """Gates i, f, o, g."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.x2h, self.h2h = nn.Linear(input_size, 4 * hidden_size), nn.Linear(hidden_size, 4 * hidden_size)

    def forward(self, x):
        h = c = x.new_zeros(len(x), self.h2h.in_features)
        for xt in x.unbind(1):
            i, f, o, g = (self.x2h(xt) + self.h2h(h)).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return h


class BadReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad):
        return grad


class BadLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w, b):
        ctx.save_for_backward(x, w)
        return x @ w.t() + b

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        return g @ w, g.t() @ x, g.mean(0)


def ce_twice(logits, target):
    return nn.functional.cross_entropy(torch.softmax(logits, 1), target)


def ce_sum(logits, target):
    return nn.functional.cross_entropy(logits, target, reduction="sum")


class AdamL2(torch.optim.Optimizer):
    """AdamW asked for, L2 written."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                s = self.state[p]
                if not s:
                    s.update(t=0, m=torch.zeros_like(p), v=torch.zeros_like(p))
                s["t"] += 1
                b1, b2 = group["betas"]
                g = p.grad + group["weight_decay"] * p
                s["m"] = b1 * s["m"] + (1 - b1) * g
                s["v"] = b2 * s["v"] + (1 - b2) * g**2
                p -= group["lr"] * (s["m"] / (1 - b1 ** s["t"])) / ((s["v"] / (1 - b2 ** s["t"])).sqrt() + group["eps"])
