"""When invented cases arrive: often in office hours, seldom at night and at weekends.

A steady stream would be too kind to a client. Windows of the same length must hold very different
numbers of cases, as they do for a real tenant.
"""

import functools
import itertools
import random
from datetime import datetime, timedelta

# Cases per hour, relative to each other.
BUSY_WEIGHT, QUIET_WEIGHT, WEEKEND_WEIGHT = 12.0, 1.0, 0.5
BUSY_HOURS = range(9, 18)
SATURDAY = 5

# The beginning of an hour, and how many of its seconds belong to the span.
Hour = tuple[datetime, float]


def draw_arrivals(
    cases: int, draw: random.Random, *, since: datetime, until: datetime
) -> list[datetime]:
    """Draw the sorted times of arrival of so many cases, in [since, until)."""
    if not cases:
        return []
    hours, weights = _weigh_hours(since, until)
    chosen = draw.choices(hours, cum_weights=weights, k=cases)
    second = timedelta(seconds=1)
    return sorted(start + second * int(draw.random() * seconds) for start, seconds in chosen)


# A year has 8,760 hours, and most tenants of a test run are seeded over the same span.
@functools.lru_cache(maxsize=4)
def _weigh_hours(since: datetime, until: datetime) -> tuple[list[Hour], list[float]]:
    """Cut a span into its hours, with their accumulated weights."""
    hours: list[Hour] = []
    weights: list[float] = []
    while since < until:
        full = since.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        end = min(full, until)
        # The first and the last hour may be cut: they count by their seconds.
        seconds = (end - since).total_seconds()
        weight = BUSY_WEIGHT if since.hour in BUSY_HOURS else QUIET_WEIGHT
        if since.weekday() >= SATURDAY:
            weight = WEEKEND_WEIGHT
        hours.append((since, seconds))
        weights.append(weight * seconds)
        since = end
    return hours, list(itertools.accumulate(weights))
