"""The report's calendar: a square for each day, darker with more cases."""

from __future__ import annotations

import calendar
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from attrs import frozen

from ..manifest import ExportReport
from .texts import day, figure, plural

# Besides the one of days without a case.
SHADES = 4


@frozen
class Square:
    """A day: ``x`` is its weekday from Monday, ``y`` its week within the month."""

    x: int
    y: int
    shade: int
    label: str


@frozen
class Month:
    """A month; ``number`` is 1 to 12."""

    number: int
    name: str
    cases: int
    label: str
    squares: list[Square]


@frozen
class Year:
    """A year in which there are cases."""

    number: int
    cases: int
    months: list[Month]


@frozen
class Calendar:
    """The years with cases; ``legend`` has the numbers of each shade from 1 up.

    ``undated`` counts the cases whose day is not a date; ``gaps`` says that years of the range
    have no case and are left out.
    """

    years: list[Year]
    legend: list[str]
    undated: int
    gaps: bool


def calendar_of(report: ExportReport) -> Calendar:
    """Lay out the days of an export."""
    days, undated = _dated(report.days)
    if not days:
        return Calendar([], [], undated, gaps=False)
    first = min(filter(None, [day(report.start), min(days)]))
    last = max(filter(None, [day(report.end), max(days)]))
    # The largest number of each shade, so that each has about as many days.
    ordered = sorted(days.values())
    bounds = sorted({ordered[(len(ordered) * part - 1) // SHADES] for part in range(1, SHADES + 1)})
    lows = [1, *(bound + 1 for bound in bounds)]
    legend = [
        f"{low:,}" if low == high else f"{low:,}–{high:,}"  # noqa: RUF001  (a range)
        for low, high in zip(lows, bounds, strict=False)
    ]
    drawn = sorted({moment.year for moment in days})
    years = [_year(number, days, span=(first, last), bounds=bounds) for number in drawn]
    gaps = len(years) < last.year - first.year + 1
    return Calendar(years, legend, undated, gaps=gaps)


def _dated(counts: Mapping[str, int]) -> tuple[dict[date, int], int]:
    """Return the cases of each day that is a date, and how many there are of others."""
    days: dict[date, int] = {}
    undated = 0
    for name, value in counts.items():
        cases, moment = figure(value) or 0, day(name)
        if cases and moment:
            days[moment] = days.get(moment, 0) + cases
        else:
            undated += cases
    return days, undated


def _year(
    number: int, days: Mapping[date, int], *, span: tuple[date, date], bounds: Sequence[int]
) -> Year:
    first, last = max(span[0], date(number, 1, 1)), min(span[1], date(number, 12, 31))
    months = [
        _month(date(number, month, 1), days, span=(first, last), bounds=bounds)
        for month in range(first.month, last.month + 1)
    ]
    return Year(number, sum(month.cases for month in months), months)


def _month(
    first: date, days: Mapping[date, int], *, span: tuple[date, date], bounds: Sequence[int]
) -> Month:
    blank, length = calendar.monthrange(first.year, first.month)
    dates = [first + timedelta(offset) for offset in range(length)]
    shown = {moment: days.get(moment, 0) for moment in dates if span[0] <= moment <= span[1]}
    squares = [
        Square(
            x=(moment.day - 1 + blank) % 7,
            y=(moment.day - 1 + blank) // 7,
            shade=1 + bisect_left(bounds, cases) if cases else 0,
            label=f"{moment}: {plural(cases, 'case')}",
        )
        for moment, cases in shown.items()
    ]
    name, cases = calendar.month_name[first.month], sum(shown.values())
    busiest = max(shown, key=shown.__getitem__)
    label = f"{name} {first.year}: {plural(cases, 'case')}"
    if cases:
        label += f", most on {busiest}: {shown[busiest]:,}"
    return Month(first.month, name[:3], cases, label, squares)
