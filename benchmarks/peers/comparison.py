"""The peers on one tenant: speed at several latencies, and what they make of rows that move."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import timedelta
from statistics import median
from subprocess import CalledProcessError
from typing import Any

from attrs import define, field, frozen
from peers.environments import Peer, find_python
from peers.runs import run_peer, split_range
from tenant import UNTIL, YEAR, tenant

from aicc_async import CaseQuery
from aicc_async.emulator import Emulator, Latency

ROWS = 100_000
LATENCIES = (0, 50, 200)  # ms
# So many of so many rows in one window move while it is read, one every so many pages.
MOVING_ROWS, MOVES, PAGES_PER_MOVE = 10_000, 8, 10
MONTH = CaseQuery(start_time=UNTIL - timedelta(days=31), end_time=UNTIL)


@frozen(kw_only=True)
class Moved:
    """What rows that moved did to the output: cases lost, rows doubled, and what was said of it."""

    lost: int
    doubled: int
    noticed: str


@define(kw_only=True)
class Comparison:
    """The figures of one peer; ``problem`` is why it has none.

    ``rates`` are rows a second by milliseconds of latency; ``cpu`` is milliseconds of CPU per 1,000
    rows and ``megabytes`` the peak of resident memory, both without latency.
    """

    name: str
    title: str
    problem: str = ""
    rates: dict[int, list[float]] = field(factory=dict)
    cpu: list[float] = field(factory=list)
    megabytes: list[float] = field(factory=list)
    deleted: Moved | None = None
    inserted: Moved | None = None


def load_comparisons(found: Iterable[dict[str, Any]]) -> list[Comparison]:
    """Return the comparisons that ``attrs.asdict`` and JSON made objects of."""
    comparisons = []
    for each in found:
        moved = {name: each[name] and Moved(**each[name]) for name in ("deleted", "inserted")}
        rates = {int(latency): rates for latency, rates in each["rates"].items()}
        comparisons.append(Comparison(**{**each, **moved, "rates": rates}))
    return comparisons


@frozen
class Mover:
    """Deletes the newest case, or inserts one, after every ten pages, eight times."""

    change: str

    def __call__(self, emulator: Emulator, page: int) -> None:
        """Change the tenant if it is time to."""
        if page % PAGES_PER_MOVE or page > PAGES_PER_MOVE * MOVES:
            return
        if self.change == "insert":
            emulator.insert(createdDate=str(UNTIL.replace(tzinfo=None) - timedelta(seconds=1)))
        else:
            emulator.delete(emulator.ids()[-1])


def compare(
    peers: Sequence[Peer], *, rows: int = ROWS, latencies: Sequence[int] = LATENCIES, rounds: int
) -> list[Comparison]:
    """Measure all peers, in turns."""
    found = {peer: Comparison(name=peer.name, title=peer.title) for peer in peers}
    for peer, comparison in found.items():
        try:
            find_python(peer)
        except (CalledProcessError, OSError) as error:
            comparison.problem = f"could not be installed: {error}"
    ready = {peer: each for peer, each in found.items() if not each.problem}
    for latency in latencies:
        _measure_speed(ready, rows, latency, rounds)
    for peer, comparison in ready.items():
        comparison.deleted = _move_rows(peer, "delete")
        comparison.inserted = _move_rows(peer, "insert")
        print(f"{peer.title}: {comparison.deleted}, {comparison.inserted}", flush=True)
    return list(found.values())


def _measure_speed(found: dict[Peer, Comparison], rows: int, latency: int, rounds: int) -> None:
    """Add the rates at a latency; without one, CPU and memory too."""
    windows = split_range(YEAR)
    delay = Latency(latency / 1000) if latency else None
    with tenant(cases=rows) as server:
        # The first run is not counted: from then on the tenant has its pages at hand.
        run_peer(next(iter(found)), server, windows)
        server.set(latency=delay)
        for _ in range(1 if latency else rounds):
            for peer, comparison in found.items():
                run = run_peer(peer, server, windows)
                assert len(run.ids) == run.ids.total() == rows, f"{peer.title}: {run}"
                rate = rows / run.seconds
                comparison.rates.setdefault(latency, []).append(rate)
                if not latency:
                    comparison.cpu.append(1000 * run.cpu / (rows / 1000))
                    comparison.megabytes.append(run.megabytes)
                print(f"{latency} ms: {peer.title} {rate:,.0f} rows/s", flush=True)


def _move_rows(peer: Peer, change: str) -> Moved:
    """Read a window while rows come or go."""
    stays = asyncio.run(_ids())[: -MOVES if change == "delete" else None]
    with tenant(MONTH, cases=MOVING_ROWS, on_page=Mover(change)) as server:
        run = run_peer(peer, server, split_range(MONTH))
    return Moved(
        lost=len(set(stays) - set(run.ids)),
        doubled=run.ids.total() - len(run.ids),
        noticed=run.remark,
    )


async def _ids() -> list[str]:
    """Return the ids of the window before anything moves: the same ones for the same seed."""
    assert MONTH.start_time
    since = MONTH.start_time.replace(tzinfo=None)
    async with Emulator(cases=MOVING_ROWS, since=since) as emulator:
        return emulator.ids()


def write_table(comparisons: Iterable[Comparison]) -> list[str]:
    """Return the lines of a table in Markdown: medians, lost and doubled."""
    latencies = sorted({latency for each in comparisons for latency in each.rates})
    rates = [f"rows/s at {latency} ms" for latency in latencies]
    heads = ["program", *rates, "CPU ms per 1,000 rows", "peak MB"]
    heads += [f"{MOVES} deleted: lost, doubled", f"{MOVES} inserted: lost, doubled", "noticed"]
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|--:" * (len(heads) - 2) + "|---|"]
    for each in comparisons:
        cells = [_show(each.rates.get(latency, [])) for latency in latencies]
        cells += [_show(each.cpu), _show(each.megabytes)]
        if each.deleted and each.inserted:
            cells += [f"{moved.lost}, {moved.doubled}" for moved in (each.deleted, each.inserted)]
            cells.append(each.deleted.noticed or each.inserted.noticed or "nothing")
        else:
            cells += ["", "", each.problem]
        lines.append("| " + " | ".join([each.title, *cells]) + " |")
    return lines


def show_median(values: Sequence[float]) -> str:
    """Write a median, with a decimal below ten."""
    middle = median(values)
    return f"{middle:,.0f}" if middle >= 10 else f"{middle:.1f}"


def _show(values: Sequence[float]) -> str:
    if not values:
        return ""
    shown = show_median(values)
    if len(values) > 1:
        shown += f" ({show_median([min(values)])} to {show_median([max(values)])})"
    return shown
