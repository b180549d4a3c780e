"""Many creates: every line of a file is created once, and its outcome is written."""

from __future__ import annotations

import os
import sqlite3
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import aclosing, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..._create.creator import CreateOutcome
from ..._files import replacing
from ..._protocol.converter import dumps
from ...client import AICCClient
from ...errors import ConfigError, UnknownOutcome
from ...journal.owner import lock_file
from ...models import NewCase
from ..verbose import is_verbose
from .records import Line, Records

STATUSES = ("created", "already", "rejected", "unknown")
# Between plain lines.
LINE_INTERVAL = 30.0  # seconds

Show = Callable[[Counter[str]], None]


async def create_all(
    aicc: AICCClient, records: Records, results: Path, *, total: int, console: Console
) -> Counter[str]:
    """Create the case of every line, write a line for each, and count the outcomes.

    The results appear when all are known; until then the journal holds them.
    """
    counts: Counter[str] = Counter()
    under_way: deque[Line] = deque()

    def items() -> Iterator[tuple[str, NewCase]]:
        for line in records:
            under_way.append(line)
            yield line.key, line.new

    with _open(results) as file, _display(console, total) as show:
        async with aclosing(aicc.create_cases(items())) as outcomes:
            # They come in the order of the items.
            async for outcome in outcomes:
                counts[outcome.status] += 1
                _write(file, under_way.popleft(), outcome)
                show(counts)
    return counts


@contextmanager
def _open(results: Path) -> Iterator[BinaryIO]:
    """Open the results, for one run at a time: two would write the same hidden file."""
    target = Path(os.path.realpath(results))
    beside = target.with_name(f".{target.name}.lock")
    try:
        lock = lock_file(beside)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY:
            raise ConfigError(f"--results: another run is writing {results}") from None
        raise ConfigError(f"--results: cannot write {results}") from None
    with closing(lock):
        try:
            with replacing(results) as part, part.open("wb") as file:
                yield file
        finally:
            # Windows removes no open file.
            with suppress(OSError):
                beside.unlink()


def _write(file: BinaryIO, line: Line, outcome: CreateOutcome) -> None:
    fields: dict[str, Any] = {"line": line.number, "key": line.key, "outcome": outcome.status}
    if outcome.case_id:
        fields["caseId"] = outcome.case_id
    if outcome.error:
        fields["reason"] = str(outcome.error)
    if isinstance(outcome.error, UnknownOutcome):
        fields["candidates"] = outcome.error.candidates
    file.write(dumps(fields) + b"\n")


def format_counts(counts: Counter[str]) -> str:
    """Return how many lines came to each status."""
    return ", ".join(f"{counts[status]:,} {status}" for status in STATUSES)


@contextmanager
def _display(console: Console, total: int) -> Iterator[Show]:
    """Yield a function that shows progress: a bar on a terminal, elsewhere a line now and then."""
    if console.is_terminal and not is_verbose():
        columns = (
            *(BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[outcomes]}")),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("create", total=total, outcomes="")
            yield lambda counts: bar.update(
                task, completed=counts.total(), outcomes=format_counts(counts)
            )
        return
    shown = time.monotonic()

    def show(counts: Counter[str]) -> None:
        nonlocal shown
        if time.monotonic() - shown >= LINE_INTERVAL:
            shown = time.monotonic()
            line = f"{counts.total():,} of {total:,}: {format_counts(counts)}"
            console.print(line, soft_wrap=True, highlight=False)

    yield show
