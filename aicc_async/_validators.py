"""Checks of settings, arguments and records: attrs' own validators, refused as ``InvalidInput``.

A message reads ``<name> must <condition>, got <value>``. The characters of a text are shown only
where it can be neither a secret nor contact data.
"""

from __future__ import annotations

import builtins
import json
import re
import warnings
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar

from attrs import Attribute, define, field, fields, frozen
from attrs.validators import and_, ge, in_, le

from .errors import ConfigError, FieldFault, InvalidInput

T = TypeVar("T")
Check = Callable[[Any, "Attribute[Any]", Any], None]
# Q-Flow runs on .NET, which counts the units of UTF-16.
UTF16 = "UTF-16 units"
UTF8 = "bytes in UTF-8"
# No wait is that long; it refuses infinity as well.
MAX_SECONDS = 1e9
# Readers and writers of JSON and TOML agree on whole numbers up to this one.
MAX_INTEGER = 2**53
MAX_SHOWN_CHARACTERS = 80
# From the colon of a scheme, or of a user's name, to the last @ of the same word.
PASSWORD = re.compile(r"(?<=:)\S+(?=@)")
MAX_ATTACHMENTS = 5
MAX_ID_BYTES = 20
# An id of .NET has so many bits, its sign included.
MIN_INT64, MAX_INT64 = -(2**63), 2**63 - 1
# The longest value that the documents list has 15.
MAX_WORD_CHARACTERS = 20


@define
class _Argument:
    """The name of what is checked, where that is not a field."""

    name: str


def check(name: str, value: T, validator: Check) -> T:
    """Apply a field's check to an argument, and return it."""
    validator(None, _Argument(name), value)  # type: ignore[arg-type]  # only the name is read
    return value


def check_id(value: str, name: str = "case_id", *, max_bytes: int | None = MAX_ID_BYTES) -> None:
    """Raise ConfigError for what cannot be an id."""
    check(name, value, text(max_bytes, empty=False))
    # Dots alone lead elsewhere in a path, however they are encoded.
    if value in {".", ".."}:
        raise ConfigError(f"{name} must not be dots alone, got {value!r}")


def shown(value: object) -> str:
    """Return a value's repr, cut where it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        # Python writes no int of more than 4300 digits, and no list that is nested too deeply.
        return kind_of(value)
    text = hide_passwords(text)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}…"


def hide_passwords(text: str) -> str:
    """Return a text without what is before the @ of a URL, however that is misspelt.

    A URL that is taken for a file, or for another setting, would show its password.
    """
    return PASSWORD.sub("…", text)


def kind_of(value: object) -> str:
    """Return the name of a value's type, which gives nothing of it away."""
    name, module = type(value).__name__, type(value).__module__
    # numpy has a bool of its own, which is none of Python's.
    is_like_ours = hasattr(builtins, name) and module != "builtins"
    return f"{module}.{name}" if is_like_ours else name


def refusal(attribute: Attribute[Any], condition: str, given: object = "") -> InvalidInput:
    """Return the error of one field: what it ``must``, and what it was as far as that is shown."""
    return InvalidInput.of([FieldFault(attribute.name, f"must {condition}", str(given))])


def must(condition: str, *validators: Check, got: Callable[[Any], str] = shown) -> Check:
    """Return a check that all of attrs' validators hold, and say its ``condition`` if not."""
    holds = and_(*validators)

    def validate(instance: Any, attribute: Attribute[Any], value: Any) -> None:
        try:
            holds(instance, attribute, value)
        except (TypeError, ValueError, RecursionError):
            given = got(value)
        else:
            return
        # Outside the block above: attrs' error holds the value, and would be the context of ours.
        raise refusal(attribute, condition, given)

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
    # A bound may be another field, and too long to be written.
    condition = f"be an integer >= {shown(minimum)}"
    bounds = [ge(minimum)]
    if maximum is not None:
        condition = f"be an integer from {shown(minimum)} to {shown(maximum)}"
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
    return _kind(kinds)


# Every call checks its arguments, by the same few.
@lru_cache(maxsize=128)
def _kind(kinds: tuple[type, ...]) -> Check:
    names = " or ".join("None" if one is type(None) else one.__name__ for one in kinds)
    article = "an" if names[0] in "aeiouAEIOU" else "a"
    return must(f"be {article} {names}", is_a(*kinds), got=kind_of)


def text(limit: int | None = None, *, empty: bool = True, unit: str = UTF8) -> Check:
    """Return a check for texts of at most ``limit`` units."""

    def validate(instance: Any, attribute: Attribute[Any], value: Any) -> None:
        is_text(instance, attribute, value)
        if not value and not empty:
            raise refusal(attribute, "not be empty")
        size = None
        with suppress(UnicodeEncodeError):
            size = len(value.encode()) if unit == UTF8 else len(value.encode("utf-16-le")) // 2
        # Outside the block above: the error underneath holds the whole text.
        if size is None:
            raise refusal(attribute, "be valid Unicode", "half a surrogate pair")
        if limit is not None and size > limit:
            raise refusal(attribute, f"be at most {limit} {unit}", size)

    return validate


def int64(instance: Any, attribute: Attribute[Any], value: Any) -> None:
    """Check for an integer that the wire can hold: Java's and .NET's longest has 64 bits."""
    kind(int)(instance, attribute, value)
    if not MIN_INT64 <= value <= MAX_INT64:
        raise refusal(attribute, "be an integer of 64 bits", shown(value))


