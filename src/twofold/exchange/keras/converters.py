"""Keras's layers as ours: one function each, in one table by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twofold.arrays import Array
from twofold.exchange import kinds as specs
from twofold.exchange.keras import recurrent, windows
from twofold.exchange.keras.activations import activate, activation
from twofold.exchange.keras.call import Call, Converter, flattened_order


def _dense(call: Call) -> None:
    """`kernel` is (in, out); its rows are in another order after an image with channels last was flattened."""
    call.count(1, 2)
    order = call.reading.order
    bias = len(call.layer.arrays) == 2
    if call.x.ndim not in (2, 3):
        call.refuse(f"it reads {call.x.shape[1:]}, and not vectors", "The nearest is a `Flatten` before it")

    def tensors(arrays: Sequence[Array]) -> dict[str, Array]:
        kernel = arrays[0] if order is None else arrays[0][order]
        return {"weight": kernel.T} | ({"bias": arrays[1]} if bias else {})

    call.reading.order = None
    shown = call.config.get("activation") in ("linear", None)
    call.add(specs.Dense(units=int(call.config["units"]), bias=bias), tensors, shown)
    activate(call)


def _flatten(call: Call) -> None:
    """Keras flattens rows, columns, channels; with `data_format` channels first it transposes images for that."""
    shape, reading = call.reading.chain.shape, call.reading
    first = call.config.get("data_format") == "channels_first"
    if len(shape) == 3 and reading.channels_last and first:
        call.refuse("its data_format is channels_first, where the images have their channels last")
    if len(shape) == 1:
        return
    if len(shape) == 3 and (reading.channels_last or first):
        reading.order = flattened_order(shape)
    reading.channels_last = False
    call.add(specs.Flatten())


def _dropout(call: Call) -> None:
    call.only(noise_shape=None)
    if call.reading.end:
        call.refuse(
            f"it drops what the {call.reading.end} at the model's end gives, which is part of cross-entropy",
            "Leave it out, or put it before the last layer with weights",
        )
    call.add(specs.Dropout(p=float(call.config["rate"])))


def _batch_norm(call: Call) -> None:
    """Keras's momentum is the share that is kept, 1 − ours."""
    axis = call.config["axis"]
    axis = int(axis[0] if isinstance(axis, list) else axis) % call.x.ndim
    if axis != (call.x.ndim - 1 if call.x.ndim == 2 or call.reading.channels_last else 1):
        call.refuse(f"it normalizes along axis {axis} of {call.x.shape}", "The nearest is the axis of channels")
    call.only(renorm=False)
    center, scale = bool(call.config["center"]), bool(call.config["scale"])
    if center != scale:
        call.refuse("it has only one of scale and shift", "The nearest is center = scale = True, or both False")
    call.count(4 if scale else 2)
    order = call.reading.order
    names = (*(("weight", "bias") if scale else ()), "running_mean", "running_var")

    def tensors(arrays: Sequence[Array]) -> dict[str, Array]:
        return {name: a if order is None else a[order] for name, a in zip(names, arrays, strict=False)}

    eps, momentum = float(call.config["epsilon"]), 1 - float(call.config["momentum"])
    call.add(specs.BatchNorm(eps=eps, momentum=round(momentum, 12), affine=scale), tensors)


def _layer_norm(call: Call) -> None:
    axis = call.config["axis"]
    axes = sorted(int(a) % call.x.ndim for a in (axis if isinstance(axis, list) else [axis]))
    if call.x.ndim == 4 or axes != list(range(call.x.ndim - len(axes), call.x.ndim)):
        call.refuse(f"it normalizes over the axes {axes} of {call.x.shape}", "The nearest is over the last axes")
    call.only(center=True, scale=True, rms_scaling=False)
    call.count(2)
    order = call.reading.order

    def tensors(arrays: Sequence[Array]) -> dict[str, Array]:
        return {n: a if order is None else a[order] for n, a in zip(("weight", "bias"), arrays, strict=True)}

    call.add(specs.LayerNorm(eps=float(call.config["epsilon"]), axes=len(axes)), tensors)


def _group_norm(call: Call) -> None:
    """Groups are along the axis of channels; `groups=-1` is one for each channel."""
    axis = int(call.config["axis"]) % call.x.ndim
    if axis != (call.x.ndim - 1 if call.x.ndim == 2 or call.reading.channels_last else 1) or call.x.ndim == 3:
        call.refuse(f"it normalizes along axis {axis} of {call.x.shape}", "The nearest is the axis of channels")
    if call.reading.order is not None:
        call.refuse("it makes groups of the numbers of a flattened image", "The nearest is one before `Flatten`")
    center, scale = bool(call.config["center"]), bool(call.config["scale"])
    if center != scale:
        call.refuse("it has only one of scale and shift", "The nearest is center = scale = True, or both False")
    call.count(2 if scale else 0)
    channels, groups = call.x.shape[axis], int(call.config["groups"])
    spec = specs.GroupNorm(
        num_groups=channels if groups < 0 else groups, eps=float(call.config["epsilon"]), affine=scale
    )
    call.add(spec, lambda arrays: dict(zip(("weight", "bias"), arrays, strict=False)))


