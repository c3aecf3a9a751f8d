"""Small public architectures in their usual PyTorch form, at tiny widths: what people will bring to `twofold adopt`.

Each is written as its source has it (classes with functional calls, `view` with computed sizes, hidden states made in
`forward`, nested `nn.Sequential`), with channels cut so that fifty of them are proved in seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812


class Architecture(NamedTuple):
    """A module, a sample, and what becomes of it."""

    name: str
    build: Callable[[], nn.Module]
    sample: Callable[[], Tensor]
    refused: str = ""
    """A part of the refusal; empty where the module is adopted."""


def images(channels: int, size: int) -> Callable[[], Tensor]:
    return lambda: torch.randn(4, channels, size, size)


def vectors(features: int) -> Callable[[], Tensor]:
    return lambda: torch.randn(4, features)


def sequences(steps: int, features: int) -> Callable[[], Tensor]:
    return lambda: torch.randn(4, steps, features)


def tokens(steps: int, count: int) -> Callable[[], Tensor]:
    return lambda: torch.randint(count, (4, steps))


class LeNet5(nn.Module):
    """LeCun et al. (1998), in the form of PyTorch's 60-minute tutorial."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 8, 5)
        self.fc1 = nn.Linear(8 * 5 * 5, 24)
        self.fc2 = nn.Linear(24, 16)
        self.fc3 = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), (2, 2))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(-1, self.num_flat_features(x))
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)

    def num_flat_features(self, x: Tensor) -> int:
        features = 1
        for size in x.size()[1:]:
            features *= size
        return features


class LeNet1998(nn.Module):
    """The original's average poolings and tanh."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 4, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(4, 6, 5), nn.Tanh(), nn.AvgPool2d(2)
        )
        self.classifier = nn.Sequential(nn.Linear(6 * 5 * 5, 20), nn.Tanh(), nn.Linear(20, 10))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.features(x), 1))


class MnistExample(nn.Module):
    """pytorch/examples/mnist: dropout and log-softmax."""

    def __init__(self, dropout: type[nn.Module] = nn.Dropout) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, 1)
        self.conv2 = nn.Conv2d(4, 6, 3, 1)
        self.dropout1 = dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(6 * 5 * 5, 12)
        self.fc2 = nn.Linear(12, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.max_pool2d(x, 2)
        x = self.dropout1(x)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = self.dropout2(x)
        return F.log_softmax(self.fc2(x), dim=1)


class MnistFunctionalDropout(nn.Module):
    """The older form of the same example: F.dropout with self.training, sizes by hand."""

    def __init__(self, told: bool = True) -> None:
        super().__init__()
        self.told = told
        self.conv1 = nn.Conv2d(1, 4, kernel_size=5)
        self.conv2 = nn.Conv2d(4, 5, kernel_size=5)
        self.fc1 = nn.Linear(80, 12)
        self.fc2 = nn.Linear(12, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2(x), 2))
        x = x.view(-1, 80)
        x = F.relu(self.fc1(x))
        x = F.dropout(x, training=self.training) if self.told else F.dropout(x)
        return F.log_softmax(self.fc2(x), dim=-1)


class Vgg(nn.Module):
    """Simonyan & Zisserman (2014), built of a list as torchvision builds it."""

    def __init__(self, plan: list[int | str], batch_norm: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width in plan:
            if isinstance(width, str):
                layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
                continue
            layers.append(nn.Conv2d(channels, width, kernel_size=3, padding=1))
            layers += [nn.BatchNorm2d(width)] if batch_norm else []
            layers.append(nn.ReLU(inplace=True))
            channels = width
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.classifier = nn.Sequential(
            nn.Linear(channels, 16),
            nn.ReLU(True),
            nn.Dropout(p=0.5),
            nn.Linear(16, 16),
            nn.ReLU(True),
            nn.Dropout(),
            nn.Linear(16, 10),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        x = self.avgpool(x)
        x = torch.flatten(x, 1)
        return self.classifier(x)


VGG11: list[int | str] = [2, "M", 3, "M", 4, 4, "M", 4, 4, "M", 4, 4, "M"]


class AlexNet(nn.Module):
    """Krizhevsky et al. (2012) as in torchvision, strides and overlapping poolings kept."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 4, kernel_size=11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(4, 6, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(6, 6, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(6, 8), nn.ReLU(inplace=True), nn.Linear(8, 10))

    def forward(self, x: Tensor) -> Tensor:
        x = self.avgpool(self.features(x))
        return self.classifier(x.flatten(1))


