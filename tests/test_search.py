"""Searches: proposals that follow from the points alone, no test set before the end, and what a wrong one is told."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import twofold
from kills import half_written
from twofold.errors import MissingExtraError, StudyError
from twofold.report import write_study_report
from twofold.runs.history import HistoryRow
from twofold.study import SearchResult, load_study
from twofold.study.executors.seam import Answer, Lost, Results, Task, Trained, Worker
from twofold.study.executors.work import train_task
from twofold.study.files import dump, loads
from twofold.study.search.pruning import Curve, stop_of
from twofold.study.search.running import search_source
from twofold.study.search.space import middle, names, recipe_of
from twofold.study.search.spec import Search

pytest.importorskip("optuna")
pytestmark = [pytest.mark.usefixtures("undrawn", "warm_workers"), pytest.mark.filterwarnings("ignore::ResourceWarning")]

HEAD = """\
recipe = "moons"
seeds = 2
[set]
training.epochs = 2
training.evaluate_every = 1
data.samples = 60
data.validation = 0.25
"""
SEARCH = (
    HEAD
    + """\
[search]
trials = 8
leaders = 2
at_a_time = 3
[search.space]
optimizer.lr = { low = 1e-3, high = 1.0, log = true }
training.batch_size = { choices = [8, "full"] }
[[search.blocks]]
at = 1
count = { low = 0, high = 2 }
layers = [{ kind = "relu" }, { kind = "dense", units = { low = 2, high = 9 } }]
"""
)


class Here:
    """Trains in this process; results come the last first, three at a time, or `deaths` of workers in their place."""

    workers = 3

    def __init__(self, stop_after: int = 10**9, deaths: int = 0) -> None:
        self.trained = list[str]()
        self._stop_after = stop_after
        self._deaths = deaths

    def results(self, tasks: Iterator[Task], alone: bool = False) -> Iterator[Results]:
        running = list[Task]()
        while True:
            while len(running) < (1 if alone else self.workers) and (task := next(tasks, None)) is not None:
                running.append(task)
            if not running:
                return
            task = running.pop()
            if self._deaths:
                self._deaths -= 1
                yield [Lost(task, "killed")]
                continue
            if len(self.trained) == self._stop_after:
                raise KeyboardInterrupt
            self.trained += task.names
            yield [(task, train_task(task))]

    def close(self) -> None: ...


class Quiet:
    """Hears that a worker died, and says nothing."""

    def note(self, text: str) -> None: ...


def search(folder: Path, text: str = SEARCH, executor: Here | None = None) -> SearchResult:
    file = folder.parent / "search.toml"
    file.write_text(text)
    return search_source(load_study(file), out=folder, executor=executor or Here(), watcher=Quiet())  # pyright: ignore[reportArgumentType]


def outcome(result: SearchResult) -> tuple[str, str]:
    """Everything that a search gave but for times."""
    table = result.table.drop(columns="seconds").to_csv(index=False)
    return table, (result.path / "search.json").read_text()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    """A search that was never interrupted."""
    return search(tmp_path_factory.mktemp("search") / "whole")


def test_a_search_is_a_folder_with_its_trials_and_its_best(whole: SearchResult) -> None:
    assert len(whole.trials) == 8
    assert sorted({point.trial for point in whole.points}) == list(range(8))
    assert len(whole.points) == 10  # two leaders with another seed
    found = whole.found
    assert found is not None
    assert found.leaders == [point.trial for point in whole.ranked()[:2]]
    assert found.winner in found.leaders
    assert set(found.importance) <= set(names(whole.search))
    head = (whole.path / "results.csv").read_text().splitlines()[0]
    assert head.startswith("trial,optimizer.lr,training.batch_size,blocks.0.count,blocks.0.0.layers.1.units,")
    for point in whole.trials:
        values = whole.values(point)
        assert len([name for name in values if name.endswith("units")]) == values["blocks.0.count"]


def test_no_trial_sees_the_test_set_and_the_winner_is_tested_once(whole: SearchResult) -> None:
    """The test scores are those of the best recipe, trained as a run is."""
    for point in whole.points:
        assert point.scores["test_accuracy"] is None
        assert set(point.history["test_loss"]) == {None}
    found = whole.found
    assert found is not None
    best = twofold.load_recipe(whole.best)
    run = twofold.run(best, engines="numpy", out=whole.path.parent / "run")
    assert found.test["test_loss"] == run.engines["numpy"]["test_loss"]
    winner = next(point for point in whole.trials if point.trial == found.winner)
    assert run.engines["numpy"]["validation_loss"] == winner.scores["validation_loss"]


def test_the_trials_do_not_depend_on_interruptions_order_or_deaths(whole: SearchResult, tmp_path: Path) -> None:
    trained = list[str]()
    for stop in (0, 1, 2, 3, 1):
        executor = Here(stop_after=stop)
        with pytest.raises(KeyboardInterrupt):
            search(tmp_path / "s", executor=executor)
        trained += executor.trained
    last = Here(deaths=1)
    assert outcome(search(tmp_path / "s", executor=last)) == outcome(whole)
    trained += last.trained
    once = [name for name in set(trained) if trained.count(name) == 1]  # all but the winner, which is tested
    assert len(set(trained)) == 10
    assert len(once) == 9


def test_one_worker_proposes_the_same_trials_and_more_trials_go_on(whole: SearchResult, tmp_path: Path) -> None:
    shorter = SEARCH.replace("trials = 8", "trials = 5")
    one = Here()
    one.workers = 1
    first = search(tmp_path / "s", shorter, one)
    assert [point.id for point in first.trials] == [point.id for point in whole.trials[:5]]
    again = Here()
    assert [point.id for point in search(tmp_path / "s", executor=again).trials] == [p.id for p in whole.trials]
    assert not {point.id for point in first.trials} & set(again.trained) - {whole.found.id if whole.found else ""}


SAMPLERS = {
    "random": ("random", 6),
    "cmaes": ("cmaes", 6),
    "grid": ("grid", 6),
}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_proposes_the_same_after_an_interruption(tmp_path: Path, sampler: str) -> None:
    text = HEAD.replace("seeds = 2", "seeds = 1") + (
        f'[search]\nsampler = "{sampler}"\ntrials = 6\n[search.space]\n'
        '"layers.0.units" = { low = 3, high = 5 }\n"training.batch_size" = { choices = [8, "full"] }\n'
    )
    first = search(tmp_path / "a", text)
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "b", text, Here(stop_after=2))
    assert outcome(search(tmp_path / "b", text)) == outcome(first)
    if sampler == "grid":
        assert len({point.id for point in first.trials}) == 6


REPEATING = (
    HEAD
    + """\
