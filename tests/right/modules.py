"""Right, in PyTorch: modules, functions of autograd, losses, optimizers, schedulers."""

import math

import torch
import torch.nn.functional as F
from torch import nn


class Linear(nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        nn.init.kaiming_uniform_(self.weight)
        if bias:
            self.bias = nn.Parameter(torch.zeros(out_features))
        else:
            self.register_parameter("bias", None)

    def forward(self, x):
        return F.linear(x, self.weight, self.bias)


class Linear2(nn.Module):
    def __init__(self, d_in, d_out):
        super().__init__()
        self.A = nn.Parameter(torch.randn(d_in, d_out))
        self.c = nn.Parameter(torch.randn(d_out))

    def forward(self, inputs):
        return torch.einsum("bi,io->bo", inputs, self.A) + self.c


class Linear3(nn.Module):
    def __init__(self, *, in_dim, out_dim):
        super().__init__()
        self.lin = nn.Linear(in_dim, out_dim, bias=False)
        self.b = nn.Parameter(torch.zeros(1, out_dim))

    def forward(self, x):
        return self.lin(x) + self.b


class LinF(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w, b):
        ctx.save_for_backward(x, w)
        return x @ w + b

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        return dy @ w.T, x.T @ dy, dy.sum(0)


class LinModF(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.w = nn.Parameter(torch.randn(i, o))
        self.b = nn.Parameter(torch.zeros(o))

    def forward(self, x):
        return LinF.apply(x, self.w, self.b)


class LazyLin(nn.Module):
    def __init__(self, out_features):
        super().__init__()
        self.fc = nn.LazyLinear(out_features)

    def forward(self, x):
        return self.fc(x)


def make(in_features, out_features):
    return nn.Linear(in_features, out_features)


def torch_dense(params, x):
    return x @ params["weight"].T + params["bias"]


def torch_dense2(x, w, b):
    return torch.matmul(x, w.t()).add(b)


class LinManual:
    """stateful class on tensors with manual backward"""

    def __init__(self, n_in, n_out):
        self.W = torch.randn(n_in, n_out)
        self.b = torch.zeros(n_out)

    def forward(self, x):
        self.x = x
        return torch.mm(x, self.W) + self.b

    def backward(self, dout):
        self.dW = self.x.t().mm(dout)
        self.db = dout.sum(dim=0)
        return dout.mm(self.W.t())


def lt_forward(x, w, b):
    return x.mm(w) + b, (x, w)


def lt_backward(dout, cache):
    x, w = cache
    return dout.mm(w.t()), x.t().mm(dout), dout.sum(dim=0)


class ReLU(nn.Module):
    def forward(self, x):
        return torch.clamp(x, min=0)


class ReLU2(nn.Module):
    def forward(self, x):
        return torch.where(x > 0, x, torch.zeros_like(x))


class Leaky(nn.Module):
    def __init__(self, negative_slope):
        super().__init__()
        self.s = negative_slope

    def forward(self, x):
        return torch.where(x > 0, x, self.s * x)


def leaky(x, negative_slope):
    return F.leaky_relu(x, negative_slope)


class Elu(nn.Module):
    def __init__(self, alpha=1.0):
        super().__init__()
        self.alpha = alpha

    def forward(self, x):
        return torch.where(x > 0, x, self.alpha * (torch.exp(torch.clamp(x, max=0)) - 1))


class Swish(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(x)


class Sig(nn.Module):
    def forward(self, x):
        return 1 / (1 + torch.exp(-x))


class Tanh(nn.Module):
    def forward(self, x):
        return 2 * torch.sigmoid(2 * x) - 1


class Soft(nn.Module):
    def forward(self, x):
        z = x - x.max(dim=-1, keepdim=True).values
        return z.exp() / z.exp().sum(-1, keepdim=True)


class GeluT(nn.Module):
    def forward(self, x):
        return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


class PRelu(nn.Module):
    def __init__(self, num_parameters=1):
        super().__init__()
        self.a = nn.Parameter(torch.full((num_parameters,), 0.25))

    def forward(self, x):
        return torch.relu(x) - self.a.view(1, -1, *[1] * (x.dim() - 2)) * torch.relu(-x)


class Drop(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training:
            return x
        return x * (torch.rand_like(x) > self.p) / (1 - self.p)


def torch_dropout(x, p, training):
    return F.dropout(x, p, training)


class Flat(nn.Module):
    def forward(self, x):
        return x.flatten(1)


class Conv(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding)

    def forward(self, x):
        return self.conv(x)


class ConvUnfold(nn.Module):
    def __init__(self, cin, cout, k, s=1, p=0):
        super().__init__()
        self.k, self.s, self.p = k, s, p
        self.W = nn.Parameter(torch.randn(cout, cin, k, k))
        self.b = nn.Parameter(torch.zeros(cout))

    def forward(self, x):
        cols = F.unfold(x, self.k, stride=self.s, padding=self.p)
        oh = (x.shape[2] + 2 * self.p - self.k) // self.s + 1
        return (self.W.flatten(1) @ cols + self.b[:, None]).view(len(x), -1, oh, cols.shape[-1] // oh)


class MaxP(nn.Module):
    def __init__(self, kernel_size, stride=None):
        super().__init__()
        self.k, self.s = kernel_size, stride or kernel_size

    def forward(self, x):
        u = x.unfold(2, self.k, self.s).unfold(3, self.k, self.s)
        return u.flatten(-2).max(-1).values


class AvgP(nn.Module):
    def __init__(self, kernel_size, stride=None, padding=0):
        super().__init__()
        self.a = (kernel_size, stride, padding)

    def forward(self, x):
        return F.avg_pool2d(x, *self.a)


class Gap(nn.Module):
    def forward(self, x):
        return F.adaptive_avg_pool2d(x, 1).flatten(1)


class BN(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(num_features))
        self.beta = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.eps, self.momentum = eps, momentum

    def forward(self, x):
        if self.training:
            mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
            n = x.numel() / x.size(1)
            with torch.no_grad():
                self.running_mean.mul_(1 - self.momentum).add_(self.momentum * mean)
                self.running_var.mul_(1 - self.momentum).add_(self.momentum * var * n / (n - 1))
        else:
            mean, var = self.running_mean, self.running_var
        v = lambda t: t[None, :, None, None]
        return v(self.gamma) * (x - v(mean)) / torch.sqrt(v(var) + self.eps) + v(self.beta)


class BNw(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.bn = nn.BatchNorm2d(c)

    def forward(self, x):
        return self.bn(x)


class BN1(nn.Module):
    def __init__(self, num_features):
        super().__init__()
        self.m = nn.BatchNorm1d(num_features)

    def forward(self, x):
        return self.m(x)


class LN(nn.Module):
    def __init__(self, normalized_shape, eps=1e-5):
        super().__init__()
        self.w = nn.Parameter(torch.ones(normalized_shape))
        self.b = nn.Parameter(torch.zeros(normalized_shape))
        self.eps = eps

    def forward(self, x):
        m = x.mean(-1, keepdim=True)
        return (x - m) * torch.rsqrt(((x - m) ** 2).mean(-1, keepdim=True) + self.eps) * self.w + self.b


class GN(nn.Module):
    def __init__(self, num_groups, num_channels, eps=1e-5):
        super().__init__()
        self.g = num_groups
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(1, num_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(1, num_channels, 1, 1))

    def forward(self, x):
        N, C, H, W = x.shape
        x = x.view(N, self.g, -1)
        x = (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, keepdim=True, correction=0) + self.eps)
        return x.view(N, C, H, W) * self.weight + self.bias


class RNNw(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.rnn = nn.RNN(input_size, hidden_size, batch_first=True)

    def forward(self, x):
        return self.rnn(x)[0][:, -1]


class RNNc(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.i2h = nn.Linear(input_size, hidden_size)
        self.h2h = nn.Linear(hidden_size, hidden_size)
        self.hidden_size = hidden_size

    def forward(self, x):
        h = x.new_zeros(x.size(0), self.hidden_size)
        for t in range(x.size(1)):
            h = torch.tanh(self.i2h(x[:, t]) + self.h2h(h))
        return h


class RNNone(nn.Module):
    """one linear over [x, h]"""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.W = nn.Linear(input_size + hidden_size, hidden_size)
        self.H = hidden_size

    def forward(self, x):
        h = x.new_zeros(x.size(0), self.H)
        for t in range(x.size(1)):
            h = torch.tanh(self.W(torch.cat([x[:, t], h], 1)))
        return h


class LSTMw(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.lstm = nn.LSTM(input_size, hidden_size, batch_first=True)

    def forward(self, x):
        out, (h, c) = self.lstm(x)
        return h[-1]


class LSTMGates(nn.Module):
    """a matrix per gate, as in the UvA assignment"""

    def __init__(self, input_dim, hidden_dim):
        super().__init__()
        for g in "gifo":
            setattr(self, f"W_{g}x", nn.Parameter(torch.zeros(hidden_dim, input_dim)))
            setattr(self, f"W_{g}h", nn.Parameter(torch.zeros(hidden_dim, hidden_dim)))
            setattr(self, f"b_{g}", nn.Parameter(torch.zeros(hidden_dim)))
        self.H = hidden_dim

    def forward(self, x):
        h = c = x.new_zeros(len(x), self.H)
        for t in range(x.shape[1]):
            xt = x[:, t]
            g = torch.tanh(xt @ self.W_gx.T + h @ self.W_gh.T + self.b_g)
            i = torch.sigmoid(xt @ self.W_ix.T + h @ self.W_ih.T + self.b_i)
            f = torch.sigmoid(xt @ self.W_fx.T + h @ self.W_fh.T + self.b_f)
            o = torch.sigmoid(xt @ self.W_ox.T + h @ self.W_oh.T + self.b_o)
            c = g * i + c * f
            h = torch.tanh(c) * o
        return h


class LSTMLin(nn.Module):
    """Linear layers per gate"""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.xi, self.hi = nn.Linear(input_size, hidden_size), nn.Linear(hidden_size, hidden_size)
        self.xf, self.hf = nn.Linear(input_size, hidden_size), nn.Linear(hidden_size, hidden_size)
        self.xg, self.hg = nn.Linear(input_size, hidden_size), nn.Linear(hidden_size, hidden_size)
        self.xo, self.ho = nn.Linear(input_size, hidden_size), nn.Linear(hidden_size, hidden_size)

    def forward(self, x):
        h = c = x.new_zeros(len(x), self.hidden_size)
        for t in range(x.shape[1]):
            i = torch.sigmoid(self.xi(x[:, t]) + self.hi(h))
            f = torch.sigmoid(self.xf(x[:, t]) + self.hf(h))
            g = torch.tanh(self.xg(x[:, t]) + self.hg(h))
            o = torch.sigmoid(self.xo(x[:, t]) + self.ho(h))
            c = f * c + i * g
            h = o * torch.tanh(c)
        return h


class GRUw(nn.Module):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.gru = nn.GRU(input_size, hidden_size, batch_first=True)

    def forward(self, x):
        return self.gru(x)[1][0]


class Emb(nn.Module):
    def __init__(self, num_embeddings, embedding_dim):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(num_embeddings, embedding_dim))

    def forward(self, x):
        return F.embedding(x, self.weight)


class Emb2(nn.Module):
    def __init__(self, num_embeddings, embedding_dim):
        super().__init__()
        self.table = nn.Parameter(torch.randn(num_embeddings, embedding_dim))

    def forward(self, x):
        return F.one_hot(x, len(self.table)).to(self.table.dtype) @ self.table


class Entities(nn.Module):
    def __init__(self, num_embeddings, embedding_dims):
        super().__init__()
        self.emb0, self.emb1 = (nn.Embedding(n, u) for n, u in zip(num_embeddings, embedding_dims))

    def forward(self, x):
        return torch.cat([self.emb0(x[:, 0].long()), self.emb1(x[:, 1].long()), x[:, 2:]], 1)


class ReLUF(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = x.clamp(min=0)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return dy * (y > 0).to(dy.dtype)


class SigF(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        s = torch.sigmoid(z)
        ctx.s = s
        return s

    @staticmethod
    def backward(ctx, g):
        return g * ctx.s * (1 - ctx.s)


class BNF(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, gamma, beta, eps=1e-5):
        mu, var = x.mean(0), x.var(0, unbiased=False)
        inv = (var + eps).rsqrt()
        xh = (x - mu) * inv
        ctx.save_for_backward(gamma, inv, xh)
        return gamma * xh + beta

    @staticmethod
    def backward(ctx, g):
        gamma, inv, xh = ctx.saved_tensors
        N = g.shape[0]
        dxh = g * gamma
        return inv / N * (N * dxh - dxh.sum(0) - xh * (dxh * xh).sum(0)), (g * xh).sum(0), g.sum(0), None


class ConvF(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, stride, padding):
        ctx.save_for_backward(x, weight)
        ctx.s, ctx.p = stride, padding
        return F.conv2d(x, weight, bias, stride, padding)

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        return (
            torch.nn.grad.conv2d_input(x.shape, w, g, ctx.s, ctx.p),
            torch.nn.grad.conv2d_weight(x, w.shape, g, ctx.s, ctx.p),
            g.sum((0, 2, 3)),
            None,
            None,
        )


# losses
def ce(logits, target):
    return F.nll_loss(F.log_softmax(logits, 1), target)


class CE(nn.Module):
    def __init__(self, reduction="mean", label_smoothing=0.0):
        super().__init__()
        self.r, self.ls = reduction, label_smoothing

    def forward(self, input, target):
        lp = input - input.logsumexp(1, keepdim=True)
        q = F.one_hot(target, input.shape[1]).to(input.dtype) * (1 - self.ls) + self.ls / input.shape[1]
        l = -(q * lp).sum(1)
        return l.mean() if self.r == "mean" else l.sum()


class CEF(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z, t):
        p = z.softmax(1)
        ctx.save_for_backward(p, t)
        return -torch.log_softmax(z, 1)[torch.arange(len(t)), t].mean()

    @staticmethod
    def backward(ctx, g):
        p, t = ctx.saved_tensors
        d = p.clone()
        d[torch.arange(len(t)), t] -= 1
        return g * d / len(t), None


def mse_t(pred, target):
    return ((pred - target) ** 2).mean()


class MSE(nn.Module):
    def forward(self, y_pred, y_true):
        return F.mse_loss(y_pred, y_true)


# optimizers
class SGDt(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1, momentum=0.0, weight_decay=0.0, nesterov=False):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov))

    @torch.no_grad()
    def step(self):
        for g in self.param_groups:
            for p in g["params"]:
                d = p.grad + g["weight_decay"] * p
                s = self.state[p]
                if g["momentum"]:
                    s["v"] = s["v"] * g["momentum"] + d if "v" in s else d.clone()
                    d = d + g["momentum"] * s["v"] if g["nesterov"] else s["v"]
                p.add_(d, alpha=-g["lr"])


class AdamPlain:
    """a class over tensors with .grad"""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        self.params = list(params)
        self.lr, self.betas, self.eps = lr, betas, eps
        self.m = [torch.zeros_like(p) for p in self.params]
        self.v = [torch.zeros_like(p) for p in self.params]
        self.t = 0

    def zero_grad(self):
        for p in self.params:
            p.grad = None

    @torch.no_grad()
    def step(self):
        self.t += 1
        for p, m, v in zip(self.params, self.m, self.v):
            g = p.grad
            m.mul_(self.betas[0]).add_(g, alpha=1 - self.betas[0])
            v.mul_(self.betas[1]).addcmul_(g, g, value=1 - self.betas[1])
            mh, vh = m / (1 - self.betas[0] ** self.t), v / (1 - self.betas[1] ** self.t)
            p -= self.lr * mh / (vh.sqrt() + self.eps)


class MyStep(torch.optim.lr_scheduler.LRScheduler):
    def __init__(self, optimizer, step_size, gamma=0.1, last_epoch=-1):
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [b * self.gamma ** (self.last_epoch // self.step_size) for b in self.base_lrs]


class MyCos(torch.optim.lr_scheduler.LRScheduler):
    def __init__(self, optimizer, T_max, eta_min=0.0, last_epoch=-1):
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [
            self.eta_min + (b - self.eta_min) * (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
            for b in self.base_lrs
        ]


class Warm(torch.optim.lr_scheduler.LambdaLR):
    def __init__(self, optimizer, start_factor, end_factor, total_iters):
        super().__init__(
            optimizer, lambda k: start_factor + (end_factor - start_factor) * min(k, total_iters) / total_iters
        )


def clip_t(parameters, max_norm):
    total = torch.norm(torch.stack([torch.norm(p.grad) for p in parameters]))
    c = max_norm / (total + 1e-6)
    if c < 1:
        for p in parameters:
            p.grad.mul_(c)
