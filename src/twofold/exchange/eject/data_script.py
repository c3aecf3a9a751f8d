"""`data.py`: what both scripts share: the samples, their order, masks and rates, and the comparison at the end."""

from __future__ import annotations

import ast
import inspect
import textwrap
from types import FunctionType

from twofold.arrays import digest
from twofold.data import augmentation, palindromes
from twofold.engine import schedules
from twofold.exchange.eject.answered import judged
from twofold.exchange.eject.deciding import shared
from twofold.exchange.eject.known import Known, Named
from twofold.exchange.eject.numpy_script import imports_of
from twofold.exchange.eject.source import Parts
from twofold.exchange.eject.specialised import Specialised
from twofold.exchange.eject.written import written
from twofold.exchange.kinds import Dropout
from twofold.recipe import Recipe
from twofold.recipe.data import Palindromes
from twofold.recipe.training import Constant
from twofold.streams import _key, stream

HEAD = '''"""What both scripts share: samples, order, dropout's masks, learning rates, each a function of SEED and step.

start.npz holds the weights that both begin with, samples.npz the samples, split{kept}
"""

{imports}
FOLDER = Path(__file__).parent
START = dict(np.load(FOLDER / "start.npz"))
EXPECTED = json.loads((FOLDER / "expected.json").read_text("utf-8"))
SEED = {seed}
BATCH = {batch}
STEPS = EXPECTED["steps"]
DROPOUT = {dropout}
"""The share of elements that each dropout layer zeroes, and the shape of a sample there."""
'''
SAMPLES = '''

def samples(split, dtype):
    """Inputs and classes of the `train` or `test` samples."""
    held = np.load(FOLDER / "samples.npz")
    return scaled(held[f"x_{split}"], held, dtype), held[f"y_{split}"]


def scaled(x, held, dtype):
    """What the network sees: numbers as they are; bytes of images minus `shift`, over `divisor`."""
    if "divisor" not in held:
        return x.astype(dtype, copy=False)
    shift, divisor = held["shift"].astype(dtype), held["divisor"].astype(dtype)
    x = x.astype(dtype)
    return ((x - shift) if shift.any() else x) / divisor
'''
BATCHES = '''

def batches(dtype, steps=STEPS):
    """Inputs, classes, learning rate and masks of each step. Every epoch visits the samples in a new order."""
    held = np.load(FOLDER / "samples.npz")
    x, y = held["x_train"], held["y_train"]
    size = min(BATCH or len(y), len(y))
    per_epoch = -(-len(y) // size)
    for step in range(steps):
        epoch, place = divmod(step, per_epoch)
        if place == 0:
            order = {order}
        chosen = order[place * size : (place + 1) * size]
        part = x[chosen]
{vary}        yield scaled(part, held, dtype), y[chosen], rate(step, per_epoch), masks(step, len(chosen))
'''
DRAWN = '''

def batches(dtype, steps=STEPS):
    """Palindromes without end, drawn anew at every step; classes, learning rate and masks."""
    unseen = frozenset(half.tobytes() for half in np.load(FOLDER / "samples.npz")["held_out"])
    for step in range(steps):
        length = length_at(step / STEPS)
        halves = drawn(stream(SEED, "draw", step), length, BATCH, unseen if length == LENGTH else frozenset())
        x, y = encoded(halves, length)
        yield x.astype(dtype), y, rate(step, STEPS), masks(step, BATCH)
'''
RADIUS = '''

def radius(step, count, dtype):
    """How far each sample of a step is moved towards a higher loss."""
    return (stream(SEED, "adversarial", step).random(count) * {most!r}).astype(dtype)
'''
REST = '''

def masks(step, count):
    """What each dropout layer keeps at a step, by its name."""
    return {
        name: stream(SEED, f"dropout {name}", step).random((count, *shape), dtype=np.float32) >= p
        for name, (p, shape) in DROPOUT.items()
    }


def progress(step, steps, loss):
    """A line now and then."""
    if step % max(1, steps // 20) == 0 or step == steps - 1:
        print(f"step {step + 1:>7,} of {steps:,}   loss {loss:.4f}", flush=True)


def judge(predict, dtype):
    """JUDGED on the held-out samples."""
    x, y = samples("test", dtype)
    answers = np.concatenate([predict(x[start : start + 500]) for start in range(0, len(x), 500)])
SCORED


def compare(engine, losses, weights):
    """Say whether this was the run that was expected: the first losses, and the weights at the end, bit by bit."""
    gaps = [abs(a - b) / max(abs(b), 1e-12) for a, b in zip(losses, EXPECTED["losses"])]
    gap = float(np.max(gaps, initial=0.0))  # NaN where a loss is NaN
    if gaps:
        print(f"largest relative gap of the first {len(gaps)} losses: {gap:.1e}")
    wanted = EXPECTED["weights_sha256"].get(engine)
    if wanted is None and not gaps:
        print("nothing compared: the samples were not at hand when the scripts were written")
        return False
    if wanted is None:
        same = gap <= EXPECTED["tolerance"]
        print("the same start as expected" if same else "NOT the start that was expected")
        return same
    same = digest(weights) == wanted
    print("the same run, to the last bit" if same else f"NOT the same run to the last bit. {EXPECTED['why']}")
    return same
'''


