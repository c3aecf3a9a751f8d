"""Real tables as other packages bundle them, and tables with planted faults: each trains, or is refused at its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import sklearn
import statsmodels
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine

import twofold
from twofold.errors import DataError
from twofold.setup.defaults import table_recipe

STATSMODELS = Path(statsmodels.__file__).parent / "datasets"
SKLEARN = Path(sklearn.__file__).parent / "datasets" / "data"


class Real(NamedTuple):
    """A bundled file: its label, at most five settings, and what is learned of it or why it is refused."""

    path: Path
    label: str
    settings: dict[str, Any]
    ends: str


def real(path: str, label: str, ends: str = "regression", **settings: Any) -> Real:
    named = {f"data.{key}": value for key, value in settings.items()}
    return Real(STATSMODELS / path, label, named, ends)


REAL = {
    "votes, tabs, names in single quotes": real("anes96/anes96.csv", "vote", "classification"),
    "credit cards": real("ccard/ccard.csv", "AVGEXP"),
    "cancer by county": real("cancer/cancer.csv", "cancer"),
    "committees, 20 rows": real("committee/committee.csv", "BILLS104"),
    "copper in order of years": real("copper/copper.csv", "COPPERPRICE", order="YEAR"),
    "executions, 17 rows": real("cpunish/cpunish.csv", "EXECUTIONS"),
    "Danish money, a mark and quarters": real("danish_data/data.csv", "lrm"),
    "El Niño by month": real("elnino/elnino.csv", "DEC"),
    "food": real("engel/engel.csv", "foodexp"),
    "marriages rated 1 to 5": real("fair/fair.csv", "rate_marriage", "classification"),
    "fertility, holes in the label": real("fertility/fertility.csv", "2010", "column `2010` holds no label"),
    "fertility without them": real("fertility/fertility.csv", "2010", without_label="drop"),
    "investments by firm": real("grunfeld/grunfeld.csv", "invest", group="firm", test=0.3),
    "hearts": real("heart/heart.csv", "censors", "classification"),
    "inflation": real("interest_inflation/E6.csv", "R"),
    "no row of names": real("interest_inflation/E6_jmulti.csv", "x2", header=False),
    "no row of names, untold": real("interest_inflation/E6_jmulti.csv", "x2", "header = false"),
    "Longley, 16 rows": real("longley/longley.csv", "TOTEMP"),
    "the economy by quarter": real("macrodata/macrodata.csv", "infl", order="year"),
    "journeys, semicolons, by person": real(
        "modechoice/modechoice.csv", "choice", "classification", group="individual"
    ),
    "Scotland by council": real("scotland/scotvote.csv", "YES"),
    "grades, spaces and single quotes": real("spector/spector.csv", "GRADE", "classification"),
    "stack loss, 21 rows": real("stackloss/stackloss.csv", "STACKLOSS"),
    "schools": real("star98/star98.csv", "LOWINC"),
    "crime by state": real("statecrime/statecrime.csv", "violent"),
    "sunspots by year": real("sunspots/sunspots.csv", "SUNACTIVITY", order="YEAR"),
    "a wrong label": real("ccard/ccard.csv", "AVGEXPS", "did you mean `AVGEXP`"),
    "irises with counts in the first row": Real(SKLEARN / "iris.csv", "virginica", {}, "classification"),
    "wine with counts in the first row": Real(SKLEARN / "wine_data.csv", "class_2", {}, ":2: the row has 14 cells"),
    "exercises, by spaces": Real(SKLEARN / "linnerud_exercise.csv", "Jumps", {}, "regression"),
}


def plant(name: str, frame: pd.DataFrame, rng: np.random.Generator) -> tuple[pd.DataFrame, dict[str, Any]]:
    """A fault in a sound table, and how it is written."""
    first, rows = frame.columns[0], len(frame)
    some = rng.random(rows) < 0.2
    match name:
        case "holes":
            return frame.mask(rng.random(frame.shape) < 0.1).assign(**{frame.columns[-1]: frame.iloc[:, -1]}), {}
        case "words for holes":
            return frame.assign(**{first: np.where(some, "n/a", frame[first].astype(object))}), {}
        case "dashes for holes":
            return frame.assign(**{first: np.where(some, "-", frame[first].astype(str))}), {}
        case "a category of words":
            return frame.assign(town=rng.choice(["Ulm", "Köln", "Bonn"], rows)), {}
        case "an identifier":
            return frame.assign(key=[f"k-{number:05d}" for number in rng.permutation(rows)]), {}
        case "an index":
            return frame, {"index": True}
        case "dates":
            days = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 400, rows), "D")
            return frame.assign(when=days.strftime("%d.%m.%Y")), {}
        case "a decimal comma":
            return frame, {"sep": ";", "decimal": ","}
        case "Windows-1252":
            return frame.assign(größe=rng.choice(["groß", "klein"], rows)), {"encoding": "cp1252"}
        case "UTF-16":
            return frame, {"encoding": "utf-16"}
        case "gzip":
            return frame, {"compression": "gzip"}
        case "a constant":
            return frame.assign(station=7), {}
        case "prose":
            words = rng.choice(["lake", "wood"], rows)
            return frame.assign(note=[f"{row} seen near the {word} at noon" for row, word in enumerate(words)]), {}
        case "an outlier":
            return frame.assign(**{first: frame[first].where(frame.index != 3, 1e9)}), {}
        case "a word among numbers":
            return frame.assign(**{first: frame[first].astype(object).where(frame.index != 3, "4.x")}), {}
    raise AssertionError(name)


SOUND = {"iris": load_iris, "wine": load_wine, "breast cancer": load_breast_cancer, "diabetes": load_diabetes}
PLANTED = (
    "holes", "words for holes", "dashes for holes", "a category of words", "an identifier", "an index", "dates",
    "a decimal comma", "Windows-1252", "UTF-16", "gzip", "a constant", "prose", "an outlier", "a word among numbers",
)  # fmt: skip


def ends_as(path: Path, label: str, settings: dict[str, Any], ends: str, out: Path) -> None:
    """It trains two steps and is judged and asked, or is refused at a place in these words."""
    assert len(settings) <= 5
    if ends not in ("classification", "regression"):
        with pytest.raises(DataError, match=ends) as refused:
            table_recipe(path, label, settings, lambda event: None)
        assert str(path) in str(refused.value)
        return
    few = {"training.steps": 2, "training.engines": ["numpy"]}
    recipe, data = table_recipe(path, label, settings | few, lambda event: None)
    assert recipe.task == ends
    run = twofold.run(recipe, data=data, out=out, watcher=lambda event: None)
    assert np.isfinite(run.record.engines["numpy"].train_loss)
    if "data.without_label" not in settings:
        assert len(twofold.predict(run, path)) >= sum(run.record.data.samples.values())


@pytest.mark.parametrize("table", REAL.values(), ids=REAL)
def test_a_bundled_table_trains_or_is_refused(tmp_path: Path, table: Real) -> None:
    ends_as(table.path, table.label, table.settings, table.ends, tmp_path / "run")


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_read_or_refused(tmp_path: Path, fault: str) -> None:
    rng = np.random.default_rng(0)
    name = list(SOUND)[PLANTED.index(fault) % len(SOUND)]
    frame, options = plant(fault, SOUND[name](as_frame=True).frame, rng)
    path = tmp_path / ("t.csv.gz" if fault == "gzip" else "t.csv")
    frame.to_csv(path, **({"index": False} | options))
    ends = "regression" if name == "diabetes" else "classification"
    if fault == "a word among numbers":
        ends = r':5: .*"4.x", and numbers in its other cells'
    ends_as(path, "target", {}, ends, tmp_path / "run")
