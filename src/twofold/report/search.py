"""From the folder of a search to `report.html`: what mattered, the trials over time, slices, and the best recipe."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote

from twofold.report.along import value_words
from twofold.report.search_pictures import importance_picture, over_time_picture, slices_picture
from twofold.report.study import score
from twofold.report.template import Filled, filled
from twofold.report.text import ENGINES, joined, moment, plural, seconds, share
from twofold.study.files import dump
from twofold.study.kept import Kept
from twofold.study.result import metric_name
from twofold.study.search.result import SearchResult
from twofold.study.search.spec import Search
from twofold.study.summary import mean
from twofold.study.table import cell

MOST_TRIALS = 20
MOST_FAILED = 40
SAMPLERS = {
    "tpe": "tree-structured Parzen estimators",
    "random": "random values",
    "grid": "every combination",
    "cmaes": "CMA-ES",
    "gp": "Gaussian processes",
}


@dataclass(frozen=True)
class TrialRow:
    """A row of the table of the best trials."""

    number: int
    values: list[str]
    score: str
    seeds: str
    seconds: str
    winner: bool


def render_search(search: SearchResult) -> Filled:
    """The page and its figures."""
    return filled("search.html.jinja", _facts(search))


def _facts(result: SearchResult) -> dict[str, object]:
    pictures = (over_time_picture(result), importance_picture(result), *slices_picture(result))
    columns = list(dict.fromkeys(name for point in result.ranked()[:MOST_TRIALS] for name in result.values(point)))
    return {
        "title": result.study.heading,
        "when": moment(max(point.finished for point in result.points)) if result.points else "",
        "version": next((point.versions["twofold"] for point in result.points if point.versions), "?"),
        "missing": result.total - len(result.trials) if result.found is None else 0,
        "total": result.total,
        "metric": metric_name(result.search.metric),
        "lead": _lead(result),
        "columns": columns,
        "rows": [_row(result, point, columns) for point in result.ranked()[:MOST_TRIALS]],
        "trials": len(result.ranked()),
        "findings": _findings(result),
        "pictures": [picture for picture in pictures if picture],
        "failures": [(point.trial, point.failure) for point in result.trials if point.status == "failed"][:MOST_FAILED],
        "best": result.best.read_text("utf-8") if result.best.is_file() else "",
        "circumstances": _circumstances(result),
        "toml": dump(result.study),
        "folder": quote(result.path.resolve().name),
    }


def _lead(result: SearchResult) -> str:
    search = result.search
    keys = joined([f"`{name}`" for name in search.space])
    layers = "the number of layers and their values" if search.blocks else ""
    what = " and ".join(part for part in (keys, layers) if part)
    trials = f"{plural(result.total, 'trial')} in {ENGINES[result.study.engine]} of the recipe `{result.study.recipe}`"
    return f"{trials}, proposed by {SAMPLERS[search.sampler]} over {what}, judged by {metric_name(search.metric)}."


def _row(result: SearchResult, point: Kept, columns: list[str]) -> TrialRow:
    values = result.values(point)
    same = [other for other in result.points if other.trial == point.trial and result.score(other) is not None]
    scores = [value for other in same if (value := result.score(other)) is not None]
    mean_text = score(result.search.metric, mean(scores)) if scores else "–"
    trial_score = result.score(point)
    return TrialRow(
        number=point.trial or 0,
        values=[value_words(cell(values[name])) if name in values else "–" for name in columns],
        score="–" if trial_score is None else score(result.search.metric, trial_score),
        seeds=f"{mean_text} of {len(scores)}" if len(scores) > 1 else "–",
        seconds=seconds(point.seconds),
        winner=result.found is not None and result.found.winner == point.trial,
    )


def _findings(result: SearchResult) -> list[str]:
    """What a reader would look for, in sentences."""
    outcome, metric, sentences = result.found, result.search.metric, list[str]()
    ranked = result.ranked()
    if not ranked:
        return []
    best = result.score(ranked[0])
    assert best is not None
    name = metric_name(metric)
    sentences.append(f"The best {name} of a trial, {score(metric, best)}, is that of trial {ranked[0].trial}.")
    if outcome is not None and outcome.winner is not None:
        sentences.append(_winner_sentence(result, outcome.winner, len(outcome.leaders)))
    if outcome is not None and (accuracy := outcome.test.get("test_accuracy")) is not None:
        once = "It was measured once, after the search: no trial saw the test set."
        sentences.append(f"Its test accuracy is {share(accuracy)}. {once}")
    if result.search.metric.startswith("train"):
        sentences.append("The search was judged on training samples: it favours networks that over-fit.")
    if outcome is not None and len(outcome.importance) > 1:
        first, weight = next(iter(outcome.importance.items()))
        sentences.append(f"What mattered most is `{first}`: it explains {share(weight)} of the variance of the {name}.")
    pruned = sum(point.status == "pruned" for point in result.trials)
    if pruned:
        sentences.append(f"{plural(pruned, 'trial')} {'was' if pruned == 1 else 'were'} stopped early.")
    if result.failed:
        sentences.append(f"{plural(result.failed, 'trial')} failed.")
    return sentences


def _winner_sentence(result: SearchResult, winner: int, leaders: int) -> str:
    seeds = len(result.study.seeds)
    if seeds == 1:
        return f"The winner is trial {winner}. It has one seed: with another the order of near trials may change."
    repeated = f"The {plural(leaders, 'best trial')} had {seeds} seeds each"
    return f"{repeated}; the best mean is that of trial {winner}, the winner."


def _known_before(search: Search) -> str:
    """From which trials before it a trial is proposed."""
    unknown = search.at_a_time - 1
    return "each proposed by all before it" + (f" but the last {unknown}" if unknown else "")


def _circumstances(result: SearchResult) -> list[tuple[str, str]]:
    points = result.points
    versions = {name: number for point in points for name, number in point.versions.items()}
    if result.found:
        versions["optuna"] = result.found.optuna
    search = result.search
    return [
        ("Trials", f"{len(result.trials):,} of at most {result.total:,}; {result.failed:,} failed"),
        ("Sampler", f"{search.sampler}, seed {search.seed}; {_known_before(search)}"),
        ("Pruner", search.pruner),
        ("Training", f"{seconds(sum(point.seconds for point in points))} in all, over all processes"),
        ("Versions", ", ".join(f"{name} {number}" for name, number in versions.items())),
    ]
