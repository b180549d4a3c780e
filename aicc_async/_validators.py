"""Checks of settings, arguments and records: attrs' own validators, refused as ``ConfigError``.

A message reads ``<name> must <condition>, got <value>``. The characters of a text are shown only
where it can be neither a secret nor contact data.
"""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeVar

from attrs import Attribute, field, frozen
from attrs.validators import and_, ge, in_, le

from .errors import ConfigError

T = TypeVar("T")
Check = Callable[[Any, "Attribute[Any]", Any], None]
# Q-Flow runs on .NET, which counts the units of UTF-16.
UTF16 = "UTF-16 units"
UTF8 = "bytes in UTF-8"
# No wait is that long; it refuses infinity as well.
MAX_SECONDS = 1e9
# Readers and writers of JSON and TOML agree on whole numbers up to this one.
MAX_INTEGER = 2**53
# An id of .NET has so many bits, its sign included.
MAX_ID = 2**63 - 1
MAX_SHOWN_CHARACTERS = 80
MAX_ATTACHMENTS = 5


@frozen
class _Argument:
    """The name of what is checked, where that is not a field."""

    name: str


def check(name: str, value: T, validator: Check) -> T:
    """Apply a field's check to an argument, and return it."""
    validator(None, _Argument(name), value)  # type: ignore[arg-type]  # only the name is read
    return value


def shown(value: object) -> str:
    """Return a value's repr, cut where it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        # Python writes no int of more than 4300 digits, and no list that is nested too deeply.
        return kind_of(value)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}…"


def kind_of(value: object) -> str:
    """Return the name of a value's type, which gives nothing of it away."""
    name, module = type(value).__name__, type(value).__module__
    # numpy has a bool of its own, which is none of Python's.
    is_like_ours = hasattr(builtins, name) and module != "builtins"
    return f"{module}.{name}" if is_like_ours else name


def must(condition: str, *validators: Check, got: Callable[[Any], str] = shown) -> Check:
    """Return a check that all of attrs' validators hold, and say its ``condition`` if not."""
    holds = and_(*validators)

    def validate(instance: Any, attribute: Attribute[Any], value: Any) -> None:
        with suppress(TypeError, ValueError, RecursionError):
            holds(instance, attribute, value)
            return
        # Outside the block above: attrs' error holds the value, and would be the context of ours.
        raise ConfigError(f"{attribute.name} must {condition}, got {got(value)}")

    return validate


def is_a(*kinds: type, is_exact: bool = False) -> Check:
    """Return a validator for instances of some types, or ``is_exact``: of no subclass of them.

    True is not a number. Unlike attrs' ``instance_of`` it never writes the repr of a value, which
    may be long, fail, or be nested too deeply.
    """

    def validate(_: Any, __: Attribute[Any], value: Any) -> None:
        is_flag = isinstance(value, bool) and bool not in kinds
        if is_flag or not isinstance(value, kinds) or (is_exact and type(value) not in kinds):
            raise TypeError
        # pandas' NaT is a datetime to Python, and would be sent as a text.
        if isinstance(value, datetime) and value != value:  # noqa: PLR0124  (as NaN is found)
            raise TypeError

    return validate


def integer(minimum: int, maximum: int | None = None, *, is_exact: bool = False) -> Check:
    """Return a check for whole numbers; True is not one.

    ``is_exact`` refuses subclasses, for what is sent: msgspec writes none of them, and a path would
    hold the name of an Enum's member.
    """
    condition = f"be an integer >= {minimum}"
    bounds = [ge(minimum)]
    if maximum is not None:
        condition = f"be an integer from {minimum} to {maximum}"
        bounds.append(le(maximum))
    return must(condition, is_a(int, is_exact=is_exact), *bounds)


def number(minimum: float, maximum: float = MAX_SECONDS) -> Check:
    """Return a check for finite numbers; NaN and True are not."""
    condition = f"be a number from {minimum:g} to {maximum:g}"
    return must(condition, is_a(int, float), ge(minimum), le(maximum))


def one_of(*words: str) -> Check:
    """Return a check for one of some words."""
    return must(f"be one of {', '.join(words)}", in_(words))


