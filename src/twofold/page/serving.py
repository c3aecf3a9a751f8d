"""The server as a process: a socket of the loopback device, uvicorn, and an end in order."""

from __future__ import annotations

import asyncio
import socket
import threading
from asyncio import Transport
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from twofold.errors import UserError
from twofold.interrupts import check, told_to_end
from twofold.page.desk import Desk, Opening
from twofold.page.server import application
from twofold.page.watched import Watched
from twofold.recipe import Recipe, dump
from twofold.setup.events import Watcher

HOST = "127.0.0.1"
PORT = 8712
"""The port that is tried first: a link with a recipe in it then opens the same page again."""
PATIENCE = 10.0
"""Seconds within which a connection sends the head of a request."""
ANSWERS = 10.0
"""Seconds to wait for the server of a run to start, and for it to end."""
BACKLOG = 128
LISTEN = 0.05
"""Seconds between two looks at whether it is to end."""


class Patient(H11Protocol):
    """A connection that is closed where no request comes in time: idle ones cannot block the server."""

    def connection_made(self, transport: Transport) -> None:
        """Start the clock for the first request."""
        super().connection_made(transport)
        self._patience = self.loop.call_later(PATIENCE, self._close_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._patience.cancel()
        super().connection_lost(exc)

    def _close_idle(self) -> None:
        if self.cycle is None:
            self.transport.close()


@final
class Serving:
    """A socket that is bound, and the server that listens on it once it is run."""

    def __init__(self, desk: Desk, port: int | None) -> None:
        """Without a port, `PORT` or any that is free is taken. Raises `UserError` where a port cannot be had."""
        self.desk = desk
        self.socket = _bound(port)
        self.port = self.socket.getsockname()[1]
        config = uvicorn.Config(
            application(desk, self.port),
            http=Patient,
            ws="none",
            lifespan="on",
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=1,
            timeout_keep_alive=20,
            h11_max_incomplete_event_size=32 << 10,
        )
        self._server = uvicorn.Server(config)
        self._stopped = False

    @property
    def address(self) -> str:
        """The first address, with its token."""
        return f"http://{HOST}:{self.port}/{self.desk.token}/"

    def run(self, ready: Callable[[], None] = lambda: None, *, hears: bool = True) -> None:
        """Serve until `stop` is called; `ready` is called when requests are answered.

        With `hears` also until a signal ends it; without, signals are left to the training in the same process.
        """
        _more_files()
        with asyncio.Runner() as runner:
            runner.run(self._serve(ready, hears))

    async def _serve(self, ready: Callable[[], None], hears: bool) -> None:
        async def watch() -> None:
            while not self._server.started:
                await asyncio.sleep(0.01)
            ready()
            while not (self._stopped or (hears and told_to_end())):
                await asyncio.sleep(LISTEN)
            if hears:
                with suppress(KeyboardInterrupt):
                    check()  # the signal is heard: there is time to end in order
            self._server.should_exit = True
            self.desk.hub.close()

        watching = asyncio.create_task(watch())
        await self._server._serve([self.socket])  # `serve` would take the signals, which are the command's
        watching.cancel()

    def stop(self) -> None:
        """End in order; from any thread."""
        self._stopped = True


def _bound(port: int | None) -> socket.socket:
    for wanted in (PORT, 0) if port is None else (port,):
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((HOST, wanted))
            bound.listen(BACKLOG)
        except OSError as error:
            bound.close()
            if port is not None:
                raise UserError(
                    f"--port {port} cannot be had: {error.strerror}; leave it out, and a free one is taken"
                ) from error
        else:
            return bound
    raise UserError("no port of 127.0.0.1 is free")


def _more_files() -> None:
    """Let as many connections be open as the system allows: those that are refused take a handle each as well."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 8192 if hard == resource.RLIM_INFINITY else min(hard, 8192)
        if soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextmanager
def live_page(recipe: Recipe, runs: Path) -> Iterator[tuple[str, Watcher]]:
    """The page of an ordinary run while it lasts, served in a thread: its address, and the watcher that feeds it.

    It shows the same curves, and nothing that could change the run.
    """
    desk = Desk(Opening(dump(recipe), recipe.name, runs), live=True)
    serving, ready = Serving(desk, None), threading.Event()
    thread = threading.Thread(target=serving.run, args=(ready.set,), kwargs={"hears": False}, daemon=True)
    thread.start()
    ready.wait(ANSWERS)
    try:
        yield serving.address, Watched(desk.tell)
    finally:
        serving.stop()
        thread.join(ANSWERS)
