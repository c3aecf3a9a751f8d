"""Variants of images: what each does, and that it is a function of its position alone."""

from __future__ import annotations

from itertools import islice
from typing import Any, final

import numpy as np
import pytest
import torch
from torch.nn import functional

from cases import RELU, assert_bits, dense, recipe
from engines import numpy_engine, torch_engine
from twofold.arrays import Array
from twofold.data import Batches, Split
from twofold.data.augmentation import Augmenter, affine_places, bent, resampled, resized, translated
from twofold.data.dataset import images
from twofold.engine import Batch, Engine, Step
from twofold.proof.check.steps import explain
from twofold.proof.lockstep import Parting, compare
from twofold.proof.verify import verify
from twofold.recipe import Recipe
from twofold.recipe.augmentation import Augmentation
from twofold.setup.building import initial_state
from twofold.streams import stream

SAMPLES, SIZE = 30, 8
VARIANTS: dict[str, dict[str, Any]] = {
    "random flips": {"flip": "random"},
    "alternating flips": {"flip": "alternating"},
    "translation": {"translate": 2},
    "translation with reflection": {"translate": 3, "padding": "reflect"},
    "cutout": {"cutout": 3},
    "a shift between pixels": {"shift": 1.5},
    "rotation": {"rotate": 20.0},
    "zooming": {"zoom": 0.3},
    "bending": {"elastic": 1.0, "elastic_scale": 4.0},
    "everything": {"flip": "random", "translate": 1, "cutout": 2, "rotate": 9.0, "elastic": 0.5, "grow": [(6, 0.5)]},
}
each_variant = pytest.mark.parametrize("name", VARIANTS)


def pictures(channels: int = 3) -> Split:
    rng = stream(0, "pictures")
    x = rng.integers(0, 256, (SAMPLES, channels, SIZE, SIZE)).astype(np.uint8)
    return images(x, np.arange(SAMPLES) % 10)


def augmented(batch_size: int = 7, epochs: int = 4, **settings: Any) -> Recipe:
    conv = {"kind": "conv2d", "channels": 2, "kernel": 3}
    training = {"batch_size": batch_size, "steps": None, "epochs": epochs, "dtype": "float32"}
    data = {"source": "images", "path": "nowhere", "size": SIZE, "channels": 3}
    layers = [conv, RELU, {"kind": "global_avg_pool2d"}, dense(10)]
    return recipe(layers, data=data, training=training, augmentation=settings)


def batches(name: str) -> list[Batch]:
    return list(Batches(augmented(**VARIANTS[name]), pictures()))


def varied(x: Array, step: int = 0, epoch: int = 0, **settings: Any) -> Array:
    split = images(x, np.zeros(len(x), np.int64))
    return Augmenter(Augmentation(**settings), 0, split, 100)(x.copy(), np.arange(len(x)), epoch, step)


# By position


@each_variant
def test_twice_gives_the_same_and_every_epoch_another(name: str) -> None:
    first, second = batches(name), batches(name)
    for a, b in zip(first, second, strict=True):
        assert_bits({"x": a.x, "y": a.target}, {"x": b.x, "y": b.target})
    plain = list(Batches(augmented(), pictures()))
    assert any(a.x.shape != b.x.shape or not np.array_equal(a.x, b.x) for a, b in zip(first, plain, strict=True))
    assert all(np.array_equal(a.target, b.target) for a, b in zip(first, plain, strict=True))


@each_variant
@pytest.mark.parametrize("start", [1, 4, 5, 7, 12])
def test_from_the_middle_as_if_from_the_beginning(name: str, start: int) -> None:
    """A run that was resumed sees what the run that was not would have seen."""
    whole = batches(name)[start:]
    rest = list(Batches(augmented(**VARIANTS[name]), pictures()).since(start))
    assert [batch.step for batch in rest] == [batch.step for batch in whole]
    for a, b in zip(rest, whole, strict=True):
        assert_bits({"x": a.x}, {"x": b.x})


@each_variant
def test_the_samples_themselves_are_never_changed(name: str) -> None:
    split = pictures()
    before = split.x.copy()
    list(Batches(augmented(**VARIANTS[name]), split))
    np.testing.assert_array_equal(split.x, before)


