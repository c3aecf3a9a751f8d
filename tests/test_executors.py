"""Executors: the same study on every engine that is installed, with a worker that dies; what wrong ones are told."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import cast

import pandas as pd
import pytest

import trainers
from torture import short_form
from trainers import accuracy
from twofold.errors import MissingExtraError, StudyError
from twofold.recipe import dump, load_recipe
from twofold.study import load_study
from twofold.study.executors import ray as ray_tasks
from twofold.study.executors import remote, slurm, work
from twofold.study.executors.choice import KINDS, Workers
from twofold.study.executors.dask import Dask
from twofold.study.executors.local import Local
from twofold.study.executors.prints import absolute, fingerprint, fingerprints, mark
from twofold.study.executors.seam import Executor, Lost, Results, Task
from twofold.study.executors.work import train_task, worker_versions
from twofold.study.grid import plan
from twofold.study.running import run_source

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@contextmanager
def local() -> Iterator[Executor]:
    yield Workers("local:2").executor()


@contextmanager
def dask() -> Iterator[Executor]:
    pytest.importorskip("distributed")
    yield Workers("dask", 2).executor()


@contextmanager
def ray() -> Iterator[Executor]:
    pytest.importorskip("ray")
    yield Workers("ray", 2).executor()


@contextmanager
def jobs() -> Iterator[Executor]:
    pytest.importorskip("submitit")
    yield slurm.start("", 2, "local")


ENGINES = {"local": local, "dask": dask, "ray": ray, "slurm": jobs}
AXES = {"data.noise": [0.1, 0.2], "optimizer.lr": [0.1, 0.2, 0.3]}


class Told:
    """Keeps the notes."""

    def __init__(self) -> None:
        self.notes = list[str]()

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.mark.parametrize("engine", short_form(ENGINES, {"local", "dask"}))
def test_a_study_is_the_same_on_every_engine_though_a_worker_dies(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
    source, told = load_study("moons", axes=AXES, seeds=1), Told()
    dying = partial(trainers.dying, in_tmp / "log", 0.2, 1)
    with ENGINES[engine]() as executor:
        result = run_source(source, out="s", executor=executor, watcher=told, train=dying)
    assert list(result.table["id"]) == [point.id for point in plan(source)]
    assert list(result.table["test_accuracy"]) == [accuracy(point.recipe) for point in plan(source)]
    assert set(result.table["status"]) == {"ok"}
    assert told.notes == ["a worker process died; the 3 points that it was training will be run once more, alone"]
    assert pd.read_csv("s/results.csv")["id"].is_unique
    assert sorted(os.listdir()) == ["log", "s"]


def test_a_process_that_dies_with_a_task_at_hand_takes_one_task_with_it(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
    rates = [round(0.01 * number, 2) for number in range(1, 13)]
    # Full batches are trained one by one: twelve tasks.
    axes = {"optimizer.lr": rates}
    source, told = load_study("moons", axes=axes, seeds=1, overrides={"training.batch_size": "full"}), Told()
    executor = Local(1)
    handed = list[str]()

    def watched(tasks: Iterator[Task]) -> Iterator[Task]:
        for task in tasks:
            handed.extend(task.names)
            yield task

    class Watched:
        workers = 1
        close = executor.close

        def results(self, tasks: Iterator[Task], alone: bool = False) -> Generator[Results, None, None]:
            yield from executor.results(watched(tasks), alone)

    dying = partial(trainers.dying, in_tmp / "log", 0.06, 1)
    result = run_source(source, out="s", executor=Watched(), watcher=told, train=dying)
    names = [point.id for point in plan(source)]
    assert handed == [*names, names[5]]
    assert list(result.table["id"]) == names
    assert set(result.table["status"]) == {"ok"}
    assert told.notes == ["a worker process died; the point that it was training will be run once more, alone"]


@pytest.mark.torture
def test_a_process_that_had_nothing_to_do_for_a_minute_is_missed_when_it_dies(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """loky would start another one after a timeout, and wait for ever for the answer of that one once it has died."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
    executor, dying = Local(1), partial(trainers.dying, in_tmp / "log", RECIPE.optimizer.lr, 1)
    assert [len(batch) for batch in executor.results(iter([task()]))] == [1]
    time.sleep(65)
    (batch,) = executor.results(iter([task(train=dying)]))
    executor.close()
    assert isinstance(batch[0], Lost)