def _reshape(call: Call) -> None:
    """Reshaping to a vector is `Flatten`; any other is refused."""
    if call.y.ndim != 2:
        call.refuse(
            f"{call.x.shape[1:]} becomes {call.y.shape[1:]}",
            "The nearest is `Flatten`; before the first layer leave it out, and give the samples in that form",
        )
    _flatten(call)


def _embedding(call: Call) -> None:
    call.only(mask_zero=False)
    call.count(1)
    spec = specs.Embedding(num_embeddings=int(call.config["input_dim"]), units=int(call.config["output_dim"]))
    call.add(spec, lambda arrays: {"weight": arrays[0]})


def _activation(call: Call) -> None:
    activate(call)


def _relu(call: Call) -> None:
    call.only(max_value=None, threshold=0.0)
    slope = float(call.config.get("negative_slope") or 0.0)
    call.add(specs.LeakyRelu(negative_slope=slope) if slope else specs.Relu())


def _leaky(call: Call) -> None:
    call.add(specs.LeakyRelu(negative_slope=float(call.config["negative_slope"])))


def _elu(call: Call) -> None:
    call.add(specs.Elu(alpha=float(call.config["alpha"])))


def _prelu(call: Call) -> None:
    """A slope for each channel, `shared_axes` over the plane."""
    call.count(1)
    slopes = call.layer.arrays[0]
    if slopes.size != max(slopes.shape):
        call.refuse(f"it has a slope for each of {slopes.shape}", "The nearest is shared_axes=[1, 2]")
    if call.reading.order is not None:
        call.refuse("it has a slope for each number of a flattened image", "The nearest is one before `Flatten`")
    call.add(specs.Prelu(num_parameters=slopes.size), lambda arrays: {"weight": arrays[0].reshape(-1)})


def _softmax(call: Call) -> None:
    call.only(axis=-1)
    activation(call, "softmax", {})


CONVERTERS: Mapping[str, Converter] = {
    "Dense": _dense,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Dropout": _dropout,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "GroupNormalization": _group_norm,
    "Embedding": _embedding,
    "Activation": _activation,
    "ReLU": _relu,
    "LeakyReLU": _leaky,
    "ELU": _elu,
    "PReLU": _prelu,
    "Softmax": _softmax,
    "Conv2D": windows.conv,
    "MaxPooling2D": windows.max_pool,
    "AveragePooling2D": windows.average_pool,
    "GlobalAveragePooling2D": windows.global_average_pool,
    "SimpleRNN": recurrent.simple,
    "LSTM": recurrent.lstm,
    "GRU": recurrent.gru,
}
AUGMENTATION = "Leave it out, and change the images as the recipe's `[data]` says: augmentation"
NEAREST: Mapping[str, str] = {
    "Conv1D": "The nearest is `Conv2D` with kernel (1, k), on samples (1, length, channels)",
    "Conv3D": "The nearest is `Conv2D`",
    "Conv2DTranspose": "The nearest is `Conv2D`, which does not enlarge the plane",
    "DepthwiseConv2D": "The nearest is `Conv2D` with groups",
    "SeparableConv2D": "The nearest is two of `Conv2D`, the first with groups",
    "ZeroPadding2D": "The nearest is padding='same' of the convolution behind it",
    "GlobalMaxPooling2D": "The nearest is `GlobalAveragePooling2D`",
    "UpSampling2D": "No layer enlarges the plane",
    "SpatialDropout2D": "The nearest is `Dropout`, of single numbers and not of channels",
    "GaussianNoise": "The nearest is `Dropout`",
    "Bidirectional": "The nearest reads its sequences in one direction",
    "TimeDistributed": "The nearest is a recurrent layer's last step, and `Dense`",
    "Rescaling": "Leave it out, and scale the data as the recipe's `[data]` says",
    "Normalization": "Leave it out, and scale the data as the recipe's `[data]` says",
    "Sequential": "Write its layers into the model itself, one behind the other",
    "Functional": "Write its layers into the model itself, one behind the other",
    "Masking": "The nearest is sequences of one length",
    "SpectralNormalization": "The nearest is the layer within it",
    "UnitNormalization": "The nearest is `LayerNormalization`",
    "RNN": "The nearest is `SimpleRNN`, `LSTM` or `GRU`",
    "GlobalAveragePooling1D": "The nearest is a recurrent layer's last step",
    "GlobalMaxPooling1D": "The nearest is a recurrent layer's last step",
    "RandomFlip": AUGMENTATION,
    "RandomCrop": AUGMENTATION,
    "RandomRotation": AUGMENTATION,
    "RandomTranslation": AUGMENTATION,
    "RandomZoom": AUGMENTATION,
    "RandomContrast": AUGMENTATION,
    "RandomBrightness": AUGMENTATION,
    "Permute": "Give the samples in the order in which the first layer takes them",
    "Add": "A skip connection joins two ways; Twofold's networks are chains",
    "Concatenate": "Twofold's networks are chains, one layer behind the other",
    "MultiHeadAttention": "The nearest that reads sequences is `GRU` or `LSTM`",
}
