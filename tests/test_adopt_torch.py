"""Adopting PyTorch modules: forty architectures and more, each proved the same or refused with a reason."""

from __future__ import annotations

import pytest
import torch

from architectures import ARCHITECTURES, Architecture
from forwards import FORWARDS
from twofold.errors import AdoptError
from twofold.exchange.adopted import Wanted
from twofold.exchange.torch.adopting import adopt_module

ADOPTED = [architecture for architecture in [*ARCHITECTURES, *FORWARDS] if not architecture.refused]
REFUSED = [architecture for architecture in [*ARCHITECTURES, *FORWARDS] if architecture.refused]


@pytest.mark.parametrize("architecture", ADOPTED, ids=lambda a: a.name)
def test_an_architecture_is_adopted_with_proof(architecture: Architecture) -> None:
    torch.manual_seed(0)
    adopted = adopt_module(architecture.build(), architecture.sample(), Wanted())
    proof = adopted.proof
    assert proof.passed
    assert proof.steps == 20
    assert set(proof.largest) == {"forward", "loss", "gradient", "state"}
    assert max(proof.largest.values()) <= 1e-9


@pytest.mark.parametrize("architecture", REFUSED, ids=lambda a: a.name)
def test_an_architecture_is_refused_by_name(architecture: Architecture) -> None:
    torch.manual_seed(0)
    with pytest.raises(AdoptError) as refusal:
        adopt_module(architecture.build(), architecture.sample(), Wanted())
    assert architecture.refused in str(refusal.value)
