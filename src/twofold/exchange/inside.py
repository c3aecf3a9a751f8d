"""The other process of `adopt mine.py:model`: it runs the user's file, proves its module, and writes what was found.

Never imported by the rest of the program; started as `python -m twofold.exchange.inside ORDER.json`, in the process
that `twofold.proof.check.sandbox` sets apart.
"""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.errors import AdoptError, UserError
from twofold.exchange import script
from twofold.exchange.adopted import Adopted, Wanted
from twofold.exchange.chain import weights_of
from twofold.recipe import dump, loads

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from torch import nn

MEMORY = 16 << 30
"""Bytes of address space that the process may have; PyTorch alone takes several GiB."""
FILE = 2 << 30
"""Largest size in bytes of each file that it writes, what it prints included."""


def main() -> None:
    """Read the order, run the file, write the answer."""
    order = script.Order(**json.loads(Path(sys.argv[1]).read_text("utf-8")))
    out = Path(order.out)
    _limit()
    try:
        _adopt(order, out)
    except UserError as error:
        fault = error if isinstance(error, AdoptError) else AdoptError(str(error))
        refusal = {"reason": fault.reason, "layer": fault.layer, "operator": fault.operator, "nearest": fault.nearest}
        (out / script.REFUSAL).write_text(json.dumps(refusal), "utf-8")


def _adopt(order: script.Order, out: Path) -> None:
    module, sample = _loaded(order)
    if sample is None:
        sample = _drawn_sample(order, module)
    from twofold.exchange.torch import adopting
    from twofold.exchange.torch.converting import converted
    from twofold.exchange.torch.tracing import Original

    data = loads(order.data) if order.data else None
    adopted = adopting.adopt_module(module, sample, Wanted(order.name, order.loss, data))
    original = Original(module, adopting.batch_of(module, sample))
    chain = converted(original)
    _write(adopted, weights_of(chain.links), chain.x, chain.y, out)


def _drawn_sample(order: script.Order, module: nn.Module) -> Array:
    """A random batch of the shape in the order. Raises `AdoptError` where the order has none."""
    if not order.shape:
        raise AdoptError(
            "the shape of one sample cannot be read off a module",
            layer=order.attribute,
            operator=type(module).__name__,
            nearest="Say what one sample is like, as --shape 1,28,28, or define `sample`, a batch, in the file",
        )
    from twofold.exchange.torch.adopting import random_sample

    return random_sample(tuple(order.shape))


def _loaded(order: script.Order) -> tuple[nn.Module, ArrayLike | None]:
    """The module that the file names, and its sample where it has one."""
    sys.path.insert(0, str(Path(order.file).parent))
    sys.stdout = sys.stderr
    names = runpy.run_path(order.file, run_name="__twofold__")
    attribute = order.attribute
    if attribute not in names:
        known = ", ".join(f"`{name}`" for name, value in names.items() if _is_module(value)) or "none"
        raise AdoptError(f"the file has no `{attribute}`", nearest=f"Modules in it: {known}")
    module = names[attribute]
    if not _is_module(module) and callable(module):
        module = module()
    if not _is_module(module):
        raise AdoptError(f"`{attribute}` is no torch.nn.Module; its type is {type(module).__name__}")
    return module, names.get("sample")


def _is_module(value: object) -> TypeGuard[nn.Module]:
    """Whether a value is a module. If the file did not import PyTorch, none is: importing it here takes seconds."""
    return (torch := sys.modules.get("torch")) is not None and isinstance(value, torch.nn.Module)


def _write(adopted: Adopted, weights: Arrays, x: Array, y: Array, out: Path) -> None:
    from safetensors.numpy import save_file

    (out / script.RECIPE).write_text(dump(adopted.recipe), "utf-8")
    save_file({name: np.ascontiguousarray(array) for name, array in adopted.weights.items()}, out / script.WEIGHTS)
    answers = {f"weight {name}": np.ascontiguousarray(array) for name, array in weights.items()}
    save_file({**answers, "x": np.ascontiguousarray(x), "y": np.ascontiguousarray(y)}, out / script.ANSWERS)
    proof = adopted.proof
    facts = {"witness": proof.witness, "steps": proof.steps, "comparisons": proof.comparisons}
    facts |= {"largest": dict(proof.largest), "origins": list(adopted.origins)}
    (out / script.PROOF).write_text(json.dumps(facts), "utf-8")


def _limit() -> None:
    """Limit memory, processor time and the size of files, where the system has such limits."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (script.SECONDS, script.SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE, FILE))


if __name__ == "__main__":
    main()