def kind(*kinds: type) -> Check:
    """Return a check for instances of some types; True is not a number."""
    names = " or ".join("None" if one is type(None) else one.__name__ for one in kinds)
    article = "an" if names[0] in "aeiouAEIOU" else "a"
    return must(f"be {article} {names}", is_a(*kinds), got=kind_of)


def text(limit: int | None = None, *, empty: bool = True, unit: str = UTF8) -> Check:
    """Return a check for texts of at most ``limit`` units."""

    def validate(instance: Any, attribute: Attribute[Any], value: Any) -> None:
        is_text(instance, attribute, value)
        if not value and not empty:
            raise ConfigError(f"{attribute.name} must not be empty")
        size = None
        with suppress(UnicodeEncodeError):
            size = len(value.encode()) if unit == UTF8 else len(value.encode("utf-16-le")) // 2
        # Outside the block above: the error underneath holds the whole text.
        if size is None:
            raise ConfigError(f"{attribute.name} must be valid Unicode, got half a surrogate pair")
        if limit is not None and size > limit:
            raise ConfigError(f"{attribute.name} must be at most {limit} {unit}, got {size}")

    return validate


is_text = must("be a string", is_a(str), got=kind_of)


def secret(_: Any, attribute: Attribute[Any], value: Any) -> None:
    """Check what goes into a header or a form, and is never shown."""
    is_text(_, attribute, value)
    if not value.strip():
        raise ConfigError(f"{attribute.name} must not be empty")
    if not value.isprintable():
        raise ConfigError(
            f"{attribute.name} must be printable: no line breaks, no control characters"
        )


def optional(validator: Check, *, show: bool = True) -> Any:
    """Return a field that may be left out: None means that it is not set."""

    def validate(instance: Any, attribute: Attribute[Any], value: Any) -> None:
        if value is not None:
            validator(instance, attribute, value)

    return field(default=None, validator=validate, repr=show)


def hidden(validator: Check) -> Any:
    """Return such a field that no repr shows."""
    return optional(validator, show=False)


def required(validator: Check, *, show: bool = True) -> Any:
    """Return a field that must be set."""
    return field(validator=validator, repr=show)


def private() -> Any:
    """Return a field of a record that comes back, which no repr shows."""
    return field(default=None, repr=False)


def extras() -> Any:
    """Return the field ``extra`` of a record that is sent."""
    return field(factory=dict, repr=False, kw_only=True, validator=is_json)


_any_text = text()


def _check_texts(instance: Any, attribute: Any, items: Iterable[Any], condition: str) -> None:
    for item in items:
        if not isinstance(item, str):
            raise ConfigError(f"{attribute.name} must {condition}, got {kind_of(item)}")
        _any_text(instance, attribute, item)


def attachments(instance: Any, attribute: Attribute[Any], value: Any) -> None:
    """Check for a text, or at most five of them (document 000, row 10)."""
    several = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    condition = f"be a string or at most {MAX_ATTACHMENTS} of them"
    _check_texts(instance, attribute, value if several else [value], condition)
    if several and len(value) > MAX_ATTACHMENTS:
        raise ConfigError(
            f"{attribute.name} must be at most {MAX_ATTACHMENTS} attachments, got {len(value)}"
        )


def texts(instance: Any, attribute: Attribute[Any], value: Any) -> None:
    """Check for a mapping of texts to texts."""
    kind(Mapping)(instance, attribute, value)
    items = (*value, *value.values())
    _check_texts(instance, attribute, items, "map strings to strings")


def is_json(instance: Any, attribute: Attribute[Any], value: Any) -> None:
    """Refuse what JSON has no word for, such as NaN or a datetime: it would change on the way."""
    kind(Mapping)(instance, attribute, value)
    if not all(isinstance(key, str) for key in value):
        raise ConfigError(f"{attribute.name} must have string keys")
    fault = None
    try:
        json.dumps(dict(value), ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        fault = kind_of(error)
    # Outside the block above: the error underneath may hold all that was to be written.
    if fault is not None:
        raise ConfigError(f"{attribute.name} must hold values of JSON, not NaN or dates ({fault})")