def test_the_whole_set_as_one_batch_is_varied_too() -> None:
    built = augmented(flip="random", epochs=3)
    built = Recipe.model_validate({**dict(built), "training": {"batch_size": "full", "epochs": 3}})
    first, second, _ = Batches(built, pictures())
    assert first.x.shape == (SAMPLES, 3, SIZE, SIZE)
    assert not np.array_equal(first.x, second.x)


# What each does


def test_flips_mirror_whole_images_left_to_right() -> None:
    x = pictures().x
    flipped = varied(x, flip="random")
    kinds = [
        "same" if np.array_equal(a, b) else "mirrored" if np.array_equal(a, b[..., ::-1]) else "other"
        for a, b in zip(flipped, x, strict=True)
    ]
    assert set(kinds) == {"same", "mirrored"}


def test_alternating_flips_show_both_sides_in_two_epochs() -> None:
    x = pictures().x
    even, odd, again = (varied(x, flip="alternating", epoch=epoch) for epoch in range(3))
    np.testing.assert_array_equal(even, odd[..., ::-1])
    np.testing.assert_array_equal(even, again)
    assert not np.array_equal(even, x)


@pytest.mark.parametrize("padding", ["zeros", "reflect"])
def test_translation_is_a_cut_out_of_the_padded_image(padding: str) -> None:
    x = pictures().x
    offsets = stream(0, "offsets").integers(0, 5, (len(x), 2))
    found = translated(x, offsets, 2, padding)
    mode = "reflect" if padding == "reflect" else "constant"
    wide = functional.pad(torch.tensor(x, dtype=torch.float32), (2, 2, 2, 2), mode=mode).numpy()
    for image, around, (row, column) in zip(found, wide, offsets, strict=True):
        np.testing.assert_array_equal(image, around[:, row : row + SIZE, column : column + SIZE])


def test_translation_reaches_every_offset_and_none_beyond() -> None:
    x = np.zeros((3000, 1, 9, 9), np.uint8)
    x[:, 0, 4, 4] = 255
    rows, columns = np.nonzero(varied(x, translate=2)[:, 0])[1:]
    assert set(rows.tolist()) == set(columns.tolist()) == {2, 3, 4, 5, 6}


def test_cutout_sets_a_square_to_the_mean_of_standardized_images() -> None:
    split = pictures()
    plain = np.full((200, 3, SIZE, SIZE), 200, np.uint8)
    cut = varied(plain, cutout=3)
    assert {int(value) for value in np.unique(cut)} == {0, 200}
    areas = (cut[:, 0] == 0).sum(axis=(1, 2))
    assert areas.max() == 9
    assert areas.min() >= 2  # its centre lies within the image
    assert split.scaling is not None
    mean = split.scaling._replace(shift=np.full((3, 1, 1), 77.2))
    augmenter = Augmenter(Augmentation(cutout=3), 0, Split(plain, np.zeros(200, np.int64), mean), 10)
    assert {int(v) for v in np.unique(augmenter(plain.copy(), np.arange(200), 0, 0))} == {77, 200}


def test_a_rotation_by_nothing_is_nothing_and_by_a_right_angle_is_numpys() -> None:
    x = pictures(1).x
    one = np.ones(len(x))
    none = affine_places(np.zeros(len(x)), one, np.zeros((len(x), 2)), SIZE, SIZE)
    np.testing.assert_array_equal(resampled(x, none), x)
    quarter = affine_places(np.full(len(x), np.pi / 2), one, np.zeros((len(x), 2)), SIZE, SIZE)
    turned = resampled(x.astype(np.float64), quarter)
    np.testing.assert_allclose(turned, np.rot90(x, -1, axes=(2, 3)), atol=0.02)


def test_a_shift_by_whole_pixels_moves_the_image_and_brings_zeros_in() -> None:
    x = pictures().x
    places = affine_places(np.zeros(len(x)), np.ones(len(x)), np.tile([2.0, -1.0], (len(x), 1)), SIZE, SIZE)
    moved = resampled(x, places)
    np.testing.assert_array_equal(moved[:, :, :-2, 1:], x[:, :, 2:, :-1])
    assert not moved[:, :, -2:].any()
    assert not moved[:, :, :, 0].any()


def test_zooming_by_two_shows_every_other_pixel() -> None:
    x = np.zeros((1, 1, 9, 9))
    x[0, 0, 2, 6] = 1.0
    places = affine_places(np.zeros(1), np.full(1, 2.0), np.zeros((1, 2)), 9, 9)
    assert np.argwhere(resampled(x, places)[0, 0] == 1).tolist() == [[3, 5]]  # from (-2, 2) to (-1, 1) of the centre


