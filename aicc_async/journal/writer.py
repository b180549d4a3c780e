"""One thread that has the database: whatever waits is written in one durable transaction."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from ..errors import JournalError

T = TypeVar("T")
MOST = 256  # jobs of a transaction
_Job = tuple[Callable[[sqlite3.Connection], Any], "Future[Any]"]


class Writer:
    """Runs jobs in the order of their coming; a sync of the disk is shared by those that wait."""

    def __init__(
        self, connect: Callable[[], sqlite3.Connection], *, at_end: Callable[[], None]
    ) -> None:
        self._connect = connect
        self._at_end = at_end
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    async def run(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run a job within a transaction, and return what it did when that is on the disk."""
        return await asyncio.wrap_future(self.put(job))

    def put(self, job: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Have a job run soon."""
        outcome: Future[T] = Future()
        outcome.set_running_or_notify_cancel()  # it will run, whoever waits for it
        self._jobs.put((job, outcome))
        return outcome

    async def close(self) -> None:
        """Run what waits, and end; whoever is cancelled here leaves that to the thread."""
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        db = None
        while jobs := self._waiting():
            try:
                db = db or self._connect()
                found = _transaction(db, [job for job, _ in jobs])
            except BaseException as error:  # noqa: BLE001  (those who wait have it; others wait too)
                for _, outcome in jobs:
                    outcome.set_exception(_failure(error))
            else:
                for (_, outcome), each in zip(jobs, found, strict=True):
                    outcome.set_result(each)
        if db:
            db.close()
        self._at_end()

    def _waiting(self) -> list[_Job]:
        """Wait for a job, and take those that wait with it; none: the end."""
        first = self._jobs.get()
        jobs = [first] if first else []
        while jobs and len(jobs) < MOST:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                break
            if job is None:
                self._jobs.put(None)
                break
            jobs.append(job)
        return jobs


def _transaction(
    db: sqlite3.Connection, jobs: list[Callable[[sqlite3.Connection], Any]]
) -> list[Any]:
    db.execute("BEGIN IMMEDIATE")
    try:
        found = [job(db) for job in jobs]
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return found


def _failure(error: BaseException) -> BaseException:
    if isinstance(error, sqlite3.Error | OSError):
        return JournalError(f"the journal can't be written: {error}")
    return error
