"""Many creates: every line of a file is sent once, and told what became of it."""

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
from ...journal.owner import locked
from ...models import NewCase
from .records import Line, Records

WORDS = ("created", "already", "rejected", "unknown")
SELDOM = 30.0  # seconds between plain lines

Show = Callable[[Counter[str]], None]


async def create_all(
    aicc: AICCClient, records: Records, results: Path, *, total: int, console: Console
) -> Counter[str]:
    """Create the case of every line, write a line for each, and count the outcomes.

    The results appear when all are known; until then the journal knows.
    """
    counts: Counter[str] = Counter()
    under_way: deque[Line] = deque()

    def items() -> Iterator[tuple[str, NewCase]]:
        for line in records:
            under_way.append(line)
            yield line.key, line.new

    with _file(results) as file, _display(console, total) as show:
        async with aclosing(aicc.create_cases(items())) as outcomes:
            async for outcome in outcomes:  # in the order of the items
                counts[outcome.status] += 1
                _write(file, under_way.popleft(), outcome)
                show(counts)
    return counts


@contextmanager
def _file(path: Path) -> Iterator[BinaryIO]:
    """Open the results' file, for one run at a time: the next would take the half-written one."""
    target = Path(os.path.realpath(path))
    beside = target.with_name(f".{target.name}.lock")
    with _locked(path, beside), replacing(path) as part, part.open("wb") as file:
        yield file


@contextmanager
def _locked(path: Path, beside: Path) -> Iterator[None]:
    try:
        lock = locked(beside)
    except sqlite3.Error as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise ConfigError(f"--results: another run is writing {path}") from None
        raise ConfigError(f"--results: {path} can't be written there") from None
    with closing(lock):
        try:
            yield
        finally:
            with suppress(OSError):  # Windows removes no open file
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


def told(counts: Counter[str]) -> str:
    """Say how many came to what."""
    return ", ".join(f"{counts[word]:,} {word}" for word in WORDS)


@contextmanager
def _display(console: Console, total: int) -> Iterator[Show]:
    """Give a function that shows progress: a bar on a terminal, a plain line now and then else."""
    if not console.is_terminal:
        yield _lines(console, total)
        return
    columns = (
        *(BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[told]}")),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("create", total=total, told="")
        yield lambda counts: bar.update(task, completed=counts.total(), told=told(counts))


def _lines(console: Console, total: int) -> Show:
    shown = time.monotonic()

    def show(counts: Counter[str]) -> None:
        nonlocal shown
        if time.monotonic() - shown >= SELDOM:
            shown = time.monotonic()
            line = f"{counts.total():,} of {total:,}: {told(counts)}"
            console.print(line, soft_wrap=True, highlight=False)

    return show
