"""What is checked of a PyTorch module before it is run: nothing hidden, and parameters that are plain and trained."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter
from torch.nn.utils import parametrize

from twofold.errors import AdoptError

MOST_PARAMETERS = 10**9
WRAPPERS: Mapping[str, str] = {
    "DataParallel": "Give adopt what it wraps: model.module",
    "DistributedDataParallel": "Give adopt what it wraps: model.module",
    "OptimizedModule": "Give adopt what was compiled: model._orig_mod",
    "ScriptModule": "Give adopt the module that it was made from",
}
"""What to give adopt in place of a module that hides the one whose operations can be read."""


def check_module(module: nn.Module) -> None:
    """Raises `AdoptError` by the part's name for what hides its operations, has no size, is shared, frozen or NaN."""
    for kind in type(module).__mro__:
        if WRAPPERS.get(kind.__name__) and kind.__module__.startswith("torch."):
            reason = "it hides the operations of the module within"
            raise AdoptError(reason, operator=type(module).__name__, nearest=WRAPPERS[kind.__name__])
    names = dict[int, str]()
    count = 0
    for place, part in module.named_modules():
        _check_part(place, part)
        for own, parameter in part.named_parameters(recurse=False, remove_duplicate=False):
            name = f"{place}.{own}" if place else own
            _check_parameter(name, parameter, names.setdefault(id(parameter), name))
            if not torch.isfinite(parameter).all():
                raise AdoptError(f"its {own} holds NaN or infinity", layer=place, operator=type(part).__name__)
            count += parameter.numel()
    if count > MOST_PARAMETERS:
        raise AdoptError(f"it holds {count:,} parameters; at most {MOST_PARAMETERS:,} are allowed")


def _check_part(name: str, part: nn.Module) -> None:
    kind = type(part).__name__
    if any(isinstance(parameter, UninitializedParameter) for parameter in part.parameters(recurse=False)):
        raise AdoptError("it has no size yet", layer=name, operator=kind, nearest="Run the module once on a sample")
    if any(tensor.is_meta for tensor in (*part.parameters(recurse=False), *part.buffers(recurse=False))):
        nearest = 'Give it numbers: module.to_empty(device="cpu"), then load its weights'
        raise AdoptError("it is on the meta device, which holds no numbers", layer=name, operator=kind, nearest=nearest)
    if parametrize.is_parametrized(part):
        raise AdoptError(
            "its weight is computed from other tensors, as by weight_norm or spectral_norm",
            layer=name,
            operator=kind.removeprefix("Parametrized"),
            nearest='torch.nn.utils.parametrize.remove_parametrizations(layer, "weight") makes it a plain one',
        )
    if type(part).__module__.startswith("torch.ao.") and "quantized" in type(part).__module__:
        nearest = "Adopt the module that was quantized"
        raise AdoptError("its weights are whole numbers of 8 bits", layer=name, operator=kind, nearest=nearest)
    if any(getattr(part, hooks) for hooks in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")):
        raise AdoptError(
            "it has hooks, which may change what passes",
            layer=name,
            operator=kind,
            nearest="Remove them, as with torch.nn.utils.remove_weight_norm, and adopt it then",
        )


def _check_parameter(name: str, parameter: nn.Parameter, first: str) -> None:
    """Raises `AdoptError` for a shared or a frozen parameter; `first` is the name under which it was met first."""
    if name != first:
        raise AdoptError(
            f"it is the same tensor as {first}: shared weights",
            layer=name,
            operator="parameter",
            nearest="Twofold's layers have weights of their own",
        )
    if not parameter.requires_grad:
        raise AdoptError(
            "it is frozen (requires_grad is False); Twofold trains every parameter",
            layer=name,
            nearest="Set requires_grad to True for the copy that is adopted",
        )
