"""Name the mistake behind a divergence: a layer, loss or optimizer is diagnosed on the numbers of the step itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twofold.arrays import Array, Arrays, gap
from twofold.engine import Engine, State, Step, Trace
from twofold.proof.check.compared import TOLERANCE
from twofold.proof.check.naming import named_faults
from twofold.proof.check.report import Named
from twofold.proof.check.subject import Subject
from twofold.proof.lockstep import Divergence, Parting
from twofold.proof.mistakes import KINDS, Scene, gradient_name
from twofold.proof.mistakes.base import Settings
from twofold.recipe import Node, Recipe

MOMENTS = {"momentum_buffer": "m", "exp_avg": "m", "exp_avg_sq": "v", "square_avg": "v"}
"""The catalogue's names of an optimizer's moments, by PyTorch's."""


UNMOVED = Named(
    "engine-samples-unmoved",
    "The samples are trained on as they are: `batch.radius` says how far each is moved towards a higher loss first.",
    "x + r g / ‖g‖, g = ∂loss/∂x",
    ("Look at what the first layer takes.", "Is it x?", "Move x by `batch.radius` along its gradient first."),
)


@dataclass(frozen=True)
class _Dispute:
    """The step at which two engines part, and the trace of its batch through the first engine."""

    recipe: Recipe
    parting: Parting
    trace: Trace
    tolerance: float

    def named(self, kind: str, section: str, settings: Settings, scene: Scene, yours: Arrays) -> Named | None:
        """The mistake behind the tensors `yours` of one scene, which alone are compared; `None` if right or unknown."""
        if kind not in KINDS:
            return None
        subject = Subject(kind, section, settings, (scene,))
        expected = [{name: tensor for name, tensor in tensors.items() if name in yours} for tensors in subject.run()]
        if not expected[0]:
            return None
        limits = dict.fromkeys(expected[0], max(TOLERANCE, self.tolerance))
        wrong = [n for n, t in expected[0].items() if t.shape != yours[n].shape or not _close(t, yours[n], limits[n])]
        if not wrong:
            return None
        faults = named_faults(subject, [yours], expected, limits, wrong)
        return faults[0] if faults else None


def explain(
    recipe: Recipe, first: Engine, parting: Parting, tolerance: float, second: Engine | None = None
) -> tuple[str, Named] | None:
    """Which engine is wrong at the step at which they part, `first` or `second`, and why; `None` if not found out.

    Each is compared with the catalogue's own computation. A gradient may be wrong only because the dy passed back to
    its layer is: where the second engine has a `trace`, the first wrong signal shows the culprit. Both engines keep
    their state.
    """
    trace = _traced(first, parting)
    if trace is None:
        return None
    dispute = _Dispute(recipe, parting, trace, tolerance)
    if _is_unmoved(first, parting, tolerance):
        return "second", UNMOVED
    if parting.divergence.stage == "gradient" and second is not None:
        named = _from_behind(dispute, _traced(second, parting))
        if named is not None:
            return "second", named
    for side, step in (("second", parting.second), ("first", parting.first)):
        named = _explained(dispute, step)
        if named is not None:
            return side, named
    return None


def _is_unmoved(first: Engine, parting: Parting, tolerance: float) -> bool:
    """Whether the second engine trained on the samples as they are, where the batch says to move them."""
    if parting.batch.radius is None:
        return False
    trace = _traced(first, parting._replace(batch=parting.batch._replace(radius=None)))
    outputs = [*parting.second.outputs.values()]
    return trace is not None and bool(outputs) and _close(trace.logits, outputs[-1], tolerance)


def _traced(engine: Engine, parting: Parting) -> Trace | None:
    """The trace of the batch through an engine from the state before the step; `None` if the engine has none."""
    if not callable(getattr(engine, "trace", None)):
        return None
    after = engine.state()
    engine.load(parting.before)
    with np.errstate(all="ignore"):
        trace = engine.trace(parting.batch)
    engine.load(after)
    return trace


def _from_behind(dispute: _Dispute, wrong: Trace | None) -> Named | None:
    """The loss or the layer whose dx is the first wrong signal, from the last layer to the first."""
    if wrong is None:
        return None
    nodes, right = dispute.recipe.network.nodes, dispute.trace
    for index in range(len(nodes) - 1, -1, -1):
        name = nodes[index].name
        if name not in right.signals or name not in wrong.signals:
            return None
        if _close(right.signals[name], wrong.signals[name], dispute.tolerance):
            continue
        if index == len(nodes) - 1:
            return _loss_of(dispute, {"dz": wrong.signals[name]})
        return _layer(dispute, nodes[index + 1], dispute.parting.second, dx=wrong.signals[name])
    return None


def _explained(dispute: _Dispute, yours: Step) -> Named | None:
    """The mistake of one engine in the layer, the loss or the update where the engines part."""
    divergence = dispute.parting.divergence
    tracked = divergence.name.split(".")[-1] in ("running_mean", "running_var")
    if divergence.stage in ("forward", "gradient") or tracked:
        place = divergence.name.split(".")[0]
        node = next((node for node in dispute.recipe.network.nodes if node.name == place), None)
        return _layer(dispute, node, yours) if node else None
    if divergence.stage == "loss":
        return _loss_of(dispute, {"loss": np.asarray(yours.loss)})
    return _update(dispute, yours)