def test_a_process_that_died_while_nobody_listened_costs_nothing(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
    executor = Local(1)
    tasks = [task(names=(str(number),)) for number in range(6)]

    def results(taken: Iterator[Task]) -> list[tuple[str, ...]]:
        answers = [result for batch in executor.results(taken) for result in batch]
        return [answer[0].names if isinstance(answer, tuple) else ("lost",) for answer in answers]

    assert results(iter(tasks[:1])) == [("0",)]
    (pool,) = executor._pools  # pyright: ignore[reportPrivateUsage]
    (process,) = pool._processes
    os.kill(process, signal.SIGKILL)  # between two studies
    while not pool._flags.broken:
        time.sleep(0.05)
    assert results(iter(tasks[1:2])) == [("1",)]

    def killing() -> Iterator[Task]:
        """When the fourth task is asked for, the process that has the third has died."""
        for number, one in enumerate(tasks[2:]):
            if number == 2:
                (seated,) = running
                os.kill(next(iter(seated._processes)), signal.SIGKILL)
                while not seated._flags.broken:
                    time.sleep(0.05)
            yield one

    running = list(executor._pools)  # pyright: ignore[reportPrivateUsage]
    names = [name for (name,) in results(killing())]
    assert len(names) == 4
    assert set(names) in ({"2", "3", "4", "5"}, {"2", "lost", "4", "5"})  # the third may have been done by then
    executor.close()


def test_a_job_that_is_preempted_is_requeued_and_recorded_once(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
    overrides = {"training.batch_size": "full"}  # a point a job
    source, told = load_study("moons", axes={"optimizer.lr": [0.1, 0.2]}, seeds=1, overrides=overrides), Told()
    executor = slurm.start("", 2, "local")
    submit = executor._executor.submit  # pyright: ignore[reportPrivateUsage]

    def submitted(*words: object) -> object:
        job = submit(*words)
        threading.Thread(target=preempt, args=(job,), daemon=True).start()
        return job

    def preempt(job) -> None:
        while not (in_tmp / "log").exists():
            time.sleep(0.1)
        with suppress(OSError):  # it may have ended
            for child in Path(f"/proc/{job._process.pid}/task/{job._process.pid}/children").read_text().split():
                os.kill(int(child), signal.SIGUSR2)  # what SLURM sends the processes of a job

    monkeypatch.setattr(executor._executor, "submit", submitted)  # pyright: ignore[reportPrivateUsage]
    slow = partial(trainers.slow_once, in_tmp / "log")
    result = run_source(source, out="s", executor=executor, watcher=told, train=slow)
    assert list(result.table["id"]) == [point.id for point in plan(source)]
    assert {point.values[0]: point.requeued for point in result.points}[0.2] == 1
    assert "a job was preempted or out of time; the point that it was training began again" in told.notes
    assert set(result.table["status"]) == {"ok"}


# What a worker refuses

RECIPE = load_recipe("moons")


def task(**changes: object) -> Task:
    return Task(**{"names": ("a",), "recipes": (RECIPE,), "engine": "numpy", "train": trainers.quick, **changes})  # pyright: ignore[reportArgumentType]


def test_a_worker_with_other_versions_refuses_and_names_both() -> None:
    here = worker_versions("numpy")
    for name, words in (("twofold", "Twofold 9.9"), ("numpy", "Numpy 9.9"), ("torch", "Torch 9.9")):
        refusal = train_task(task(expected={name: "9.9"})).refusal
        assert f"this command has {words}: the numbers may differ." in refusal
        assert f"has {name.capitalize()} {here.get(name, 'none')}," in refusal
        assert "Install the same on both, or take it with --allow-different." in refusal
    assert "another code of Twofold, abc" in train_task(task(expected={"code": "abc"})).refusal
    assert not train_task(task(expected=here)).refusal


def test_a_study_ends_at_a_refusal_and_another_version_that_is_taken_is_recorded(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = load_study("moons", axes=AXES, seeds=1)
    monkeypatch.setattr(work, "worker_versions", lambda engine: {**worker_versions(engine), "twofold": "0.0.1"})

    class Here:
        workers = 1

        def results(self, tasks: Iterator[Task], alone: bool = False):
            for task in tasks:
                yield [(task, train_task(task))]

        def close(self) -> None: ...

    demanding = Workers("dask")
    with pytest.raises(
        StudyError, match=r"has Twofold 0\.0\.1, this command has Twofold 0\.1\.0: the numbers may differ"
    ):
        run_source(source, out="s", workers=demanding, executor=Here(), train=trainers.quick)
    assert not list(Path("s/points").iterdir())
    taking = Workers("dask", allow_different=True)
    result = run_source(source, out="s", workers=taking, executor=Here(), train=trainers.quick)
    assert {point.versions["twofold"] for point in result.points} == {"0.0.1"}


def test_data_that_a_worker_cannot_see_are_named_with_the_worker(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text("a,b,class\n1,2,x\n")
    wanted = {str(file): fingerprint(file)}
    assert not train_task(task(data=wanted)).refusal
    for change, words in (
        (lambda: file.write_text("a,b\n"), "has other data at"),
        (file.unlink, "cannot see the data at"),
    ):
        change()
        refusal = train_task(task(data=wanted)).refusal
        assert f"{words} {file}. Put the same file there" in refusal
        assert f"process {os.getpid()} on " in refusal


def test_a_folder_of_data_has_the_fingerprint_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(b"12")
    first = fingerprint(tmp_path)
    (tmp_path / "a" / "2.png").write_bytes(b"")
    assert fingerprint(tmp_path) != first
    assert fingerprint(tmp_path / "none") == ""


def test_a_worker_gets_absolute_paths(in_tmp: Path) -> None:
    recipe = load_recipe("moons").model_copy(
        update={"data": load_recipe("digits").data.model_copy(update={"path": "x"})}
    )
    assert getattr(absolute(recipe).data, "path") == str(in_tmp / "x")  # noqa: B009
    assert absolute(RECIPE) is RECIPE


def test_every_file_of_a_recipe_is_absolute_and_has_a_fingerprint(in_tmp: Path) -> None:
    for name in ("a.csv", "b.csv", "w.safetensors"):
        Path(name).write_text(name)
    changes = {
        "data": {"source": "table", "path": "a.csv", "test_path": "b.csv", "label": "y", "classes": 2},
        "initial": {"kind": "file", "path": "w.safetensors"},
    }
    made = absolute(load_recipe("moons", changes))
    for path in (getattr(made.data, "path"), getattr(made.data, "test_path"), getattr(made.initial, "path")):  # noqa: B009
        assert Path(path).parent == in_tmp
    assert fingerprints([made]) == {str(path): fingerprint(path) for path in sorted(in_tmp.iterdir())}
    recipe = dump(load_recipe("moons", changes))
    (in_tmp / "inner").mkdir()
    (in_tmp / "inner" / "r.toml").write_text(recipe)
    read = load_recipe(in_tmp / "inner" / "r.toml")
    assert getattr(read.data, "test_path") == str(in_tmp / "inner" / "b.csv")  # noqa: B009


def test_a_change_anywhere_in_a_folder_of_data_is_seen(tmp_path: Path) -> None:
    inner = tmp_path / "train" / "cat"
    inner.mkdir(parents=True)
    marks = {mark(str(tmp_path))}
    for number, (name, content) in enumerate([("1.png", b"1"), ("2.png", b""), ("1.png", b"12")]):
        (inner / name).write_bytes(content)
        marks.add(mark(str(tmp_path)))
        assert len(marks) == number + 2
    (inner / "none").symlink_to(tmp_path / "nothing")
    assert mark(str(tmp_path)) not in marks
    assert mark(str(tmp_path / "none")) == mark(str(tmp_path / "none"))


def test_a_file_name_need_not_be_utf8(tmp_path: Path) -> None:
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")).write_bytes(b"1")
    except OSError:
        pytest.skip("this file system has no such names")
    assert fingerprint(tmp_path)
    assert mark(str(tmp_path))


def test_a_process_trains_one_task_at_a_time() -> None:
    running, most = list[int](), list[int]()

    def train(recipes, engine):
        running.append(1)
        time.sleep(0.05)
        most.append(len(running))
        running.pop()
        return trainers.quick(recipes, engine)

    threads = [threading.Thread(target=train_task, args=(task(train=train),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1]


def test_a_worker_that_cannot_read_a_task_is_told_in_a_sentence() -> None:
    pytest.importorskip("distributed")

    class Future:
        def result(self) -> None:
            raise ModuleNotFoundError("No module named 'twofold'")

    with pytest.raises(StudyError, match="a worker of the Dask cluster gave no answer: ModuleNotFoundError: No module"):
        Dask(None, None, 1)._result(Future(), task())
    gone = {name: type(name, (Exception,), {}) for name in RAY_ERRORS}
    there = SimpleNamespace(
        exceptions=SimpleNamespace(**gone), get=lambda future: future.result(), remote=lambda **_: lambda train: train
    )
    with pytest.raises(StudyError, match="a worker of the Ray cluster gave no answer: ModuleNotFoundError: No module"):
        ray_tasks.Ray(cast(ModuleType, there), 1)._result(Future(), task())


RAY_ERRORS = ("WorkerCrashedError", "OutOfMemoryError", "NodeDiedError", "RaySystemError")


def test_a_worker_trains_with_one_thread() -> None:
    threads = list[int]()

    def train(recipes, engine):
        from threadpoolctl import threadpool_info

        threads.extend(library["num_threads"] for library in threadpool_info())
        return trainers.quick(recipes, engine)

    assert train_task(task(train=train)).trained[0].point
    assert set(threads) == {1}


def test_data_are_read_once_by_a_worker_and_again_when_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = list[str]()
    load = work.load_data
    monkeypatch.setattr(work, "load_data", lambda spec: (reads.append(spec.path), load(spec))[1])
    file = tmp_path / "t.csv"
    (tmp_path / "r.toml").write_text(
        'layers = [{ kind = "dense", units = 2 }]\ntraining.epochs = 1\n'
        '[data]\nsource = "csv"\npath = "t.csv"\nlabel = "c"\n'
    )
    file.write_text("a,c\n" + "".join(f"{i},{i % 2}\n" for i in range(40)))
    recipes = [load_recipe(tmp_path / "r.toml", {"training.batch_size": size}) for size in (4, 5)]
    for recipe in recipes:
        assert work.trained([recipe], "numpy")[0].scores
    assert reads == [str(file)]
    file.write_text("a,c\n" + "".join(f"{i},{i % 2}\n" for i in range(50)))
    work.trained(recipes[:1], "numpy")
    assert reads == [str(file)] * 2


# What a wrong engine is told

WRONG: dict[str, tuple[str, ...]] = {
    "dusk": ("`on` names no engine `dusk`; did you mean `dask`?",),
    "local:none": ("`on` must be local:N with a whole number of at least 1; got local:none",),
    "local:0": ("got local:0",),
    "dask:127.0.0.1:9": (
        "nobody answers at tcp://127.0.0.1:9: tried 127.0.0.1, port 9: ",
        "Start one with `dask scheduler`",
    ),
    "dask:here": ("`tcp://here` is no address; it must be HOST:PORT. Start one with `dask scheduler`",),
    "ray:127.0.0.1:9": ("nobody answers at 127.0.0.1:9: tried 127.0.0.1, port 9: ", "Start one with `ray start --head"),
    "slurm": ("`--on slurm` wants `sbatch`, and there is none here: run the command on a login node",),
}


@pytest.mark.parametrize("on", WRONG)
def test_an_engine_that_is_not_there_is_told_at_once(command, in_tmp: Path, on: str) -> None:
    kind = on.partition(":")[0]
    if kind in ("dask", "ray", "slurm"):
        pytest.importorskip({"dask": "distributed", "slurm": "submitit"}.get(kind, kind))
    done = command("study", "moons", "--on", on, "--out", "s")
    assert done.status == 2
    for words in WRONG[on]:
        assert words in done.err
    assert not list(Path(".").glob("s/points/*"))


def test_what_answers_and_is_no_dask_scheduler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr("twofold.study.executors.dask.check_answers", lambda *_: None)

    def client(*_: object, **__: object) -> None:
        raise MemoryError("a length that is none")

    monkeypatch.setattr(distributed, "Client", client)
    with pytest.raises(StudyError, match=r"no Dask scheduler at tcp://here:1: a length that is none\. Start one with"):
        Workers("dask:here:1").executor()


def test_jobs_and_a_number_of_processes_must_be_alike() -> None:
    with pytest.raises(StudyError, match="`on` is local:3 and `jobs` is 2; give one of them"):
        Workers("local:3", 2)
    assert Workers("local:3").executor().workers == 3


def test_another_cluster_than_this_process_is_connected_to_is_refused() -> None:
    there = cast(ModuleType, SimpleNamespace(get_runtime_context=lambda: SimpleNamespace(gcs_address="192.0.2.2:6379")))
    for address in ("", "auto", "127.0.0.1:6379"):
        ray_tasks._check_address(there, address)
    with pytest.raises(StudyError, match=r"at 192\.0\.2\.2:6379 already, not to 127\.0\.0\.1:7000; call ray\.shutdown"):
        ray_tasks._check_address(there, "127.0.0.1:7000")


def test_a_token_for_clusters_is_found_where_ray_puts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert not ray_tasks._has_token()
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("secret")
    assert ray_tasks._has_token()
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "none"))
    assert not ray_tasks._has_token()
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    assert ray_tasks._has_token()


EXTRAS = {"dask": "distributed", "ray": "ray", "slurm": "submitit"}


@pytest.mark.parametrize("kind", EXTRAS)
def test_a_library_that_is_lacking_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setitem(sys.modules, EXTRAS[kind], None)
    with pytest.raises(MissingExtraError) as error:
        Workers(kind).executor()
    assert str(error.value) == (f"`--on {kind}` needs `{EXTRAS[kind]}`; install it with: pip install 'twofold[{kind}]'")


def test_every_kind_has_its_module() -> None:
    for name, kind in KINDS.items():
        assert callable(importlib.import_module(f"twofold.study.executors.{kind.module}").start), name


def test_a_lost_engine_ends_the_stream_and_what_runs_is_cancelled() -> None:
    cancelled = list[str]()

    def check() -> None:
        raise StudyError("the scheduler was lost")

    def submit(task: Task, ended: Callable[[], None]) -> str:
        if task.names == ("a",):
            ended()
        return task.names[0]

    tasks = iter([task(), task(names=("b",)), task(names=("c",))])
    results = remote.stream(tasks, 2, submit, lambda handle, task: train_task(task), check, cancelled.extend)
    assert [task.names for task, _ in next(results)] == [("a",)]  # pyright: ignore[reportGeneralTypeIssues]
    with pytest.raises(StudyError, match="lost"):
        next(results)
    assert cancelled == ["b", "c"]
