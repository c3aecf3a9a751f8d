"""Convolutional networks: the engines beside the loop that a user of PyTorch would write: speed, memory, accuracy.

    TWOFOLD_DATA=... python benchmarks/images.py

Reduced VGG network on CIFAR-10, batch 128, and LeNet on MNIST, batch 64. The plain loop is float32, images through a
DataLoader (VGG) or slices of a tensor (LeNet), `torch.optim` and nothing else. Each contestant runs in a process of its
own, so that memory is its own; they take turns. The torch engine stands there twice: as it is, and with the settings
of `cifar10-vgg-short`, which on a machine with products of 16 bits are these, and elsewhere minimal filtering. So there
is a page for each kind of machine: without such products, with them, and with units that multiply matrices of 16 bits.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
from timing import apart, elsewhere, publish, ratio, spread, table, tell

VGG, VGG_BN, LENET = "cifar10-vgg", "cifar10-vgg-bn", "mnist-lenet"
BATCH = {VGG: 128, VGG_BN: 128, LENET: 64}
ROUNDS = 3
STEPS = {VGG: 16, LENET: 782}
NUMPY_STEPS = {VGG: 3, LENET: 782}
ACCURACY_STEPS, ACCURACY_RATE = 120, 1e-3
TEST = 2000


def _dataset(recipe: Any) -> Any:
    from twofold.data import load_data

    return load_data(recipe.data).astype("float32")


def _recipe(name: str, **settings: Any) -> Any:
    from twofold.recipe import load_recipe

    return load_recipe(name, {"training.batch_size": BATCH[name], "training.device": "cpu", **settings})


def engine(kind: str, name: str, steps: int, **settings: Any) -> tuple[float, Any, Any]:
    """Seconds a step, the engine and its data. As `twofold run` trains it, without evaluation."""
    from twofold.data import Batches
    from twofold.engine.threads import few_threads
    from twofold.setup.building import initial_state, training_engine

    recipe = _recipe(name, **settings)
    dataset = _dataset(recipe)
    built = training_engine(kind, recipe)
    with few_threads(recipe, len(dataset.train)):
        built.load(initial_state(recipe.model))
        for batch in Batches(recipe, dataset.train, 2):
            built.step(batch)
        built.load(initial_state(recipe.model))
        started = time.perf_counter()
        for batch in Batches(recipe, dataset.train, steps):
            _ = built.step(batch).loss
        return (time.perf_counter() - started) / steps, built, dataset


def plain(name: str, steps: int, **settings: Any) -> tuple[float, Any, Any]:
    """What a user would write."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    recipe = _recipe(name, **settings)
    dataset = _dataset(recipe)
    x = torch.from_numpy(dataset.train.floats())
    y = torch.from_numpy(dataset.train.y)
    torch.manual_seed(0)
    criterion = nn.CrossEntropyLoss()

    def slices() -> Any:
        for chosen in torch.randperm(len(x)).split(BATCH[name]):
            yield x[chosen], y[chosen]

    def train(count: int) -> Any:
        model = _lenet(nn) if name == LENET else _vgg(nn, normalized=name == VGG_BN)
        momentum = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
        optimizer = momentum if name == LENET else torch.optim.Adam(model.parameters(), lr=recipe.optimizer.lr)
        loaded = DataLoader(TensorDataset(x, y), batch_size=BATCH[name], shuffle=True)
        for _, (inputs, targets) in zip(range(count), slices() if name == LENET else loaded, strict=False):
            optimizer.zero_grad()
            loss = criterion(model(inputs), targets)
            loss.backward()
            optimizer.step()
        return model.eval()

    train(2)
    started = time.perf_counter()
    model = train(steps)
    return (time.perf_counter() - started) / steps, model, dataset


def _vgg(nn: Any, normalized: bool) -> Any:
    layers, before = [], 3
    for channels, pooled in [(64, 1), (128, 1), (256, 0), (256, 1), (512, 0), (512, 1), (512, 0), (512, 1)]:
        layers += [nn.Conv2d(before, channels, 3, padding=1)]
        layers += [nn.BatchNorm2d(channels)] if normalized else []
        layers += [nn.ReLU()] + [nn.MaxPool2d(3, 2, 1)] * pooled
        before = channels
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10))


def _lenet(nn: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(256, 120), nn.ReLU(), nn.Dropout(), nn.Linear(120, 84), nn.ReLU(), nn.Dropout(), nn.Linear(84, 10),
    )  # fmt: skip


FASTER = {"training.autocast": "bfloat16", "training.convolution": "winograd"}
CONTESTANTS: dict[str, Callable[[str], tuple[float, Any, Any]]] = {
    "plain PyTorch": lambda name: plain(name, STEPS[name]),
    "torch engine": lambda name: engine("torch", name, STEPS[name]),
    "torch engine, faster": lambda name: engine("torch", name, STEPS[name], **FASTER),
    "NumPy engine": lambda name: engine("numpy", name, NUMPY_STEPS[name]),
}
EVALUATED = ("plain PyTorch", "torch engine", "NumPy engine")
COMPARED = {
    VGG: list(CONTESTANTS),
    LENET: ["plain PyTorch", "torch engine", "NumPy engine"],
}


