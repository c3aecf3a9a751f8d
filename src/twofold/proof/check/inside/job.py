"""The job of the process, and the settings of a kind in the form that a user's arguments take."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from twofold.proof.check.inside.names import SETTINGS, plain, words
from twofold.proof.check.inside.theirs import Settings, Theirs, Values

BUFFERS = ("running_mean", "running_var")


class Job(Values):
    """A thing to be played: its `kind`, `settings`, `arguments` (declared roles), and the shapes of each scene."""

    @property
    def kind(self) -> str:
        """The kind that the thing should be."""
        return self["kind"]

    @property
    def settings(self) -> Mapping[str, Theirs]:
        """The settings of the kind."""
        return self["settings"]

    @property
    def declared(self) -> Mapping[str, str]:
        """Roles of arguments that the user declared."""
        return self.get("arguments") or {}


NUMBERS_EACH = ("betas", "num_embeddings", "units")
"""Settings that stay two numbers even if both are the same."""


def setting_values(settings: Settings) -> Values:
    """Settings as an argument would take them: one number for a square window."""
    values: Values = {}
    for name, value in settings.items():
        if isinstance(value, list | tuple) and len(value) == 2 and value[0] == value[1] and name not in NUMBERS_EACH:
            value = value[0]
        elif isinstance(value, list):
            value = tuple(value)
        values[name] = value
    kernel = settings.get("kernel")
    if kernel is not None:
        high, wide = kernel if isinstance(kernel, list | tuple) else (kernel, kernel)
        values |= {"kernel_h": high, "kernel_w": wide}
        if values.get("stride") is None:
            values["stride"] = values["kernel"]
    if "p" in settings:
        values["keep"] = 1 - settings["p"]
    return {name: value for name, value in values.items() if value is not None}


class Bundle(Values):
    """The dictionary of settings that some assignments hand over: `conv_param`, `pool_param`, `bn_param`.

    Keys are understood as argument names are: `f`, `s`, `filter_size`.
    """

    def __init__(self, settings: Settings, training: bool, buffers: Mapping[str, np.ndarray]) -> None:
        values = setting_values(settings)
        super().__init__({**values, "pad": values.get("padding", 0), "mode": "train" if training else "test"})
        self.update(buffers)

    def __missing__(self, key: str) -> Theirs:
        short = plain(str(key))
        name = next((s for s in self if short == plain(s) or short in words(SETTINGS.get(s, ""))), None)
        if name is None:
            raise KeyError(key)
        return self[name]

    def __contains__(self, key: object) -> bool:
        return self.get(str(key), self) is not self

    def get(self, key: str, default: Theirs = None) -> Theirs:
        """As `bundle[key]`."""
        try:
            return self[key]
        except KeyError:
            return default


BUNDLES = (
    "convparam poolparam bnparam lnparam dropoutparam gnparam param hparams hyper config cfg options hparameters "
    "settings opts"
)

SETTINGS_IN_ORDER = {
    "conv2d": ["stride", "padding"], "max_pool2d": ["kernel", "stride", "padding"],
    "avg_pool2d": ["kernel", "stride", "padding"], "leaky_relu": ["negative_slope"], "elu": ["alpha"],
    "dropout": ["p"], "batch_norm": ["eps", "momentum"], "layer_norm": ["eps"], "group_norm": ["num_groups", "eps"],
}  # fmt: skip
"""Settings in the order in which unnamed arguments follow each other."""


class Mode:
    """The argument `mode` of Twofold's own layers."""

    def __init__(self, training: bool, mask: np.ndarray | None) -> None:
        self.training, self.mask, self.lead = training, mask, 0

    def __bool__(self) -> bool:
        return self.training

    def __eq__(self, other: object) -> bool:
        return other in (("train", "training", True) if self.training else ("test", "eval", "evaluation", False))

    __hash__ = None  # pyright: ignore[reportAssignmentType]
