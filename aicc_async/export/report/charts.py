"""The report's charts, in units that the page stretches: windows in their order, totals in time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import frozen

from ..manifest import ExportReport
from .texts import figure, plural, seconds
from .window_line import VERDICTS, WindowLine, count_by_verdict

# More cannot be told apart on a telephone.
MAX_BARS = 120
MAX_POINTS = 400
WIDTH, HEIGHT = 1000, 100
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
    """Where the windows of one verdict are, so that colour is not the only sign."""

    verdict: str
    windows: int
    bars: list[int]


@frozen
class WindowChart:
    """Received as bars against announced as a line; ``each`` windows share a bar."""

    bars: list[Bar]
    announced: str
    lanes: list[Lane]
    peak: int
    each: int
    label: str


@frozen
class Total:
    """A running total over the export's time; ``line`` is an SVG path, "" if nothing is known."""

    name: str
    total: int | None
    line: str
    label: str


def window_chart(windows: Sequence[WindowLine]) -> WindowChart:
    """Draw windows in their order; neighbours share a bar when there are very many."""
    each = max(-(-len(windows) // MAX_BARS), 1)
    groups = [windows[at : at + each] for at in range(0, len(windows), each)]
    counts = [count_by_verdict(group) for group in groups]
    announced = [_sum(line.announced for line in group) for group in groups]
    kept = [_sum(line.kept for line in group) for group in groups]
    peak = max([1, *announced, *kept])
    return WindowChart(
        [_bar(at, group, share=kept[at] / peak) for at, group in enumerate(groups)],
        "".join(
            f"M{at} {HEIGHT - number / peak * HEIGHT:.2f}h1" for at, number in enumerate(announced)
        ),
        [
            Lane(verdict, number, [at for at, found in enumerate(counts) if found[verdict]])
            for verdict, number in count_by_verdict(windows).items()
            if number
        ],
        peak,
        each,
        f"{plural(len(windows), 'window')}: {_sum(announced):,} cases announced, "
        f"{_sum(kept):,} received",
    )


def totals(report: ExportReport, windows: Sequence[WindowLine]) -> tuple[float, list[Total]]:
    """Draw requests, retries and throttles over time; return the time's end in seconds too."""
    timed = sorted(
        ((line.finished, line) for line in windows if line.finished is not None),
        key=lambda pair: pair[0],
    )
    timed = timed[:: -(-len(timed) // MAX_POINTS) or 1]
    end = max([seconds(report.seconds) or 0.0, *(finished for finished, _ in timed)])
    drawn = []
    for name, field in TOTALS.items():
        points = [(finished, getattr(line, field)) for finished, line in timed]
        known = [(finished, number) for finished, number in points if number is not None]
        drawn.append(_total(name, figure(getattr(report, field)), end=end, points=known))
    return end, drawn


def _sum(numbers: Iterable[int | None]) -> int:
    return sum(number or 0 for number in numbers)


def _bar(at: int, group: Sequence[WindowLine], *, share: float) -> Bar:
    worst = min((line.verdict for line in group), key=VERDICTS.index)
    span = group[0].span if len(group) == 1 else f"{group[0].start} to {group[-1].end}"
    verdicts = ", ".join(
        f"{number:,} {name}" for name, number in count_by_verdict(group).items() if number
    )
    label = (
        f"{span}: {verdicts if len(group) > 1 else worst}, "
        f"{_sum(line.announced for line in group):,} announced, "
        f"{_sum(line.kept for line in group):,} received"
    )
    return Bar(at, round(share * HEIGHT, 2), worst, label)


def _total(
    name: str, total: int | None, *, end: float, points: Sequence[tuple[float, int]]
) -> Total:
    label = f"{name}: {'not known' if total is None else f'{total:,}'} after {end:,.1f} s"
    steps = [*points, (end, total)] if total is not None else [*points]
    if not steps or not end:
        return Total(name, total, "", label)
    peak = max(1, *(number for _, number in steps))
    path = "".join(f"H{x / end * WIDTH:.1f}V{HEIGHT - y / peak * HEIGHT:.1f}" for x, y in steps)
    return Total(name, total, f"M0 {HEIGHT}{path}H{WIDTH}", label)
