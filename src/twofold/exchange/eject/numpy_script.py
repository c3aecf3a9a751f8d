"""`train_numpy.py`: the network's layers as functions, its way forward and back written out, one training loop."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Sequence

from twofold.exchange.eject.answered import loss_function
from twofold.exchange.eject.calls import Calls
from twofold.exchange.eject.deciding import begun, decides, kept, looked
from twofold.exchange.eject.known import IMPORTS, Named
from twofold.exchange.eject.source import Parts
from twofold.exchange.eject.syntax import inner_function
from twofold.numpy_engine import optimizers
from twofold.numpy_engine.adversarial import moved
from twofold.numpy_engine.optimizers import clip
from twofold.recipe import Recipe
from twofold.recipe.network import shape_text
from twofold.recipe.optimizers import Adam, Adamw, Rmsprop, Sgd

HEAD = '''"""{title}

A network of {samples}, {count} parameters, in NumPy alone: layers, loss and optimizer, forward and back.
Run it with `python train_numpy.py`. It ends by comparing itself with expected.json.
"""

{imports}

import data
{taken}
DTYPE = np.{dtype}
SHAPES = {shapes}
"""Shape of every parameter, by layer and name, in the order in which they lie in one flat vector."""
STATISTICS = {statistics}
'''
LOOP = '''

def views(vector, shapes):
    """The named parts of a flat vector, by layer: they share its memory."""
    parts, start = {{}}, 0
    for layer, name, shape in shapes:
        size = int(np.prod(shape))
        parts.setdefault(layer, {{}})[name] = vector[start : start + size].reshape(shape)
        start += size
    return parts


def begin():
    """Parameters and running statistics as one vector, with the weights that both scripts begin with."""
    count = sum(int(np.prod(shape)) for _, _, shape in SHAPES + STATISTICS)
    weights = np.zeros(count, DTYPE)
    for layer, parts in views(weights, SHAPES + STATISTICS).items():
        for name, view in parts.items():
            view[...] = data.START[f"{{layer}}.{{name}}"]
    return weights


def train(steps=data.STEPS):
    """Every step: forward, loss, back, update. Gives the losses and the weights by name."""
    weights, losses = begin(), []
    vector = weights[: sum(int(np.prod(shape)) for _, _, shape in SHAPES)]
    params = views(weights, SHAPES + STATISTICS)
    moments = {moments}
{ema_start}{begun}    for step, (x, target, lr, masks) in enumerate(data.batches(DTYPE, steps)):
{moved}        logits, caches = forward(params, x, masks)
        loss, dy = {loss}(logits, target)
        gradient = backward(params, caches, dy)
{clip}        update(vector, gradient, moments, lr, step + 1)
{running}{ema_step}        losses.append(loss)
        data.progress(step, steps, loss)
{looked}    return losses, {kept}


def main():
    """Train, judge the network on the held-out samples, compare with what was expected."""
    with np.errstate(all="ignore"):
        losses, weights = train()
        params = views(weights, SHAPES + STATISTICS)
        data.judge(lambda x: predict(params, x), DTYPE)
    named = {{f"{{layer}}.{{name}}": view for layer, parts in params.items() for name, view in parts.items()}}
    data.compare("numpy", losses, named)


if __name__ == "__main__":
    main()
'''


MOVED = """        outputs, caches = forward(params, x, masks)
        _, dy = {loss}(outputs, target)
        x = moved(x, input_gradient(params, caches, dy), data.radius(step, len(x), DTYPE))
"""
"""The lines that move the samples of a step towards a higher loss."""
MOST_LINES = 300
"""Lines up to which a script is one file."""
GEOMETRY = ("steps", "Element", "Windows", "samples_last", "samples_first", "empty_images")
"""What layers with windows know of planes: it stands in a file of its own where that of the layers would be long."""
LAYERS = '''"""The layers of the network of train_numpy.py, forward and back: x and dy in, y and dx out.

