"""Spark's filters as filters of the list: only what can leave out no row that Spark would keep."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from attrs import evolve

from ..._api import CaseApi
from ..._listing.zones import SECOND, instant
from ...errors import ConfigError
from ...models import CaseQuery
from .options import Source
from .plan import ColumnText

# Columns that the list filters by the same name, as whole texts.
TEXT_COLUMNS = frozenset(
    {
        *("case_no", "contact_id", "contact_phone", "creator_id", "origin", "owner_id"),
        *("priority", "status", "type"),
    }
)
DATE_COLUMN = "created_date"
# Filters are known by the names of their classes: pyspark has these from 4.1 on, and this package
# works with 4.0. See ``pyspark.sql.datasource.Filter``.
EQUALITY_FILTERS = {"EqualTo", "EqualNullSafe"}
LOWER_BOUND_FILTERS = {"GreaterThan", "GreaterThanOrEqual", *EQUALITY_FILTERS}
UPPER_BOUND_FILTERS = {"LessThan", "LessThanOrEqual", *EQUALITY_FILTERS}
# More are not worth a request each to find out how many rows they have.
MAX_TEXTS = 20


async def narrow_source(source: Source, filters: Iterable[Any], api: CaseApi) -> Source | None:
    """Narrow what is read by filters of Spark's; None when no row can be within."""
    # A profile may know that ranges filter another date. Where none does, each row is checked.
    by_date = api.profile.date_field in {None, "createdDate"}
    before = source.query
    filters = list(filters)
    query = narrow_query(before, filters, api.zone, by_date=by_date)
    source = evolve(source, any_of=find_any_of(query, filters))
    if (query.start_time, query.end_time) == (before.start_time, before.end_time):
        return evolve(source, query=query)
    if has_empty_range(query, api.zone):
        return None
    return evolve(source, query=query, by_date=True)


def narrow_query(
    query: CaseQuery, filters: Iterable[Any], zone: ZoneInfo, *, by_date: bool
) -> CaseQuery:
    """Narrow a query by filters of Spark's.

    The rows are a superset: Spark is to filter them again, since how the service compares is not
    documented. ``by_date`` says whether the query's range may be of ``created_date``.
    """
    for each in filters:
        kind, value = type(each).__name__, getattr(each, "value", None)
        column = ".".join(getattr(each, "attribute", ()))
        if column in TEXT_COLUMNS and kind in EQUALITY_FILTERS:
            # An empty text may mean no filter to the service; and an option goes before.
            if value and getattr(query, column) is None:
                # A text longer than the service takes matches no case, which Spark finds out.
                with suppress(ConfigError):
                    query = evolve(query, **{column: value})
        elif column == DATE_COLUMN and by_date and isinstance(value, datetime):
            query = _narrow_range(query, kind, value, zone)
    return query


def find_any_of(query: CaseQuery, filters: Iterable[Any]) -> tuple[ColumnText, ...]:
    """Return the texts of which Spark wants one, of the first column that has such a filter.

    The list takes one text: each is asked for by itself then.
    """
    for each in filters:
        column = ".".join(getattr(each, "attribute", ()))
        if type(each).__name__ != "In" or column not in TEXT_COLUMNS or getattr(query, column):
            continue
        # Null is in no list, and an empty text may mean no filter to the service.
        texts = dict.fromkeys(value for value in each.value if value is not None)
        if len(texts) > MAX_TEXTS or not all(texts):
            continue
        wanted = tuple(ColumnText(column, text) for text in texts)
        # A text longer than the service takes: Spark alone filters then.
        with suppress(ConfigError):
            for text in wanted:
                text.narrow(query)
            return wanted
    return ()


def _narrow_range(query: CaseQuery, kind: str, value: datetime, zone: ZoneInfo) -> CaseQuery:
    start, end = query.start_time, query.end_time
    try:
        moment = instant(value, zone)
        # A second more: it is not documented whether the bounds are inclusive.
        first, last = moment - SECOND, moment + SECOND
        if kind in LOWER_BOUND_FILTERS and (start is None or instant(start, zone) < first):
            start = first
        if kind in UPPER_BOUND_FILTERS and (end is None or instant(end, zone) > last):
            end = last
    except OverflowError:
        # At the calendar's ends there is no second more; Spark filters by it alone.
        return query
    return evolve(query, start_time=start, end_time=end)


def has_empty_range(query: CaseQuery, zone: ZoneInfo) -> bool:
    """Return whether a query's range ends before it begins."""
    start, end = query.start_time, query.end_time
    return start is not None and end is not None and instant(start, zone) > instant(end, zone)
