"""When invented cases arrive: at believable hours."""

import functools
import itertools
import random
from collections.abc import Iterator
from datetime import datetime, timedelta

BUSY_WEIGHT, QUIET_WEIGHT, WEEKEND_WEIGHT = 12.0, 1.0, 0.5
BUSY_HOURS = range(9, 18)
SATURDAY = 5

Hour = tuple[datetime, float]
"""Its beginning, and how many seconds of it count."""


def draw_arrivals(
    cases: int, draw: random.Random, *, since: datetime, until: datetime
) -> list[datetime]:
    """Draw sorted times of arrival: busy in office hours, quiet at night and at weekends."""
    if not cases:
        return []
    hours, weights = _calendar(since, until)
    chosen = draw.choices(hours, cum_weights=weights, k=cases)
    second = timedelta(seconds=1)
    return sorted(start + second * int(draw.random() * seconds) for start, seconds in chosen)


@functools.lru_cache(maxsize=4)
def _calendar(since: datetime, until: datetime) -> tuple[list[Hour], list[float]]:
    """Cut a span into hours with their accumulated weights; kept, since most spans are the same."""
    hours = list(_hours(since, until))
    weights = itertools.accumulate(_hour_weight(start) * seconds for start, seconds in hours)
    return hours, list(weights)


def _hour_weight(moment: datetime) -> float:
    """Say how busy the hour of `moment` is."""
    if moment.weekday() >= SATURDAY:
        return WEEKEND_WEIGHT
    return BUSY_WEIGHT if moment.hour in BUSY_HOURS else QUIET_WEIGHT


def _hours(since: datetime, until: datetime) -> Iterator[Hour]:
    start = since
    while start < until:
        full = start.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        end = min(full, until)
        yield start, (end - start).total_seconds()
        start = end
