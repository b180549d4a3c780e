"""Numbers and texts as a person reads them."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

# A larger one is a service's invention.
MAX_FIGURE = 2**63
MEGABYTE = 1_000_000
# A page is to be looked at.
MAX_TEXT_LENGTH = 300  # characters
UNKNOWN = "–"  # noqa: RUF001  (a dash)


def figure(value: int | None) -> int | None:
    """Return a number that counts something: from 0 up. None for one that does not."""
    return value if value is not None and 0 <= value < MAX_FIGURE else None


def seconds(value: float) -> float | None:
    """Return a length of time, from 0 up; None for what is not one."""
    return value if 0 <= value < MAX_FIGURE else None


def number(value: int | None) -> str:
    """Return a number with separators; a dash for one that is not known."""
    return UNKNOWN if value is None else f"{value:,}"


def plural(value: int, noun: str) -> str:
    """Return a number with separators, and the noun's right form."""
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {noun}s"


def size(value: int | None) -> str:
    """Return a number of bytes in a unit that fits it."""
    if value is None:
        return UNKNOWN
    return f"{value / MEGABYTE:,.1f} MB" if value >= MEGABYTE else plural(value, "byte")


def duration(value: float | None) -> str:
    """Return a length of time, in seconds, in units that fit it."""
    if value is None:
        return UNKNOWN
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{value:.1f} s"


def shorten(value: Any) -> str:
    """Return a text, or JSON, cut where it is long; "" for None."""
    if value is None:
        return ""
    whole = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return whole if len(whole) <= MAX_TEXT_LENGTH else f"{whole[:MAX_TEXT_LENGTH]}…"


def day(text: str | None) -> date | None:
    """Return the day of a date or a time; None for any other text."""
    try:
        return date.fromisoformat((text or "")[:10])
    except ValueError:
        return None