def test_resampling_is_linear_between_pixels() -> None:
    """PyTorch's `grid_sample`, which counts from -1 to 1."""
    x = pictures(2).x.astype(np.float64)
    rng = stream(0, "places")
    places = rng.uniform(0, SIZE - 1, (len(x), 2, SIZE, SIZE)).astype(np.float32)
    grid = torch.tensor(2 * places[:, ::-1].transpose(0, 2, 3, 1).copy() / (SIZE - 1) - 1, dtype=torch.float64)
    theirs = functional.grid_sample(torch.tensor(x), grid, align_corners=True)
    np.testing.assert_allclose(resampled(x, places), theirs.numpy(), atol=1e-3)


@pytest.mark.parametrize("scale", [2.0, 4.0, 7.0, 100.0])
def test_bending_is_smooth_and_of_the_size_it_says(scale: float) -> None:
    moved = bent(stream(0, "bend"), 2000, 12, 15, scale)
    assert moved.shape == (2000, 2, 12, 15)
    np.testing.assert_allclose(np.sqrt((moved**2).mean(axis=0)), 1, atol=0.08)
    assert np.abs(np.diff(moved, axis=3)).mean() < 1.5 / scale


@pytest.mark.parametrize(("old", "new"), [(8, 5), (32, 24), (32, 16), (8, 8), (6, 9)])
def test_resizing_equals_pytorchs(old: int, new: int) -> None:
    x = stream(0, "resize").random((4, 3, old, old))
    theirs = functional.interpolate(torch.tensor(x), (new, new), mode="bilinear", antialias=True, align_corners=False)
    np.testing.assert_allclose(resized(x, new), theirs.numpy(), atol=1e-6)
    whole = (x * 255).astype(np.uint8)
    assert resized(whole, new).dtype == np.uint8


def test_images_grow_at_their_shares_of_the_training() -> None:
    built = augmented(epochs=4, grow=[(4, 0.25), (6, 0.5)])
    sizes = [batch.x.shape[-1] for batch in Batches(built, pictures())]
    assert sizes == [4] * 5 + [6] * 10 + [8] * 5
    assert [batch.x.shape[-1] for batch in islice(Batches(built, pictures(), 3), 3)] == [4, 4, 4]


# Bytes


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("standardize", ["none", "global", "channel", "feature"])
def test_bytes_scaled_on_the_device_are_those_scaled_before(standardize: str, dtype: str) -> None:
    """Bit for bit, in both engines."""
    from twofold.data import Dataset
    from twofold.setup.building import initial_state

    train = pictures()
    dataset = Dataset(train, train[:0], train[:4], tuple("0123456789")).standardized(standardize)
    built = augmented(flip="random")
    built = Recipe.model_validate({**dict(built), "training": built.training.model_copy(update={"dtype": dtype})})
    for engine in (
        numpy_engine(built),
        torch_engine(built),
    ):
        states = []
        for raw in (False, True):
            engine.load(initial_state(built.model))
            for batch in Batches(built, dataset.train, 3, raw=raw):
                assert batch.x.dtype == (np.uint8 if raw else np.dtype(dtype))
                assert (batch.scaling is not None) == raw
                engine.step(batch)
            states.append(engine.state().arrays())
        assert_bits(*states)


@pytest.mark.parametrize(("how", "axis"), [("global", None), ("channel", (0, 2, 3)), ("feature", 0)])
def test_bytes_are_standardized_like_numbers(how: str, axis: Any) -> None:
    from twofold.data import Dataset

    train = pictures()
    x = train.x.astype(np.float64)
    wanted = (x - x.mean(axis=axis, keepdims=True)) / x.std(axis=axis, keepdims=True)
    dataset = Dataset(train, train[:0], train[:0], ("a", "b")).standardized(how).astype("float64")
    np.testing.assert_allclose(dataset.train.floats(), wanted, rtol=1e-10, atol=1e-12)


# Images moved towards a higher loss


ENGINES: dict[str, Any] = {"numpy": numpy_engine, "torch": torch_engine}
each_engine = pytest.mark.parametrize("name", ENGINES)
NETWORK = [
    {"kind": "conv2d", "channels": 4, "kernel": 3}, {"kind": "batch_norm"}, {"kind": "gelu"},
    {"kind": "flatten"}, {"kind": "dropout", "p": 0.3}, dense(10),
]  # fmt: skip