def data_script(recipe: Recipe) -> str:
    """The source of `data.py`."""
    parts = Parts()
    parts.imports |= {"np"}
    parts.function(_key.__wrapped__, label="_key")
    parts.function(stream, label="stream")
    parts.function(digest, label="digest")
    rate = _rate(parts, recipe)
    if recipe.training.ema:
        parts.function(schedules.averaging, {"ema": recipe.training.ema})
    drawn = isinstance(recipe.data, Palindromes) and recipe.data.endless
    vary = _varied(parts, recipe) if recipe.augmentation.varies else ""
    if drawn:
        _palindromes(parts, recipe.data)  # pyright: ignore[reportArgumentType]
    whole = recipe.training.batch_size == "full"
    order = "np.arange(len(y))" if whole else 'stream(SEED, "shuffle", epoch).permutation(len(y))'
    body = (DRAWN if drawn else BATCHES.format(order=order, vary=vary)) + _radius(recipe)
    drops = {
        node.name: (node.spec.p, tuple(node.input_shape))
        for node in recipe.network.nodes
        if isinstance(node.spec, Dropout) and node.spec.mask_shape(node.input_shape)
    }
    decided = shared(parts, recipe)
    what, code = judged(parts, recipe)
    text = parts.text()
    imports = imports_of(parts)
    standard = [line for line in imports.splitlines() if line and "numpy" not in line]
    lines = sorted(
        {*standard, "import json", "from pathlib import Path"}, key=lambda line: (line.startswith("from"), line)
    )
    others = [line for line in imports.splitlines() if "numpy" in line]
    head = HEAD.format(
        kept=" off for the\ntest, and which palindromes are never trained on." if drawn else " for training and test.",
        imports="\n".join([*lines, "", *others, ""]),
        seed=recipe.training.seed,
        batch=None if whole else recipe.training.batch_size,
        dropout=repr(drops).replace("'", '"'),
    )
    rest = REST.replace("JUDGED", what).replace("SCORED", code)
    return "\n\n\n".join([head.rstrip("\n"), text]) + "\n\n\n" + rate + "\n" + SAMPLES + body + rest + decided


def _radius(recipe: Recipe) -> str:
    """The source of `radius`; empty where no image is moved towards a higher loss."""
    most = recipe.augmentation.adversarial
    return RADIUS.format(most=most) if most else ""