[search]
sampler = "random"
trials = 9
leaders = 2
at_a_time = 1
[search.space]
training.batch_size = { choices = [8, 30, "full"] }
"""
)


def test_a_leader_is_the_first_trial_of_its_values(tmp_path: Path) -> None:
    result = search(tmp_path / "s", REPEATING)
    assert [point.trial for point in result.trials] == [0, 1, 7]  # the other six propose one of these again
    found = result.found
    assert found is not None
    assert found.leaders == [point.trial for point in result.ranked()[:2]]
    assert found.winner in found.leaders
    for point in result.points:
        first = next(trial for trial in result.trials if trial.values == point.values)
        assert point.trial == first.trial


class Refusing(Here):
    """Trains as `Here` does, but gives `answer` for the winner's test."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self._answer = answer

    def results(self, tasks: Iterator[Task], alone: bool = False) -> Iterator[Results]:
        if not alone:
            yield from super().results(tasks)
        for task in tasks:
            yield [(task, self._answer)]


def test_a_winner_that_cannot_be_tested_is_told_with_the_reason(whole: SearchResult, tmp_path: Path) -> None:
    shutil.copytree(whole.path, tmp_path / "s")
    worker, name = Worker("here", 1, {}), whole.found.id if whole.found else ""
    with pytest.raises(StudyError, match="the worker has other data"):
        search(tmp_path / "s", executor=Refusing(Answer(worker, refusal="the worker has other data")))
    notes = list[str]()
    quiet = Quiet()
    quiet.note = notes.append  # pyright: ignore[reportAttributeAccessIssue]
    failing = Refusing(Answer(worker, (Trained(name, None, "the disk is gone"),)))
    source = load_study(tmp_path / "search.toml")
    search_source(source, out=tmp_path / "s", executor=failing, watcher=quiet)  # pyright: ignore[reportArgumentType]
    assert notes == ["the winner could not be tested: the disk is gone; the same command tries again"]


# Pruning


def curves(*values: list[float]) -> list[Curve]:
    return [Curve(number, each, len(each) == 3) for number, each in enumerate(values)]


def searching(pruner: str, metric: str = "validation_accuracy") -> Search:
    return Search.model_validate({"pruner": pruner, "metric": metric, "space": {"a": {"low": 0, "high": 1}}})


def rows(metric: str, *values: float) -> list[HistoryRow]:
    plain = HistoryRow(0, 0.0, 0.1, 0.0, 0.7, 0.5)
    return [plain, *(plain._replace(step=10 * n, **{metric: value}) for n, value in enumerate(values, start=1))]


