"""Right, in PyTorch, in further styles: whole modules wrapped, gates in one matrix, buffers put anew."""

import torch
import torch.nn.functional as F
from torch import nn


class MLPLayer(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(n_in, n_out))

    def forward(self, x):
        return self.net(x)


class Par(nn.Module):
    def __init__(self, in_dim, out_dim):
        super().__init__()
        self.params = nn.ParameterDict(
            {"w": nn.Parameter(torch.zeros(in_dim, out_dim)), "b": nn.Parameter(torch.zeros(out_dim))}
        )

    def forward(self, x):
        return x @ self.params["w"] + self.params["b"]


def linear(x, w, b):
    return F.linear(x, w, b)


dense = nn.Linear(5, 3)


class ConvM(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, bias=True):
        super().__init__()
        self.s, self.p = stride, padding
        self.weight = nn.Parameter(torch.zeros(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def forward(self, x):
        x = F.pad(x, [self.p] * 4)
        k = self.weight.shape[-1]
        u = x.unfold(2, k, self.s).unfold(3, k, self.s)
        y = torch.einsum("nchwij,ocij->nohw", u, self.weight)
        return y if self.bias is None else y + self.bias[None, :, None, None]


class AMax(nn.Module):
    def __init__(self, kernel_size, stride=None):
        super().__init__()
        self.k, self.s = kernel_size, stride or kernel_size

    def forward(self, x):
        return x.unfold(2, self.k, self.s).unfold(3, self.k, self.s).amax((-1, -2))


class MaximumReLU(nn.Module):
    def forward(self, x):
        return torch.maximum(x, torch.zeros_like(x))


class AbsReLU(nn.Module):
    def forward(self, x):
        return (x + x.abs()) / 2


class LeakyMax(nn.Module):
    def __init__(self, negative_slope=0.01):
        super().__init__()
        self.a = negative_slope

    def forward(self, x):
        return torch.max(x, self.a * x)


class EluF(nn.Module):
    def __init__(self, alpha=1.0):
        super().__init__()
        self.a = alpha

    def forward(self, x):
        return torch.clamp(x, min=0) + torch.clamp(self.a * (torch.exp(x.clamp(max=30)) - 1), max=0)


class RMSLike(nn.Module):
    """layer norm via var_mean"""

    def __init__(self, d, eps=1e-5):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(d))
        self.beta = nn.Parameter(torch.zeros(d))
        self.eps = eps

    def forward(self, x):
        v, m = torch.var_mean(x, -1, correction=0, keepdim=True)
        return self.gamma * (x - m) / (v + self.eps).sqrt() + self.beta


class BN1d(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.eps, self.momentum = eps, momentum
        self.register_buffer("moving_mean", torch.zeros(num_features))
        self.register_buffer("moving_var", torch.ones(num_features))

    def forward(self, x):
        if self.training:
            m, v = x.mean(0), x.var(0, unbiased=False)
            self.moving_mean = (1 - self.momentum) * self.moving_mean + self.momentum * m.detach()
            self.moving_var = (1 - self.momentum) * self.moving_var + self.momentum * v.detach() * len(x) / (len(x) - 1)
        else:
            m, v = self.moving_mean, self.moving_var
        return (x - m) / torch.sqrt(v + self.eps) * self.weight + self.bias


class GRUC(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell = nn.GRUCell(input_size, hidden_size)
        self.H = hidden_size

    def forward(self, x):
        h = x.new_zeros(len(x), self.H)
        out = []
        for t in range(x.size(1)):
            h = self.cell(x[:, t], h)
            out.append(h)
        return torch.stack(out, 1)


class LSTMBig(nn.Module):
    """one Linear over [x, h] giving all four gates"""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.gates = nn.Linear(input_size + hidden_size, 4 * hidden_size)
        self.H = hidden_size

    def forward(self, x):
        h = c = x.new_zeros(len(x), self.H)
        for t in range(x.size(1)):
            i, f, g, o = self.gates(torch.cat((x[:, t], h), -1)).chunk(4, -1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        return h


class LSTMLinGates(nn.Module):
    """a Linear over [h, x] for each gate"""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.forget_gate = nn.Linear(hidden_size + input_size, hidden_size)
        self.input_gate = nn.Linear(hidden_size + input_size, hidden_size)
        self.cell_gate = nn.Linear(hidden_size + input_size, hidden_size)
        self.output_gate = nn.Linear(hidden_size + input_size, hidden_size)

    def forward(self, x):
        h = c = x.new_zeros(len(x), self.hidden_size)
        for t in range(x.size(1)):
            z = torch.cat([h, x[:, t]], dim=1)
            f, i, o = (torch.sigmoid(l(z)) for l in (self.forget_gate, self.input_gate, self.output_gate))
            c = f * c + i * torch.tanh(self.cell_gate(z))
            h = o * torch.tanh(c)
        return h


class RNNTm(nn.Module):
    """time first"""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.rnn = nn.RNN(input_size, hidden_size)

    def forward(self, x):
        out, h = self.rnn(x)
        return out


class EmbS(nn.Module):
    def __init__(self, vocab_size, d_model):
        super().__init__()
        self.e = nn.Embedding(vocab_size, d_model)

    def forward(self, tokens):
        return self.e(tokens)


class CEManual(nn.Module):
    def forward(self, logits, labels):
        return -(F.log_softmax(logits, -1).gather(1, labels[:, None])).mean()


class SoftFn(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        s = torch.softmax(x, -1)
        ctx.save_for_backward(s)
        return s

    @staticmethod
    def backward(ctx, g):
        (s,) = ctx.saved_tensors
        return s * (g - (g * s).sum(-1, keepdim=True))


class MyRMS(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8):
        super().__init__(params, dict(lr=lr, alpha=alpha, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        for g in self.param_groups:
            for p in g["params"]:
                if p.grad is None:
                    continue
                s = self.state.setdefault(p, {"sq": torch.zeros_like(p)})
                s["sq"].mul_(g["alpha"]).addcmul_(p.grad, p.grad, value=1 - g["alpha"])
                p.addcdiv_(p.grad, s["sq"].sqrt().add_(g["eps"]), value=-g["lr"])


class Exp(
    torch.optim.lr_scheduler._LRScheduler
    if hasattr(torch.optim.lr_scheduler, "_LRScheduler")
    else torch.optim.lr_scheduler.LRScheduler
):
    def __init__(self, optimizer, gamma, last_epoch=-1):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [b * self.gamma**self.last_epoch for b in self.base_lrs]


def make_onecycle(optimizer, max_lr, total_steps):
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=max_lr, total_steps=total_steps, cycle_momentum=False)


def clip_value(grads, max_norm):
    return [g * torch.clamp(max_norm / (torch.sqrt(sum((x**2).sum() for x in grads)) + 1e-6), max=1.0) for g in grads]
