"""The server of the page: addresses, what each answers, and how it begins and ends."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import resources
from importlib.resources.abc import Traversable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from twofold.errors import TwofoldError
from twofold.page.desk import Desk
from twofold.page.guard import REPORT_POLICY, Guard, RefusedError, json_body, refusal
from twofold.plain import Parsed

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".LICENSE": "text/plain; charset=utf-8",
}

Handler = Callable[[Request], Awaitable[Response]]


def application(desk: Desk, port: int) -> Guard:
    """The whole page as an ASGI application, for requests to this port."""
    files = dict(_files(resources.files("twofold.page") / "static"))
    own = [
        Route("/", _static(files, "index.html")),
        Route("/static/{name:path}", _static(files, None)),
        *_api(desk),
    ]
    reports = [
        Route("/report/{name}", _reported(lambda name: desk.gallery.report(name))),
        Route("/compared/{name}", _reported(lambda name: _comparison(desk, name))),
    ]
    routes = [Mount(f"/{desk.token}", routes=own), Mount(f"/{desk.reports_token}", routes=reports)]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        desk.open()
        try:
            yield
        finally:
            await desk.close()

    packed = Middleware(GZipMiddleware, minimum_size=1000)  # streams of events are left as they are
    return Guard(
        Starlette(routes=routes, middleware=[packed], lifespan=lifespan), (desk.token, desk.reports_token), port
    )


def _files(folder: Traversable, prefix: str = "") -> list[tuple[str, bytes]]:
    """Every file of the page by its address, read once: nothing else can be asked for."""
    files = list[tuple[str, bytes]]()
    for entry in folder.iterdir():
        name = prefix + entry.name
        files += _files(entry, f"{name}/") if entry.is_dir() else [(name, entry.read_bytes())]
    return files


def _static(files: dict[str, bytes], only: str | None) -> Handler:
    async def answer(request: Request) -> Response:
        name = only or request.path_params["name"]
        kind = next((kind for ending, kind in KINDS.items() if name.endswith(ending)), None)
        if name not in files or kind is None:
            return refusal(404, "there is no such file")
        return Response(files[name], media_type=kind)

    return answer


def _api(desk: Desk) -> list[Route]:
    def ask(path: str, value: Callable[[Request], Awaitable[object]], method: str = "GET") -> Route:
        async def answer(request: Request) -> Response:
            return await _answered(value(request))

        return Route(f"/api/{path}", answer, methods=[method])

    def post(path: str, take: Callable[[dict[str, Parsed]], Awaitable[object]]) -> Route:
        async def answer(request: Request) -> Response:
            return await _answered(_taken(request, take))

        return Route(f"/api/{path}", answer, methods=["POST"])

    return [
        ask("state", desk.state),
        ask("schema", desk.schema),
        ask("recipes", desk.recipes),
        Route("/api/trace", _tracing(desk), methods=["GET"]),
        Route("/api/events", _listening(desk), methods=["GET"]),
        post("recipe", desk.change),
        post("job", desk.drive),
        post("look", desk.look),
        ask("runs", desk.runs),
        post("compare", desk.compare),
        ask("upload/table", desk.intake.table, "POST"),
        ask("upload/zip", desk.intake.archive, "POST"),
        post("upload/folder", desk.intake.begin_folder),
        ask("upload/image", desk.intake.image, "POST"),
        post("upload/end", desk.intake.end_folder),
    ]


async def _taken(request: Request, take: Callable[[dict[str, Parsed]], Awaitable[object]]) -> object:
    return await take(await json_body(request))


async def _answered(answer: Awaitable[object]) -> Response:
    """A value as JSON; what was refused as a sentence with its status."""
    try:
        return JSONResponse(await answer)
    except RefusedError as refused:
        return refusal(refused.status, str(refused))
    except TwofoldError as error:
        return refusal(400, str(error))
    except PermissionError as error:
        return refusal(403, f"it may not be read or written: {error.strerror or error}")
    except OSError as error:  # a full disk, a name that the file system does not take
        return refusal(507, f"it cannot be stored: {error.strerror or error}")


async def _comparison(desk: Desk, name: str) -> bytes:
    return desk.gallery.compared(name)


def _reported(page: Callable[[str], Awaitable[bytes]]) -> Handler:
    """A report as a document by itself, which can ask nothing of the page."""

    async def answer(request: Request) -> Response:
        try:
            content = await page(request.path_params["name"])
        except TwofoldError as error:
            return refusal(404, str(error))
        except OSError as error:
            return refusal(404, f"the report cannot be read: {error.strerror or error}")
        return Response(content, headers={"content-security-policy": REPORT_POLICY}, media_type=KINDS[".html"])

    return answer


def _tracing(desk: Desk) -> Handler:
    async def answer(request: Request) -> Response:
        try:
            answer = await desk.ask({key[:40]: value[:200] for key, value in request.query_params.items()})
        except RefusedError as refused:
            return refusal(refused.status, str(refused))
        return Response(answer.data, answer.status, media_type="application/json")

    return answer


def _listening(desk: Desk) -> Handler:
    async def answer(_: Request) -> Response:
        if desk.hub.full:
            return refusal(503, "too many tabs listen already; close one")

        async def events() -> AsyncIterator[bytes]:
            with desk.hub.listening() as tab:
                tab.put("job", json.dumps(desk.job).encode())
                async for part in tab.stream():
                    yield part

        return StreamingResponse(events(), media_type="text/event-stream")

    return answer