def measure_here(name: str, contestant: str) -> None:
    """In a process of its own: one figure, and the most memory that was resident."""
    seconds, *_ = CONTESTANTS[contestant](name)
    tell(seconds)


def evaluate_here(name: str, contestant: str) -> None:
    """Seconds to answer all test images: as an evaluation of a training does it, or in batches as large by hand."""
    import torch

    from twofold.setup.needed import evaluation_batch

    if contestant == "plain PyTorch":
        _, model, dataset = plain(name, 1)
        answer = torch.inference_mode()(lambda x: model(torch.from_numpy(x)))
    else:
        _, built, dataset = engine(contestant.removesuffix(" engine").lower(), name, 1)
        answer = built.predict
    images, size = dataset.test.floats(), evaluation_batch(_recipe(name).network)
    answer(images[:size])
    started = time.perf_counter()
    for start in range(0, len(images), size):
        answer(images[start : start + size])
    tell(time.perf_counter() - started)


def accuracy_here(contestant: str) -> None:
    """After the same number of steps of Adam, on the first test images."""
    import torch

    settings: dict[str, Any] = {"optimizer.lr": ACCURACY_RATE}
    if contestant == "plain PyTorch":
        _, model, dataset = plain(VGG_BN, ACCURACY_STEPS, **settings)
        test = dataset.test[:TEST]
        with torch.inference_mode():
            parts = [model(torch.from_numpy(part)).numpy() for part in np.array_split(test.floats(), 8)]
    else:
        _, built, dataset = engine("torch", VGG_BN, ACCURACY_STEPS, **settings, **FASTER)
        test = dataset.test[:TEST]
        parts = [built.predict(part) for part in np.array_split(test.floats(), 8)]
    print(json.dumps({"accuracy": float((np.concatenate(parts).argmax(1) == test.y).mean())}))


def _compare(name: str) -> str:
    words = {each: [name, each] for each in COMPARED[name]}
    figures, memory = apart(__file__, words, ROUNDS)
    rows = [
        [
            _called(each), *spread([1000 * value for value in values], ".1f"), f"{BATCH[name] / median(values):.0f}",
            f"{1 / ratio(figures, each, 'plain PyTorch'):.2f}", f"{ratio(figures, each, 'plain PyTorch'):.2f}",
            f"{memory[each]:.0f}",
        ]
        for each, values in figures.items()
    ]  # fmt: skip
    header = [
        f"`{name}`, batch {BATCH[name]}", "ms a step (median)", "range", "images/s", "speed over plain PyTorch",
        "time over plain PyTorch", "resident memory, MiB",
    ]  # fmt: skip
    return table(header, rows)


def _evaluations() -> str:
    """All test images, each network in each engine."""
    rows = list[list[str]]()
    for name in COMPARED:
        words = {each: ["evaluate", name, each] for each in EVALUATED}
        figures, memory = apart(__file__, words, ROUNDS)
        for each, values in figures.items():
            over = f"{ratio(figures, each, 'plain PyTorch'):.2f}"
            rows.append([f"`{name}`, {each}", *spread(values, ".2f"), over, f"{memory[each]:.0f}"])
    header = ["10,000 test images, answered", "s (median)", "range", "time over plain PyTorch", "resident memory, MiB"]
    return table(header, rows)


def _narrow() -> bool:
    import torch

    from twofold.torch_engine.device import has_narrow_products

    return has_narrow_products(torch.device("cpu"))


def _page() -> tuple[str, str]:
    """The kind of processor, and the page for it."""
    import torch

    if not _narrow():
        return "without products of 16 bits", "images-32"
    units = torch.cpu._is_amx_tile_supported()
    return ("with matrix units", "images-matrix") if units else ("with products of 16 bits", "images")


def _called(contestant: str) -> str:
    """`faster` by what it is here."""
    return contestant.replace("faster", "bfloat16" if _narrow() else "minimal filtering")


def main() -> None:
    tables = [*(_compare(name) for name in COMPARED), _evaluations()]
    scores = {
        each: elsewhere(__file__, "accuracy", each)["accuracy"] for each in ("plain PyTorch", "torch engine, faster")
    }
    said = ", ".join(f"{_called(each)} {score:.3f}" for each, score in scores.items())
    text = "\n\n".join(tables) + (
        f"\n\nAccuracy of `{VGG_BN}` on the first {TEST} test images (CIFAR-10, JPEG copies) after {ACCURACY_STEPS} "
        f"steps of Adam at {ACCURACY_RATE:g}: {said}.\nMemory holds the data set as well: CIFAR-10 as bytes 176 MiB, "
        "as float32, which the plain loop keeps, 703."
    )
    kind, name = _page()
    publish(name, f"Convolutional networks, on a processor {kind}", text, "images")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["accuracy", contestant]:
            accuracy_here(contestant)
        case ["evaluate", name, contestant]:
            evaluate_here(name, contestant)
        case [name, contestant]:
            measure_here(name, contestant)
        case _:
            main()
