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
from .database import RESTORE

T = TypeVar("T")
MAX_JOBS_PER_TRANSACTION = 256
CLOSE_TIMEOUT = 1.0  # seconds
_Job = tuple[Callable[[sqlite3.Connection], Any], "Future[Any]"]


class Writer:
    """Runs jobs in the order in which they come; those that wait share one sync of the disk.

    ``name`` is that of the journal, for errors. ``check`` is called before each commit, and raises
    what it must not go through with; ``at_end`` is called when all jobs are done.
    """

    def __init__(
        self,
        name: str,
        *,
        connect: Callable[[], sqlite3.Connection],
        check: Callable[[], None],
        at_end: Callable[[], None],
    ) -> None:
        self._name = name
        self._connect = connect
        self._check = check
        self._at_end = at_end
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._ended: Future[None] = Future()
        threading.Thread(target=self._work, daemon=True).start()

    async def run(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run a job within a transaction, and return its result when that is on the disk.

        Raises JournalError when the database can't be used.
        """
        return await asyncio.wrap_future(self.put(job))

    def put(self, job: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Queue a job, and return its outcome."""
        outcome: Future[T] = Future()
        # A caller that is cancelled doesn't cancel the job.
        outcome.set_running_or_notify_cancel()
        self._jobs.put((job, outcome))
        return outcome

    async def close(self) -> None:
        """Run what waits, and end; when this is cancelled, the thread does so all the same.

        A database that is locked is not waited for longer than ``CLOSE_TIMEOUT``: the thread goes
        on, and what a process that ends takes with it is looked up by the next one.
        """
        self._jobs.put(None)
        # No thread of the loop's: the end of the program would wait for it.
        await asyncio.wait([asyncio.wrap_future(self._ended)], timeout=CLOSE_TIMEOUT)

    def _work(self) -> None:
        db = None
        while jobs := self._wait_for_jobs():
            try:
                db = db or self._connect()
                results = _transaction(db, [job for job, _ in jobs], self._check)
            except BaseException as error:  # noqa: BLE001  (the callers have it; the thread goes on)
                # The module fails to decode SQLite's message where that quotes a damaged file.
                is_garbled = isinstance(error, UnicodeDecodeError)
                is_ours = is_garbled or isinstance(error, sqlite3.Error | OSError)
                reason = "its schema is damaged" if is_garbled else error
                text = f"cannot use the journal {self._name}: {reason}"
                code = getattr(error, "sqlite_errorcode", 0) & 0xFF
                if is_garbled or code == sqlite3.SQLITE_CORRUPT:
                    text += f". {RESTORE}"
                # An error for each caller: the creator adds the id of the case that was made.
                for _, outcome in jobs:
                    outcome.set_exception(JournalError(text) if is_ours else error)
            else:
                for (_, outcome), result in zip(jobs, results, strict=True):
                    outcome.set_result(result)
        if db:
            db.close()
        self._at_end()
        self._ended.set_result(None)

    def _wait_for_jobs(self) -> list[_Job]:
        """Wait for a job, and return it with those that wait behind it; none at the end."""
        first = self._jobs.get()
        jobs = [first] if first else []
        while jobs and len(jobs) < MAX_JOBS_PER_TRANSACTION:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                break
            # The end: found again at the next call, after these jobs.
            if job is None:
                self._jobs.put(None)
                break
            jobs.append(job)
        return jobs


def _transaction(
    db: sqlite3.Connection,
    jobs: list[Callable[[sqlite3.Connection], Any]],
    check: Callable[[], None],
) -> list[Any]:
    db.execute("BEGIN IMMEDIATE")
    try:
        results = [job(db) for job in jobs]
        check()
        db.execute("COMMIT")
    except BaseException:
        # A full disk may have ended the transaction already.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return results
