"""The checks that settings, arguments and records share: bounds, wording, and what is not shown."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from math import inf, isnan, nan
from typing import Any, NoReturn

import pytest
from attrs import fields, frozen
from attrs.validators import gt
from hypothesis import assume, example, given
from hypothesis import strategies as st

from aicc_async import _validators as validators
from aicc_async._validators import (
    MAX_SECONDS,
    MAX_SHOWN_CHARACTERS,
    UTF8,
    UTF16,
    Check,
    attachments,
    check,
    integer,
    is_json,
    is_text,
    kind,
    kind_of,
    must,
    number,
    one_of,
    secret,
    shown,
    text,
    texts,
)
from aicc_async.errors import ConfigError

SECRET = "an-invented-secret"
HALF = "\ud83d"


class Unwritable:
    """A value whose repr fails."""

    def __repr__(self) -> NoReturn:
        """Fail as a library's own type may."""
        raise ZeroDivisionError


def nested(depth: int = 100_000) -> list[Any]:
    """Make a list that is nested too deeply for Python to write."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def refusal(validator: Check, value: Any) -> str | None:
    """Return what a check says of an argument that is called ``name``; None: it passes."""
    try:
        result = check("name", value, validator)
    except ConfigError as error:
        return str(error)
    assert result is value
    return None


bounds = st.none() | st.integers()
floats = st.floats(allow_nan=True, allow_infinity=True)
halves = st.text(st.characters(categories=["Cs"]), min_size=1, max_size=3)
# Short texts of all widths: in UTF-8 a character is 1 to 4 bytes, in UTF-16 it is 1 or 2 units.
words = st.text(max_size=12) | st.text("aé工😀", max_size=12)
anything = st.one_of(
    *(st.none(), st.booleans(), st.integers(), floats, words, st.binary(max_size=9)),
    *(st.lists(words, max_size=3), st.dictionaries(words, words, max_size=3), st.datetimes()),
)
no_numbers = anything.filter(lambda value: type(value) not in {int, float})


# ---- numbers -------------------------------------------------------------------------------


@given(st.integers(), st.integers(), bounds, st.booleans())
def test_an_integer_is_within_its_bounds(
    value: int, minimum: int, maximum: int | None, is_exact: bool
) -> None:
    """Both bounds are allowed, nothing beyond them is, and the refusal names both and the value."""
    condition = f">= {minimum}" if maximum is None else f"from {minimum} to {maximum}"
    fits = minimum <= value and (maximum is None or value <= maximum)

    said = refusal(integer(minimum, maximum, is_exact=is_exact), value)

    assert said == (None if fits else f"name must be an integer {condition}, got {shown(value)}")


@pytest.mark.parametrize("bound", [-7, 0, 1, 2**53])
def test_an_integer_at_its_bounds(bound: int) -> None:
    """The bound itself passes, its neighbours don't."""
    only = integer(bound, bound)
    condition = f"name must be an integer from {bound} to {bound}"

    assert refusal(only, bound) is None
    assert refusal(only, bound - 1) == f"{condition}, got {bound - 1}"
    assert refusal(only, bound + 1) == f"{condition}, got {bound + 1}"


@given(no_numbers | floats)
@example(True)
@example(1.0)
def test_what_is_not_an_integer(value: object) -> None:
    """Neither a float nor a text of digits is one, nor True, which Python counts as 1."""
    assert refusal(integer(0), value) == f"name must be an integer >= 0, got {shown(value)}"
    wanted = f"name must be an integer from 0 to 9, got {shown(value)}"
    assert refusal(integer(0, 9), value) == wanted


def test_a_subclass_of_an_integer() -> None:
    """An Enum's member is one in settings; what goes onto the wire must be an int itself."""
    wanted = "name must be an integer >= 1, got <HTTPStatus.OK: 200>"

    assert refusal(integer(1), HTTPStatus.OK) is None
    assert refusal(integer(201), HTTPStatus.OK) is not None
    assert refusal(integer(1, is_exact=True), HTTPStatus.OK) == wanted
    assert refusal(integer(1, is_exact=True), 200) is None


@given(floats | st.integers(), st.integers(-100, 100) | st.floats(-100, 100), st.floats(0, 1e12))
@example(nan, 0, 1.0)
@example(inf, 0, MAX_SECONDS)
@example(-inf, 0, MAX_SECONDS)
@example(10**400, 0, MAX_SECONDS)
def test_a_number_is_within_its_bounds(value: float, minimum: float, maximum: float) -> None:
    """A finite number between the bounds passes, be it an int or a float; NaN is not one."""
    said = refusal(number(minimum, maximum), value)

    condition = f"be a number from {minimum:g} to {maximum:g}"
    fits = not isnan(value) if isinstance(value, float) else True
    fits = fits and minimum <= value <= maximum
    assert said == (None if fits else f"name must {condition}, got {shown(value)}")


