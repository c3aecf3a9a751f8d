"""The catalogue: right without switches, every mistake is seen on the standard inputs and named, none of them twice."""

from __future__ import annotations

import runpy
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cases import LAYERS, LOSSES, OPTIMIZERS, SCHEDULES, LayerCase, LossCase, kinds
from twofold.arrays import gap
from twofold.engine.schedules import learning_rate
from twofold.numpy_engine.layer import Mode
from twofold.numpy_engine.layers import build_layer
from twofold.numpy_engine.losses import loss_function
from twofold.numpy_engine.optimizers import clip, optimizer
from twofold.proof.check.compared import gaps
from twofold.proof.check.judging import power
from twofold.proof.check.naming import named_faults
from twofold.proof.check.subject import SECTIONS, subjects
from twofold.proof.mistakes import KINDS, MISTAKES, Making, Scene, computation, gradient_name
from twofold.recipe.faults import members

ROOT = Path(__file__).parents[1]
MADE = runpy.run_path(str(ROOT / "docs" / "make_mistakes.py"))
ALONE = [case for case in LAYERS if case.replicas is None and case.trains]


def test_every_kind_of_a_recipe_has_mistakes() -> None:
    assert set(KINDS) == {kind for section in SECTIONS for kind in members(section)} | {"max_norm"}
    assert len(MISTAKES) >= 150
    for kind in KINDS:
        assert any(kind in mistake.kinds for mistake in MISTAKES), kind


def test_names_are_unique_and_sentences_whole() -> None:
    assert [name for name, count in Counter(m.id for m in MISTAKES).items() if count > 1] == []
    for mistake in MISTAKES:
        assert mistake.sentence.endswith(".")
        assert all(mistake.hints)


@pytest.mark.parametrize("case", ALONE, ids=lambda case: case.name)
def test_a_layer_without_switches_is_the_engine_s(case: LayerCase) -> None:
    layer, params, x, dy = build_layer(case.spec), case.held(), case.x(), case.dy()
    y, cache = layer.forward(params, x, Mode(training=True, mask=case.mask()))
    dx, grads = layer.backward(case.params(), cache, dy)
    mask = case.mask()
    arrays = {"x": x, "dy": dy, **params} | ({} if mask is None else {"mask": mask.astype(float)})
    whole = case.kind in ("embedding", "embed_columns")
    making = Making(case.kind, {**case.spec.model_dump(), "kind": case.kind})
    found = computation(making).run(Scene("case", arrays, {"whole_numbers": whole}))
    right = {"y": y} | ({} if whole else {"dx": dx}) | {gradient_name(n, case.kind): g for n, g in grads.items()}
    for name, tensor in right.items():
        assert gap(found[name], np.asarray(tensor)) < 1e-10, name


UNWEIGHTED = [case for case in LOSSES if not case.weighted and getattr(case.spec, "class_weight", None) is None]


@pytest.mark.parametrize("case", UNWEIGHTED, ids=lambda case: case.name)
def test_a_loss_without_switches_is_the_engine_s(case: LossCase) -> None:
    value, gradient = loss_function(case.spec)(case.outputs(), case.target())
    scene = Scene("case", {"outputs": case.outputs(), "target": case.target()}, {})
    found = computation(Making(case.spec.kind, case.spec.model_dump())).run(scene)
    assert gap(found["loss"], np.asarray(value)) < 1e-10
    assert gap(found["dz"], gradient) < 1e-10


@pytest.mark.parametrize("name", [name for name, spec in OPTIMIZERS.items() if spec.decayed == "all"])
def test_an_optimizer_without_switches_is_the_engine_s(name: str) -> None:
    spec: Any = OPTIMIZERS[name]
    rng = np.random.default_rng(0)
    p = rng.normal(size=12)
    rule, moments, found = optimizer(spec), optimizer(spec).init(p), computation(Making(spec.kind, spec.model_dump()))
    begin = {"p.weight": p.copy()}
    for k in range(1, 6):
        g = rng.normal(size=12) * 3
        scene = Scene("step", {"g.weight": g, **begin}, {"lr": spec.lr, "k": k})
        rule.update(p, clip(g, spec.max_norm) if spec.max_norm else g, moments, spec.lr, k)
        assert gap(found.run(scene)["weight"], p) < 1e-10


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_without_switches_is_the_engine_s(name: str) -> None:
    case = SCHEDULES[name]
    rate = learning_rate(case.spec, 0.7, case.steps, case.steps_per_epoch)
    steps = np.arange(case.steps)
    facts = {"lr": 0.7, "steps": case.steps, "steps_per_epoch": case.steps_per_epoch}
    found = computation(Making(case.spec.kind, case.spec.model_dump())).run(Scene("case", {"k": steps}, facts))
    assert gap(found["rate"], np.array([rate(int(k)) for k in steps])) < 1e-10


def test_every_mistake_is_seen_on_the_standard_inputs_and_the_page_is_made_of_them() -> None:
    unseen = [mistake.id for mistake in MISTAKES if not MADE["example"](mistake)[1]]
    assert unseen == []
    assert (ROOT / "docs" / "mistakes.md").read_text("utf-8") == MADE["page"](), "python docs/make_mistakes.py"


@pytest.mark.parametrize("kind", KINDS)
def test_no_two_mistakes_of_a_kind_are_one_computation(kind: str) -> None:
    for number in range(len(MADE["choices"](kind))):
        making = MADE["subject"](kind, number).making
        wrong = [(m.id, m.apply(making)) for m in MADE["subject"](kind, number).mistakes()]
        seen = Counter(repr(other) for _, other in wrong if other != making)
        assert [name for name, other in wrong if seen[repr(other)] > 1] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_mistake_is_named_by_its_own_numbers(kind: str) -> None:
    """A fifth of them here; all by `benchmarks/check.py`, in docs/benchmarks/check.md. What has the same numbers is the
    same mistake."""
    subject = MADE["subject"](kind, 0)
    expected = list(MADE["right"](kind, 0))
    tolerances = subject.tolerances(expected, single=False)
    for mistake in subject.mistakes()[::5]:
        yours = subject.run(mistake.apply(subject.making))
        wrong = [found.tensor for found in gaps(yours, expected, subject.names, tolerances) if not found.ok]
        if not wrong or not all(yours):
            continue
        named = named_faults(subject, yours, expected, tolerances, wrong)
        assert named, mistake.id
        assert set(named[0].explains) <= set(wrong)


def test_a_clipping_that_adds_another_number_is_not_taken_for_the_optimizer_s() -> None:
    subject = subjects("adam", {"lr": 0.1, "max_norm": 1e-4})[0]
    yours, expected = subject.run(subject.making.on("norm_eps_8")), subject.run()
    named = named_faults(subject, yours, expected, subject.tolerances(expected, single=False), ["weight", "bias"])
    assert [fault.name for fault in named] == ["max_norm-norm-eps-8"]


def test_power_counts_what_is_visible() -> None:
    (subject,) = [MADE["subject"]("dense", 0)]
    assert power(subject).visible == power(subject).known >= 30


def test_kinds_of_the_tables_are_known() -> None:
    assert {case.kind for case in LAYERS} <= set(KINDS)
    assert kinds
