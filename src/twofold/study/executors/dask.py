"""Workers of a Dask cluster, through `distributed.Client`: of a running scheduler, or of a cluster started here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from typing import final

from twofold.errors import MissingExtraError, StudyError
from twofold.study.executors.local import deaf_children
from twofold.study.executors.remote import ANSWER_SECONDS, check_answers, no_answer, stream
from twofold.study.executors.seam import Answer, Foreign, Lost, Results, Task
from twofold.study.executors.work import ONE_THREAD, train_task

START = (
    "Start one with `dask scheduler`, and on each machine `dask worker HOST:8786`; or leave the address out, and "
    "`--on dask` starts a cluster on this machine."
)


def start(after: str, jobs: int | None) -> Dask:
    """Connect to the scheduler at an address, or start a cluster here, with `jobs` workers or one per core."""
    try:
        import distributed
        from dask import config
    except ImportError:
        raise MissingExtraError("distributed", "dask", "`--on dask`") from None
    if after:
        address = after if "://" in after else f"tcp://{after}"
        check_answers(address, START)
        try:
            client: Foreign = distributed.Client(address, timeout=ANSWER_SECONDS)
            client.wait_for_workers(1, timeout=ANSWER_SECONDS)
        except TimeoutError:
            raise StudyError(f"the Dask scheduler at {address} has no worker. {START}") from None
        except Exception as error:  # something else may answer at the address, and the client fails in any way
            raise StudyError(f"no Dask scheduler at {address}: {str(error)[:200]}. {START}") from None
        threads = sum(client.nthreads().values())
        return Dask(client, None, min(jobs or threads, threads))
    import joblib

    workers = jobs or joblib.cpu_count()
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # a worker that dies is told by the study
    # The cluster looks for a lost worker again after this time, and takes it out for good if it is just being
    # started anew after a further death: once that has happened to each of them, a study would wait for ever.
    config.set({"distributed.deploy.lost-worker-timeout": "7 days"})
    # A worker that dies takes its task with it: the study decides what is run again.
    environment = {f"distributed.nanny.pre-spawn-environ.{name}": int(value) for name, value in ONE_THREAD.items()}
    with config.set({"distributed.scheduler.allowed-failures": 0, **environment}), deaf_children():
        cluster_of: Foreign = distributed.LocalCluster  # its annotations admit less than it takes
        cluster = cluster_of(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        )
        return Dask(distributed.Client(cluster), cluster, workers)


@final
class Dask:
    """The workers of a scheduler; a cluster that was started here ends with the study."""

    def __init__(self, client: Foreign, cluster: Foreign, workers: int) -> None:
        self.workers = workers
        self._client = client
        self._cluster = cluster

    def results(self, tasks: Iterator[Task], alone: bool = False) -> Generator[Results, None, None]:
        """See `Executor`. After a worker's death the scheduler itself gives the task to another worker as often as its
        `allowed-failures` says: never in a cluster that was started here."""
        return stream(tasks, 1 if alone else self.workers, self._submit, self._result, self._check, self._client.cancel)

    def close(self) -> None:
        """Leave the scheduler, and end a cluster that was started here."""
        with suppress(Exception):  # what is lost already need not be closed
            self._client.close(timeout=2)
        if self._cluster is not None:
            with suppress(Exception):
                self._cluster.close(timeout=5)

    def _submit(self, task: Task, ended: Callable[[], None]) -> Foreign:
        future = self._client.submit(train_task, task, pure=False, retries=0)
        future.add_done_callback(lambda _: ended())
        return future

    def _result(self, future: Foreign, task: Task) -> Answer | Lost:
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError

        try:
            return future.result()
        except KilledWorker as error:
            return Lost(task, str(error))
        except FutureCancelledError as error:
            raise StudyError(_lost(self._client, error)) from None
        except Exception as error:  # the task or its answer could not be read: without Twofold, or with another
            raise no_answer("the Dask cluster", error) from error

    def _check(self) -> None:
        if self._client.status not in ("running", "newly-created"):
            raise StudyError(_lost(self._client, self._client.status))


def _lost(client: Foreign, reason: object) -> str:
    address = getattr(client.scheduler, "address", "its address")
    return (
        f"the Dask scheduler at {address} was lost ({reason}); what has finished is kept. Start it again, and the same "
        "command goes on."
    )
