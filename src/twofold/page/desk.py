"""What all tabs share: the recipe, the training, its curves; and what they may do with them."""

from __future__ import annotations

import asyncio
import io
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from starlette.requests import Request

from twofold.builtin import builtin_texts, builtin_titles
from twofold.page.curves import Curves
from twofold.page.gallery import Gallery
from twofold.page.guard import RefusedError, file_body
from twofold.page.hub import Hub
from twofold.page.jobs import Jobs
from twofold.page.previews import images_preview, table_preview, taken
from twofold.page.protocol import Answer, Drive, Finish, Load, LookAt, Told
from twofold.page.recipe_state import Checked, Trusted, check, edited
from twofold.page.schema import schema
from twofold.page.teaching import lessons
from twofold.page.uploads import MOST_ARCHIVE, MOST_IMAGE, MOST_TABLE, Uploads
from twofold.recipe.files import MOST_NAME

FROZEN = ("idle", "paused", "ended", "failed", "finished", "interrupted")
"""States of a job in which no step is taken."""
AGAIN = ("idle", "failed", "ended", "finished", "interrupted")
"""States from which a training begins anew."""
DRIVEN = ("play", "pause", "step", "epoch")


@dataclass(frozen=True)
class Opening:
    """With what a page begins."""

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

    def __init__(self, opening: Opening) -> None:
        self.token = secrets.token_urlsafe(24)
        self.reports_token = secrets.token_urlsafe(24)
        self.hub = Hub()
        self.curves = Curves()
        self.job: dict[str, Any] = {"status": "idle"}
        self._opening = opening
        self._trusted = Trusted(opening.files, str(opening.runs / "uploads"), opening.folder)
        self.gallery = Gallery(opening.runs)
        self.uploads = Uploads(opening.runs / "uploads")
        self._pictures = dict[str, bytes]()
        self._sentences: Any = None
        self._checked = check(opening.toml, opening.name, self._trusted)
        self._loaded = ""
        """The text that the worker holds."""
        self._jobs: Jobs | None = None

    def open(self) -> None:
        """Start the process that trains; called where the server's loop runs."""
        self._jobs = Jobs(self._take, self._lost)
        self._load()

    async def close(self) -> None:
        """End the process and every stream."""
        self.hub.close()
        self.uploads.close()
        self.gallery.close()
        if self._jobs:
            await self._jobs.close()

    @property
    def jobs(self) -> Jobs:
        """The process, of a desk that is open."""
        assert self._jobs
        return self._jobs

    async def state(self, _: Request) -> dict[str, Any]:
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
        }

    async def schema(self, _: Request) -> dict[str, Any]:
        """What the controls are made of."""
        return schema()

    async def recipes(self, _: Request) -> dict[str, Any]:
        """Lessons and built-in recipes by name."""
        told = [{"name": lesson.name, "title": lesson.title, "begins": lesson.begins} for lesson in lessons().values()]
        recipes = [{"name": name, "title": title} for name, title in builtin_titles("recipe").items()]
        return {"lessons": told, "recipes": recipes}

    async def change(self, body: dict[str, Any]) -> dict[str, Any]:
        """Another text, another recipe, or an edit of this one. What is trained stops, and stands at its beginning."""
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
            case {"data": {"source": "csv" | "images"} as data, "classes": int(classes)} if classes >= 2:
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

    async def drive(self, body: dict[str, Any]) -> dict[str, Any]:
        """Start, pause, step, an epoch, from the beginning again, stop."""
        match body:
            case {"do": str(do)} if do in DRIVEN:
                self._must_be_sound()
                if self._loaded != self._checked.toml or self.job["status"] in AGAIN:
                    self._load()
                self.jobs.send(Drive(do))  # type: ignore[arg-type]
            case {"do": "to", "step": int(step)} if step >= 0:
                self._must_be_sound()
                await self._halt()
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

    async def runs(self, _: Request) -> dict[str, Any]:
        """The runs in the folder."""
        return {"runs": await asyncio.to_thread(self.gallery.listed), "folder": str(self._opening.runs)}

    async def compare(self, body: dict[str, Any]) -> dict[str, Any]:
        """Several runs side by side: where the page of them is."""
        names = body.get("runs")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise RefusedError(400, '"runs" must be a list of names')
        return {"compared": await self.gallery.compare(names)}

    async def upload_table(self, request: Request) -> dict[str, Any]:
        """A table as bytes: where it is stored, its columns and first rows."""
        content = await file_body(request, MOST_TABLE)
        path = self.uploads.table(_named(request), content)
        return await asyncio.to_thread(table_preview, path)

    async def upload_archive(self, request: Request) -> dict[str, Any]:
        """A zip archive of images: its classes."""
        content = await file_body(request, MOST_ARCHIVE)
        return await asyncio.to_thread(self._unpacked, _named(request), content)

    def _unpacked(self, name: str, content: bytes) -> dict[str, Any]:
        return images_preview(self.uploads.archive(name, io.BytesIO(content), len(content)))

    async def begin_folder(self, body: dict[str, Any]) -> dict[str, Any]:
        """A folder of images whose files come one by one."""
        return {"folder": self.uploads.begin(str(body.get("name", ""))[:200])}

    async def upload_image(self, request: Request) -> dict[str, Any]:
        """One file of a folder, by its path in it."""
        folder = self.uploads.opened(request.query_params.get("folder", ""))
        content = await file_body(request, MOST_IMAGE)
        await asyncio.to_thread(folder.add, request.query_params.get("path", "")[:1000], content)
        return {}

    async def end_folder(self, body: dict[str, Any]) -> dict[str, Any]:
        """All files have come: the classes."""
        return await asyncio.to_thread(images_preview, self.uploads.ended(str(body.get("folder"))))

    async def look(self, body: dict[str, Any]) -> dict[str, Any]:
        """Another held-out sample to be drawn."""
        sample, count = body.get("sample"), self.job.get("held_out", 0)
        if not isinstance(sample, int) or isinstance(sample, bool) or not 0 <= sample < count:
            raise RefusedError(400, f"`sample` counts the {count:,} held-out samples from 0; got {str(sample)[:60]}")
        self.job = {**self.job, "sample": sample}
        self.jobs.send(LookAt(sample))
        return self.job

    async def ask(self, query: dict[str, str]) -> Answer:
        """The microscope."""
        return await self.jobs.ask(query)

    @property
    def _name(self) -> str:
        return self._checked.facts["name"]

    def _must_be_sound(self) -> None:
        if self._checked.recipe is None:
            fault = (self._checked.facts["faults"] or [{"rule": "it cannot be trained"}])[0]
            raise RefusedError(409, f"the recipe has faults: {fault['rule']}")

    async def _halt(self) -> None:
        await self.jobs.halt(lambda: self.job["status"] in FROZEN)
        if self.job["status"] not in FROZEN:
            self._set({"status": "idle"})
            self._loaded = ""

    def _load(self) -> None:
        """The recipe into the worker, at its first step."""
        if self._checked.recipe is None:
            return
        self._forget()
        self._loaded = self._checked.toml
        self._set({"status": "loading"})
        self.jobs.begin(lambda job: Load(job, self._checked.toml, self._name, self._opening.folder))

    def _finish(self) -> None:
        """The recipe as an ordinary run, from its beginning."""
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

    def _set(self, job: dict[str, Any]) -> None:
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


def _named(request: Request) -> str:
    """The name of a file that comes: it is shown, and decides nothing."""
    return request.query_params.get("name", "")[:200] or "upload"
