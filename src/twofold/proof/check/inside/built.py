"""Building an object of a user's class with the arguments that its constructor asks for."""

from __future__ import annotations

import numpy as np

from twofold.proof.check.inside import names as n
from twofold.proof.check.inside.arrays import Layout, as_tensors
from twofold.proof.check.inside.call import call, signature
from twofold.proof.check.inside.job import Job, setting_values
from twofold.proof.check.inside.scene import InsideScene
from twofold.proof.check.inside.theirs import Theirs, Values

CONSTRUCTED = {
    "dense": ["inputs", "units"],
    "conv2d": ["inputs", "units", "kernel", "stride", "padding"],
    "max_pool2d": ["kernel", "stride", "padding"],
    "avg_pool2d": ["kernel", "stride", "padding"],
    "batch_norm": ["features", "eps", "momentum"],
    "layer_norm": ["features", "eps"],
    "group_norm": ["num_groups", "features", "eps"],
    "rnn": ["inputs", "units"],
    "lstm": ["inputs", "units"],
    "gru": ["inputs", "units"],
    "embedding": ["num_embeddings", "units"],
    "embed_columns": ["num_embeddings", "units"],
    "leaky_relu": ["negative_slope"],
    "elu": ["alpha"],
    "dropout": ["p"],
    "prelu": ["num_parameters"],
}


ANYTHING = {"rng": "rng generator random randomstate rs", "seed": "seed randomseed", "label": "name label layername"}


def constructor_values(job: Job, scene: InsideScene) -> Values:
    """All values that a constructor may ask for, by role."""
    values = setting_values(job.settings)
    shape = tuple(scene.arrays["x"].shape[1:])
    kind = job.kind
    if kind in ("dense", "rnn", "lstm", "gru"):
        values["inputs"] = shape[-1]
    elif kind == "conv2d":
        values |= {"inputs": shape[0], "units": values.pop("channels")}
    elif kind in n.NORMS:
        axes = values.pop("axes", None)
        normalized = shape[-axes:] if axes else shape
        features = shape[0] if kind != "layer_norm" else normalized[0] if len(normalized) == 1 else normalized
        values["features"] = features
    values["bias_flag"] = values.pop("bias", None) if isinstance(values.get("bias"), bool) else None
    values.pop("training", None)
    if kind == "rnn" and values.get("nonlinearity") is None:
        values["nonlinearity"] = "tanh"
    values["batch_first"] = True if kind in n.RECURRENT else None
    values |= {"rng": np.random.default_rng(0), "seed": 0, "label": "layer"}
    return {name: value for name, value in values.items() if value is not None}


def construct(build: Theirs, job: Job, scene: InsideScene, layout: Layout) -> Theirs:
    """An object of the user's class."""
    values = constructor_values(job, scene)
    names = {role: n.SETTINGS.get(role, role) for role in values} | ANYTHING
    wanted = [n.parameter_role(job.kind, p.name, [*scene.parameters, "bias"]) for p in signature(build) or []]
    if "weight" in wanted or "weight_ih" in wanted:  # the constructor takes the arrays of parameters
        ready: Values = {name: layout.weight(scene.arrays[name]).copy() for name in scene.parameters}
        if "bias" in wanted and "bias_ih" in ready:
            ready["bias"] = ready.pop("bias_ih") + ready.pop("bias_hh")
        values = (as_tensors(ready) if job.get("torch") else ready) | values
        names |= n.WEIGHTS[n.family(job.kind)]
    order = CONSTRUCTED.get(job.kind, [])
    return call(build, values, names, order, job.declared)
