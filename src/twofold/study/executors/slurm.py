"""Jobs of SLURM, through submitit: one job per task. A job that is preempted or runs out of time is requeued, once."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import final

from twofold.errors import MissingExtraError, StudyError
from twofold.study.executors.remote import LOOK_SECONDS, no_answer
from twofold.study.executors.seam import Answer, Foreign, Lost, Results, Task
from twofold.study.executors.work import train_task

MINUTES = 24 * 60
"""Minutes that a job asks for; SLURM ends one that takes longer than its partition allows."""
MOST_JOBS = 100
"""Jobs in the queue at a time, unless `--jobs` says otherwise: what clusters allow one user."""
LOGS = Path(".twofold-slurm")
"""Where submitit keeps what it hands to jobs: in the working folder, which every node must see."""


@final
class Requeued:
    """A task that SLURM may begin again once: after a preemption, or when its time is over."""

    def __init__(self, times: int = 0) -> None:
        self.times = times

    def __call__(self, task: Task) -> Answer:
        """Train the task, and say how often it was begun before."""
        return replace(train_task(task), requeued=self.times)

    def checkpoint(self, task: Task) -> Foreign:
        """What submitit submits again: the task from its beginning, for a point is short beside the time of a job."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(Requeued(self.times + 1), task)


def start(after: str, jobs: int | None, cluster: str = "slurm") -> Slurm:
    """Jobs in a partition, or where the cluster puts them. `cluster="local"` runs them on this machine, for tests."""
    try:
        import submitit
    except ImportError:
        raise MissingExtraError("submitit", "slurm", "`--on slurm`") from None
    if cluster == "slurm" and shutil.which("sbatch") is None:
        raise StudyError(
            "`--on slurm` wants `sbatch`, and there is none here: run the command on a login node of the cluster, or "
            "leave `--on` out to train on this machine."
        )
    LOGS.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="study-", dir=LOGS.resolve()))
    executor = submitit.AutoExecutor(folder=folder, cluster=cluster, slurm_max_num_timeout=1)
    executor.update_parameters(timeout_min=MINUTES, name="twofold", cpus_per_task=1)
    if cluster == "slurm":
        executor.update_parameters(slurm_setup=["export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1"])
    if after:
        executor.update_parameters(slurm_partition=after)
    return Slurm(executor, folder, jobs or MOST_JOBS)


@final
class Slurm:
    """Trains tasks as jobs, at most `workers` of them in the queue at a time."""

    def __init__(self, executor: Foreign, folder: Path, workers: int) -> None:
        self.workers = workers
        self._executor = executor
        self._folder = folder

    def results(self, tasks: Iterator[Task], alone: bool = False) -> Generator[Results, None, None]:
        """See `Executor`."""
        running: list[tuple[Task, Foreign]] = []
        most = 1 if alone else self.workers
        try:
            while True:
                while len(running) < most and (task := next(tasks, None)) is not None:
                    running.append((task, self._executor.submit(Requeued(), task)))
                if not running:
                    return
                ended = [(task, job) for task, job in running if job.done()]
                if not ended:
                    time.sleep(LOOK_SECONDS)
                    continue
                running = [pair for pair in running if pair not in ended]
                yield [self._result(task, job) for task, job in ended]
        finally:
            for _, job in running:
                with suppress(Exception):
                    job.cancel()

    def close(self) -> None:
        """Remove the files by which tasks and answers were exchanged with jobs."""
        shutil.rmtree(self._folder, ignore_errors=True)
        with suppress(OSError):
            LOGS.rmdir()

    def _result(self, task: Task, job: Foreign) -> tuple[Task, Answer] | Lost:
        from submitit.core.utils import FailedJobError, FailedSubmissionError, UncompletedJobError

        try:
            return task, job.result()
        except (FailedJobError, UncompletedJobError) as error:
            text = job.stderr() or ""
            return Lost(task, f"job {job.job_id}, {job.state}: {error}\n{text[-5000:]}")
        except FailedSubmissionError as error:
            raise StudyError(f"SLURM took no job: {error}") from None
        except Exception as error:  # its answer could not be read
            raise no_answer("SLURM", error) from error
