"""Options of a Spark reader are texts: each kind of value is parsed here, or is a ConfigError."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import msgspec
from attrs.validators import ge

from ..._validators import check, integer, must, shown
from ...errors import ConfigError
from ...settings.environment import parse_span

# The last second that is read must be over.
MIN_SETTLE = timedelta(seconds=2)
DATE_CHARACTERS = len("2025-01-31")

_is_long_enough = must(f"be at least {MIN_SETTLE.seconds} s", ge(MIN_SETTLE), got=str)
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


def parse_integer(name: str, text: str) -> int:
    """Parse a whole number of at least 1."""
    value: int | str = text
    # Python refuses to parse thousands of digits.
    with suppress(ValueError):
        value = int(text) if text.isdecimal() else text
    return int(check(name, value, integer(1)))


def parse_settle(name: str, text: str) -> timedelta:
    """Parse a duration such as ``5m`` that a stream may stay behind the clock."""
    try:
        duration = parse_span(text)
    except OverflowError:
        limit = timedelta.max.days
        raise ConfigError(f"{name} must be at most {limit} days, got {shown(text)}") from None
    if duration is None:
        raise ConfigError(f"{name} must be a duration such as 5m or 30s, got {shown(text)}")
    return check(name, duration, _is_long_enough)


def parse_time(name: str, text: str, *, is_last: bool = False) -> datetime:
    """Parse ISO 8601; a day alone is its first second, or with ``is_last`` its last one."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        example = "a time such as 2025-01-31 or 2025-01-31T18:00:00"
        raise ConfigError(f"{name} must be {example}, got {shown(text)}") from None
    is_day = len(text) <= DATE_CHARACTERS
    return moment + timedelta(days=1, seconds=-1) if is_last and is_day else moment


def parse_filters(name: str, text: str) -> dict[str, Any]:
    """Parse a JSON object of filters by their wire names."""
    with suppress(ValueError):
        return _decode_object(text)
    # Outside the block above: its error may hold a piece of a value, which may be contact data.
    raise ConfigError(f"{name} must be a JSON object of filters by their wire names")
