"""Adopt an ONNX file: read, convert, prove by two runtimes and by the vector that the file may hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from twofold.arrays import Array
from twofold.errors import AdoptError, TwofoldError
from twofold.exchange.adopted import Adopted, Wanted, adopted, loaded_engine
from twofold.exchange.chain import Chain, weights_of
from twofold.exchange.onnx.call import Converter
from twofold.exchange.onnx.converters import CONVERTERS, Key
from twofold.exchange.onnx.converting import TOLERANCE, converted
from twofold.exchange.onnx.graph import Graph, retyped
from twofold.exchange.onnx.names import RECIPE, VECTOR, onnx_module
from twofold.exchange.onnx.reading import read_model
from twofold.exchange.onnx.writing import unpacked
from twofold.exchange.proof import Ledger, Proof
from twofold.foreign import parse_json
from twofold.recipe import Model, Recipe
from twofold.recipe.files import loads
from twofold.recipe.layer import LayerSpec
from twofold.recipe.network import kind_of

if TYPE_CHECKING:
    from onnx import ModelProto

Settings: TypeAlias = Mapping[str, object]
MOST_VECTOR = 10**7
START_ONLY = ("initial", "initial_hh", "gain_hh", "forget_bias", "chrono", "init")
"""Keys of a layer that say how its weights begin: no graph shows them."""
PAIRS = ("kernel", "stride", "padding", "dilation")
"""Keys of a window that one number stands for, or two."""
SIXTEEN = "The file computes in 16 bits, which round; both runtimes computed it in more."
NO_TRAINING = "An ONNX file holds no training: gradients are proved by `twofold verify` between the two engines."


def adopt_onnx(
    path: Path,
    wanted: Wanted,
    *,
    shape: tuple[int, ...] | None = None,
    sample: ArrayLike | None = None,
    converters: Mapping[Key, Converter] = CONVERTERS,
) -> Adopted:
    """The recipe, weights and proof of a file; see `twofold.adopt`."""
    model = read_model(path)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    ours = _own_recipe(metadata)
    graph = Graph(model, shape if ours is None or shape else _entry_shape(ours, model), sample)
    chain = converted(graph, converters, ours=ours if wanted.loss is None else None)
    kind = next((array.dtype for array in graph.constants.values() if array.dtype.kind == "f"), np.dtype(np.float32))
    named = wanted.named(ours.name if ours else path.stem)
    return adopted(
        chain,
        named,
        lambda model: prove(graph, chain, model, metadata.get(VECTOR)),
        "float64" if kind == np.float64 else "float32",
        _checked(ours, chain) if ours and wanted.data is None and wanted.loss is None else None,
    )


def prove(graph: Graph, chain: Chain, model: Model, vector: str | None = None) -> Proof:
    """The proof: each layer's output against the reference evaluator in float64, the last one against onnxruntime too.

    `vector` is the file's own test vector as JSON, which is compared where there is one.
    """
    ledger = Ledger({"forward": TOLERANCE, "onnxruntime": TOLERANCE, "test vector": TOLERANCE})
    onnx, weights = onnx_module(), weights_of(chain.links)
    engine = loaded_engine(model, weights)
    for link, y in zip(chain.links, engine.outputs(chain.x), strict=True):
        if link.output is not None:
            ledger.compare("forward", link.label, y, graph.values[link.output])
    witness = f"ONNX's reference evaluator {onnx.__version__}, float64"
    halves = any(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in graph.model.graph.initializer)
    notes = [NO_TRAINING, SIXTEEN] if halves else [NO_TRAINING]
    outcome = _run(graph)
    if isinstance(outcome, str):
        notes.append(outcome)
    else:
        theirs, runtime = outcome
        witness += f"; {runtime}"
        ledger.compare("onnxruntime", graph.end, _file_outputs(chain, engine.predict(chain.x)), theirs)
    if vector is not None:
        x, y = _vector(vector, chain.x.shape[1:])
        ledger.compare("test vector", graph.end, engine.predict(x), y)
    return ledger.proof(witness, 0, tuple(notes))


def _file_outputs(chain: Chain, logits: Array) -> Array:
    """The file's outputs for our logits: their log-softmax where the file ends with one, else the logits."""
    if chain.loss is None:
        return logits
    z = logits - logits.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def _run(graph: Graph) -> tuple[Array, str] | str:
    """The outputs by onnxruntime in the file's own type, but for 16 bits; or why it took no part, as a note."""
    try:
        import onnxruntime
    except ImportError:
        return "onnxruntime is not installed, and took no part: pip install 'twofold[onnx]'"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    model = retyped(graph.model, double=False)
    kind = next(e for e in model.graph.input if e.name == graph.entry.name).type.tensor_type.elem_type
    feed = graph.x.astype(onnx_module().helper.tensor_dtype_to_np_dtype(kind))
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        (y,) = session.run([graph.end], {graph.entry.name: feed})
    except Exception as error:  # whatever its C++ side raises
        lines = str(error).strip().splitlines()
        return f"onnxruntime cannot run the file, and took no part: {lines[0][:200] if lines else error!r}"
    return np.asarray(y), f"onnxruntime {onnxruntime.__version__}"


