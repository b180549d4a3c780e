"""What all sinks share: the protocol, lines in batches, and the thread that writes them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Protocol

from ..concurrency import call_in_thread

Batch = Sequence[bytes]
# Of a file that is read or written line by line.
BUFFER_SIZE = 2**20  # bytes
LINES_PER_BATCH = 1000


class Sink(Protocol):
    """Where rows go: it has them all when ``write`` ends, or is as it was."""

    @property
    def upserts(self) -> bool:
        """Whether a row that is there already is brought up to date."""
        ...

    def write(self, batches: Iterable[Batch], *, keep: bool) -> int:
        """Write lines of JSON, and return how many are new; ``keep`` what is there already."""
        ...


def batch_lines(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield lines in lists, none of them empty."""
    rest = iter(lines)
    while batch := list(islice(rest, LINES_PER_BATCH)):
        yield batch


async def write_rows(sink: Sink, rows: Path, *, keep: bool, show: Callable[[int], None]) -> int:
    """Write a file of rows into a sink, and return how many of them are new.

    ``show`` is called now and then with the number of rows so far. When it raises or the task is
    cancelled, the sink is stopped at the next batch, leaves the target as it was, and is waited
    for.
    """
    stop, written = threading.Event(), 0

    def batches() -> Iterator[Batch]:
        nonlocal written
        with rows.open("rb", buffering=BUFFER_SIZE) as file:
            for batch in batch_lines(file):
                if stop.is_set():
                    raise _StoppedError
                yield batch
                written += len(batch)

    return await call_in_thread(
        lambda: sink.write(batches(), keep=keep), stop=stop, tick=lambda: show(written)
    )


class _StoppedError(BaseException):
    """Ends the thread of a cancelled export; nobody sees it, and no sink takes it for its own."""
