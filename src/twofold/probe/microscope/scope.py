"""The microscope over one batch: any number of its forward or backward pass, in every engine."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.engine import Batch, State, Trace, answered
from twofold.engine.schedules import learning_rate
from twofold.errors import UserError, did_you_mean
from twofold.probe.microscope.account import Account
from twofold.probe.microscope.kinds import explain
from twofold.probe.microscope.losses import loss
from twofold.probe.microscope.subject import Subject, subjects, wide
from twofold.probe.microscope.terms import Sum, sum_of
from twofold.probe.microscope.update import Parameter, Updated, update_of
from twofold.probe.passage import Passage
from twofold.recipe import Recipe
from twofold.setup.building import build_engine

LOSS = "loss"
"""The name under which the loss stands among the layers."""
LONG = 1 << 20
"""Steps assumed for a training of unknown length: enough for the beginning of any schedule."""
SILENT = np.errstate(all="ignore")
"""NaN and infinity are shown, not warned of."""
PLACE = re.compile(r"(?P<layer>[^.\[\]]+)\.(?P<what>[^\[\]]+?)\s*(?:\[(?P<index>[^\[\]]*)\])?")
WHOLE = re.compile(r"\s*(-?\d{1,15})\s*", re.ASCII)


@dataclass(frozen=True)
class Moment:
    """An engine at one batch: its state before, and the trace of the batch."""

    state: State
    trace: Trace


@dataclass(frozen=True)
class Explained:
    """A layer, or the loss, in one engine: the accounts of its numbers, and the arrays that hold them."""

    accounts: Mapping[str, Account]
    arrays: Arrays


@dataclass(frozen=True)
class Number:
    """One number, written out in every engine."""

    layer: str
    kind: str
    account: Account
    index: tuple[int, ...]
    sums: Mapping[str, Sum]
    """The sum behind the number, by engine."""
    update: Mapping[str, Sequence[tuple[Account, Sum]]] = field(default_factory=dict)
    """How the parameter of a gradient moves, from the gradient to the parameter after the update; by engine."""

    @property
    def name(self) -> str:
        """The number's name: `2.weight[3, 5]`."""
        return f"{self.layer}.{self.account.what}" + (f"[{', '.join(map(str, self.index))}]" if self.index else "")