@pytest.mark.parametrize("value", [nan, inf, MAX_SECONDS * 1.001, 10**400], ids=shown)
def test_no_wait_is_endless(value: float) -> None:
    """Without a maximum there is one all the same, and the refusal names it."""
    wanted = f"name must be a number from 0.5 to 1e+09, got {shown(value)}"

    assert refusal(number(0.5), value) == wanted
    assert refusal(number(0.5), MAX_SECONDS) is None
    assert refusal(number(0.5), 0.5) is None


@given(no_numbers)
@example(True)
def test_what_is_not_a_number(value: object) -> None:
    """No text is one, and no True."""
    assert refusal(number(0, 1), value) == f"name must be a number from 0 to 1, got {shown(value)}"


# ---- words and kinds -----------------------------------------------------------------------


@given(st.lists(words, min_size=1, max_size=4), anything)
def test_one_of_some_words(some: list[str], value: object) -> None:
    """The words pass and nothing else does, whatever it is; the refusal lists them all."""
    one = one_of(*some)

    assert [refusal(one, word) for word in some] == [None] * len(some)
    wanted = None if value in some else f"name must be one of {', '.join(some)}, got {shown(value)}"
    assert refusal(one, value) == wanted


KINDS: list[tuple[tuple[type, ...], str]] = [
    ((str,), "a str"),
    ((int,), "an int"),
    ((bool,), "a bool"),
    ((int, float), "an int or float"),
    ((str, bool), "a str or bool"),
    ((Mapping,), "a Mapping"),
    ((dict, type(None)), "a dict or None"),
]


@pytest.mark.parametrize(("kinds", "wanted"), KINDS)
@given(value=anything)
@example(value=True)
def test_instances_of_some_types(kinds: tuple[type, ...], wanted: str, value: object) -> None:
    """True is no int; the refusal gives the name of the type away, and nothing of the value."""
    fits = isinstance(value, kinds) and (value.__class__ is not bool or bool in kinds)

    said = refusal(kind(*kinds), value)

    assert said == (None if fits else f"name must be {wanted}, got {type(value).__name__}")


def test_a_subclass_is_of_its_kind() -> None:
    """As everywhere in Python, but for bool."""
    assert refusal(kind(int), HTTPStatus.OK) is None


class NaTType(datetime):
    """A time that is none, as pandas has it."""

    def __ne__(self, other: object) -> bool:
        """Differ from everything, as NaN does."""
        return True

    __hash__ = datetime.__hash__


def test_a_time_that_is_none_is_refused() -> None:
    """It is a datetime to Python, and would be sent as a text."""
    said = refusal(kind(datetime), NaTType(2025, 1, 1, tzinfo=UTC))

    assert said == "name must be a datetime, got NaTType"
    assert refusal(kind(datetime), datetime(2025, 1, 1, tzinfo=UTC)) is None


def test_a_foreign_type_with_a_name_of_python_s_is_told_apart() -> None:
    """Getting a bool where a bool must be helps nobody: numpy has one of its own."""
    foreign = type("bool", (), {"__module__": "numpy"})()

    assert refusal(kind(bool), foreign) == "name must be a bool, got numpy.bool"


@pytest.mark.parametrize("value", [Unwritable(), nested()], ids=kind_of)
def test_no_kind_is_asked_for_its_repr(value: object) -> None:
    """It may be long, fail, or hold a secret: neither a refusal nor a pass depends on it."""
    given_ = kind_of(value)

    assert refusal(kind(type(value)), value) is None
    assert refusal(kind(str), value) == f"name must be a str, got {given_}"
    assert refusal(is_text, value) == f"name must be a string, got {given_}"
    assert refusal(secret, value) == f"name must be a string, got {given_}"
    assert refusal(is_json, {"a": value}) is not None


# ---- texts ---------------------------------------------------------------------------------


def utf8_bytes(value: str) -> int:
    """Count by the table of the standard, not by encoding."""
    return sum(1 + (ord(c) > 0x7F) + (ord(c) > 0x7FF) + (ord(c) > 0xFFFF) for c in value)


def utf16_units(value: str) -> int:
    """Count what .NET calls Length."""
    return sum(1 + (ord(c) > 0xFFFF) for c in value)


SIZES = {UTF8: utf8_bytes, UTF16: utf16_units}


