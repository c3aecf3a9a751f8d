"""Who may ask, and how much: every request passes here before anything else looks at it.

A page in another tab, or one whose name was pointed at this machine, can send requests to a loopback address. It knows
no token, its `Origin` is another, and the `Host` that its browser sends is its own name: each by itself is refused.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Iterable
from typing import final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twofold.errors import UserError
from twofold.foreign import parse_json
from twofold.memory import size_text

POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; frame-src 'none'; "
    "object-src 'none'"
)
"""What the page's own documents may load: nothing from elsewhere, no script or style within the document."""
REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
    "font-src data:; frame-ancestors 'none'; form-action 'none'; base-uri 'none'"
)
"""A report is a document by itself, of an origin that is nobody's: it can ask nothing of the page."""
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
MOST_JSON = 4 << 20
"""Bytes of a JSON body: a recipe has as many at most."""
JSON_SECONDS = 10.0
"""Seconds within which a JSON body must have come."""
FILE_SECONDS = 120.0
"""Seconds within which a file must have come."""
MOST_HEADERS = 32 << 10
"""Bytes of all headers."""
MOST_TARGET = 8192
"""Bytes of an address."""


class RefusedError(Exception):
    """A request that is not answered; `status` and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        self.status = status
        super().__init__(sentence)


def refusal(status: int, sentence: str) -> Response:
    """The answer to a request that is refused; its connection ends."""
    return Response(
        json.dumps({"fault": sentence}), status, {**HEADERS, "connection": "close"}, media_type="application/json"
    )


@final
class Guard:
    """Lets through what comes from the page itself, with every answer's headers."""

    def __init__(self, app: ASGIApp, tokens: Iterable[str], port: int) -> None:
        self._app, self._tokens = app, tuple(tokens)
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check and answer one request. Start and end of the server (`lifespan`) pass; a websocket is refused."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        try:
            self._check(Request(scope))
        except RefusedError as refused:
            await refusal(refused.status, str(refused))(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                missing = [(k.encode(), v.encode()) for k, v in HEADERS.items() if k.encode() not in present]
                message = {**message, "headers": [*message["headers"], *missing]}
            await send(message)

        await self._app(scope, receive, sent)

    def _check(self, request: Request) -> None:
        headers = request.headers
        if len(headers.getlist("host")) != 1 or headers["host"].lower() not in self._hosts:
            raise RefusedError(421, "this server answers as 127.0.0.1 and localhost alone")
        if sum(len(name) + len(value) for name, value in headers.raw) > MOST_HEADERS:
            raise RefusedError(431, "the headers are too long")
        origin = headers.get("origin")
        if origin is not None and origin not in {f"http://{host}" for host in self._hosts}:
            raise RefusedError(403, "the request comes from another page")
        mode, site = headers.get("sec-fetch-mode"), headers.get("sec-fetch-site", "same-origin")
        if site not in ("same-origin", "none") and mode != "navigate":
            raise RefusedError(403, "the request comes from another page")
        if len(request.scope.get("raw_path", b"")) + len(request.scope.get("query_string", b"")) > MOST_TARGET:
            raise RefusedError(414, "the address is too long")
        first = request.scope["path"].removeprefix("/").partition("/")[0].encode()
        if not any(hmac.compare_digest(first, token.encode()) for token in self._tokens):
            raise RefusedError(403, "the address lacks its token: open the one that `twofold page` printed")
        if request.method not in ("GET", "HEAD", "POST"):
            raise RefusedError(405, "only GET and POST are answered")


async def body(request: Request, most: int, seconds: float) -> bytes:
    """The body of a request. Raises `RefusedError` where it is too large, or comes too slowly."""
    declared = request.headers.get("content-length", "0")
    if not (declared.isascii() and declared.isdecimal()) or int(declared[:20]) > most:
        raise RefusedError(413, f"at most {size_text(most)} are taken")
    content = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                content += chunk
                if len(content) > most:
                    raise RefusedError(413, f"at most {size_text(most)} are taken")
    except TimeoutError:
        raise RefusedError(408, f"the body did not come within {seconds:g} s") from None
    except ClientDisconnect:
        raise RefusedError(400, "the body ended early") from None
    return bytes(content)


async def file_body(request: Request, most: int) -> bytes:
    """A file as it is. Raises `RefusedError` where it is sent as a form, or is too large or too slow."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/octet-stream":
        raise RefusedError(415, "a file comes as it is, with `Content-Type: application/octet-stream`")
    return await body(request, most, FILE_SECONDS)


async def json_body(request: Request) -> dict[str, object]:
    """The JSON object in a body. Raises `RefusedError` for anything else."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise RefusedError(415, "the body must be JSON, with `Content-Type: application/json`")
    content = await body(request, MOST_JSON, JSON_SECONDS)
    try:
        value = parse_json(content)
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise RefusedError(400, "a text in the body holds half of a character") from None
    except (ValueError, UserError) as error:
        raise RefusedError(400, str(error)) from None
    if not isinstance(value, dict):
        raise RefusedError(400, "the body must be a JSON object")
    return value
