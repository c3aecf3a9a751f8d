"""What the page costs: its first page, its pictures, its memory.

    python benchmarks/page.py [--steps 100000] [--seconds 8]

writes docs/benchmarks/page.md; it wants a browser and the extra `page`. The training is that of `twofold page moons`: a
2-20-2 network, batches of 32, both engines side by side. What showing it costs is measured within one process, which
shows a block of steps and then does not: in seconds of the processor, which other work on the machine changes little.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "benchmarks" / "page.md"
ENDLESS = "training.epochs=1000000"
PAIRED = """
import json, statistics, time
from contextlib import ExitStack
from multiprocessing import Pipe, Process
import numpy as np
from twofold.page.protocol import Told
from twofold.page.stage import Stage
from twofold.page.worker import LISTEN, waiting
from twofold.recipe import load_recipe

def drain(end):
    while True:
        end.recv()

def block(stage, steps, commands):
    began, looked = time.thread_time(), 0.0
    for _ in range(steps):
        now = time.perf_counter()
        if commands is not None and now - looked > LISTEN:
            looked = now
            commands()
        stage.advance()
    return (time.thread_time() - began) / steps

if __name__ == "__main__":
    reading, writing = Pipe(False)
    commands, other = Pipe(False)
    Process(target=drain, args=(reading,), daemon=True).start()
    tell = lambda event, value: writing.send(Told(0, event, json.dumps(value, allow_nan=False).encode()))
    pairs = []
    with ExitStack() as around, np.errstate(all="ignore"):
        stage = Stage.built(load_recipe("moons", ["training.epochs=1000000"]), tell, lambda event: None, around)
        stage.play()
        duties = stage._duties
        for _ in range(ROUNDS):
            stage._duties = duties
            shown = block(stage, 500, waiting(commands))
            stage._duties = []
            pairs.append((shown, block(stage, 500, None)))
        stage.close()
    print(json.dumps(pairs))
"""


class Page:
    """A page that serves in a process of its own, as a user starts it."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.process = process
        self.port, self.path = int(address.split(":")[2].split("/")[0]), "/" + address.split("/", 3)[3]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"

    def ask(self, path: str, body: object = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        if body is None:
            connection.request("GET", self.path + path)
        else:
            connection.request("POST", self.path + path, json.dumps(body), {"Content-Type": "application/json"})
        return json.loads(connection.getresponse().read())

    def job(self) -> dict[str, Any]:
        return self.ask("api/state")["job"]

    def until(self, *statuses: str) -> None:
        while self.job()["status"] not in statuses:
            time.sleep(0.02)

    def memory(self) -> tuple[float, float]:
        """MiB of the server and of the process that trains."""
        import psutil

        server = psutil.Process(self.process.pid)
        worker = max(server.children(recursive=True), key=lambda child: child.memory_info().rss)
        return server.memory_info().rss / 2**20, worker.memory_info().rss / 2**20


@contextmanager
def page(*settings: str) -> Iterator[Page]:
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "twofold", "page", "moons", "--no-open"]
        words += [word for setting in settings for word in ("--set", setting)]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=folder, start_new_session=True)
        assert process.stdout
        try:
            served = Page(process, process.stdout.readline().strip())
            served.until("paused")
            yield served
        finally:
            process.terminate()
            process.wait(10)


class Listening:
    """A tab that counts the events that come."""

    def __init__(self, served: Page) -> None:
        self.counts, self.step = dict[str, int](), 0
        self._connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
        self._connection.request("GET", served.path + "api/events")
        self._answer = self._connection.getresponse()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        name = ""
        while line := self._answer.readline():
            if line.startswith(b"event: "):
                name = line[7:].strip().decode()
                self.counts[name] = self.counts.get(name, 0) + 1
            elif line.startswith(b"data: ") and name == "frame":
                self.step = json.loads(line[6:])["step"]


def frames(served: Page, seconds: float) -> float:
    """Frames a second, while a tab listens."""
    served.ask("api/job", {"do": "reset"})
    served.until("paused")
    tab = Listening(served)
    served.ask("api/job", {"do": "play"})
    served.until("playing")
    time.sleep(0.5)
    began, shown = time.perf_counter(), tab.counts.get("frame", 0)
    time.sleep(seconds)
    rate = (tab.counts["frame"] - shown) / (time.perf_counter() - began)
    served.ask("api/job", {"do": "pause"})
    served.until("paused")
    return rate


