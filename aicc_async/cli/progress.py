"""How far an export is: a live bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
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
from ..export import Progress

FIRST = 5.0  # seconds until the first plain line; the time between them doubles
SELDOM = 60.0  # seconds between plain lines at most

Show = Callable[[Progress], None]


@contextmanager
def display(console: Console, stats: Stats) -> Iterator[Show]:
    """Give a function that shows progress; a terminal is left as it was."""
    if not console.is_terminal:
        yield _lines(console)
        return
    columns = (
        TextColumn("windows {task.fields[windows]}"),
        BarColumn(bar_width=None, table_column=Column(ratio=1)),  # what the figures leave
        _Figures(stats),
    )
    bar = Bar(*columns, console=console, expand=True)
    # short of the margin: a ^C that the terminal shows must not break the line that is erased
    line = Constrain(bar, console.width - len("^C") - 1)
    with Live(line, console=console, refresh_per_second=10, transient=True):
        yield _bar(bar)


def _bar(bar: Bar) -> Show:
    task = bar.add_task("export", total=None, windows="…", state=None)

    def show(state: Progress) -> None:
        windows = f"{state.windows_done}/{state.windows}"
        bar.update(task, total=1.0, completed=state.fraction, windows=windows, state=state)

    return show


def _lines(console: Console) -> Show:
    began = shown = time.monotonic()

    def show(state: Progress) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown < min(max(shown - began, FIRST), SELDOM):
            return
        shown = now
        figures = _figures(state, now - began)
        line = f"windows {state.windows_done}/{state.windows}, {figures}"
        console.print(line, soft_wrap=True, highlight=False)

    return show


class _Figures(ProgressColumn):
    """Written anew at every refresh: while the service makes everybody wait, no page comes."""

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
    rate = (state.rows - state.resumed) / max(seconds, 1e-9)
    done = f"{100 * state.fraction:.0f} %, {state.rows:,} rows"
    text = f"{done}, {rate:,.0f} rows/s, {state.throttled:,} throttles"
    if not rate:
        return text
    return f"{text}, {timedelta(seconds=round((state.total - state.rows) / rate))} left"