def _vector(text: str, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """The samples of a test vector, each of `shape`, and the outputs that belong to them."""
    try:
        held = parse_json(text)
        x, y = unpacked(held["x"], MOST_VECTOR), unpacked(held["y"], MOST_VECTOR)
        return x.reshape(len(x), *shape), y
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise AdoptError(f"its test vector is damaged: {error}", layer=VECTOR, operator="metadata") from error


def _own_recipe(metadata: Mapping[str, str]) -> Recipe | None:
    """The recipe that a file of ours carries."""
    if RECIPE not in metadata:
        return None
    try:
        return loads(metadata[RECIPE], "the file's recipe")
    except TwofoldError as error:
        raise AdoptError(f"its recipe is damaged: {error}", layer=RECIPE, operator="metadata") from error


def _entry_shape(recipe: Recipe, model: ModelProto) -> tuple[int, ...] | None:
    """A sample's shape as the recipe has it; where the graph takes bytes, to be resized, an image twice as large."""
    onnx = onnx_module()
    shape = tuple(size or 0 for size in recipe.network.input_shape)
    if model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8:
        return (shape[0], 2 * shape[1], 2 * shape[2])
    return shape


def _checked(recipe: Recipe, chain: Chain) -> Recipe:
    """The file's own recipe, if its layers are those of its graph. Raises `AdoptError` at the first that is not."""
    ours = [link.spec for link in chain.links]
    if len(ours) != len(recipe.layers):
        raise AdoptError(
            f"the recipe in the file has {len(recipe.layers)} layers, its graph {len(ours)}",
            layer=RECIPE,
            operator="metadata",
        )
    for link, spec in zip(chain.links, recipe.layers, strict=True):
        if not _are_alike(_as_shown(link.spec), _as_shown(spec)):
            raise AdoptError(
                f"the recipe in the file has `{kind_of(spec)}` with other settings there",
                layer=link.label,
                operator=link.operator,
            )
    return recipe


def _are_alike(a: Settings, b: Settings) -> bool:
    """Whether two layers have the same settings, numbers up to the digits of the file's 32 bits."""
    return a.keys() == b.keys() and all(_is_same(value, b[key]) for key, value in a.items())


def _is_same(a: object, b: object) -> bool:
    if isinstance(a, float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=1e-6)
    return a == b


def _as_shown(spec: LayerSpec) -> Settings:
    """The settings of a layer that its graph shows, in the form in which the graph shows them."""
    plain = {key: value for key, value in dict(spec).items() if key not in START_ONLY}
    if "stride" in plain and plain["stride"] is None:
        plain["stride"] = plain["kernel"]
    if not plain.get("padding", 1):
        plain.pop("count_include_pad", None)
    if plain.get("affine") is False:
        plain["affine"] = True
    return {
        key: (value, value) if key in PAIRS and isinstance(value, int) else value for key, value in plain.items()
    } | {"kind": kind_of(spec)}
