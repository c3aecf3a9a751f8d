"""Events for every tab: each has a short queue of its own, and one that does not keep up begins anew."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import final

MOST_TABS = 24
MOST_WAITING = 400
"""Events that may wait for a tab. Where more do, as for a frozen tab, all are dropped and it is told to begin anew."""
HEARTBEAT = 15.0
"""Seconds of silence after which a tab is told that the server is still there."""


@final
class Tab:
    """The events that wait for one tab."""

    def __init__(self) -> None:
        self._waiting = deque[bytes]()
        self._arrived = asyncio.Event()
        self.closed = False

    def put(self, event: str, data: bytes) -> None:
        """An event; where too many wait, `anew` in place of them all."""
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.clear()
            event, data = "anew", b"{}"
        self._waiting.append(b"event: " + event.encode() + b"\ndata: " + data + b"\n\n")
        self._arrived.set()

    def close(self) -> None:
        """End the stream."""
        self.closed = True
        self._arrived.set()

    async def stream(self) -> AsyncIterator[bytes]:
        """What is sent, until the tab or the server closes it."""
        yield b"retry: 1000\n\n"
        while not self.closed:
            try:
                await asyncio.wait_for(self._arrived.wait(), HEARTBEAT)
            except TimeoutError:
                yield b": still here\n\n"
            self._arrived.clear()
            while self._waiting and not self.closed:
                parts = [*self._waiting]
                self._waiting.clear()
                yield b"".join(parts)


@final
class Hub:
    """All tabs that listen."""

    def __init__(self) -> None:
        self._tabs = set[Tab]()

    @property
    def full(self) -> bool:
        """Whether no further tab may listen."""
        return len(self._tabs) >= MOST_TABS

    def tell(self, event: str, data: bytes) -> None:
        """An event for every tab; called in the server's thread."""
        for tab in self._tabs:
            tab.put(event, data)

    @contextmanager
    def listening(self) -> Iterator[Tab]:
        """A tab that listens while the context lasts."""
        tab = Tab()
        self._tabs.add(tab)
        try:
            yield tab
        finally:
            self._tabs.discard(tab)

    def close(self) -> None:
        """End every stream."""
        for tab in self._tabs:
            tab.close()
