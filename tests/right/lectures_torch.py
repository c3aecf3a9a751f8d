"""Right, as lecture notes and assignments write it."""

import torch
from torch import nn


def lstm_step(x, h, c, W_ih, W_hh, b_ih, b_hh):
    gates = x @ W_ih.T + b_ih + h @ W_hh.T + b_hh
    i, f, g, o = gates.chunk(4, 1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return (torch.sigmoid(o) * torch.tanh(c), c)


class Adam:
    def __init__(self, params, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-08):
        self.params = list(params)
        self.lr, self.beta1, self.beta2, self.eps = (lr, beta1, beta2, eps)
        self.i = 0
        self.m = [torch.zeros_like(p) for p in self.params]
        self.v = [torch.zeros_like(p) for p in self.params]

    def step(self):
        with torch.no_grad():
            self.i += 1
            for k, p in enumerate(self.params):
                self.m[k] = self.beta1 * self.m[k] + (1 - self.beta1) * p.grad
                self.v[k] = self.beta2 * self.v[k] + (1 - self.beta2) * p.grad**2
                p -= (
                    self.lr
                    * (self.m[k] / (1 - self.beta1**self.i))
                    / ((self.v[k] / (1 - self.beta2**self.i)).sqrt() + self.eps)
                )

    def zero_grad(self):
        for p in self.params:
            p.grad = None


def sgd(params, lr):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad


def cross_entropy(y_hat, y):
    return -torch.log(y_hat[list(range(len(y_hat))), y]).mean()


def batch_norm(X, gamma, beta, moving_mean, moving_var, eps, momentum):
    if not torch.is_grad_enabled():
        X_hat = (X - moving_mean) / torch.sqrt(moving_var + eps)
    else:
        if len(X.shape) == 2:
            mean = X.mean(dim=0)
            var = ((X - mean) ** 2).mean(dim=0)
        else:
            mean = X.mean(dim=(0, 2, 3), keepdim=True)
            var = ((X - mean) ** 2).mean(dim=(0, 2, 3), keepdim=True)
        X_hat = (X - mean) / torch.sqrt(var + eps)
        n = X.numel() / X.shape[1]
        moving_mean = (1.0 - momentum) * moving_mean + momentum * mean
        moving_var = (1.0 - momentum) * moving_var + momentum * var * n / (n - 1)
    return (gamma * X_hat + beta, moving_mean.data, moving_var.data)


class BatchNorm(nn.Module):
    def __init__(self, num_features, num_dims=4):
        super().__init__()
        shape = (1, num_features) if num_dims == 2 else (1, num_features, 1, 1)
        self.gamma = nn.Parameter(torch.ones(shape))
        self.beta = nn.Parameter(torch.zeros(shape))
        self.moving_mean = torch.zeros(shape)
        self.moving_var = torch.ones(shape)

    def forward(self, X):
        if self.moving_mean.device != X.device:
            self.moving_mean = self.moving_mean.to(X.device)
        Y, self.moving_mean, self.moving_var = batch_norm(
            X, self.gamma, self.beta, self.moving_mean, self.moving_var, eps=1e-05, momentum=0.1
        )
        return Y


class Huber(torch.nn.Module):
    def __init__(self, delta):
        super().__init__()
        self.delta = delta

    def forward(self, pred, true):
        r = torch.abs(pred - true)
        return torch.where(r <= self.delta, 0.5 * r * r, self.delta * (r - 0.5 * self.delta)).mean()
