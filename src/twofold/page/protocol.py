"""What passes between the page in the browser, the server, and the process that trains.

```text
browser  ── HTTP, JSON ──▶  server  ── commands ──▶  worker (a spawned process: engines, data, pictures)
         ◀── events, SSE ──          ◀── messages ──
```

Every address lies below `/TOKEN/`: the token is made when the server starts, and stands in the first address. Bodies
are JSON unless said otherwise. What is refused answers `{"fault": "..."}` with a status from 400 on.

GET  api/state                 the recipe, its faults, the job, the curves so far: what a new tab needs
GET  api/schema                every kind of every table of a recipe, with fields, limits and helps
GET  api/recipes               built-in recipes and lessons: name and title, and how a lesson's text begins
GET  api/events                server-sent events: `recipe`, `job`, `frame`, `loss`, `row`, `picture`, `sentences`,
                               `note`, `runs`; after `anew` the state is to be fetched again
POST api/recipe                {"toml": text} | {"open": name} | {"lesson": name} | {"edit": {...}} | {"data": {...},
                               "classes": n}; see `twofold.page.recipe_state`
POST api/job                   {"do": "play" | "pause" | "step" | "epoch" | "reset" | "to" | "finish" | "stop"}; `reset`
                               takes a "seed", `to` a "step"
POST api/look                  {"sample": n}: whose feature maps, h(t) and so on are drawn
GET  api/runs                  the runs in the folder, with their results
POST api/compare               {"runs": [names]}: a page of them side by side, below the other token of the state
POST api/upload/table|zip?name=   bytes: a preview of what was stored; then {"data": {...}, "classes": n} to
                               `api/recipe`
POST api/upload/folder, image?folder=&path=, end    images that come one by one
GET  api/trace?step=&batch=&sample=&...
                               the microscope: only while the training is paused

The microscope asks the paused worker: it makes a `Passage` (`twofold.probe.passage`) of the batch that the next step
will take (`batch=training`, the default), or of the held-out block that holds `sample` (`batch=held-out`: at step 0 the
batch of `twofold walk RECIPE --sample N`), with both engines' traces, and gives

    twofold.probe.microscope.answer(passage, states, query) -> dict[str, object]

where `states` are the engines' states before the update, by engine, and `query` holds every parameter of the address
as text. What it returns is the body. `step` is checked by the worker: where the training stands at another step, the
status is 409 and the body says at which. A `UserError` becomes status 400 with its message.

In the browser `static/microscope/microscope.js` exports `open(place, page)`: `place` is an empty element, `page` has
`ask(query)`, a promise of the body of `api/trace`, `state()`, the last `job` (`step`, `status`, `engines`, `network`),
and `sample`, the number that is looked at. It returns `{update(job), close()}`: `update` is called where the job
changes, `close` when training goes on. `static/microscope/microscope.css` is linked when it is first opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

Do: TypeAlias = Literal["play", "pause", "step", "epoch", "to"]


@dataclass(frozen=True, slots=True)
class Load:
    """Build the engines of a recipe, at their initial state. Ends what was trained before."""

    job: int
    """A number that all messages of this job carry."""
    toml: str
    name: str = "recipe"
    folder: Path | None = None
    """Where relative paths start."""


@dataclass(frozen=True, slots=True)
class Drive:
    """Go on, stop between two steps, take one step, or go on to the end of the epoch or to a step."""

    do: Do
    step: int = 0


@dataclass(frozen=True, slots=True)
class LookAt:
    """Draw the pictures of another held-out sample."""

    sample: int


@dataclass(frozen=True, slots=True)
class Ask:
    """A question of the microscope about the step at which the training stands."""

    number: int
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finish:
    """Train the recipe from its beginning into a run folder, and write its report."""

    job: int
    toml: str
    name: str
    folder: Path | None
    """Where relative paths start."""
    out: Path


Command: TypeAlias = Load | Drive | LookAt | Ask | Finish


@dataclass(frozen=True, slots=True)
class Told:
    """An event for every tab."""

    job: int
    event: str
    """The name of the server-sent event."""
    data: bytes
    """JSON, on one line."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question of the microscope."""

    number: int
    """That of the question, `Ask.number`."""
    status: int
    data: bytes
    """JSON."""


Message: TypeAlias = Told | Answer
