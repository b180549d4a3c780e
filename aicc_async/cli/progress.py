"""What an export prints: a live bar or a plain line now and then, and a summary at its end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from attrs import evolve
from rich.console import Console
from rich.constrain import Constrain
from rich.live import Live
from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
from rich.progress import Progress as Bar
from rich.table import Column
from rich.text import Text

from .._transport.session import Stats
from ..export import ExportReport, Progress
from .console import echo, say
from .verbose import is_verbose

# Until the first plain line; the time between them doubles, up to the second one.
FIRST_INTERVAL = 5.0  # seconds
MAX_INTERVAL = 60.0  # seconds
# The manifest has all of them.
MAX_SHOWN_WINDOWS = 5

Show = Callable[[Progress], None]


@contextmanager
def display(console: Console, stats: Stats) -> Iterator[Show]:
    """Yield a function that shows progress; a terminal is left as it was."""
    if not console.is_terminal or is_verbose():
        yield _plain_lines(console)
        return
    columns = (
        TextColumn("windows {task.fields[windows]}"),
        # As wide as the figures leave it.
        BarColumn(bar_width=None, table_column=Column(ratio=1)),
        _FiguresColumn(stats),
    )
    bar = Bar(*columns, console=console, expand=True)
    task = bar.add_task("export", total=None, windows="…", state=None)

    def show(state: Progress) -> None:
        windows = f"{state.windows_done}/{state.windows}"
        bar.update(task, total=1.0, completed=state.fraction, windows=windows, state=state)

    # Short of the margin: a ^C that the terminal shows must not break the line that is erased.
    line = Constrain(bar, console.width - len("^C") - 1)
    with Live(line, console=console, refresh_per_second=10, transient=True):
        yield show


def _plain_lines(console: Console) -> Show:
    started = shown = time.monotonic()

    def show(state: Progress) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown < min(max(shown - started, FIRST_INTERVAL), MAX_INTERVAL):
            return
        shown = now
        figures = _figures(state, now - started)
        line = f"windows {state.windows_done}/{state.windows}, {figures}"
        console.print(line, soft_wrap=True, highlight=False)

    return show


class _FiguresColumn(ProgressColumn):
    """The figures, written anew at every refresh: no page comes while everybody is throttled."""

    def __init__(self, stats: Stats) -> None:
        super().__init__()
        self._stats = stats

    def render(self, task: Task) -> Text:
        state: Progress | None = task.fields["state"]
        throttled = self._stats.throttled
        if state is None:
            return Text(f"planning, {throttled:,} throttles", no_wrap=True)
        now = evolve(state, throttled=throttled)
        return Text(_figures(now, task.elapsed or 0.0), no_wrap=True)


def _figures(state: Progress, seconds: float) -> str:
    if state.stage == "planning":
        return f"planning, {state.throttled:,} throttles"
    if state.stage == "writing":
        return f"writing {state.rows:,} rows"
    # Rows of an earlier run are not this one's speed.
    rate = (state.rows - state.resumed) / max(seconds, 1e-9)
    done = f"{100 * state.fraction:.0f} %, {state.rows:,} rows"
    text = f"{done}, {rate:,.0f} rows/s, {state.throttled:,} throttles"
    if not rate:
        return text
    return f"{text}, {timedelta(seconds=round((state.total - state.rows) / rate))} left"


def print_report(report: ExportReport, write: Callable[[str], object] = echo) -> None:
    """Print a line on what was done, and one for everything that is not proven."""
    write(summary(report))
    for window in report.unverified[:MAX_SHOWN_WINDOWS]:
        say(f"unverified: {window.start} to {window.end}: {window.reason}")
    if len(report.unverified) > MAX_SHOWN_WINDOWS:
        more = len(report.unverified) - MAX_SHOWN_WINDOWS
        say(f"unverified: {more} windows more; see the manifest")
    if report.whole and not report.whole.agrees:
        say(
            f"unverified: the service counts {report.whole.announced:,} cases in the whole range,"
            f" its windows brought {report.rows:,}: some may have no date"
        )


def summary(report: ExportReport) -> str:
    """Return the line on what was done, and whether it was proven."""
    rate = report.rows / max(report.seconds, 1e-9)
    size = f"{report.size:,} bytes, " if report.size is not None else ""
    if report.in_table is not None:
        size += f"{report.in_table:,} ids counted in the table, "
    added = ""
    if report.in_target not in (None, report.rows):
        added = f" read, {report.added:,} written, {report.in_target:,} in the target,"
    elif report.added != report.rows:
        added = f" ({report.added:,} of them written)"
    without = f", {report.without_detail:,} without details" if report.without_detail else ""
    deleted = f", {report.deleted:,} marked as deleted" if report.deleted else ""
    counts = Counter(window.verdict for window in report.windows)
    verdicts = ", ".join(f"{number} {verdict}" for verdict, number in sorted(counts.items()))
    return (
        f"{report.target}: {report.rows:,} cases{added} in {len(report.windows)} windows"
        f" ({verdicts}), {size}{report.seconds:.1f} s ({rate:,.0f} rows/s),"
        f" {report.requests} requests, {report.retries} retries,"
        f" {report.throttled} throttles{without}{deleted}"
    )
