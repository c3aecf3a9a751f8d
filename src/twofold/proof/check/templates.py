"""Skeletons to fill in, one for each kind: `twofold check --template dense > mine.py`."""

from __future__ import annotations

from twofold.errors import UserError, did_you_mean
from twofold.proof.check.subject import CLIPPING, Subject, kinds, subjects

HEAD = '''"""{title}. Fill in the lines that raise, then:  twofold check mine.py:{name} --like {kind}{settings}"""

import numpy as np

'''


def template_of(kind: str) -> str:
    """The skeleton of a kind. Raises `UserError` for one that is unknown."""
    if kind in CLIPPING:
        return _clipping()
    if kind not in kinds():
        raise UserError(f"unknown kind `{kind}`; {did_you_mean(kind, kinds())}")
    subject = subjects(kind, {})[0]
    write = {"layers": _layer, "loss": _loss, "optimizer": _optimizer, "schedule": _schedule}[subject.section]
    return write(subject)


def _head(subject: Subject, name: str, settings: str = "") -> str:
    return HEAD.format(title=f"My own {subject.kind}", name=name, kind=subject.kind, settings=settings)


def _layer(subject: Subject) -> str:
    scene = subject.scenes[0]
    parameters = list(subject.gradients)
    name = "My" + "".join(part.capitalize() for part in subject.kind.split("_"))
    shapes = "\n".join(f"    {p}: {scene.arrays[p].shape}" for p in parameters) or "    no parameters"
    x, y = scene.arrays["x"].shape, scene.arrays["dy"].shape
    grads = ", ".join(f'"{p}": ...' for p in parameters)
    evaluation = ", training=True" if subject.kind in ("batch_norm", "dropout") else ""
    mask = ", mask=None" if subject.kind == "dropout" else ""
    fields = f"        self.params = {{{', '.join(f'{p!r}: np.zeros({scene.arrays[p].shape})' for p in parameters)}}}\n"
    fields += "        self.grads = {}\n"
    buffers = [b for b in ("running_mean", "running_var") if b in scene.arrays]
    fields += "".join(f"        self.{b} = np.zeros({scene.arrays[b].shape})\n" for b in buffers)
    return (
        f"{_head(subject, name)}\n"
        f"class {name}:\n"
        f'    """x: {x}, y: {y}; parameters as PyTorch names and shapes them:\n\n{shapes}\n    """\n\n'
        f"    def __init__(self):\n{fields}\n"
        f"    def forward(self, x{evaluation}{mask}):\n"
        f'        """y. Keep on self what backward needs."""\n'
        f"        raise NotImplementedError\n\n"
        f"    def backward(self, dout):\n"
        f'        """dx; the parameters\' gradients go to self.grads = {{{grads}}}."""\n'
        f"        raise NotImplementedError\n"
    )


def _loss(subject: Subject) -> str:
    told = "classes, (batch,)" if subject.scenes[0].arrays["target"].ndim == 1 else "numbers of the same shape"
    return (
        f"{_head(subject, 'my_loss')}\n"
        "def my_loss(outputs, target):\n"
        f'    """outputs: (batch, classes); target: {told}. Gives the loss and its gradient."""\n'
        "    raise NotImplementedError\n"
    )


def _optimizer(subject: Subject) -> str:
    options = {k: v for k, v in subject.settings.items() if k not in ("kind", "lr", "decayed", "max_norm")}
    arguments = ", ".join(f"{name}={value!r}" for name, value in options.items())
    return (
        f"{_head(subject, 'MyOptimizer')}\n"
        "class MyOptimizer:\n"
        f"    def __init__(self, lr, {arguments}):\n"
        "        self.lr = lr\n\n"
        "    def step(self, params, grads):\n"
        '        """Change every array of params in place, along grads: two dictionaries with the same keys."""\n'
        "        raise NotImplementedError\n"
    )


def _schedule(subject: Subject) -> str:
    options = {k: v for k, v in subject.settings.items() if k not in ("kind", "unit")}
    arguments = "".join(f", {name}={value!r}" for name, value in options.items())
    return (
        f"{_head(subject, 'my_schedule')}\n"
        f"def my_schedule(step, lr, total_steps{arguments}):\n"
        '    """The learning rate at a step, counted from 0."""\n'
        "    raise NotImplementedError\n"
    )


def _clipping() -> str:
    return (
        HEAD.format(title="My own clipping", name="my_clip", kind="max_norm", settings=" --set max_norm=0.5")
        + "\ndef my_clip(grads, max_norm):\n"
        '    """grads: a dictionary of arrays. Gives those scaled so that their norm together is at most max_norm."""\n'
        "    raise NotImplementedError\n"
    )