def mlp(*sizes: int, activation: type[nn.Module] = nn.ReLU, norm: bool = False, p: float = 0.0) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, units in pairwise(sizes[:-1]):
        layers.append(nn.Linear(inputs, units, bias=not norm))
        layers += [nn.BatchNorm1d(units)] if norm else []
        layers.append(activation())
        layers += [nn.Dropout(p)] if p else []
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


class Mlp784(nn.Module):
    """The MNIST perceptron of a hundred courses: x.view(x.size(0), -1)."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(64, 16)
        self.fc2 = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = x.view(x.size(0), -1)
        x = torch.sigmoid(self.fc1(x))
        return self.fc2(x)


class CifarQuick(nn.Module):
    """Krizhevsky's cuda-convnet "quick" network in Caffe's form, with pooling by three in steps of two."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 5, padding=2)
        self.conv2 = nn.Conv2d(4, 4, 5, padding=2)
        self.conv3 = nn.Conv2d(4, 6, 5, padding=2)
        self.fc1 = nn.Linear(6 * 4 * 4, 8)
        self.fc2 = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(F.max_pool2d(self.conv1(x), 3, stride=2, ceil_mode=True))
        x = F.avg_pool2d(F.relu(self.conv2(x)), 3, 2, padding=1, count_include_pad=False)
        x = F.avg_pool2d(F.relu(self.conv3(x)), kernel_size=3, stride=2, padding=1)
        x = x.reshape(x.shape[0], -1)
        return self.fc2(self.fc1(x))


