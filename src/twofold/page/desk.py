"""What all tabs share: the recipe, the training, its curves; and what they may do with them."""

from __future__ import annotations

import asyncio
import json
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import final

from starlette.requests import Request

from twofold.builtin import builtin_texts, builtin_titles
from twofold.page.curves import Curves
from twofold.page.gallery import Gallery
from twofold.page.guard import RefusedError
from twofold.page.hub import Hub
from twofold.page.intake import Intake
from twofold.page.jobs import OBEYED, Jobs
from twofold.page.previews import taken
from twofold.page.protocol import Answer, Drive, Finish, Load, LookAt, Told
from twofold.page.recipe_state import Checked, Trusted, check, edited
from twofold.page.schema import schema
from twofold.page.teaching import lessons
from twofold.plain import Parsed
from twofold.recipe.files import MOST_NAME

FROZEN = ("idle", "paused", "ended", "failed", "finished", "interrupted")
"""States of a job in which no step is taken."""
PATIENCE = 3.0
"""Seconds to wait until a training has paused, where it is to go on from there; then its process is ended."""
AGAIN = ("idle", "failed", "ended", "finished", "interrupted")
"""States from which a training begins anew."""
DRIVEN = ("play", "step", "epoch")
"""Commands that let a training go on."""


@dataclass(frozen=True)
class Opening:
    """What a page opens with: a recipe, the folders and files it may use, and the tab shown first."""

    toml: str
    name: str
    runs: Path
    """Where runs are, and where those of the page are written."""
    files: frozenset[str] = frozenset()
    """Files that the recipe may name."""
    folder: Path | None = None
    """Where the recipe's relative paths start."""
    tab: str = "play"
    """What is shown first: `play` or `runs`."""


