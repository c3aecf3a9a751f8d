"""A page that serves while a test lasts, and a client that speaks to it as a browser would."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from twofold.page.desk import Desk
from twofold.page.opening import opening_of
from twofold.page.serving import Serving


class Answered(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def fault(self) -> str:
        return self.json["fault"]


class Client:
    def __init__(self, serving: Serving) -> None:
        self.serving, self.port, self.token = serving, serving.port, serving.desk.token

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None, token: str = ""
    ) -> Answered:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, f"/{token or self.token}/{path}", body, headers or {})
            response = connection.getresponse()
            given = {name.lower(): value for name, value in response.getheaders()}
            return Answered(response.status, given, response.read())
        finally:
            connection.close()

    def get(self, path: str) -> Answered:
        return self.ask("GET", path)

    def post(self, path: str, value: object) -> Answered:
        return self.ask("POST", path, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def state(self) -> dict[str, Any]:
        return self.get("api/state").json

    def until(self, true: Callable[[dict[str, Any]], object], seconds: float = 60.0) -> dict[str, Any]:
        """The first state of which it is true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            state = self.state()
            if true(state):
                return state
            time.sleep(0.02)
        raise AssertionError(f"it did not become true within {seconds:g} s: {self.state()['job']}")

    def paused(self) -> dict[str, Any]:
        return self.until(lambda state: state["job"]["status"] in ("paused", "ended"))

    def do(self, what: str, **more: object) -> Answered:
        return self.post("api/job", {"do": what, **more})


@contextmanager
def serving(source: str | None, runs: Path, settings: tuple[str, ...] = ()) -> Iterator[Client]:
    """A page of its own port, closed at the end."""
    served = Serving(Desk(opening_of(source, settings, runs)), None)
    ready = threading.Event()
    thread = threading.Thread(target=served.run, args=(ready.set,))
    thread.start()
    try:
        assert ready.wait(30)
        yield Client(served)
    finally:
        served.stop()
        thread.join(30)
        assert not thread.is_alive()
