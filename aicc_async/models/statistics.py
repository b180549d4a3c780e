"""How many cases came and went: now, and day by day."""

# ruff: noqa: RUF009  (the calls make fields, evaluated once as they should be)

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from attrs import Attribute, define, field, frozen

from .._validators import extras, kind_of, optional, refusal, text
from .from_dict import InputRecord


def _day(query: Any, attribute: Attribute[Any], value: Any) -> None:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise refusal(attribute, "be a date", kind_of(value))
    start = query.start_time
    # A datetime is a date to Python, and cannot be compared with one.
    is_comparable = isinstance(start, date) and not isinstance(start, datetime)
    if attribute.name == "end_time" and is_comparable and value < start:
        raise refusal(attribute, f"not be before start_time {start}", value)


@frozen(kw_only=True)
class StatisticsQuery(InputRecord):
    """Which days to count (Case 2.0, ``POST /statistics/case/report``).

    Days are the tenant's. Which fields are mandatory is not documented: none is asked for here.
    """

    case_type_id: str | None = optional(text(20))
    start_time: date | None = optional(_day)
    end_time: date | None = optional(_day)
    extra: Mapping[str, Any] = extras()


@define(kw_only=True)
class CurrentStatistics:
    """The cases of the tenant at this moment (Case 2.0, ``GET /statistics/case/current``).

    ``average_duration`` is in days.
    """

    new_cases: int | None = None
    finished_cases: int | None = None
    unfinished_cases: int | None = None
    average_duration: int | float | None = None
    overdue_cases: int | None = None
    extra: dict[str, Any] = field(factory=dict, repr=False)


@define(kw_only=True)
class CaseStatistics:
    """The cases of one type on one day (Case 2.0, ``POST /statistics/case/report``).

    ``date`` is the text that the service wrote: its form is not documented. ``average_duration`` is
    in days.
    """

    date: str | None = None
    case_type: str | None = None
    case_type_name: str | None = None
    new_cases: int | None = None
    finished_cases: int | None = None
    unfinished_cases: int | None = None
    average_duration: int | float | None = None
    overdue_cases: int | None = None
    extra: dict[str, Any] = field(factory=dict, repr=False)


@define
class StatisticsPage:
    """A page of statistics, newest day first, and ``count``, the number of all rows."""

    rows: list[CaseStatistics]
    count: int