A layer keeps nothing: `forward` gives the output and whatever `backward` needs, its cache.
"""

{imports}


{parts}
'''
WINDOWS = '''"""Windows over planes, for layers_numpy.py: which elements of the input each one sees."""

{imports}


{parts}
'''


def numpy_scripts(recipe: Recipe) -> dict[str, str]:
    """`train_numpy.py`; where that would be long, its layers in `layers_numpy.py` beside it."""
    layers, rules = Parts(), Parts()
    calls = Calls(layers, recipe.network.nodes)
    adversarial = bool(recipe.augmentation.adversarial)
    body = [calls.forward(), calls.backward(), calls.predict(), *([calls.input_gradient()] if adversarial else [])]
    running = calls.running()
    loss = loss_function(rules, recipe, in_data=decides(recipe))
    moments = _optimizer(rules, recipe)
    rules.imports.add("np")
    if adversarial:
        rules.function(moved)
    clipped = ""
    if recipe.optimizer.max_norm:
        rules.function(clip, {"max_norm": recipe.optimizer.max_norm})
        clipped = "        gradient = clip(gradient)\n"
    loop = LOOP.format(
        moments=moments,
        loss=loss,
        moved=MOVED.format(loss=loss) if adversarial else "",
        clip=clipped,
        running=running,
        ema_start="    average = weights.copy()\n" if recipe.training.ema else "",
        begun=begun(recipe, "numpy"),
        looked=looked(recipe, "numpy"),
        ema_step="        average += (1 - data.averaging(step)) * (weights - average)\n" if recipe.training.ema else "",
        kept=kept(recipe, "numpy"),
    )
    both = Parts()
    both.imports = layers.imports | rules.imports
    whole = _assembled(recipe, imports_of(both), "", [layers.text(), rules.text(), *body], loop)
    if len(whole.splitlines()) <= MOST_LINES:
        return {"train_numpy.py": whole}
    used = sorted(
        {word for word in layers.texts | layers.constants if any(_uses(text, word) for text in (*body, running))}
    )
    lines = ",\n    ".join(used)
    taken = f"from layers_numpy import (\n    {lines},\n)\n"
    first = _assembled(recipe, imports_of(rules), taken, [rules.text(), *body], loop)
    return {"train_numpy.py": first, **_layer_scripts(layers)}


def _layer_scripts(layers: Parts) -> dict[str, str]:
    """`layers_numpy.py`; where that would be long, its windows in `windows_numpy.py`."""
    whole = LAYERS.format(imports=imports_of(layers), parts=layers.text())
    geometry = Parts()
    geometry.texts = {name: text for name, text in layers.texts.items() if name in GEOMETRY}
    if len(whole.splitlines()) <= MOST_LINES or not geometry.texts:
        return {"layers_numpy.py": whole}
    layers.texts = {name: text for name, text in layers.texts.items() if name not in GEOMETRY}
    imported = layers.imports
    for part in (geometry, layers):
        part.imports = {name for name in imported if _uses(part.text(), name)}
    read = {node.id for node in ast.walk(ast.parse(layers.text())) if isinstance(node, ast.Name)}
    used = ", ".join(sorted(read & geometry.texts.keys()))
    imports = f"{imports_of(layers)}\n\nfrom windows_numpy import {used}"
    return {
        "layers_numpy.py": LAYERS.format(imports=imports, parts=layers.text()),
        "windows_numpy.py": WINDOWS.format(imports=imports_of(geometry), parts=geometry.text()),
    }


def _uses(text: str, name: str) -> bool:
    return re.search(rf"\b{name}\b", text) is not None


def _assembled(recipe: Recipe, imports: str, taken: str, blocks: list[str], loop: str) -> str:
    nodes = recipe.network.nodes
    shapes = [(n.name, name, tuple(shape)) for n in nodes for name, shape in n.parameters.items()]
    statistics = [(n.name, name, tuple(shape)) for n in nodes for name, shape in n.buffers.items()]
    head = HEAD.format(
        title=title_of(recipe),
        samples=f"samples {shape_text(recipe.network.input_shape)}",
        count=f"{recipe.network.count:,}",
        imports=imports,
        taken=taken,
        dtype=recipe.training.dtype,
        shapes=table(shapes),
        statistics=table(statistics),
    )
    return "\n\n\n".join([head.rstrip("\n"), *blocks]) + "\n" + loop


def title_of(recipe: Recipe) -> str:
    """The recipe's title as one line of a docstring."""
    text = (recipe.title or recipe.name).replace("\\", "/").replace('"', "'")
    return "".join(c for c in text if c.isprintable())[:100].rstrip(".") + "."


def imports_of(parts: Parts) -> str:
    """The import lines of what a script uses, those of Python's own library first."""
    lines = sorted((IMPORTS[name] for name in parts.imports), key=lambda line: (line.startswith("from"), line))
    own = [line for line in lines if not any(word in line for word in ("numpy", "torch"))]
    others = [line for line in lines if line not in own]
    return "\n".join([*own, *([""] if own and others else []), *others])


def table(rows: Sequence[tuple[object, ...]]) -> str:
    """The source of a list of rows, as many on a line as fit."""
    if not rows:
        return "[]"
    lines, line = list[str](), ""
    for row in rows:
        text = repr(row).replace("'", '"') + ", "
        if len(line) + len(text) > 114:
            lines.append(line.rstrip())
            line = ""
        line += text
    return "[\n" + "".join(f"    {part}\n" for part in [*lines, line.rstrip()]) + "]"


def _optimizer(parts: Parts, recipe: Recipe) -> str:
    """Put the update of the recipe's optimizer into `parts`; returns the expression of its moments at the start."""
    spec = recipe.optimizer
    decay: float | Named = spec.weight_decay
    if spec.weight_decay and spec.decayed == "weights":
        parts.constants["DECAYED"] = f"{sorted(recipe.network.weights)!r}".replace("'", '"')
        parts.constants["DECAY"] = (
            f"{spec.weight_decay!r} * np.concatenate("
            '[np.full(int(np.prod(s)), float(f"{l}.{n}" in DECAYED), DTYPE) for l, n, s in SHAPES])'
        )
        decay = Named("DECAY")
    known: dict[str, object] = {"decays": spec.weight_decay > 0, "decay": decay}
    names = vars(optimizers)
    match spec:
        case Sgd():
            function = optimizers.optimizer.dispatch(Sgd)
            known |= {"mu": spec.momentum, "nesterov": spec.nesterov}
            moments = '{"momentum_buffer": np.zeros_like(vector)}' if spec.momentum else "{}"
            if not spec.momentum:
                known["not mu"] = True
        case Rmsprop():
            function, moments = optimizers.optimizer.dispatch(Rmsprop), '{"square_avg": np.zeros_like(vector)}'
            known |= {"alpha": spec.alpha, "eps": spec.eps}
        case Adam() | Adamw():
            function = optimizers._adam_update
            known |= {
                "beta1": spec.betas[0],
                "beta2": spec.betas[1],
                "eps": spec.eps,
                "decoupled": isinstance(spec, Adamw),
            }
            moments = '{"exp_avg": np.zeros_like(vector), "exp_avg_sq": np.zeros_like(vector)}'
        case _:
            raise TypeError(f"no update for {spec!r}")
    doc = inspect.getdoc(function) or inspect.getdoc(optimizers.optimizer.dispatch(type(spec))) or ""
    parts.tree(inner_function(function, "update"), known, "update", names, doc)
    return moments