def adversarial(layers: list[dict[str, Any]] = NETWORK, radius: float = 2.0) -> Recipe:
    training = {"batch_size": 7, "dtype": "float64"}
    data = {"source": "images", "path": "nowhere", "size": SIZE, "channels": 3}
    return recipe(layers, data=data, training=training, augmentation={"adversarial": radius})


def begun(name: str, spec: Recipe) -> Any:
    engine = ENGINES[name](spec)
    engine.load(initial_state(spec.model))
    return engine


def input_gradient(spec: Recipe, batch: Batch) -> Array:
    """∂loss/∂x by autograd, through the torch engine's own module."""
    module, x = begun("torch", spec).module.train(), torch.from_numpy(batch.x).requires_grad_()
    y = x
    for index, layer in enumerate(module):
        drops = isinstance(layer, torch.nn.Dropout)
        y = y * torch.from_numpy(batch.masks[str(index)]) / (1 - layer.p) if drops else layer(y)
    (gradient,) = torch.autograd.grad(functional.cross_entropy(y, torch.from_numpy(batch.target)), x)
    return gradient.numpy()


@each_engine
def test_a_step_on_moved_images_is_a_step_on_images_moved_by_hand(name: str) -> None:
    spec = adversarial()
    batch = next(iter(Batches(spec, pictures())))
    assert batch.radius is not None
    gradient = input_gradient(spec, batch)
    lengths = np.sqrt(np.square(gradient).sum(axis=(1, 2, 3)))
    by_hand = batch.x + (batch.radius / lengths)[:, None, None, None] * gradient
    wanted = begun(name, spec).step(batch._replace(x=by_hand, radius=None))
    step, passed = begun(name, spec).step(batch), begun(name, spec).gradients(batch)
    traced = begun(name, spec).trace(batch)
    for state in (step.state.arrays(), wanted.state.arrays()):
        assert set(state) > {"1.running_mean", "1.running_var"}
    for moved, unmoved in [
        (step.outputs, wanted.outputs), (step.gradients, wanted.gradients), (traced.gradients, wanted.gradients),
        (passed.gradients, wanted.gradients), (step.state.arrays(), wanted.state.arrays()),
    ]:  # fmt: skip
        for key, array in unmoved.items():
            np.testing.assert_allclose(moved[key], array, rtol=1e-9, atol=1e-12, err_msg=key)


@each_engine
def test_a_trace_holds_the_images_as_they_were_moved(name: str) -> None:
    batch = next(iter(Batches(adversarial(), pictures())))
    assert batch.radius is not None
    distances = np.sqrt(np.square(begun(name, adversarial()).trace(batch).x - batch.x).sum(axis=(1, 2, 3)))
    np.testing.assert_allclose(distances, batch.radius, rtol=1e-12)


def test_a_recipe_that_moves_images_is_verified_with_central_differences() -> None:
    spec = recipe(NETWORK, data={"source": "digits"}, training={"dtype": "float64"}, augmentation={"adversarial": 1.0})
    result = verify(spec, steps=5)
    assert result.passed
    assert result.projections


