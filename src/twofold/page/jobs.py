"""The process that trains, as the server holds it: started early, told what to do, ended where it does not listen."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import final

from twofold.page.guard import RefusedError
from twofold.page.protocol import Answer, Ask, Command, Drive, Message, Told
from twofold.page.worker import READY, work

OBEYED = 0.15
"""Seconds to wait until a training has paused; then its process is ended."""
ANSWERED = 30.0
"""Seconds to wait for an answer to the microscope."""


@final
class Jobs:
    """One process, one job at a time. Everything but the reading of messages happens in the server's thread."""

    def __init__(self, take: Callable[[Told], None], lost: Callable[[], None]) -> None:
        """`take` is called with each event, `lost` where the process has ended by itself."""
        self._take, self._lost = take, lost
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count(1)
        self._waiting = dict[int, asyncio.Future[Answer]]()
        self.job = 0
        """The number of the job whose events are told."""
        self._start()

    def _start(self) -> None:
        self.ready = False
        """Whether the process listens; one that is still starting does not."""
        context = get_context("spawn")
        commands, self._commands = context.Pipe(duplex=False)
        messages, writing = context.Pipe(duplex=False)
        self._process = context.Process(target=work, args=(commands, writing), daemon=True, name="twofold-training")
        self._process.start()
        commands.close()
        writing.close()
        threading.Thread(target=self._read, args=(messages, self._process.pid), daemon=True).start()

    def _read(self, messages: Connection, process: int | None) -> None:
        """In a thread: hand every message to the server's thread."""
        with suppress(EOFError, OSError, RuntimeError):
            while True:
                self._loop.call_soon_threadsafe(self._hear, messages.recv())
        with suppress(RuntimeError):  # the server has ended
            self._loop.call_soon_threadsafe(self._ended, process)

    def _hear(self, message: Message) -> None:
        if isinstance(message, Answer):
            future = self._waiting.pop(message.number, None)
            if future and not future.done():
                future.set_result(message)
        elif message.event == READY:
            self.ready = True
        elif message.job == self.job:
            self._take(message)

    def _ended(self, process: int | None) -> None:
        """The process that was read from has ended: by itself, where it is still the one in use."""
        if self._process.pid != process:
            return
        self._give_up()
        self._start()
        self._lost()

    def _give_up(self) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(RefusedError(409, "the training process has ended"))
        self._waiting.clear()

    def begin(self, command: Callable[[int], Command]) -> None:
        """Begin a new job: `command` takes the job's number and returns the command to send."""
        self.job += 1
        self.send(command(self.job))

    def send(self, command: Command) -> None:
        """Send a command; where the process has ended, nothing happens."""
        with suppress(OSError, ValueError):
            self._commands.send(command)

    async def halt(self, halted: Callable[[], bool], patience: float = OBEYED) -> bool:
        """Stop what goes on: between two steps where the process is heard from in time, else by ending it.

        True where the job was given up; False where it halted, or another was begun while this waited.
        """
        if halted():
            return False
        if not self.ready:  # a process that is still starting has taken no step
            return True
        self.send(Drive("pause"))
        job, until = self.job, time.monotonic() + patience
        while time.monotonic() < until:
            await asyncio.sleep(0.005)
            if halted() or self.job != job:
                return False
        self.kill()
        self._start()
        return True

    def kill(self) -> None:
        """End the process at once."""
        process, self._process = self._process, _Nobody
        process.kill()
        self._commands.close()
        self._give_up()
        self.job += 1
        threading.Thread(target=process.join, daemon=True).start()

    async def ask(self, query: Mapping[str, str]) -> Answer:
        """The microscope's answer. Raises `RefusedError` where none comes."""
        number = next(self._numbers)
        self._waiting[number] = self._loop.create_future()
        self.send(Ask(number, dict(query)))
        try:
            return await asyncio.wait_for(self._waiting[number], ANSWERED)
        except TimeoutError:
            raise RefusedError(504, f"the training process gave no answer within {ANSWERED:g} s") from None
        finally:
            self._waiting.pop(number, None)

    async def close(self) -> None:
        """End the process: closing the pipe lets it clean up; one that has not ended after a second is killed."""
        process, self._process = self._process, _Nobody
        self._commands.close()
        await asyncio.to_thread(process.join, 1.0)
        if process.is_alive():
            process.kill()
            await asyncio.to_thread(process.join, 1.0)


class _NoProcess:
    """Stands in for the process between the end of one and the start of the next."""

    pid: int | None = -1

    def kill(self) -> None:
        pass

    def join(self, timeout: float | None = None) -> None:
        pass

    def is_alive(self) -> bool:
        return False


_Nobody = _NoProcess()
