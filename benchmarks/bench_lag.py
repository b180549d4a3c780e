"""How late an export makes its event loop: 1,000,000 rows into each format, beside a ticker.

A ticker sleeps a millisecond, again and again, and records how late it is, and how much CPU the
loop's thread has taken since the tick before. The first is what a service feels; the machine's
other programs are in it too. The second is ours alone, without what waits for a disk or the GIL.
An idle loop is measured in the same process before and after. ``--why`` names what held the loop,
and slows it a little. Databases and objects: give their URLs.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from argparse import ArgumentParser
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Literal

from attrs import Factory, define, frozen
from results import Options, Result, run, summarize
from tenant import DECADE, Tenant, tenant

from aicc_async import export_cases

ROWS, QUICK_ROWS = 1_000_000, 100_000
FILES = ("jsonl", "jsonl.gz", "jsonl.zst", "csv", "db", "parquet", "month")
TICK_INTERVAL = 0.001  # seconds
IDLE_SECONDS = 2.0
SAMPLE_INTERVAL = 0.002  # seconds
SLOW = 0.008  # seconds late, from which it is asked why
CAUSES_SHOWN = 12
MAX_P99, MAX_LAG = 5, 20  # ms over an idle loop's p99; ms
PACKAGE = "aicc_async"


@define
class Ticker:
    """The lags of a loop, and the CPU seconds of its thread between two ticks."""

    lags: array[float] = Factory(lambda: array("d"))
    stretches: array[float] = Factory(lambda: array("d"))
    due: float = 0.0
    cpu: float = 0.0

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            self.cpu, self.due = time.thread_time(), time.perf_counter() + TICK_INTERVAL
            await asyncio.sleep(TICK_INTERVAL)
            self.lags.append(time.perf_counter() - self.due)
            self.stretches.append(time.thread_time() - self.cpu)


@frozen
class Lag:
    """What a ticker has seen, in seconds; ``stretch`` is the longest CPU time between two ticks."""

    p50: float
    p99: float
    longest: float
    stretch: float

    @classmethod
    def of(cls, ticker: Ticker) -> Lag:
        """Return the percentiles of a ticker."""
        lags = sorted(ticker.lags)
        count = len(lags)
        return cls(lags[count // 2], lags[count * 99 // 100], lags[-1], max(ticker.stretches))


@frozen
class Outcome:
    """An export's lag and the idle loop's, the seconds that it took, and what made it late.

    Of each cause there are the CPU seconds of the loop's thread, and how late it was.
    """

    busy: Lag
    idle: Lag
    seconds: float
    causes: dict[str, tuple[float, float]]


async def _tick_while_idle(ticker: Ticker) -> None:
    task = asyncio.create_task(ticker.run())
    await asyncio.sleep(IDLE_SECONDS)
    task.cancel()


async def measure(server: Tenant, target: str, rows: int, *, why: bool) -> Outcome:
    """Export beside a ticker."""
    # A service that runs for a while has collected what its start has left.
    gc.collect()
    idle, busy, causes = Ticker(), Ticker(), dict[str, tuple[float, float]]()
    await _tick_while_idle(idle)
    async with server.client() as aicc:
        by: Literal["month"] | None = "month" if target.endswith("month") else None
        task = asyncio.create_task(busy.run())
        await asyncio.sleep(10 * TICK_INTERVAL)
        with _witness(busy, causes) if why else nullcontext():
            report = await export_cases(
                aicc, DECADE, target, format="parquet" if by else None, partition_by=by
            )
            # What the export left to be freed is its lag, too.
            await asyncio.sleep(10 * TICK_INTERVAL)
            task.cancel()
    assert report.verified
    assert report.rows == rows
    await _tick_while_idle(idle)
    return Outcome(Lag.of(busy), Lag.of(idle), report.seconds, causes)


@contextmanager
def _witness(ticker: Ticker, causes: dict[str, tuple[float, float]]) -> Iterator[None]:
    """Note where the loop's thread is whenever the ticker is late, and the collector's longest."""
    loop_thread, is_done, began = threading.get_ident(), threading.Event(), 0.0
    clock = time.pthread_getcpuclockid(loop_thread)

    def note(cause: str, cpu: float, late: float) -> None:
        before = causes.get(cause, (0.0, 0.0))
        causes[cause] = max(before[0], cpu), max(before[1], late)

    def watch() -> None:
        while not is_done.wait(SAMPLE_INTERVAL):
            late, cpu = time.perf_counter() - ticker.due, time.clock_gettime(clock) - ticker.cpu
            # A frame may end while it is looked at: CPython 3.11 shows other objects then.
            with suppress(AttributeError):
                if late > SLOW:
                    note(_describe(loop_thread), cpu, late)

    def collect(phase: str, info: dict[str, int]) -> None:
        nonlocal began
        if phase == "stop":
            note(f"gc {info['generation']}", time.thread_time() - began, 0.0)
        began = time.thread_time()

    gc.callbacks.append(collect)
    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        is_done.set()
        thread.join()
        gc.callbacks.remove(collect)


def _describe(loop_thread: int) -> str:
    """Return where the loop is, and where others are while it waits for the GIL."""
    frames, us = sys._current_frames(), threading.get_ident()  # noqa: SLF001  (there is no other)
    place = _place(frames.pop(loop_thread))
    others = [_place(frame) for thread, frame in frames.items() if thread != us]
    is_idle = place.startswith("select")
    return f"idle, while {', '.join(sorted(others)) or 'nobody'}" if is_idle else place


def _place(frame: FrameType) -> str:
    """Return the innermost function, and the innermost lines of ours."""
    where, ours = f"{frame.f_code.co_name}", list[str]()
    each: FrameType | None = frame
    while each and len(ours) < 3:
        if PACKAGE in each.f_code.co_filename:
            ours.append(f"{Path(each.f_code.co_filename).name}:{each.f_lineno}")
        each = each.f_back
    return f"{where} {' < '.join(ours)}"


def export(server: Tenant, target: str, rows: int, *, why: bool) -> Outcome:
    """Measure in a process of its own."""
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(theirs, server, target, rows, why))
    process.start()
    theirs.close()
    outcome: Outcome = ours.recv()
    process.join()
    return outcome


def _run(pipe: Connection, server: Tenant, target: str, rows: int, why: bool) -> None:
    pipe.send(asyncio.run(measure(server, target, rows, why=why)))


def show(name: str, outcome: Outcome) -> list[Result]:
    """Print milliseconds, and return them."""
    busy, idle = outcome.busy, outcome.idle
    p50, p99, longest, stretch = (
        1000 * each for each in (busy.p50, busy.p99, busy.longest, busy.stretch)
    )
    print(f"{name:12} {p50:6.2f} {p99:6.2f} {longest:7.2f} {stretch:9.2f}", end=" ")
    print(f"{1000 * idle.p99:9.2f} {1000 * idle.longest:8.2f} {outcome.seconds:8.1f}", flush=True)
    causes = sorted(outcome.causes.items(), key=lambda each: each[1], reverse=True)
    for cause, (cpu, late) in causes[:CAUSES_SHOWN]:
        print(f"    CPU {1000 * cpu:6.1f}, late {1000 * late:6.1f}  {cause}", flush=True)
    over_idle = 1000 * (busy.p99 - idle.p99)
    return [
        summarize(f"{name}: p99 over an idle loop's", [over_idle], unit="ms", target=MAX_P99),
        summarize(f"{name}: longest", [longest], unit="ms", target=MAX_LAG),
    ]


def bench(options: Options) -> list[Result]:
    """Measure each format."""
    rows, why = QUICK_ROWS if options.quick else options.given.rows, options.given.why
    results = list[Result]()
    print("ms late         p50    p99     max  max CPU  idle p99 idle max  seconds")
    with tenant(DECADE, cases=rows) as server, TemporaryDirectory() as folder:
        files = {name: str(Path(folder) / f"cases.{name}") for name in FILES}
        # From now on the tenant has its pages at hand.
        export(server, files["jsonl"], rows, why=False)
        urls = {url.partition(":")[0]: url for url in options.words}
        for name, target in (files | urls).items():
            results += show(name, export(server, target, rows, why=why))
    return results


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--why", action="store_true", help="name what held the loop")
    sys.exit(run(bench, parser))