def test_the_median_is_that_of_the_finished_trials_before() -> None:
    finished = curves(*[[0.1 * n, 0.2 * n, 0.3 * n] for n in range(1, 6)])
    assert stop_of(searching("none"), 5, finished) is None
    few = stop_of(searching("median"), 4, finished[:4])
    assert few is not None
    assert few.thresholds == {}
    stop = stop_of(searching("median"), 5, [*finished, Curve(5, [9.0], False)])
    assert stop is not None
    assert stop.thresholds == pytest.approx({1: 0.3, 2: 0.6, 3: 0.9})
    assert not stop(rows("validation_accuracy", 0.31))
    assert stop(rows("validation_accuracy", 0.29))
    assert not stop(rows("validation_accuracy", 0.7, 0.1))  # its best so far counts
    assert stop(rows("validation_accuracy", float("nan")))


def test_a_loss_is_to_be_low() -> None:
    stop = stop_of(searching("median", "train_loss"), 5, curves(*[[0.1 * n] * 3 for n in range(1, 6)]))
    assert stop is not None
    assert stop(rows("train_loss", 0.31))
    assert not stop(rows("train_loss", 0.29))


def test_hyperband_lets_a_third_of_its_bracket_beyond_a_rung() -> None:
    before = [Curve(n, [0.1 * n] * 9, True) for n in range(12)]
    stops = [stop_of(searching("hyperband"), number, before) for number in (12, 13, 14)]
    # Rungs after 1 and 3 evaluations; brackets of the numbers 0, 3, 6, 9 and 1, 4, 7, 10 and so on.
    assert [stop.thresholds for stop in stops if stop] == [
        pytest.approx({1: 0.9, 3: 0.9}),
        pytest.approx({3: 1.0}),
        {},
    ]


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_a_threshold_is_of_an_evaluation_whatever_its_step(pruner: str) -> None:
    """With other sizes of batches the same evaluation is at another step."""
    stop = stop_of(searching(pruner), 6, [Curve(n, [0.5] * 4, True) for n in range(6)])
    assert stop is not None
    for size in (1, 7, 100):
        history = [row._replace(step=row.step * size) for row in rows("validation_accuracy", 0.4)]
        assert stop(history), size
        assert not stop([row._replace(validation_accuracy=0.6) for row in history])


def test_a_trial_that_is_stopped_early_is_kept_as_pruned(tmp_path: Path) -> None:
    text = SEARCH.replace("trials = 8", 'trials = 14\npruner = "median"').replace(
        "training.epochs = 2", "training.epochs = 4"
    )
    result = search(tmp_path / "s", text)
    pruned = [point for point in result.trials if point.status == "pruned"]
    assert pruned
    for point in pruned:
        assert point.steps == point.history["step"][-1]
        assert point.steps < max(p.steps for p in result.trials if p.values[1] == point.values[1])
        assert result.score(point) is None
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "t", text, Here(stop_after=9))
    assert outcome(search(tmp_path / "t", text)) == outcome(result)


# Folder and space