@pytest.mark.parametrize("unit", SIZES)
@given(value=words, limit=st.none() | st.integers(0, 30), empty=st.booleans())
@example(value="", limit=None, empty=False)
@example(value="😀", limit=2, empty=True)
def test_a_text_is_measured_in_its_unit(
    unit: str, value: str, limit: int | None, empty: bool
) -> None:
    """A text passes if, and only if, it fits; the refusal says how long it is, and no more."""
    size = SIZES[unit](value)
    wanted = None
    if limit is not None and size > limit:
        wanted = f"name must be at most {limit} {unit}, got {size}"
    if not value and not empty:
        wanted = "name must not be empty"

    assert refusal(text(limit, empty=empty, unit=unit), value) == wanted


@pytest.mark.parametrize("unit", SIZES)
@given(before=words, half=halves, after=words)
def test_half_a_pair_is_not_a_text(unit: str, before: str, half: str, after: str) -> None:
    """A lone surrogate can't be sent in any encoding, be the text bounded or not."""
    wanted = "name must be valid Unicode, got half a surrogate pair"

    for limit in (None, 0, 1000):
        assert refusal(text(limit, unit=unit), before + half + after) == wanted


@given(anything.filter(lambda value: not isinstance(value, str)))
def test_what_is_not_a_text(value: object) -> None:
    """Only its type is told."""
    wanted = f"name must be a string, got {type(value).__name__}"

    for validator in (is_text, text(), text(0, empty=False, unit=UTF16), secret):
        assert refusal(validator, value) == wanted


@given(st.text(max_size=9) | st.text(" \t\r\n\0a", max_size=5) | halves)
@example("")
@example(" ")
def test_a_secret_fits_into_a_header(value: str) -> None:
    """It is not blank, and printable: a line break would begin another header."""
    # What Python calls printable: no control, format, surrogate or unassigned characters, and of
    # the separators the space alone.
    odd = any(unicodedata.category(c)[0] in "CZ" and c != " " for c in value)
    wanted = "name must be printable: no line breaks, no control characters" if odd else None
    if not value.strip():
        wanted = "name must not be empty"

    assert refusal(secret, value) == wanted


# ---- several texts, and JSON ---------------------------------------------------------------


@given(words | st.lists(words, max_size=8) | st.lists(words, max_size=8).map(tuple))
def test_attachments_are_a_text_or_five(value: str | Sequence[str]) -> None:
    """A text of any length is one; of several, five may be."""
    wanted = None
    if not isinstance(value, str) and len(value) > 5:
        wanted = f"name must be at most 5 attachments, got {len(value)}"

    assert refusal(attachments, value) == wanted


@given(anything.filter(lambda value: not isinstance(value, str)), st.booleans())
def test_attachments_are_texts(value: object, is_within: bool) -> None:
    """Alone or in a list, anything else is refused by its type; an empty list is none at all."""
    assume(is_within or not isinstance(value, list))
    wanted = f"name must be a string or at most 5 of them, got {type(value).__name__}"

    assert refusal(attachments, ["a", value] if is_within else value) == wanted


@given(st.dictionaries(words, words, max_size=3), anything, st.booleans())
def test_texts_by_name(fields_: dict[str, str], odd: object, is_key: bool) -> None:
    """Names and values are texts; what isn't is refused by its type."""
    assume(not isinstance(odd, str | list | dict))
    wrong: dict[Any, Any] = fields_ | ({odd: "a"} if is_key else {"a": odd})

    assert refusal(texts, fields_) is None
    assert refusal(texts, wrong) == f"name must map strings to strings, got {type(odd).__name__}"
    assert refusal(texts, list(fields_)) == "name must be a Mapping, got list"


def test_several_texts_are_valid_unicode() -> None:
    """Each of them, and names as well as values."""
    wanted = "name must be valid Unicode, got half a surrogate pair"

    assert refusal(attachments, ["a", HALF]) == wanted
    assert refusal(texts, {HALF: "a"}) == wanted
    assert refusal(texts, {"a": HALF}) == wanted


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.dictionaries(words, json_values, max_size=3))
def test_json_passes(value: dict[str, Any]) -> None:
    """What JSON holds comes back as it was."""
    assert refusal(is_json, value) is None
    assert json.loads(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        *((value, "ValueError") for value in (nan, inf, -inf)),
        *((value, "TypeError") for value in (b"a", {1}, object(), Unwritable(), 1j)),
        (HALF, "UnicodeEncodeError"),
        (nested(), "RecursionError"),
    ],
    ids=kind_of,
)
@given(value=st.dictionaries(words, json_values, max_size=2), place=words)
def test_what_json_has_no_word_for(
    value: dict[str, Any], place: str, odd: object, why: str
) -> None:
    """At the top or below, it is refused by the kind of failure, and not shown."""
    wanted = f"name must hold values of JSON, not NaN or dates ({why})"

    assert refusal(is_json, value | {place: odd}) == wanted
    assert refusal(is_json, {place: [value, {"a": odd}]}) == wanted


