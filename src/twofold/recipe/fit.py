"""Rules between the tables of a recipe: what one asks for, another must provide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from twofold.recipe.activations import Prelu, Relu, Softmax
from twofold.recipe.augmentation import Augmentation
from twofold.recipe.base import Shape
from twofold.recipe.data import DataSpec, Palindromes
from twofold.recipe.dense import Embedding, Flatten
from twofold.recipe.layer import LayerSpec
from twofold.recipe.losses import CrossEntropy, LossSpec
from twofold.recipe.model import Model
from twofold.recipe.network import Node, shape_text, walk
from twofold.recipe.norms import GroupNorm, LayerNorm
from twofold.recipe.task import task_rule
from twofold.recipe.training import Schedule, Training


class Misfit(NamedTuple):
    """Two tables that do not fit: the key to point at, the rule, the next step."""

    path: tuple[str, ...]
    rule: str
    remedy: str


def misfits(
    data: DataSpec,
    layers: Sequence[LayerSpec],
    augmentation: Augmentation,
    training: Training,
    schedule: Schedule,
) -> list[Misfit]:
    """Every rule that tables break together though each may be right by itself."""
    unfitting = []
    shape = data.sample_shape
    if len(shape) != 3:
        wants = {
            "augmentation": augmentation.any,
            "training.flip_test": training.flip_test,
            "training.shift_test": training.shift_test > 0,
        }
        unfitting += [
            Misfit(
                tuple(key.split(".")), f"`{key}` wants images; the samples have {_axes(len(shape))}", "Leave it out."
            )
            for key, wanted in wants.items()
            if wanted
        ]
    else:
        unfitting += _movement(shape, ("augmentation", "translate"), augmentation.translate)
        unfitting += _movement(shape, ("training", "shift_test"), training.shift_test)
        unfitting += _growth(shape, layers, augmentation)
        unfitting += _moved_in_shards(augmentation, training)
    if isinstance(data, Palindromes):
        unfitting += _palindrome_misfits(data, layers, training, schedule)
    if data.answers_steps:
        unfitting += _varying_sequences(data, layers, training)
    if not data.validation:
        wants = {"keep": training.keep == "best", "patience": training.patience is not None}
        unfitting += [
            Misfit(("training", key), f"`{key}` watches the validation samples; there are none", "Set data.validation.")
            for key, wanted in wants.items()
            if wanted
        ]
    return unfitting


def loss_misfits(data: DataSpec, layers: Sequence[LayerSpec], loss: LossSpec) -> list[Misfit]:
    """The rules that loss, data and number of outputs break together, for layers that fit each other."""
    _, ending, refused = walk(data.sample_shape, layers)
    outputs = ending[-1] if ending else None
    if refused or len(ending) > (2 if data.answers_steps else 1) or outputs is None:
        return []
    if rule := task_rule(loss, data, outputs):
        remedy = "Choose `binary_cross_entropy`, or a loss of numbers." if data.several_targets else _OF_CLASSES
        return [Misfit(("loss", "kind"), rule, remedy)]
    weights = getattr(loss, "class_weight", None)
    if isinstance(weights, tuple) and len(weights) != outputs:
        rule = f"`class_weight` gives each class a weight; there are {outputs} classes, and {len(weights)} weights"
        return [Misfit(("loss", "class_weight"), rule, 'Name them all, or set it to "balanced".')]
    return []


_OF_CLASSES = "Set loss.kind to `cross_entropy`."


def _movement(shape: Shape, place: tuple[str, str], pixels: int) -> list[Misfit]:
    least = min(size or 1 for size in shape[1:])
    if pixels < least:
        return []
    rule = f"`{place[1]}` must be smaller than the image, {shape[1]} x {shape[2]}; got {pixels}"
    return [Misfit(place, rule, f"Set it to at most {least - 1}.")]


def _moved_in_shards(augmentation: Augmentation, training: Training) -> list[Misfit]:
    if not (augmentation.adversarial and training.shards):
        return []
    rule = "`shards` of images that are moved towards a higher loss are not computed"
    return [Misfit(("training", "shards"), rule, "Leave it out, or augmentation.adversarial.")]


def _growth(shape: Shape, layers: Sequence[LayerSpec], augmentation: Augmentation) -> list[Misfit]:
    """The misfit of a size in `grow` whose images cannot go through the same network."""
    whole, whole_end, _ = walk(shape, layers)
    for size, _ in augmentation.grow:
        nodes, end, refused = walk((shape[0], size, size), layers)
        rule = next((fault.rule for fault in refused), "")
        if not refused:
            pairs = zip(nodes, whole, strict=False)
            other = next((a.name for a, b in pairs if a.parameters != b.parameters or _mask(a) != _mask(b)), None)
            rule = "" if other is None else f"layer {other} (`{whole[int(other)].kind}`) would have another shape"
            if not rule and end != whole_end:
                rule = f"the last layer would give {shape_text(end)} in place of {shape_text(whole_end)}"
        if rule:
            remedy = "Choose another size, or put a `global_avg_pool2d` before the dense layers."
            return [Misfit(("augmentation", "grow"), f"`grow`: with images of {size} x {size}, {rule}", remedy)]
    return []


def _palindrome_misfits(
    data: Palindromes, layers: Sequence[LayerSpec], training: Training, schedule: Schedule
) -> list[Misfit]:
    """The misfits of palindromes: endless data have no epochs, and every length must go through the same network."""
    unfitting = []
    if data.endless:
        remedies = {
            ("training", "epochs"): (training.epochs, "Set training.steps in place of epochs, or data.samples."),
            ("training", "evaluate_unit"): (training.evaluate_unit == "epoch", 'Set it to "step", or data.samples.'),
            ("schedule", "unit"): (getattr(schedule, "unit", "") == "epoch", 'Set it to "step", or data.samples.'),
        }
        rule = "palindromes without end have no epochs"
        unfitting += [Misfit(path, rule, remedy) for path, (counted, remedy) in remedies.items() if counted]
    whole, whole_end, _ = walk(data.sample_shape, layers)
    for length, _ in data.grow:
        nodes, end, refused = walk((length - 1, *data.sample_shape[1:]), layers)
        pairs = list(zip(nodes, whole, strict=False))
        same = end == whole_end and all(a.parameters == b.parameters for a, b in pairs)
        masks = all(_mask(a) == _mask(b) for a, b in pairs)
        if refused or not same or not masks:
            rule = f"`grow`: palindromes of {length} digits do not go through the same network"
            rule += "" if masks else ": dropout's masks are drawn for sequences of one length"
            remedy = "Drop out after the last step only." if not masks else 'End with `output = "last"`.'
            unfitting.append(Misfit(("data", "grow"), rule, remedy))
            break
    return unfitting


def _varying_sequences(data: DataSpec, layers: Sequence[LayerSpec], training: Training) -> list[Misfit]:
    """The misfits of sequences of several lengths: a layer that mixes all steps would take padding for data."""
    nodes, ending, refused = walk(data.sample_shape, layers)
    mixing = [node for node in nodes if len(node.input_shape) == 2 and _mixes_steps(node.spec)]
    if nodes and len(nodes[0].input_shape) == 1 and not isinstance(nodes[0].spec, Embedding):
        mixing.insert(0, nodes[0])  # it takes the codes of a word as features, padding among them
    wrong = mixing if data.varying else []
    unfitting = [
        Misfit(
            ("layers", node.name),
            f"`{node.kind}` looks at all steps of a sequence side by side; the sequences of the data may differ in "
            "length",
            "Put a recurrent layer before it, or, of a `layer_norm`, set axes = 1."
            if len(node.input_shape) == 2
            else "Put an `embedding` before it, and a recurrent layer.",
        )
        for node in wrong[:1]
    ]
    if training.shards and not refused and (data.varying or len(ending) == 2):
        rule = "`shards` of sequences that differ in length, or are answered at every step, are not computed"
        unfitting.append(Misfit(("training", "shards"), rule, "Leave it out."))
    return unfitting


def _mixes_steps(spec: LayerSpec) -> bool:
    """Whether a step of its output depends on other steps, or on their number."""
    if isinstance(spec, LayerNorm):
        return spec.axes != 1
    return isinstance(spec, Flatten | GroupNorm) or (isinstance(spec, Prelu) and spec.num_parameters > 1)


def _mask(node: Node) -> Shape | None:
    return node.spec.mask_shape(node.input_shape)


def _axes(count: int) -> str:
    return "one axis of features" if count == 1 else f"{count} axes"


def notes(data: DataSpec, model: Model) -> list[str]:
    """A sentence for each thing that is allowed and yet seldom meant."""
    sentences = list[str]()
    last = model.layers[-1]
    if isinstance(data, Palindromes) and not data.held_out["test"]:
        sentences.append(
            "Of palindromes of two digits there are ten, one a class: none can be held out, and the test set is what "
            "is trained on."
        )
    if isinstance(model.loss, CrossEntropy) and isinstance(last, Softmax):
        sentences.append(
            "`cross_entropy` takes logits and applies softmax itself: after a `softmax` layer it is applied twice, "
            "which flattens the gradient. Leave the last layer out."
        )
    if isinstance(last, Relu):
        sentences.append("The last layer is a `relu`: no class can get a negative logit, and dead outputs stay dead.")
    return sentences
