"""What all sinks share: the protocol, lines in batches, and the thread that writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

from attrs import Factory, define

from ...errors import ExportError
from ..concurrency import call_in_thread
from ..stop import current_stop

T = TypeVar("T")
Batch = Sequence[bytes]
# Of a file that is read or written line by line.
BUFFER_SIZE = 2**20  # bytes
# After so many it is looked whether the user interrupted, and the loop has its turn. The records
# of a thousand would outlive young collections, and cause full ones, which hold all threads; nor
# would their values fit into the processor's cache.
LINES_PER_BATCH = 250


@define
class Misfits:
    """How many values of a field were not as documented, and the id of the first such row."""

    example: str
    count: int = 0


@define
class Written:
    """What a sink has written: the rows that are ``added``, and how many are there in ``total``.

    ``deleted`` are the rows that a table has marked.

    ``misfits`` are the values that went into ``extra``, by their wire names.
    """

    added: int = 0
    total: int = 0
    deleted: int = 0
    misfits: dict[str, Misfits] = Factory(dict)


Seal = Callable[[Path | None, Written], object]


def ignore(file: Path | None, written: Written) -> None:
    """Do nothing with what is written."""


class Sink(Protocol):
    """Where rows go: it has them all when ``write`` ends, or is as it was.

    A table counts the rows' ids before it commits, and raises ExportError when any is not there.
    """

    @property
    def upserts(self) -> bool:
        """Whether a row that is there already is brought up to date."""
        ...

    def write(self, batches: Iterable[Batch], *, keep: bool, seal: Seal = ignore) -> int:
        """Write lines of JSON, and return how many are new; ``keep`` what is there already.

        ``seal`` is called with the new file before that takes the target's place: what it raises
        leaves all as it was. A table calls it once it is committed, a server's with None.
        """
        ...


class Table(Sink, Protocol):
    """A table of cases, which can be marked as deleted."""

    def newest_date(self) -> datetime | None:
        """Return the newest creation date, aware; None if there is no table, or no such row."""
        ...

    def has_rows(self) -> bool:
        """Return whether the table is there and not empty."""
        ...

    def created_dates(self, since: datetime) -> dict[str, datetime]:
        """Return the aware creation dates of later cases that are not marked, by id."""
        ...

    def write(
        self,
        batches: Iterable[Batch],
        *,
        keep: bool,
        seal: Seal = ignore,
        deleted: Sequence[str] | None = None,
    ) -> int:
        """Write as a sink does, and mark the cases that are ``deleted`` in the same transaction.

        None: nobody has looked for such cases. A case whose row is written is not deleted.
        """
        ...


def batch_lines(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield lines in lists, none of them empty, until the thread is stopped."""
    rest, stop = iter(lines), current_stop()
    while batch := list(islice(rest, LINES_PER_BATCH)):
        stop.check()
        yield batch


async def write_rows(
    rows: Path,
    *,
    total: int,
    write: Callable[[Iterable[Batch]], T],
    show: Callable[[int], None],
) -> T:
    """Call what writes the batches of a file of ``total`` rows in a thread; return its value.

    When the file has another number of rows, ExportError is raised. ``show`` is called now and then
    with the number of rows so far. When it raises or the task is cancelled, a sink is stopped at
    the next batch, leaves the target as it was, and is waited for.
    """
    written = 0

    def batches() -> Iterator[Batch]:
        nonlocal written
        with rows.open("rb", buffering=BUFFER_SIZE) as file:
            for batch in batch_lines(file):
                yield batch
                written += len(batch)
        # Within the sink's transaction, so that nothing is committed.
        if written != total:
            raise ExportError(
                f"cannot use {rows}: it must have {total} rows, got {written}",
                resume="run the same again with restart=True (--restart)",
            )

    return await call_in_thread(lambda: write(batches()), tick=lambda: show(written))


def copy_file(source: Path, target: Path) -> None:
    """Copy a file over another one, however long that takes; call it in a thread."""
    stop = current_stop()
    with source.open("rb", buffering=0) as whole, target.open("wb", buffering=0) as copy:
        while piece := whole.read(BUFFER_SIZE):
            stop.check()
            rest = memoryview(piece)
            while rest:
                rest = rest[copy.write(rest) :]


def check_count(target: object, *, read: int, found: int) -> None:
    """Raise ExportError unless a table has the ids of all rows that were read."""
    if read != found:
        raise ExportError(
            f"cannot commit to {target}: it must have the ids of all {read} rows that were read,"
            f" got {found}. Something drops rows: a trigger, a rule or a policy?",
            resume="find it, then run the same again",
        )