def _close(a: Array, b: Array, tolerance: float) -> bool:
    return gap(a, b) <= tolerance


def _layer(dispute: _Dispute, node: Node, yours: Step, dx: Array | None = None) -> Named | None:
    """The mistake in one layer's pass, given the right input x and the right dy; `None` where its engine lacks any."""
    recipe, parting, trace = dispute.recipe, dispute.parting, dispute.trace
    before, batch = parting.before, parting.batch
    names = [other.name for other in recipe.network.nodes]
    index = names.index(node.name)
    held = {**before.parameters, **before.buffers}
    arrays = {name[len(node.name) + 1 :]: array for name, array in held.items() if _of(name, node)}
    inputs = parting.first.outputs[names[index - 1]] if index else trace.x
    arrays["x"] = inputs
    if node.name in trace.signals:
        arrays["dy"] = trace.signals[node.name]
    if node.name in batch.masks:
        arrays["mask"] = batch.masks[node.name].astype(float)
    theirs = _of_layer(node, yours)
    if theirs is None:
        return None
    theirs |= {} if dx is None else {"dx": dx}
    facts = {"training": True, "fresh": True, "whole_numbers": node.kind in ("embedding", "embed_columns")}
    settings = {**node.spec.model_dump(), "kind": node.kind}
    return dispute.named(node.kind, "layers", settings, Scene("the step", arrays, facts), theirs)


def _of_layer(node: Node, yours: Step) -> dict[str, Array] | None:
    """A layer's output, buffers and gradients by the catalogue's names; `None` where the engine gives not all."""
    places = [("y", yours.outputs, node.name)]
    places += [(name, yours.state.buffers, f"{node.name}.{name}") for name in node.buffers]
    places += [(gradient_name(name, node.kind), yours.gradients, f"{node.name}.{name}") for name in node.parameters]
    complete = all(key in tensors for _, tensors, key in places)
    return {name: tensors[key] for name, tensors, key in places} if complete else None


def _of(name: str, node: Node) -> bool:
    return name.startswith(f"{node.name}.")


def _loss_of(dispute: _Dispute, yours: Arrays) -> Named | None:
    """The mistake in the loss or its gradient, given the right outputs."""
    loss, batch = dispute.recipe.loss, dispute.parting.batch
    outputs = list(dispute.trace.outputs.values())[-1]
    if loss.model_dump().get("class_weight") is not None or batch.weight is not None:
        return None  # the catalogue's losses count every sample alike
    scene = Scene("the step", {"outputs": outputs, "target": batch.target}, {"fresh": True})
    return dispute.named(loss.kind, "loss", loss.model_dump(), scene, yours)


def _update(dispute: _Dispute, yours: Step) -> Named | None:
    """The mistake in the optimizer's step, from the state before and the right gradients."""
    parting, optimizer = dispute.parting, dispute.recipe.optimizer
    before = parting.before
    arrays: dict[str, Array] = {f"p.{name}": array for name, array in before.parameters.items()}
    arrays |= {f"g.{name}": array for name, array in parting.first.gradients.items()}
    for moment, held in before.optimizer.items():
        arrays |= {f"{MOMENTS[moment]}.{name}": array for name, array in held.items() if moment in MOMENTS}
    facts = {"lr": float(parting.batch.lr), "k": before.updates + 1, "fresh": True}
    updated = dict(yours.state.parameters)
    stale = _stale(parting.divergence, before, yours.state, dispute.tolerance)
    scene, settings = Scene("the step", arrays, facts), optimizer.model_dump()
    everywhere = stale or dispute.named(optimizer.kind, "optimizer", settings, scene, updated)
    alone = {name: array for name, array in updated.items() if name == parting.divergence.name}
    return everywhere or (dispute.named(optimizer.kind, "optimizer", settings, scene, alone) if alone else None)


def _stale(divergence: Divergence, before: State, after: State, tolerance: float) -> Named | None:
    """The mistake of a tensor of the state that the step should have updated but left as it was."""
    old, new = before.arrays().get(divergence.name), after.arrays().get(divergence.name)
    if old is None or new is None or not _close(old, new, tolerance):
        return None
    sentence = f"{divergence.name} is that of the step before: it is not updated."
    return Named(
        "relation-stale",
        sentence,
        "",
        ("What the optimizer remembers.", "Which of it changes?", sentence),
        (divergence.name,),
    )


def sentence(divergence: Divergence, named: Named | None) -> str:
    """`step 1 agrees, step 2 parts: state, `0.weight`: the velocity of the step before is used.`"""
    agreed = {1: "", 2: "step 1 agrees, "}.get(divergence.step, f"steps 1 to {divergence.step - 1} agree, ")
    why = named.sentence if named is not None else f"no known mistake, gap {divergence.size:.1e}"
    return f"{agreed}step {divergence.step} parts: {divergence.stage}, `{divergence.name}`: {why}"
