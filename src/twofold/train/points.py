"""Train recipes without a run folder: the points of a study."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from twofold.data import Batches, Dataset, load_data
from twofold.engine.threads import few_threads
from twofold.numpy_engine import NumpyEngine, reported_loss
from twofold.plain import Parsed
from twofold.recipe import Recipe
from twofold.recipe.data import DataSpec
from twofold.recipe.network import recurrent_nodes
from twofold.runs.history import HistoryRow
from twofold.setup.building import initial_state, resolved, training_engine
from twofold.setup.events import Evaluated
from twofold.setup.needed import check_memory, evaluation_batch, fit_at_once
from twofold.train.course import validation_of
from twofold.train.events import Ended, Event, Failed, Outcome
from twofold.train.gradient_flow import Flow, carried, flow_batch, measure_flow, read_last
from twofold.train.loop import Plan, training
from twofold.train.replicas import StackedBatches, many, pays, stacked, together, train_replicas
from twofold.train.replicas import scorer as replicas_scorer
from twofold.train.scoring import scorer, scores_of


@dataclass(frozen=True)
class Point:
    """The result of one training: the scores of the weights that it kept, or why it failed."""

    scores: dict[str, float | None]
    """`test_accuracy` and the others, by the names of `twofold.runs.SCORES`; empty after a failure."""
    seconds: float
    """Training time in seconds, without evaluation; of networks that were trained at once, a share."""
    steps: int
    history: tuple[HistoryRow, ...]
    """Every evaluation, the first before training."""
    failure: str = ""
    """Why there are no scores, in a sentence."""
    pruned: bool = False
    """Whether it was stopped early, at an evaluation; its scores are those of that evaluation."""
    note: str = ""
    """What else may have changed the last digits, in a sentence."""
    flow: dict[str, Parsed] | None = None
    """The gradient flow through the recurrent layer whose last step is read, before and after training: ‖∂L/∂h(t)‖ at
    each step, the share of the last step's gradient that reaches the first (`carried_before`, `carried_after`),
    spectral radius and largest singular value of W_hh. `None` without such a layer."""


def at_once(recipes: Sequence[Recipe], engine: str) -> bool:
    """Whether recipes are trained as replicas in the NumPy engine: they are alike, and small enough to gain by it."""
    return engine == NumpyEngine.name and len(recipes) > 1 and pays(recipes[0]) and together(recipes)


IN_TURN = "the memory did not hold the networks of a group at once: they were trained one after another"
Load = Callable[[DataSpec], Dataset]
"""The function that reads the samples of a source."""


Stops = Callable[[Sequence[HistoryRow]], bool]
"""A function that decides whether a training with these evaluations, the last just made, is stopped."""


def train_points(
    recipes: Sequence[Recipe], engine: str, load: Load = load_data, stops: Stops | None = None
) -> list[Point]:
    """Train each recipe in one engine; a loss that diverges is a point's failure and raises nothing.

    Recipes that differ in `training.seed` and `optimizer.lr` alone are trained at once in the NumPy engine, where their
    layers allow it and they are small enough for it to pay: the same numbers up to rounding, in less time. Where the
    memory does not hold them at once, they are trained one after another.

    `load` reads the samples: a worker that trains many points of the same data remembers them. With `stops` each recipe
    is trained alone, and may be stopped early.

    Raises `DataError` or `UserError` where a recipe cannot be trained at all.
    """
    if stops is None and at_once(recipes, engine):
        return _train_stacked(recipes, load)
    points, dataset = list[Point](), None
    for before, recipe in zip((None, *recipes), recipes, strict=False):
        if dataset is None or before is None or before.data != recipe.data:
            dataset = load(recipe.samples)
        points.append(_lone(resolved(recipe, dataset), dataset.astype(recipe.training.dtype), engine, stops))
    return points


def _lone(recipe: Recipe, dataset: Dataset, engine: str, stops: Stops | None = None) -> Point:
    check_memory(recipe, [engine], *(split for _, split in dataset.splits()))
    built = training_engine(engine, recipe)
    history = list[HistoryRow]()
    built.load(initial_state(recipe.model, dataset.train))
    batches = Batches(recipe, dataset.train)
    watched = flow_batch(dataset.train, batches.size if recurrent_nodes(recipe.network) else 1)
    plan = Plan(scorer(recipe, dataset), validation_of(recipe))
    with few_threads(recipe, len(dataset.train)):
        before = measure_flow(built, recipe.network, watched)
        outcome, pruned = _until_stopped(training(built, batches, plan), history, stops)
        after = measure_flow(built, recipe.network, watched)
    point = _point(outcome, history, _flow(read_last(recipe.network), before, after))
    return replace(point, pruned=pruned)


def _until_stopped(events: Iterator[Event], history: list[HistoryRow], stops: Stops | None) -> tuple[Outcome, bool]:
    """The outcome of a training, and whether `stops` ended it; its evaluations go into `history`."""
    for event in events:
        match event:
            case Evaluated(row):
                history.append(row)
                if stops is not None and row.step and stops(history):
                    return Outcome(row.step, row.seconds, row), True
            case Failed(outcome) | Ended(outcome):
                return outcome, False
    raise AssertionError("a training ends with an outcome")


def _train_stacked(recipes: Sequence[Recipe], load: Load) -> list[Point]:
    """Train recipes as replicas of one network, or one after another if they do not fit into memory at once."""
    dataset = load(recipes[0].samples).astype(recipes[0].training.dtype)
    recipes = [resolved(recipe, dataset) for recipe in recipes]
    first, count = recipes[0], len(recipes)
    if not fit_at_once(first, count, *(split for _, split in dataset.splits())):
        return [replace(_lone(recipe, dataset, NumpyEngine.name), note=IN_TURN) for recipe in recipes]
    engine = NumpyEngine(first.model, first.optimizer, first.training, replicas=count)
    engine.load(stacked([initial_state(recipe.model, dataset.train) for recipe in recipes]))
    batches = StackedBatches([Batches(recipe, dataset.train) for recipe in recipes])
    lone = flow_batch(dataset.train, batches.first.size if recurrent_nodes(first.network) else 1)
    watched = lone._replace(x=many(lone.x, count), target=many(lone.target, count))
    score = replicas_scorer(first, dataset, count, reported_loss(first.loss), evaluation_batch(first.network))
    with few_threads(first, len(dataset.train)):
        before = measure_flow(engine, first.network, watched)
        outcomes, histories = train_replicas(engine, batches, score)
        after = measure_flow(engine, first.network, watched)
    pairs = zip(outcomes, histories, strict=True)
    return [_point(*pair, _flow(read_last(first.network), before, after, (index,))) for index, pair in enumerate(pairs)]


def _point(outcome: Outcome, history: Sequence[HistoryRow], flow: dict[str, Parsed] | None) -> Point:
    failure = outcome.failure
    if failure:
        sentence = f"the loss became {failure.loss} at step {failure.step}"
        return Point({}, outcome.seconds, outcome.steps, tuple(history), sentence, flow=flow)
    return Point(scores_of(outcome.row), outcome.seconds, outcome.steps, tuple(history), flow=flow)


def _flow(
    name: str | None, before: Mapping[str, Flow], after: Mapping[str, Flow], replica: tuple[int, ...] = ()
) -> dict[str, Parsed] | None:
    """The flow through one recurrent layer, as plain values."""
    if name is None:
        return None
    facts = dict[str, Parsed]()
    for when, flows in (("before", before), ("after", after)):
        gradient, _, radius, singular = (values[replica] for values in flows[name])
        facts |= {f"carried_{when}": float(carried(gradient)), f"gradient_{when}": gradient.tolist()}
        facts |= {f"radius_{when}": radius.tolist(), f"singular_{when}": singular.tolist()}
    return facts