def paired(rounds: int) -> tuple[float, float]:
    """Processor seconds of a step, in blocks of 500 by turns: shown, with all its events sent, and not shown."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "paired.py"
        script.write_text(PAIRED.replace("ROUNDS", str(rounds)))
        done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    pairs = json.loads(done.stdout)
    without = statistics.median(alone for _, alone in pairs)
    return without * statistics.median(shown / alone for shown, alone in pairs), without


def pauses(served: Page, times: int) -> list[float]:
    """Seconds from a pause that is asked for to the training that stands."""
    taken = list[float]()
    for _ in range(times):
        served.ask("api/job", {"do": "play"})
        served.until("playing")
        time.sleep(0.1)
        began = time.perf_counter()
        served.ask("api/job", {"do": "stop"})
        taken.append(time.perf_counter() - began)
        if served.job()["status"] == "idle":  # its process was ended, since it did not listen in time
            served.ask("api/job", {"do": "reset"})
        served.until("paused")
    return taken


def first_page(served: Page) -> dict[str, float]:
    """Bytes and milliseconds of the first page, and the seconds from Start to a picture that moved."""
    from playwright.sync_api import sync_playwright

    path = next(path for name in ("chromium", "google-chrome") if (path := shutil.which(name)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        view, sizes = browser.new_page(), list[int]()
        view.on("response", lambda answer: sizes.append(int(answer.headers.get("content-length", 0))))
        began = time.perf_counter()
        view.goto(served.address)
        view.wait_for_selector("html[data-ready=true]")
        ready = time.perf_counter() - began
        view.wait_for_selector(".boundaries canvas")
        before = view.evaluate("document.querySelector('.boundaries canvas').toDataURL()")
        began = time.perf_counter()
        view.get_by_role("button", name="Start", exact=True).click()
        while view.evaluate("document.querySelector('.boundaries canvas').toDataURL()") == before:
            pass
        moved = time.perf_counter() - began
        browser.close()
    return {"bytes": sum(sizes), "ready": ready, "moved": moved, "requests": len(sizes)}


def memory(served: Page, steps: int) -> list[tuple[int, float, float]]:
    """MiB of both processes on the way to so many steps."""
    served.ask("api/job", {"do": "reset"})
    served.until("paused")
    tab, rows = Listening(served), list[tuple[int, float, float]]()
    for step in (steps // 10, steps // 2, steps):
        served.ask("api/job", {"do": "to", "step": step})
        while (job := served.job())["step"] < step or job["status"] != "paused":
            time.sleep(0.1)
        rows.append((step, *served.memory()))
    assert tab.counts["frame"]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with page(ENDLESS) as served:
        first = first_page(served)
        served.ask("api/job", {"do": "pause"})
        rate = max(frames(served, options.seconds) for _ in range(options.repeats))
        stopped = pauses(served, 20)
        held = memory(served, options.steps)
    shown, alone = paired(40)
    lines = [
        "# What the page costs",
        "",
        f"Written by `python benchmarks/page.py` on {platform.machine()} with {os.cpu_count()} processors, shared with "
        f"other work (load {os.getloadavg()[0]:.0f} at the end); {options.seconds:g} s a measurement.",
        "",
        "| what | wanted | measured |",
        "| --- | --- | --- |",
        f"| first page, {first['requests']:.0f} requests in all | below 300 KB | {first['bytes'] / 1000:.0f} KB |",
        f"| until it can be used | below 1 s | {first['ready']:.2f} s |",
        f"| from Start to the first picture that moved | below 2 s | {first['moved']:.2f} s |",
        f"| updates a second, moons, 2-20-2, the best of {options.repeats} | 30 | {rate:.1f} |",
        f"| processor time of a step of both engines, with a page | | {1e6 * shown:.0f} µs |",
        f"| the same, recorded and not shown, in blocks of 500 steps by turns | | {1e6 * alone:.0f} µs |",
        f"| slower by | at most 10 % | {100 * (shown / alone - 1):.1f} % |",
        f"| from a stop to a training that stands, the longest of 20 | below 0.2 s | {max(stopped):.3f} s |",
    ]
    lines += [
        f"| memory after {step:,} steps: server, training | flat | {server:.0f} MiB, {worker:.0f} MiB |"
        for step, server, worker in held
    ]
    OUT.write_text("\n".join(lines) + "\n", "utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