class NetworkInNetwork(nn.Module):
    """Lin et al. (2013): windows of one pixel, a mean over the plane in place of dense layers."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 6, 5, padding=2), nn.ReLU(inplace=True), nn.Conv2d(6, 5, 1), nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1), nn.Dropout(0.5),
            nn.Conv2d(5, 6, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(6, 10, 1), nn.ReLU(inplace=True),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        x = self.net(x)
        x = F.avg_pool2d(x, x.size()[2:])
        return x.view(x.size(0), 10)


class AllConvolutional(nn.Module):
    """Springenberg et al. (2014): strides in place of pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Dropout(0.2), nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(),
            nn.Conv2d(4, 4, 3, stride=2, padding=1), nn.ReLU(),
            nn.Dropout(0.5), nn.Conv2d(4, 6, 3, stride=2), nn.ReLU(), nn.Conv2d(6, 10, 1), nn.ReLU(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.features(x).mean([2, 3])


class DilatedContext(nn.Module):
    """Yu & Koltun (2015): windows that spread, then a mean over the plane."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding="same"), nn.ELU(), nn.Conv2d(4, 4, 3, padding=2, dilation=2), nn.ELU(),
            nn.Conv2d(4, 4, 3, padding=4, dilation=4), nn.ELU(alpha=0.7),
        )  # fmt: skip
        self.head = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.mean(self.body(x), dim=(2, 3)))


def mobile() -> nn.Module:
    """The depthwise separable block of MobileNet (Howard et al., 2017)."""

    def block(inputs: int, outputs: int, stride: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False), nn.BatchNorm2d(inputs), nn.ReLU(True),
            nn.Conv2d(inputs, outputs, 1, 1, 0, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True),
        )  # fmt: skip

    return nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True), block(4, 6, 1), block(6, 8, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10),
    )  # fmt: skip


class ClassicRnn(nn.Module):
    """A sequence's class of the last state, with a hidden state of zeros made in forward."""

    def __init__(self, kind: type[nn.RNNBase] = nn.RNN, layers: int = 1, **options: object) -> None:
        super().__init__()
        self.hidden_size = 6
        self.num_layers = layers
        self.rnn = kind(3, 6, layers, batch_first=True, **options)  # pyright: ignore
        self.fc = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        h0 = torch.zeros(self.num_layers, x.size(0), self.hidden_size, dtype=x.dtype, device=x.device)
        state = (h0, torch.zeros_like(h0)) if isinstance(self.rnn, nn.LSTM) else h0
        out, _ = self.rnn(x, state)
        return self.fc(out[:, -1, :])


class LastHidden(nn.Module):
    """The last state by the second thing that an LSTM gives."""

    def __init__(self, layers: int = 1) -> None:
        super().__init__()
        self.embed = nn.Embedding(12, 5)
        self.lstm = nn.LSTM(5, 6, layers, batch_first=True)
        self.drop = nn.Dropout(0.3)
        self.out = nn.Linear(6, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        _, (h, _) = self.lstm(self.embed(tokens))
        return self.out(self.drop(h[-1]))


class CharRnn(nn.Module):
    """Karpathy's char-rnn for the next character: embedding, two recurrent layers, the last step."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Embedding(20, 6)
        self.rnn = nn.GRU(6, 8, 2, batch_first=True)
        self.decoder = nn.Linear(8, 20)

    def forward(self, text: Tensor) -> Tensor:
        output, _ = self.rnn(self.encoder(text))
        return self.decoder(output[:, -1])


class Tagger(nn.Module):
    """A GRU over every step, then dense layers at each, and the last step's tag."""

    def __init__(self, every: bool = False) -> None:
        super().__init__()
        self.every = every
        self.gru = nn.GRU(4, 6, batch_first=True)
        self.tag = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        states, last = self.gru(x)
        return self.tag(states) if self.every else self.tag(last.squeeze(0))


class RowLstm(nn.Module):
    """MNIST row by row: an image is a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 6, batch_first=True)
        self.fc = nn.Linear(6, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = x.view(-1, 8, 8)
        out, _ = self.lstm(x)
        return self.fc(out[:, -1, :])


class M5(nn.Module):
    """Dai et al. (2016): raw audio through convolutions along time."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(1, 4, 80, stride=16)
        self.bn1 = nn.BatchNorm1d(4)
        self.pool1 = nn.MaxPool1d(4)
        self.fc1 = nn.Linear(4, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool1(F.relu(self.bn1(self.conv1(x))))
        x = F.avg_pool1d(x, x.shape[-1]).permute(0, 2, 1)
        return F.log_softmax(self.fc1(x), dim=2)


class M5Plane(nn.Module):
    """The same with audio as a plane of height one."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, (1, 40), stride=(1, 8))
        self.bn1 = nn.BatchNorm2d(4)
        self.pool1 = nn.MaxPool2d((1, 4))
        self.conv2 = nn.Conv2d(4, 6, (1, 3))
        self.fc1 = nn.Linear(6, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool1(F.relu(self.bn1(self.conv1(x))))
        x = F.relu(self.conv2(x))
        x = F.avg_pool2d(x, (1, x.shape[-1]))
        return F.log_softmax(self.fc1(x.squeeze(3).squeeze(2)), dim=1)


class Residual(nn.Module):
    """He et al. (2015): the basic block."""

    def __init__(self, concatenate: bool = False) -> None:
        super().__init__()
        self.concatenate = concatenate
        self.conv1 = nn.Conv2d(3, 3, 3, padding=1)
        self.conv2 = nn.Conv2d(3, 3, 3, padding=1)
        self.fc = nn.Linear(6 if concatenate else 3, 10)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.conv1(x))
        z = torch.cat([y, self.conv2(y)], 1) if self.concatenate else F.relu(y + self.conv2(y))
        return self.fc(z.mean((2, 3)))


class TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(4, 8)
        self.a = nn.Linear(8, 3)
        self.b = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.tanh(self.body(x))
        return self.a(x), self.b(x)


class Tied(nn.Module):
    """A layer used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(torch.relu(self.layer(x)))


class Deciding(nn.Module):
    """A path that the values choose."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        if x.sum() > 0:
            x = torch.relu(x)
        return self.fc(x)


class PatchTransformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.fc = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.layer(x).mean(1))


class Unused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 3)
        self.spare = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x)


class Mixer(nn.Sequential):
    """Normalization over features, GELU in both forms, SiLU."""

    def __init__(self) -> None:
        super().__init__(
            nn.Linear(6, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 8), nn.GELU("tanh"), nn.Linear(8, 7), nn.SiLU(),
            nn.Linear(7, 4), nn.Softmax(dim=1),
        )  # fmt: skip


class GroupNormNet(nn.Sequential):
    """Wu & He (2018): normalization that needs no batch, and learned slopes (He et al., 2015)."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 6, 3, padding=1), nn.GroupNorm(3, 6), nn.PReLU(), nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3), nn.GroupNorm(2, 8, eps=1e-4), nn.PReLU(8), nn.Flatten(), nn.Linear(8 * 2 * 2, 5),
        )  # fmt: skip


class EntityEmbeddings(nn.Module):
    """Guo & Berkhahn (2016): a table for each category's code, the numbers beside."""

    def __init__(self, numbers: int = 3, turned: bool = False) -> None:
        super().__init__()
        self.numbers, self.turned = numbers, turned
        self.tables = nn.ModuleList(nn.Embedding(*size) for size in ((7, 3), (5, 2)))
        self.hidden = nn.Linear(5 + numbers, 4)
        self.out = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        vectors = [table(x[:, column].long()) for column, table in enumerate(self.tables)]
        numbers = [x[:, 2:]] if self.numbers else []
        parts = [*numbers, *vectors] if self.turned else [*vectors, *numbers]
        return self.out(F.relu(self.hidden(torch.cat(parts, dim=1))))


def rows(numbers: int) -> Callable[[], Tensor]:
    """Two codes, and numbers behind them."""
    return lambda: torch.cat([torch.randint(5, (4, 2)).float(), torch.randn(4, numbers)], dim=1)


def frozen() -> nn.Module:
    model = mlp(4, 5, 3)
    model[0].weight.requires_grad_(False)  # pyright: ignore
    return model


ARCHITECTURES = [
    Architecture("lenet-5 of the tutorial", LeNet5, images(1, 32)),
    Architecture("lenet of 1998", LeNet1998, images(1, 28)),
    Architecture("pytorch's mnist example", MnistExample, images(1, 14)),
    Architecture("pytorch's older mnist example", MnistFunctionalDropout, images(1, 28)),
    Architecture("vgg-11", lambda: Vgg(VGG11, False), images(3, 32)),
    Architecture("vgg-11 with batch norm", lambda: Vgg(VGG11, True), images(3, 32)),
    Architecture("alexnet", AlexNet, images(3, 67)),
    Architecture("perceptron", lambda: mlp(8, 6, 3), vectors(8)),
    Architecture("perceptron of the mnist courses", Mlp784, images(1, 8)),
    Architecture("perceptron with batch norm", lambda: mlp(8, 7, 6, 3, norm=True), vectors(8)),
    Architecture("perceptron with batch norm and dropout", lambda: mlp(8, 7, 6, 3, norm=True, p=0.3), vectors(8)),
    Architecture("perceptron with dropout", lambda: mlp(8, 7, 3, p=0.5), vectors(8)),
    Architecture("playground: tanh, 4-2", lambda: mlp(2, 4, 2, 2, activation=nn.Tanh), vectors(2)),
    Architecture("playground: relu, 8-8-8", lambda: mlp(2, 8, 8, 8, 2), vectors(2)),
    Architecture("playground: sigmoid, 3", lambda: mlp(2, 3, 2, activation=nn.Sigmoid), vectors(2)),
    Architecture("logistic regression", lambda: nn.Sequential(nn.Linear(5, 3), nn.LogSoftmax(dim=-1)), vectors(5)),
    Architecture("deep and leaky", lambda: mlp(4, 6, 6, 6, 3, activation=nn.LeakyReLU), vectors(4)),
    Architecture("gelu, silu, layer norm, softmax", Mixer, vectors(6)),
    Architecture("cifar quick", CifarQuick, images(3, 32)),
    Architecture("network in network", NetworkInNetwork, images(3, 16)),
    Architecture("all convolutional", AllConvolutional, images(3, 12)),
    Architecture("dilated context", DilatedContext, images(1, 12)),
    Architecture("mobilenet's blocks", mobile, images(3, 16)),
    Architecture("group norm and prelu", GroupNormNet, images(3, 8)),
    Architecture("m5 on a plane", M5Plane, lambda: torch.randn(4, 1, 1, 320)),
    Architecture("elman", ClassicRnn, sequences(5, 3)),
    Architecture("elman with relu", lambda: ClassicRnn(nonlinearity="relu"), sequences(5, 3)),
    Architecture("lstm classifier", lambda: ClassicRnn(nn.LSTM), sequences(5, 3)),
    Architecture("stacked lstm", lambda: ClassicRnn(nn.LSTM, 3), sequences(4, 3)),
    Architecture("gru without bias", lambda: ClassicRnn(nn.GRU, bias=False), sequences(5, 3)),
    Architecture("lstm sentiment", LastHidden, tokens(6, 12)),
    Architecture("two-layer lstm, last hidden", lambda: LastHidden(2), tokens(6, 12)),
    Architecture("char-rnn", CharRnn, tokens(7, 20)),
    Architecture("entity embeddings", EntityEmbeddings, rows(3)),
    Architecture("entity embeddings of codes alone", lambda: EntityEmbeddings(0), rows(0)),
    Architecture("gru tagger's last step", Tagger, sequences(6, 4)),
    Architecture("mnist row by row", RowLstm, images(1, 8)),
    Architecture("gru tagger, every step", lambda: Tagger(True), sequences(6, 4), "one number a class"),
    Architecture("m5", M5, lambda: torch.randn(4, 1, 640), "`conv1` (Conv1d): no layer of a recipe expresses it"),
    Architecture("residual block", Residual, images(3, 6), "(F.relu): the network branches"),
    Architecture("densely connected block", lambda: Residual(True), images(3, 6), "(F.relu): the network branches"),
    Architecture("two heads", TwoHeads, vectors(4), "the network branches"),
    Architecture("numbers before vectors", lambda: EntityEmbeddings(turned=True), rows(3), "the network branches"),
    Architecture("shared layer", Tied, vectors(4), "`layer` (Linear): it is applied twice"),
    Architecture("data-dependent path", Deciding, vectors(4), "cannot be traced at `"),
    Architecture("transformer encoder", PatchTransformer, sequences(4, 8), "`layer` (TransformerEncoderLayer)"),
    Architecture(
        "bidirectional lstm", lambda: ClassicRnn(nn.LSTM, bidirectional=True), sequences(4, 3), "cannot be traced"
    ),
    Architecture("dropout in evaluation", lambda: MnistFunctionalDropout(False), images(1, 28), "drops in evaluation"),
    Architecture("channel dropout", lambda: MnistExample(nn.Dropout2d), images(1, 14), "`dropout1` (Dropout2d)"),
    Architecture("one output", lambda: mlp(2, 4, 1, activation=nn.Tanh), vectors(2), "last layer and gives one number"),
    Architecture("parameter without a part", Unused, vectors(4), "`spare.weight`: this parameter"),
    Architecture("frozen parameter", frozen, vectors(4), "`0.weight`: it is frozen"),
]
