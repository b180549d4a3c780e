"""How a watch looks: how often, how far back, and by which clock."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from attrs import frozen

from .._api import CaseApi
from .._listing.creation_dates import CREATED
from .._validators import check, kind, number, shown
from ..errors import ConfigError
from ..models import CaseQuery
from ..settings.environment import parse_span

MIN_EVERY, MAX_EVERY = 1.0, 86_400.0  # seconds
MAX_PERIOD = 31 * 86_400.0  # seconds
MIN_LOOKBACK, MAX_LOOKBACK = timedelta(minutes=1), timedelta(days=366)


class Clock:
    """The clock of this machine, and how to wait by it; tests have one of their own."""

    def now(self) -> datetime:
        """Return the present moment."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that pass whatever is done to the clock."""
        return asyncio.get_running_loop().time()

    async def wait(self, seconds: float, wake: asyncio.Event) -> None:
        """Wait for so long, or until somebody sets ``wake``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0)):
                await wake.wait()


@frozen(kw_only=True)
class WatchSettings:
    """What a watch was asked for; ``every`` and ``period`` in seconds."""

    query: CaseQuery
    every: float
    lookback: timedelta
    period: float


def check_settings(
    api: CaseApi, query: CaseQuery, *, every: float, lookback: timedelta | str, period: float
) -> WatchSettings:
    """Return what a watch was asked for. Raises ConfigError for what is out of bounds."""
    check("every", every, number(MIN_EVERY, MAX_EVERY))
    check("period", period, number(every, MAX_PERIOD))
    if query.start_time or query.end_time:
        raise ConfigError(
            "query must be without start_time and end_time: lookback says which cases are watched"
        )
    if not api.filters_creation:
        raise ConfigError(
            f"watch_cases must be used where ranges are of {CREATED}, got"
            f" {api.profile.date_field} by the profile"
        )
    return WatchSettings(
        query=query, every=every, lookback=_parse_lookback(lookback), period=period
    )


def _parse_lookback(lookback: timedelta | str) -> timedelta:
    check("lookback", lookback, kind(timedelta, str))
    if isinstance(lookback, str):
        try:
            found = parse_span(lookback)
        except OverflowError:
            found = timedelta.max
        if found is None:
            raise ConfigError(
                f"lookback must be a length of time such as 7d, 12h or 30m, got {shown(lookback)}"
            )
        lookback = found
    if not MIN_LOOKBACK <= lookback <= MAX_LOOKBACK:
        raise ConfigError(
            f"lookback must be from {MIN_LOOKBACK} to {MAX_LOOKBACK.days} days, got {lookback}"
        )
    return lookback
