"""Loading a user's file, and finding the object in it that is meant."""

from __future__ import annotations

import difflib
import importlib.util
import inspect
import sys
import traceback
from pathlib import Path
from types import ModuleType

from twofold.proof.check.inside.members import is_layer_class
from twofold.proof.check.inside.plans import Pair, paired
from twofold.proof.check.inside.theirs import Function, Theirs

NAME = "submitted"
LIBRARIES = ("numpy", "torch", "safetensors")
"""Libraries that the check itself imports, some of them after the user's file."""


class LoadingError(Exception):
    """The file does not import, or the object is not there."""


def load(path: Path) -> ModuleType:
    """The file as a module; its imports are looked for in its own folder first.

    One that is called like a library, `numpy.py`, does not take the place of that library, which the check needs.
    """
    name = _name(path)
    hides = any((path.parent / f"{library}.py").is_file() for library in LIBRARIES)
    sys.path.insert(len(sys.path) if hides else 0, str(path.parent))
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise LoadingError(f"{path.name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        raise LoadingError(f"{path.name} does not import: {told(error, path)}") from error
    return module


def _name(path: Path) -> str:
    """The name of the file as a module: its own, unless another module has it."""
    if not path.stem.isidentifier() or path.stem in sys.modules:
        return NAME
    other = importlib.util.find_spec(path.stem)
    return path.stem if other is None or Path(str(other.origin)).resolve() == path.resolve() else NAME


def told(error: BaseException, path: Path) -> str:
    """The text of an error, with its place in the user's file."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"{text[:400]}{place(error, path)}"


def place(error: BaseException, path: Path) -> str:
    """` (mine.py, line 12: y = x @ W)`: the last line of the user's file on the way to the error."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f" ({path.name}, line {error.lineno})"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).name == path.name]
    if not frames:
        return ""
    line = f": {frames[-1].line}" if frames[-1].line else ""
    return f" ({path.name}, line {frames[-1].lineno}{line})"


def find(module: ModuleType, name: str, kind: str) -> Theirs:
    """The object of a name; a pair for `forward,backward`; without a name, the only object that fits."""
    if not name:
        return _only(module, kind)
    if "," in name:
        first, second = (_named(module, part.strip()) for part in name.split(",", 1))
        return Pair(first, second)
    thing = _named(module, name)
    if inspect.isfunction(thing):
        return _with_its_way_back(module, name, thing)
    return paired(thing)


def _own(module: ModuleType) -> dict[str, Function]:
    """The public functions and classes that the file itself defines, by name."""
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and getattr(value, "__module__", module.__name__) == module.__name__
        and callable(value)
    }


def _named(module: ModuleType, name: str) -> Theirs:
    value: Theirs = module
    for part in name.split("."):
        if not hasattr(value, part):
            known = [key for key in vars(module) if not key.startswith("_")]
            near = difflib.get_close_matches(part, known, 3, 0.5)
            hint = (
                f"did you mean {' or '.join(f'`{n}`' for n in near)}?"
                if near
                else f"it has: {', '.join(_own(module)) or 'nothing'}"
            )
            raise LoadingError(f"`{name}` is not in {Path(str(module.__file__)).name}; {hint}")
        value = getattr(value, part)
    return value


BACK = ("backward", "backprop", "bwd", "grad", "gradient", "back", "derivative", "prime")
AHEAD = ("forward", "fwd", "step_forward")


def _with_its_way_back(module: ModuleType, name: str, thing: Function) -> Theirs:
    """A function paired with its backward: `affine_forward` with `affine_backward`, `relu` with `d_relu`."""
    own = _own(module)
    candidates = [name.replace(a, b) for a in AHEAD for b in BACK if a in name]
    candidates += (
        [f"{name}_{b}" for b in BACK] + [f"{b}_{name}" for b in BACK] + [f"d_{name}", f"d{name}", f"{name}Backward"]
    )
    candidates += [name.replace("Forward", "Backward")] if "Forward" in name else []
    way_back = next((own[c] for c in candidates if c in own and c != name), None)
    if way_back is None and name in ("forward", "loss", "loss_fn", "compute_loss"):
        way_back = next((own[b] for b in BACK if b in own), None)
    return Pair(thing, way_back) if way_back is not None else thing


def find_its_way_back(thing: object) -> Theirs:
    """A function of this process, paired with its backward if its module has one."""
    if not inspect.isfunction(thing) or thing.__module__ not in sys.modules:
        return thing
    return _with_its_way_back(sys.modules[thing.__module__], thing.__name__, thing)


def _only(module: ModuleType, kind: str) -> Theirs:
    own = _own(module)
    lower = {key.lower(): key for key in own}
    for ahead, back in (("forward", "backward"), (f"{kind}_forward", f"{kind}_backward")):
        if ahead in lower:
            return Pair(own[lower[ahead]], own.get(lower.get(back, ""), None))
    classes = {key: value for key, value in own.items() if is_layer_class(value)}
    chosen = classes or {key: value for key, value in own.items() if inspect.isclass(value)} or own
    if len(chosen) > 1:
        near = difflib.get_close_matches(kind.replace("_", ""), [key.lower() for key in chosen], 1, 0.5)
        if near:
            return find(module, lower[near[0]], kind)
    if len(chosen) != 1:
        raise LoadingError(
            f"{Path(str(module.__file__)).name} defines {', '.join(f'`{key}`' for key in own) or 'nothing'}; "
            f"say which is meant: `{Path(str(module.__file__)).name}:{next(iter(own), 'NAME')}`"
        )
    return find(module, next(iter(chosen)), kind)
