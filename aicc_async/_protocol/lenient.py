"""Answers that are nearly JSON: what a service writes that strict parsers refuse.

The idea: one odd character must not cost a page of rows. What real services write is corrected: a
BOM in front, half of a surrogate pair (a text that was cut within an emoji), raw tabs and line ends
in texts, and numbers that no float holds. All of it costs time, so it is tried only after the
strict parser has refused an answer.

The invariant: nothing but these places is changed, and what comes out is valid JSON without half
pairs. Half a pair becomes U+FFFD, a raw control character its escape.

What it cannot see: another encoding. Bytes that are not UTF-8 stay an error, since every letter of
an answer may be wrong then.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from math import isinf
from typing import Any

import msgspec

from ..errors import DecodeError

# A text (possessive, and up to the end of the body if need be: no garbage takes quadratic time),
# or an integer of more digits than Python converts.
_TOKEN = re.compile(
    rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)|(?<![0-9.eE+-])-?[0-9]{4301,}+(?![.eE])', re.DOTALL
)
# A whole pair and other escapes are skipped; the groups are half a pair and a control character.
_IN_TEXT = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.|([\x00-\x1f])",
    re.DOTALL,
)
# What makes of a long integer a number that hooks read, and leaves its value as it is.
_WHOLE = "e0"
# Before or behind the point. Postgres holds more, and these are no numbers of a case.
MAX_PLACES = 10_000


def normalize(body: bytes) -> bytes:
    """Return an answer that was refused as JSON, as far as it is nearly JSON."""
    return _TOKEN.sub(_correct_token, body.removeprefix(BOM_UTF8))


def read_json(body: bytes, *, keep_digits: bool = False) -> Any:
    """Read an answer's JSON of any shape; a number that no float holds is a Decimal.

    ``keep_digits`` makes a Decimal of every number with a point or an exponent.
    """
    decode = _decode_exactly if keep_digits else _decode
    with suppress(ValueError, RecursionError):
        return decode(body)
    try:
        return decode(normalize(body))
    except (ValueError, RecursionError):
        raise DecodeError(f"must be JSON, got {len(body)} other bytes @ $") from None


def exact_number(text: str) -> Decimal | str:
    """Return a number with the service's own digits; its text if no database holds so many."""
    with suppress(InvalidOperation):
        number = Decimal(text)
        last_place = number.as_tuple().exponent
        if isinstance(last_place, int) and max(number.adjusted(), -last_place) < MAX_PLACES:
            return number
    return text.removesuffix(_WHOLE)


def _float_or_exact(text: str) -> float | Decimal | str:
    number = float(text)
    return exact_number(text) if isinf(number) else number


_decode = msgspec.json.Decoder(float_hook=_float_or_exact).decode
_decode_exactly = msgspec.json.Decoder(float_hook=exact_number).decode


def _correct_token(token: re.Match[bytes]) -> bytes:
    return _IN_TEXT.sub(_correct, token[0]) if token[0][:1] == b'"' else token[0] + _WHOLE.encode()


def _correct(found: re.Match[bytes]) -> bytes:
    if found[1]:
        return rb"\ufffd"
    return rb"\u%04x" % ord(found[2]) if found[2] else found[0]