def test_json_is_an_object() -> None:
    """With texts as its names: JSON would turn a number into one."""
    assert refusal(is_json, ["a"]) == "name must be a Mapping, got list"
    assert refusal(is_json, {1: "a"}) == "name must have string keys"


# ---- what is shown -------------------------------------------------------------------------


@given(anything | st.text(max_size=200) | st.binary(max_size=200) | st.lists(words, max_size=40))
@example("x" * (MAX_SHOWN_CHARACTERS - 2))
@example("x" * (MAX_SHOWN_CHARACTERS - 1))
def test_a_long_value_is_cut(value: object) -> None:
    """Eighty characters of a repr are shown, and a sign that there are more."""
    whole = repr(value)

    assert shown(value) == (whole if len(whole) <= 80 else whole[:80] + "…")


@pytest.mark.parametrize(
    ("value", "wanted"), [(10**5000, "int"), (nested(), "list"), ([10**5000], "list")], ids=kind_of
)
def test_what_python_can_not_write_is_shown_by_its_kind(value: object, wanted: str) -> None:
    """Neither an endless int nor a deep list makes an error of another tree of a refusal."""
    assert shown(value) == wanted
    assert refusal(one_of("a", "b"), value) == f"name must be one of a, b, got {wanted}"
    assert refusal(number(0), value) == f"name must be a number from 0 to 1e+09, got {wanted}"


@given(st.floats(-9, 9))
def test_attrs_own_validators_can_be_used(value: float) -> None:
    """They hold together, under one condition; what is shown may be chosen."""
    for got in (shown, kind_of):
        wanted = None if value > 0 else f"name must be positive, got {got(value)}"
        assert refusal(must("be positive", gt(0), got=got), value) == wanted


HOLDING: dict[str, tuple[Check, Any]] = {
    "integer": (integer(0), SECRET),
    "number": (number(0), SECRET),
    "kind": (kind(int), SECRET),
    "text": (text(), [SECRET]),
    "half": (text(), SECRET + HALF),
    "long": (text(3), SECRET),
    "bytes": (secret, SECRET.encode()),
    "lines": (secret, f"{SECRET}\n"),
    "attachments": (attachments, ["a", [SECRET]]),
    "texts": (texts, {"a": [SECRET]}),
    "json": (is_json, {"a": SECRET + HALF}),
    "json key": (is_json, {1: SECRET}),
}


@pytest.mark.parametrize("name", HOLDING)
def test_a_refusal_hides_no_other_error(name: str) -> None:
    """An error underneath holds the value, and a monitor that writes contexts would show it."""
    validator, value = HOLDING[name]

    with pytest.raises(ConfigError) as caught:
        check("name", value, validator)

    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    if name not in {"integer", "number"}:
        assert SECRET not in f"{caught.value!r} {vars(caught.value)}"


# ---- fields --------------------------------------------------------------------------------


@frozen
class Record:
    """One field of each kind."""

    needed: int = validators.required(integer(1))
    password: str = validators.required(secret, show=False)
    limit: int | None = validators.optional(integer(1))
    phone: str | None = validators.hidden(text(9))
    remark: str | None = validators.private()
    extra: Mapping[str, Any] = validators.extras()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"needed": None}, "needed must be an integer >= 1, got None"),
        ({"password": None}, "password must be a string, got NoneType"),
        ({"limit": 0}, "limit must be an integer >= 1, got 0"),
        ({"phone": "0" * 10}, "phone must be at most 9 bytes in UTF-8, got 10"),
        ({"extra": None}, "extra must be a Mapping, got NoneType"),
    ],
)
def test_fields_are_checked(values: dict[str, Any], says: str) -> None:
    """A record is refused by the name of its field."""
    with pytest.raises(ConfigError) as caught:
        Record(**{"needed": 1, "password": "p", **values})

    assert str(caught.value) == says


def test_optional_fields_may_be_left_out() -> None:
    """None is as not set, and each record has an ``extra`` of its own."""
    one, other = Record(1, "p"), Record(1, "p", None, None)

    assert one == other
    assert (one.limit, one.phone, one.remark, one.extra) == (None, None, None, {})
    assert one.extra is not other.extra
    with pytest.raises(TypeError):
        Record(1, "p", None, None, None, {})


def test_some_fields_are_hidden() -> None:
    """A repr shows what can be neither a secret nor contact data."""
    record = Record(1, SECRET, 2, SECRET[:9], SECRET, extra={"a": SECRET})

    assert repr(record) == "Record(needed=1, limit=2)"
    assert [one.name for one in fields(Record) if one.repr] == ["needed", "limit"]
