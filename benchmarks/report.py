"""``RESULTS.md``: every figure with its spread, its target, and the command that measured it."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from peers.comparison import load_comparisons, write_table
from results import Result

KEPT = Path(__file__).parent / "results.json"
REPORT = Path(__file__).parent / "RESULTS.md"
PACKAGES = ("aiohttp", "attrs", "cattrs", "msgspec", "tenacity", "orjson", "pyarrow")

HOW = """\
Ratios are of runs that took turns on the same machine, and tell more than the absolute figures. The
tenant is the emulator, in a process of its own on the same machine: it takes a part of the CPU.
`x` is times, below 1 is less than what it is compared with.
"""
PEERS_HOW = """\
Each program reads the same rows into JSON lines, in an environment of its own with pinned releases
(`peers/requirements-*.txt`), set up as its own documentation has it (`peers/peer_*.py`): offset and
limit in the body, windows of 31 days, eight readers at a time where that is a setting. The time is
that of the whole process, its start too. With latency it is one run.
*Lost* and *doubled*: of 10,000 rows in one window, eight are deleted, or eight are inserted, one
every ten pages, while it is read; how many that were there all the time are missing, and how many
are there twice. *Noticed* is what the program itself said of it.

faucet-stream was not measured: its binary is neither on PyPI nor on npm (the packages called
`faucet` there are other programs).
"""
BETTER = """\
What the others do better:

- **Memory**: the three loops and singer-sdk hold less; they keep nothing to compare with.
- **The bare loop** of aiohttp and orjson takes less CPU, and it and httpx are a
  little quicker at 50 ms: they parse each row and check nothing.
- **dlt** infers and evolves a schema, normalizes nested data, and loads into warehouses, lakes
  and databases; this package has its own dlt source for that. Its state is kept in the destination.
- **airbyte-cdk** needs no code at all: its manifest runs in Airbyte, with the destinations,
  schedules and incremental state that are operated there.
- **singer-sdk** taps pipe into any Singer target, with state messages, stream maps and selection.
- **httpx + pydantic** are libraries that many programs have already, and the models are your own.
"""


def describe_machine() -> dict[str, str]:
    """Return what the figures depend on: the machine, Python, the libraries."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        named = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
        model = named[0] if named else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    libraries = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return {
        "machine": f"{os.cpu_count()} x {model}, {memory:.0f} GB, {platform.system()}",
        # Above 3 or so, somebody else used the machine: take the figures again.
        "load when the last bench ended": f"{os.getloadavg()[0]:.1f}",
        "versions": f"{platform.python_implementation()} {platform.python_version()}, {libraries}",
    }


def write_report(kept: dict[str, Any]) -> None:
    """Write the file."""
    benches = dict(kept["benches"])
    peers = benches.pop("peers", None)
    lines = [
        "# What was measured",
        "",
        "`python -m benchmarks` measures everything and writes this page.",
        "",
        *(f"- {name}: {text}" for name, text in kept.get("machine", {}).items()),
        "",
        HOW,
        "## This package",
        "",
        "| command | figure | median | lowest | highest | rounds | target | | date |",
        "|---|---|--:|--:|--:|--:|--:|---|---|",
    ]
    for _, each in sorted(benches.items()):
        lines += [_row(each, Result(**fields)) for fields in each["results"]]
    if peers:
        lines += ["", "## Other ways to read all cases", ""]
        lines += [f"`{peers['command']}`, {peers['date']}.", "", PEERS_HOW]
        lines += [*write_table(load_comparisons(peers["results"])), "", BETTER]
    REPORT.write_text("\n".join(lines).rstrip() + "\n")


def show(value: float) -> str:
    """Write a figure with three digits, or all of those before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _row(bench: dict[str, Any], result: Result) -> str:
    bound = "≥" if result.is_higher_better else "≤"
    cells = [
        f"`{bench['command']}`",
        result.name,
        f"{show(result.median)} {result.unit}",
        show(result.low),
        show(result.high),
        str(result.rounds),
        "" if result.target is None else f"{bound} {show(result.target)}",
        "" if result.target is None else ("met" if result.is_met() else "**missed**"),
        bench["date"],
    ]
    return f"| {' | '.join(cells)} |"