@final
class Unmoved:
    """An engine of somebody who overlooked the radius."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.load, self.state = engine, engine.load, engine.state

    def step(self, batch: Batch) -> Step:
        return self.engine.step(batch._replace(radius=None))


def test_an_engine_that_moves_no_image_is_told_so() -> None:
    spec, why = adversarial(), list[Any]()
    first, second = numpy_engine(spec), Unmoved(torch_engine(spec))
    batches = Batches(spec, pictures(), 2)

    def explained(parting: Parting) -> None:
        why.append(explain(spec, first, parting, 1e-9, second))

    verdict = compare(first, second, initial_state(spec.model), batches, 1e-9, explain=explained)
    assert not verdict.agrees
    ((side, named),) = why
    assert side == "second"
    assert named.name == "engine-samples-unmoved"


@each_engine
def test_images_are_moved_to_a_higher_loss(name: str) -> None:
    batch = next(iter(Batches(adversarial(), pictures())))
    losses = [begun(name, adversarial()).gradients(batch._replace(radius=r)).loss for r in (None, batch.radius)]
    assert losses[1] > losses[0]


@each_engine
def test_an_image_without_a_gradient_stays_where_it_is(name: str) -> None:
    spec = adversarial([{"kind": "flatten"}, dense(10)])
    batch = next(iter(Batches(spec, pictures())))
    engine = ENGINES[name](spec)  # weights of 0: the loss does not depend on the image
    with np.errstate(all="raise"):
        moved = engine.gradients(batch).gradients
    stayed = engine.gradients(batch._replace(radius=None)).gradients
    for key, array in stayed.items():
        np.testing.assert_array_equal(moved[key], array, err_msg=key)


def test_every_image_is_moved_a_distance_of_its_own_up_to_the_radius() -> None:
    radii = np.concatenate([b.radius for b in Batches(adversarial(radius=0.5), pictures()) if b.radius is not None])
    assert len(radii) >= SAMPLES
    assert len(np.unique(radii)) == len(radii)
    assert 0 <= radii.min() < 0.1
    assert 0.4 < radii.max() <= 0.5


def test_without_a_radius_nothing_is_moved() -> None:
    assert all(batch.radius is None for batch in Batches(augmented(flip="random"), pictures()))


@pytest.mark.parametrize("start", [0, 3, 5])
def test_distances_go_on_from_the_middle_as_if_from_the_beginning(start: int) -> None:
    whole, later = (Batches(adversarial(), pictures()).since(step) for step in (0, start))
    for a, b in zip(islice(whole, start, None), later, strict=True):
        np.testing.assert_array_equal(a.radius, b.radius)


# What a recipe is told


SHAPE = f'data = {{ source = "images", path = "x", size = {SIZE} }}\n'
HEAD = SHAPE + 'layers = [{ kind = "flatten" }, { kind = "dense", units = 10 }]\n'
FAULTS = {
    "points are no images": (
        'layers = [{ kind = "dense", units = 2 }]\ndata = { source = "moons" }\naugmentation = { flip = "random" }\n',
        "r.toml:3: `augmentation` wants images; the samples have one axis of features",
    ),
    "a mirror image of points": (
        'layers = [{ kind = "dense", units = 2 }]\ndata = { source = "moons" }\ntraining = { flip_test = true }\n',
        "r.toml:3: `training.flip_test` wants images; the samples have one axis of features",
    ),
    "a moved image of points": (
        'layers = [{ kind = "dense", units = 2 }]\ndata = { source = "moons" }\ntraining = { shift_test = 1 }\n',
        "r.toml:3: `training.shift_test` wants images; the samples have one axis of features",
    ),
    "judged outside the image": (
        HEAD + "[training]\nshift_test = 8\n",
        "r.toml:4: `shift_test` must be smaller than the image, 8 x 8; got 8",
    ),
    "a translation out of the image": (
        HEAD + "[augmentation]\ntranslate = 8\n",
        "r.toml:4: `translate` must be smaller than the image, 8 x 8; got 8\n    translate = 8\n                ^\n"
        "  Set it to at most 7.",
    ),
    "a network of one size": (
        HEAD + "[augmentation]\ngrow = [[6, 0.5]]\n",
        "r.toml:4: `grow`: with images of 6 x 6, layer 1 (`dense`) would have another shape",
    ),
    "shares above 1": (
        HEAD + "[augmentation]\ngrow = [[8, 0.7], [8, 0.6]]\n",
        "r.toml:3: the shares of `grow` must add up to at most 1; got 1.3",
    ),
    "no validation to keep the best of": (
        HEAD + '[training]\nkeep = "best"\npatience = 3\n',
        "r.toml:4: `keep` watches the validation samples; there are none",
    ),
    "moved images in shards": (
        HEAD + "training = { shards = 2, batch_size = 4 }\naugmentation = { adversarial = 1.0 }\n",
        "`shards` of images that are moved towards a higher loss are not computed",
    ),
    "a negative distance": (
        HEAD + "augmentation = { adversarial = -1.0 }\n",
        "`adversarial`",
    ),
    "16 bits of 64": (
        HEAD + '[training]\ndtype = "float64"\nautocast = "bfloat16"\n',
        '`autocast = "bfloat16"` wants `dtype = "float32"`; got "float64"',
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_recipe_that_cannot_be_is_told_so(name: str) -> None:
    from twofold.errors import RecipeError
    from twofold.recipe import loads

    text, message = FAULTS[name]
    with pytest.raises(RecipeError) as error:
        loads(text, "r.toml")
    assert message in str(error.value)