def _rate(parts: Parts, recipe: Recipe) -> str:
    """The source of `rate`, the learning rate at a step in the schedule's closed form."""
    spec, lr = recipe.schedule, recipe.optimizer.lr
    by_epoch = getattr(spec, "unit", "step") == "epoch"
    head = 'def rate(step, per_epoch):\n    """The learning rate of a step."""\n'
    if isinstance(spec, Constant):
        return f"{head}    return {lr!r}"
    function = schedules._rate.dispatch(type(spec))
    known: dict[str, object] = {f"schedule.{name}": value for name, value in dict(spec).items()}
    total = Named("max(1, -(-STEPS // per_epoch))") if by_epoch else Named("STEPS")
    known |= {"lr": lr, "total": total}
    made = parts_of_rate(parts, function, known)
    k = "step // per_epoch" if by_epoch else "step"
    return f"{head}{made}    return at({k})"


def parts_of_rate(parts: Parts, function: FunctionType, known: Known) -> str:
    """The body of a schedule with its settings filled in, as a function `at` of k."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(tree, ast.FunctionDef)
    plain = Specialised(parts, None, known, "", (), function.__globals__)
    made = plain.function(tree, "schedule")
    lines = written(made).split("\n")[1:]
    lines = [line for line in lines if not line.startswith('    """')]
    last = next(index for index in range(len(lines) - 1, -1, -1) if lines[index].startswith("    return "))
    value = lines[last].removeprefix("    return ")
    lines[last] = f"    at = {value}"
    return "\n".join(lines) + "\n"


def _palindromes(parts: Parts, spec: Palindromes) -> None:
    """Put into `parts` the functions that draw palindromes at a step."""
    parts.constants["LENGTH"] = repr(spec.length)
    parts.constants["GROW"] = repr(tuple(spec.grow))
    parts.function(palindromes.drawn)
    parts.function(palindromes.encoded, {"encoding": spec.encoding})
    known = {"self.spec.grow": Named("GROW"), "self.spec.length": Named("LENGTH")}
    parts.function(palindromes.Draw._length, known | {"self": None}, label="length_at")


def _varied(parts: Parts, recipe: Recipe) -> str:
    """The lines that vary a batch of images, in the augmenter's order."""
    spec, lines = recipe.augmentation, list[str]()
    if spec.flip != "none":
        parts.function(augmentation._coins.__wrapped__, label="_coins")
        epoch = "0" if spec.flip == "alternating" else "epoch"
        turned = f"_coins(SEED, len(y), {epoch})[chosen]"
        turned += " ^ bool(epoch % 2)" if spec.flip == "alternating" else ""
        lines += [f"turned = {turned}", "part[turned] = part[turned][..., ::-1]"]
    if spec.translate:
        parts.function(augmentation.translated, {"padding": spec.padding, "most": spec.translate})
        draw = f'stream(SEED, "translate", step).integers(0, {2 * spec.translate + 1}, (len(part), 2))'
        lines.append(f"part = translated(part, {draw})")
    known = {f"self.spec.{name}": value for name, value in dict(spec).items()}
    known |= {f"spec.{name}": value for name, value in dict(spec).items()} | {"self.seed": Named("SEED")}
    if spec.resamples:
        parts.method(augmentation.Augmenter, "_resampled", known, "augmented")
        lines.append("part = augmented_resampled(part, step)")
    if spec.cutout:
        parts.method(
            augmentation.Augmenter, "_cut", known | {"self.neutral": Named("neutral")}, "augmented", ("neutral",)
        )
        lines.append('neutral = np.rint(held["shift"].mean(axis=(1, 2), keepdims=True)).astype(part.dtype)')
        lines.append('augmented_cut(part, stream(SEED, "cutout", step), neutral)')
    if spec.grow:
        parts.function(augmentation._triangles.__wrapped__, label="_triangles")
        parts.function(augmentation.resized)
        ends, total = [], 0.0
        for size, share in spec.grow:
            total += share
            ends.append(f"(round({total!r} * STEPS), {size})")
        sizes = f"[{', '.join(ends)}]"
        lines.append(f"size = next((size for end, size in {sizes} if step < end), None)")
        lines.append("part = part if size is None else resized(part, size)")
    return "".join(f"        {line}\n" for line in lines)