@dataclass
class Microscope:
    """A batch and its trace in each engine. The accounts of a layer are worked out when they are first asked for."""

    recipe: Recipe
    batch: Batch
    """The batch, with the learning rate that an update would have."""
    moments: Mapping[str, Moment]
    """By engine."""
    _explained: dict[tuple[str, str], Explained] = field(default_factory=dict, repr=False)

    @cached_property
    def kinds(self) -> dict[str, str]:
        """The kind of each layer by its name, in forward order, and last that of the loss."""
        return {**{node.name: node.kind for node in self.recipe.network.nodes}, LOSS: self.recipe.loss.kind}

    def parameters(self, layer: str) -> list[str]:
        """The names of a layer's parameters."""
        nodes = {node.name: node for node in self.recipe.network.nodes}
        return list(nodes[layer].parameters) if layer in nodes else []

    @SILENT
    def explained(self, engine: str, layer: str) -> Explained:
        """The accounts and arrays of a layer in one engine."""
        if (engine, layer) not in self._explained:
            self._explained[engine, layer] = self._loss(engine) if layer == LOSS else self._layer(engine, layer)
        return self._explained[engine, layer]

    @SILENT
    def updated(self, engine: str, layer: str, parameter: str) -> Updated:
        """The accounts of a parameter's update along this batch's gradient, with the engine's own result."""
        name, moment = f"{layer}.{parameter}", self.moments[engine]
        spec = self.recipe.optimizer
        decays = spec.decayed == "all" or name in self.recipe.network.weights
        moved = Parameter(name, decays, self._after[engine][name])
        return update_of(moved, spec, moment.trace.gradients, moment.state, float(self.batch.lr))

    @SILENT
    def number(self, layer: str, what: str, index: Sequence[int] = ()) -> Number:
        """The number at a place of `y`, `dx`, a parameter's gradient, or another account of the layer.

        Raises `UserError` where there is no such layer, account or place.
        """
        engines = list(self.moments)
        account = self._account(engines[0], layer, what, tuple(index))
        sums = {
            engine: sum_of(at.accounts, what, at.arrays, index)
            for engine in engines
            for at in [self.explained(engine, layer)]
        }
        update = {engine: list(self._moves(engine, layer, what, index)) for engine in engines}
        return Number(layer, self.kinds[layer], account, tuple(index), sums, update if any(update.values()) else {})

    def find(self, text: str) -> Number:
        """The number that a text names: `2.weight[3, 5]`, `0.y[0, 3]`, `loss.L`."""
        match = PLACE.fullmatch(text.strip())
        places = [] if match is None else [place for place in (match["index"] or "").split(",") if place.strip()]
        if match is None or not all(WHOLE.fullmatch(place) for place in places):
            raise UserError(
                "a number is named LAYER.ARRAY[PLACE], as in `0.weight[3, 1]` or `loss.dy[0, 1]`; "
                f"got {reprlib.repr(text)}"
            )
        return self.number(match["layer"], match["what"], [int(place) for place in places])

    @cached_property
    def _after(self) -> dict[str, Arrays]:
        """The parameters of each engine after its own update, by engine."""
        after = dict[str, Arrays]()
        for name, moment in self.moments.items():
            engine = build_engine(name, self.recipe)
            engine.load(moment.state)
            engine.update(moment.trace.gradients, float(self.batch.lr))
            after[name] = engine.state().parameters
        return after

    @cached_property
    def _subjects(self) -> dict[str, dict[str, Subject]]:
        return {
            engine: subjects(
                self.recipe.network.nodes, self.batch, moment.trace, moment.state.parameters, moment.state.buffers
            )
            for engine, moment in self.moments.items()
        }

    def _layer(self, engine: str, layer: str) -> Explained:
        subject = self._subjects[engine][layer]
        explanation = explain(subject)
        return Explained(
            {account.what: account for account in explanation.accounts}, {**subject.arrays(), **explanation.derived}
        )

    def _loss(self, engine: str) -> Explained:
        trace = self.moments[engine].trace
        last = self.recipe.network.nodes[-1].name
        outputs = wide(trace.outputs[last])
        target, weight, dy = self.batch.target, self.batch.weight, wide(trace.signals[last])
        if self.recipe.network.each_step:
            there = answered(target)
            outputs, target, weight = outputs[there], target[there], None if weight is None else weight[there]
            dy = dy[there]
        explanation = loss(self.recipe.loss, outputs, target, weight)
        arrays: dict[str, Array] = {
            "y": outputs, "L": np.array(trace.loss), "dy": dy, **explanation.derived
        }  # fmt: skip
        return Explained({account.what: account for account in explanation.accounts}, arrays)

    def _moves(self, engine: str, layer: str, what: str, index: Sequence[int]) -> Iterator[tuple[Account, Sum]]:
        """The accounts of a parameter's update; none where `what` is no parameter."""
        if what not in self.parameters(layer):
            return
        updated = self.updated(engine, layer, what)
        accounts = {account.what: account for account in updated.accounts}
        for name, account in accounts.items():
            yield account, sum_of(accounts, name, updated.arrays, index)

    def _account(self, engine: str, layer: str, what: str, index: tuple[int, ...]) -> Account:
        if layer not in self.kinds:
            raise UserError(f"there is no layer `{layer}`; there are {', '.join(f'`{name}`' for name in self.kinds)}")
        accounts = self.explained(engine, layer).accounts
        if what not in accounts:
            raise UserError(
                f"layer {layer} ({self.kinds[layer]}) has no `{layer}.{what}`; {did_you_mean(what, accounts)} "
                f"Its arrays are {', '.join(f'`{layer}.{name}`' for name in accounts)}"
            )
        shape, got = accounts[what].shape, f"[{', '.join(map(str, index))}]"
        if len(index) == len(shape) and all(0 <= place < size for place, size in zip(index, shape, strict=True)):
            return accounts[what]
        if not shape:
            raise UserError(f"`{layer}.{what}` is one number, without a place; got {got}")
        first, last = (f"[{', '.join(map(str, ends))}]" for ends in ([0] * len(shape), [size - 1 for size in shape]))
        raise UserError(
            f"`{layer}.{what}` has the shape {shape}: its places lie between `{layer}.{what}{first}` and "
            f"`{layer}.{what}{last}`; got {got}"
        )


def under(passage: Passage) -> Microscope:
    """The microscope over a batch; without a rate of its own, the update is the first one of a new optimizer."""
    recipe, rate = passage.recipe, passage.rate
    if rate is None:
        rate = learning_rate(recipe.schedule, recipe.optimizer.lr, recipe.training.steps or LONG, LONG)(0)
    state = State(passage.parameters, buffers=passage.buffers)
    moments = {engine: Moment(state, trace) for engine, trace in passage.traces.items()}
    return Microscope(recipe, passage.batch._replace(lr=rate), moments)
