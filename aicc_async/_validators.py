"""What the fields of records are checked by. A refusal names field and bound, never a text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import Attribute, field

from .errors import ConfigError

Check = Callable[[Any, "Attribute[Any]", Any], None]
UTF16 = "UTF-16 units"  # as .NET counts


def kind(*kinds: type) -> Check:
    """Check that a value is of a kind; True is no number."""

    def check(_: Any, attribute: Attribute[Any], value: Any) -> None:
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            wanted = " or ".join(one.__name__ for one in kinds)
            given = type(value).__name__
            raise ConfigError(f"{attribute.name}: {wanted} is needed, {given} was given")

    return check


def _utf8(given: str) -> int:
    return len(given.encode())


def _utf16(given: str) -> int:
    return len(given.encode("utf-16-le")) // 2


def text(limit: int | None = None, *, empty: bool = True, unit: str = "bytes") -> Check:
    """Check that a value is a text, and how long it is."""
    is_text = kind(str)
    measure = _utf8 if unit == "bytes" else _utf16

    def check(instance: Any, attribute: Attribute[Any], value: Any) -> None:
        is_text(instance, attribute, value)
        if not value and not empty:
            raise ConfigError(f"{attribute.name}: it is mandatory, an empty text was given")
        try:
            size = measure(value)
        except UnicodeEncodeError:
            raise ConfigError(f"{attribute.name}: half a surrogate pair is no text") from None
        if limit is not None and size > limit:
            raise ConfigError(f"{attribute.name}: at most {limit} {unit}, {size} were given")

    return check


def optional(check: Check, *, show: bool = True) -> Any:
    """Make a field that may be left out: None is "not given"."""

    def checked(instance: Any, attribute: Attribute[Any], value: Any) -> None:
        if value is not None:
            check(instance, attribute, value)

    return field(default=None, validator=checked, repr=show)


def hidden(check: Check) -> Any:
    """Make such a field that no repr shows."""
    return optional(check, show=False)


def needed(check: Check, *, show: bool = True) -> Any:
    """Make a field that must be given."""
    return field(validator=check, repr=show)


_any_text = text()


def attachments(instance: Any, attribute: Attribute[Any], value: Any) -> None:
    """Check that a value is a text or at most five."""
    several = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    for item in value if several else [value]:
        _any_text(instance, attribute, item)
    if several and len(value) > 5:  # noqa: PLR2004  (document 000, row 10)
        raise ConfigError(f"{attribute.name}: at most 5 attachments, {len(value)} were given")


def texts(instance: Any, attribute: Attribute[Any], value: Any) -> None:
    """Check that a value maps texts to texts."""
    kind(Mapping)(instance, attribute, value)
    for item in (*value, *value.values()):
        _any_text(instance, attribute, item)


def is_json(instance: Any, attribute: Attribute[Any], value: Any) -> None:
    """Refuse what JSON has no word for, such as NaN or a datetime: it would change on the way."""
    kind(Mapping)(instance, attribute, value)
    if not all(isinstance(key, str) for key in value):
        raise ConfigError(f"{attribute.name}: the keys must be texts")
    try:
        json.dumps(dict(value), ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        what = type(error).__name__
        raise ConfigError(f"{attribute.name}: it can't be written as JSON ({what})") from None


def extras() -> Any:
    """Make the field ``extra`` of a record that is sent."""
    return field(factory=dict, repr=False, kw_only=True, validator=is_json)


def private() -> Any:
    """Make a field of a record that comes back, which no repr shows."""
    return field(default=None, repr=False)