def test_another_search_in_the_folder_is_refused(whole: SearchResult, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    shutil.copytree(whole.path, folder)
    others = {
        SEARCH.replace("at_a_time = 3", 'sampler = "random"'): "its `sampler` is tpe, here random",
        SEARCH.replace("high = 1.0", "high = 2.0"): "its `space` is another",
        SEARCH.replace("seeds = 2", "seeds = 3"): "its `seeds` is (0, 1), here (0, 1, 2)",
        SEARCH.replace('"moons"', '"circles"'): "its `recipe` is moons, here circles",
    }
    for text, difference in others.items():
        with pytest.raises(StudyError) as error:
            search(folder, text)
        assert str(error.value) == (
            f"{folder} belongs to another search: {difference}. Choose another --out, or remove the folder."
        )
    with pytest.raises(StudyError, match="holds a search and no grid"):
        twofold.open_study(folder)
    assert twofold.open_search(folder).to_json() == {
        key: value.replace(str(whole.path), str(folder)) if isinstance(value, str) else value
        for key, value in whole.to_json().items()
    }


def test_blocks_stand_in_the_network_as_often_as_their_count_says(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text(SEARCH)
    study = load_study(file).study
    assert loads(dump(study), "s") == study
    assert study.search is not None
    base = twofold.load_recipe("moons")
    values = {**middle(study.search), "blocks.0.count": 2}
    values |= {"blocks.0.0.layers.1.units": 7, "blocks.0.1.layers.1.units": 5}
    layers = [(layer.kind, getattr(layer, "units", None)) for layer in recipe_of(base, study.search, values).layers]
    assert layers == [
        ("dense", 20), ("relu", None), ("dense", 7), ("relu", None), ("dense", 5), ("relu", None), ("dense", 2),
    ]  # fmt: skip


def test_a_search_that_was_killed_before_its_file_was_written_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = SEARCH.replace("trials = 8", "trials = 1")
    with monkeypatch.context() as patch:
        patch.setattr("twofold.study.search.folder.write_whole", half_written)
        with pytest.raises(KeyboardInterrupt):
            search(tmp_path / "s", text)
    result = search(tmp_path / "s", text)
    assert len(result.trials) == 1
    (tmp_path / "s" / "points" / ".0123456789abcdef.json.7.tmp").write_bytes(b"half")
    search(tmp_path / "s", text)
    assert not list((tmp_path / "s").rglob("*.tmp"))


def test_blocks_at_one_place_stand_in_their_order() -> None:
    block = {"at": 1, "count": {"low": 1, "high": 2}}
    blocks = [{**block, "layers": [{"kind": "dense", "units": units}]} for units in (7, 5)]
    both = Search.model_validate({"blocks": blocks})
    made = recipe_of(twofold.load_recipe("moons"), both, {"blocks.0.count": 1, "blocks.1.count": 1})
    assert [getattr(layer, "units", None) for layer in made.layers] == [20, 7, 5, None, 2]


# What a wrong search is told

SPACE = "[search.space]\noptimizer.lr = "
BLOCK = HEAD + "[search]\n[[search.blocks]]\nat = 1\ncount = { low = 0, high = 2 }\n"
NUMBERS = """\
recipe = "moons"
[set]
layers = [{ kind = "dense", units = 1 }]
loss = { kind = "huber" }
data = { source = "csv", path = "t.csv", label = "y", validation = 0.25 }
"""
WRONG: dict[str, tuple[str, list[str]]] = {
    "an empty range": (
        HEAD + "[search]\n" + SPACE + "{ low = 0.2, high = 0.1 }",
        ["s.toml:10: the range is empty: `low` must be below `high`; got 0.2 and 0.1"],
    ),
    "not positive on a logarithmic scale": (
        HEAD + "[search]\n" + SPACE + "{ low = 0.0, high = 0.1, log = true }",
        ["s.toml:10: `low` must be above 0 on a logarithmic scale; got 0.0"],
    ),
    "an end missing": (HEAD + "[search]\n" + SPACE + "{ low = 0.1 }", ["a range wants `low` and `high`; or give"]),
    "choices twice": (HEAD + "[search]\n" + SPACE + "{ choices = [1, 1] }", ["`choices` holds 1 twice"]),
    "an unknown key of a range": (
        HEAD + "[search]\n" + SPACE + "{ low = 0.1, high = 1.0, logg = true }",
        ["unknown key `logg`; did you mean `log`?"],
    ),
    "an unknown key": (
        HEAD + "[search]\ntrial = 3\n" + SPACE + "{ low = 0.1, high = 1.0 }", ["did you mean `trials`?"],
    ),
    "the test set": (
        HEAD + '[search]\nmetric = "test_accuracy"\n' + SPACE + "{ low = 0.1, high = 1.0 }",
        ["a search is never judged on the test set, by `test_accuracy`; take `validation_accuracy`"],
    ),
    "a metric that is not measured": (
        HEAD + '[search]\nmetric = "validation_acuracy"\n' + SPACE + "{ low = 0.1, high = 1.0 }",
        ["unknown metric `validation_acuracy`; did you mean `validation_accuracy`?"],
    ),
    "no validation samples": (
        HEAD.replace("0.25", "0.0") + "[search]\n" + SPACE + "{ low = 0.1, high = 1.0 }",
        ["`validation_accuracy` wants validation samples; there are none", "Set data.validation"],
    ),
    "a metric of classes where numbers are predicted": (
        NUMBERS + "[search]\n" + SPACE + "{ low = 0.1, high = 1.0 }",
        ["error: s.toml:6: `validation_accuracy` is of classes; `huber` predicts numbers\n",
         'Choose metric = "validation_loss"; a search is judged by no R².'],
    ),
    "a loss among the choices that predicts numbers": (
        NUMBERS.replace("huber", "binary_cross_entropy")
        + '[search]\n[search.space]\nloss = { choices = [{ kind = "binary_cross_entropy" }, { kind = "huber" }] }',
        ["`validation_accuracy` is of classes; `huber` predicts numbers"],
    ),
    "a key that is not there": (
        HEAD + "[search]\n[search.space]\noptimizer.rl = { low = 0.1, high = 1.0 }",
        ["the search makes no recipe at optimizer.rl = ", "unknown key `rl`"],
    ),
    "an end that makes no recipe": (
        HEAD + "[search]\n[search.space]\noptimizer.momentum = { low = 0.0, high = 2.0 }",
        ["the search makes no recipe at optimizer.momentum = 1.0", "`momentum` must be less than 1"],
    ),
    "a grid of fractions": (
        HEAD + '[search]\nsampler = "grid"\n' + SPACE + "{ low = 0.1, high = 1.0 }",
        ["the sampler `grid` wants choices or whole numbers; `optimizer.lr` is a range of fractions"],
    ),
    "axes too": (
        HEAD + '[[axes]]\nfield = "data.noise"\nvalues = [1.0]\n[search]\n' + SPACE + "{ low = 0.1, high = 1.0 }",
        ["a study has `axes` or a `search`; take one out"],
    ),
    "a block without layers": (BLOCK + "layers = []", ["s.toml:12: `layers` must not be empty"]),
    "an empty range in a block": (
        BLOCK + 'layers = [{ kind = "dense", units = { low = 64, high = 8 } }]',
        ["error: s.toml:12: the range is empty: `low` must be below `high`; got 64 and 8\n    layers"],
    ),
    "an unknown key of a range in a block": (
        BLOCK + 'layers = [{ kind = "dense", units = { low = 8, high = 64, step = 2 } }]',
        ["error: s.toml:12: unknown key `step`; known: `low`, `high`"],
    ),
    "a block that stands very often": (
        BLOCK.replace("high = 2", "high = 1_000_000_000") + 'layers = [{ kind = "relu" }]',
        ["s.toml:9: `count` must end at 100 at most; got 1000000000"],
    ),
    "a grid of too many combinations": (
        HEAD + '[search]\nsampler = "grid"\n[search.space]\ndata.seed = { low = 0, high = 4_000_000_000 }',
        ["the sampler `grid` takes at most 1,000,000 combinations; the space has 4,000,000,001. Take `random`"],
    ),
    "nothing to search": (HEAD + "[search]\ntrials = 3", ["a search wants a `space`"]),
    "a sampler that there is not": (
        HEAD + '[search]\nsampler = "tep"\n' + SPACE + "{ low = 0.1, high = 1.0 }", ["`sampler` must be"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_search_is_refused_before_anything_runs(command, in_tmp: Path, name: str) -> None:
    text, messages = WRONG[name]
    Path("s.toml").write_text(text)
    done = command("study", "s.toml")
    assert done.status == 2
    for message in messages:
        assert message in done.err, done.err
    assert "Traceback" not in done.err
    assert not Path("studies").exists()


def test_without_optuna_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(
        MissingExtraError, match=r"a search needs `optuna`; install it with: pip install 'twofold\[search\]'"
    ):
        search(tmp_path / "s")
    assert not (tmp_path / "s").exists()


# What is shown


def test_the_command_searches_and_its_report_says_what_mattered(command, in_tmp: Path) -> None:
    Path("s.toml").write_text(SEARCH)
    done = command("study", "s.toml", "--jobs", "2")
    assert done.status == 0, done.err
    for words in ("winner: trial ", "tested once: test accuracy ", "best recipe: studies/s/best.toml", "8 trials"):
        assert words in done.out
    page = Path("studies/s/report.html").read_text()
    for words in (
        "8 trials in NumPy of the recipe <code>moons</code>, proposed by tree-structured Parzen estimators",
        "It was measured once, after the search: no trial saw the test set.",
        "Validation accuracy of each trial in the order in which they were proposed",
        "functional ANOVA",
        "each proposed by all before it but the last 2",
        "<code>twofold run best.toml</code>",
    ):
        assert words in page
    first = command("study", "s.toml", "--json")
    value = json.loads(first.out)
    assert value["trials"] == 8
    assert value["best"][0]["validation_accuracy"] >= value["best"][-1]["validation_accuracy"]
    assert command("report", "studies/s").out == "studies/s/report.html\n"


def test_a_search_that_goes_on_says_so_in_its_report(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "s", executor=Here(stop_after=4))
    page = write_study_report(tmp_path / "s").read_text()
    assert "<b>This search is not complete.</b> 4 of 8 trials have not been trained" in page


def test_a_study_and_a_search_are_not_taken_for_each_other(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text(SEARCH)
    with pytest.raises(StudyError, match=r"is a search; `twofold\.run_search` runs it"):
        twofold.run_study(file)
    with pytest.raises(StudyError, match=r"has no table `search`; `twofold\.run_study` runs a grid"):
        twofold.run_search("moons")
