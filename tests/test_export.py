"""Exporting: every built-in recipe as ONNX and back, a run for PyTorch and NumPy."""

from __future__ import annotations

import base64
import importlib
import importlib.util
import json
import struct
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import twofold
from torture import short_form
from twofold.errors import AdoptError, RunFolderError, UserError
from twofold.exchange.exporting import Network, network_of
from twofold.exchange.onnx.names import LABELS, RECIPE, VECTOR
from twofold.exchange.onnx.writers import WRITERS
from twofold.exchange.onnx.writing import onnx_model
from twofold.exchange.torch.writing import module_text, state_dict
from twofold.exchange.trackers.recorded import settings as flattened
from twofold.proof.cases import LAYERS
from twofold.proof.cases.layer import LayerCase
from twofold.recipe import Model, loads, titles
from twofold.recipe.data import Arrays
from twofold.recipe.dense import Dense, Flatten
from twofold.setup.building import build_engine, initial_state, state_of


def runtime(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


@pytest.mark.parametrize("name", short_form(titles(), titles().keys() - {"cifar10-vgg", "cifar10-vgg-best"}))
def test_a_builtin_recipe_goes_out_and_comes_back_the_same(name: str, tmp_path: Path) -> None:
    recipe = twofold.load_recipe(name)
    if getattr(recipe.layers[0], "whitens", False):  # it would look at the images
        recipe = twofold.load_recipe(recipe, {"layers.0.initial": "recipe"})
    path = twofold.export(recipe, "onnx", tmp_path / "out.onnx")
    adopted = twofold.adopt(path)
    assert adopted.recipe == recipe
    weights = network_of(recipe).weights
    assert adopted.weights.keys() == weights.keys()
    assert all((adopted.weights[key] == array).all() for key, array in weights.items())
    assert {"forward", "onnxruntime", "test vector"} <= set(adopted.proof.largest)
    x = np.random.default_rng(1).normal(size=(3, *recipe.network.input_shape)).astype(np.float32)  # pyright: ignore
    first, second = (build_engine("numpy", recipe) for _ in range(2))
    first.load(state_of(weights, recipe.network))
    second.load(state_of(adopted.weights, recipe.network))
    assert (first.predict(x) == second.predict(x)).all()


@pytest.mark.parametrize("engine", ["numpy", "torch"])
@pytest.mark.parametrize("name", ["digits", "mnist-lenet", "palindrome-gru", "cifar10-cnn5-sgd"])
def test_onnxruntime_answers_what_the_engine_answers(name: str, engine: str) -> None:
    network = network_of(name, engine)
    x, y = network.vector()
    (theirs,) = runtime(onnx_model(network.recipe, network.weights)).run(None, {"input": x})
    assert np.abs(theirs - y).max() <= 1e-6 * np.abs(y).max()


@pytest.mark.parametrize("case", [c for c in LAYERS if c.replicas is None], ids=lambda case: case.name)
def test_every_case_of_a_layer_is_written_as_onnxruntime_computes_it(case: LayerCase) -> None:
    """Alone, behind it whatever makes classes of its output; in float64 where the runtime has it, else in float32."""
    x = case.x().astype(np.float32)
    ending = [Flatten()] if len(case.spec.output_shape(x.shape[1:])) > 1 else []
    layers = (case.spec, *ending, Dense(units=3))
    data = Arrays(shape=x.shape[1:] or (1,), classes=3)
    if x.ndim < 2:
        pytest.skip("a sample without axes is none of a recipe's")
    recipe = twofold.Recipe.model_validate({"data": data, "layers": [_plain(layer) for layer in layers]})
    weights = initial_state(Model(layers=recipe.layers, shape=data.shape)).weights()
    weights |= {f"0.{name}": array for name, array in case.params().items()}
    typed = {name: array.astype(np.float32) for name, array in weights.items()}
    engine = build_engine("numpy", recipe)
    engine.load(state_of(typed, recipe.network))
    ours = engine.predict(x)
    (theirs,) = runtime(onnx_model(recipe, typed)).run(None, {"input": x})
    assert np.abs(theirs - ours).max() <= 1e-5 * max(np.abs(ours).max(), 1e-3)  # one layer in 32 bits on both sides


def _plain(layer: Any) -> Any:
    return layer.model_copy(update={"initial": "recipe"}) if hasattr(layer, "initial") else layer


def test_every_kind_has_a_writer_for_both_formats() -> None:
    assert set(WRITERS) == {type(case.spec) for case in LAYERS}
    for case in LAYERS:
        if case.replicas is None and len(case.x().shape) > 1:
            shape = case.x().shape[1:]
            last = [Flatten()] if len(case.spec.output_shape(shape)) > 1 else []
            layers = [_plain(case.spec), *last, Dense(units=2)]
            recipe = twofold.Recipe.model_validate({"data": Arrays(shape=shape, classes=2), "layers": layers})
            names: dict[str, Any] = {}
            exec(compile(module_text(recipe), "model.py", "exec"), {"__file__": "model.py", "__name__": "model"}, names)


def test_metadata_holds_recipe_labels_and_a_vector(moons_run: twofold.Run, tmp_path: Path) -> None:
    path = twofold.export(moons_run, "onnx", tmp_path / "moons.onnx", engine="torch")
    held = {entry.key: entry.value for entry in onnx.load(str(path)).metadata_props}
    assert json.loads(held[LABELS]) == list(moons_run.record.data.classes)
    assert loads(held[RECIPE]) == moons_run.recipe
    assert set(json.loads(held[VECTOR])) == {"x", "y"}


def test_batch_and_length_are_free(tmp_path: Path) -> None:
    session = runtime(onnx_model(twofold.load_recipe("palindrome-lstm"), network_of("palindrome-lstm").weights))
    for batch, steps in ((1, 3), (5, 40)):
        (y,) = session.run(None, {"input": np.zeros((batch, steps, 1), np.float32)})
        assert y.shape == (batch, 10)


@pytest.mark.parametrize("features", [["a", "b", "c"], ["a", "b"]], ids=["and a number", "codes alone"])
def test_embedded_columns_go_out_and_come_back(tmp_path: Path, features: list[str]) -> None:
    recipe = twofold.load_recipe(twofold.Recipe(**COLUMNS), {"data.features": features})
    path = twofold.export(recipe, "onnx", tmp_path / "out.onnx")
    adopted = twofold.adopt(path)
    assert adopted.recipe == recipe
    assert all((adopted.weights[name] == array).all() for name, array in network_of(recipe).weights.items())
    assert {"forward", "onnxruntime", "test vector"} <= set(adopted.proof.largest)


@pytest.mark.parametrize("turned", [[1, 0, 2], [2, 0, 1]], ids=["another order", "numbers first"])
def test_columns_that_meet_in_another_order_are_no_layer(tmp_path: Path, turned: list[int]) -> None:
    path = twofold.export(twofold.Recipe(**COLUMNS), "onnx", tmp_path / "out.onnx")
    model = onnx.load(str(path))
    (join,) = (node for node in model.graph.node if node.op_type == "Concat")
    join.input[:] = [list(join.input)[place] for place in turned]
    onnx.save(model, str(path))
    with pytest.raises(AdoptError, match="the network branches"):
        twofold.adopt(path)


def test_a_vector_that_the_weights_do_not_give_is_refused(tmp_path: Path) -> None:
    network = network_of("moons")
    x, y = network.vector()
    (tmp_path / "a.onnx").write_bytes(
        onnx_model(network.recipe, network.weights, vector=(x, y + 1e-3)).SerializeToString()
    )
    with pytest.raises(AdoptError, match="the proof failed: test vector of output"):
        twofold.adopt(tmp_path / "a.onnx")
    made = onnx_model(network.recipe, network.weights, vector=(x, y))
    next(entry for entry in made.metadata_props if entry.key == VECTOR).value = '{"x": {"shape": [9e99]}}'
    (tmp_path / "b.onnx").write_bytes(made.SerializeToString())
    with pytest.raises(AdoptError, match=r"`twofold.test_vector` \(metadata\): its test vector is damaged"):
        twofold.adopt(tmp_path / "b.onnx")


def test_a_recipe_that_is_not_the_graphs_is_refused(tmp_path: Path) -> None:
    network = network_of("moons")
    made = onnx_model(network.recipe, network.weights)
    entry = next(entry for entry in made.metadata_props if entry.key == RECIPE)
    entry.value = entry.value.replace('"relu"', '"tanh"')
    (tmp_path / "a.onnx").write_bytes(made.SerializeToString())
    with pytest.raises(AdoptError, match="the recipe in the file has `tanh` with other settings there"):
        twofold.adopt(tmp_path / "a.onnx")


COLUMNS = {
    "name": "columns",
    "data": {"source": "csv", "path": "none.csv", "label": "y", "features": ["a", "b", "c"]},
    "layers": [{"kind": "embed_columns", "num_embeddings": [5, 3], "units": [3, 2]}, {"kind": "dense", "units": 2}],
}


@pytest.mark.parametrize("name", ["moons", "mnist-lenet-best", "palindrome-lstm", "palindrome-gru", "columns"])
def test_the_torch_module_answers_what_the_engine_answers(name: str, tmp_path: Path) -> None:
    recipe = twofold.Recipe(**COLUMNS) if name == "columns" else twofold.load_recipe(name)
    network = network_of(recipe)
    folder = twofold.export(recipe, "torch", tmp_path / "out")
    spec = importlib.util.spec_from_file_location("exported", folder / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    loaded = module.load()
    assert set(state_dict(network.recipe, network.weights)) <= set(loaded.state_dict())
    x, y = network.vector()
    with torch.no_grad():
        theirs = loaded(torch.from_numpy(x)).numpy()
    assert np.abs(theirs - y).max() <= 1e-6 * np.abs(y).max()
    if name == "columns":
        assert [layer.kind for layer in twofold.adopt(loaded, sample=x).recipe.layers] == ["embed_columns", "dense"]
    assert "twofold" not in (folder / "model.py").read_text().replace("twofold export", "").lower()


def test_tensorboard_reads_back_what_the_run_recorded(moons_run: twofold.Run, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    drawn = figures(tmp_path)
    folder = twofold.export(moons_run, "tensorboard", tmp_path / "board", figures=drawn)
    history = moons_run.history
    for engine in ("numpy", "torch"):
        events = accumulator.EventAccumulator(str(folder / engine)).Reload()
        rows = history[history["engine"] == engine]
        assert set(events.Tags()["scalars"]) == set(history.columns) - {"engine", "step"}
        for name in events.Tags()["scalars"]:
            read = [(event.step, event.value) for event in events.Scalars(name)]
            assert read == [
                (step, float(np.float32(value))) for step, value in zip(rows["step"], rows[name], strict=True)
            ]
        (text,) = events.Tensors("recipe")
        written = text.tensor_proto.string_val[0].decode().removeprefix("```toml\n").removesuffix("```")
        assert loads(written) == moons_run.recipe
    (image,) = accumulator.EventAccumulator(str(folder / "figures")).Reload().Images("loss")
    assert image.encoded_image_string == PNG
    assert (image.width, image.height) == (1, 1)


PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def figures(folder: Path) -> Path:
    """A folder as `twofold report --figures` writes it."""
    (folder / "drawn").mkdir()
    (folder / "drawn" / "loss.png").write_bytes(PNG)
    (folder / "drawn" / "captions.md").write_text("")
    return folder / "drawn"


def measured(run: twofold.Run, engine: str, name: str) -> list[tuple[int, float]]:
    rows = run.history[run.history["engine"] == engine]
    return [(int(s), float(v)) for s, v in zip(rows["step"], rows[name], strict=True) if not np.isnan(v)]


def test_the_store_of_mlflow_holds_what_the_run_recorded(moons_run: twofold.Run, tmp_path: Path) -> None:
    folder = twofold.export(moons_run, "mlflow", tmp_path / "store", figures=figures(tmp_path))
    settings = flattened(moons_run)
    runs = [place for place in (folder / "0").iterdir() if place.is_dir()]
    assert {(place / "tags" / "engine").read_text() for place in runs} == {"numpy", "torch"}
    for place in runs:
        engine = (place / "tags" / "engine").read_text()
        names = set(moons_run.history.columns) - {"engine", "step"}
        assert names <= {path.name for path in (place / "metrics").iterdir()}
        for name in names:
            lines = [line.split() for line in (place / "metrics" / name).read_text().splitlines()]
            assert [(int(step), float(value)) for _, value, step in lines] == measured(moons_run, engine, name)
        assert {path.name: path.read_text() for path in (place / "params").iterdir()} == settings
        assert settings["layers.0.units"] == "20"
        about = dict(line.split(": ", 1) for line in (place / "meta.yaml").read_text().splitlines())
        times = [datetime.fromisoformat(getattr(moons_run.record, name)) for name in ("started", "finished")]
        assert [int(about[f"{name}_time"]) for name in ("start", "end")] == [int(1000 * t.timestamp()) for t in times]
        assert about["status"] == "3"
        assert (place / "artifacts" / "figures" / "loss.png").read_bytes() == PNG
    assert twofold.export(moons_run, "mlflow", tmp_path / "again")
    assert {p.name for p in (tmp_path / "again" / "0").iterdir()} == {p.name for p in (folder / "0").iterdir()}


def test_mlflow_opens_its_store(moons_run: twofold.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # MLflow 3 asks for it
    tracking: Any = pytest.importorskip("mlflow", exc_type=ImportError)
    folder = twofold.export(moons_run, "mlflow", tmp_path / "store")
    client = tracking.MlflowClient(folder.as_uri())
    held = client.search_runs(["0"])
    assert {run.data.tags["engine"] for run in held} == {"numpy", "torch"}
    for run in held:
        assert run.data.params == flattened(moons_run)
        history = client.get_metric_history(run.info.run_id, "train_loss")
        assert [(m.step, m.value) for m in history] == measured(moons_run, run.data.tags["engine"], "train_loss")


def test_wandb_reads_back_what_the_run_recorded(moons_run: twofold.Run, tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    internal = importlib.import_module("wandb.proto.wandb_internal_pb2")
    folder = twofold.export(moons_run, "wandb-offline", tmp_path / "wandb", figures=figures(tmp_path))
    files = sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))
    assert len(files) == 2
    for file in files:
        history, config = wandb_records(internal, file)
        engine = config["engine"]
        assert {key: value for key, value in config.items() if key in flattened(moons_run)} == flattened(moons_run)
        for name in set(moons_run.history.columns) - {"engine", "step"}:
            read = [(row["_step"], row[name]) for row in history if name in row]
            assert read == measured(moons_run, engine, name)
        assert [path.read_bytes() for path in file.parent.glob("files/media/images/figures/loss_*.png")] == [PNG]


def wandb_records(internal: Any, file: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """History and settings of an offline file: a log of records in blocks of 32 KB, each record a message."""
    content, place, parts = file.read_bytes(), 7, list[bytes]()
    history, config = list[dict[str, Any]](), dict[str, Any]()
    while place + 7 <= len(content):
        if 32768 - place % 32768 < 7:
            place += 32768 - place % 32768
            continue
        length, kind = struct.unpack("<HB", content[place + 4 : place + 7])
        parts.append(content[place + 7 : place + 7 + length])
        place += 7 + length
        if kind not in (1, 4):
            continue
        record = internal.Record()
        record.ParseFromString(b"".join(parts))
        parts.clear()
        if record.WhichOneof("record_type") == "history":
            history.append({(i.key or "/".join(i.nested_key)): json.loads(i.value_json) for i in record.history.item})
        for update in record.run.config.update if record.WhichOneof("record_type") == "run" else ():
            config[update.key] = json.loads(update.value_json)
        for update in record.config.update if record.WhichOneof("record_type") == "config" else ():
            config[update.key] = json.loads(update.value_json)
    return history, config


def test_figures_are_told_where_they_do_not_go(moons_run: twofold.Run, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="figures go to tensorboard, mlflow, wandb-offline; got `npz`"):
        twofold.export(moons_run, "npz", tmp_path / "a", figures=tmp_path)
    with pytest.raises(UserError, match="`figures` must be a folder as `twofold report RUN --figures FOLDER`"):
        twofold.export(moons_run, "mlflow", tmp_path / "a", figures=tmp_path / "none")


def test_a_network_that_predicts_a_number_comes_back(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("a,b,y\n" + "".join(f"{i / 7:.3f},{i % 5},{i / 3:.3f}\n" for i in range(60)), "utf-8")
    plain = {
        "data": {"source": "table", "path": str(table), "label": "y"},
        "layers": [{"kind": "dense", "units": 1}],
        "loss": {"kind": "huber"},
        "training": {"epochs": 1},
    }
    run = twofold.run(twofold.load_recipe("moons", plain), out=tmp_path / "run")
    adopted = twofold.adopt(twofold.export(run, "onnx", tmp_path / "number.onnx"))
    assert adopted.proof.passed
    assert (adopted.recipe.layers, adopted.recipe.loss) == (run.recipe.layers, run.recipe.loss)
    with pytest.raises(UserError, match=r"it gives \(3, 1\); a network here gives one number a class"):
        twofold.adopt(tmp_path / "number.onnx", loss="mean_squared")


FOLDERS = ["torch", "tensorboard", "mlflow", "wandb-offline"]


@pytest.fixture(scope="module")
def odd_run(tmp_path_factory: pytest.TempPathFactory) -> twofold.Run:
    """A run whose name and columns hold signs that files and projects must not have."""
    folder = tmp_path_factory.mktemp("odd")
    (folder / "table.csv").write_text(
        "height/cm,height:cm,y\n" + "".join(f"{i / 7:.3f},{i % 5},{i % 2}\n" for i in range(60)), "utf-8"
    )
    columns = {"height/cm": {"kind": "number"}, "height:cm": {"kind": "number"}}
    plain = {
        "name": "a#b?c%",
        "data": {"source": "table", "path": str(folder / "table.csv"), "label": "y", "columns": columns},
        "layers": [{"kind": "dense", "units": 2}],
        "training": {"epochs": 1},
    }
    return twofold.run(twofold.load_recipe("moons", plain), out=folder / "run")


def needs(to: str) -> None:
    if to in ("tensorboard", "wandb-offline"):
        pytest.importorskip(to.partition("-")[0])


@pytest.mark.parametrize("to", FOLDERS)
def test_names_that_no_file_can_have_go_out(to: Any, odd_run: twofold.Run, tmp_path: Path) -> None:
    needs(to)
    assert any(path.is_file() for path in twofold.export(odd_run, to, tmp_path / "out").rglob("*"))


def test_parameters_whose_names_meet_stay_apart(odd_run: twofold.Run, tmp_path: Path) -> None:
    folder = twofold.export(odd_run, "mlflow", tmp_path / "store")
    (place, *_) = [place for place in (folder / "0").iterdir() if place.is_dir()]
    held = {path.name: path.read_text() for path in (place / "params").iterdir()}
    assert {"data.columns.height_cm", "data.columns.height_cm_2"} <= held.keys()
    assert len(held) == len(flattened(odd_run))


@pytest.mark.parametrize("to", [*FOLDERS, "eject"])
def test_of_a_folder_that_is_not_whole_nothing_stays(
    to: Any, moons_run: twofold.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs(to)
    out = tmp_path / "out"

    def write() -> Path:
        return twofold.eject(moons_run, out) if to == "eject" else twofold.export(moons_run, to, out)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write()
    assert not list(tmp_path.iterdir())
    assert write() == out


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("content", [b"", PNG[:20], PNG[:-4], b"GIF89a" + PNG])
@pytest.mark.parametrize("to", ["tensorboard", "mlflow", "wandb-offline"])
def test_a_figure_that_is_no_png_is_refused(content: bytes, to: Any, moons_run: twofold.Run, tmp_path: Path) -> None:
    needs(to)
    (figures(tmp_path) / "broken.png").write_bytes(content)
    with pytest.raises(UserError, match=r"broken\.png is no whole PNG file"):
        twofold.export(moons_run, to, tmp_path / "out", figures=tmp_path / "drawn")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("to", ["onnx", "torch", "npz"])
def test_a_recipe_whose_features_only_the_data_know_is_refused(to: Any, odd_run: twofold.Run, tmp_path: Path) -> None:
    recipe = twofold.load_recipe("moons", {"data": {"source": "csv", "path": "none.csv", "label": "y", "classes": 2}})
    with pytest.raises(UserError, match="how many features a sample has is not known without the data; export a run"):
        twofold.export(recipe, to, tmp_path / f"out.{to}")
    with pytest.raises(UserError, match="`engine` must be one of numpy, torch; got 'jax'"):
        twofold.export("moons", to, tmp_path / f"out.{to}", engine="jax")


def test_what_it_cannot_write_is_refused(moons_run: twofold.Run, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match="`to` must be one of onnx, torch, npz, tensorboard, mlflow, wandb-offline; got 'pickle'"
    ):
        twofold.export("moons", "pickle", tmp_path / "a")  # pyright: ignore
    with pytest.raises(UserError, match="`tensorboard` shows what a run recorded: name a run folder; got moons"):
        twofold.export("moons", "tensorboard", tmp_path / "a")
    with pytest.raises(RunFolderError, match="preprocessing is for a run on images"):
        twofold.export(moons_run, "onnx", tmp_path / "a.onnx", preprocessing=True)
    with pytest.raises(UserError, match="preprocessing stands in an ONNX graph only; got `npz`"):
        twofold.export(moons_run, "npz", tmp_path / "a", preprocessing=True)
    (tmp_path / "there").write_text("")
    with pytest.raises(UserError, match="there exists; choose another name"):
        twofold.export("moons", "npz", tmp_path / "there")
    with pytest.raises(UserError, match=r"moons.txt must end in .onnx; name it moons.onnx"):
        twofold.export("moons", "onnx", tmp_path / "moons.txt")
    assert isinstance(network_of("moons"), Network)


def test_preprocessing_takes_bytes_of_any_size(trained_runs: dict[str, twofold.Run], tmp_path: Path) -> None:
    """At the network's own size the graph gives what the engine gives; the file comes back as the run's recipe."""
    run = trained_runs["photos"]
    path = twofold.export(run, "onnx", tmp_path / "photos.onnx", preprocessing=True)
    session = runtime(onnx.load(str(path)))
    channels, height, width = (size or 0 for size in run.recipe.network.input_shape)
    rng = np.random.default_rng(4)
    pixels = rng.integers(0, 256, (3, channels, height, width), dtype=np.uint8)
    (theirs,) = session.run(None, {"input": pixels})
    network = network_of(run)
    assert network.scaling is not None
    engine = build_engine(network.engine, run.recipe)
    engine.load(state_of(network.weights, run.recipe.network))
    ours = engine.predict(network.scaling.astype(np.float32).apply(pixels))
    assert np.abs(theirs - ours).max() <= 1e-5 * np.abs(ours).max()  # the division in 32 bits, in another order
    (larger,) = session.run(None, {"input": np.repeat(np.repeat(pixels, 2, axis=2), 2, axis=3)})
    assert larger.shape == theirs.shape
    adopted = twofold.adopt(path)
    assert adopted.recipe == run.recipe
    assert all((adopted.weights[name] == array).all() for name, array in network.weights.items())