@final
class Desk:
    """Everything behind the addresses. Its methods run in the server's thread, one at a time between two awaits."""

    def __init__(self, opening: Opening, *, live: bool = False) -> None:
        """`live`: a run that is trained elsewhere is watched, and nothing is trained here."""
        self.token = secrets.token_urlsafe(24)
        self.reports_token = secrets.token_urlsafe(24)
        self.hub = Hub()
        self.curves = Curves()
        self.job: dict[str, Parsed] = {"status": "idle"}
        self._opening, self._live = opening, live
        self._trusted = Trusted(opening.files, str(opening.runs / "uploads"), opening.folder)
        self.gallery = Gallery(opening.runs)
        self.intake = Intake(opening.runs / "uploads")
        self._pictures = dict[str, bytes]()
        self._sentences: object = None
        self._checked = check(opening.toml, opening.name, self._trusted)
        self._loaded = ""
        """The text of the recipe that the worker has loaded."""
        self._jobs: Jobs | None = None

    def open(self) -> None:
        """Start the process that trains; called where the server's loop runs."""
        self._loop = asyncio.get_running_loop()
        if not self._live:
            self._jobs = Jobs(self._take, self._lost)
            self._load()

    def tell(self, event: str, value: object) -> None:
        """Tell an event of a watched run; may be called from any thread."""
        told = Told(0, event, json.dumps(value, allow_nan=False).encode())
        with suppress(RuntimeError):  # the server has ended, and the run goes on
            self._loop.call_soon_threadsafe(self._take, told)

    async def close(self) -> None:
        """End the process and every stream."""
        self.hub.close()
        self.intake.close()
        self.gallery.close()
        if self._jobs:
            await self._jobs.close()

    @property
    def jobs(self) -> Jobs:
        """The process that trains. Raises `RefusedError` where the page only watches a run."""
        if self._jobs is None:
            raise RefusedError(409, "this page watches a run: it goes on as it was begun; `twofold page` plays")
        return self._jobs

    async def state(self, _: Request) -> dict[str, object]:
        """All that a new tab needs."""
        return {
            "recipe": self._checked.facts,
            "job": self.job,
            "points": self.curves.points,
            "rows": self.curves.rows,
            "losses": self.curves.losses,
            "pictures": [json.loads(picture) for picture in self._pictures.values()],
            "sentences": self._sentences,
            "runs": str(self._opening.runs),
            "reports": f"/{self.reports_token}/",
            "tab": self._opening.tab,
            "live": self._live,
        }

    async def schema(self, _: Request) -> dict[str, object]:
        """The tables of a recipe from which the page makes its controls."""
        return schema()

    async def recipes(self, _: Request) -> dict[str, object]:
        """Lessons and built-in recipes by name."""
        told = [{"name": lesson.name, "title": lesson.title, "begins": lesson.begins} for lesson in lessons().values()]
        recipes = [{"name": name, "title": title} for name, title in builtin_titles("recipe").items()]
        return {"lessons": told, "recipes": recipes}

    async def change(self, body: dict[str, Parsed]) -> dict[str, object]:
        """Take another recipe: a text, a built-in one, a lesson, an edit of this one, or this one on other data.

        The training stops and is loaded anew, unless the new recipe has faults. Raises `RefusedError`.
        """
        _ = self.jobs  # raises where the page only watches a run
        match body:
            case {"toml": str(toml)}:
                checked = check(toml, self._name, self._trusted)
            case {"open": str(name)} if name in builtin_texts("recipe"):
                checked = check(builtin_texts("recipe")[name], name, self._trusted)
            case {"lesson": str(name)} if name in lessons():
                checked = check(lessons()[name].toml, name, self._trusted)
            case {"open": str(name)} | {"lesson": str(name)}:
                raise RefusedError(404, f"no recipe `{name[:MOST_NAME]}`")
            case {"edit": dict(edit)}:
                checked = check(edited(self._checked.toml, edit), self._name, self._trusted)
            case {"data": {"source": "table" | "images"} as data, "classes": int(classes)} if classes >= 1:
                checked = check(taken(self._checked.toml, data, classes), self._name, self._trusted)
            case _:
                raise RefusedError(400, 'the body must hold "toml", "open", "lesson", "edit" or "data"')
        await self._become(checked)
        return self._checked.facts

    async def _become(self, checked: Checked) -> None:
        self._checked = checked
        self.hub.tell("recipe", json.dumps(checked.facts).encode())
        if checked.recipe is not None:
            await self._halt()
            if self._checked is checked:  # no other edit came meanwhile
                self._load()

    async def drive(self, body: dict[str, Parsed]) -> dict[str, object]:
        """Play, pause, take one step or an epoch, go to a step, begin anew, stop, or finish into a run folder.

        Raises `RefusedError` where the recipe has faults, or the body is no such command.
        """
        _ = self.jobs
        match body:
            case {"do": str(do)} if do in DRIVEN:
                self._must_be_sound()
                self._must_not_be_finishing()
                if self._loaded != self._checked.toml or self.job["status"] in AGAIN:
                    self._load()
                self.jobs.send(Drive(do))  # type: ignore[arg-type]
            case {"do": "pause"}:  # one that comes as the training ends leaves it as it ended
                self.jobs.send(Drive("pause"))
            case {"do": "to", "step": int(step)} if step >= 0:
                self._must_be_sound()
                self._must_not_be_finishing()
                await self._halt(PATIENCE)
                if step < self.job.get("step", step + 1) or self._loaded != self._checked.toml:
                    self._load()
                self.jobs.send(Drive("to", step))
            case {"do": "reset", **rest}:
                self._must_be_sound()
                await self._halt()
                if "seed" in rest:
                    edit = {"set": "training.seed", "text": str(rest["seed"])}
                    await self._become(check(edited(self._checked.toml, edit), self._name, self._trusted))
                else:
                    self._load()
            case {"do": "stop"}:
                await self._halt()
            case {"do": "finish"}:
                self._must_be_sound()
                await self._halt()
                self._finish()
            case _:
                raise RefusedError(400, 'the body must hold "do": play, pause, step, epoch, to, reset, finish or stop')
        return self.job

    async def runs(self, _: Request) -> dict[str, object]:
        """The runs in the folder."""
        return {"runs": await asyncio.to_thread(self.gallery.listed), "folder": str(self._opening.runs)}

    async def compare(self, body: dict[str, Parsed]) -> dict[str, object]:
        """Draw several runs side by side; gives the name of the page that shows them."""
        names = body.get("runs")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise RefusedError(400, '"runs" must be a list of names')
        return {"compared": await self.gallery.compare(names)}

    async def look(self, body: dict[str, Parsed]) -> dict[str, object]:
        """Choose the held-out sample that is drawn."""
        sample, count = body.get("sample"), self.job.get("held_out", 0)
        if not isinstance(sample, int) or isinstance(sample, bool) or not 0 <= sample < count:
            raise RefusedError(400, f"`sample` counts the {count:,} held-out samples from 0; got {str(sample)[:60]}")
        self.job = {**self.job, "sample": sample}
        self.jobs.send(LookAt(sample))
        return self.job

    async def ask(self, query: dict[str, str]) -> Answer:
        """Put a question to the microscope."""
        return await self.jobs.ask(query)

    @property
    def _name(self) -> str:
        return self._checked.facts["name"]

    def _must_be_sound(self) -> None:
        if self._checked.recipe is None:
            fault = (self._checked.facts["faults"] or [{"rule": "it cannot be trained"}])[0]
            raise RefusedError(409, f"the recipe has faults: {fault['rule']}")

    def _must_not_be_finishing(self) -> None:
        if self.job["status"] == "finishing":
            raise RefusedError(409, "a run is being finished: wait for its report, or pause it first")

    async def _halt(self, patience: float = OBEYED) -> None:
        if await self.jobs.halt(lambda: self.job["status"] in FROZEN, patience):
            self._set({"status": "idle"})
            self._loaded = ""

    def _load(self) -> None:
        """Load the recipe into the worker, at its beginning; a recipe with faults is not loaded."""
        if self._checked.recipe is None:
            return
        self._forget()
        self._loaded = self._checked.toml
        self._set({"status": "loading"})
        self.jobs.begin(lambda job: Load(job, self._checked.toml, self._name, self._opening.folder))

    def _finish(self) -> None:
        """Train the recipe as an ordinary run, from its beginning, into a new folder."""
        self._forget()
        self._loaded = ""
        self._set({"status": "finishing", "what": "data"})
        folder = self.gallery.next_folder(self._name)
        self.jobs.begin(lambda job: Finish(job, self._checked.toml, self._name, self._opening.folder, folder))

    def _forget(self) -> None:
        self.curves = Curves()
        self._pictures.clear()
        self._sentences = None
        self.hub.tell("anew", b"{}")

    def _set(self, job: dict[str, object]) -> None:
        self.job = job
        self.hub.tell("job", json.dumps(job).encode())

    def _take(self, told: Told) -> None:
        """An event of the worker's: remembered for tabs that open later, and handed on."""
        match told.event:
            case "job":
                self.job = json.loads(told.data)
                if self.job["status"] == "finished":
                    self.hub.tell("runs", b"{}")
            case "frame":
                frame = json.loads(told.data)
                self.curves.add(frame["points"])
                self.job = {**self.job, "step": frame["step"], "epoch": frame["epoch"]}
            case "loss":
                part = json.loads(told.data)
                self.curves.add_losses(part["engine"], part["points"])
            case "row":
                row = json.loads(told.data)
                self.curves.evaluated(row.pop("engine"), row)
            case "picture":
                self._pictures[json.loads(told.data)["kind"]] = told.data
            case "sentences":
                self._sentences = json.loads(told.data)
        self.hub.tell(told.event, told.data)

    def _lost(self) -> None:
        self._loaded = ""
        self._set({"status": "failed", "message": "the training process ended; was there enough memory?"})
