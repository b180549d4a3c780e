"""The report's calendar: a square for each day, darker with more cases."""

from __future__ import annotations

import calendar
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from attrs import frozen

from .verdict import plural
from .window_line import count, day, table

SHADES = 4  # beside the one of days without a case


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
    """The years with cases; ``legend`` says what each shade from 1 up stands for.

    ``undated`` counts the cases whose day can't be read; ``gaps`` says that years of the range
    have no case and are left out.
    """

    years: list[Year]
    legend: list[str]
    undated: int
    gaps: bool


def calendar_of(manifest: dict[str, Any]) -> Calendar:
    """Lay out the days of a manifest."""
    days, undated = _days(table(manifest.get("days")))
    if not days:
        return Calendar([], [], undated, gaps=False)
    first = min(filter(None, [day(manifest.get("start")), min(days)]))
    last = max(filter(None, [day(manifest.get("end")), max(days)]))
    shades = _bounds(days.values())
    drawn = sorted({moment.year for moment in days})
    years = [_year(number, days, (first, last), shades) for number in drawn]
    gaps = len(years) < last.year - first.year + 1
    return Calendar(years, _legend(shades), undated, gaps=gaps)


def _days(given: Mapping[str, Any]) -> tuple[dict[date, int], int]:
    days: dict[date, int] = {}
    undated = 0
    for name, value in given.items():
        cases, moment = count(value) or 0, day(name)
        if cases and moment:
            days[moment] = days.get(moment, 0) + cases
        else:
            undated += cases
    return days, undated


def _bounds(numbers: Any) -> list[int]:
    """Give the largest number of each shade, so that each holds about as many days."""
    ordered = sorted(numbers)
    picks = {ordered[(len(ordered) * part - 1) // SHADES] for part in range(1, SHADES + 1)}
    return sorted(picks)


def _legend(bounds: Sequence[int]) -> list[str]:
    lows = [1, *(bound + 1 for bound in bounds)]
    return [
        f"{low:,}" if low == high else f"{low:,}–{high:,}"  # noqa: RUF001  (a range)
        for low, high in zip(lows, bounds, strict=False)
    ]


def _year(
    number: int, days: Mapping[date, int], span: tuple[date, date], bounds: Sequence[int]
) -> Year:
    first, last = max(span[0], date(number, 1, 1)), min(span[1], date(number, 12, 31))
    months = [
        _month(number, month, days, (first, last), bounds)
        for month in range(first.month, last.month + 1)
    ]
    return Year(number, sum(month.cases for month in months), months)


def _month(
    year: int,
    number: int,
    days: Mapping[date, int],
    span: tuple[date, date],
    bounds: Sequence[int],
) -> Month:
    blank, length = calendar.monthrange(year, number)
    all_ = [date(year, number, 1) + timedelta(offset) for offset in range(length)]
    shown = {moment: days.get(moment, 0) for moment in all_ if span[0] <= moment <= span[1]}
    squares = [_square(moment, cases, blank, bounds) for moment, cases in shown.items()]
    name, cases = calendar.month_name[number], sum(shown.values())
    busiest = max(shown, key=shown.__getitem__)
    label = f"{name} {year}: {plural(cases, 'case')}"
    if cases:
        label += f", most on {busiest}: {shown[busiest]:,}"
    return Month(number, name[:3], cases, label, squares)


def _square(moment: date, cases: int, blank: int, bounds: Sequence[int]) -> Square:
    shade = 1 + bisect_left(bounds, cases) if cases else 0
    place = moment.day - 1 + blank
    return Square(place % 7, place // 7, shade, f"{moment}: {plural(cases, 'case')}")
