"""Runs that were made to have a fault, and runs that have none: what the analysis says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import twofold
from twofold.analysis import findings
from twofold.report.findings import TEXTS, said

FLAT = {"kind": "flatten"}


def dense(*units: int, act: str = "relu") -> list[dict[str, Any]]:
    hidden = [layer for n in units[:-1] for layer in ({"kind": "dense", "units": n}, {"kind": act})]
    return [*hidden, {"kind": "dense", "units": units[-1]}]


LARGE = {"kind": "normal", "std": 30.0}
NOISY = {"data.noise": 0.5, "data.samples": 120, "data.test": 0.5, "training.epochs": 500}
PLANTED: dict[str, tuple[str, dict[str, Any], set[str]]] = {
    "a rate that ends in dead units": ("digits", {"optimizer.lr": 1.0}, {"rate_high_by_units", "dead"}),
    "a rate that throws the loss up": (
        "moons",
        {"optimizer.lr": 30.0, "training.epochs": 100},
        {"rate_high_by_loss"},
    ),
    "a rate of next to nothing": ("moons", {"optimizer.lr": 1e-6, "training.epochs": 50}, {"rate_low"}),
    "few noisy samples, a large network": (
        "moons",
        {**NOISY, "layers": dense(100, 100, 2), "optimizer": {"kind": "adam", "lr": 0.01}},
        {"over_fits", "turned"},
    ),
    "no hidden layer": ("circles", {"layers": dense(2), "training.epochs": 50}, {"learned_nothing"}),
    "large weights before tanh": (
        "digits",
        {"layers": [FLAT, *dense(32, 32, 10, act="tanh")], "initial": LARGE, "training.epochs": 5},
        {"saturated_at_start", "starts_high"},
    ),
    "five sigmoids": (
        "digits",
        {"layers": [FLAT, *dense(32, 32, 32, 32, 32, 10, act="sigmoid")], "training.epochs": 5},
        {"fades_in_depth"},
    ),
    "twenty digits": ("palindrome-20", {"training.steps": 100}, {"vanishes"}),
}
HEALTHY: dict[str, tuple[str, dict[str, Any]]] = {
    "digits": ("digits", {}),
    "moons-adam": ("moons-adam", {}),
    "blobs": ("blobs", {"training.epochs": 100}),
    "classification": ("classification", {"training.epochs": 100}),
    "digits, tanh": ("digits", {"layers": [FLAT, *dense(32, 10, act="tanh")]}),
}


def analysed(name: str, overrides: dict[str, Any], folder: Path) -> tuple[set[str], list[str]]:
    run = twofold.run(name, overrides=overrides, engines="numpy", out=folder)
    found = findings(run)
    return {finding.kind for finding in found if finding.fault}, [each.text for each in said(found, ())]


@pytest.mark.parametrize(("name", "overrides", "faults"), PLANTED.values(), ids=PLANTED)
def test_a_planted_fault_is_found(name: str, overrides: dict[str, Any], faults: set[str], tmp_path: Path) -> None:
    assert faults <= analysed(name, overrides, tmp_path / "run")[0]


@pytest.mark.parametrize(("name", "overrides"), HEALTHY.values(), ids=HEALTHY)
def test_a_healthy_run_has_no_fault(name: str, overrides: dict[str, Any], tmp_path: Path) -> None:
    faults, texts = analysed(name, overrides, tmp_path / "run")
    assert not faults
    assert texts


def test_every_sentence_has_a_title() -> None:
    assert all(title and text for title, text in TEXTS.values())
