"""The report's charts, in units that the page stretches: windows in their order, totals in time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import frozen

from .verdict import plural
from .window_line import VERDICTS, WindowLine, by_verdict, count, seconds

BARS = 120  # more than that are no bars on a telephone
POINTS = 400
WIDE, HIGH = 1000, 100
TOTALS = {"Requests": "requests", "Retries": "retries", "Throttles": "throttled"}


@frozen
class Bar:
    """One window, or some neighbours; the worst verdict among them counts."""

    x: int
    height: float
    verdict: str
    label: str


@frozen
class Lane:
    """Where the windows of one verdict lie, so that colour is not all that tells."""

    verdict: str
    windows: int
    bars: list[int]


@frozen
class WindowChart:
    """Received as bars against announced as a line; ``each`` windows stand in a bar."""

    bars: list[Bar]
    announced: str
    lanes: list[Lane]
    peak: int
    each: int
    label: str


@frozen
class Total:
    """A running total over the export's time; ``line`` is an SVG path, "" without readings."""

    name: str
    total: int | None
    line: str
    label: str


def window_chart(windows: Sequence[WindowLine]) -> WindowChart:
    """Draw windows in their order; neighbours share a bar when there are very many."""
    each = max(-(-len(windows) // BARS), 1)
    groups = [windows[at : at + each] for at in range(0, len(windows), each)]
    announced = [_sum(line.announced for line in group) for group in groups]
    kept = [_sum(line.kept for line in group) for group in groups]
    peak = max([1, *announced, *kept])
    return WindowChart(
        [_bar(at, group, kept[at] / peak) for at, group in enumerate(groups)],
        "".join(
            f"M{at} {HIGH - number / peak * HIGH:.2f}h1" for at, number in enumerate(announced)
        ),
        [_lane(verdict, groups) for verdict in VERDICTS if by_verdict(windows)[verdict]],
        peak,
        each,
        f"{plural(len(windows), 'window')}: {_sum(announced):,} cases announced, "
        f"{_sum(kept):,} received",
    )


def totals(manifest: dict[str, Any], windows: Sequence[WindowLine]) -> tuple[float, list[Total]]:
    """Draw requests, retries and throttles over time; give the time's end in seconds too."""
    told = sorted((line for line in windows if line.finished is not None), key=_finished)
    told = told[:: -(-len(told) // POINTS) or 1]
    end = max([seconds(manifest.get("seconds")) or 0.0, *map(_finished, told)])
    return end, [
        _total(name, count(manifest.get(field)), end, _points(told, field))
        for name, field in TOTALS.items()
    ]


def _finished(line: WindowLine) -> float:
    return line.finished or 0.0


def _points(told: Sequence[WindowLine], field: str) -> list[tuple[float, int]]:
    numbers = ((_finished(line), getattr(line, field)) for line in told)
    return [(moment, number) for moment, number in numbers if number is not None]


def _sum(numbers: Any) -> int:
    return sum(number or 0 for number in numbers)


def _bar(at: int, group: Sequence[WindowLine], part: float) -> Bar:
    worst = min((line.verdict for line in group), key=VERDICTS.index)
    span = group[0].span if len(group) == 1 else f"{group[0].start} to {group[-1].end}"
    told = ", ".join(f"{number:,} {name}" for name, number in by_verdict(group).items() if number)
    label = (
        f"{span}: {told if len(group) > 1 else worst}, "
        f"{_sum(line.announced for line in group):,} announced, "
        f"{_sum(line.kept for line in group):,} received"
    )
    return Bar(at, round(part * HIGH, 2), worst, label)


def _lane(verdict: str, groups: Sequence[Sequence[WindowLine]]) -> Lane:
    numbers = [by_verdict(group)[verdict] for group in groups]
    return Lane(verdict, sum(numbers), [at for at, number in enumerate(numbers) if number])


def _total(name: str, total: int | None, end: float, points: Sequence[tuple[float, int]]) -> Total:
    label = f"{name}: {'not known' if total is None else f'{total:,}'} after {end:,.1f} s"
    steps = [*points, (end, total)] if total is not None else [*points]
    if not steps or not end:
        return Total(name, total, "", label)
    peak = max(1, *(number for _, number in steps))
    path = "".join(f"H{x / end * WIDE:.1f}V{HIGH - y / peak * HIGH:.1f}" for x, y in steps)
    return Total(name, total, f"M0 {HIGH}{path}H{WIDE}", label)
