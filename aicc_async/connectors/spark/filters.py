"""Spark's filters as filters of the list: only what can leave out no row that Spark would keep."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from attrs import evolve

from ..._listing.zones import SECOND
from ...errors import ConfigError
from ...models import CaseQuery

TEXTS = frozenset(  # columns that the list filters by the same name, as wholes
    {
        *("case_no", "contact_id", "contact_phone", "creator_id", "origin", "owner_id"),
        *("priority", "status", "type"),
    }
)
DATE = "created_date"
# by name: Spark 4.0 has no such classes yet
EQUAL = {"EqualTo", "EqualNullSafe"}
AFTER = {"GreaterThan", "GreaterThanOrEqual", *EQUAL}
BEFORE = {"LessThan", "LessThanOrEqual", *EQUAL}


def narrowed(
    query: CaseQuery, filters: Iterable[Any], zone: ZoneInfo, *, by_date: bool
) -> CaseQuery:
    """Narrow a query by filters of Spark's (pyspark.sql.datasource.Filter).

    The rows are a superset: Spark is to filter them again, since how the service compares is not
    documented. ``by_date`` says whether its range may be of ``created_date``.
    """
    for each in filters:
        kind, value = type(each).__name__, getattr(each, "value", None)
        column = ".".join(getattr(each, "attribute", ()))
        if column in TEXTS and kind in EQUAL:
            query = _equal(query, column, value)
        elif column == DATE and by_date and isinstance(value, datetime):
            query = _range(query, kind, value, zone)
    return query


def _equal(query: CaseQuery, column: str, value: Any) -> CaseQuery:
    if not value or getattr(query, column) is not None:  # "" may mean no filter to the service
        return query
    try:
        return evolve(query, **{column: value})
    except ConfigError:  # longer than the service takes, or no text
        return query


def _range(query: CaseQuery, kind: str, value: datetime, zone: ZoneInfo) -> CaseQuery:
    # a second more: it is not documented whether the bounds are inclusive
    start, end = query.start_time, query.end_time
    try:
        moment = _instant(value, zone)
        first, last = moment - SECOND, moment + SECOND
        if kind in AFTER and (start is None or _instant(start, zone) < first):
            start = first
        if kind in BEFORE and (end is None or _instant(end, zone) > last):
            end = last
    except OverflowError:  # at the calendar's ends
        return query
    return evolve(query, start_time=start, end_time=end)


def is_empty(query: CaseQuery, zone: ZoneInfo) -> bool:
    """Tell whether a query's range ends before it begins."""
    start, end = query.start_time, query.end_time
    return start is not None and end is not None and _instant(start, zone) > _instant(end, zone)


def _instant(moment: datetime, zone: ZoneInfo) -> datetime:
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