is_text = must("be a string", is_a(str), got=kind_of)


def listed(values: type[Enum], validator: Check, *others: str) -> Check:
    """Return a check that warns once of a value outside a list of the documents.

    It is no fault: the documents contradict each other, and a tenant may have more values.
    ``others`` are spellings that are documented as well.
    """
    known = frozenset({*(member.value for member in values), *others, ""})
    words = ", ".join(str(member.value) for member in values)

    def validate(instance: Any, attribute: Attribute[Any], value: Any) -> None:
        validator(instance, attribute, value)
        # Of a subclass its own text, whatever it makes of comparing.
        plain = str.__str__(value) if isinstance(value, str) else int(value)
        if plain not in known:
            # A long one is no such word, but may be a text that belongs elsewhere.
            is_word = len(str(plain)) <= MAX_WORD_CHARACTERS
            given = repr(plain) if is_word else f"of {len(str(plain))} characters"
            _warn_once(attribute.name, given, words)

    return validate


# Bounded, since values may come from anywhere: then it may warn of one again.
@lru_cache(maxsize=1024)
def _warn_once(name: str, given: str, words: str) -> None:
    text = f"{name} {given} is not among the documented values: {words}"
    # To where the record is made: above this are the two checks and the record's ``__init__``.
    warnings.warn(text, RuntimeWarning, stacklevel=5)


def secret(_: Any, attribute: Attribute[Any], value: Any) -> None:
    """Check what goes into a header or a form, and is never shown."""
    is_text(_, attribute, value)
    if not value.strip():
        raise refusal(attribute, "not be empty")
    if not value.isprintable():
        raise refusal(attribute, "be printable: no line breaks, no control characters")


@frozen
class FieldCheck:
    """The check of one field of a record, which tells the faults of all its fields.

    attrs sets all fields before it calls the first check, and stops at the first that fails. So
    that one looks at the others: a record without a fault pays nothing for it.
    """

    check: Check
    is_optional: bool = False

    def __call__(self, instance: Any, attribute: Attribute[Any], value: Any) -> None:
        """Raise InvalidInput with all faults of the record, if this field has one."""
        if value is None and self.is_optional:
            return
        try:
            self.check(instance, attribute, value)
        except InvalidInput:
            faults = list(find_faults(instance))
        else:
            return
        raise InvalidInput.of(faults)


def find_faults(record: Any, *, among: Container[str] | None = None) -> Iterator[FieldFault]:
    """Yield what is wrong with a record's fields, or with those ``among`` them."""
    for attribute in fields(type(record)):
        if among is not None and attribute.name not in among:
            continue
        own, value = attribute.validator, getattr(record, attribute.name)
        if isinstance(own, FieldCheck) and not (value is None and own.is_optional):
            try:
                own.check(record, attribute, value)
            except InvalidInput as error:
                yield from error.errors


def optional(validator: Check, *, show: bool = True) -> Any:
    """Return a field that may be left out: None means that it is not set."""
    return field(default=None, validator=FieldCheck(validator, is_optional=True), repr=show)


def hidden(validator: Check) -> Any:
    """Return such a field that no repr shows."""
    return optional(validator, show=False)


def required(validator: Check, *, show: bool = True) -> Any:
    """Return a field that must be set."""
    return field(validator=FieldCheck(validator), repr=show)


def private() -> Any:
    """Return a field of a record that comes back, which no repr shows."""
    return field(default=None, repr=False)


def extras() -> Any:
    """Return the field ``extra`` of a record that is sent."""
    return field(factory=dict, repr=False, kw_only=True, validator=FieldCheck(is_json))


_any_text = text()


def text_or_flag(instance: Any, attribute: Attribute[Any], value: Any) -> None:
    """Check for a text, or a bool."""
    kind(str, bool)(instance, attribute, value)
    if isinstance(value, str):
        _any_text(instance, attribute, value)


def _check_texts(instance: Any, attribute: Any, items: Iterable[Any], condition: str) -> None:
    for item in items:
        if not isinstance(item, str):
            raise refusal(attribute, condition, kind_of(item))
        _any_text(instance, attribute, item)


def attachments(instance: Any, attribute: Attribute[Any], value: Any) -> None:
    """Check for a text, or at most five of them (document 000, row 10)."""
    several = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    condition = f"be a string or at most {MAX_ATTACHMENTS} of them"
    _check_texts(instance, attribute, value if several else [value], condition)
    if several and len(value) > MAX_ATTACHMENTS:
        raise refusal(attribute, f"be at most {MAX_ATTACHMENTS} attachments", len(value))


def texts(instance: Any, attribute: Attribute[Any], value: Any) -> None:
    """Check for a mapping of texts to texts."""
    kind(Mapping)(instance, attribute, value)
    items = (*value, *value.values())
    _check_texts(instance, attribute, items, "map strings to strings")


def is_json(instance: Any, attribute: Attribute[Any], value: Any) -> None:
    """Refuse what JSON has no word for, such as NaN or a datetime: it would change on the way."""
    kind(Mapping)(instance, attribute, value)
    if not all(isinstance(key, str) for key in value):
        raise refusal(attribute, "have string keys")
    fault = None
    try:
        json.dumps(dict(value), ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        fault = kind_of(error)
    # Outside the block above: the error underneath may hold all that was to be written.
    if fault is not None:
        raise refusal(attribute, f"hold values of JSON, not NaN or dates ({fault})")
