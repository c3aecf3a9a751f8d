"""What the scripts do where the validation samples decide which weights are kept, or when training stops."""

from __future__ import annotations

from twofold.errors import UserError
from twofold.exchange.eject.answered import validated
from twofold.exchange.eject.source import Parts
from twofold.recipe import Recipe
from twofold.setup.needed import evaluation_batch

DECIDED = '''

def evaluates(step, steps):
    """Whether the validation samples are looked at after this step: now and then, and at the end."""
    return (step + 1) % EXPECTED["evaluate_every"] == 0 or step + 1 == steps


{validate}

class Course:
    """What the validation samples decide:

{what}
    """

    def __init__(self, accuracy, loss, weights):
        {begin}

    def evaluated(self, accuracy, loss, weights):
        """After an evaluation of these weights."""
{evaluated}
'''
KEEPS = """        if (accuracy, -loss) > self.merit:
            self.merit, self.weights = (accuracy, -loss), weights
"""
LAST = "        self.weights = weights\n"
WAITS = """        self.waited = 0 if loss < self.lowest else self.waited + 1
        self.lowest = min(loss, self.lowest)
"""
BEST = "    the weights of the best accuracy are kept, of equals those of the lowest loss"
ENDS = "    training stops after {patience} evaluations in a row without a lower loss"
NUMPY_BEGIN = """    course = data.Course(*data.validate(lambda x: predict({of}, x), DTYPE), {kept}.copy())
"""
NUMPY_LOOK = """        if data.evaluates(step, steps):
            course.evaluated(*data.validate(lambda x: predict({of}, x), DTYPE), {kept}.copy())
"""
TORCH_BEGIN = """    course = data.Course(*data.validate(lambda x: predict({kept}, x), DTYPE), copied({kept}))
    module.train()
"""
TORCH_LOOK = """        if data.evaluates(step, steps):
            course.evaluated(*data.validate(lambda x: predict({kept}, x), DTYPE), copied({kept}))
            module.train()
"""
STOP = """            if course.waited >= {patience}:
                break
"""
COPIED = '''def copied(module):
    """Parameters and running statistics by name, as they are now."""
    return {name: array.copy() for name, array in named(module).items()}


'''


def decides(recipe: Recipe) -> bool:
    """Whether the validation samples decide anything."""
    return recipe.training.keep == "best" or recipe.training.patience is not None


def check_decided(recipe: Recipe, has_samples: bool) -> None:
    """Raises `UserError` where the scripts could not look at the validation samples as the run does."""
    if not decides(recipe):
        return
    if recipe.training.flip_test or recipe.training.shift_test:
        raise UserError(
            'the scripts know `training.keep = "best"` and `training.patience` of images that are judged as they are; '
            "leave out training.flip_test and training.shift_test"
        )
    if not has_samples:
        raise UserError(
            'by `training.keep = "best"` or `training.patience` the validation samples decide, so that the scripts '
            "need the samples, which are not at hand or not asked for: say `--samples`, or leave the settings out"
        )


def shared(parts: Parts, recipe: Recipe) -> str:
    """The lines of `data.py` that decide; empty where nothing is decided."""
    if not decides(recipe):
        return ""
    training = recipe.training
    best, patience = training.keep == "best", training.patience
    begin = "self.merit, self.weights = (accuracy, -loss), weights" if best else "self.weights = weights"
    begin += "\n        self.lowest, self.waited = loss, 0" if patience else ""
    what = [BEST] if best else []
    what += [ENDS.format(patience=patience)] if patience else []
    return DECIDED.format(
        validate=validated(parts, recipe, evaluation_batch(recipe.network)),
        what=";\n".join(what) + ".",
        begin=begin,
        evaluated=((KEEPS if best else LAST) + (WAITS if patience else "")).rstrip("\n"),
    )


def begun(recipe: Recipe, engine: str) -> str:
    """The lines before the loop over steps; empty where nothing is decided."""
    return _filled(recipe, NUMPY_BEGIN if engine == "numpy" else TORCH_BEGIN, engine)


def looked(recipe: Recipe, engine: str) -> str:
    """The lines after a step; empty where nothing is decided."""
    stop = STOP.format(patience=recipe.training.patience) if recipe.training.patience else ""
    return _filled(recipe, (NUMPY_LOOK if engine == "numpy" else TORCH_LOOK) + stop, engine)


def kept(recipe: Recipe, engine: str) -> str:
    """The expression of the weights, or the module, that training ends with."""
    if not decides(recipe):
        return _last(recipe, engine)
    return "course.weights" if engine == "numpy" else "begin(course.weights)"


def _filled(recipe: Recipe, lines: str, engine: str) -> str:
    if not decides(recipe):
        return ""
    of = "views(average, SHAPES + STATISTICS)" if recipe.training.ema else "params"
    return lines.format(of=of, kept=_last(recipe, engine))


def _last(recipe: Recipe, engine: str) -> str:
    """The name of the weights at the end, or of their moving average where that predicts."""
    names = ("average", "weights") if engine == "numpy" else ("averaged", "module")
    return names[0] if recipe.training.ema else names[1]
