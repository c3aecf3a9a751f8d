"""A user's code in a process of its own: a time limit, a memory limit, a temporary folder, its output kept apart.

What passes between the processes is in `crossing`; nothing that the process says of itself counts. `ENFORCED` names the
limits that the operating system enforces, `NOT_ENFORCED` what nothing enforces.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from twofold.proof.check.crossing import MOST_RESULT, RESULT, Answer, Item, read_answers, write_items
from twofold.proof.check.request import Limits

ENFORCED = "processor time, wall time, memory (Linux), the size of what is written, the length of what is printed"
NOT_ENFORCED = (
    "reading other files of this user, and the network: where submissions are not trusted, run the check in a "
    "container or under an account of its own"
)
MOST_PRINTED = 4_000
"""Characters kept of what the code prints."""


def run_file(file: Path, items: Sequence[Item], limits: Limits) -> list[Answer]:
    """Run the items of a file, each an object with its scenes, in one process of its own."""
    with _folder() as folder:
        work = {"file": str(file.resolve()), "seconds": limits.seconds, "megabytes": limits.megabytes}
        write_items(folder, work, items)
        command = [sys.executable, "-m", "twofold.proof.check.inside", str(folder)]
        return _read(folder, run_apart(command, folder, limits.seconds), items, limits)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A temporary folder; what the code makes of it, such as a link to another, is no reason to fail."""
    with tempfile.TemporaryDirectory(prefix="twofold-check-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def run_apart(command: Sequence[str], folder: Path, seconds: float) -> int | str:
    """Run a command in a session and a home of its own, with one thread; its status, or `time` if it ran too long.

    What it prints is written to `stdout` and `stderr` in the folder. Processes that it started are ended with it.
    """
    home = folder / "home"
    home.mkdir()
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        process = subprocess.Popen(
            list(command),
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=environment_of(home),
            start_new_session=True,
        )
        return _wait(process, seconds)


def run_here(play: Callable[[Path], None], items: Sequence[Item], limits: Limits) -> list[Answer]:
    """Run the items of an object that lives in this process: in a fork of the process, which then ends."""
    with _folder() as folder:
        write_items(folder, {"seconds": limits.seconds}, items)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            sys.stdout.flush()
            sys.stderr.flush()
            pid = os.fork()
        if pid == 0:
            _play_apart(play, folder, limits)
        return _read(folder, _wait_pid(pid, limits.seconds), items, limits)


def _play_apart(play: Callable[[Path], None], folder: Path, limits: Limits) -> None:
    status = 1
    try:
        os.setsid()  # what the code starts belongs to its group, and is ended with it
        for number, name in ((1, "stdout"), (2, "stderr")):
            file = os.open(folder / name, os.O_WRONLY | os.O_CREAT)
            os.dup2(file, number)
        sys.stdout, sys.stderr = (
            open(number, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
            for number in (1, 2)
        )
        os.chdir(folder)
        seconds = int(limits.seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_RESULT, MOST_RESULT))
        _limit_memory(limits)
        play(folder)
        status = 0
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # closed by the code, or longer than may be written
                stream.flush()
        os._exit(status)


def _limit_memory(limits: Limits) -> None:
    """Limit the memory that the code may take beyond what this process holds already, where the system enforces it."""
    if sys.platform.startswith("linux"):
        held = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
        most = held + (limits.megabytes << 20)
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def environment_of(home: Path) -> dict[str, str]:
    """Environment variables for the user's code: paths to find packages, and one thread."""
    passed_on = {
        name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "VIRTUAL_ENV") if name in os.environ
    }
    if passed_on.get("PYTHONPATH"):  # its entries may be relative to this process's folder, which is not the other's
        entries = passed_on["PYTHONPATH"].split(os.pathsep)
        passed_on["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, entries))
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {
        **passed_on,
        **threads,
        "HOME": str(home),
        "TMPDIR": str(home),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _wait(process: subprocess.Popen[bytes], seconds: float) -> int | str:
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return "time"
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_pid(pid: int, seconds: float) -> int | str:
    end, pause, done = time.monotonic() + seconds, 0.001, 0
    try:
        while time.monotonic() < end:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(pause)
            pause = min(0.05, pause * 1.5)
        return "time"
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        if not done:
            os.kill(pid, signal.SIGKILL)  # it may not lead a group yet
            os.waitpid(pid, 0)


def _read(folder: Path, status: int | str, items: Sequence[Item], limits: Limits) -> list[Answer]:
    """The answers, or how the process ended. In its folder the code may have left anything."""
    printed = ""
    try:
        printed = _printed(folder)
        if not (folder / RESULT).is_file():
            return [Answer(ended=_how(status, limits, _text(folder / "stderr")), printed=printed)] * len(items)
        return read_answers(folder, items, printed)
    except Exception:  # whatever the process left there
        return [Answer(ended="what the process left cannot be read", printed=printed)] * len(items)


def _how(status: int | str, limits: Limits, errors: str) -> str:
    if status == "time":
        return f"the code did not end within {limits.seconds:g} seconds: an endless loop, or much too slow"
    if status == -signal.SIGXCPU or status == -signal.SIGKILL:
        return f"the code took more than {limits.seconds:g} seconds of the processor, or more memory than it may"
    if "MemoryError" in errors:
        return f"the code took more than {limits.megabytes:,} MB of memory"
    if isinstance(status, int) and status < 0:
        return f"the process crashed ({signal_name(-status)})"
    last = errors.strip().splitlines()[-1][:300] if errors.strip() else ""
    return f"the process ended by itself with status {status}" + (f": {last}" if last else "")


def signal_name(number: int) -> str:
    """`SIGSEGV`; `signal 40` for one without a name, as those between the first and the last of real time."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _text(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return file.read(MOST_PRINTED).decode("utf-8", "replace")


def _printed(folder: Path) -> str:
    text = "\n".join(part for part in (_text(folder / "stdout"), _text(folder / "stderr")) if part)
    safe = "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)
    cut = sum((folder / name).stat().st_size for name in ("stdout", "stderr") if (folder / name).is_file())
    return safe + (
        f"\n... cut: {cut:,} bytes were printed" if cut > 2 * MOST_PRINTED or len(text) >= MOST_PRINTED else ""
    )
