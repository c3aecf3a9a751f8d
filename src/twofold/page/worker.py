"""The process that trains: it takes commands between two steps, and tells what happens as events of the page."""

from __future__ import annotations

import json
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing.connection import Connection
from shlex import quote
from typing import final

import numpy as np

from twofold.errors import TwofoldError
from twofold.page.protocol import Answer, Ask, Command, Drive, Finish, Load, LookAt, Told
from twofold.page.stage import Stage
from twofold.page.watched import Watched
from twofold.recipe import loads
from twofold.setup.events import Noted, Prepared

READY = "ready"
"""The first event of a process, for the server alone: from now on commands are taken."""
LISTEN = 0.01
"""Seconds between two looks at the commands while a training goes on."""


def work(commands: Connection, messages: Connection) -> None:
    """Take commands and train, until the server closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which then closes the pipe
    with np.errstate(all="ignore"):
        worker, waits = Worker(commands, messages), waiting(commands)
        _warm_up()
        worker.tell(READY, {})
        looked = 0.0
        while True:
            now = time.perf_counter()
            if not worker.playing or now - looked > LISTEN:
                looked = now
                while waits() if worker.playing else commands.poll(None):
                    try:
                        worker.obey(commands.recv())
                    except EOFError:
                        worker.close()
                        return
            else:
                worker.go_on()


def waiting(commands: Connection) -> Callable[[], object]:
    """A function that says whether a command waits: a system call where there is one, since it is asked often."""
    if not hasattr(select, "poll"):
        return commands.poll
    poll = select.poll()
    poll.register(commands.fileno(), select.POLLIN | select.POLLHUP)
    return lambda: poll.poll(0)


def _warm_up() -> None:
    """Import what a training needs before somebody waits for it."""
    import twofold.numpy_engine
    import twofold.probe.passage
    import twofold.report.findings
    import twofold.torch_engine  # noqa: F401


@final
class Worker:
    """One job at a time: a training that is watched, or a run that is made."""

    def __init__(self, commands: Connection, messages: Connection) -> None:
        self._commands, self._messages = commands, messages
        self._job = 0
        self._stage: Stage | None = None
        self._around = ExitStack()
        self.playing = False
        self._until: int | None = None
        """The step at which to pause."""

    def tell(self, event: str, value: object) -> None:
        """An event for every tab."""
        self._messages.send(Told(self._job, event, json.dumps(value, allow_nan=False).encode()))

    def obey(self, command: Command) -> None:
        """Carry out one command; an exception is told as a failed job, and the process goes on."""
        try:
            match command:
                case Load(job):
                    self._job = job
                    self._load(command)
                case Drive(do, step):
                    self._drive(do, step)
                case LookAt(sample):
                    if self._stage:
                        self._stage.look_at(sample)
                case Ask():
                    self._answer(command)
                case Finish(job):
                    self._job = job
                    self._finish(command)
        except TwofoldError as error:
            self._failed(str(error))
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            self._failed(f"{type(error).__name__}: {error}")

    def go_on(self) -> None:
        """One step of every engine."""
        assert self._stage
        try:
            self._stage.advance()
            if self._stage.course.over:
                self.playing = False
                self._stage.end()
            elif self._stage.course.taken == self._until:
                self.playing = False
                self._stage.pause()
        except TwofoldError as error:
            self._failed(str(error))
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            self._failed(f"{type(error).__name__}: {error}")

    def close(self) -> None:
        """Stop the training and undo what it set up."""
        self.playing = False
        if self._stage:
            self._stage.close()
            self._stage = None
        self._around.close()

    def _failed(self, message: str) -> None:
        self.close()
        self.tell("job", {"status": "failed", "message": message})

    def _load(self, load: Load) -> None:
        self.close()
        recipe = loads(load.toml, f"{load.name}.toml", load.folder)
        self._stage = Stage.built(recipe, self.tell, self._prepared, self._around)

    def _prepared(self, event: object) -> None:
        match event:
            case Prepared(what, done, total):
                self.tell("job", {"status": "loading", "what": what, "done": done, "total": total})
            case Noted(text):
                self.tell("note", {"text": text})

    def _drive(self, do: str, step: int) -> None:
        stage = self._stage
        if stage is None:
            return
        if do == "pause":
            if self.playing:
                self.playing = False
                stage.pause()
            return
        if stage.course.over or (do == "to" and step <= stage.course.taken):
            return
        taken, per_epoch = stage.course.taken, stage.course.batches.steps_per_epoch
        self._until = {"step": taken + 1, "epoch": (taken // per_epoch + 1) * per_epoch, "to": step}.get(do)
        self.playing = True
        stage.play()

    def _answer(self, ask: Ask) -> None:
        try:
            if self._stage is None or self.playing:
                status, data = 409, _fault("pause the training first: the microscope looks at a step that stands still")
            else:
                status, data = self._stage.microscope.answer(ask.query)
        except TwofoldError as error:
            status, data = 400, _fault(str(error))
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            status, data = 500, _fault(f"{type(error).__name__}: {error}")
        self._messages.send(Answer(ask.number, status, data))

    def _finish(self, finish: Finish) -> None:
        """Train the recipe as an ordinary run and write its report, as `twofold run` does."""
        from twofold.report.page import write_report
        from twofold.train.running import run

        self.close()
        recipe = loads(finish.toml, f"{finish.name}.toml", finish.folder)
        try:
            done = run(recipe, out=finish.out, watcher=Watched(self.tell, self._interrupt))
        except KeyboardInterrupt:
            self.tell(
                "job",
                {"status": "interrupted", "message": f"stopped; `twofold resume {quote(str(finish.out))}` goes on"},
            )
            return
        self.tell("job", {"status": "finishing", "what": "the report"})
        write_report(done)
        self.tell("job", {"status": "finished", "run": done.path.name})

    def _interrupt(self) -> None:
        """Raise `KeyboardInterrupt` where the server has asked for a pause or has gone; called between steps."""
        while self._commands.poll():
            try:
                command = self._commands.recv()
            except EOFError:
                raise KeyboardInterrupt from None
            if isinstance(command, Drive) and command.do == "pause":
                raise KeyboardInterrupt
            if isinstance(command, Ask):
                self._answer(command)


def _fault(message: str) -> bytes:
    return json.dumps({"fault": message}).encode()
