"""Times on the wire: AICC writes none with an offset, Q-Flow each with its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec

NAIVE = Annotated[datetime, msgspec.Meta(tz=False)]
_AWARE = Annotated[datetime, msgspec.Meta(tz=True)]
MUST_BE_A_TIME = "must be a time as YYYY-MM-DD HH:mm:ss"
_MUST_HAVE_AN_OFFSET = "must be a time with an offset as YYYY-MM-DDTHH:mm:ss+HH:mm"


def time_reader(zone: ZoneInfo) -> Callable[[Any], datetime | None]:
    """Return a function that reads AICC's times as aware ones of the zone.

    ISO's T between date and time, and fractions of a second, are taken too; an offset is not.
    Raises TypeError for what is not a string, ValueError for one that is not a time.
    """

    def read(text: Any) -> datetime | None:
        if text.__class__ is not str:
            raise TypeError(f"{MUST_BE_A_TIME}, got {type(text).__name__}")
        if not text:
            return None
        # Into ``NAIVE`` it takes eight times as long: Python hashes what is annotated.
        naive = msgspec.convert(text, datetime)
        if naive.tzinfo is not None:
            raise ValueError(MUST_BE_A_TIME)
        # A seventh of the cost of replace().
        return datetime.combine(naive, naive.time(), zone)

    return read


def read_time_with_offset(value: Any, _: Any) -> datetime | None:
    """Read one of Q-Flow's times; digits past the sixth are rounded.

    Raises TypeError for what is not such a time.
    """
    if value is None:
        return None
    try:
        return msgspec.convert(value, _AWARE)
    except ValueError:
        raise TypeError(f"{_MUST_HAVE_AN_OFFSET}, got {type(value).__name__}") from None


def write_time_with_offset(moment: datetime | None) -> str | None:
    """Write one of Q-Flow's times."""
    return None if moment is None else moment.isoformat()
